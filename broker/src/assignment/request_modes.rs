//! How groups get the messages of topics, where an operator has set it.

use std::collections::BTreeMap;

use protocol::ResponseCode;
use protocol::body::{MessageRequestMode, MessageRequestModes};
use rkyv::{Archive, Deserialize, Serialize};
use thiserror::Error;

use crate::control_record::ControlRecord;

/// Pairs of topic and group of one shard. When full, no more are set.
pub const REQUEST_MODES_MAX: usize = 100_000;

/// Names of topics and groups are shorter; one of those that are kept has to fit a record many times over.
const NAME_BYTES_MAX: usize = 255;

/// How members of a group get messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub enum RequestMode {
    /// Each queue is one member's, which pulls it.
    Pull,
    /// Members pop; a queue is of several of them.
    Pop,
}

impl RequestMode {
    /// The mode of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "PULL" => Some(Self::Pull),
            "POP" => Some(Self::Pop),
            _ => None,
        }
    }

    /// As clients name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pull => "PULL",
            Self::Pop => "POP",
        }
    }
}

/// What was set for one group in one topic; as it stands in checkpoints and in records of kind 40.
#[derive(Debug, Clone, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct StoredRequestMode {
    /// The topic.
    pub topic: String,
    /// The group.
    pub group: String,
    /// How it gets messages.
    pub mode: RequestMode,
    /// With how many members behind it a member shares its queues, in POP mode; 0 and less: with all.
    pub share_queues: i32,
}

/// Why a mode is not set. The text is the answer's remark.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ModeError {
    /// The body lacks a name.
    #[error("field `{field}` of the body is missing or empty")]
    Missing {
        /// Of the body.
        field: &'static str,
    },
    /// A name that no topic or group can have.
    #[error("field `{field}` of the body has {bytes} bytes, at most {NAME_BYTES_MAX} are kept")]
    TooLong {
        /// Of the body.
        field: &'static str,
        /// Of the name.
        bytes: usize,
    },
    /// Neither of the two.
    #[error("field `mode` of the body is {mode:?}, wanted PULL or POP")]
    UnknownMode {
        /// As it came, cut.
        mode: String,
    },
    /// [`REQUEST_MODES_MAX`] are set.
    #[error(
        "{REQUEST_MODES_MAX} modes are set, which is as many as are kept; delete groups or topics that are not used"
    )]
    Full,
}

impl ModeError {
    /// The code of the answer.
    pub fn response_code(&self) -> ResponseCode {
        match self {
            Self::Missing { .. } | Self::TooLong { .. } | Self::UnknownMode { .. } | Self::Full => {
                ResponseCode::SYSTEM_ERROR
            }
        }
    }
}

impl StoredRequestMode {
    /// What request 401 wants.
    ///
    /// # Errors
    /// [`ModeError`], which names the field.
    pub fn of_body(body: &MessageRequestMode) -> Result<Self, ModeError> {
        for (field, name) in [("topic", &body.topic), ("consumerGroup", &body.consumer_group)] {
            match name.len() {
                0 => return Err(ModeError::Missing { field }),
                1..=NAME_BYTES_MAX => {}
                bytes => return Err(ModeError::TooLong { field, bytes }),
            }
        }
        let unknown = || ModeError::UnknownMode { mode: body.mode.chars().take(NAME_BYTES_MAX).collect() };
        let mode = RequestMode::from_name(&body.mode).ok_or_else(unknown)?;
        let (topic, group) = (body.topic.clone(), body.consumer_group.clone());
        Ok(Self { topic, group, mode, share_queues: body.pop_share_queue_num })
    }

    fn body(&self) -> MessageRequestMode {
        MessageRequestMode {
            consumer_group: self.group.clone(),
            mode: self.mode.name().to_owned(),
            pop_share_queue_num: self.share_queues,
            topic: self.topic.clone(),
        }
    }
}

/// See the module's text. What is set goes with its topic or its group, by the records that delete them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestModes {
    by_topic: BTreeMap<String, BTreeMap<String, StoredRequestMode>>,
    count: usize,
    changes: Vec<StoredRequestMode>,
}

impl RequestModes {
    /// As it was when the snapshot was taken.
    pub fn restore(snapshot: &[StoredRequestMode]) -> Self {
        let mut modes = Self::default();
        snapshot.iter().for_each(|mode| modes.apply(mode));
        modes
    }

    /// All that survives a restart, ascending by topic and group.
    pub fn snapshot(&self) -> Vec<StoredRequestMode> {
        self.by_topic.values().flat_map(BTreeMap::values).cloned().collect()
    }

    /// Sets a mode; one that is as it should be changes nothing.
    ///
    /// # Errors
    /// [`ModeError::Full`].
    pub fn set(&mut self, mode: StoredRequestMode) -> Result<(), ModeError> {
        match self.get(&mode.topic, &mode.group) {
            Some(known) if *known == mode => return Ok(()),
            Some(_) => {}
            None if self.count >= REQUEST_MODES_MAX => return Err(ModeError::Full),
            None => {}
        }
        self.apply(&mode);
        self.changes.push(mode);
        Ok(())
    }

    /// What was set for a group in a topic.
    pub fn get(&self, topic: &str, group: &str) -> Option<&StoredRequestMode> {
        self.by_topic.get(topic)?.get(group)
    }

    /// Body of request 402.
    pub fn table(&self) -> MessageRequestModes {
        let of_topic = |(topic, groups): (&String, &BTreeMap<String, StoredRequestMode>)| {
            (topic.clone(), groups.iter().map(|(group, mode)| (group.clone(), mode.body())).collect())
        };
        MessageRequestModes { message_request_mode_map: self.by_topic.iter().map(of_topic).collect() }
    }

    /// Moves what was set since the last call to the end of `records`. Asked by every sweep, mostly for nothing.
    #[inline]
    pub fn take_records(&mut self, records: &mut Vec<ControlRecord>) {
        if self.changes.is_empty() {
            return;
        }
        records.extend(self.changes.drain(..).map(ControlRecord::RequestModePut));
    }

    /// Replays one change.
    pub(crate) fn apply(&mut self, mode: &StoredRequestMode) {
        let groups = self.by_topic.entry(mode.topic.clone()).or_default();
        if groups.insert(mode.group.clone(), mode.clone()).is_none() {
            self.count += 1;
        }
    }

    /// The topic was deleted, which its own record says: nothing of it is to be logged behind that.
    pub(crate) fn drop_topic(&mut self, topic: &str) {
        self.changes.retain(|mode| mode.topic != topic);
        if let Some(groups) = self.by_topic.remove(topic) {
            self.count -= groups.len();
        }
    }

    /// The group was deleted, likewise.
    pub(crate) fn drop_group(&mut self, group: &str) {
        self.changes.retain(|mode| mode.group != group);
        let count = &mut self.count;
        self.by_topic.retain(|_, groups| {
            *count -= usize::from(groups.remove(group).is_some());
            !groups.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(topic: &str, group: &str, mode: RequestMode) -> StoredRequestMode {
        StoredRequestMode { topic: topic.to_owned(), group: group.to_owned(), mode, share_queues: -1 }
    }

    #[test]
    fn a_mode_is_told_until_its_topic_or_its_group_is_deleted() {
        let mut modes = RequestModes::default();
        for (topic, group) in [("T", "g"), ("T", "h"), ("U", "g"), ("U", "h")] {
            modes.set(mode(topic, group, RequestMode::Pop)).unwrap();
        }
        modes.drop_topic("T");
        modes.drop_group("h");
        assert_eq!(modes.snapshot(), [mode("U", "g", RequestMode::Pop)]);
        assert_eq!(modes.count, 1);
        modes.drop_group("g");
        assert_eq!(modes.count, 0);
        assert_eq!(modes.table().encode(), br#"{"messageRequestModeMap":{}}"#);
    }

    #[test]
    fn what_is_set_already_is_not_logged_again() {
        let (mut modes, mut records) = (RequestModes::default(), Vec::new());
        for wanted in [RequestMode::Pop, RequestMode::Pop, RequestMode::Pull] {
            modes.set(mode("T", "g", wanted)).unwrap();
        }
        modes.take_records(&mut records);
        let put = |wanted| ControlRecord::RequestModePut(mode("T", "g", wanted));
        assert_eq!(records, [put(RequestMode::Pop), put(RequestMode::Pull)]);
        assert_eq!(RequestModes::restore(&modes.snapshot()), modes);
    }

    #[test]
    fn a_body_that_lacks_something_is_refused_with_its_field() {
        let body = |topic: &str, group: &str, mode: &str| {
            let body = MessageRequestMode {
                topic: topic.to_owned(),
                consumer_group: group.to_owned(),
                mode: mode.to_owned(),
                pop_share_queue_num: 0,
            };
            StoredRequestMode::of_body(&body).map_err(|error| error.to_string())
        };
        assert_eq!(body("T", "g", "POP").unwrap().mode, RequestMode::Pop);
        assert_eq!(body("", "g", "POP").unwrap_err(), "field `topic` of the body is missing or empty");
        assert_eq!(body("T", "", "POP").unwrap_err(), "field `consumerGroup` of the body is missing or empty");
        assert_eq!(body("T", "g", "").unwrap_err(), "field `mode` of the body is \"\", wanted PULL or POP");
        let long = "x".repeat(256);
        assert_eq!(
            body("T", &long, "POP").unwrap_err(),
            "field `consumerGroup` of the body has 256 bytes, at most 255 are kept"
        );
    }
}
