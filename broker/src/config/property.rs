//! What is known about one property, and how its text becomes a value.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use protocol::topic_name;

use super::parse::cpu_choice::CpuChoice;
use super::parse::delete_hours::DeleteHours;
use super::parse::host_port::{HostPort, is_host};
use super::parse::name_servers::NameServers;
use super::parse::node_id::{NODE_NUMBER_MAX, NodeId};
use super::parse::raft_peers::RaftPeers;
use crate::delay_levels::DelayLevels;

/// One row of the property table.
#[derive(Debug, PartialEq)]
pub struct Property {
    /// RocketMQ's name, or one of this broker's own in the same manner.
    pub name: &'static str,
    /// What values look like.
    pub kind: Kind,
    /// The value when nobody sets one.
    pub default: Default,
    /// What becomes of a value that somebody sets.
    pub class: Class,
    /// Printed by `mqbroker -m`.
    pub important: bool,
    /// A running broker takes a new value (request UPDATE_BROKER_CONFIG).
    pub at_run_time: bool,
}

/// Where a default comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Default {
    /// Always this text.
    Fixed(&'static str),
    /// Found at start from what is said here.
    Derived(&'static str),
}

/// What the broker does with a value that somebody sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// It means what it means in RocketMQ.
    Works,
    /// Any value is taken, with one warning that gives this reason.
    AcceptedNoMeaning(&'static str),
    /// A later version makes it work. A value other than the default is taken, with one warning that gives this reason.
    NotYet(&'static str),
    /// A value other than the default stops the start: going on without it would break what its user relies on.
    Refused(&'static str),
}

/// What the values of a property look like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// `true` or `false`, in any case.
    Bool,
    /// A number from `min` to `max`, both allowed.
    Int {
        /// Smallest allowed.
        min: i64,
        /// Largest allowed.
        max: i64,
    },
    /// A number that RocketMQ silently moves into `min..=max`; here with one warning.
    IntClamped {
        /// Smallest allowed.
        min: i64,
        /// Largest allowed.
        max: i64,
    },
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Anything.
    Text,
    /// The name of a broker, cluster or region.
    Name,
    /// The name of a Raft group, or nothing. Brokers are called like it, and files.
    GroupName,
    /// `n0`, or nothing.
    NodeId,
    /// `n0-host:port;n1-host:port`, or nothing.
    RaftPeers,
    /// The name of a topic.
    TopicName,
    /// An IPv4 or IPv6 address.
    IpAddress,
    /// An IPv4 or IPv6 address or a host name.
    Host,
    /// `host:port`, or nothing.
    HostPort,
    /// A file or folder; a leading `~/` is the home folder.
    Path,
    /// Bytes of a log segment.
    SegmentBytes,
    /// Bytes of a shared-memory ring, or 0.
    RingBytes,
    /// `1s 5s 2h`.
    DelayLevels,
    /// `host:port;host:port`.
    NameServers,
    /// `04` or `04;16`.
    Hours,
    /// `0-3,8` or `any`.
    Cpus,
}

/// A checked value. `Display` writes the text that reads back to it.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A switch.
    Bool(bool),
    /// A number.
    Int(i64),
    /// A word, name, host or free text.
    Text(String),
    /// An IP address.
    IpAddress(IpAddr),
    /// A path, still with its `~`.
    Path(PathBuf),
    /// The delays of the levels.
    DelayLevels {
        /// As read.
        levels: DelayLevels,
        /// As written.
        text: String,
    },
    /// Name server addresses.
    NameServers(NameServers),
    /// An address, if there is one.
    HostPort(Option<HostPort>),
    /// A node of a Raft group, if there is one.
    NodeId(Option<NodeId>),
    /// All nodes of a Raft group.
    RaftPeers(RaftPeers),
    /// Hours of the day.
    Hours(DeleteHours),
    /// Processors.
    Cpus(CpuChoice),
}

/// Bounds and step of `mappedFileSizeCommitLog`. The step is the largest block size direct I/O asks for.
const SEGMENT_BYTES_MIN: i64 = 1 << 20;
const SEGMENT_BYTES_MAX: i64 = 1 << 30;
const SEGMENT_BYTES_STEP: i64 = 4096;
/// Bounds and step of `shmRingBytes`, besides 0.
const RING_BYTES_MIN: i64 = 16 << 20;
const RING_BYTES_MAX: i64 = 64 << 20;
const RING_BYTES_STEP: i64 = 4096;
/// RocketMQ stores names with a length of one signed byte.
const NAME_BYTES_MAX: usize = 127;

impl Kind {
    /// Reads a value. Blanks around it are dropped: nobody means them, and Java's properties keep those at the end.
    ///
    /// # Errors
    /// What is allowed, to complete the sentence "allowed is …".
    pub fn parse(self, text: &str) -> Result<Value, String> {
        let text = text.trim();
        let allowed = || self.to_string();
        match self {
            Self::Bool => parse_bool(text).map(Value::Bool).ok_or_else(allowed),
            Self::Int { min, max } => parse_int(text, min, max, 1).map(Value::Int).ok_or_else(allowed),
            Self::IntClamped { .. } => parse_int(text, i64::MIN, i64::MAX, 1).map(Value::Int).ok_or_else(allowed),
            Self::SegmentBytes => parse_int(text, SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX, SEGMENT_BYTES_STEP)
                .map(Value::Int)
                .ok_or_else(allowed),
            Self::RingBytes => parse_int(text, 0, 0, 1)
                .or_else(|| parse_int(text, RING_BYTES_MIN, RING_BYTES_MAX, RING_BYTES_STEP))
                .map(Value::Int)
                .ok_or_else(allowed),
            Self::Choice(words) => {
                let word = words.iter().find(|word| word.eq_ignore_ascii_case(text)).ok_or_else(allowed)?;
                Ok(Value::Text((*word).to_owned()))
            }
            Self::Text => Ok(Value::Text(text.to_owned())),
            Self::Name => is_name(text).then(|| Value::Text(text.to_owned())).ok_or_else(allowed),
            Self::GroupName => is_group_name(text).then(|| Value::Text(text.to_owned())).ok_or_else(allowed),
            Self::NodeId => optional(text, NodeId::parse).map(Value::NodeId).ok_or_else(allowed),
            Self::RaftPeers => RaftPeers::parse(text).map(Value::RaftPeers).map_err(|error| error.to_string()),
            Self::HostPort => optional(text, |text| HostPort::parse(text).filter(|address| is_host(&address.host)))
                .map(Value::HostPort)
                .ok_or_else(allowed),
            Self::TopicName => {
                topic_name::validate_topic(text).is_ok().then(|| Value::Text(text.to_owned())).ok_or_else(allowed)
            }
            Self::IpAddress => text.parse().map(Value::IpAddress).map_err(|_| allowed()),
            Self::Host => is_host(text).then(|| Value::Text(text.to_owned())).ok_or_else(allowed),
            Self::Path => (!text.is_empty()).then(|| Value::Path(text.into())).ok_or_else(allowed),
            Self::DelayLevels => DelayLevels::parse(text)
                .map(|levels| Value::DelayLevels { levels, text: text.to_owned() })
                .map_err(|error| format!("{self}; {error}")),
            Self::NameServers => NameServers::parse(text).map(Value::NameServers).map_err(|error| error.to_string()),
            Self::Hours => DeleteHours::parse(text).map(Value::Hours).ok_or_else(allowed),
            Self::Cpus => CpuChoice::parse(text).map(Value::Cpus).map_err(|error| error.to_string()),
        }
    }
}

/// What is allowed, to complete the sentence "allowed is …".
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Bool => f.write_str("true or false"),
            Self::Int { min: i64::MIN, max: i64::MAX } => f.write_str("a number"),
            Self::Int { min, max } | Self::IntClamped { min, max } => write!(f, "a number from {min} to {max}"),
            Self::Choice(words) => write!(f, "one of {}", words.join(", ")),
            Self::Text => f.write_str("any text"),
            Self::Name => write!(f, "a name of 1 to {NAME_BYTES_MAX} bytes without blanks and any of @:;,"),
            Self::GroupName => write!(
                f,
                "a name of at most {NAME_BYTES_MAX} bytes without blanks and any of @:;,/\\ that does not begin with a dot"
            ),
            Self::NodeId => write!(f, "n and a number up to {NODE_NUMBER_MAX}, as n0"),
            Self::RaftPeers => f.write_str("a list as n0-10.0.0.1:40911;n1-10.0.0.2:40911"),
            Self::HostPort => f.write_str("an address as 10.0.0.1:10912"),
            Self::TopicName => {
                write!(f, "a topic name: 1 to {} of the characters a-z A-Z 0-9 _ - % |", topic_name::TOPIC_CHARS_MAX)
            }
            Self::IpAddress => f.write_str("an IPv4 or IPv6 address"),
            Self::Host => f.write_str("an IPv4 or IPv6 address or a host name, without port"),
            Self::Path => f.write_str("a path"),
            Self::SegmentBytes => write!(
                f,
                "a number of bytes from {SEGMENT_BYTES_MIN} to {SEGMENT_BYTES_MAX} that {SEGMENT_BYTES_STEP} divides"
            ),
            Self::RingBytes => write!(
                f,
                "0 (off) or a number of bytes from {RING_BYTES_MIN} to {RING_BYTES_MAX} that {RING_BYTES_STEP} divides"
            ),
            Self::DelayLevels => f.write_str("a list as 1s 5s 10m 2h"),
            Self::NameServers => f.write_str("a list as 10.0.0.1:9876;10.0.0.2:9876"),
            Self::Hours => f.write_str("hours of the day from 00 to 23, as 04 or 04;16"),
            Self::Cpus => f.write_str("a list as 0-3,8, or any"),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Text(value) => f.write_str(value),
            Self::IpAddress(value) => write!(f, "{value}"),
            Self::Path(value) => write!(f, "{}", value.display()),
            Self::DelayLevels { text, .. } => f.write_str(text),
            Self::NameServers(value) => write!(f, "{value}"),
            Self::HostPort(value) => value.as_ref().map_or(Ok(()), |address| write!(f, "{address}")),
            Self::NodeId(value) => value.map_or(Ok(()), |id| write!(f, "{id}")),
            Self::RaftPeers(value) => write!(f, "{value}"),
            Self::Hours(value) => write!(f, "{value}"),
            Self::Cpus(value) => write!(f, "{value}"),
        }
    }
}

fn parse_bool(text: &str) -> Option<bool> {
    [("true", true), ("false", false)].into_iter().find(|(word, _)| text.eq_ignore_ascii_case(word)).map(|(_, b)| b)
}

fn parse_int(text: &str, min: i64, max: i64, step: i64) -> Option<i64> {
    text.parse().ok().filter(|value| (min..=max).contains(value) && value % step == 0)
}

/// Clients put broker names into `name:queues;…` lists, `topic@group` keys and blank-separated receipt handles.
fn is_name(text: &str) -> bool {
    let fits = (1..=NAME_BYTES_MAX).contains(&text.len());
    fits && !text.contains(|c: char| c.is_whitespace() || c.is_control() || "@:;,".contains(c))
}

/// Nothing, or a name that is a broker's too and can stand in a file name.
fn is_group_name(text: &str) -> bool {
    text.is_empty() || (is_name(text) && !text.contains(['/', '\\']) && !text.starts_with('.'))
}

/// `Some(None)` for an empty text, else what `parse` makes of it.
fn optional<T>(text: &str, parse: impl Fn(&str) -> Option<T>) -> Option<Option<T>> {
    if text.is_empty() { Some(None) } else { parse(text).map(Some) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refuses(kind: Kind, texts: &[&str]) {
        for text in texts {
            assert!(kind.parse(text).is_err(), "{kind:?} takes {text:?}");
        }
    }

    #[test]
    fn switches_are_true_or_false_in_any_case() {
        assert_eq!(Kind::Bool.parse(" True "), Ok(Value::Bool(true)));
        assert_eq!(Kind::Bool.parse("FALSE"), Ok(Value::Bool(false)));
        refuses(Kind::Bool, &["", "yes", "1", "truefalse"]);
    }

    #[test]
    fn numbers_stay_in_their_range_and_the_error_names_it() {
        let kind = Kind::Int { min: 1, max: 65_535 };
        assert_eq!(kind.parse("1"), Ok(Value::Int(1)));
        assert_eq!(kind.parse("65535"), Ok(Value::Int(65_535)));
        assert_eq!(kind.parse("65536"), Err("a number from 1 to 65535".to_owned()));
        refuses(kind, &["0", "-1", "", "1.5", "0x10", "1 2", "99999999999999999999"]);
    }

    #[test]
    fn a_clamped_number_is_read_whatever_its_size() {
        let kind = Kind::IntClamped { min: 10, max: 95 };
        assert_eq!(kind.parse("98"), Ok(Value::Int(98)));
        refuses(kind, &["", "many"]);
    }

    #[test]
    fn words_are_taken_in_any_case_and_kept_in_the_right_one() {
        let kind = Kind::Choice(&["ASYNC_FLUSH", "SYNC_FLUSH"]);
        assert_eq!(kind.parse("sync_flush"), Ok(Value::Text("SYNC_FLUSH".to_owned())));
        assert_eq!(kind.parse("FLUSH"), Err("one of ASYNC_FLUSH, SYNC_FLUSH".to_owned()));
    }

    #[test]
    fn segments_are_whole_blocks_from_one_mebibyte_to_one_gibibyte() {
        assert_eq!(Kind::SegmentBytes.parse("1048576"), Ok(Value::Int(1 << 20)));
        assert_eq!(Kind::SegmentBytes.parse("1073741824"), Ok(Value::Int(1 << 30)));
        refuses(Kind::SegmentBytes, &["0", "1048575", "1048577", "1073745920", "-4096"]);
    }

    #[test]
    fn a_ring_is_off_or_sixteen_to_sixty_four_mebibytes() {
        assert_eq!(Kind::RingBytes.parse("0"), Ok(Value::Int(0)));
        assert_eq!(Kind::RingBytes.parse("67108864"), Ok(Value::Int(64 << 20)));
        refuses(Kind::RingBytes, &["4096", "16777217", "134217728"]);
    }

    #[test]
    fn names_hold_nothing_that_separates_names_elsewhere() {
        assert!(Kind::Name.parse("broker-a.example.com").is_ok());
        assert!(Kind::Name.parse("华东-1").is_ok());
        refuses(Kind::Name, &["", "a b", "a@b", "a;b", "a:1", "a,b", "a\tb", &"n".repeat(128)]);
    }

    #[test]
    fn the_name_of_a_raft_group_can_stand_in_a_file_name() {
        for text in ["", "RaftNode00", "group-1.a"] {
            assert!(Kind::GroupName.parse(text).is_ok(), "{text}");
        }
        refuses(Kind::GroupName, &["a/b", "a\\b", "..", ".a", "a b", "a;b", "a\0b", &"n".repeat(128)]);
    }

    #[test]
    fn an_address_or_node_may_be_left_out() {
        assert_eq!(Kind::NodeId.parse(""), Ok(Value::NodeId(None)));
        assert_eq!(Kind::HostPort.parse(" "), Ok(Value::HostPort(None)));
        assert_eq!(Kind::NodeId.parse("n02").unwrap().to_string(), "n2");
        assert_eq!(Kind::HostPort.parse("[::1]:10912").unwrap().to_string(), "[::1]:10912");
        refuses(Kind::NodeId, &["0", "n", "n0;n1"]);
        refuses(Kind::HostPort, &["10.0.0.1", "a:0", "a b:1", "a;b:1"]);
    }

    #[test]
    fn topic_names_keep_to_their_characters() {
        assert!(Kind::TopicName.parse("%RETRY%group_1|x-").is_ok());
        refuses(Kind::TopicName, &["", "a.b", "a b", &"t".repeat(128)]);
    }

    #[test]
    fn hosts_are_addresses_or_names_without_port() {
        for text in ["10.0.0.1", "::1", "broker-a.example.com", "broker_a"] {
            assert!(Kind::Host.parse(text).is_ok(), "{text}");
        }
        refuses(Kind::Host, &["", "10.0.0.1:10911", "http://a", "a b"]);
        refuses(Kind::IpAddress, &["broker-a", "1.2.3", ""]);
    }

    #[test]
    fn blanks_around_a_value_are_not_part_of_it() {
        assert_eq!(Kind::Path.parse(" /data/store \t"), Ok(Value::Path("/data/store".into())));
        refuses(Kind::Path, &["", "  "]);
    }
}
