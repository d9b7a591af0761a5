//! Small files below `/sys`: one value each, missing where a driver does not know it.

use std::path::Path;
use std::str::FromStr;

/// The file's text without the blanks around it; `None` if it is missing, unreadable or empty. Interfaces without a
/// speed, for one, answer with an error instead of a value.
pub(crate) fn text(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// The file's value, if it has one of this kind.
pub(crate) fn value<T: FromStr>(path: &Path) -> Option<T> {
    text(path)?.parse().ok()
}

/// The choice in use of a line as `mq-deadline kyber [none]`; the whole line if none is marked.
pub(crate) fn marked(line: &str) -> String {
    let marked = line.split_whitespace().find_map(|word| word.strip_prefix('[')?.strip_suffix(']'));
    marked.unwrap_or(line).to_owned()
}

/// Reads a list of numbers as `0-3,8,10-11`; the empty list if it is not one.
pub(crate) fn number_list(text: &str) -> Vec<u32> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.trim().parse::<u32>().ok()?..=last.trim().parse::<u32>().ok()?)
    };
    let ranges: Option<Vec<_>> = text.split(',').map(range).collect();
    ranges.map(|ranges| ranges.into_iter().flatten().take(NUMBERS_MAX).collect()).unwrap_or_default()
}

/// More processors than Linux can have; what is behind them is cut off.
const NUMBERS_MAX: usize = 8_192;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_single_numbers_are_read() {
        assert_eq!(number_list("0-3,8,10-11"), [0, 1, 2, 3, 8, 10, 11]);
        assert_eq!(number_list("0"), [0]);
    }

    #[test]
    fn what_is_no_list_is_empty() {
        assert_eq!(number_list(""), [0u32; 0]);
        assert_eq!(number_list("0-3,x"), [0u32; 0]);
        assert_eq!(number_list("0-4294967295").len(), NUMBERS_MAX);
    }

    #[test]
    fn brackets_mark_the_choice_in_use() {
        assert_eq!(marked("mq-deadline kyber [bfq] none"), "bfq");
        assert_eq!(marked("none"), "none");
    }

    #[test]
    fn a_missing_file_has_no_value() {
        assert_eq!(value::<u64>(Path::new("/sys/there/is/no/such/file")), None);
    }
}
