//! Building the stock clients' programs: once, under a lock, and again when their sources have changed.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;

use crate::java::JVM_FLAGS;
use crate::mqadmin::configure;
use crate::run_lock::RunLock;

/// What to say when it cannot be built.
const ADVICE: &str = "The interop tests need a JDK (17 or newer), Maven and Go (1.19 or newer). On Debian: \
    apt-get install default-jdk-headless maven golang-go. Then run `make interop-clients` once, with access to Maven \
    Central and the Go module proxy; after that `cargo test -p interop` works by itself.";
/// Left behind by a build that worked; holds the fingerprint of what was built.
const STAMP: &str = "built";

/// Which release of the official Java client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JavaClient {
    /// The newest 5.x.
    V5,
    /// The newest 4.9.x.
    V4,
}

impl JavaClient {
    /// Name of the Maven module.
    #[must_use]
    pub fn module(self) -> &'static str {
        match self {
            Self::V5 => "client5",
            Self::V4 => "client4",
        }
    }

    /// Class path of the scenarios and of mqadmin of that release; builds both if need be.
    ///
    /// # Panics
    /// When they cannot be built.
    #[must_use]
    pub fn classpath(self) -> String {
        build_java();
        // The archive of classes holds where its class path begins with what it was made with.
        format!("{}:{}", self.libraries(), self.target().join("classes").display())
    }

    /// An archive of the client's own classes, ready to be mapped: without it each program spends most of a second on reading and
    /// checking them.
    pub(crate) fn class_archive(self) -> PathBuf {
        self.target().join("classes.jsa")
    }

    fn target(self) -> PathBuf {
        folder("java").join(self.module()).join("target")
    }

    fn libraries(self) -> String {
        format!("{}/lib/*", self.target().display())
    }

    /// Runs mqadmin, which loads nearly all that clients load, to write the archive when it ends.
    fn archive_classes(self) -> Command {
        let home = self.target();
        configure(&home);
        let mut mqadmin = Command::new("java");
        mqadmin.arg(format!("-XX:ArchiveClassesAtExit={}", self.class_archive().display()));
        mqadmin.args(JVM_FLAGS).arg("-cp").arg(self.libraries());
        mqadmin.arg(format!("-Duser.home={}", home.display())).env("ROCKETMQ_HOME", &home).current_dir(&home);
        mqadmin.args(["org.apache.rocketmq.tools.command.MQAdminStartup", "clusterList", "-n", "127.0.0.1:1"]);
        mqadmin
    }
}

/// Class path of the original name server and broker; fetches them if need be.
///
/// # Panics
/// When they cannot be fetched.
#[must_use]
pub fn apache_classpath() -> String {
    build_java();
    format!("{}/*", folder("java").join("peer/target/lib").display())
}

/// The Go scenarios' program; builds it if need be.
///
/// # Panics
/// When it cannot be built.
#[must_use]
pub fn go_program() -> PathBuf {
    build_go();
    go_target().join("interop")
}

/// Compiles the Java scenarios against both clients, with Maven.
///
/// # Panics
/// With what to install, or with Maven's output.
pub fn build_java() {
    static JAVA: Once = Once::new();
    JAVA.call_once(|| require("java", "-version"));
    let sources = folder("java");
    build(&sources, &sources.join("target"), &["pom.xml", "java"], |sources| {
        require("javac", "-version");
        let mut maven = Command::new("mvn");
        maven.args(["-q", "-B", "process-classes"]).current_dir(sources);
        run(maven);
        [JavaClient::V5, JavaClient::V4].into_iter().for_each(|client| run(client.archive_classes()));
    });
}

/// Compiles the Go scenarios.
///
/// # Panics
/// With what to install, or with the compiler's output.
pub fn build_go() {
    let sources = folder("go");
    build(&sources, &go_target(), &["go", "mod", "sum"], |sources| {
        let mut go = Command::new("go");
        go.args(["build", "-mod=readonly", "-o"]).arg(go_target().join("interop")).arg(".").current_dir(sources);
        run(go);
    });
}

fn go_target() -> PathBuf {
    folder("go").join("target")
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn build(sources: &Path, target: &Path, endings: &[&str], make: impl FnOnce(&Path)) {
    let _turn = RunLock::of("build.lock");
    let fingerprint = fingerprint(sources, endings);
    let stamp = target.join(STAMP);
    if fs::read_to_string(&stamp).is_ok_and(|built| built == fingerprint) {
        return;
    }
    make(sources);
    let written = fs::create_dir_all(target).and_then(|()| fs::write(&stamp, fingerprint));
    written.unwrap_or_else(|error| panic!("cannot write {}: {error}", stamp.display()));
}

fn run(mut command: Command) {
    let output = command.output().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}. {ADVICE}"));
    assert!(
        output.status.success(),
        "{command:?} failed with {}. {ADVICE}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

fn require(program: &str, argument: &str) {
    let output = Command::new(program).arg(argument).output();
    let works = output.as_ref().is_ok_and(|output| output.status.success());
    assert!(works, "cannot run `{program} {argument}`: {output:?}. {ADVICE}");
}

/// Changes when a source file does: hash of all paths and contents.
fn fingerprint(sources: &Path, endings: &[&str]) -> String {
    let mut files = Vec::new();
    collect(sources, endings, &mut files).unwrap_or_else(|error| panic!("cannot read {}: {error}", sources.display()));
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in &files {
        let bytes = fs::read(file).unwrap_or_else(|error| panic!("cannot read {}: {error}", file.display()));
        (file, bytes).hash(&mut hasher);
    }
    format!("{} files {:016x}\n", files.len(), hasher.finish())
}

fn collect(folder: &Path, endings: &[&str], into: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target") {
                collect(&path, endings, into)?;
            }
        } else if path.to_str().is_some_and(|name| endings.iter().any(|ending| name.ends_with(ending))) {
            into.push(path);
        }
    }
    Ok(())
}
