//! Message bodies: slices of one block of bytes that no file system or network can compress.

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::plan::BodySize;

/// Bodies of the wanted sizes.
#[derive(Debug)]
pub(crate) struct Bodies {
    filler: Vec<u8>,
    size: BodySize,
    random: SmallRng,
}

impl Bodies {
    pub(crate) fn new(size: BodySize, seed: u64) -> Self {
        let mut random = SmallRng::seed_from_u64(seed);
        let mut filler = vec![0; size.max()];
        random.fill(&mut filler[..]);
        Self { filler, size, random }
    }

    /// The next body.
    pub(crate) fn next(&mut self) -> &[u8] {
        let bytes = match self.size {
            BodySize::Fixed(bytes) => bytes,
            BodySize::Uniform { min, max } => self.random.random_range(min..=max),
        };
        &self.filler[..bytes]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_as_wanted() {
        assert_eq!(Bodies::new(BodySize::Fixed(100), 1).next().len(), 100);
        let mut bodies = Bodies::new(BodySize::Uniform { min: 10, max: 13 }, 1);
        let mut seen = [0; 14];
        for _ in 0..1_000 {
            seen[bodies.next().len()] += 1;
        }
        assert!(seen[..10].iter().all(|count| *count == 0), "{seen:?}");
        assert!(seen[10..].iter().all(|count| *count > 100), "each size is about a quarter: {seen:?}");
    }

    #[test]
    fn bodies_cannot_be_compressed() {
        let mut bodies = Bodies::new(BodySize::Fixed(4096), 1);
        let mut counts = [0_u32; 256];
        bodies.next().iter().for_each(|byte| counts[usize::from(*byte)] += 1);
        assert!(counts.iter().all(|count| *count < 64), "16 of each are expected: {counts:?}");
    }
}
