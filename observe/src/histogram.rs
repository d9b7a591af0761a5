//! Counts in fixed buckets, as a plain array.

/// How often values fell into which of `N` buckets, or above them all. One more value costs a search through the bounds
/// and two additions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histogram<const N: usize> {
    /// Inclusive upper bounds, ascending.
    bounds: &'static [u64; N],
    counts: [u64; N],
    above: u64,
    sum: u64,
}

impl<const N: usize> Histogram<N> {
    /// An empty one with these inclusive upper bounds, which ascend.
    pub const fn new(bounds: &'static [u64; N]) -> Self {
        let mut at = 1;
        while at < N {
            assert!(bounds[at - 1] < bounds[at], "bounds ascend");
            at += 1;
        }
        Self { bounds, counts: [0; N], above: 0, sum: 0 }
    }

    /// Adds `count` values that are all `value`.
    pub fn add(&mut self, value: u64, count: u64) {
        let bucket = self.bounds.iter().position(|bound| value <= *bound);
        *bucket.map_or(&mut self.above, |bucket| &mut self.counts[bucket]) += count;
        self.sum = self.sum.saturating_add(value.saturating_mul(count));
    }

    /// How many values there are.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum::<u64>() + self.above
    }

    /// All values together.
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// Upper bound and how many values are not above it, ascending.
    pub fn cumulative(&self) -> impl Iterator<Item = (u64, u64)> {
        let mut below = 0;
        self.bounds.iter().zip(self.counts).map(move |(bound, count)| {
            below += count;
            (*bound, below)
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOUNDS: [u64; 4] = [1, 10, 100, 1_000];

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        let mut histogram = Histogram::new(&BOUNDS);
        histogram.add(10, 2);
        histogram.add(11, 1);
        assert_eq!(histogram.cumulative().collect::<Vec<_>>(), [(1, 0), (10, 2), (100, 3), (1_000, 3)]);
        assert_eq!((histogram.count(), histogram.sum()), (3, 31));
    }

    proptest! {
        #[test]
        fn every_value_is_counted_below_every_bound_it_does_not_pass(values in prop::collection::vec(0..2_000u64, 0..50)) {
            let mut histogram = Histogram::new(&BOUNDS);
            values.iter().for_each(|value| histogram.add(*value, 1));
            for (bound, below) in histogram.cumulative() {
                prop_assert_eq!(below, values.iter().filter(|value| **value <= bound).count() as u64);
            }
            prop_assert_eq!(histogram.count(), values.len() as u64);
            prop_assert_eq!(histogram.sum(), values.iter().sum::<u64>());
        }
    }
}
