//! Charts of latency.

use maud::Markup;

use super::axis::{Axis, Scale};
use super::chart::Chart;
use super::quantity::Quantity;
use crate::report::{Latency, LatencyPoint};

/// An axis of latency: powers of ten, because a stall is a thousand times what is usual.
pub(super) fn latency_axis() -> Axis {
    Axis::new("latency", Quantity::Milliseconds, Scale::Log)
}

/// Latency by percentile. The axis of x is 1 / (1 - q), so that 99.9 % is as far from 99 % as that is from 90 %.
pub(super) fn by_percentile(title: &str, latencies: &[(String, &Latency)]) -> Markup {
    let x = Axis::new("percentile", Quantity::Nines, Scale::Log);
    let mut chart = Chart::new(title, x, latency_axis());
    for (name, latency) in latencies {
        chart = chart.line(name, points(latency));
    }
    chart.render()
}

/// The curve, up to the last percentile that is a count of its own; 100 % itself would be infinitely far away.
fn points(latency: &Latency) -> Vec<(f64, f64)> {
    let count = latency.percentiles.count as f64;
    let place = |point: &LatencyPoint| {
        // Of n values, none lies above 1 - 1/n.
        let rest = (1.0 - point.percentile / 100.0).max(1.0 / count.max(1.0));
        (1.0 / rest, point.us as f64 / 1e3)
    };
    latency.by_percentile.iter().map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::latency::histogram;

    #[test]
    fn the_greatest_value_lies_where_one_of_all_is() {
        let mut values = histogram();
        (1..=1_000u64).for_each(|us| values.record(us).unwrap());
        let latency = Latency::of(&values);
        let points = points(&latency);
        let last = points.last().unwrap();
        assert!((last.0 - 1_000.0).abs() < 1e-6 && (last.1 - 1.0).abs() < 0.01, "{last:?}");
        assert!(points.windows(2).all(|pair| pair[0].0 <= pair[1].0 && pair[0].1 <= pair[1].1));
    }

    #[test]
    fn without_a_value_there_is_no_chart() {
        let none = Latency::of(&histogram());
        assert_eq!(by_percentile("latency", &[("sent".into(), &none)]).into_string(), "");
    }
}
