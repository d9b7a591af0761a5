//! Metrics on their way into text.

use std::collections::BTreeMap;

use prometheus::proto::{
    Bucket, Counter, Gauge, Histogram as TextHistogram, LabelPair, Metric, MetricFamily, MetricType,
};
use prometheus::{Encoder, TextEncoder};

use crate::Histogram;

/// Metrics of any number of sources, gathered by name: the text format wants all series of a name together.
#[derive(Default)]
pub struct Families(BTreeMap<&'static str, MetricFamily>);

/// Name and value of each label of a series.
pub type Labels<'a> = &'a [(&'static str, &'a str)];

impl Families {
    /// Content type of [`Self::encode`].
    pub const CONTENT_TYPE: &'static str = "text/plain; version=0.0.4; charset=utf-8";

    /// Adds a value that goes up and down.
    pub fn gauge(&mut self, name: &'static str, help: &str, labels: Labels<'_>, value: f64) {
        let mut gauge = Gauge::default();
        gauge.set_value(value);
        let mut metric = Metric::from_label(pairs(labels));
        metric.set_gauge(gauge);
        self.add(name, help, MetricType::GAUGE, metric);
    }

    /// Adds a value that only grows until the process ends.
    pub fn counter(&mut self, name: &'static str, help: &str, labels: Labels<'_>, value: f64) {
        let mut counter = Counter::default();
        counter.set_value(value);
        let mut metric = Metric::from_label(pairs(labels));
        metric.set_counter(counter);
        self.add(name, help, MetricType::COUNTER, metric);
    }

    /// Adds a histogram whose values are divided by `unit`: 1,000 shows microseconds as milliseconds.
    pub fn histogram<const N: usize>(
        &mut self,
        name: &'static str,
        help: &str,
        labels: Labels<'_>,
        histogram: &Histogram<N>,
        unit: f64,
    ) {
        let bucket = |(bound, below): (u64, u64)| {
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(bound as f64 / unit);
            bucket.set_cumulative_count(below);
            bucket
        };
        let mut text = TextHistogram::default();
        text.set_bucket(histogram.cumulative().map(bucket).collect());
        text.set_sample_count(histogram.count());
        text.set_sample_sum(histogram.sum() as f64 / unit);
        let mut metric = Metric::from_label(pairs(labels));
        metric.set_histogram(text);
        self.add(name, help, MetricType::HISTOGRAM, metric);
    }

    /// The text, version 0.0.4 of the format, sorted by name.
    pub fn encode(self) -> Vec<u8> {
        let families: Vec<MetricFamily> = self.0.into_values().collect();
        let mut text = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&families, &mut text) {
            // Only a name without series could do this, and each is made with its first one.
            tracing::error!(%error, "metrics could not be written as text");
        }
        text
    }

    fn add(&mut self, name: &'static str, help: &str, kind: MetricType, metric: Metric) {
        let family = self.0.entry(name).or_insert_with(|| {
            let mut family = MetricFamily::default();
            family.set_name(name.to_owned());
            family.set_help(help.to_owned());
            family.set_field_type(kind);
            family
        });
        assert_eq!(family.get_field_type(), kind, "{name} is of one kind");
        family.mut_metric().push(metric);
    }
}

fn pairs(labels: Labels<'_>) -> Vec<LabelPair> {
    let pair = |(name, value): &(&'static str, &str)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    };
    labels.iter().map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    static BOUNDS: [u64; 2] = [100, 1_000];

    #[test]
    fn series_of_one_name_stand_together_whoever_adds_them() {
        let mut families = Families::default();
        families.counter("b_total", "Of b", &[("shard", "0")], 1.0);
        families.gauge("a", "Of a", &[], -0.5);
        families.counter("b_total", "Of b", &[("shard", "1")], 18_446_744_073.0);
        let text = String::from_utf8(families.encode()).unwrap();
        let expected = "# HELP a Of a\n# TYPE a gauge\na -0.5\n# HELP b_total Of b\n# TYPE b_total counter\n\
            b_total{shard=\"0\"} 1\nb_total{shard=\"1\"} 18446744073\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_histogram_has_cumulative_buckets_up_to_infinity() {
        let mut histogram = Histogram::new(&BOUNDS);
        histogram.add(100, 2);
        histogram.add(5_000, 1);
        let mut families = Families::default();
        families.histogram("latency_milliseconds", "Of l", &[("code", "1")], &histogram, 1_000.0);
        let text = String::from_utf8(families.encode()).unwrap();
        let expected = "# HELP latency_milliseconds Of l\n# TYPE latency_milliseconds histogram\n\
            latency_milliseconds_bucket{code=\"1\",le=\"0.1\"} 2\nlatency_milliseconds_bucket{code=\"1\",le=\"1\"} 2\n\
            latency_milliseconds_bucket{code=\"1\",le=\"+Inf\"} 3\nlatency_milliseconds_sum{code=\"1\"} 5.2\n\
            latency_milliseconds_count{code=\"1\"} 3\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_label_cannot_break_out_of_its_line() {
        let mut families = Families::default();
        families.gauge("a", "Of a", &[("topic", "x\"} 1\nb\\")], 1.0);
        let text = String::from_utf8(families.encode()).unwrap();
        assert_eq!(text.lines().last(), Some("a{topic=\"x\\\"} 1\\nb\\\\\"} 1"));
        assert_eq!(text.lines().count(), 3);
    }
}
