//! Running the Go scenarios.

use std::process::Command;
use std::time::Duration;

use crate::clients;
use crate::process::Process;
use crate::run_lock::RunLock;
use crate::scenario::Running;
use crate::scratch::Scratch;
use crate::target::Target;
use crate::turbopump::Turbopump;

const LIMIT: Duration = Duration::from_secs(120);

/// Runs one scenario against two shards of ours with a name server in the same process.
///
/// # Panics
/// Unless the scenario passes.
pub fn passes(scenario: &str) {
    let _turn = RunLock::beside_another();
    let scratch = Scratch::new(&format!("go-{scenario}"));
    let broker = Turbopump::standalone(&scratch);
    passes_on(scenario, broker.target(), &scratch);
}

/// Runs one scenario against a given cluster, with a topic and a group of its own.
///
/// # Panics
/// Unless the scenario passes.
pub fn passes_on(scenario: &str, target: &Target, scratch: &Scratch) {
    let home = scratch.folder(&format!("go-{scenario}-home"));
    let mut command = Command::new(clients::go_program());
    command.arg(scenario).arg("--namesrv").arg(&target.name_servers).arg("--brokers").arg(target.broker_list());
    command.arg("--topic").arg(format!("topic-go-{scenario}")).arg("--group").arg(format!("group-go-{scenario}"));
    command.arg("--deadline-s").arg(LIMIT.as_secs().to_string());
    command.env("HOME", &home).env_remove("NAMESRV_ADDR").current_dir(&home);
    let process = Process::start(scenario, &mut command, &home.join("scenario.out"));
    Running::new(scenario, process, LIMIT).expect_pass();
}
