//! Latencies: a histogram in whole microseconds, and what reports say about it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};
use serde::{Deserialize, Serialize};

/// The longest latency that is told from longer ones: 20 minutes. Longer ones count as this one.
pub const LATENCY_US_MAX: u64 = 20 * 60 * 1_000_000;
/// Digits that a recorded value keeps: it is off by less than a thousandth.
pub const SIGNIFICANT_DIGITS: u8 = 3;

/// Half-distance steps of [`Latency::by_percentile`]: so many points each time the distance to 100 % halves.
const POINTS_PER_HALVING: u32 = 5;

/// An empty histogram of microseconds.
#[must_use]
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_US_MAX, SIGNIFICANT_DIGITS).expect("the bounds are constants that fit")
}

/// The few numbers that stand for a distribution. All zero when nothing was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Percentiles {
    /// Values recorded.
    pub count: u64,
    /// The least.
    pub min_us: u64,
    /// Arithmetic mean.
    pub mean_us: f64,
    /// Half of all values are at most this.
    pub p50_us: u64,
    /// 90 %.
    pub p90_us: u64,
    /// 99 %.
    pub p99_us: u64,
    /// 99.9 %.
    pub p99_9_us: u64,
    /// 99.99 %.
    pub p99_99_us: u64,
    /// The greatest.
    pub max_us: u64,
}

impl Percentiles {
    /// Of what is in a histogram.
    #[must_use]
    pub fn of(histogram: &Histogram<u64>) -> Self {
        if histogram.is_empty() {
            return Self::default();
        }
        let at = |quantile| histogram.value_at_quantile(quantile);
        Self {
            count: histogram.len(),
            min_us: histogram.min(),
            mean_us: histogram.mean(),
            p50_us: at(0.5),
            p90_us: at(0.9),
            p99_us: at(0.99),
            p99_9_us: at(0.999),
            p99_99_us: at(0.9999),
            max_us: histogram.max(),
        }
    }
}

/// A whole distribution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// The usual percentiles.
    #[serde(flatten)]
    pub percentiles: Percentiles,
    /// The curve of latency by percentile, ending with the greatest value at 100 %.
    pub by_percentile: Vec<LatencyPoint>,
    /// The histogram, as HdrHistogram's compressed form V2 in base64, as its log files have it. Unit: microseconds.
    pub histogram_v2_deflate_base64: String,
}

/// A point of the curve of latency by percentile.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LatencyPoint {
    /// So many percent of all values …
    pub percentile: f64,
    /// … are at most this long …
    pub us: u64,
    /// … and these are so many.
    pub count: u64,
}

/// Why the histogram of a report cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum HistogramError {
    /// The text.
    #[error("the histogram is not base64")]
    Base64(#[from] base64::DecodeError),
    /// The bytes.
    #[error("the histogram is not in HdrHistogram's form V2: {0}")]
    Form(String),
}

impl Latency {
    /// Everything about a histogram.
    #[must_use]
    pub fn of(histogram: &Histogram<u64>) -> Self {
        let mut bytes = Vec::new();
        V2DeflateSerializer::new()
            .serialize(histogram, &mut bytes)
            .expect("a Vec takes everything, and the counts fit");
        let mut count = 0;
        let by_percentile = histogram.iter_quantiles(POINTS_PER_HALVING).map(|value| {
            count += value.count_since_last_iteration();
            LatencyPoint { percentile: value.quantile_iterated_to() * 100.0, us: value.value_iterated_to(), count }
        });
        let by_percentile = by_percentile.collect();
        Self {
            percentiles: Percentiles::of(histogram),
            by_percentile,
            histogram_v2_deflate_base64: STANDARD.encode(bytes),
        }
    }

    /// The histogram again, for sums over several reports.
    ///
    /// # Errors
    /// [`HistogramError`] if the report was changed by hand.
    pub fn histogram(&self) -> Result<Histogram<u64>, HistogramError> {
        let bytes = STANDARD.decode(&self.histogram_v2_deflate_base64)?;
        Deserializer::new().deserialize(&mut bytes.as_slice()).map_err(|error| HistogramError::Form(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_to(most: u64) -> Histogram<u64> {
        let mut histogram = histogram();
        (1..=most).for_each(|us| histogram.record(us).unwrap());
        histogram
    }

    #[test]
    fn percentiles_are_those_of_the_recorded_values() {
        let percentiles = Percentiles::of(&one_to(100_000));
        let near = |value: u64, expected: u64| value.abs_diff(expected) * 1000 <= expected;
        assert_eq!((percentiles.count, percentiles.min_us), (100_000, 1));
        assert!(near(percentiles.p50_us, 50_000) && near(percentiles.p90_us, 90_000), "{percentiles:?}");
        assert!(near(percentiles.p99_us, 99_000) && near(percentiles.p99_9_us, 99_900), "{percentiles:?}");
        assert!(near(percentiles.p99_99_us, 99_990) && near(percentiles.max_us, 100_000), "{percentiles:?}");
        assert!((percentiles.mean_us - 50_000.5).abs() < 50.0, "{percentiles:?}");
    }

    #[test]
    fn one_slow_value_in_ten_thousand_is_the_greatest_but_not_the_99th() {
        let mut histogram = histogram();
        histogram.record_n(100, 9_999).unwrap();
        histogram.record(5_000_000).unwrap();
        let percentiles = Percentiles::of(&histogram);
        assert_eq!((percentiles.p99_us, percentiles.p99_9_us, percentiles.p99_99_us), (100, 100, 100));
        assert!(percentiles.max_us >= 5_000_000 && percentiles.max_us < 5_005_000, "{percentiles:?}");
    }

    #[test]
    fn nothing_recorded_is_all_zero() {
        assert_eq!(Percentiles::of(&histogram()), Percentiles::default());
        assert_eq!(Latency::of(&histogram()).percentiles.count, 0);
    }

    #[test]
    fn the_curve_rises_to_all_values_at_the_greatest() {
        let curve = Latency::of(&one_to(10_000)).by_percentile;
        assert!(curve.is_sorted_by(|a, b| a.percentile <= b.percentile && a.us <= b.us && a.count <= b.count));
        let last = curve.last().unwrap();
        assert_eq!((last.percentile, last.count), (100.0, 10_000));
        let half = curve.iter().find(|point| point.percentile >= 50.0).unwrap();
        assert!(half.count.abs_diff(5_000) < 10, "{half:?}");
    }

    #[test]
    fn a_histogram_survives_the_report() {
        let histogram = one_to(70_000);
        let text = serde_json::to_string(&Latency::of(&histogram)).unwrap();
        let latency: Latency = serde_json::from_str(&text).unwrap();
        assert_eq!(latency.histogram().unwrap(), histogram);
        let broken = Latency { histogram_v2_deflate_base64: "AAAA".to_owned(), ..latency };
        assert!(matches!(broken.histogram(), Err(HistogramError::Form(_))));
    }

    #[test]
    fn a_latency_over_the_limit_counts_as_the_limit() {
        let mut histogram = histogram();
        histogram.saturating_record(u64::MAX);
        let max_us = Percentiles::of(&histogram).max_us;
        assert!(max_us >= LATENCY_US_MAX, "{max_us}");
    }
}
