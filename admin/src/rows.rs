//! A result that is a table: facts about the whole, then a row a thing.

use std::fmt;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::fact_list::FactList;
use crate::failure::ServerError;
use crate::table::{Align, Table};

/// One row, as text and as JSON.
pub(crate) trait Row: Serialize {
    /// Its columns.
    const COLUMNS: &'static [(&'static str, Align)];
    /// Adds itself.
    fn fill(&self, table: &mut Table);
}

/// Rows with what there is to say about them all. JSON is one object: the facts by their keys, then the rows by `name`,
/// then `errors` if there are any.
#[derive(Debug)]
pub(crate) struct Rows<T> {
    name: &'static str,
    facts: Vec<(&'static str, &'static str, Value)>,
    pub(crate) rows: Vec<T>,
    pub(crate) errors: Vec<ServerError>,
}

impl<T> Rows<T> {
    pub(crate) fn new(name: &'static str, rows: Vec<T>) -> Self {
        Self { name, facts: Vec::new(), rows, errors: Vec::new() }
    }

    /// With a fact: its key in JSON, its title in text.
    pub(crate) fn fact(mut self, key: &'static str, title: &'static str, value: impl Into<Value>) -> Self {
        self.facts.push((key, title, value.into()));
        self
    }

    /// With the servers that did not say what they should have said.
    pub(crate) fn errors(mut self, errors: Vec<ServerError>) -> Self {
        self.errors = errors;
        self
    }
}

impl<T: Serialize> Serialize for Rows<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (key, _, value) in &self.facts {
            map.serialize_entry(key, value)?;
        }
        map.serialize_entry(self.name, &self.rows)?;
        if !self.errors.is_empty() {
            map.serialize_entry("errors", &self.errors)?;
        }
        map.end()
    }
}

impl<T: Row> fmt::Display for Rows<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.facts.is_empty() {
            let mut facts = FactList::default();
            for (_, title, value) in &self.facts {
                match value {
                    Value::String(text) => facts.fact(*title, text),
                    Value::Null => facts.fact(*title, ""),
                    other => facts.fact(*title, other),
                };
            }
            writeln!(f, "{facts}")?;
        }
        let mut table = Table::new(T::COLUMNS);
        for row in &self.rows {
            row.fill(&mut table);
        }
        table.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Queue {
        id: i32,
        name: &'static str,
    }

    impl Row for Queue {
        const COLUMNS: &'static [(&'static str, Align)] = &[("ID", Align::Right), ("NAME", Align::Left)];
        fn fill(&self, table: &mut Table) {
            table.row([&self.id, &self.name]);
        }
    }

    #[test]
    fn facts_stand_before_the_rows() {
        let rows = Rows::new("queues", vec![Queue { id: 7, name: "" }]).fact("diffTotal", "Diff total", 12);
        assert_eq!(rows.to_string(), "Diff total  12\n\nID  NAME\n 7  -\n");
        assert_eq!(serde_json::to_string(&rows).unwrap(), r#"{"diffTotal":12,"queues":[{"id":7,"name":""}]}"#);
    }

    #[test]
    fn servers_that_failed_are_in_the_json() {
        let error = ServerError { address: "h:1".to_owned(), error: "gone".to_owned() };
        let rows = Rows::<Queue>::new("queues", Vec::new()).errors(vec![error]);
        let expected = r#"{"queues":[],"errors":[{"address":"h:1","error":"gone"}]}"#;
        assert_eq!(serde_json::to_string(&rows).unwrap(), expected);
        assert_eq!(rows.to_string(), "ID  NAME\n");
    }
}
