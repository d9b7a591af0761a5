//! Turbopump against Apache RocketMQ: both started in turn on one machine, loaded by the same program, written as a table.
//!
//! Start at [`scope::Scope`]: the comparisons there are, each a table of cases. [`schedule`] puts it in order, [`comparison`] runs it, [`record`] is what
//! comes out, and [`render`] makes the report of it.

pub mod case;
pub mod case_table;
pub mod child_process;
pub mod cli;
pub mod comparison;
pub mod error;
pub mod figure;
mod group_session;
pub mod interrupt;
pub mod load;
pub mod machine_rates;
pub mod number;
pub mod origin;
pub mod peer;
pub mod ports;
pub mod process_cpu;
pub mod process_sockets;
pub mod programs;
pub mod record;
pub mod render;
pub mod replica_cases;
pub mod schedule;
pub mod scope;
mod session;
pub mod settings;
pub mod side;
pub mod spread;
pub mod store_folder;
mod subject;
pub mod target;
pub mod tools;
