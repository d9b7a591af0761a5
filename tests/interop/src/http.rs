//! As much of HTTP as asking a broker's endpoint takes.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(20);
/// The kernel accepts for a listener, at once. A request to connect that meets one just as it opens or closes may be
/// dropped without an answer and repeated only after a second; who polls must not sit that out.
const CONNECT_WITHIN: Duration = Duration::from_millis(200);

/// Status and body of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// 200 and so on.
    pub status: u16,
    /// The text.
    pub body: String,
}

/// Asks for a path on a connection of its own.
///
/// # Errors
/// Nobody listens, or what is answered is no HTTP.
pub fn get(at: SocketAddr, path: &str) -> io::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&at, CONNECT_WITHIN)?;
    stream.set_read_timeout(Some(WITHIN))?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let no_http = || io::Error::other(format!("no HTTP: {text:?}"));
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(no_http)?;
    let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok()).ok_or_else(no_http)?;
    Ok(Answer { status, body: body.to_owned() })
}

/// As [`get`], where an answer has to come.
///
/// # Panics
/// When none does.
#[must_use]
pub fn expect(at: SocketAddr, path: &str) -> Answer {
    get(at, path).unwrap_or_else(|error| panic!("http://{at}{path}: {error}"))
}
