//! The list of name servers.

use std::fmt;

use super::host_port::HostPort;

/// One name server. The host may be a name, which is looked up at each connect.
pub type NameServerAddress = HostPort;

/// Property `namesrvAddr`: each address once, in the order given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameServers(pub Vec<NameServerAddress>);

/// A broker registers with every one of them all the time; more than this is a typing error.
pub const NAME_SERVERS_MAX: usize = 64;

/// Why a text is no list of name servers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameServersError {
    /// One entry is wrong.
    #[error("a list as 10.0.0.1:9876;10.0.0.2:9876; `{entry}` is not host:port")]
    Entry {
        /// The entry as it stands.
        entry: String,
    },
    /// Too many.
    #[error("a list of at most {NAME_SERVERS_MAX} addresses as 10.0.0.1:9876;10.0.0.2:9876; it has {count}")]
    TooMany {
        /// How many there are.
        count: usize,
    },
}

impl NameServers {
    /// Reads addresses separated by `;`. Empty entries are skipped, so an empty text means no name server.
    ///
    /// # Errors
    /// [`NameServersError`] names the entry that is wrong.
    pub fn parse(text: &str) -> Result<Self, NameServersError> {
        let mut servers = Self(Vec::new());
        for entry in text.split(';').map(str::trim).filter(|entry| !entry.is_empty()) {
            let address = HostPort::parse(entry).ok_or_else(|| NameServersError::Entry { entry: entry.to_owned() })?;
            servers.add(address);
        }
        if servers.0.len() > NAME_SERVERS_MAX {
            return Err(NameServersError::TooMany { count: servers.0.len() });
        }
        Ok(servers)
    }

    /// Adds an address unless it is there already.
    pub fn add(&mut self, address: NameServerAddress) {
        if !self.0.contains(&address) {
            self.0.push(address);
        }
    }
}

impl fmt::Display for NameServers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<_> = self.0.iter().map(NameServerAddress::to_string).collect();
        f.write_str(&texts.join(";"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_names_are_separated_by_semicolons() {
        let servers = NameServers::parse("10.0.0.1:9876; names.example.com:9877;").unwrap();
        assert_eq!(servers.0[1], NameServerAddress { host: "names.example.com".to_owned(), port: 9877 });
        assert_eq!(servers.to_string(), "10.0.0.1:9876;names.example.com:9877");
    }

    #[test]
    fn an_address_that_stands_twice_counts_once() {
        assert_eq!(NameServers::parse("a:1;a:1;b:1").unwrap().0.len(), 2);
    }

    #[test]
    fn an_empty_text_means_none() {
        assert_eq!(NameServers::parse("").unwrap().0, []);
    }

    #[test]
    fn ipv6_hosts_lose_and_regain_their_brackets() {
        let servers = NameServers::parse("[::1]:9876").unwrap();
        assert_eq!(servers.0[0].host, "::1");
        assert_eq!(servers.to_string(), "[::1]:9876");
    }

    #[test]
    fn a_wrong_entry_is_named() {
        for entry in ["a", "a:", ":9876", "a:0", "a:65536", "http://a:9876", "a b:1", "a:1,b:2"] {
            let error = NameServers::parse(&format!("ok:1;{entry}")).unwrap_err();
            assert_eq!(error, NameServersError::Entry { entry: entry.to_owned() });
        }
    }
}
