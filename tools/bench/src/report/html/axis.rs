//! Where values lie on an axis, and where its ticks are.

use super::quantity::Quantity;

/// How values are spread along an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    /// From zero.
    Linear,
    /// Every power of ten takes the same room; what is zero or less lies at the lower end.
    Log,
}

/// One axis.
#[derive(Debug, Clone)]
pub(super) struct Axis {
    /// What it shows, without the unit that its ticks have.
    pub(super) label: String,
    pub(super) quantity: Quantity,
    pub(super) scale: Scale,
    /// The axis reaches at least up to here.
    pub(super) least_end: f64,
}

/// An axis with its ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Range {
    pub(super) scale: Scale,
    pub(super) first: f64,
    pub(super) last: f64,
    /// Between two ticks; a logarithmic axis has one each power of ten.
    step: f64,
}

/// About so many ticks on a linear axis.
const TICKS: f64 = 5.0;
/// A logarithmic axis shows at most so many powers of ten below its end.
const DECADES_MAX: i32 = 9;

impl Axis {
    pub(super) fn new(label: &str, quantity: Quantity, scale: Scale) -> Self {
        Self { label: label.to_owned(), quantity, scale, least_end: 0.0 }
    }

    pub(super) fn reaching(self, least_end: f64) -> Self {
        Self { least_end, ..self }
    }

    /// The range that holds all of `values`.
    pub(super) fn range(&self, values: impl Iterator<Item = f64> + Clone) -> Range {
        // Numbers at the ends of what a float can be have no nice steps, and stand for nothing that is measured.
        let finite = values.filter(|value| *value == 0.0 || (1e-200..1e200).contains(&value.abs()));
        let last = finite.clone().fold(self.least_end, f64::max);
        match self.scale {
            Scale::Linear => {
                let last = if last > 0.0 { last } else { 1.0 };
                // A range that needs no room above for a tick, as 0 to 100 %, ends where it ends.
                let step = self.step(last);
                let last = if self.least_end >= last { last } else { (last / step).ceil() * step };
                Range { scale: self.scale, first: 0.0, last, step }
            }
            Scale::Log => {
                let least = finite.filter(|value| *value > 0.0).fold(f64::INFINITY, f64::min);
                let last = power_above(if last > 0.0 { last } else { 1.0 });
                let first = power_below(least.min(last)).max(last * 10f64.powi(-DECADES_MAX)).min(last / 10.0);
                Range { scale: self.scale, first, last, step: 0.0 }
            }
        }
    }
}

impl Axis {
    /// A step that gives about the right number of ticks up to `last`: 1, 2 or 5 of a unit, or tens and hundreds of it.
    fn step(&self, last: f64) -> f64 {
        // Half a GiB is 512 MiB: bytes have steps of their own.
        let unit = if self.quantity == Quantity::Bytes {
            1_024f64.powf((last / TICKS).max(1.0).log(1_024.0).floor())
        } else {
            1.0
        };
        nice_step(last / TICKS / unit) * unit
    }
}

impl Range {
    /// Where a value lies between the ends, 0..=1.
    pub(super) fn place(&self, value: f64) -> f64 {
        let place = match self.scale {
            Scale::Linear => (value - self.first) / (self.last - self.first),
            Scale::Log => (value.max(self.first) / self.first).log10() / (self.last / self.first).log10(),
        };
        if place.is_finite() { place.clamp(0.0, 1.0) } else { 0.0 }
    }

    /// Values that get a tick.
    pub(super) fn ticks(&self) -> Vec<f64> {
        match self.scale {
            Scale::Linear => {
                let count = ((self.last - self.first) / self.step * (1.0 + 1e-9)).floor() as u32;
                (0..=count).map(|index| self.first + f64::from(index) * self.step).collect()
            }
            Scale::Log => {
                let decades = (self.last / self.first).log10().round() as i32;
                (0..=decades).map(|decade| self.first * 10f64.powi(decade)).collect()
            }
        }
    }
}

/// The least of 1, 2, 5 times a power of ten that is at least `step`.
fn nice_step(step: f64) -> f64 {
    let power = 10f64.powf(step.log10().floor());
    let nice = [1.0, 2.0, 5.0, 10.0].into_iter().find(|nice| nice * power >= step * (1.0 - 1e-9));
    nice.unwrap_or(10.0) * power
}

fn power_above(value: f64) -> f64 {
    10f64.powf((value.log10() - 1e-9).ceil())
}

fn power_below(value: f64) -> f64 {
    10f64.powf((value.log10() + 1e-9).floor())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range(scale: Scale, values: &[f64]) -> Range {
        Axis::new("", Quantity::Count, scale).range(values.iter().copied())
    }

    #[test]
    fn a_linear_axis_begins_at_zero_and_ends_at_a_tick() {
        let range = range(Scale::Linear, &[30.0, 870.0]);
        assert_eq!((range.first, range.last), (0.0, 1_000.0));
        assert_eq!(range.ticks(), [0.0, 200.0, 400.0, 600.0, 800.0, 1_000.0]);
        assert_eq!(range.place(500.0), 0.5);
    }

    #[test]
    fn ticks_of_bytes_are_whole_in_their_own_units() {
        let range = Axis::new("", Quantity::Bytes, Scale::Linear).range([900.0 * 1_048_576.0].into_iter());
        let ticks: Vec<String> = range.ticks().into_iter().map(|tick| Quantity::Bytes.tick(tick)).collect();
        assert_eq!(ticks, ["0 B", "200 MiB", "400 MiB", "600 MiB", "800 MiB", "1000 MiB"]);
    }

    #[test]
    fn an_axis_of_per_cent_ends_at_a_hundred() {
        let axis = Axis::new("", Quantity::Share, Scale::Linear).reaching(1.0);
        assert_eq!(axis.range([0.3].into_iter()).last, 1.0);
    }

    #[test]
    fn a_logarithmic_axis_reaches_from_power_to_power() {
        let range = range(Scale::Log, &[0.3, 42.0]);
        assert!((range.first - 0.1).abs() < 1e-9 && (range.last - 100.0).abs() < 1e-9);
        assert_eq!(range.ticks().len(), 4);
        assert!((range.place(1.0) - 1.0 / 3.0).abs() < 1e-9);
        assert_eq!(range.place(0.0), 0.0);
    }

    proptest! {
        /// Reports are outside text: whatever their figures are, every place is on the paper.
        #[test]
        fn every_value_has_a_place_on_the_paper(values in prop::collection::vec(any::<f64>(), 0..20), log in any::<bool>()) {
            let range = range(if log { Scale::Log } else { Scale::Linear }, &values);
            for value in values {
                prop_assert!((0.0..=1.0).contains(&range.place(value)), "{value} in {range:?}");
            }
            prop_assert!(range.ticks().len() < 20, "{:?} of {range:?}", range.ticks());
        }
    }
}
