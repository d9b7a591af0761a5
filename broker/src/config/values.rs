//! One checked value for every row of the property table.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use super::derived_defaults;
use super::error::{ConfigError, ConfigErrors, ConfigWarning};
use super::machine_defaults::MachineDefaults;
use super::parse::cpu_choice::CpuChoice;
use super::parse::delete_hours::DeleteHours;
use super::parse::host_port::HostPort;
use super::parse::name_servers::NameServers;
use super::parse::node_id::NodeId;
use super::parse::raft_peers::RaftPeers;
use super::property::{Class, Default, Kind, Property, Value};
use super::property_table::{self, PROPERTIES};
use super::sources::{Assignment, Origin, Sources};
use crate::delay_levels::DelayLevels;

/// One entry a row of [`PROPERTIES`], in its order.
#[derive(Debug, Clone)]
pub(super) struct Values {
    entries: Vec<Entry>,
}

/// A value and where it comes from.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

impl Values {
    /// Checks what `sources` say and fills in the rest.
    ///
    /// # Errors
    /// Every unknown, refused or wrong assignment.
    pub(super) fn resolve(
        sources: &Sources,
        machine: &MachineDefaults,
    ) -> Result<(Self, Vec<ConfigWarning>), ConfigErrors> {
        let mut errors = Vec::new();
        let mut warnings = Vec::new();
        let mut set: Vec<Option<Entry>> = PROPERTIES.iter().map(fixed_default).collect();
        for (index, assignment) in last_assignments(&sources.assignments, &mut errors, &mut warnings) {
            let property = &PROPERTIES[index];
            match check(property, assignment) {
                Ok((value, warning)) => {
                    set[index] = Some(Entry { value, origin: assignment.origin.clone() });
                    warnings.extend(warning);
                }
                Err(error) => errors.push(error),
            }
        }
        if !errors.is_empty() {
            return Err(ConfigErrors(errors));
        }
        derived_defaults::fill(&mut set, sources.mode, machine);
        let mut entries = Vec::with_capacity(PROPERTIES.len());
        for (property, entry) in PROPERTIES.iter().zip(set) {
            let mut entry = entry.unwrap_or_else(|| unreachable!("{} has a default", property.name));
            if let Err(error) = expand_home(property, &mut entry.value, machine.home.as_deref()) {
                errors.push(error);
            }
            entries.push(entry);
        }
        if errors.is_empty() { Ok((Self { entries }, warnings)) } else { Err(ConfigErrors(errors)) }
    }

    /// The same values with one changed by a request.
    pub(super) fn set(&mut self, index: usize, value: Value, origin: Origin) {
        self.entries[index] = Entry { value, origin };
    }

    /// Name, value as text, row; in the order of the table.
    pub(super) fn texts(&self) -> impl Iterator<Item = (&'static Property, String)> {
        PROPERTIES.iter().zip(&self.entries).map(|(property, entry)| (property, entry.value.to_string()))
    }

    pub(super) fn origin(&self, name: &str) -> &Origin {
        &self.entry(name).origin
    }

    /// Whether somebody set it, to whatever value.
    pub(super) fn is_set(&self, name: &str) -> bool {
        *self.origin(name) != Origin::Default
    }

    /// Its value as text, unless that is what it would be anyway.
    pub(super) fn changed(&self, name: &str) -> Option<String> {
        let property = property_table::find(name).unwrap_or_else(|| unreachable!("{name} is a row of the table"));
        let written = self.entry(name).value.to_string();
        let is_default = matches!(property.default, Default::Fixed(default) if default == written);
        (!is_default).then_some(written)
    }

    pub(super) fn bool(&self, name: &str) -> bool {
        let Value::Bool(value) = self.entry(name).value else { unreachable!("{name} is a switch") };
        value
    }

    pub(super) fn int(&self, name: &str) -> i64 {
        let Value::Int(value) = self.entry(name).value else { unreachable!("{name} is a number") };
        value
    }

    /// A number whose row keeps it within the type asked for.
    pub(super) fn number<T: TryFrom<i64>>(&self, name: &str) -> T {
        T::try_from(self.int(name)).unwrap_or_else(|_| unreachable!("the range of {name} fits its field"))
    }

    pub(super) fn millis(&self, name: &str) -> Duration {
        Duration::from_millis(self.number(name))
    }

    pub(super) fn text(&self, name: &str) -> &str {
        let Value::Text(value) = &self.entry(name).value else { unreachable!("{name} is a text") };
        value
    }

    pub(super) fn ip_address(&self, name: &str) -> IpAddr {
        let Value::IpAddress(value) = self.entry(name).value else { unreachable!("{name} is an address") };
        value
    }

    pub(super) fn path(&self, name: &str) -> &Path {
        let Value::Path(value) = &self.entry(name).value else { unreachable!("{name} is a path") };
        value
    }

    pub(super) fn delay_levels(&self, name: &str) -> &DelayLevels {
        let Value::DelayLevels { levels, .. } = &self.entry(name).value else {
            unreachable!("{name} is a list of delays")
        };
        levels
    }

    pub(super) fn name_servers(&self, name: &str) -> &NameServers {
        let Value::NameServers(value) = &self.entry(name).value else { unreachable!("{name} lists name servers") };
        value
    }

    pub(super) fn host_port(&self, name: &str) -> Option<&HostPort> {
        let Value::HostPort(value) = &self.entry(name).value else { unreachable!("{name} is an address") };
        value.as_ref()
    }

    pub(super) fn node_id(&self, name: &str) -> Option<NodeId> {
        let Value::NodeId(value) = self.entry(name).value else { unreachable!("{name} is a node") };
        value
    }

    pub(super) fn raft_peers(&self, name: &str) -> &RaftPeers {
        let Value::RaftPeers(value) = &self.entry(name).value else { unreachable!("{name} lists nodes") };
        value
    }

    pub(super) fn hours(&self, name: &str) -> &DeleteHours {
        let Value::Hours(value) = &self.entry(name).value else { unreachable!("{name} is a list of hours") };
        value
    }

    pub(super) fn cpus(&self, name: &str) -> &CpuChoice {
        let Value::Cpus(value) = &self.entry(name).value else { unreachable!("{name} is a list of processors") };
        value
    }

    fn entry(&self, name: &str) -> &Entry {
        let index = property_table::position(name).unwrap_or_else(|| unreachable!("{name} is a row of the table"));
        &self.entries[index]
    }
}

/// Reads one assignment to `property`, by the rules of its class.
pub(super) fn check(
    property: &'static Property,
    assignment: &Assignment,
) -> Result<(Value, Option<ConfigWarning>), ConfigError> {
    let key = property.name;
    let origin = || assignment.origin.clone();
    if let Class::AcceptedNoMeaning(reason) = property.class {
        // Whatever it is, nothing depends on it; a file that RocketMQ starts with must not fail here.
        let value = property.kind.parse(&assignment.value).unwrap_or_else(|_| Value::Text(assignment.value.clone()));
        return Ok((value, Some(ConfigWarning::NoMeaning { key, reason, origin: origin() })));
    }
    let value = property.kind.parse(&assignment.value).map_err(|allowed| ConfigError::BadValue {
        key,
        value: assignment.value.clone(),
        allowed,
        origin: origin(),
    })?;
    let written = value.to_string();
    match (property.class, property.default) {
        (Class::NotYet(reason), Default::Fixed(default)) if written != default => {
            Ok((value, Some(ConfigWarning::NotYet { key, value: written, reason, origin: origin() })))
        }
        (Class::Refused(reason), Default::Fixed(default)) if written != default => {
            Err(ConfigError::Refused { key, value: written, reason, default, origin: origin() })
        }
        _ => Ok(clamp(property, value, origin())),
    }
}

fn clamp(property: &'static Property, value: Value, origin: Origin) -> (Value, Option<ConfigWarning>) {
    let (Kind::IntClamped { min, max }, Value::Int(written)) = (property.kind, &value) else { return (value, None) };
    let (value, used) = (*written, (*written).clamp(min, max));
    let warning = ConfigWarning::Clamped { key: property.name, value, used, origin };
    (Value::Int(used), (value != used).then_some(warning))
}

/// The assignment that counts for each row. Unknown names become errors, lines that another line of the same file
/// overrules become warnings.
fn last_assignments<'a>(
    assignments: &'a [Assignment],
    errors: &mut Vec<ConfigError>,
    warnings: &mut Vec<ConfigWarning>,
) -> BTreeMap<usize, &'a Assignment> {
    let mut last: BTreeMap<usize, &Assignment> = BTreeMap::new();
    for assignment in assignments {
        let Some(index) = property_table::position(&assignment.key) else {
            errors.push(ConfigError::UnknownKey {
                key: assignment.key.clone(),
                nearest: property_table::nearest(&assignment.key),
                origin: assignment.origin.clone(),
            });
            continue;
        };
        let overruled = last.insert(index, assignment).map(|earlier| &earlier.origin);
        if let (Some(Origin::File { .. }), Origin::File { .. }) = (overruled, &assignment.origin) {
            warnings.push(ConfigWarning::SetTwice {
                key: PROPERTIES[index].name,
                overruled: overruled.expect("matched above").clone(),
                counts: assignment.origin.clone(),
            });
        }
    }
    last
}

/// `~` and `~/x` are below the home folder.
fn expand_home(property: &Property, value: &mut Value, home: Option<&Path>) -> Result<(), ConfigError> {
    let Value::Path(path) = value else { return Ok(()) };
    let Ok(below) = path.strip_prefix("~") else { return Ok(()) };
    let no_home = || ConfigError::NoHome { key: property.name, value: path.display().to_string() };
    *path = home.ok_or_else(no_home)?.join(below);
    Ok(())
}

fn fixed_default(property: &Property) -> Option<Entry> {
    let Default::Fixed(text) = property.default else { return None };
    let value = property.kind.parse(text).expect("a test parses every default");
    Some(Entry { value, origin: Origin::Default })
}
