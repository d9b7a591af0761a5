//! Changes to a running broker (request UPDATE_BROKER_CONFIG).

use protocol::properties_text;

use super::BrokerConfig;
use super::error::{ConfigError, ConfigErrors, ConfigWarning};
use super::property_table::{self, PROPERTIES};
use super::sources::{Assignment, Origin};
use super::values;

/// What an accepted update does.
#[derive(Debug)]
pub struct ConfigUpdate {
    /// The configuration from now on. Nothing is written to the configuration file.
    pub config: BrokerConfig,
    /// Names that have a new value now.
    pub applied: Vec<&'static str>,
    /// Names that were left alone, as RocketMQ does with those that nothing reads again.
    pub ignored: Vec<IgnoredUpdate>,
    /// What its user should know.
    pub warnings: Vec<ConfigWarning>,
}

/// One line of an update that changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IgnoredUpdate {
    /// As written.
    pub key: String,
    /// Why.
    pub reason: &'static str,
}

const UNKNOWN: &str = "no such property";
const NEEDS_RESTART: &str = "it takes effect at start only: set it in the configuration file and restart";

impl BrokerConfig {
    /// Decides about the lines of an update. It is taken whole or not at all.
    ///
    /// # Errors
    /// A text that is no properties text, a value that is not allowed, or a property on the `configBlackList`.
    pub fn update(&self, text: &str) -> Result<ConfigUpdate, ConfigErrors> {
        let path = "the request".to_owned();
        let pairs = properties_text::parse(text).map_err(|error| ConfigError::Syntax { path, error })?;
        let (mut values, mut errors) = (self.values.clone(), Vec::new());
        let (mut applied, mut ignored, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
        for (line, key, value) in pairs {
            let assignment = Assignment { key, value, origin: Origin::Request { line } };
            match self.decide(assignment) {
                Ok(Decision::Apply { index, value, warning, origin }) => {
                    values.set(index, value, origin);
                    applied.push(PROPERTIES[index].name);
                    warnings.extend(warning);
                }
                Ok(Decision::Ignore(update)) => ignored.push(update),
                Err(error) => errors.push(error),
            }
        }
        if !errors.is_empty() {
            return Err(ConfigErrors(errors));
        }
        let (config, _) = Self::from_values(self.mode, values, self.machine.clone())?;
        Ok(ConfigUpdate { config, applied, ignored, warnings })
    }

    fn decide(&self, assignment: Assignment) -> Result<Decision, ConfigError> {
        let Assignment { key, origin, .. } = &assignment;
        if self.black_list().any(|listed| listed == key) {
            return Err(ConfigError::BlackListed { key: key.clone(), origin: origin.clone() });
        }
        let ignore = |reason| Ok(Decision::Ignore(IgnoredUpdate { key: key.clone(), reason }));
        let Some(index) = property_table::position(key) else { return ignore(UNKNOWN) };
        if !PROPERTIES[index].at_run_time {
            return ignore(NEEDS_RESTART);
        }
        let (value, warning) = values::check(&PROPERTIES[index], &assignment)?;
        Ok(Decision::Apply { index, value, warning, origin: assignment.origin })
    }

    /// Names that requests must not change. RocketMQ: `configBlackList`.
    fn black_list(&self) -> impl Iterator<Item = &str> {
        self.values.text("configBlackList").split(';').map(str::trim)
    }
}

enum Decision {
    Apply { index: usize, value: super::property::Value, warning: Option<ConfigWarning>, origin: Origin },
    Ignore(IgnoredUpdate),
}
