//! Load and measurement for any cluster that speaks the RocketMQ protocol; `mqbench` is its command line.
//!
//! Start at [`plan::Plan`], which says what to run, and [`run`], which runs it and returns a [`report::RunReport`].

pub mod ceiling;
pub mod cli;
pub mod clock;
pub mod error;
pub mod load;
pub mod observer;
pub mod plan;
pub mod progress;
pub mod report;

pub use error::BenchError;
pub use load::run;
pub use observer::{Observer, Snapshot};
pub use plan::Plan;
pub use report::RunReport;
