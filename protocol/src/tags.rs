//! Tags: the hash that stands in the ConsumeQueue, and the subscription expression that is compared with it.

/// Java's `String.hashCode`: `h = 31 * h + unit` over the UTF-16 units, wrapping.
pub fn java_hash(text: &str) -> i32 {
    text.encode_utf16().fold(0, |hash: i32, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

/// The tags code of a message whose `TAGS` property is `tags`: the hash widened with its sign, 0 without tags.
pub fn tags_code(tags: Option<&str>) -> i64 {
    tags.map_or(0, |tags| i64::from(java_hash(tags)))
}

/// A subscription expression that has no tag in it, as `||`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("tag expression `{expression}` names no tag")]
pub struct TagExpressionError {
    /// The expression as received.
    pub expression: String,
}

/// What a subscription of type `TAG` lets through.
///
/// The filter compares hashes, so it may let a wrong message pass, never hold a right one back; clients compare the
/// text again with [`TagFilter::matches_text`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TagFilter {
    /// Sorted by hash; empty = everything passes.
    tags: Vec<(i32, String)>,
}

impl TagFilter {
    /// Lets everything through.
    pub fn all() -> Self {
        Self::default()
    }

    /// `*` or an empty text lets everything through; else tags joined by `||`, blanks around them dropped.
    ///
    /// # Errors
    /// [`TagExpressionError`] if no tag is left.
    pub fn parse(expression: &str) -> Result<Self, TagExpressionError> {
        if expression.is_empty() || expression == "*" {
            return Ok(Self::all());
        }
        let tags = expression.split("||").map(str::trim).filter(|tag| !tag.is_empty());
        let mut tags: Vec<_> = tags.map(|tag| (java_hash(tag), tag.to_owned())).collect();
        tags.sort_unstable();
        tags.dedup();
        if tags.is_empty() {
            return Err(TagExpressionError { expression: expression.to_owned() });
        }
        Ok(Self { tags })
    }

    /// Whether everything passes.
    pub fn is_all(&self) -> bool {
        self.tags.is_empty()
    }

    /// Whether a message with this tags code may match; the reference compares the low 32 bits.
    pub fn matches(&self, tags_code: i64) -> bool {
        self.is_all() || self.tags.binary_search_by_key(&(tags_code as i32), |(hash, _)| *hash).is_ok()
    }

    /// Whether a message with this `TAGS` property matches.
    pub fn matches_text(&self, tags: Option<&str>) -> bool {
        self.is_all() || tags.is_some_and(|tags| self.tags.iter().any(|(_, tag)| tag == tags))
    }

    /// The tags, ordered by hash.
    pub fn tags(&self) -> impl Iterator<Item = &str> {
        self.tags.iter().map(|(_, tag)| tag.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_java_s() {
        assert_eq!(java_hash("A"), 65);
        assert_eq!(java_hash("TagA"), 2_598_919);
        assert_eq!(java_hash(""), 0);
        assert_eq!(java_hash("TR1#T#TagA"), 1_426_345_958);
        // Over UTF-16 units: outside the basic plane a character is two of them.
        assert_eq!(java_hash("😀"), 0xD83D * 31 + 0xDE00);
    }

    #[test]
    fn a_negative_hash_is_widened_with_its_sign() {
        let tag = "polygenelubricants"; // hashes to i32::MIN
        assert_eq!(tags_code(Some(tag)), i64::from(i32::MIN));
        assert!(TagFilter::parse(tag).unwrap().matches(tags_code(Some(tag))));
    }

    #[test]
    fn star_and_empty_let_everything_pass() {
        for expression in ["", "*"] {
            let filter = TagFilter::parse(expression).unwrap();
            assert!(filter.is_all() && filter.matches(0) && filter.matches(-7) && filter.matches_text(None));
        }
    }

    #[test]
    fn tags_are_split_at_double_bars_and_trimmed() {
        let filter = TagFilter::parse(" TagA ||TagB|| ").unwrap();
        assert!(filter.matches(2_598_919) && filter.matches(2_598_920));
        assert!(!filter.matches(2_598_921) && !filter.is_all());
        assert!(filter.matches_text(Some("TagB")) && !filter.matches_text(Some("TagC")));
    }

    #[test]
    fn a_message_without_tags_does_not_match_a_tag() {
        let filter = TagFilter::parse("TagA").unwrap();
        assert!(!filter.matches(tags_code(None)) && !filter.matches_text(None));
    }

    #[test]
    fn an_expression_without_any_tag_is_an_error() {
        assert_eq!(TagFilter::parse(" || "), Err(TagExpressionError { expression: " || ".to_owned() }));
    }
}
