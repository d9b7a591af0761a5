//! One connection an address, opened when first needed and again after it has closed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use protocol::code::RequestCode;
use protocol::command::CommandEncoder;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::answer::Answer;
use crate::connection::{Connection, ConnectionOptions, ServerRequest};
use crate::error::ClientError;

/// Addresses kept; beyond it closed connections are forgotten first. Clusters have tens of brokers, so this is only
/// reached by addresses that change for ever.
const ADDRESSES_MAX: usize = 1024;

#[derive(Debug)]
pub(crate) struct ConnectionPool {
    options: ConnectionOptions,
    server_requests: mpsc::Sender<ServerRequest>,
    slots: Mutex<BTreeMap<String, Arc<Slot>>>,
}

/// The async lock makes concurrent callers share one connection attempt.
type Slot = tokio::sync::Mutex<SlotState>;

#[derive(Debug, Default)]
struct SlotState {
    connection: Option<Connection>,
    /// The last failed attempt: who waited while it ran takes its result instead of trying in turn.
    failure: Option<(Instant, Arc<std::io::Error>)>,
}

impl ConnectionPool {
    pub(crate) fn new(options: ConnectionOptions, server_requests: mpsc::Sender<ServerRequest>) -> Self {
        Self { options, server_requests, slots: Mutex::default() }
    }

    /// Sends a request to `address`, over a new connection if need be. Connecting has its own deadline, so that an
    /// unreachable server is told from a slow one.
    pub(crate) async fn request(
        &self,
        address: &str,
        code: RequestCode,
        deadline: Duration,
        body: &[u8],
        fields: impl FnOnce(&mut CommandEncoder<'_>),
    ) -> Result<Answer, ClientError> {
        self.connection(address).await?.request(code, deadline, body, fields).await
    }

    /// The open connection to `address`, or a new one.
    pub(crate) async fn connection(&self, address: &str) -> Result<Connection, ClientError> {
        let asked = Instant::now();
        let slot = self.slot(address);
        let mut slot = slot.lock().await;
        if let Some(connection) = slot.connection.as_ref().filter(|connection| connection.close_cause().is_none()) {
            return Ok(connection.clone());
        }
        if let Some((_, source)) = slot.failure.as_ref().filter(|(at, _)| *at >= asked) {
            return Err(ClientError::Connect { address: address.to_owned(), source: Arc::clone(source) });
        }
        match Connection::open(address, &self.options, self.server_requests.clone()).await {
            Ok(connection) => {
                *slot = SlotState { connection: Some(connection.clone()), failure: None };
                Ok(connection)
            }
            Err(error) => {
                if let ClientError::Connect { source, .. } = &error {
                    *slot = SlotState { connection: None, failure: Some((Instant::now(), Arc::clone(source))) };
                }
                Err(error)
            }
        }
    }

    /// Waits until what is queued on every connection has been written.
    pub(crate) async fn flush(&self) {
        let slots: Vec<_> = self.slots().values().cloned().collect();
        for slot in slots {
            let connection = slot.lock().await.connection.clone();
            if let Some(connection) = connection {
                // A closed connection has nothing left to write; its requests know already.
                let _ = connection.flush().await;
            }
        }
    }

    fn slot(&self, address: &str) -> Arc<Slot> {
        let mut slots = self.slots();
        if let Some(slot) = slots.get(address) {
            return Arc::clone(slot);
        }
        if slots.len() >= ADDRESSES_MAX {
            slots.retain(|_, slot| {
                slot.try_lock().map_or(true, |slot| {
                    slot.connection.as_ref().is_some_and(|connection| connection.close_cause().is_none())
                })
            });
        }
        let slot = Arc::<Slot>::default();
        slots.insert(address.to_owned(), Arc::clone(&slot));
        slot
    }

    fn slots(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
