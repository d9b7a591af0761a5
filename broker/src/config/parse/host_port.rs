//! Where something listens: a host and a port.

use std::fmt;
use std::net::IpAddr;

/// `host:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    /// An IP address (IPv6 without brackets) or a host name.
    pub host: String,
    /// TCP port, not 0.
    pub port: u16,
}

impl HostPort {
    /// Reads `10.0.0.1:9876`, `[::1]:9876` or `name:9876`; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let port = port.parse().ok().filter(|port| *port != 0)?;
        let looks_like_host = !host.is_empty() && !host.contains(|c: char| c.is_whitespace() || "/[],@".contains(c));
        looks_like_host.then(|| Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            return write!(f, "[{}]:{}", self.host, self.port);
        }
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// Whether a text is an IP address (IPv6 without brackets) or a host name.
pub(in crate::config) fn is_host(text: &str) -> bool {
    const HOST_NAME_BYTES_MAX: usize = 253;
    let is_host_name = (1..=HOST_NAME_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    is_host_name || text.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_reads_back_as_it_is_written() {
        for text in ["10.0.0.1:9876", "[2001:db8::1]:40911", "broker-a.example.com:1"] {
            assert_eq!(HostPort::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(HostPort::parse("[::1]:7").unwrap().host, "::1");
    }

    #[test]
    fn what_has_no_host_or_no_port_is_no_address() {
        for text in ["", "a", ":1", "a:", "a:0", "a:65536", "a b:1", "http://a:1"] {
            assert_eq!(HostPort::parse(text), None, "{text}");
        }
    }
}
