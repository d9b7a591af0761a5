//! Whether something that was looked at now and then keeps growing.

/// The slope of the straight line that fits `points` (seconds, amount) best, in amounts a second: what a backlog grows by when
/// the ups and downs are taken away. 0 of fewer than two moments.
#[must_use]
pub fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let mean = |part: fn(&(f64, f64)) -> f64| points.iter().map(part).sum::<f64>() / count;
    let (mean_x, mean_y) = (mean(|point| point.0), mean(|point| point.1));
    let spread: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    if points.len() < 2 || spread <= 0.0 {
        return 0.0;
    }
    points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum::<f64>() / spread
}

/// As [`slope`], but 0 unless the line rises by at least `least` over all: what swings by less than that is no backlog.
#[must_use]
pub fn growth(points: &[(f64, f64)], least: f64) -> f64 {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return 0.0 };
    let slope = slope(points);
    if slope * (last.0 - first.0) >= least { slope.max(0.0) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_steady_rise_is_its_slope() {
        let points: Vec<_> = (0..10).map(|second| (f64::from(second), 100.0 + 7.0 * f64::from(second))).collect();
        assert!((slope(&points) - 7.0).abs() < 1e-9);
        assert!((growth(&points, 50.0) - 7.0).abs() < 1e-9);
        assert_eq!(growth(&points, 64.0), 0.0, "it rose by 63");
    }

    #[test]
    fn what_swings_or_shrinks_does_not_grow() {
        let swings: Vec<_> = (0..11).map(|second| (f64::from(second), f64::from(second % 2) * 1e6)).collect();
        assert!(slope(&swings).abs() < 1e5);
        let shrinks = [(0.0, 9.0), (1.0, 4.0)];
        assert_eq!(growth(&shrinks, 0.0), 0.0);
    }

    #[test]
    fn one_look_has_no_slope() {
        assert_eq!((slope(&[]), slope(&[(1.0, 5.0)]), slope(&[(1.0, 5.0), (1.0, 9.0)])), (0.0, 0.0, 0.0));
        assert_eq!(growth(&[], 1.0), 0.0);
    }

    proptest! {
        #[test]
        fn growth_is_finite_and_never_negative(points in prop::collection::vec((0.0..1e6f64, 0.0..1e15f64), 0..20), least in 0.0..1e9f64) {
            let growth = growth(&points, least);
            prop_assert!(growth.is_finite() && growth >= 0.0);
        }
    }
}
