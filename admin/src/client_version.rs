//! The version of a client or broker, from the number it travels as.

use std::fmt;

/// Numbers count releases and the snapshots before them; from here on ten patch releases a minor, ten minors a major.
const V4_0_0_SNAPSHOT: i32 = 212;
/// The first number that means nothing yet.
const UNNAMED: i32 = 612;

/// Shown as in `V5_5_0`, and as its number where that has no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClientVersion(pub(crate) i32);

impl fmt::Display for ClientVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !(V4_0_0_SNAPSHOT..UNNAMED).contains(&self.0) {
            return self.0.fmt(f);
        }
        let since = self.0 - V4_0_0_SNAPSHOT;
        let patch = since / 2;
        let suffix = if since % 2 == 0 { "_SNAPSHOT" } else { "" };
        write!(f, "V{}_{}_{}{suffix}", 4 + patch / 100, patch / 10 % 10, patch % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_as_the_releases_they_stand_for() {
        let shown = [212, 213, 409, 413, 477, 512, 513, 611].map(|number| ClientVersion(number).to_string());
        let expected =
            ["V4_0_0_SNAPSHOT", "V4_0_0", "V4_9_8", "V5_0_0", "V5_3_2", "V5_5_0_SNAPSHOT", "V5_5_0", "V5_9_9"];
        assert_eq!(shown, expected);
        assert_eq!([0, 211, 612].map(|number| ClientVersion(number).to_string()), ["0", "211", "612"]);
    }
}
