//! `mqbench ceiling`: the most that a cluster can do, and the most that it can do safely.
//!
//! [`search`] decides what load to try next, [`limits`] whether a load is safe, [`sampler`] looks at the brokers' machines,
//! [`team`] makes several load machines one, and [`conduct`] joins them.

pub mod ceiling_report;
pub mod conduct;
pub mod engine;
pub mod error;
pub mod growth;
pub mod host_figures;
mod http_source;
pub mod limits;
pub mod load_figures;
mod report_notes;
pub mod sampler;
pub mod search;
pub mod search_settings;
mod settings_check;
pub mod share;
pub mod source;
pub mod step_report;
pub mod stop_flag;
pub mod summary;
pub mod team;
pub mod terminal;

pub use ceiling_report::{CeilingReport, CeilingSettings};
pub use conduct::{Conductor, SearchObserver};
pub use error::CeilingError;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;
