//! The search for the highest load that holds, as a machine without clock, load or network: a verdict in, the next step out.
//!
//! 1. *Climb*: the load is raised by a factor until the cluster cannot follow. That gives the extreme. It goes on
//!    over a load that broke a limit, since the extreme usually lies above it.
//! 2. *Peak*: what was achieved while too much was offered is offered once.
//! 3. *Descend*: if nothing held so far, the load is lowered until something does.
//! 4. *Bisect*: between the highest load that held and the lowest above it that did not.
//! 5. *Soak*: the candidate has to hold for longer. If it does not, it is lowered and tried again.
//!
//! A load that does not hold is measured once more before it is believed, but for the soak: one hiccup of a
//! shared machine would halve the result otherwise. The soak is what makes up for such leniency.

use serde::{Deserialize, Serialize};

use super::search_settings::{DESCENTS_MAX, SearchSettings};

/// What the search is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Raises the load.
    Climb,
    /// Offers what was achieved when too much was offered.
    Peak,
    /// Lowers the load because nothing held.
    Descend,
    /// Looks between two loads.
    Bisect,
    /// Checks for longer that the candidate holds.
    Soak,
}

impl Purpose {
    /// As the report names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Climb => "climb",
            Self::Peak => "peak",
            Self::Descend => "descend",
            Self::Bisect => "bisect",
            Self::Soak => "soak",
        }
    }
}

/// The next thing to measure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// Messages a second to offer.
    pub rate: f64,
    /// What for.
    pub purpose: Purpose,
    /// The same load was measured right before and did not hold.
    pub is_repeat: bool,
}

/// What came of a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Verdict {
    /// Messages a second that were acknowledged.
    pub achieved: f64,
    /// Every limit held.
    pub held: bool,
    /// The cluster could not follow: a higher load makes no sense.
    pub saturated: bool,
}

/// A load and what was achieved at it, in messages a second.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// What was offered.
    pub offered: f64,
    /// What was acknowledged.
    pub achieved: f64,
}

/// What the search found.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The step at which most was achieved, whatever the limits said; `None` if nothing was achieved at all.
    pub extreme: Option<Load>,
    /// The load that held through the soak; `None` if there was none.
    pub safe: Option<Load>,
}

/// See the top of this file.
#[derive(Debug, Clone)]
pub struct Search {
    settings: SearchSettings,
    next: Option<Step>,
    /// Steps given out, soaks not counted.
    steps: u32,
    descents: u32,
    soaks: u32,
    /// The highest load that held; below `broke` if there is one.
    held: Option<f64>,
    /// The lowest load above `held` that did not.
    broke: Option<f64>,
    /// The highest load that the cluster could follow, within limits or not.
    followed: f64,
    outcome: Outcome,
}

impl Search {
    /// Begins with a step at `settings.start`.
    ///
    /// # Panics
    /// If the settings were not checked.
    #[must_use]
    pub fn new(settings: SearchSettings) -> Self {
        assert!(settings.check().is_ok(), "settings are checked where they come in");
        let start = Step { rate: settings.start, purpose: Purpose::Climb, is_repeat: false };
        Self {
            settings,
            next: Some(start),
            steps: 1,
            descents: 0,
            soaks: 0,
            held: None,
            broke: None,
            followed: 0.0,
            outcome: Outcome { extreme: None, safe: None },
        }
    }

    /// What to measure now; `None` when the search is over.
    #[must_use]
    pub fn next(&self) -> Option<Step> {
        self.next
    }

    /// What is known so far; when [`Self::next`] is `None`, the result.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Takes what came of [`Self::next`].
    ///
    /// # Panics
    /// If the search is over.
    pub fn record(&mut self, verdict: Verdict) {
        let step = self.next.expect("a verdict answers a step");
        // What was held up in the warm-up and came through in the measured time was not offered in it.
        let load = Load { offered: step.rate, achieved: verdict.achieved.min(step.rate) };
        if load.achieved > self.outcome.extreme.map_or(0.0, |extreme| extreme.achieved) {
            self.outcome.extreme = Some(load);
        }
        if step.purpose == Purpose::Soak {
            self.next = self.after_soak(load, verdict.held);
            return;
        }
        if !verdict.saturated {
            self.followed = self.followed.max(step.rate);
        }
        if !verdict.held && !step.is_repeat && self.steps < self.settings.steps_max {
            self.steps += 1;
            self.next = Some(Step { is_repeat: true, ..step });
            return;
        }
        self.narrow(step.rate, verdict.held);
        let saturated = !verdict.held && verdict.saturated;
        self.next = match step.purpose {
            Purpose::Climb if saturated => self.peak_or_between(step.rate, verdict.achieved),
            Purpose::Climb => self.climb(step.rate),
            _ => self.between(),
        };
    }

    /// Takes a load that held or broke into the bounds. One that holds above one that broke says that the latter was a hiccup.
    fn narrow(&mut self, rate: f64, held: bool) {
        if held {
            self.held = Some(self.held.map_or(rate, |highest| highest.max(rate)));
            self.broke = self.broke.filter(|broke| *broke > rate);
        } else if self.held.is_none_or(|highest| rate > highest) {
            self.broke = Some(self.broke.map_or(rate, |lowest| lowest.min(rate)));
        }
    }

    fn climb(&mut self, rate: f64) -> Option<Step> {
        if rate >= self.settings.rate_max {
            return self.between();
        }
        let higher = rounded(rate * self.settings.growth).min(self.settings.rate_max);
        self.step(higher, Purpose::Climb)
    }

    /// Offering far too much can cost the cluster so much that it achieves less than it could: its best is tried once.
    fn peak_or_between(&mut self, rate: f64, achieved: f64) -> Option<Step> {
        let peak = rounded(achieved);
        let is_news = peak > self.followed * (1.0 + self.settings.tolerance) && peak < rate;
        if is_news { self.step(peak, Purpose::Peak) } else { self.between() }
    }

    fn between(&mut self) -> Option<Step> {
        match (self.held, self.broke) {
            (None, None) => None,
            (None, Some(broke)) => {
                let lower = rounded(broke / self.settings.growth);
                if self.descents == DESCENTS_MAX || lower < 1.0 {
                    return None;
                }
                self.descents += 1;
                self.step(lower, Purpose::Descend)
            }
            (Some(held), None) => self.soak(held),
            (Some(held), Some(broke)) => {
                let middle = rounded((held * broke).sqrt());
                let is_near = broke <= held * (1.0 + self.settings.tolerance);
                if is_near || middle <= held || middle >= broke {
                    return self.soak(held);
                }
                self.step(middle, Purpose::Bisect)
            }
        }
    }

    /// A step, or what comes behind all steps when they are used up.
    fn step(&mut self, rate: f64, purpose: Purpose) -> Option<Step> {
        if self.steps >= self.settings.steps_max {
            return self.held.and_then(|held| self.soak(held));
        }
        self.steps += 1;
        Some(Step { rate, purpose, is_repeat: false })
    }

    fn soak(&mut self, rate: f64) -> Option<Step> {
        if self.soaks >= self.settings.soaks_max || rate < 1.0 {
            return None;
        }
        self.soaks += 1;
        Some(Step { rate, purpose: Purpose::Soak, is_repeat: false })
    }

    fn after_soak(&mut self, load: Load, held: bool) -> Option<Step> {
        if held {
            self.outcome.safe = Some(load);
            return None;
        }
        self.soak(rounded(load.offered * (1.0 - self.settings.soak_back_off)))
    }
}

/// Four significant digits, whole numbers from 1,000 on: rates are for people too.
fn rounded(rate: f64) -> f64 {
    if !(rate.is_finite() && rate > 0.0) {
        return 0.0;
    }
    let unit = 10f64.powf(rate.log10().floor() - 3.0);
    // Of units below one, the division is the exact one: 8000 / 1000 instead of 8000 * 0.001.
    if unit >= 1.0 { (rate / unit).round() * unit } else { (rate / unit).round() / (1.0 / unit).round() }
}

#[cfg(test)]
mod tests;
