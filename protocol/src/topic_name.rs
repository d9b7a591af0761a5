//! Names of topics and groups: what may stand in them, the prefixes that mean something, and those the system owns.

/// Longest topic.
pub const TOPIC_CHARS_MAX: usize = 127;
/// Longest retry or dead letter topic.
pub const RETRY_TOPIC_CHARS_MAX: usize = 255;
/// Longest group.
pub const GROUP_CHARS_MAX: usize = 120;

/// In front of a group: its retry topic.
pub const RETRY_PREFIX: &str = "%RETRY%";
/// In front of a group: its dead letter topic.
pub const DLQ_PREFIX: &str = "%DLQ%";
/// In front of a light queue.
pub const LMQ_PREFIX: &str = "%LMQ%";
/// In front of topics of the system.
pub const SYSTEM_TOPIC_PREFIX: &str = "rmq_sys_";
/// In front of groups of the system.
pub const SYSTEM_GROUP_PREFIX: &str = "CID_RMQ_SYS_";
/// Behind a cluster name: the topic replies go through.
pub const REPLY_TOPIC_SUFFIX: &str = "_REPLY_TOPIC";

/// Template of topics that are created by a send.
pub const AUTO_CREATE_TOPIC: &str = "TBW102";
/// Delayed messages; queue = level - 1.
pub const SCHEDULE_TOPIC: &str = "SCHEDULE_TOPIC_XXXX";
/// Half messages.
pub const TRANS_HALF_TOPIC: &str = "RMQ_SYS_TRANS_HALF_TOPIC";
/// Ends of half messages.
pub const TRANS_OP_HALF_TOPIC: &str = "RMQ_SYS_TRANS_OP_HALF_TOPIC";
/// Half messages that were checked too often.
pub const TRANS_CHECK_MAX_TIME_TOPIC: &str = "TRANS_CHECK_MAX_TIME_TOPIC";
/// Message traces.
pub const TRACE_TOPIC: &str = "RMQ_SYS_TRACE_TOPIC";
/// Self test.
pub const SELF_TEST_TOPIC: &str = "SELF_TEST_TOPIC";
/// Moved offsets.
pub const OFFSET_MOVED_TOPIC: &str = "OFFSET_MOVED_EVENT";
/// Benchmarks.
pub const BENCHMARK_TOPIC: &str = "BenchmarkTest";
/// Timer wheel.
pub const TIMER_TOPIC: &str = "rmq_sys_wheel_timer";
/// In front of a cluster name: POP checkpoints.
pub const REVIVE_TOPIC_PREFIX: &str = "rmq_sys_REVIVE_LOG_";

/// Group of administration tools.
pub const TOOLS_GROUP: &str = "TOOLS_CONSUMER";
/// Group whose position in [`TRANS_HALF_TOPIC`] is the oldest half message without an end.
pub const TRANS_GROUP: &str = "CID_RMQ_SYS_TRANS";
/// Producer group that every Java client has.
pub const CLIENT_INNER_PRODUCER_GROUP: &str = "CLIENT_INNER_PRODUCER";

/// Topics of the system with fixed names; [`is_system_topic`] knows the prefix too.
pub const SYSTEM_TOPICS: [&str; 13] = [
    AUTO_CREATE_TOPIC,
    SCHEDULE_TOPIC,
    BENCHMARK_TOPIC,
    TRANS_HALF_TOPIC,
    TRANS_OP_HALF_TOPIC,
    "RMQ_SYS_ROCKSDB_TRANS_HALF_TOPIC",
    "RMQ_SYS_ROCKSDB_TRANS_OP_HALF_TOPIC",
    TRACE_TOPIC,
    TRANS_CHECK_MAX_TIME_TOPIC,
    SELF_TEST_TOPIC,
    OFFSET_MOVED_TOPIC,
    "CHECKPOINT_TOPIC",
    TIMER_TOPIC,
];

/// Topics that clients may not send to: what lies in them is read by the broker itself, and would be taken for its
/// own. The reference lets the timer wheel's topic through, and one plain message stops its wheel.
const SEND_FORBIDDEN_TOPICS: [&str; 7] = [
    SCHEDULE_TOPIC,
    TRANS_HALF_TOPIC,
    TRANS_OP_HALF_TOPIC,
    TRANS_CHECK_MAX_TIME_TOPIC,
    SELF_TEST_TOPIC,
    OFFSET_MOVED_TOPIC,
    TIMER_TOPIC,
];

const SYSTEM_GROUPS: [&str; 11] = [
    TOOLS_GROUP,
    "SCHEDULE_CONSUMER",
    "FILTERSRV_CONSUMER",
    "__MONITOR_CONSUMER",
    CLIENT_INNER_PRODUCER_GROUP,
    "SELF_TEST_P_GROUP",
    "SELF_TEST_C_GROUP",
    "CID_ONS-HTTP-PROXY",
    "CID_ONSAPI_PERMISSION",
    "CID_ONSAPI_OWNER",
    "CID_ONSAPI_PULL",
];

/// Why a name cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing there.
    #[error("the specified {kind} is blank")]
    Blank {
        /// Topic or group.
        kind: &'static str,
    },
    /// Too long.
    #[error("the specified {kind} has {chars} characters, the longest is {chars_max}")]
    TooLong {
        /// Topic or group.
        kind: &'static str,
        /// Characters of the name.
        chars: usize,
        /// The limit.
        chars_max: usize,
    },
    /// A character that is not allowed.
    #[error("the specified {kind} contains `{character}`, allowing only ^[%|a-zA-Z0-9_-]+$")]
    Character {
        /// Topic or group.
        kind: &'static str,
        /// The first one.
        character: char,
    },
}

/// Checks a topic that a client wants to use.
///
/// # Errors
/// [`NameError`].
pub fn validate_topic(topic: &str) -> Result<(), NameError> {
    let long = is_retry_topic(topic) || is_dlq_topic(topic);
    validate("topic", topic, if long { RETRY_TOPIC_CHARS_MAX } else { TOPIC_CHARS_MAX })
}

/// Checks a group that a client wants to use.
///
/// # Errors
/// [`NameError`].
pub fn validate_group(group: &str) -> Result<(), NameError> {
    validate("group", group, GROUP_CHARS_MAX)
}

fn validate(kind: &'static str, name: &str, chars_max: usize) -> Result<(), NameError> {
    if name.trim().is_empty() {
        return Err(NameError::Blank { kind });
    }
    let chars = name.chars().count();
    if chars > chars_max {
        return Err(NameError::TooLong { kind, chars, chars_max });
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '%' | '|' | '_' | '-');
    match name.chars().find(|c| !allowed(*c)) {
        Some(character) => Err(NameError::Character { kind, character }),
        None => Ok(()),
    }
}

/// The retry topic of a group.
pub fn retry_topic(group: &str) -> String {
    format!("{RETRY_PREFIX}{group}")
}

/// The dead letter topic of a group.
pub fn dlq_topic(group: &str) -> String {
    format!("{DLQ_PREFIX}{group}")
}

/// The retry topic of a group that pops `topic`.
pub fn pop_retry_topic(group: &str, topic: &str) -> String {
    format!("{RETRY_PREFIX}{group}_{topic}")
}

/// The same where `enableRetryTopicV2` is set: no group nor topic has a `+` in it, so that it can be taken apart.
pub fn pop_retry_topic_v2(group: &str, topic: &str) -> String {
    format!("{RETRY_PREFIX}{group}+{topic}")
}

/// The topic whose retries by POP lie in `topic`; `topic` itself where it is no such retry topic of the group.
pub fn pop_normal_topic<'a>(topic: &'a str, group: &str) -> &'a str {
    let behind_group = topic.strip_prefix(RETRY_PREFIX).and_then(|rest| rest.strip_prefix(group));
    let normal = behind_group.and_then(|rest| rest.strip_prefix(['_', '+']));
    normal.filter(|normal| !normal.is_empty()).unwrap_or(topic)
}

/// Whether this is the retry topic of some group.
pub fn is_retry_topic(topic: &str) -> bool {
    topic.starts_with(RETRY_PREFIX)
}

/// Whether this is the dead letter topic of some group.
pub fn is_dlq_topic(topic: &str) -> bool {
    topic.starts_with(DLQ_PREFIX)
}

/// The group whose retry topic this is.
pub fn retry_group(topic: &str) -> Option<&str> {
    topic.strip_prefix(RETRY_PREFIX)
}

/// Whether the system owns the topic, so that tools may not create or delete it.
pub fn is_system_topic(topic: &str) -> bool {
    SYSTEM_TOPICS.contains(&topic) || topic.starts_with(SYSTEM_TOPIC_PREFIX)
}

/// Whether clients may not send to the topic.
pub fn is_send_forbidden(topic: &str) -> bool {
    SEND_FORBIDDEN_TOPICS.contains(&topic) || topic.starts_with(REVIVE_TOPIC_PREFIX)
}

/// Whether the system owns the group.
pub fn is_system_group(group: &str) -> bool {
    SYSTEM_GROUPS.contains(&group) || group.starts_with(SYSTEM_GROUP_PREFIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_names_are_allowed() {
        for name in ["T", "order-events_2", "%RETRY%group", "a|b", "INSTANCE%topic"] {
            assert_eq!(validate_topic(name), Ok(()), "{name}");
        }
        assert_eq!(validate_group("g-1_x"), Ok(()));
    }

    #[test]
    fn other_characters_are_refused() {
        for (name, character) in [("a b", ' '), ("a.b", '.'), ("é", 'é'), ("a\u{1}", '\u{1}'), ("a+b", '+')] {
            assert_eq!(validate_topic(name), Err(NameError::Character { kind: "topic", character }), "{name}");
        }
        assert_eq!(validate_group(" "), Err(NameError::Blank { kind: "group" }));
    }

    #[test]
    fn each_kind_of_name_has_its_length() {
        let long = |prefix: &str, chars: usize| format!("{prefix}{}", "a".repeat(chars - prefix.len()));
        assert!(validate_topic(&long("", 127)).is_ok() && validate_topic(&long("", 128)).is_err());
        assert!(validate_topic(&long("%RETRY%", 255)).is_ok() && validate_topic(&long("%RETRY%", 256)).is_err());
        assert!(validate_topic(&long("%DLQ%", 255)).is_ok() && validate_topic(&long("%DLQ%", 256)).is_err());
        assert!(validate_group(&long("", 120)).is_ok() && validate_group(&long("", 121)).is_err());
    }

    #[test]
    fn what_the_system_owns_is_known() {
        assert!(is_system_topic("TBW102") && is_system_topic("rmq_sys_anything") && !is_system_topic("T"));
        assert!(is_system_group("TOOLS_CONSUMER") && is_system_group("CID_RMQ_SYS_TRANS") && !is_system_group("g"));
        assert!(is_send_forbidden(SCHEDULE_TOPIC) && is_send_forbidden("rmq_sys_REVIVE_LOG_c"));
        assert!(!is_send_forbidden("TBW102") && !is_send_forbidden("BenchmarkTest"));
    }

    #[test]
    fn retry_and_dead_letter_topics_name_their_group() {
        assert_eq!(retry_topic("g"), "%RETRY%g");
        assert_eq!(dlq_topic("g"), "%DLQ%g");
        assert_eq!(pop_retry_topic("g", "T"), "%RETRY%g_T");
        assert_eq!(pop_retry_topic_v2("g", "T"), "%RETRY%g+T");
        for (topic, normal) in [("%RETRY%g_T", "T"), ("%RETRY%g+T", "T"), ("T", "T"), ("%RETRY%g", "%RETRY%g")] {
            assert_eq!(pop_normal_topic(topic, "g"), normal, "{topic}");
        }
        assert_eq!(retry_group("%RETRY%g"), Some("g"));
        assert_eq!(retry_group("g"), None);
    }
}
