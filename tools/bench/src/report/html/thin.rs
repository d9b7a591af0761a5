//! Fewer points for the same picture.

/// More points than the paper has places for side by side.
const POINTS_MAX: usize = 1_200;

/// Of a line with too many points: the least and the greatest of each stretch, so that no spike is lost.
pub(super) fn thin(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    if points.len() <= POINTS_MAX {
        return points.to_vec();
    }
    let stretch = points.len().div_ceil(POINTS_MAX / 2);
    points.chunks(stretch).flat_map(ends).collect()
}

/// The least and the greatest, in the order of x.
fn ends(stretch: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let by_y = |left: &&(f64, f64), right: &&(f64, f64)| left.1.total_cmp(&right.1);
    let (Some(least), Some(greatest)) = (stretch.iter().min_by(by_y), stretch.iter().max_by(by_y)) else {
        return Vec::new();
    };
    if least.0 <= greatest.0 { vec![*least, *greatest] } else { vec![*greatest, *least] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_line_stays_as_it_is() {
        let points: Vec<_> = (0..1_200).map(|n| (f64::from(n), f64::from(n % 7))).collect();
        assert_eq!(thin(&points), points);
    }

    #[test]
    fn a_spike_of_an_hour_is_kept_and_order_too() {
        let points: Vec<_> = (0..3_600).map(|n| (f64::from(n), if n == 1_234 { 99.0 } else { 1.0 })).collect();
        let thinned = thin(&points);
        assert!(thinned.len() <= 1_202, "{}", thinned.len());
        assert!(thinned.contains(&(1_234.0, 99.0)));
        assert!(thinned.windows(2).all(|pair| pair[0].0 <= pair[1].0));
    }
}
