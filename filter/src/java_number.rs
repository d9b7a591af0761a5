//! Text read as numbers by Java's rules: `Integer.valueOf`, `Long.valueOf`, `Double.valueOf`.

/// Every zero of the decimal digits that Java's `Character.digit` knows in 16 bits; the other nine follow each.
const ZEROS: [char; 37] = [
    '0', '\u{660}', '\u{6F0}', '\u{7C0}', '\u{966}', '\u{9E6}', '\u{A66}', '\u{AE6}', '\u{B66}', '\u{BE6}', '\u{C66}',
    '\u{CE6}', '\u{D66}', '\u{DE6}', '\u{E50}', '\u{ED0}', '\u{F20}', '\u{1040}', '\u{1090}', '\u{17E0}', '\u{1810}',
    '\u{1946}', '\u{19D0}', '\u{1A80}', '\u{1A90}', '\u{1B50}', '\u{1BB0}', '\u{1C40}', '\u{1C50}', '\u{A620}',
    '\u{A8D0}', '\u{A900}', '\u{A9D0}', '\u{A9F0}', '\u{AA50}', '\u{ABF0}', '\u{FF10}',
];

fn digit(character: char) -> Option<i64> {
    if character.is_ascii() {
        return character.to_digit(10).map(i64::from);
    }
    let set = ZEROS.partition_point(|zero| *zero <= character) - 1;
    let value = u32::from(character) - u32::from(ZEROS[set]);
    (value < 10).then_some(i64::from(value))
}

/// An optional sign and digits, nothing else; `None` beyond 64 bits.
pub(crate) fn parse_long(text: &str) -> Option<i64> {
    let (is_negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if digits.is_empty() {
        return None;
    }
    // Downwards, since the least number has no positive counterpart.
    let negated =
        digits.chars().try_fold(0_i64, |sum, character| sum.checked_mul(10)?.checked_sub(digit(character)?))?;
    if is_negative { Some(negated) } else { negated.checked_neg() }
}

/// As [`parse_long`], within 32 bits.
pub(crate) fn parse_int(text: &str) -> Option<i32> {
    parse_long(text)?.try_into().ok()
}

/// A floating-point number, decimal or hexadecimal, with blanks around it and an `f` or `d` behind it if need be.
pub(crate) fn parse_double(text: &str) -> Option<f64> {
    let text = text.trim_matches(|character| character <= ' ');
    let (sign, number) = match text.as_bytes().first()? {
        b'-' => (-1.0, &text[1..]),
        b'+' => (1.0, &text[1..]),
        _ => (1.0, text),
    };
    let value = match number {
        "NaN" => f64::NAN,
        "Infinity" => f64::INFINITY,
        _ => {
            let number = number.strip_suffix(['f', 'F', 'd', 'D']).unwrap_or(number);
            match number.strip_prefix("0x").or_else(|| number.strip_prefix("0X")) {
                Some(digits) => parse_hexadecimal(digits)?,
                // Rust also knows `inf` and `nan`, which Java does not.
                None if number.bytes().any(|byte| byte.is_ascii_alphabetic() && !matches!(byte, b'e' | b'E')) => {
                    return None;
                }
                None if number.starts_with(['+', '-']) => return None,
                None => number.parse().ok()?,
            }
        }
    };
    Some(sign * value)
}

/// `1.8p-3`: hexadecimal digits, and the power of two, which has to be there. Rounded once, or twice if it is among the
/// numbers that are too small to be exact.
fn parse_hexadecimal(text: &str) -> Option<f64> {
    let (digits, exponent) = text.split_once(['p', 'P'])?;
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if whole.is_empty() && fraction.is_empty() || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let magnitude = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    if magnitude.is_empty() || !magnitude.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // Beyond this far everything is nothing or infinite already, whatever stands before it: texts are shorter.
    const EXPONENT_MAX: i64 = 1 << 40;
    let power = magnitude.parse().unwrap_or(EXPONENT_MAX).min(EXPONENT_MAX);
    let mut power: i64 = if exponent.starts_with('-') { -power } else { power };
    let mut mantissa = 0_u64;
    let mut is_inexact = false;
    for (at, byte) in whole.bytes().chain(fraction.bytes()).enumerate() {
        let value = char::from(byte).to_digit(16).map_or(0, u64::from);
        let is_full = mantissa >> 59 != 0;
        if is_full {
            is_inexact |= value != 0;
        } else {
            mantissa = mantissa << 4 | value;
        }
        let is_whole = at < whole.len();
        power += match (is_whole, is_full) {
            (true, true) => 4,
            (false, false) => -4,
            _ => 0,
        };
    }
    if mantissa == 0 {
        return Some(0.0);
    }
    // More than 60 bits are there, or all of them: one more that is set makes rounding see what was cut off.
    Some(scale((mantissa | u64::from(is_inexact)) as f64, power))
}

/// `value * 2^power`, in steps that a double holds.
fn scale(mut value: f64, mut power: i64) -> f64 {
    const STEP: i64 = 1000;
    while power.abs() > STEP && value != 0.0 && value.is_finite() {
        let step = STEP * power.signum();
        value *= 2_f64.powi(step as i32);
        power -= step;
    }
    if power.abs() <= STEP { value * 2_f64.powi(power as i32) } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_have_a_sign_and_digits_only() {
        assert_eq!(parse_long("+9223372036854775807"), Some(i64::MAX));
        assert_eq!(parse_long("-9223372036854775808"), Some(i64::MIN));
        assert_eq!(parse_int("-2147483648"), Some(i32::MIN));
        for text in ["", "-", "+", " 1", "1 ", "1.0", "1L", "0x1", "--1", "9223372036854775808", "1e3"] {
            assert_eq!(parse_long(text), None, "{text}");
        }
        assert_eq!(parse_int("2147483648"), None);
    }

    #[test]
    fn digits_of_other_scripts_count() {
        assert_eq!(parse_int("١٢٣"), Some(123));
        assert_eq!(parse_int("-４２"), Some(-42));
        assert_eq!(parse_int("½"), None);
        assert_eq!(parse_int("ä"), None);
    }

    #[test]
    fn doubles_are_read_as_java_reads_them() {
        let read = |text: &str| parse_double(text);
        assert_eq!(read(" 1.5 "), Some(1.5));
        assert_eq!(read("+.5d"), Some(0.5));
        assert_eq!(read("5.f"), Some(5.0));
        assert_eq!(read("-1E3F"), Some(-1000.0));
        assert_eq!(read("-Infinity"), Some(f64::NEG_INFINITY));
        assert!(read("+NaN").unwrap().is_nan());
        assert_eq!(read("1e999"), Some(f64::INFINITY));
        for text in
            ["", "inf", "nan", "infinity", "NAN", "Infinityf", "--1", "1_0", "0x10", "1e", ".", "d", "+-1", "1dd"]
        {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn hexadecimal_doubles_need_their_exponent() {
        assert_eq!(parse_double("0x1.8p1"), Some(3.0));
        assert_eq!(parse_double("-0X.8P-1d"), Some(-0.25));
        assert_eq!(parse_double("0x1.0000000000000800000001p0"), Some(1.0 + f64::EPSILON));
        assert_eq!(parse_double("0x1p99999999999999999999"), Some(f64::INFINITY));
        assert_eq!(parse_double("0x1p-1074"), Some(5e-324));
        assert_eq!(parse_double("0x0p9999"), Some(0.0));
        for text in ["0x1.8", "0xp1", "0x.p1", "0x1p", "0x1p+", "0xgp1", "0x1p1.5"] {
            assert_eq!(parse_double(text), None, "{text}");
        }
    }
}
