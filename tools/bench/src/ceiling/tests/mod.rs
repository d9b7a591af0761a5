//! The search with a cluster that is only made up.

mod conduct;
mod first_limit;
mod limits;
mod load_figures;
mod report_notes;
mod share;
mod team;
