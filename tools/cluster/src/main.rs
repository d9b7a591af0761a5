//! `mqcluster`; see the library's text and `mqcluster --help`.

use std::fs;
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use cluster::advice;
use cluster::cli::Args;
use cluster::error::ClusterError;
use cluster::interrupt::Interrupt;
use cluster::link::Direction;
use cluster::means::Means;
use cluster::namespaces::Namespaces;
use cluster::nodes::{Member, Nodes, bin_dir};
use cluster::run_folder::made::Made;
use cluster::run_folder::{PREFIX, RunFolder};
use cluster::status_line::StatusLine;
use rustix::process::Signal;
use tempfile::TempDir;

const STATUS_EVERY: Duration = Duration::from_secs(1);
/// Where nobody watches, in a log for example.
const STATUS_EVERY_IN_A_FILE: Duration = Duration::from_secs(10);
/// How often Ctrl-C and the end of the duration are looked at.
const LOOK: Duration = Duration::from_millis(50);

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mqcluster: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), ClusterError> {
    let interrupt =
        Interrupt::watch().map_err(|source| ClusterError::Start { name: "the signals".to_owned(), source })?;
    let mut run = RunFolder::begin()?;
    for dead in run.swept() {
        println!("took away what run {dead} had left behind");
    }
    let (home, _temporary) = home(args, &mut run)?;
    let hosts = hosts(args, &mut run)?;
    let mut nodes = Nodes::start(args, &mut run, hosts.as_ref(), &home)?;
    nodes.wait_until_ready(&interrupt)?;
    println!("{}\n", advice::text(&mut nodes, args.shards, &bin_dir(args)?));
    let result = watch(args, &mut run, &mut nodes, &interrupt);
    println!("ending the nodes, leaders first hand over …");
    drop(nodes);
    drop(run);
    if args.store.is_some() {
        println!("stores and logs are in {}", home.display());
    }
    result
}

/// Where stores and logs lie.
fn home(args: &Args, run: &mut RunFolder) -> Result<(PathBuf, Option<TempDir>), ClusterError> {
    if let Some(store) = &args.store {
        fs::create_dir_all(store).map_err(ClusterError::file("create", store))?;
        return Ok((fs::canonicalize(store).map_err(ClusterError::file("find", store))?, None));
    }
    // Beside the programs: /tmp often is memory, on which a node cannot write its log directly.
    let own = std::env::current_exe().map_err(ClusterError::file("find", "/proc/self/exe"))?;
    let folder = own.parent().map_or_else(std::env::temp_dir, |folder| folder.to_owned());
    let temporary = tempfile::Builder::new().prefix(&format!("{PREFIX}-cluster-")).tempdir_in(&folder);
    let temporary = temporary.map_err(ClusterError::file("make a folder in", &folder))?;
    run.note(Made::Folder(temporary.path().to_owned()))?;
    Ok((temporary.path().to_owned(), Some(temporary)))
}

fn hosts(args: &Args, run: &mut RunFolder) -> Result<Option<Namespaces>, ClusterError> {
    let why_not = if args.loopback { Some("--loopback".to_owned()) } else { Means::look().namespaces.err() };
    if let Some(why_not) = why_not {
        println!("on loopback ports, without network namespaces: {why_not}");
        return Ok(None);
    }
    let nodes = (0..args.nodes).map(|number| format!("n{number}"));
    let names: Vec<String> = nodes.chain((0..args.name_servers).map(|number| format!("namesrv{number}"))).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    Namespaces::make(run, &names).map(Some)
}

/// Shows the state and does what is typed, until somebody wants the end.
fn watch(args: &Args, run: &mut RunFolder, nodes: &mut Nodes, interrupt: &Interrupt) -> Result<(), ClusterError> {
    let (start, typed) = (Instant::now(), typed_lines());
    let is_watched = io::stdout().is_terminal();
    let every = if is_watched { STATUS_EVERY } else { STATUS_EVERY_IN_A_FILE };
    let mut status = StatusLine::new(nodes, args.shards)?;
    // Lines of the last status that the next one overwrites.
    let (mut shown, mut next) = (0, start);
    loop {
        let is_over = args.duration.is_some_and(|seconds| start.elapsed() >= Duration::from_secs(seconds));
        if interrupt.is_wanted() || is_over {
            return Ok(());
        }
        if Instant::now() >= next {
            next = Instant::now() + every;
            shown = show(&status.lines(nodes), start, if is_watched { shown } else { 0 });
        }
        match typed.recv_timeout(LOOK) {
            Ok(line) if line.trim() == "quit" => return Ok(()),
            Ok(line) => {
                if !line.trim().is_empty() {
                    println!("{}", obey(line.trim(), run, nodes)?);
                }
                shown = 0;
            }
            Err(RecvTimeoutError::Timeout) => {}
            // Standard input has ended: nobody types here.
            Err(RecvTimeoutError::Disconnected) => thread::sleep(LOOK),
        }
    }
}

fn show(lines: &[String], start: Instant, overwritten: usize) -> usize {
    let mut text = String::new();
    if overwritten > 0 {
        text.push_str(&format!("\x1b[{overwritten}A"));
    }
    let erase = if io::stdout().is_terminal() { "\x1b[2K" } else { "" };
    text.push_str(&format!("{erase}{:7.0} s\n", start.elapsed().as_secs_f64()));
    lines.iter().for_each(|line| text.push_str(&format!("{erase}  {line}\n")));
    let mut out = io::stdout().lock();
    // A closed pipe is the end of whoever read, not of the cluster.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    lines.len() + 1
}

fn typed_lines() -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || io::stdin().lock().lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
    receiver
}

/// Does what a line says; returns what to tell.
fn obey(line: &str, run: &mut RunFolder, nodes: &mut Nodes) -> Result<String, ClusterError> {
    let Some((verb, name)) = line.split_once(' ') else { return Ok(format!("commands: {}", advice::COMMANDS)) };
    let Some(member) = nodes.member(name.trim()) else { return Ok(format!("there is no {name}")) };
    match verb {
        "kill" => member.kill(),
        "start" => member.start(run)?,
        "stop" => member.signal(Signal::TERM),
        "pause" => member.signal(Signal::STOP),
        "resume" => member.signal(Signal::CONT),
        "cut" | "heal" => return on_link(verb, member),
        _ => return Ok(format!("commands: {}", advice::COMMANDS)),
    }
    Ok(format!("{verb} {name}: done"))
}

fn on_link(verb: &str, member: &Member) -> Result<String, ClusterError> {
    let Some((_, link)) = &member.namespace else {
        return Ok(format!("{} is on loopback, which cannot be cut", member.name));
    };
    let done = if verb == "cut" { link.cut(Direction::Both, &[]) } else { link.heal() };
    Ok(done.map_or_else(|error| error.to_string(), |()| format!("{verb} {}: done", member.name)))
}
