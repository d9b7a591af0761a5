//! Showing a result as text or as JSON.

use std::fmt::Display;
use std::io::Write;

use serde::Serialize;

use crate::failure::Failure;
use crate::rows::{Row, Rows};

/// Where results go, and in which form.
pub(crate) struct Output<'a> {
    writer: &'a mut dyn Write,
    json: bool,
}

impl<'a> Output<'a> {
    pub(crate) fn new(writer: &'a mut dyn Write, json: bool) -> Self {
        Self { writer, json }
    }

    /// Writes a result: its text, or one line of JSON.
    pub(crate) fn show<T: Display + Serialize>(&mut self, result: &T) -> Result<(), Failure> {
        let text = if self.json {
            format!("{}\n", serde_json::to_string(result).map_err(|source| Failure::Output(source.into()))?)
        } else {
            result.to_string()
        };
        self.write(text.as_bytes())
    }

    /// Writes what is neither.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.writer.write_all(bytes).and_then(|()| self.writer.flush()).map_err(Failure::Output)
    }

    /// Writes rows; a failure if servers are missing among them, so that a script does not take a part for the whole.
    pub(crate) fn show_rows<T: Row>(&mut self, rows: Rows<T>) -> Result<(), Failure> {
        self.show(&rows)?;
        Failure::unless_complete(rows.errors)
    }

    /// Whether results are JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }
}
