//! Settings of several servers, as `getBrokerConfig` and `getNamesrvConfig` show them.

use std::collections::BTreeMap;
use std::fmt;

use protocol::properties_text;
use serde::Serialize;

use crate::fact_list::FactList;
use crate::failure::ServerError;

/// A server's settings.
#[derive(Debug, Serialize)]
pub(super) struct ServerSettings {
    address: String,
    settings: BTreeMap<String, String>,
}

/// The settings of all that were asked.
#[derive(Debug, Serialize)]
pub(super) struct SettingsList {
    pub(super) servers: Vec<ServerSettings>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) errors: Vec<ServerError>,
}

impl ServerSettings {
    /// From lines of `key=value`.
    pub(super) fn new(address: String, text: &str) -> Self {
        let settings = match properties_text::parse(text) {
            Ok(pairs) => pairs.into_iter().map(|(_, key, value)| (key, value)).collect(),
            // Apache's servers escape nothing, so that a value of theirs may read like a broken escape.
            Err(_) => text.lines().filter_map(|line| line.split_once('=')).map(owned).collect(),
        };
        Self { address, settings }
    }
}

fn owned((key, value): (&str, &str)) -> (String, String) {
    (key.to_owned(), value.to_owned())
}

impl fmt::Display for SettingsList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, server) in self.servers.iter().enumerate() {
            writeln!(f, "{}# {}", if index > 0 { "\n" } else { "" }, server.address)?;
            let mut facts = FactList::default();
            for (key, value) in &server.settings {
                facts.fact(key, value);
            }
            facts.fmt(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_is_no_java_escape_is_shown_as_it_came() {
        let settings = ServerSettings::new("h:1".to_owned(), "path=C:\\users\nname=b=c\n").settings;
        assert_eq!((settings["path"].as_str(), settings["name"].as_str()), ("C:\\users", "b=c"));
    }
}
