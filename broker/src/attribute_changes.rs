//! Attributes of topics and groups: what an operator may change, written `+key=value,-key`.

use std::collections::BTreeMap;
use thiserror::Error;

/// Attributes changed by one request; more are refused.
pub const ATTRIBUTE_CHANGES_MAX: usize = 64;

/// Why attributes cannot be changed as asked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AttributeError {
    /// Neither `+key=value` nor `-key`.
    #[error("attribute change `{change}` is wrong; wanted `+key=value` or `-key`")]
    Format {
        /// The piece as received.
        change: String,
    },
    /// A key stands twice.
    #[error("key duplication: {key}")]
    Duplicate {
        /// The key.
        key: String,
    },
    /// More than [`ATTRIBUTE_CHANGES_MAX`].
    #[error("{count} attribute changes in one request; at most {ATTRIBUTE_CHANGES_MAX}")]
    TooMany {
        /// How many there are.
        count: usize,
    },
    /// This broker knows no such attribute.
    #[error("unsupported key: {key}")]
    Unsupported {
        /// The key.
        key: String,
    },
    /// The attribute is fixed when the topic or group is created.
    #[error("attempt to update an unchangeable attribute. key: {key}")]
    Unchangeable {
        /// The key.
        key: String,
    },
    /// Something that is not there cannot be removed.
    #[error("attempt to delete a nonexistent key: {key}")]
    Nonexistent {
        /// The key.
        key: String,
    },
    /// Not among the values of the attribute that this broker supports.
    #[error("value of attribute {key} is `{value}`; this broker supports {supported}")]
    Value {
        /// The key.
        key: String,
        /// As received.
        value: String,
        /// Joined with commas.
        supported: String,
    },
}

/// One attribute that can be set.
#[derive(Debug, Clone, Copy)]
pub struct AttributeRule {
    /// Its name.
    pub key: &'static str,
    /// Whether it can be set or removed later than at creation.
    pub changeable: bool,
    /// All values it can have.
    pub values: &'static [&'static str],
}

/// Changes of one request, in its order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AttributeChanges {
    /// Key and new value; `None` removes.
    changes: Vec<(String, Option<String>)>,
}

impl AttributeChanges {
    /// No changes.
    pub fn none() -> Self {
        Self::default()
    }

    /// Reads `+key=value,-key`; an empty text changes nothing.
    ///
    /// # Errors
    /// [`AttributeError`] for a piece of another form, a key that repeats, or too many.
    pub fn parse(text: &str) -> Result<Self, AttributeError> {
        if text.is_empty() {
            return Ok(Self::none());
        }
        Self::collect(text.split(',').map(|change| (change, change.split_once('='))))
    }

    /// Reads the form of JSON bodies: keys with their sign, values empty where something is removed.
    ///
    /// # Errors
    /// As [`AttributeChanges::parse`].
    pub fn from_map(map: &BTreeMap<String, String>) -> Result<Self, AttributeError> {
        let removes = |key: &str| key.starts_with('-');
        Self::collect(map.iter().map(|(key, value)| (&**key, (!removes(key)).then_some((&**key, &**value)))))
    }

    /// Each change as a whole, and split where it has a value.
    fn collect<'a>(
        pieces: impl Iterator<Item = (&'a str, Option<(&'a str, &'a str)>)>,
    ) -> Result<Self, AttributeError> {
        let mut changes: Vec<(String, Option<String>)> = Vec::new();
        for (piece, split) in pieces {
            let format = || AttributeError::Format { change: piece.to_owned() };
            let (key, value) = match split {
                Some((key, value)) => (key.strip_prefix('+').ok_or_else(format)?, Some(value.to_owned())),
                None => (piece.strip_prefix('-').ok_or_else(format)?, None),
            };
            if key.is_empty() {
                return Err(format());
            }
            if changes.iter().any(|(earlier, _)| earlier == key) {
                return Err(AttributeError::Duplicate { key: key.to_owned() });
            }
            changes.push((key.to_owned(), value));
            if changes.len() > ATTRIBUTE_CHANGES_MAX {
                return Err(AttributeError::TooMany { count: changes.len() });
            }
        }
        Ok(Self { changes })
    }

    /// The attributes after the changes. `current` is `None` for something that is being created.
    ///
    /// # Errors
    /// [`AttributeError`]; nothing is changed then.
    pub fn apply(
        &self,
        rules: &[AttributeRule],
        current: Option<&BTreeMap<String, String>>,
    ) -> Result<BTreeMap<String, String>, AttributeError> {
        let mut attributes = current.cloned().unwrap_or_default();
        for (key, value) in &self.changes {
            let rule = rules.iter().find(|rule| rule.key == key);
            let rule = rule.ok_or_else(|| AttributeError::Unsupported { key: key.clone() })?;
            if current.is_some() && !rule.changeable {
                return Err(AttributeError::Unchangeable { key: key.clone() });
            }
            match value {
                Some(value) => {
                    check_value(rule, value)?;
                    attributes.insert(key.clone(), value.clone());
                }
                None => {
                    let removed = attributes.remove(key);
                    removed.ok_or_else(|| AttributeError::Nonexistent { key: key.clone() })?;
                }
            }
        }
        Ok(attributes)
    }
}

fn check_value(rule: &AttributeRule, value: &str) -> Result<(), AttributeError> {
    if rule.values.contains(&value) {
        return Ok(());
    }
    let supported = rule.values.join(", ");
    Err(AttributeError::Value { key: rule.key.to_owned(), value: value.to_owned(), supported })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &[AttributeRule] = &[
        AttributeRule { key: "message.type", changeable: true, values: &["NORMAL", "FIFO"] },
        AttributeRule { key: "queue.type", changeable: false, values: &["SimpleCQ"] },
    ];

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn apply(changes: &str, current: Option<&[(&str, &str)]>) -> Result<BTreeMap<String, String>, AttributeError> {
        AttributeChanges::parse(changes)?.apply(RULES, current.map(map).as_ref())
    }

    #[test]
    fn attributes_are_added_changed_and_removed() {
        let created = apply("+message.type=FIFO,+queue.type=SimpleCQ", None).unwrap();
        assert_eq!(created, map(&[("message.type", "FIFO"), ("queue.type", "SimpleCQ")]));
        let current: &[_] = &[("message.type", "FIFO")];
        assert_eq!(apply("+message.type=NORMAL", Some(current)).unwrap(), map(&[("message.type", "NORMAL")]));
        assert_eq!(apply("-message.type", Some(current)).unwrap(), map(&[]));
        assert_eq!(apply("", Some(current)).unwrap(), map(current));
    }

    #[test]
    fn what_cannot_be_changed_is_an_error_that_names_the_key() {
        let error = |changes, current| apply(changes, current).unwrap_err().to_string();
        assert_eq!(error("+x=1", None), "unsupported key: x");
        assert!(error("+queue.type=SimpleCQ", Some(&[])).ends_with("unchangeable attribute. key: queue.type"));
        assert!(error("-message.type", Some(&[])).ends_with("nonexistent key: message.type"));
        assert!(error("+message.type=ODD", None).contains("this broker supports NORMAL, FIFO"));
    }

    #[test]
    fn a_change_of_another_form_is_an_error() {
        for change in ["message.type=FIFO", "+message.type", "-", "+=v", "+message.type=FIFO,", "k"] {
            assert!(matches!(AttributeChanges::parse(change), Err(AttributeError::Format { .. })), "{change}");
        }
        let twice = AttributeChanges::parse("+a=1,-a");
        assert_eq!(twice, Err(AttributeError::Duplicate { key: "a".to_owned() }));
    }

    #[test]
    fn bodies_carry_the_same_changes_as_a_map() {
        let changes = AttributeChanges::from_map(&map(&[("+message.type", "FIFO"), ("-queue.type", "")]));
        assert_eq!(changes, AttributeChanges::parse("+message.type=FIFO,-queue.type"));
        assert!(AttributeChanges::from_map(&map(&[("message.type", "FIFO")])).is_err());
    }
}
