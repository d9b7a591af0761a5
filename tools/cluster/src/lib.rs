//! Nodes on one machine that are as far apart as machines: each in a network namespace of its own, behind a link that can be
//! cut, and with a disk of its own that can be full.
//!
//! `mqcluster` ([`cli`], [`nodes`], [`status_line`]) shows a replicated broker that way to whoever wants to try it; the fault
//! tests in `tests/interop` use [`namespaces`], [`link`] and [`small_disk`] for theirs. Everything that is made outside the
//! process is noted in its [`run_folder`] first, and is taken back at its end, or by the next run after a crash.

pub mod advice;
pub mod cli;
pub mod error;
pub mod interrupt;
pub mod link;
pub mod means;
pub mod namespaces;
pub mod nodes;
pub mod ports;
pub mod run_folder;
pub mod small_disk;
pub mod status_line;
pub mod tool;
