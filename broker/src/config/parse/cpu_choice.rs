//! The processors that shards are placed on.

use std::collections::BTreeSet;
use std::fmt;

/// Processor numbers go up to this; larger ones are typing errors.
pub const CPU_MAX: usize = 4095;

/// Property `cpus`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CpuChoice {
    /// Shards are not pinned; the kernel places their threads.
    Any,
    /// Shards are pinned to these, in this order. Never empty, no number twice.
    List(Vec<usize>),
}

/// Why a text is no list of processors.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CpuListError {
    /// Neither a number nor a range.
    #[error("a list of processors as 0-3,8, or any; `{part}` is neither a number from 0 to {CPU_MAX} nor a range")]
    NotANumber {
        /// The part between two commas.
        part: String,
    },
    /// A range that ends before it starts.
    #[error("a list of processors as 0-3,8, or any; the range {first}-{last} runs backwards")]
    Backwards {
        /// Start of the range.
        first: usize,
        /// End of the range.
        last: usize,
    },
    /// A processor twice: most likely one of the two was meant to be another.
    #[error("a list of processors as 0-3,8, or any; {cpu} stands in it twice")]
    Twice {
        /// The processor.
        cpu: usize,
    },
}

impl CpuChoice {
    /// Reads `any` or `0-3,8`.
    ///
    /// # Errors
    /// [`CpuListError`] names the part that is wrong.
    pub fn parse(text: &str) -> Result<Self, CpuListError> {
        if text.eq_ignore_ascii_case("any") {
            return Ok(Self::Any);
        }
        let mut cpus = Vec::new();
        let mut seen = BTreeSet::new();
        for part in text.split(',') {
            let (first, last) = parse_range(part.trim())?;
            for cpu in first..=last {
                if !seen.insert(cpu) {
                    return Err(CpuListError::Twice { cpu });
                }
                cpus.push(cpu);
            }
        }
        Ok(Self::List(cpus))
    }
}

fn parse_range(part: &str) -> Result<(usize, usize), CpuListError> {
    let (first, last) = part.split_once('-').unwrap_or((part, part));
    let number = |text: &str| text.trim().parse().ok().filter(|cpu| *cpu <= CPU_MAX);
    let (Some(first), Some(last)) = (number(first), number(last)) else {
        return Err(CpuListError::NotANumber { part: part.to_owned() });
    };
    if first > last {
        return Err(CpuListError::Backwards { first, last });
    }
    Ok((first, last))
}

impl fmt::Display for CpuChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::List(cpus) => f.write_str(&format_cpus(cpus)),
        }
    }
}

/// `0-3,8`: runs of neighbours in the list's order.
pub fn format_cpus(cpus: &[usize]) -> String {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for &cpu in cpus {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == cpu => *last = cpu,
            _ => runs.push((cpu, cpu)),
        }
    }
    let texts =
        runs.iter().map(|(first, last)| if first == last { first.to_string() } else { format!("{first}-{last}") });
    texts.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Vec<usize> {
        match CpuChoice::parse(text) {
            Ok(CpuChoice::List(cpus)) => cpus,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn ranges_and_single_processors_keep_their_order() {
        assert_eq!(list("0-3,8"), [0, 1, 2, 3, 8]);
        assert_eq!(list("8, 2 - 3 ,0"), [8, 2, 3, 0]);
        assert_eq!(list("5"), [5]);
        assert_eq!(list("4-4"), [4]);
    }

    #[test]
    fn any_means_not_pinned() {
        assert_eq!(CpuChoice::parse("Any"), Ok(CpuChoice::Any));
    }

    #[test]
    fn a_wrong_part_is_named() {
        assert_eq!(CpuChoice::parse("0,x"), Err(CpuListError::NotANumber { part: "x".to_owned() }));
        assert_eq!(CpuChoice::parse("0,"), Err(CpuListError::NotANumber { part: String::new() }));
        assert_eq!(CpuChoice::parse("4096"), Err(CpuListError::NotANumber { part: "4096".to_owned() }));
        assert_eq!(CpuChoice::parse("-1"), Err(CpuListError::NotANumber { part: "-1".to_owned() }));
        assert_eq!(CpuChoice::parse("3-1"), Err(CpuListError::Backwards { first: 3, last: 1 }));
        assert_eq!(CpuChoice::parse("0-3,2"), Err(CpuListError::Twice { cpu: 2 }));
    }

    #[test]
    fn a_list_is_written_in_runs() {
        for text in ["0-3,8", "8,2-3,0", "7", "any"] {
            assert_eq!(CpuChoice::parse(text).unwrap().to_string(), text);
        }
    }
}
