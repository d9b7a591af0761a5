//! What a request that this broker does not serve is told, beside the code for it: why, and what there is instead.

use protocol::code::RequestCode;

/// Requests that have one reason in common.
struct Unserved {
    /// First and last number.
    codes: &'static [(i32, i32)],
    why: &'static str,
}

/// Numbers of no family are told as much.
const UNSERVED: &[Unserved] = &[
    Unserved {
        codes: &[(13, 13), (22, 23), (27, 27), (47, 47), (209, 214), (301, 302)],
        why: "a number that was kept free; no release of RocketMQ serves it",
    },
    Unserved {
        codes: &[
            (100, 106),
            (205, 206),
            (216, 217),
            (219, 219),
            (224, 224),
            (304, 304),
            (311, 313),
            (318, 319),
            (322, 322),
            (327, 327),
            (901, 901),
            (904, 904),
        ],
        why: "a name server serves it; this is a broker",
    },
    Unserved {
        codes: &[(39, 40), (220, 221), (326, 326), (200_073, 200_073)],
        why: "brokers ask clients for it; this is a broker",
    },
    Unserved {
        codes: &[(50, 54)],
        why: "access control of 4.x is not there; releases from 5 on do not serve it either",
    },
    Unserved {
        codes: &[(353, 353)],
        why: "reading cannot be forbidden to one group in one topic yet; permissions are a topic's",
    },
    Unserved {
        codes: &[(354, 355)],
        why: "there is no RocksDB here: queues and settings are kept in the log and its files",
    },
    Unserved { codes: &[(513, 513)], why: "static topics are not there: a queue is where its broker is" },
    Unserved {
        codes: &[(902, 903)],
        why: "there is no broker container; a process has as many brokers as its setting `shards` says",
    },
    Unserved {
        codes: &[(905, 905)],
        why: "no slave stands in for a lost master here, so nobody has to know the smallest broker id",
    },
    Unserved {
        codes: &[(906, 906), (908, 908), (1_007, 1_007)],
        why: "slaves here copy by a protocol of their own; GET_BROKER_HA_STATUS (907) tells how far they are",
    },
    Unserved {
        codes: &[(1_001, 1_006), (1_008, 1_018)],
        why: "there is no controller: replicas elect their leader themselves (enableDLegerCommitLog), slaves are promoted by \
              mqadmin promoteSlave",
    },
    Unserved {
        codes: &[(2_001, 2_004)],
        why: "the log is read by direct I/O, not through a page cache that cold reads could spoil: there is nothing to control",
    },
    Unserved {
        codes: &[(3_001, 3_010)],
        why: "access control is not there: every request is served, whoever sends it",
    },
    Unserved { codes: &[(5_001, 5_001)], why: "there is one timer engine, the index that is made from the log" },
    Unserved {
        codes: &[(200_056, 200_056)],
        why: "what was popped stands in the log, there is no second store to bring it back from",
    },
    Unserved { codes: &[(200_070, 200_072), (200_074, 200_079)], why: "lite topics are not there" },
];

/// The remark of the refusal: that of the reference, and the reason where there is one.
pub(crate) fn remark(code: RequestCode) -> String {
    match reason(code) {
        Some(why) => format!(" request type {} not supported: {why}", code.0),
        None => format!(" request type {} not supported", code.0),
    }
}

/// Why this broker does not serve a request; `None` of a number that no release of RocketMQ knows.
pub fn reason(code: RequestCode) -> Option<&'static str> {
    let is_in = |(first, last): &(i32, i32)| (*first..=*last).contains(&code.0);
    UNSERVED.iter().find(|family| family.codes.iter().any(is_in)).map(|family| family.why)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_request_that_is_known_is_served_or_has_a_reason() {
        let served: BTreeSet<RequestCode> = crate::route_table::codes().collect();
        for (code, name) in RequestCode::KNOWN {
            let is_served = served.contains(code);
            assert!(is_served || reason(*code).is_some(), "{name} ({}) is not served, and nothing says why", code.0);
        }
    }

    #[test]
    fn no_reason_is_left_of_what_is_served_by_now() {
        let served: BTreeSet<i32> = crate::route_table::codes().map(|code| code.0).collect();
        for family in UNSERVED {
            for code in family.codes.iter().flat_map(|(first, last)| *first..=*last) {
                assert!(!served.contains(&code), "{code} is served: {}", family.why);
            }
        }
    }
}
