//! Showing a result as text or as JSON.

use std::fmt::Display;
use std::io::Write;

use serde::Serialize;

use crate::failure::Failure;

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
        self.writer.write_all(text.as_bytes()).and_then(|()| self.writer.flush()).map_err(Failure::Output)
    }
}
