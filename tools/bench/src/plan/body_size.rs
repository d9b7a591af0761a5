//! Sizes of message bodies: `1024`, `4k` or `uniform:128-4k`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest body: a frame has at most 16 MiB, and the header needs its part.
pub const BODY_BYTES_MAX: usize = 15 << 20;

/// How long bodies are, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BodySize {
    /// All the same.
    Fixed(usize),
    /// Drawn from this range, each size as likely as any other.
    Uniform {
        /// The least.
        min: usize,
        /// The most.
        max: usize,
    },
}

impl BodySize {
    /// The shortest body.
    #[must_use]
    pub fn min(self) -> usize {
        match self {
            Self::Fixed(bytes) => bytes,
            Self::Uniform { min, .. } => min,
        }
    }

    /// The longest body.
    #[must_use]
    pub fn max(self) -> usize {
        match self {
            Self::Fixed(bytes) => bytes,
            Self::Uniform { max, .. } => max,
        }
    }
}

/// Why a text is not a [`BodySize`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodySizeError {
    /// Neither a number nor a distribution.
    #[error("`{0}` is no size; write 1024, 4k or uniform:128-4k")]
    Unknown(String),
    /// The range is upside down.
    #[error("the least size {min} is above the most {max}")]
    Reversed {
        /// As given.
        min: usize,
        /// As given.
        max: usize,
    },
    /// Zero, or over the limit.
    #[error("a body of {bytes} bytes cannot be sent; 1 to {BODY_BYTES_MAX} can")]
    Limit {
        /// As given.
        bytes: usize,
    },
}

impl FromStr for BodySize {
    type Err = BodySizeError;

    fn from_str(text: &str) -> Result<Self, BodySizeError> {
        let unknown = || BodySizeError::Unknown(text.to_owned());
        let size = match text.strip_prefix("uniform:") {
            Some(range) => {
                let (min, max) = range.split_once('-').ok_or_else(unknown)?;
                let (min, max) = (bytes(min).ok_or_else(unknown)?, bytes(max).ok_or_else(unknown)?);
                if min > max {
                    return Err(BodySizeError::Reversed { min, max });
                }
                Self::Uniform { min, max }
            }
            None => Self::Fixed(bytes(text).ok_or_else(unknown)?),
        };
        // Brokers refuse empty bodies.
        match [size.min(), size.max()].into_iter().find(|bytes| !(1..=BODY_BYTES_MAX).contains(bytes)) {
            Some(bytes) => Err(BodySizeError::Limit { bytes }),
            None => Ok(size),
        }
    }
}

/// A number of bytes, with `k` or `m` for 1024 or 1024² of them.
fn bytes(text: &str) -> Option<usize> {
    let text = text.trim();
    let (digits, factor) = match text.char_indices().last()? {
        (at, 'k' | 'K') => (&text[..at], 1 << 10),
        (at, 'm' | 'M') => (&text[..at], 1 << 20),
        _ => (text, 1),
    };
    digits.parse::<usize>().ok()?.checked_mul(factor)
}

impl fmt::Display for BodySize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(bytes) => write!(f, "{bytes}"),
            Self::Uniform { min, max } => write!(f, "uniform:{min}-{max}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_numbers_or_ranges() {
        assert_eq!("1024".parse(), Ok(BodySize::Fixed(1024)));
        assert_eq!("4k".parse(), Ok(BodySize::Fixed(4096)));
        assert_eq!("uniform:128-1M".parse(), Ok(BodySize::Uniform { min: 128, max: 1 << 20 }));
    }

    #[test]
    fn what_is_no_size_says_what_one_looks_like() {
        for text in ["", "k", "many", "-1", "uniform:5", "uniform:a-b", "zipf:1-2", "99999999999999999999k"] {
            let error = text.parse::<BodySize>().unwrap_err();
            assert_eq!(error, BodySizeError::Unknown(text.to_owned()));
        }
        assert_eq!("uniform:9-3".parse::<BodySize>(), Err(BodySizeError::Reversed { min: 9, max: 3 }));
    }

    #[test]
    fn empty_and_huge_bodies_are_refused() {
        assert_eq!("0".parse::<BodySize>(), Err(BodySizeError::Limit { bytes: 0 }));
        assert_eq!("uniform:0-5".parse::<BodySize>(), Err(BodySizeError::Limit { bytes: 0 }));
        assert_eq!("16m".parse::<BodySize>(), Err(BodySizeError::Limit { bytes: 16 << 20 }));
    }

    #[test]
    fn a_size_prints_as_it_is_written() {
        for text in ["1024", "uniform:128-4096"] {
            assert_eq!(text.parse::<BodySize>().unwrap().to_string(), text);
        }
    }
}
