//! The median of some rounds, and how far they lie apart.

/// Median, least and greatest of at least one value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// The middle one; the mean of the two middle ones of an even number.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
}

impl Spread {
    /// Of the values that are numbers; `None` if there is none.
    #[must_use]
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median = if values.len().is_multiple_of(2) {
            f64::midpoint(values[middle - 1], values[middle])
        } else {
            values[middle]
        };
        Some(Self { median, min, max })
    }

    /// How far least and greatest lie apart, as a share of the median.
    #[must_use]
    pub fn width(&self) -> f64 {
        if self.median == 0.0 { 0.0 } else { (self.max - self.min) / self.median }
    }

    /// The median, and behind it `min..max` if there is more than one value to tell apart.
    #[must_use]
    pub fn format(&self, write: impl Fn(f64) -> String) -> String {
        if self.min == self.max {
            return write(self.median);
        }
        format!("{} ({} .. {})", write(self.median), write(self.min), write(self.max))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_three_is_the_middle_one_whatever_the_order() {
        let spread = Spread::of([9.0, 1.0, 4.0]).unwrap();
        assert_eq!(spread, Spread { median: 4.0, min: 1.0, max: 9.0 });
        assert_eq!(spread.width(), 2.0);
    }

    #[test]
    fn the_median_of_two_is_their_mean_and_of_one_itself() {
        assert_eq!(Spread::of([3.0, 1.0]).unwrap().median, 2.0);
        assert_eq!(Spread::of([3.0]).unwrap(), Spread { median: 3.0, min: 3.0, max: 3.0 });
    }

    #[test]
    fn what_is_no_number_does_not_count() {
        assert_eq!(Spread::of([f64::NAN, 2.0, f64::INFINITY]).unwrap().max, 2.0);
        assert_eq!(Spread::of([f64::NAN]), None);
        assert_eq!(Spread::of([]), None);
    }

    #[test]
    fn a_single_value_is_written_without_a_range() {
        let write = |value: f64| format!("{value}");
        assert_eq!(Spread::of([2.0]).unwrap().format(write), "2");
        assert_eq!(Spread::of([1.0, 2.0, 4.0]).unwrap().format(write), "2 (1 .. 4)");
    }
}
