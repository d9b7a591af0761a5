//! What the user said, before it is checked: lines of a file, flags and the environment, lowest precedence first.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use protocol::properties_text;

use super::error::ConfigError;

/// How the process was started; decides some defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A broker of a cluster.
    Server,
    /// `--standalone`: name server and broker in one process, for one machine and its user.
    Standalone,
}

/// Where a value was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nowhere.
    Default,
    /// An environment variable, by name.
    Environment(&'static str),
    /// A line of a properties file.
    File {
        /// The file as the user named it.
        path: Arc<str>,
        /// From 1.
        line: usize,
    },
    /// A command line flag, by name.
    Flag(&'static str),
    /// A line of an UPDATE_BROKER_CONFIG request.
    Request {
        /// From 1.
        line: usize,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::File { path, line } => write!(f, "{path} line {line}"),
            Self::Flag(name) => write!(f, "flag {name}"),
            Self::Request { line } => write!(f, "line {line} of the request"),
        }
    }
}

/// One `key=value` as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The property's name as written.
    pub key: String,
    /// Its value as written.
    pub value: String,
    /// Where.
    pub origin: Origin,
}

impl Assignment {
    /// An assignment by a command line flag.
    pub fn from_flag(flag: &'static str, key: &str, value: &str) -> Self {
        Self { key: key.to_owned(), value: value.to_owned(), origin: Origin::Flag(flag) }
    }
}

/// All assignments, lowest precedence first: environment, file, flags. Of two for one key the later one counts.
#[derive(Debug, Clone)]
pub struct Sources {
    /// How the process was started.
    pub mode: Mode,
    /// In rising precedence.
    pub assignments: Vec<Assignment>,
}

/// RocketMQ's variable with the default of `namesrvAddr`.
pub const NAMESRV_ADDR: &str = "NAMESRV_ADDR";

impl Sources {
    /// No file and no flags. `namesrv_addr` is what [`NAMESRV_ADDR`] says; `--standalone` ignores it, because a broker
    /// for one user must not join a cluster that nobody named on its command line.
    pub fn new(mode: Mode, namesrv_addr: Option<String>) -> Self {
        let from_environment = namesrv_addr.filter(|_| mode == Mode::Server).map(|value| Assignment {
            key: "namesrvAddr".to_owned(),
            value,
            origin: Origin::Environment(NAMESRV_ADDR),
        });
        Self { mode, assignments: from_environment.into_iter().collect() }
    }

    /// Adds the lines of the properties file at `path`.
    ///
    /// # Errors
    /// [`ConfigError::Read`] or [`ConfigError::Syntax`].
    pub fn read_file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let name = path.display().to_string();
        let bytes = std::fs::read(path).map_err(|source| ConfigError::Read { path: name.clone(), source })?;
        self.add_text(&name, &decode_text(bytes))
    }

    /// Adds the lines of a properties text that is known as `path`.
    ///
    /// # Errors
    /// [`ConfigError::Syntax`].
    pub fn add_text(&mut self, path: &str, text: &str) -> Result<(), ConfigError> {
        let pairs =
            properties_text::parse(text).map_err(|error| ConfigError::Syntax { path: path.to_owned(), error })?;
        let path: Arc<str> = path.into();
        self.assignments.extend(pairs.into_iter().map(|(line, key, value)| Assignment {
            key,
            value,
            origin: Origin::File { path: path.clone(), line },
        }));
        Ok(())
    }
}

/// UTF-8, else Latin-1 as Java reads it: old files have comments in other encodings, and comments are skipped anyway.
fn decode_text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| error.into_bytes().into_iter().map(char::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_names_name_servers_for_a_server_only() {
        let server = Sources::new(Mode::Server, Some("a:9876".to_owned()));
        assert_eq!(server.assignments[0].key, "namesrvAddr");
        assert_eq!(server.assignments[0].origin.to_string(), "environment variable NAMESRV_ADDR");
        assert!(Sources::new(Mode::Standalone, Some("a:9876".to_owned())).assignments.is_empty());
    }

    #[test]
    fn assignments_of_a_file_know_their_line() {
        let mut sources = Sources::new(Mode::Server, None);
        sources.add_text("broker.conf", "# comment\n\nlistenPort = 10921\n").unwrap();
        assert_eq!(sources.assignments[0].origin.to_string(), "broker.conf line 3");
    }

    #[test]
    fn a_file_in_another_encoding_is_read_as_latin_1() {
        assert_eq!(decode_text(vec![b'#', 0xE9, b'\n', b'a', b'=', b'1']), "#é\na=1");
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let error = Sources::new(Mode::Server, None).read_file(Path::new("/nowhere/broker.conf")).unwrap_err();
        assert!(error.to_string().contains("/nowhere/broker.conf"), "{error}");
    }

    #[test]
    fn a_broken_escape_is_reported_with_file_and_line() {
        let error = Sources::new(Mode::Server, None).add_text("broker.conf", "a=1\nb=\\u12\n").unwrap_err();
        let text = error.to_string();
        assert!(text.contains("broker.conf") && text.contains("line 2"), "{text}");
    }
}
