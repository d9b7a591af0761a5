//! How the search goes about it.

use serde::{Deserialize, Serialize};

/// How the search goes about it. Rates are messages a second.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SearchSettings {
    /// The first load. Low enough that it should hold on any machine that is worth measuring.
    pub start: f64,
    /// The load is never raised above this.
    pub rate_max: f64,
    /// The load is raised by this factor a step.
    pub growth: f64,
    /// The search between two loads ends when the higher is at most by this share above the lower.
    pub tolerance: f64,
    /// A load that does not hold through the soak window is lowered by this share for the next try.
    pub soak_back_off: f64,
    /// Steps in all, soak windows not counted; repeated ones count again.
    pub steps_max: u32,
    /// Soak windows that are tried.
    pub soaks_max: u32,
}

/// When nothing holds, the load is lowered by the growth factor at most so often.
pub(super) const DESCENTS_MAX: u32 = 6;

impl Default for SearchSettings {
    fn default() -> Self {
        Self {
            start: 10_000.0,
            rate_max: 100_000_000.0,
            growth: 2.0,
            tolerance: 0.05,
            soak_back_off: 0.1,
            steps_max: 60,
            soaks_max: 5,
        }
    }
}

/// Settings that the search cannot work with.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("{flag} is {given}; {min} to {max} is possible")]
pub struct SearchSettingsError {
    /// The flag of `mqbench ceiling`.
    pub flag: &'static str,
    /// As given.
    pub given: f64,
    /// The least.
    pub min: f64,
    /// The most.
    pub max: f64,
}

impl SearchSettings {
    /// Checks the ranges.
    ///
    /// # Errors
    /// The first setting that is outside of its range.
    pub fn check(&self) -> Result<(), SearchSettingsError> {
        let ranges = [
            ("--start", self.start, 1.0, 1e9),
            ("--max-rate", self.rate_max, self.start, 1e9),
            ("--growth", self.growth, 1.1, 10.0),
            ("--tolerance", self.tolerance, 0.005, 0.5),
            ("--soak-back-off", self.soak_back_off, 0.01, 0.9),
            ("--max-steps", f64::from(self.steps_max), 1.0, 1_000.0),
            ("--max-soaks", f64::from(self.soaks_max), 1.0, 100.0),
        ];
        let outside = ranges.into_iter().find(|(_, given, min, max)| !(min..=max).contains(&given));
        match outside {
            Some((flag, given, min, max)) => Err(SearchSettingsError { flag, given, min, max }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_can_be_worked_with() {
        assert_eq!(SearchSettings::default().check(), Ok(()));
    }

    #[test]
    fn a_setting_outside_of_its_range_is_named_with_its_range() {
        let error = SearchSettings { growth: 1.0, ..Default::default() }.check().unwrap_err();
        assert_eq!(error.to_string(), "--growth is 1; 1.1 to 10 is possible");
        assert!(SearchSettings { start: f64::NAN, ..Default::default() }.check().is_err());
        let error = SearchSettings { start: 500.0, rate_max: 100.0, ..Default::default() }.check().unwrap_err();
        assert_eq!(error.flag, "--max-rate");
    }
}
