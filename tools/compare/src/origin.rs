//! What sources and programs a comparison was made from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::peer::apache_jars::ApacheJars;
use crate::programs::Programs;

/// Commit of the repository's sources, with `-dirty` if something was changed; `None` outside a repository.
#[must_use]
pub fn commit(repository: &Path) -> Option<String> {
    let commit = output(Command::new("git").args(["rev-parse", "HEAD"]).current_dir(repository))?;
    let changes = output(Command::new("git").args(["status", "--porcelain"]).current_dir(repository))?;
    Some(if changes.is_empty() { commit } else { format!("{commit}-dirty") })
}

/// Versions by program.
#[must_use]
pub fn versions(programs: &Programs, jars: &ApacheJars) -> BTreeMap<String, String> {
    let asked = |program: &Path| output(Command::new(program).arg("--version")).unwrap_or_else(|| "unknown".to_owned());
    [
        ("Turbopump".to_owned(), asked(&programs.mqbroker)),
        ("load".to_owned(), asked(&programs.mqbench)),
        ("Apache RocketMQ".to_owned(), jars.version.clone()),
        ("Java".to_owned(), jars.java.clone()),
    ]
    .into()
}

/// A folder as raw data tell it: what lies in the repository without where that is.
#[must_use]
pub fn told(folder: &Path, repository: &Path) -> PathBuf {
    folder.strip_prefix(repository).unwrap_or(folder).to_owned()
}

/// What a program prints, if it works.
fn output(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_the_repository_lies_is_not_told() {
        let repository = Path::new("/home/somebody/turbopump");
        assert_eq!(told(&repository.join("target/compare"), repository), Path::new("target/compare"));
        assert_eq!(told(Path::new("/data/compare"), repository), Path::new("/data/compare"));
    }
}
