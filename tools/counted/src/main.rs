//! Counts instructions; see the library.

use std::process::ExitCode;

/// The broker's: what it does is part of what a message costs.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match counted::cli::run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("counted: {error}");
            ExitCode::FAILURE
        }
    }
}
