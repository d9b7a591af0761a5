//! The programs that make the load, and what comes out of them.

pub mod bare_ceiling;
pub mod bench_command;
pub mod bench_figures;
pub mod bench_run;
pub mod java_client;
pub mod java_failover;
#[cfg(test)]
pub(crate) mod sample_report;
