//! The command line.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::Parser;

use crate::bench::{self, Bench};
use crate::callgrind::{self, CallgrindError};
use crate::counts::{Counts, CountsError};
use crate::verdict::Verdict;

/// Counts the instructions that a message costs and compares them with the recorded counts.
#[derive(Parser)]
#[command(name = "counted")]
struct Options {
    /// Benches to count; all without.
    #[arg(value_name = "BENCH")]
    benches: Vec<String>,
    /// Records what is counted instead of comparing.
    #[arg(long)]
    update: bool,
    /// Shows which lines the instructions of one bench belong to (`callgrind_annotate`).
    #[arg(long, requires = "benches")]
    profile: bool,
    /// Lists the benches.
    #[arg(long)]
    list: bool,
    /// Runs a bench in this process: what callgrind is given to run.
    #[arg(long, hide = true, value_name = "BENCH")]
    inside: Option<String>,
}

/// Why nothing was counted or compared.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// There is no such bench.
    #[error("there is no bench `{name}`; those there are: {known}")]
    UnknownBench {
        /// As asked for.
        name: String,
        /// What could have been.
        known: String,
    },
    /// Counting failed.
    #[error(transparent)]
    Callgrind(#[from] CallgrindError),
    /// The recorded counts are no table.
    #[error("{path}: {error}")]
    Counts {
        /// Where.
        path: String,
        /// Why.
        error: CountsError,
    },
    /// A file cannot be read or written.
    #[error("{op} {path} failed: {source}")]
    Io {
        /// What was tried.
        op: &'static str,
        /// On which file.
        path: String,
        /// The cause.
        source: io::Error,
    },
}

/// Does what the command line says. Failure: a bench takes more than it may, or its count is not recorded.
/// # Errors
/// [`CliError`].
pub fn run() -> Result<ExitCode, CliError> {
    let options = Options::parse();
    if let Some(name) = &options.inside {
        let messages = (find(name)?.run)();
        println!("{}", callgrind::report_messages(messages));
        return Ok(ExitCode::SUCCESS);
    }
    let benches = match options.benches.as_slice() {
        [] => bench::all().collect(),
        names => names.iter().map(|name| find(name)).collect::<Result<Vec<_>, _>>()?,
    };
    if options.list {
        benches.iter().for_each(|bench| println!("{:<16} {}", bench.name, bench.covers));
        return Ok(ExitCode::SUCCESS);
    }
    if options.profile {
        return profile(&benches);
    }
    let (path, recorded) = read_counts()?;
    let mut counted = Counts::default();
    for bench in &benches {
        let count = callgrind::count(bench)?.a_message();
        counted.set(bench.name, count);
        let line = Verdict::of(count, recorded.get(bench.name));
        println!("{:<16} {line}   {}", bench.name, bench.covers);
    }
    if options.update {
        return update(&path, recorded, &counted);
    }
    Ok(compare(&path, &benches, &recorded, &counted))
}

fn find(name: &str) -> Result<&'static Bench, CliError> {
    bench::all().find(|bench| bench.name == name).ok_or_else(|| {
        let known = bench::all().map(|bench| bench.name).collect::<Vec<_>>().join(" ");
        CliError::UnknownBench { name: name.to_owned(), known }
    })
}

fn profile(benches: &[&Bench]) -> Result<ExitCode, CliError> {
    for bench in benches {
        let run = callgrind::count(bench)?;
        println!("{}: {} instructions a message", bench.name, run.a_message());
        // First what functions cost with all they call, then the lines by what they cost themselves.
        annotate(&run.file, &["--inclusive=yes", "--auto=no", "--threshold=99"])?;
        annotate(&run.file, &["--auto=yes", "--threshold=95"])?;
    }
    Ok(ExitCode::SUCCESS)
}

fn annotate(file: &Path, options: &[&str]) -> Result<(), CliError> {
    let op = "callgrind_annotate";
    let status = Command::new(op).args(options).arg(file).status();
    status.map(drop).map_err(|source| CliError::Io { op, path: file.display().to_string(), source })
}

fn read_counts() -> Result<(PathBuf, Counts), CliError> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("counts.txt");
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(source) => return Err(CliError::Io { op: "reading", path: path.display().to_string(), source }),
    };
    let counts = Counts::parse(&text).map_err(|error| CliError::Counts { path: path.display().to_string(), error })?;
    Ok((path, counts))
}

fn update(path: &Path, mut recorded: Counts, counted: &Counts) -> Result<ExitCode, CliError> {
    recorded.retain(|name| bench::all().any(|bench| bench.name == name));
    counted.iter().for_each(|(name, count)| recorded.set(name, count));
    let order: Vec<_> = bench::all().map(|bench| bench.name).collect();
    fs::write(path, recorded.format(&order)).map_err(|source| CliError::Io {
        op: "writing",
        path: path.display().to_string(),
        source,
    })?;
    println!("recorded in {}", path.display());
    Ok(ExitCode::SUCCESS)
}

/// Prints what is wrong and what to do about it.
fn compare(path: &Path, benches: &[&Bench], recorded: &Counts, counted: &Counts) -> ExitCode {
    if !callgrind::counts_are_comparable() {
        println!("not compared: the recorded counts are of x86-64 with AVX2 and PCLMULQDQ");
        return ExitCode::SUCCESS;
    }
    let mut wrong = Vec::new();
    for bench in benches {
        let Some(count) = counted.get(bench.name) else { continue };
        wrong.extend(Verdict::of(count, recorded.get(bench.name)).complaint(bench.name));
    }
    let unknown = recorded.iter().filter(|(name, _)| bench::all().all(|bench| bench.name != *name));
    wrong.extend(unknown.map(|(name, _)| format!("{name}: recorded, but there is no such bench")));
    if wrong.is_empty() {
        return ExitCode::SUCCESS;
    }
    let path = path.display();
    eprintln!("counted: not as recorded in {path}:");
    wrong.iter().for_each(|what| eprintln!("  {what}"));
    eprintln!(
        "`make counted-profile BENCH=name` shows the lines. If the instructions are worth it, record them with \
         `make counted-update`, and say in the commit what they are for."
    );
    ExitCode::FAILURE
}
