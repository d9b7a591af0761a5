//! One name server and one broker, and how they are started.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::case::Stage;
use crate::child_process::ChildProcess;
use crate::error::CompareError;
use crate::interrupt::Interrupt;
use crate::record::Setup;
use crate::side::Side;

/// Where and how something is started, the same each time.
#[derive(Debug, Clone)]
pub struct Launch {
    /// What it is called in errors and logs.
    pub name: &'static str,
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Its home, working folder and place for its output.
    pub home: PathBuf,
}

/// A name server and a broker that registers there.
#[derive(Debug)]
pub struct Cluster {
    /// Whose.
    pub side: Side,
    /// For which cases.
    pub stage: Stage,
    /// The name server.
    pub name_server: Launch,
    /// Where it listens, as `host:port`.
    pub name_server_address: String,
    /// The broker.
    pub broker: Launch,
    /// Where it (its shard 0) listens, as `host:port`.
    pub broker_address: String,
    /// The broker's configuration file, as written.
    pub configuration: String,
    /// Where the broker keeps its messages; nothing else is in it.
    pub store: PathBuf,
    /// What the broker keeps outside of its store, for as long as this lives.
    pub rings: Option<TempDir>,
}

impl Launch {
    /// Starts it.
    /// # Errors
    /// It cannot be started.
    pub fn start(&self, interrupt: &Interrupt) -> Result<ChildProcess, CompareError> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).current_dir(&self.home);
        // What the environment of whoever runs this says must not decide what is measured.
        command.env("HOME", &self.home).env("ROCKETMQ_HOME", &self.home);
        for variable in ["NAMESRV_ADDR", "RUST_LOG", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "JAVA_OPT"] {
            command.env_remove(variable);
        }
        ChildProcess::start(self.name, &mut command, &self.home.join(format!("{}.out", self.name)), interrupt)
    }

    /// As a shell would take it.
    #[must_use]
    pub fn command_line(&self) -> String {
        let program = self.program.file_name().unwrap_or(self.program.as_os_str()).to_string_lossy();
        self.arguments.iter().fold(program.into_owned(), |mut line, argument| {
            let argument = argument.to_string_lossy();
            let quote = if argument.contains(['*', ';', ' ']) { "'" } else { "" };
            let _ = write!(line, " {quote}{argument}{quote}");
            line
        })
    }
}

impl Cluster {
    /// What the report says about it. Folders of this machine are named by what they are for.
    #[must_use]
    pub fn setup(&self, work: &Path, repository: &Path) -> Setup {
        let rings = self.rings.as_ref().map(TempDir::path);
        let shown = |text: &str| without_folders(text, work, repository, rings);
        Setup {
            side: self.side,
            stage: if self.side == Side::Alone { BESIDE_REPLICAS } else { self.stage.name() }.to_owned(),
            command: shown(&self.broker.command_line()),
            configuration: shown(&self.configuration),
        }
    }
}

/// What a broker without replicas is there for.
const BESIDE_REPLICAS: &str = "beside three replicas";

/// A text in which folders of this machine are named by what they are for.
pub(super) fn without_folders(text: &str, work: &Path, repository: &Path, rings: Option<&Path>) -> String {
    let text = text.replace(&*work.to_string_lossy(), "WORK");
    let text = text.replace(&*repository.to_string_lossy(), ".");
    rings.map_or_else(|| text.clone(), |rings| text.replace(&*rings.to_string_lossy(), "RINGS"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setup_names_no_folder_of_this_machine() {
        let launch = |name| Launch {
            name,
            program: "/data/repo/target/release/mqbroker".into(),
            arguments: ["-c", "/data/repo/target/compare/broker.conf", "a;b"].map(OsString::from).to_vec(),
            home: "/data/repo/target/compare".into(),
        };
        let cluster = Cluster {
            side: Side::Turbopump,
            stage: Stage::Sync,
            name_server: launch("mqnamesrv"),
            name_server_address: "127.0.0.1:9876".to_owned(),
            broker: launch("mqbroker"),
            broker_address: "127.0.0.1:10911".to_owned(),
            configuration: "store=/data/repo/target/compare/store\njars=/data/repo/java\n".to_owned(),
            store: "/data/repo/target/compare/store".into(),
            rings: None,
        };
        let setup = cluster.setup(Path::new("/data/repo/target/compare"), Path::new("/data/repo"));
        assert_eq!(setup.command, "mqbroker -c WORK/broker.conf 'a;b'");
        assert_eq!(setup.configuration, "store=WORK/store\njars=./java\n");
        assert_eq!(setup.stage, "SYNC_FLUSH");
    }
}
