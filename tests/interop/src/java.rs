//! Running the Java scenarios.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::clients::JavaClient;
use crate::process::Process;
use crate::run_lock::RunLock;
use crate::scenario::Running;
use crate::scratch::Scratch;
use crate::target::Target;
use crate::turbopump::Turbopump;

/// How long one scenario may take.
pub const LIMIT: Duration = Duration::from_secs(150);
/// C1 only and one collector thread: these programs live for seconds.
pub(crate) const JVM_FLAGS: [&str; 3] = ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];

/// Runs one scenario against two shards of ours with a name server in the same process.
///
/// # Panics
/// Unless the scenario passes.
pub fn passes(client: JavaClient, scenario: &str) {
    passes_in_its_turn(client, scenario, &RunLock::beside_another());
}

/// As [`passes`], for a scenario that judges how long something takes: while no other test runs.
///
/// # Panics
/// Unless the scenario passes.
pub fn passes_alone(client: JavaClient, scenario: &str) {
    passes_in_its_turn(client, scenario, &RunLock::alone());
}

fn passes_in_its_turn(client: JavaClient, scenario: &str, _turn: &RunLock) {
    let scratch = Scratch::new(&format!("{}-{scenario}", client.module()));
    let broker = Turbopump::standalone(&scratch);
    passes_on(client, scenario, broker.target(), &scratch);
}

/// Runs one scenario against a given cluster, with a topic and a group of its own.
///
/// # Panics
/// Unless the scenario passes.
pub fn passes_on(client: JavaClient, scenario: &str, target: &Target, scratch: &Scratch) {
    let name = format!("{}-{scenario}", client.module());
    start(client, scenario, target, &name, &[], LIMIT, scratch).expect_pass();
}

/// Starts a scenario. `name` makes topic and group; `options` are further `--key value` pairs.
///
/// # Panics
/// When the clients cannot be built.
#[must_use]
pub fn start(
    client: JavaClient,
    scenario: &str,
    target: &Target,
    name: &str,
    options: &[(&str, &str)],
    limit: Duration,
    scratch: &Scratch,
) -> Running {
    let home = scratch.folder(&home(name, scenario));
    let mut command = java(client, &home);
    command.arg("interop.Interop").arg(scenario);
    command.arg("--namesrv").arg(&target.name_servers);
    command.arg("--brokers").arg(target.brokers.len().to_string());
    command.arg("--topic").arg(format!("topic-{name}")).arg("--group").arg(format!("group-{name}"));
    command.arg("--deadline-s").arg(limit.as_secs().to_string());
    for (key, value) in options {
        command.arg(format!("--{key}")).arg(value);
    }
    let process = Process::start(scenario, &mut command, &home.join("scenario.out"));
    Running::new(scenario, process, limit)
}

/// The folder in its test's scratch space that a scenario writes into.
fn home(name: &str, scenario: &str) -> String {
    format!("{name}-{scenario}-home")
}

/// The log that the client of a scenario writes.
#[must_use]
pub fn log(name: &str, scenario: &str, scratch: &Scratch) -> PathBuf {
    scratch.path().join(home(name, scenario)).join("logs/rocketmqlogs/tools_default.log")
}

/// A JVM with the client's class path, and everything it writes below `home`.
pub(crate) fn java(client: JavaClient, home: &Path) -> Command {
    let mut command = Command::new("java");
    command.args(JVM_FLAGS).arg("-cp").arg(client.classpath());
    command.arg(format!("-XX:SharedArchiveFile={}", client.class_archive().display()));
    command.arg(format!("-Duser.home={}", home.display())).arg(format!("-Djava.io.tmpdir={}", home.display()));
    command.arg(format!("-Drocketmq.client.localOffsetStoreDir={}", home.display()));
    command.env("HOME", home).env_remove("NAMESRV_ADDR").current_dir(home);
    command
}

/// One test a scenario. The names say what a user of that client can rely on.
#[macro_export]
macro_rules! java_scenarios {
    ($client:expr; $($test:ident => $scenario:literal;)*) => {
        $(
            #[test]
            fn $test() {
                $crate::java::passes($client, $scenario);
            }
        )*
    };
}
