//! What the subcommands do.

use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::ceiling_command::{run_ceiling, run_report};
use super::{Cli, Command, OutputArgs, OutputError};
use crate::ceiling::CeilingError;
use crate::error::BenchError;
use crate::load::run;
use crate::observer::{Observer, Snapshot, Start};
use crate::plan::Plan;
use crate::progress::Progress;
use crate::report::html::ReportFileError;

/// Why a subcommand failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The run.
    #[error(transparent)]
    Run(#[from] BenchError),
    /// Its results.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The search for the ceiling.
    #[error(transparent)]
    Ceiling(#[from] CeilingError),
    /// A report that cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// As given.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file that is no report.
    #[error("{}: {source}", path.display())]
    Report {
        /// As given.
        path: PathBuf,
        /// Why.
        source: ReportFileError,
    },
}

/// Carries out a command line.
///
/// # Errors
/// [`CommandError`], to be printed.
pub fn run_command(cli: &Cli) -> Result<(), CommandError> {
    match &cli.command {
        Command::Produce(args) => run_plan(&args.plan(), &args.output),
        Command::Consume(args) => run_plan(&args.plan(), &args.output),
        Command::E2e(args) => run_plan(&args.e2e_plan(), &args.output),
        Command::Mixed(args) => run_plan(&args.mixed_plan(), &args.output),
        Command::Ceiling(args) => run_ceiling(args),
        Command::Report(args) => run_report(args),
    }
}

fn run_plan(plan: &Plan, output: &OutputArgs) -> Result<(), CommandError> {
    output.check()?;
    let mut observer = Terminal { progress: (!output.quiet).then(Progress::default), interrupts: Interrupts::watch() };
    let mut report = run(plan, &mut observer)?;
    report.command_line = std::env::args().collect();
    output.finish(&report)?;
    Ok(())
}

/// Prints what happens, and ends the run when the user wants to.
struct Terminal {
    progress: Option<Progress>,
    interrupts: Interrupts,
}

impl Observer for Terminal {
    fn started(&mut self, start: &Start<'_>) {
        if let Some(progress) = &mut self.progress {
            progress.started(start);
        }
    }

    fn second(&mut self, snapshot: &Snapshot) -> ControlFlow<()> {
        if let Some(progress) = &mut self.progress {
            progress.second(snapshot);
        }
        ControlFlow::Continue(())
    }

    fn wants_end(&mut self) -> bool {
        self.interrupts.count() > 0
    }
}

/// Interrupts by the user. The first ends the run with its report, the second ends the process.
pub struct Interrupts(Arc<AtomicU32>);

impl Interrupts {
    /// Exit status of a process that was interrupted, as shells expect it.
    const EXIT_STATUS: i32 = 130;

    /// Takes over the interrupt signal of this process.
    #[must_use]
    pub fn watch() -> Self {
        let count = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&count);
        std::thread::spawn(move || {
            // Without a runtime there is no report at an interrupt, but the default still ends the process.
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
            runtime.block_on(async {
                while tokio::signal::ctrl_c().await.is_ok() {
                    if counted.fetch_add(1, Ordering::Relaxed) > 0 {
                        std::process::exit(Self::EXIT_STATUS);
                    }
                }
            });
        });
        Self(count)
    }

    /// How many there were.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}
