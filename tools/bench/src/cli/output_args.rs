//! Flags of where results go, and bringing them there.

use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use crate::report::RunReport;
use crate::report::html::run_html;
use crate::report::table::table;

/// The results.
#[derive(Debug, Clone, Args)]
pub struct OutputArgs {
    /// Write the report as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write it as a page with charts, which opens without a network
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Print no line a second while it runs
    #[arg(long)]
    pub quiet: bool,
}

/// A result that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {source}", path.display())]
pub struct OutputError {
    path: PathBuf,
    source: io::Error,
}

impl OutputArgs {
    /// Fails before a long run rather than after it, if a file cannot be written.
    ///
    /// # Errors
    /// [`OutputError`].
    pub fn check(&self) -> Result<(), OutputError> {
        [&self.json, &self.html].into_iter().flatten().try_for_each(|path| write(path, b""))
    }

    /// Prints the table and writes what was asked for.
    ///
    /// # Errors
    /// [`OutputError`]; the table is printed in any case.
    pub fn finish(&self, report: &RunReport) -> Result<(), OutputError> {
        print!("{}", table(report));
        self.write(report, || run_html(report))
    }

    /// Writes what was asked for: a report as JSON, and as a page.
    ///
    /// # Errors
    /// [`OutputError`].
    pub fn write(&self, report: &impl Serialize, page: impl FnOnce() -> String) -> Result<(), OutputError> {
        if let Some(path) = &self.json {
            let text = serde_json::to_vec_pretty(report)
                .map_err(|error| OutputError { path: path.clone(), source: io::Error::other(error) })?;
            write(path, &text)?;
        }
        match &self.html {
            Some(path) => write(path, page().as_bytes()),
            None => Ok(()),
        }
    }
}

/// Writes a file.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), OutputError> {
    std::fs::write(path, bytes).map_err(|source| OutputError { path: path.to_owned(), source })
}
