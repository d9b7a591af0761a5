//! The original `mqadmin`, of the same release as a Java client.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::clients::JavaClient;
use crate::java;
use crate::process::Process;
use crate::scratch::Scratch;

const TRIES_MAX: usize = 3;
/// What its stack trace has in it then.
const GAVE_UP: &str = "RemotingTimeoutException";

/// Runs subcommands against name servers.
#[derive(Debug)]
pub struct Mqadmin {
    client: JavaClient,
    name_servers: String,
    home: PathBuf,
}

/// What a subcommand printed. Its exit code says nothing: it is 0 after failures too.
#[derive(Debug, Clone)]
pub struct Printed {
    /// The result.
    pub out: String,
    /// Stack traces of what went wrong.
    pub err: String,
}

/// Makes a folder fit to be the tool's `ROCKETMQ_HOME`.
pub(crate) fn configure(home: &Path) {
    // The 4.x tool prints a stack trace instead of working when this file is not there.
    let conf = home.join("conf");
    let written = std::fs::create_dir_all(&conf)
        .and_then(|()| std::fs::write(conf.join("logback_tools.xml"), "<configuration/>\n"));
    written.unwrap_or_else(|error| panic!("cannot write below {}: {error}", home.display()));
}

impl Mqadmin {
    /// The tool, with name servers given as `host:port;host:port`.
    ///
    /// # Panics
    /// When its home cannot be made.
    #[must_use]
    pub fn new(client: JavaClient, name_servers: &str, scratch: &Scratch) -> Self {
        let home = scratch.folder(&format!("mqadmin-{}", client.module()));
        configure(&home);
        Self { client, name_servers: name_servers.to_owned(), home }
    }

    /// Runs `mqadmin <subcommand> -n <name servers> <arguments>`; again where the tool gave up waiting for an answer, which on
    /// a busy machine it does after little more than a second.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn run(&self, subcommand: &str, arguments: &[&str]) -> Printed {
        let mut printed = self.run_once(subcommand, arguments);
        for _ in 1..TRIES_MAX {
            if !printed.err.contains(GAVE_UP) {
                break;
            }
            printed = self.run_once(subcommand, arguments);
        }
        printed
    }

    /// Starts one that does not end by itself.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(&self, subcommand: &str, arguments: &[&str]) -> Process {
        let output = self.home.join(format!("{subcommand}.out"));
        Process::start(subcommand, &mut self.command(subcommand, arguments), &output)
    }

    fn command(&self, subcommand: &str, arguments: &[&str]) -> Command {
        let mut command = java::java(self.client, &self.home);
        command.env("ROCKETMQ_HOME", &self.home).arg("interop.Tool");
        command.args([subcommand, "-n", &self.name_servers]).args(arguments);
        command
    }

    fn run_once(&self, subcommand: &str, arguments: &[&str]) -> Printed {
        let mut command = self.command(subcommand, arguments);
        let output = command.output();
        let Output { stdout, stderr, .. } = output.unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Printed { out: text(&stdout), err: text(&stderr) }
    }
}

impl Mqadmin {
    /// Runs subcommands with their arguments one after the other in one process, which takes a fraction of the time. Arguments
    /// have to be right: at a wrong one the tool ends its process.
    ///
    /// # Panics
    /// When it cannot be started, or ends before the last one.
    #[must_use]
    pub fn run_all(&self, subcommands: &[&[&str]]) -> Vec<Printed> {
        let lines = subcommands.iter().map(|words| {
            let [subcommand, arguments @ ..] = words else { panic!("a subcommand has a name") };
            [&[*subcommand, "-n", &self.name_servers], arguments].concat().join("\t")
        });
        let file = self.home.join("subcommands");
        let text: String = lines.map(|line| line + "\n").collect();
        std::fs::write(&file, text).unwrap_or_else(|error| panic!("cannot write {}: {error}", file.display()));
        let mut command = java::java(self.client, &self.home);
        command.env("ROCKETMQ_HOME", &self.home).arg("interop.Tools").arg(&file);
        let output = command.output().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
        let text = String::from_utf8_lossy(&output.stdout);
        let printed: Vec<Printed> = text.split_terminator(">>> end\n").filter_map(Printed::of_one).collect();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(printed.len(), subcommands.len(), "{subcommands:?} printed {text}\n{errors}");
        printed
    }
}

impl Printed {
    /// What `interop.Tools` prints of one subcommand.
    fn of_one(text: &str) -> Option<Self> {
        let (out, err) = text.split_once(">>> out\n")?.1.split_once(">>> err\n")?;
        Some(Self { out: out.to_owned(), err: err.to_owned() })
    }

    /// The printed rows, each split at white space, without headings (`#…`) and empty lines.
    #[must_use]
    pub fn rows(&self) -> Vec<Vec<&str>> {
        let rows = self.out.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
        rows.map(|line| line.split_whitespace().collect()).collect()
    }

    /// The printed text without any white space: JSON is indented differently by the two releases.
    #[must_use]
    pub fn squeezed(&self) -> String {
        self.out.split_whitespace().collect()
    }
}
