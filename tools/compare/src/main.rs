//! `mqcompare run`, `mqcompare render`, `mqcompare list`; see the library's text.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use compare::cli::{Args, Command, RunArgs, repository};
use compare::comparison::{Comparison, now};
use compare::error::{CompareError, with_causes};
use compare::interrupt::Interrupt;
use compare::load::bench_run::Bench;
use compare::load::java_client::JavaClient;
use compare::peer::apache_jars::ApacheJars;
use compare::programs::Programs;
use compare::record::{Record, SCHEMA};
use compare::schedule::{schedule, select};
use compare::scope::Scope;
use compare::tools::Tools;
use compare::{origin, render, store_folder};
use host::Machine;

/// What a shell gives to a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;
/// Raw data while a comparison runs, below the work folder.
const UNDER_WAY: &str = "under-way.json.gz";

fn main() -> ExitCode {
    let result = match Args::parse().command {
        Command::Run(args) => run(&args),
        Command::Render { raw, out } => render(&raw, out).map(|()| ExitCode::SUCCESS),
        Command::List => {
            list();
            Ok(ExitCode::SUCCESS)
        }
    };
    result.unwrap_or_else(|error| {
        eprintln!("mqcompare: {}", with_causes(&error));
        if matches!(error, CompareError::Interrupted) { ExitCode::from(INTERRUPTED) } else { ExitCode::FAILURE }
    })
}

fn run(args: &RunArgs) -> Result<ExitCode, CompareError> {
    // Everything that can be wrong before an hour of measuring is looked at first.
    let scope = args.scope();
    let cases = select(scope, &args.cases)?;
    let programs = Programs::find(args)?;
    let work = absolute(&args.work_folder())?;
    let mut machine = Machine::describe(Some(&work))?;
    if let Some(store) = &mut machine.store {
        store.path = origin::told(&store.path, repository());
    }
    let settings = args.settings(&machine);
    expect_space(&work, settings.disk_gib(scope))?;
    let jars = ApacheJars::fetch(repository())?;
    let out = absolute(&args.out_folder())?;
    let interrupt =
        Interrupt::watch().map_err(|source| CompareError::Start { name: "the signals".to_owned(), source })?;
    let record = Record {
        schema: SCHEMA,
        scope,
        started_at: now(),
        ended_at: now(),
        commit: origin::commit(repository()),
        versions: origin::versions(&programs, &jars),
        command: args.repeat_command(),
        machine,
        settings: settings.clone(),
        setups: Vec::new(),
        measurements: Vec::new(),
    };
    let bench = Bench { program: programs.mqbench.clone(), folder: work.clone(), interrupt: interrupt.clone() };
    let java = JavaClient { class_path: jars.class_path.clone(), repository: repository().to_owned() };
    let steps = schedule(&cases, settings.rounds);
    let tools =
        Tools { settings, programs, jars, bench, java, work: work.clone(), first_port: args.first_port, interrupt };
    let mut comparison = Comparison::new(tools, record, work.join(UNDER_WAY));
    comparison.run(&steps)?;
    let raw = out.join(format!("{}.json.gz", args.report_name()));
    comparison.record().save(&raw)?;
    render(&raw, None)?;
    match comparison.failures() {
        0 => Ok(ExitCode::SUCCESS),
        failures => {
            eprintln!("mqcompare: {failures} measurements failed; the report says which");
            Ok(ExitCode::FAILURE)
        }
    }
}

fn render(raw: &Path, out: Option<PathBuf>) -> Result<(), CompareError> {
    let record = Record::load(raw)?;
    let name = raw.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let stem = name.split(".json").next().unwrap_or_default();
    let out = out.unwrap_or_else(|| raw.with_file_name(format!("{stem}.md")));
    fs::write(&out, render::markdown(&record, &name)).map_err(CompareError::file("write", &out))?;
    eprintln!("wrote {}", out.display());
    Ok(())
}

fn list() {
    for case in Scope::ALL.iter().flat_map(|scope| scope.cases()) {
        println!("{:<20} {}", case.id, case.title);
        for target in case.targets {
            println!("{:<20}     {}: {}", "", target.figure.name(), target.wanted());
        }
    }
}

/// Made if it is not there. Brokers get paths that do not depend on their working folder.
fn absolute(folder: &Path) -> Result<PathBuf, CompareError> {
    fs::create_dir_all(folder).map_err(CompareError::file("create", folder))?;
    folder.canonicalize().map_err(CompareError::file("find", folder))
}

fn expect_space(work: &Path, needed_gib: u64) -> Result<(), CompareError> {
    let available_gib = store_folder::available_bytes(work)? >> 30;
    if available_gib < needed_gib {
        return Err(CompareError::DiskTooSmall { folder: work.to_owned(), available_gib, needed_gib });
    }
    Ok(())
}
