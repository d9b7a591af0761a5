//! What a broker has counted of something lately (315).

use serde::{Deserialize, Serialize};

/// Sum and rate over a span.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BrokerStatsItem {
    /// What came at once on average.
    pub avgpt: f64,
    /// All that came.
    pub sum: i64,
    /// What came a second on average.
    pub tps: f64,
}

/// The last minute, hour and day.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BrokerStatsData {
    /// The last day.
    pub stats_day: BrokerStatsItem,
    /// The last hour.
    pub stats_hour: BrokerStatsItem,
    /// The last minute.
    pub stats_minute: BrokerStatsItem,
}

json_body!(BrokerStatsData, BrokerStatsItem);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_the_reference_does() {
        let item = BrokerStatsItem { avgpt: 1.0, sum: 12, tps: 0.2 };
        let data = BrokerStatsData { stats_day: item, ..BrokerStatsData::default() };
        let text = r#"{"statsDay":{"avgpt":1.0,"sum":12,"tps":0.2},"statsHour":{"avgpt":0.0,"sum":0,"tps":0.0},"statsMinute":{"avgpt":0.0,"sum":0,"tps":0.0}}"#;
        assert_eq!(String::from_utf8(data.encode()).unwrap(), text);
        assert_eq!(BrokerStatsData::decode(text.as_bytes()).unwrap(), data);
    }
}
