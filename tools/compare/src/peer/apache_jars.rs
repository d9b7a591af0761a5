//! The peer's jars, fetched with Maven. The list of them is the interop tests' own, `tests/interop/java/peer`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::error::CompareError;

/// Where the interop tests keep what they fetch with Maven, and the module of it that is the peer.
const MAVEN_FOLDER: &str = "tests/interop/java";
const MODULE: &str = "peer";
/// Left behind by a fetch that worked; holds the list it worked for.
const STAMP: &str = "fetched";
/// The jar whose version is the peer's.
const BROKER_JAR: &str = "rocketmq-broker-";
/// The end of Maven's output that goes into an error.
const OUTPUT_LINES: usize = 30;

/// A JDK, and what it needs to run the peer.
#[derive(Debug, Clone)]
pub struct ApacheJars {
    /// All jars, as `-cp` takes them.
    pub class_path: String,
    /// The peer's version.
    pub version: String,
    /// What `java -version` says first.
    pub java: String,
}

impl ApacheJars {
    /// Finds Java, and fetches the jars unless they are there.
    /// # Errors
    /// Java or Maven is missing or does not work, or Maven Central cannot be reached.
    pub fn fetch(repository: &Path) -> Result<Self, CompareError> {
        let java = run("java", &["-version"], repository)?;
        let java = String::from_utf8_lossy(&java.stderr).lines().next().unwrap_or_default().to_owned();
        let folder = repository.join(MAVEN_FOLDER);
        let module = folder.join(MODULE);
        let list = module.join("pom.xml");
        let wanted = fs::read_to_string(&list).map_err(CompareError::file("read", &list))?;
        let jars = module.join("target/lib");
        let stamp = module.join("target").join(STAMP);
        if fs::read_to_string(&stamp).ok().as_deref() != Some(&wanted) {
            // Jars of another version would be in the class path too.
            let _ = fs::remove_dir_all(&jars);
            fetch(&folder)?;
            fs::write(&stamp, wanted).map_err(CompareError::file("write", &stamp))?;
        }
        let version = version(&jars)?;
        Ok(Self { class_path: format!("{}/*", jars.display()), version, java })
    }
}

fn fetch(folder: &Path) -> Result<(), CompareError> {
    eprintln!("fetching Apache RocketMQ with Maven …");
    let arguments = ["-q", "-B", "-pl", MODULE, "process-classes"];
    let output = start("mvn", &arguments, folder)?;
    if output.status.success() {
        return Ok(());
    }
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let lines: Vec<&str> = said.lines().collect();
    let end = lines[lines.len().saturating_sub(OUTPUT_LINES)..].join("\n");
    Err(CompareError::Fetch { status: output.status, output: end })
}

fn run(program: &str, arguments: &[&str], folder: &Path) -> Result<Output, CompareError> {
    let output = start(program, arguments, folder)?;
    if output.status.success() {
        return Ok(output);
    }
    let reason = format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    Err(CompareError::NoJava { command: format!("{program} {}", arguments.join(" ")), reason })
}

fn start(program: &str, arguments: &[&str], folder: &Path) -> Result<Output, CompareError> {
    let output = Command::new(program).args(arguments).current_dir(folder).output();
    let command = || format!("{program} {}", arguments.join(" "));
    output.map_err(|error| CompareError::NoJava { command: command(), reason: error.to_string() })
}

fn version(jars: &Path) -> Result<String, CompareError> {
    let missing = || CompareError::NoJar { jar: BROKER_JAR, folder: PathBuf::from(jars) };
    let mut names = fs::read_dir(jars).map_err(|_| missing())?.filter_map(Result::ok).map(|entry| entry.file_name());
    names.find_map(|name| version_of(name.to_str()?)).ok_or_else(missing)
}

fn version_of(file_name: &str) -> Option<String> {
    Some(file_name.strip_prefix(BROKER_JAR)?.strip_suffix(".jar")?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_in_the_brokers_file_name() {
        assert_eq!(version_of("rocketmq-broker-5.5.0.jar").as_deref(), Some("5.5.0"));
        assert_eq!(version_of("rocketmq-store-5.5.0.jar"), None);
    }

    #[test]
    fn a_missing_program_is_named_with_what_to_install() {
        let error = run("no-such-java", &["-version"], Path::new(".")).unwrap_err().to_string();
        assert!(error.contains("no-such-java -version") && error.contains("apt-get install"), "{error}");
    }

    #[test]
    fn a_folder_without_the_brokers_jar_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let error = version(folder.path()).unwrap_err().to_string();
        assert!(error.contains(BROKER_JAR) && error.contains(&*folder.path().to_string_lossy()), "{error}");
    }
}
