//! Servers that did not answer, so that a long survey waits for each of them once and not for every question.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;

use client::ClientError;

use crate::failure::ServerError;

/// The first failure of each server.
#[derive(Debug, Default)]
pub(crate) struct SilentServers {
    failures: RefCell<BTreeMap<String, Failure>>,
}

#[derive(Debug)]
struct Failure {
    error: ServerError,
    /// It cannot be reached, and asking again would cost another timeout.
    is_silent: bool,
}

impl SilentServers {
    /// The answer of a server; `None` when it did not give one, or is known not to.
    pub(crate) async fn ask<T, F: Future<Output = Result<T, ClientError>>>(
        &self,
        address: &str,
        question: impl FnOnce() -> F,
    ) -> Option<T> {
        if self.failures.borrow().get(address).is_some_and(|failure| failure.is_silent) {
            return None;
        }
        match question().await {
            Ok(answer) => Some(answer),
            Err(error) => {
                let failure = Failure { error: ServerError::new(address, &error), is_silent: error.is_transport() };
                let mut failures = self.failures.borrow_mut();
                match failures.get(address) {
                    Some(known) if known.is_silent || !failure.is_silent => {}
                    _ => _ = failures.insert(address.to_owned(), failure),
                }
                None
            }
        }
    }

    /// Who did not answer, and why.
    pub(crate) fn into_errors(self) -> Vec<ServerError> {
        self.failures.into_inner().into_values().map(|failure| failure.error).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::Duration;

    use protocol::{RequestCode, ResponseCode};

    use super::*;

    fn timeout() -> ClientError {
        let address = "h:1".to_owned();
        ClientError::Timeout { code: RequestCode::GET_CONSUME_STATS, address, after: Duration::from_secs(5) }
    }

    fn refusal() -> ClientError {
        ClientError::Refused {
            code: RequestCode::GET_CONSUME_STATS,
            response: ResponseCode::SYSTEM_ERROR,
            address: "h:1".to_owned(),
            remark: "no".to_owned(),
        }
    }

    #[tokio::test]
    async fn a_server_that_cannot_be_reached_is_asked_once() {
        let (servers, asked) = (SilentServers::default(), Cell::new(0));
        for _ in 0..3 {
            let question = || {
                asked.set(asked.get() + 1);
                async { Err::<(), _>(timeout()) }
            };
            assert_eq!(servers.ask("h:1", question).await, None);
        }
        assert_eq!(asked.get(), 1);
        assert_eq!(servers.into_errors().len(), 1);
    }

    #[tokio::test]
    async fn a_server_that_refuses_one_question_is_asked_the_next() {
        let servers = SilentServers::default();
        assert_eq!(servers.ask("h:1", || async { Err::<i32, _>(refusal()) }).await, None);
        assert_eq!(servers.ask("h:1", || async { Ok(7) }).await, Some(7));
        assert!(servers.into_errors()[0].error.contains("answered SYSTEM_ERROR(1): no"));
    }
}
