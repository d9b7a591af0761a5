//! Our own `mqadmin`, as a process.

use std::process::Command;

use crate::binaries;

/// What it prints, without empty lines, each line split at white space; or what it says on standard error, and printed before.
///
/// # Errors
/// It failed.
///
/// # Panics
/// When it cannot be started.
pub fn try_run(name_servers: &str, arguments: &[&str]) -> Result<Vec<Vec<String>>, String> {
    let mut command = Command::new(binaries::path_of("mqadmin"));
    command.args(["-n", name_servers]).args(arguments).env_remove("NAMESRV_ADDR");
    let output = command.output().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        return Err(format!("{}{text}", String::from_utf8_lossy(&output.stderr)));
    }
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    Ok(lines.map(|line| line.split_whitespace().map(str::to_owned).collect()).collect())
}

/// The same where it has to succeed.
///
/// # Panics
/// With what it said, when it failed.
pub fn run(name_servers: &str, arguments: &[&str]) -> Vec<Vec<String>> {
    try_run(name_servers, arguments).unwrap_or_else(|error| panic!("mqadmin {arguments:?}: {error}"))
}
