//! What `mqbench ceiling` and `mqbench report` do.

use std::net::TcpListener;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use clap::Args;

use super::ceiling_args::CeilingArgs;
use super::output_args::{OutputError, write};
use super::run_command::{CommandError, Interrupts};
use crate::ceiling::conduct::{Conductor, SearchObserver};
use crate::ceiling::engine::RealEngine;
use crate::ceiling::stop_flag::StopFlag;
use crate::ceiling::summary;
use crate::ceiling::team::{JoinProgress, Team, join};
use crate::ceiling::terminal::SearchTerminal;
use crate::ceiling::{CeilingError, CeilingReport, CeilingSettings};
use crate::report::html::{ReportFile, ceiling_html};
use crate::report::units::grouped;

/// How often the interrupts of the user are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// `mqbench report`.
#[derive(Debug, Clone, Args)]
pub struct ReportArgs {
    /// Report of a run or of a search, as --json wrote it
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Write it as a page with charts, which opens without a network
    #[arg(long, value_name = "FILE")]
    pub html: PathBuf,
}

/// Searches, or joins a search.
///
/// # Errors
/// [`CommandError`].
pub(super) fn run_ceiling(args: &CeilingArgs) -> Result<(), CommandError> {
    let stop = stop_at_interrupt();
    if let Some(address) = &args.team.join {
        return run_join(address, args, &stop);
    }
    args.output.check()?;
    let settings = args.settings();
    settings.check(1 + args.team.expect.map_or(0, usize::from))?;
    let report = search(args, settings, stop)?;
    print!("{}", summary::text(&report));
    args.output.write(&report, || ceiling_html(&report))?;
    Ok(())
}

/// Writes the page of a report.
///
/// # Errors
/// [`CommandError`].
pub(super) fn run_report(args: &ReportArgs) -> Result<(), CommandError> {
    let path = || args.file.clone();
    let json = std::fs::read(&args.file).map_err(|source| CommandError::Read { path: path(), source })?;
    let report = ReportFile::read(&json).map_err(|source| CommandError::Report { path: path(), source })?;
    write(&args.html, report.page().as_bytes()).map_err(OutputError::into)
}

fn search(args: &CeilingArgs, settings: CeilingSettings, stop: StopFlag) -> Result<CeilingReport, CeilingError> {
    let team = match (&args.team.lead, args.team.expect) {
        (Some(address), Some(expected)) => gather(address, expected, args, &stop)?,
        _ => Team::alone(),
    };
    let mut terminal = SearchTerminal::new(args.output.quiet);
    let observer: &mut dyn SearchObserver = &mut terminal;
    let command_line = std::env::args().collect();
    Conductor { settings, command_line, sources: args.sources(), team, engine: &RealEngine, stop, observer }.run()
}

fn gather(address: &str, expected: u16, args: &CeilingArgs, stop: &StopFlag) -> Result<Team, CeilingError> {
    let listen = |source| CeilingError::Listen { address: address.to_owned(), source };
    let listener = TcpListener::bind(address).map_err(listen)?;
    eprintln!("waiting for {expected} load machines at {address}");
    let within = Duration::from_millis(args.team.join_within.ms);
    Team::gather(&listener, usize::from(expected), within, stop, |number, peer| {
        eprintln!("{number} of {expected}: {peer} joined")
    })
}

fn run_join(address: &str, args: &CeilingArgs, stop: &StopFlag) -> Result<(), CommandError> {
    let patience = Duration::from_millis(args.team.join_within.ms);
    let quiet = args.output.quiet;
    let mut progress = |progress| match progress {
        JoinProgress::Joined { number, expected } => eprintln!("joined {address} as number {number} of {expected}"),
        JoinProgress::Step { step, rate } if !quiet => {
            eprintln!("step {step}: {} messages/s here", grouped(rate.round() as u64))
        }
        JoinProgress::Step { .. } => {}
    };
    join(address, patience, &RealEngine, stop, &mut progress)?;
    eprintln!("the search is over; its report is where it was led");
    Ok(())
}

/// A flag that the user's first interrupt sets.
fn stop_at_interrupt() -> StopFlag {
    let (stop, interrupts) = (StopFlag::default(), Interrupts::watch());
    let wished = stop.clone();
    thread::spawn(move || {
        while interrupts.count() == 0 {
            thread::sleep(LOOK_EVERY);
        }
        wished.set();
    });
    stop
}
