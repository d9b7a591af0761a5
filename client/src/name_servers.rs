//! The name servers of a cluster: they know the same things, so one that answers is enough.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use protocol::code::RequestCode;
use protocol::command::CommandEncoder;

use crate::answer::Answer;
use crate::connection_pool::ConnectionPool;
use crate::error::ClientError;

/// The list, and which of it is asked at present.
#[derive(Debug)]
pub(crate) struct NameServers {
    addresses: Vec<String>,
    current: AtomicUsize,
}

impl NameServers {
    /// Parses `host:port;host:port`.
    pub(crate) fn parse(list: &str) -> Result<Self, ClientError> {
        let invalid = |reason| ClientError::NameServerList { list: list.to_owned(), reason };
        let mut addresses = Vec::new();
        for address in list.split(';').map(str::trim).filter(|address| !address.is_empty()) {
            let Some((host, port)) = address.rsplit_once(':') else {
                return Err(invalid("every address needs a port, as in 127.0.0.1:9876"));
            };
            if host.is_empty() {
                return Err(invalid("an address has no host"));
            }
            if port.parse::<u16>().is_err() {
                return Err(invalid("a port is not a number from 0 to 65535"));
            }
            addresses.push(address.to_owned());
        }
        if addresses.is_empty() {
            return Err(invalid("it holds no address"));
        }
        Ok(Self { addresses, current: AtomicUsize::new(0) })
    }

    pub(crate) fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// Asks the name server that answered last; when it cannot be reached, the next, and stays with the first that
    /// answers. An error code is an answer too.
    pub(crate) async fn request(
        &self,
        pool: &ConnectionPool,
        code: RequestCode,
        timeout: Duration,
        fields: impl Fn(&mut CommandEncoder<'_>),
    ) -> Result<Answer, ClientError> {
        let first = self.current.load(Ordering::Relaxed);
        let mut attempts = Vec::new();
        for step in 0..self.addresses.len() {
            let index = (first + step) % self.addresses.len();
            match pool.request(&self.addresses[index], code, timeout, &[], &fields).await {
                Ok(answer) => {
                    self.current.store(index, Ordering::Relaxed);
                    return Ok(answer);
                }
                Err(error) if error.is_transport() => attempts.push(error),
                Err(error) => return Err(error),
            }
        }
        Err(ClientError::NameServers { attempts })
    }

    /// Asks every name server, for what each has to be told itself.
    pub(crate) async fn request_each(
        &self,
        pool: &ConnectionPool,
        code: RequestCode,
        timeout: Duration,
        fields: impl Fn(&mut CommandEncoder<'_>),
    ) -> Result<(), ClientError> {
        let mut failure = None;
        for address in &self.addresses {
            let result = pool.request(address, code, timeout, &[], &fields).await.and_then(Answer::success);
            // The others are told all the same; the first failure is the one to report.
            if let Err(error) = result {
                failure.get_or_insert(error);
            }
        }
        failure.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_split_at_semicolons_and_trimmed() {
        let servers = NameServers::parse(" a:9876; b:9877 ;").unwrap();
        assert_eq!(servers.addresses(), ["a:9876", "b:9877"]);
    }

    #[test]
    fn an_ipv6_address_keeps_its_colons() {
        assert_eq!(NameServers::parse("[::1]:9876").unwrap().addresses(), ["[::1]:9876"]);
    }

    #[test]
    fn a_list_without_a_usable_address_says_why() {
        for (list, reason) in [
            ("", "it holds no address"),
            (";;", "it holds no address"),
            ("localhost", "every address needs a port, as in 127.0.0.1:9876"),
            (":9876", "an address has no host"),
            ("a:port", "a port is not a number from 0 to 65535"),
        ] {
            let error = NameServers::parse(list).unwrap_err();
            assert_eq!(error.to_string(), format!("name server list {list:?}: {reason}"));
        }
    }
}
