//! Points in time as the original mqadmin reads and shows them: ms since 1970, or a local date and time.

use std::fmt;
use std::str::FromStr;

use jiff::tz::TimeZone;
use jiff::{Timestamp as Instant, civil::DateTime};
use serde::{Serialize, Serializer};

/// What the original's options take.
const OPTION_FORMAT: &str = "%Y-%m-%d#%H:%M:%S";
const SHOWN_FORMAT: &str = "%Y-%m-%d %H:%M:%S%.3f";

/// A point in time, in ms since 1970. Shown in the local time zone; JSON carries the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Timestamp(pub(crate) i64);

/// Neither of the accepted forms.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected milliseconds since 1970, now (or currentTimeMillis), or a local time as yyyy-MM-dd#HH:mm:ss:SSS")]
pub(crate) struct NoTimestamp;

impl Timestamp {
    pub(crate) fn now() -> Self {
        Self(Instant::now().as_millisecond())
    }

    fn parse_local(text: &str) -> Option<Self> {
        // The milliseconds stand behind a colon, which no common format has.
        let (seconds, millis) = text.rsplit_once(':')?;
        let millis: i64 = millis.parse().ok().filter(|millis| (0..1000).contains(millis))?;
        let local = DateTime::strptime(OPTION_FORMAT, seconds).ok()?;
        let at = local.to_zoned(TimeZone::system()).ok()?.timestamp();
        Some(Self(at.as_millisecond() + millis))
    }
}

impl FromStr for Timestamp {
    type Err = NoTimestamp;

    fn from_str(text: &str) -> Result<Self, NoTimestamp> {
        if matches!(text, "currentTimeMillis" | "now") {
            return Ok(Self::now());
        }
        text.parse().ok().map(Self).or_else(|| Self::parse_local(text)).ok_or(NoTimestamp)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Instant::from_millisecond(self.0) {
            // 0 is what brokers say for "never".
            Ok(_) if self.0 == 0 => Ok(()),
            Ok(at) => at.to_zoned(TimeZone::system()).strftime(SHOWN_FORMAT).fmt(f),
            Err(_) => self.0.fmt(f),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_are_read_as_they_are() {
        assert_eq!("1700000000123".parse(), Ok(Timestamp(1_700_000_000_123)));
        assert_eq!("-1".parse(), Ok(Timestamp(-1)));
    }

    #[test]
    fn a_local_time_reads_back_what_is_shown() {
        let at = Timestamp(1_700_000_000_123);
        let (seconds, millis) =
            at.to_string().replace(' ', "#").rsplit_once('.').map(|(s, m)| (s.to_owned(), m.to_owned())).unwrap();
        assert_eq!(format!("{seconds}:{millis}").parse(), Ok(at));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "yesterday",
            "2026-11-21",
            "2026-11-21#10:12:11",
            "2026-13-21#10:12:11:000",
            "2026-11-21#10:12:11:1000",
        ] {
            assert_eq!(text.parse::<Timestamp>(), Err(NoTimestamp), "{text}");
        }
    }

    #[test]
    fn never_is_shown_as_nothing_and_nonsense_as_its_number() {
        assert_eq!(Timestamp(0).to_string(), "");
        assert_eq!(Timestamp(i64::MAX).to_string(), i64::MAX.to_string());
    }
}
