//! Numbers of fixed width, written over the placeholder in a template.

/// Writes `value` in decimal, with zeros in front, over all of `place`. Digits that do not fit are cut off in front.
pub(crate) fn put_decimal(place: &mut [u8], mut value: u64) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

/// Writes `value` as 16 upper-case hex digits.
pub(crate) fn put_hex(place: &mut [u8; 16], value: u64) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for (pair, byte) in place.chunks_exact_mut(2).zip(value.to_be_bytes()) {
        pair[0] = HEX[usize::from(byte >> 4)];
        pair[1] = HEX[usize::from(byte & 0xF)];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_fill_their_place() {
        let mut place = *b"xxxxxxxxxx";
        put_decimal(&mut place, 2_147_483_647);
        assert_eq!(&place, b"2147483647");
        put_decimal(&mut place, 42);
        assert_eq!(&place, b"0000000042");
    }

    #[test]
    fn hex_digits_are_those_of_the_formatter() {
        for value in [0, 1, 0xFEDC_BA98_7654_3210, u64::MAX] {
            let mut place = [0; 16];
            put_hex(&mut place, value);
            assert_eq!(std::str::from_utf8(&place).unwrap(), format!("{value:016X}"));
        }
    }
}
