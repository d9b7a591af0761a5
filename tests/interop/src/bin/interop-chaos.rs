//! One fault after the other, from a seed, for as long as one likes, under stock clients at their default settings; then a table
//! of what they saw: `make chaos`.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::{self, ExitCode};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Parser;
use cluster::interrupt::Interrupt;
use cluster::means::Means;
use cluster::run_folder;
use interop::faults::fault::Fault;
use interop::faults::round::{Outcome, Patience, run};
use interop::faults::table::{broken_promises, render};
use interop::log_copies::expect_identical;
use interop::replica_group::{GroupSettings, ReplicaGroup};
use interop::run_lock::RunLock;
use interop::scratch::Scratch;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Room for everything that the clients send to a node between two wiped disks, many times.
const DISK_BYTES: u64 = 4 << 30;
/// The longest that a fault takes with everything around it; none begins that would not end in time.
const ROUND: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(50);
/// What a shell gives to a program that Ctrl-C ended.
const INTERRUPTED: i32 = 130;

/// Lets faults happen to three nodes under stock clients and prints what these saw of each. Ends with 1 when anything
/// acknowledged is lost or a promise is broken.
#[derive(Debug, Parser)]
#[command(name = "interop-chaos", version)]
struct Args {
    /// How long; each fault takes up to a minute.
    #[arg(long, default_value_t = 600)]
    seconds: u64,
    /// Draws the order of the faults, whom they hit and how the nodes flush.
    #[arg(long)]
    seed: Option<u64>,
    /// Broker groups of the nodes: one, or three with their leaders spread. Default: in turns.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=3))]
    groups: Option<u16>,
    /// Only these faults.
    #[arg(long, value_name = "FAULT,…", value_delimiter = ',')]
    faults: Vec<String>,
    /// The producer gives each attempt of a send so long, in ms, and keeps away from a broker that did not answer
    /// (sendMsgMaxTimeoutPerRequest and sendLatencyFaultEnable of the 5.x client). Default: as the client does by itself.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..3000))]
    attempt_ms: Option<u16>,
    /// Also write the table into this file.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Loopback ports even when root; links cannot be cut then.
    #[arg(long)]
    loopback: bool,
    /// Prints the names of all faults.
    #[arg(long)]
    list: bool,
}

/// What has been seen so far.
#[derive(Debug, Default)]
struct Record {
    outcomes: Vec<Outcome>,
    not_run: Vec<(Fault, String)>,
    /// Why it ended early.
    failure: Option<String>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    if args.list {
        Fault::ALL.iter().for_each(|fault| println!("{:<16} {}", fault.name(), fault.title()));
        return ExitCode::SUCCESS;
    }
    let unknown = args.faults.iter().find(|name| Fault::named(name).is_none());
    if let Some(unknown) = unknown {
        eprintln!("interop-chaos: there is no fault {unknown}; --list shows all");
        return ExitCode::FAILURE;
    }
    end_when_interrupted();
    let seed = args.seed.unwrap_or_else(|| {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| u64::from(now.subsec_nanos()) ^ now.as_secs())
    });
    println!("SEED={seed} SECONDS={}", args.seconds);
    let mut means = Means::look();
    if args.loopback {
        means.namespaces = Err("--loopback".to_owned());
    }
    means.missing().iter().for_each(|line| println!("{line}"));
    let record = chaos(&args, seed, &means);
    let text = report(&record, seed, &args);
    println!("\n{text}");
    if let Some(out) = &args.out
        && let Err(error) = fs::write(out, &text)
    {
        eprintln!("interop-chaos: cannot write {}: {error}", out.display());
        return ExitCode::FAILURE;
    }
    let broken = broken_promises(&record.outcomes);
    broken.iter().for_each(|line| eprintln!("broken: {line}"));
    if record.failure.is_none() && broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Ctrl-C ends the nodes and clients too, as they are in the same process group; what was made of the machine is taken back
/// here.
fn end_when_interrupted() {
    let interrupt = Interrupt::watch().unwrap_or_else(|error| panic!("cannot catch Ctrl-C: {error}"));
    thread::spawn(move || {
        while !interrupt.is_wanted() {
            thread::sleep(LOOK);
        }
        eprintln!("interrupted: taking everything back");
        run_folder::take_back_all_of_this_process();
        process::exit(INTERRUPTED);
    });
}

fn chaos(args: &Args, seed: u64, means: &Means) -> Record {
    let _turn = RunLock::alone();
    let (mut random, mut record) = (StdRng::seed_from_u64(seed), Record::default());
    let wanted = |fault: &Fault| args.faults.is_empty() || args.faults.iter().any(|name| name == fault.name());
    let mut faults = Vec::new();
    for fault in Fault::ALL.into_iter().filter(wanted) {
        match fault.possible(means) {
            Ok(()) => faults.push(fault),
            Err(why) => record.not_run.push((fault, why)),
        }
    }
    let end = Instant::now() + Duration::from_secs(args.seconds);
    let course = Course { faults, means, attempt_ms: args.attempt_ms.map(|ms| ms.to_string()), end };
    let mut session = 0;
    while Instant::now() + ROUND < end && record.failure.is_none() && !course.faults.is_empty() {
        let groups = args.groups.unwrap_or(if session % 2 == 0 { 1 } else { 3 });
        let outcomes = AssertUnwindSafe(&mut record.outcomes);
        let ended = catch_unwind(AssertUnwindSafe(|| {
            one_group(&course, groups, session, &mut random, outcomes.0);
        }));
        if let Err(panic) = ended {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            record.failure = Some(text.unwrap_or_else(|| "a panic without words".to_owned()));
        }
        session += 1;
    }
    let reached = |fault: &Fault| record.outcomes.iter().any(|outcome| outcome.fault == *fault);
    let missed: Vec<Fault> = course.faults.iter().filter(|fault| !reached(fault)).copied().collect();
    record.not_run.extend(missed.into_iter().map(|fault| (fault, "The time was over before.".to_owned())));
    record
}

/// What happens to every group of nodes.
struct Course<'a> {
    faults: Vec<Fault>,
    means: &'a Means,
    attempt_ms: Option<String>,
    end: Instant,
}

/// Starts nodes and lets every fault happen to them, in an order of its own.
fn one_group(course: &Course<'_>, groups: u16, session: usize, random: &mut StdRng, outcomes: &mut Vec<Outcome>) {
    let means = course.means;
    let flush = if random.random_range(0..3) == 0 { "SYNC_FLUSH" } else { "ASYNC_FLUSH" };
    let mut faults = course.faults.clone();
    for last in (1..faults.len()).rev() {
        faults.swap(last, random.random_range(0..=last));
    }
    println!("\ngroups: {groups}, {flush}");
    let scratch = Scratch::new("chaos");
    let settings = GroupSettings::new("trio").shards(groups).set("flushDiskType", flush);
    // A full disk is to stop sends here, not to make the nodes forget the oldest messages.
    let mut settings = settings.set("cleanFileForciblyEnable", "false");
    if means.namespaces.is_ok() {
        settings = settings.on_hosts();
    }
    if means.small_disk.is_ok() {
        settings = settings.on_disks(DISK_BYTES);
    }
    let mut group = ReplicaGroup::start(&settings, &scratch);
    let options: Vec<_> = course.attempt_ms.as_deref().map(|ms| ("attempt-ms", ms)).into_iter().collect();
    for (number, fault) in faults.into_iter().enumerate() {
        if Instant::now() + ROUND > course.end {
            break;
        }
        println!("\n{} …", fault.title());
        let name = format!("{session}-{number}-{}", fault.name());
        let outcome = run(&mut group, fault, Patience::EveryGroup, &name, &options, random, &scratch);
        println!("{}", summary(&outcome));
        outcomes.push(outcome);
    }
    for shard in 0..groups {
        println!("logs of shard {shard} are the same on all nodes: {:?}", expect_identical(&mut group, shard));
    }
}

fn summary(outcome: &Outcome) -> String {
    let accepted = outcome.accepted_ms.map_or_else(String::new, |ms| format!("sends accepted after {ms} ms, "));
    let failure = outcome.failure.as_deref().map_or_else(String::new, |why| format!(" ({why})"));
    format!(
        "{accepted}no send of the group for {} ms, none at all for {} ms, {} failed{failure}, {} acknowledged, none lost",
        outcome.group_silence_ms, outcome.silence_ms, outcome.failed, outcome.acknowledged
    )
}

/// The options that make the same faults happen again, as `make chaos` takes them.
fn options(args: &Args) -> String {
    let groups = args.groups.map(|groups| format!("--groups {groups}"));
    let faults = (!args.faults.is_empty()).then(|| format!("--faults {}", args.faults.join(",")));
    let attempt_ms = args.attempt_ms.map(|ms| format!("--attempt-ms {ms}"));
    let loopback = args.loopback.then(|| "--loopback".to_owned());
    let all: Vec<String> = [groups, faults, attempt_ms, loopback].into_iter().flatten().collect();
    if all.is_empty() { String::new() } else { format!(" ARGS='{}'", all.join(" ")) }
}

fn report(record: &Record, seed: u64, args: &Args) -> String {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let settings = args.attempt_ms.map_or_else(
        || "at default settings".to_owned(),
        |ms| format!("at default settings but for sendMsgMaxTimeoutPerRequest={ms} and sendLatencyFaultEnable"),
    );
    let (seconds, options) = (args.seconds, options(args));
    let mut text = format!(
        "# Faults as clients see them\n\nThree nodes on one machine of {cores} cores (Linux {}), a stock Java producer (4 threads, each a \
         send after the other with 1 ms between) and a stock consumer {settings}: they ask for routes every 30 s. Made by `make chaos \
         SECONDS={seconds} SEED={seed}{options}`. After each fault every acknowledged message was found where its acknowledgement said, in order, and \
         was consumed.\n\n{}",
        kernel.trim(),
        render(&record.outcomes, &record.not_run)
    );
    if let Some(failure) = &record.failure {
        text.push_str(&format!("\n**FAILED**, repeat it with SEED={seed}:\n\n```\n{failure}\n```\n"));
    }
    text
}
