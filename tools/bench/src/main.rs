//! The `mqbench` binary.

use std::process::ExitCode;

use bench::cli::{Cli, run_command};
use clap::Parser;
use client::WithCauses;

fn main() -> ExitCode {
    match run_command(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mqbench: {}", WithCauses(&error));
            ExitCode::FAILURE
        }
    }
}
