//! The `mqadmin` binary.

use std::io;
use std::process::ExitCode;

use admin::{Cli, Failure, run};
use clap::Parser;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(run(&cli, &mut io::stdout().lock())),
        Err(source) => Err(Failure::Runtime(source)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads the output has read enough of it.
        Err(Failure::Output(source)) if source.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("mqadmin: {}", failure.report());
            ExitCode::FAILURE
        }
    }
}
