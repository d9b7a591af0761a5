//! Numbers for reading.

/// Three significant digits, without trailing zeros behind the point: `0.063`, `1.5`, `373`, `12300`.
#[must_use]
pub fn significant(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return if value == 0.0 { "0".to_owned() } else { "-".to_owned() };
    }
    let magnitude = value.abs().log10().floor() as i32;
    let decimals = usize::try_from(2 - magnitude).unwrap_or(0).min(12);
    let scale = 10f64.powi(magnitude - 2);
    let text = format!("{:.decimals$}", (value / scale).round() * scale);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// A large count: `998`, `53.3 k`, `1.63 M`.
#[must_use]
pub fn count(value: f64) -> String {
    match value.abs() {
        million if million >= 999_500.0 => format!("{} M", significant(value / 1e6)),
        thousand if thousand >= 999.5 => format!("{} k", significant(value / 1e3)),
        _ => significant(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_are_kept_at_every_size() {
        let pairs = [
            (0.0, "0"),
            (0.063, "0.063"),
            (0.012_349, "0.0123"),
            (1.5, "1.5"),
            (0.9996, "1"),
            (373.4, "373"),
            (12_345.0, "12300"),
            (f64::NAN, "-"),
        ];
        for (value, text) in pairs {
            assert_eq!(significant(value), text, "{value}");
        }
    }

    #[test]
    fn counts_change_their_unit_where_the_digits_would_run_out() {
        assert_eq!(count(998.0), "998");
        assert_eq!(count(999.7), "1 k");
        assert_eq!(count(53_311.0), "53.3 k");
        assert_eq!(count(999_700.0), "1 M");
        assert_eq!(count(1_630_000.0), "1.63 M");
    }
}
