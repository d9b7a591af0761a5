//! A thing outside the process, as a line of text, and how it is taken back.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::error::ClusterError;
use crate::tool;

/// After SIGKILL; a process in the middle of a write to a disk takes a moment.
const GONE_WITHIN: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(5);
/// Fields of `/proc/PID/stat` behind the name in brackets: the 22nd of all is when the process started.
const START_FIELD: usize = 19;
const STATE_FIELD: usize = 0;

/// What it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Made {
    /// A network namespace by name, with all processes in it.
    Namespace(String),
    /// A network interface by name, with its peer.
    Link(String),
    /// Something mounted here.
    Mount(PathBuf),
    /// A folder with all that is in it.
    Folder(PathBuf),
    /// A process: its number, and when it started, as numbers are used again.
    Process {
        /// Its number.
        pid: u32,
        /// In clock ticks since the machine started.
        started: u64,
    },
}

impl Made {
    /// A process that runs now.
    #[must_use]
    pub fn process(pid: u32) -> Option<Self> {
        Some(Self::Process { pid, started: stat_field(pid, START_FIELD)?.parse().ok()? })
    }

    /// Reads a line of the list; none: a kind that is not known here.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let (kind, value) = line.split_once(' ')?;
        match kind {
            "namespace" => Some(Self::Namespace(value.to_owned())),
            "link" => Some(Self::Link(value.to_owned())),
            "mount" => Some(Self::Mount(value.into())),
            "folder" => Some(Self::Folder(value.into())),
            "process" => {
                let (pid, started) = value.split_once(' ')?;
                Some(Self::Process { pid: pid.parse().ok()?, started: started.parse().ok()? })
            }
            _ => None,
        }
    }

    /// Takes it back; nothing happens when it is not there.
    /// # Errors
    /// It still is.
    pub fn take_back(&self) -> Result<(), ClusterError> {
        match self {
            Self::Namespace(name) => {
                if !Path::new("/run/netns").join(name).exists() {
                    return Ok(());
                }
                self.end_processes();
                tool::run(&format!("ip netns del {name}")).map(drop)
            }
            Self::Link(name) => {
                if !Path::new("/sys/class/net").join(name).exists() {
                    return Ok(());
                }
                tool::run(&format!("ip link del {name}")).map(drop)
            }
            Self::Mount(path) => {
                if !is_mounted(path) {
                    return Ok(());
                }
                // Lazily where a process that is not known here still holds a file: it is gone with that process.
                let unmounted = tool::run_with("umount", &[path], "");
                unmounted.or_else(|_| tool::run_with("umount --lazy", &[path], "")).map(drop)
            }
            Self::Folder(path) => match fs::remove_dir_all(path) {
                Err(error) if path.exists() => Err(ClusterError::file("remove", path)(error)),
                _ => Ok(()),
            },
            Self::Process { .. } => {
                self.end_processes();
                Ok(())
            }
        }
    }

    /// Kills the process that it is, or all that are in it.
    pub fn end_processes(&self) {
        match self {
            Self::Process { .. } => self.end(),
            Self::Namespace(name) => {
                let inside = tool::run(&format!("ip netns pids {name}")).unwrap_or_default();
                let inside = inside.split_whitespace().filter_map(|pid| Self::process(pid.parse().ok()?));
                inside.for_each(|process| process.end());
            }
            Self::Link(_) | Self::Mount(_) | Self::Folder(_) => {}
        }
    }

    /// Kills the process, if it is still the same one, and waits until it holds nothing any more.
    fn end(&self) {
        let Self::Process { pid, .. } = self else { return };
        let runs = || {
            let is_zombie = stat_field(*pid, STATE_FIELD).is_some_and(|state| state == "Z");
            Self::process(*pid).as_ref() == Some(self) && !is_zombie
        };
        let Some(number) = i32::try_from(*pid).ok().and_then(Pid::from_raw) else { return };
        if runs() && kill_process(number, Signal::KILL).is_ok() {
            let start = Instant::now();
            while runs() && start.elapsed() < GONE_WITHIN {
                thread::sleep(LOOK);
            }
        }
    }
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Namespace(name) => write!(f, "namespace {name}"),
            Self::Link(name) => write!(f, "link {name}"),
            Self::Mount(path) => write!(f, "mount {}", path.display()),
            Self::Folder(path) => write!(f, "folder {}", path.display()),
            Self::Process { pid, started } => write!(f, "process {pid} {started}"),
        }
    }
}

fn is_mounted(path: &Path) -> bool {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    mounts.lines().any(|line| line.split(' ').nth(1) == path.to_str())
}

fn stat_field(pid: u32, field: usize) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold anything, brackets too.
    let (_, behind_name) = stat.rsplit_once(')')?;
    behind_name.split_whitespace().nth(field).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_read_as_it_was_written() {
        let here = Made::process(std::process::id()).expect("this process runs");
        let all = [
            Made::Namespace("turbopump-1-0-n0".to_owned()),
            Made::Link("tp1x0".to_owned()),
            Made::Mount("/tmp/a place".into()),
            Made::Folder("/dev/shm/rings".into()),
            here,
        ];
        for made in all {
            assert_eq!(Made::parse(&made.to_string()), Some(made));
        }
        assert_eq!(Made::parse("planet earth"), None);
        assert_eq!(Made::parse(""), None);
    }

    #[test]
    fn what_is_not_there_is_taken_back_already() {
        for line in ["namespace turbopump-none", "link tpnone", "mount /no/where", "folder /no/where", "process 1 7"] {
            Made::parse(line).expect("a known kind").take_back().expect("nothing to do");
        }
    }
}
