//! Programs of the system: `ip`, `nft`, `tc`, `mount` and their kind.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::error::ClusterError;

/// Runs `line`, words separated by blanks, and returns what it printed.
/// # Errors
/// [`ClusterError::NoTool`] when the program is not there, [`ClusterError::Tool`] with its words when it ends badly.
pub fn run(line: &str) -> Result<String, ClusterError> {
    run_with(line, &[], "")
}

/// As [`run`], with paths, which may hold blanks, as further arguments, and `input` on its standard input.
/// # Errors
/// As [`run`].
pub fn run_with(line: &str, paths: &[&Path], input: &str) -> Result<String, ClusterError> {
    let mut words = line.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words).args(paths).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let line = format!("{line} {}", paths.iter().map(|path| path.to_string_lossy()).collect::<Vec<_>>().join(" "));
    let line = line.trim_end();
    let no_tool = |source| ClusterError::NoTool { command: line.to_owned(), source };
    let mut child = command.spawn().map_err(no_tool)?;
    // A program that does not want it closes the pipe; how it ends says the rest.
    let _ = child.stdin.take().map(|mut stdin| stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().map_err(no_tool)?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(printed);
    }
    let said = format!("{}{printed}", String::from_utf8_lossy(&output.stderr));
    Err(ClusterError::Tool { command: line.to_owned(), status: output.status, said: said.trim().to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_prints_comes_back_and_what_it_complains_of_is_the_error() {
        assert_eq!(run_with("cat", &[], "hello").expect("cat is everywhere"), "hello");
        let refused = run("cat /nowhere/at/all").expect_err("there is no such file").to_string();
        assert!(refused.contains("cat /nowhere/at/all") && refused.contains("No such file"), "{refused}");
        let missing = run("no-such-program --now").expect_err("there is no such program").to_string();
        assert!(missing.starts_with("cannot run `no-such-program --now`"), "{missing}");
    }
}
