//! How busy a link was.

use serde::{Deserialize, Serialize};

use crate::NetCounters;
use crate::counter::{advance, per_second};
use crate::net_counters::LOOPBACK;

/// What a network interface did between two samples.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NetRates {
    /// The interface.
    pub name: String,
    /// Whether a device stands behind it.
    pub physical: bool,
    /// Bytes received a second.
    pub received_bytes: f64,
    /// Bytes sent a second.
    pub sent_bytes: f64,
    /// Packets received a second.
    pub received_packets: f64,
    /// Packets sent a second.
    pub sent_packets: f64,
    /// Dropped between the two samples (a count, not a rate).
    pub drops: u64,
    /// Failed between the two samples (a count, not a rate).
    pub errors: u64,
    /// What the link can carry in each direction, in megabits (10⁶) a second, if known.
    pub speed_mbit: Option<u64>,
    /// The busier direction's share of that. Can pass 1 where a virtual interface states a speed that it does not keep.
    pub link_share: Option<f64>,
}

impl NetRates {
    /// Between two looks at one interface, `seconds` apart.
    pub(crate) fn between(earlier: &NetCounters, later: &NetCounters, seconds: f64) -> Self {
        let went = |count: fn(&NetCounters) -> u64| advance(count(earlier), count(later));
        let rate = |count| per_second(went(count), seconds);
        let rates = Self {
            name: later.name.clone(),
            physical: later.physical,
            received_bytes: rate(|net| net.received_bytes),
            sent_bytes: rate(|net| net.sent_bytes),
            received_packets: rate(|net| net.received_packets),
            sent_packets: rate(|net| net.sent_packets),
            drops: went(|net| net.drops),
            errors: went(|net| net.errors),
            speed_mbit: later.speed_mbit,
            link_share: None,
        };
        Self { link_share: later.speed_mbit.and_then(|speed| rates.share_of(speed)), ..rates }
    }

    /// The busier direction's share of a link of `speed_mbit`; `None` of no speed. For links whose speed the host
    /// does not know and an operator does.
    pub fn share_of(&self, speed_mbit: u64) -> Option<f64> {
        let bytes_max = speed_mbit as f64 * 1e6 / 8.0;
        (bytes_max > 0.0).then(|| self.received_bytes.max(self.sent_bytes) / bytes_max)
    }

    /// Whether it is the interface on which a machine talks to itself.
    pub fn is_loopback(&self) -> bool {
        self.name == LOOPBACK
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn eth(received_bytes: u64, sent_bytes: u64, drops: u64, speed_mbit: Option<u64>) -> NetCounters {
        NetCounters {
            name: "eth0".into(),
            physical: true,
            received_bytes,
            sent_bytes,
            drops,
            speed_mbit,
            ..Default::default()
        }
    }

    #[test]
    fn the_busier_direction_is_the_share_of_the_link() {
        let rates = NetRates::between(&eth(0, 0, 0, Some(1_000)), &eth(125_000_000, 250_000_000, 3, Some(1_000)), 4.0);
        assert_eq!((rates.received_bytes, rates.sent_bytes), (31_250_000.0, 62_500_000.0));
        assert_eq!((rates.link_share, rates.drops), (Some(0.5), 3));
    }

    #[test]
    fn a_link_of_unknown_speed_has_no_share() {
        let rates = NetRates::between(&eth(0, 0, 0, None), &eth(125_000_000, 0, 0, None), 1.0);
        assert_eq!(rates.link_share, None);
        assert_eq!(rates.share_of(10_000), Some(0.1));
        assert_eq!(rates.share_of(0), None);
    }

    #[test]
    fn bytes_counted_in_32_bits_wrap() {
        let rates = NetRates::between(&eth((1 << 32) - 1_000, 0, 0, None), &eth(1_000, 0, 0, None), 1.0);
        assert_eq!(rates.received_bytes, 2_000.0);
    }
}
