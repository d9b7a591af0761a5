//! Figures as people read them.

/// What kind of figure it is, and so how it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quantity {
    /// A number of things.
    Count,
    /// Things a second.
    PerSecond,
    /// Seconds.
    Seconds,
    /// Milliseconds; written in µs, ms or s.
    Milliseconds,
    /// 0..=1; written as per cent.
    Share,
    /// Bytes; written in KiB, MiB, GiB.
    Bytes,
    /// Bytes a second; written in kB/s, MB/s, GB/s, as disks and networks are sold.
    BytesPerSecond,
    /// A percentile as 1 / (1 - q): 10 is 90 %, 100 is 99 %.
    Nines,
}

impl Quantity {
    /// With its unit, to three digits or so.
    pub(super) fn format(self, value: f64) -> String {
        if !value.is_finite() {
            return "–".to_owned();
        }
        match self {
            Self::Count => thousands(value),
            Self::PerSecond => format!("{}/s", thousands(value)),
            Self::Seconds => format!("{} s", digits(value)),
            Self::Milliseconds => milliseconds(value),
            Self::Share => format!("{} %", digits(value * 100.0)),
            Self::Bytes => scaled(value, 1_024.0, &["B", "KiB", "MiB", "GiB", "TiB"]),
            Self::BytesPerSecond => scaled(value, 1_000.0, &["B/s", "kB/s", "MB/s", "GB/s", "TB/s"]),
            Self::Nines => percentile(value),
        }
    }

    /// As short as it can be, for the ticks of an axis.
    pub(super) fn tick(self, value: f64) -> String {
        match self {
            Self::Count | Self::PerSecond => scaled(value, 1_000.0, &["", "k", "M", "G", "T"]).replace(' ', ""),
            Self::Seconds => digits(value),
            other => other.format(value),
        }
    }
}

/// Three significant digits, but every digit before the point.
fn digits(value: f64) -> String {
    let size = value.abs();
    let decimals = match size {
        _ if size == 0.0 || size >= 99.95 => 0,
        _ if size >= 9.995 => 1,
        _ if size >= 0.9995 => 2,
        _ => 3,
    };
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// `12,345`; with digits behind the point below 100.
pub(super) fn thousands(value: f64) -> String {
    if value.abs() < 99.95 {
        return digits(value);
    }
    let whole = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if value < 0.0 { format!("-{text}") } else { text }
}

fn milliseconds(value: f64) -> String {
    match value.abs() {
        size if size > 0.0 && size < 0.9995 => format!("{} µs", digits(value * 1_000.0)),
        size if size >= 999.5 => format!("{} s", digits(value / 1_000.0)),
        _ => format!("{} ms", digits(value)),
    }
}

fn scaled(value: f64, step: f64, units: &[&str]) -> String {
    let mut scaled = value;
    let mut unit = 0;
    while scaled.abs() >= step * 0.9995 && unit + 1 < units.len() {
        scaled /= step;
        unit += 1;
    }
    format!("{} {}", digits(scaled), units[unit]).trim_end().to_owned()
}

/// 10 is 90 %, 1,000 is 99.9 %.
fn percentile(value: f64) -> String {
    let percent = 100.0 * (1.0 - 1.0 / value.max(1.0));
    let nines = value.max(1.0).log10().ceil() as usize;
    let text = format!("{percent:.*}", nines.saturating_sub(1));
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text} %")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_their_units() {
        assert_eq!(Quantity::PerSecond.format(123_456.0), "123,456/s");
        assert_eq!(Quantity::Milliseconds.format(0.25), "250 µs");
        assert_eq!(Quantity::Milliseconds.format(12.34), "12.3 ms");
        assert_eq!(Quantity::Milliseconds.format(1_234.0), "1.23 s");
        assert_eq!(Quantity::Share.format(0.8), "80 %");
        assert_eq!(Quantity::Bytes.format(3.0 * 1_048_576.0), "3 MiB");
        assert_eq!(Quantity::BytesPerSecond.format(1.25e8), "125 MB/s");
        assert_eq!(Quantity::Seconds.format(30.0), "30 s");
        assert_eq!(Quantity::Count.format(0.0), "0");
    }

    #[test]
    fn ticks_are_short() {
        assert_eq!(Quantity::PerSecond.tick(50_000.0), "50k");
        assert_eq!(Quantity::Count.tick(2_500_000.0), "2.5M");
        assert_eq!(Quantity::Seconds.tick(7.5), "7.5");
    }

    #[test]
    fn percentiles_have_as_many_nines_as_they_need() {
        let nines = [1.0, 2.0, 10.0, 13.34, 100.0, 1_000.0, 10_000.0].map(|value| Quantity::Nines.format(value));
        assert_eq!(nines, ["0 %", "50 %", "90 %", "92.5 %", "99 %", "99.9 %", "99.99 %"]);
    }

    #[test]
    fn what_is_no_number_is_a_dash() {
        assert_eq!(Quantity::PerSecond.format(f64::NAN), "–");
        assert_eq!(Quantity::Milliseconds.format(f64::INFINITY), "–");
    }
}
