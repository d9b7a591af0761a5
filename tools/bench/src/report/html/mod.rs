//! Reports as pages: one HTML file with all charts in it, which opens without a network.
//!
//! `run_page` and `ceiling_page` say what is on a page; `chart` draws, `axis` places, `quantity` writes figures. Everything is
//! escaped where it is put in; the page's policy forbids it to fetch or run anything.

mod axis;
mod ceiling_page;
mod chart;
mod facts;
mod file;
mod page;
mod percentiles;
mod quantity;
mod resources;
mod run_page;
mod thin;

use crate::ceiling::CeilingReport;
use crate::report::RunReport;

pub use file::{ReportFile, ReportFileError};

/// The page of a run.
#[must_use]
pub fn run_html(report: &RunReport) -> String {
    run_page::run_page(report)
}

/// The page of a search for the ceiling.
#[must_use]
pub fn ceiling_html(report: &CeilingReport) -> String {
    ceiling_page::ceiling_page(report)
}

#[cfg(test)]
mod tests;
