//! A topic's permission as people read it.

use std::fmt;

/// Permission bits, shown as in `RW-`: read, write, inherit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Perm(pub(crate) i32);

impl fmt::Display for Perm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (bit, letter) in [(4, 'R'), (2, 'W'), (1, 'X')] {
            write!(f, "{}", if self.0 & bit != 0 { letter } else { '-' })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bit_has_its_place() {
        assert_eq!([2, 4, 6, 7].map(|bits| Perm(bits).to_string()), ["-W-", "R--", "RW-", "RWX"]);
    }
}
