//! The name somebody probably meant.

/// The known name nearest to `name`, if it is near enough to be a slip: a third of its letters, and two at least.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distance_max = (name.chars().count() / 3).max(2);
    let distance = |other: &str| strsim::damerau_levenshtein(&name.to_lowercase(), &other.to_lowercase());
    let scored = known.into_iter().map(|other| (distance(other), other));
    // Ties go to the first in the alphabet, so that the answer does not depend on the order of the list.
    scored.filter(|(distance, _)| *distance <= distance_max).min().map(|(_, other)| other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_the_name_that_was_meant() {
        let topics = ["orders", "payments", "TopicTest"];
        assert_eq!(nearest("order", topics), Some("orders"));
        assert_eq!(nearest("topictset", topics), Some("TopicTest"));
        assert_eq!(nearest("paymnets", topics), Some("payments"));
    }

    #[test]
    fn a_different_name_finds_nothing() {
        assert_eq!(nearest("inventory", ["orders", "payments"]), None);
        assert_eq!(nearest("x", ["orders"]), None);
    }

    #[test]
    fn of_equally_near_names_the_first_in_the_alphabet_is_taken() {
        assert_eq!(nearest("topicX", ["topicB", "topicA"]), Some("topicA"));
    }
}
