//! `bare-ceiling server` and `bare-ceiling load`; see the library's text.

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use bare_ceiling::cli::{Args, Side};
use bare_ceiling::{load, server};
use clap::Parser;

fn main() -> ExitCode {
    match run(Args::parse().side) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut text = error.to_string();
            let mut cause = error.source();
            while let Some(inner) = cause {
                text.push_str(&format!(": {inner}"));
                cause = inner.source();
            }
            eprintln!("bare-ceiling: {text}");
            ExitCode::FAILURE
        }
    }
}

fn run(side: Side) -> Result<(), Box<dyn Error>> {
    match side {
        Side::Server(args) => server::run(args.options(), |address| {
            // Who started it with port 0 reads the address here; nobody reading is no reason to end.
            let _ = writeln!(io::stdout(), "bare-ceiling at {address} is ready");
        })?,
        Side::Load(args) => println!("{}", serde_json::to_string(&load::run(&args.options())?)?),
    }
    Ok(())
}
