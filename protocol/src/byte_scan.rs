//! Finding the bytes that mean something in JSON strings, eight at a time. Most strings of a header are a few bytes long:
//! a vectorised search costs more to begin than this takes.

const EVERY: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Sets the high bit of each byte of `word` below `limit`, which is at most 0x80. Bits above the first one set may be wrong.
const fn below(word: u64, limit: u8) -> u64 {
    word.wrapping_sub(EVERY * limit as u64) & !word & HIGHS
}

const fn equal(word: u64, byte: u8) -> u64 {
    below(word ^ (EVERY * byte as u64), 1)
}

/// Where the first quote or backslash stands.
#[inline]
pub(crate) fn find_string_end(bytes: &[u8]) -> Option<usize> {
    find(bytes, |word| equal(word, b'"') | equal(word, b'\\'), |byte| matches!(byte, b'"' | b'\\'))
}

/// Where the first byte stands that a JSON string holds only escaped.
#[inline]
pub(crate) fn find_to_escape(bytes: &[u8]) -> Option<usize> {
    let in_word = |word| equal(word, b'"') | equal(word, b'\\') | below(word, b' ');
    find(bytes, in_word, |byte| matches!(byte, b'"' | b'\\' | 0..b' '))
}

#[inline]
fn find(bytes: &[u8], in_word: impl Fn(u64) -> u64, is_it: impl Fn(u8) -> bool) -> Option<usize> {
    let mut rest = bytes;
    while let Some((chunk, behind)) = rest.split_first_chunk::<8>() {
        let found = in_word(u64::from_le_bytes(*chunk));
        if found != 0 {
            return Some(bytes.len() - rest.len() + (found.trailing_zeros() / 8) as usize);
        }
        rest = behind;
    }
    rest.iter().position(|byte| is_it(*byte)).map(|at| bytes.len() - rest.len() + at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_first_one_is_found_wherever_it_stands(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let end = bytes.iter().position(|byte| matches!(byte, b'"' | b'\\'));
            prop_assert_eq!(find_string_end(&bytes), end);
            let escaped = bytes.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1F));
            prop_assert_eq!(find_to_escape(&bytes), escaped);
        }

        #[test]
        fn bytes_that_differ_by_one_bit_are_told_apart(at in 0usize..24, near in prop::sample::select(
            vec![b'!', b'#', b' ', 0x1F, b'[', b']', 0x7F, 0x80, 0xA2, 0xDC, 0xFF, 0x9F]
        )) {
            let mut bytes = vec![near; 32];
            bytes[at] = b'"';
            prop_assert_eq!(find_string_end(&bytes), Some(at));
            let expected = if near < b' ' { 0 } else { at };
            prop_assert_eq!(find_to_escape(&bytes), Some(expected));
        }
    }
}
