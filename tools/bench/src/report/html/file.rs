//! Reports as files.

use serde::Deserialize;

use crate::ceiling::CeilingReport;
use crate::ceiling::ceiling_report::CEILING_SCHEMA;
use crate::report::{RunReport, SCHEMA};

/// A report of either kind.
#[derive(Debug, Clone, PartialEq)]
pub enum ReportFile {
    /// Of `produce`, `consume`, `e2e` or `mixed`.
    Run(Box<RunReport>),
    /// Of `ceiling`.
    Ceiling(Box<CeilingReport>),
}

/// A file that is no report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportFileError {
    /// No JSON, or not that of a report.
    #[error("this is no report of mqbench: {0}")]
    Form(#[from] serde_json::Error),
    /// Of a bench that is too new or too old.
    #[error("the report has version {found} of its form; this mqbench reads version {known}")]
    Schema {
        /// The file's.
        found: u32,
        /// Ours.
        known: u32,
    },
}

/// What tells the kinds apart.
#[derive(Deserialize)]
struct Head {
    schema: u32,
    #[serde(default)]
    report: Option<String>,
}

impl ReportFile {
    /// Reads the JSON of either kind.
    ///
    /// # Errors
    /// [`ReportFileError`].
    pub fn read(json: &[u8]) -> Result<Self, ReportFileError> {
        let head: Head = serde_json::from_slice(json)?;
        let known = if head.report.is_some() { CEILING_SCHEMA } else { SCHEMA };
        if head.schema != known {
            return Err(ReportFileError::Schema { found: head.schema, known });
        }
        match head.report {
            Some(_) => Ok(Self::Ceiling(Box::new(serde_json::from_slice(json)?))),
            None => Ok(Self::Run(Box::new(serde_json::from_slice(json)?))),
        }
    }

    /// The page.
    #[must_use]
    pub fn page(&self) -> String {
        match self {
            Self::Run(report) => super::run_html(report),
            Self::Ceiling(report) => super::ceiling_html(report),
        }
    }
}
