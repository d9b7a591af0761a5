//! What a broker promises to hold at once, measured: `make limits`.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use interop::limits::row::{Row, render};
use interop::limits::scale::Scale;
use interop::limits::{pending, tables};
use interop::run_lock::RunLock;
use interop::scratch::Scratch;

/// Fills brokers with what they promise to hold and prints what it costs: a million pending timers, 100,000 half messages,
/// 10,000 groups over 20,000 queues. Ends with 1 when a bound is exceeded.
#[derive(Debug, Parser)]
#[command(name = "interop-limits", version)]
struct Args {
    /// A fiftieth of everything, in a minute: shows that all works. Its latencies mean nothing, and are not judged.
    #[arg(long)]
    quick: bool,
    /// Only `pending` (timers and half messages) or only `tables` (groups and queues).
    #[arg(long, value_name = "PART", value_parser = ["pending", "tables"])]
    only: Option<String>,
    /// Also write the table into this file.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let scale = if args.quick { Scale::QUICK } else { Scale::FULL };
    let _turn = RunLock::alone();
    let scratch = Scratch::new("limits");
    let mut rows = Vec::new();
    let is_wanted = |part: &str| args.only.as_deref().is_none_or(|only| only == part);
    if is_wanted("tables") {
        rows.extend(tables::measure(&scale, &scratch));
    }
    if is_wanted("pending") {
        rows.extend(pending::measure(&scale, &scratch));
    }
    let text = render(&rows);
    println!("\n{text}");
    if let Some(out) = &args.out
        && let Err(error) = fs::write(out, &text)
    {
        eprintln!("interop-limits: cannot write {}: {error}", out.display());
        return ExitCode::FAILURE;
    }
    if rows.iter().all(Row::holds) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
