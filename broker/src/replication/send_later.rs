//! Messages with entries that are no longer in memory: they are read from the files first.
//!
//! A leader that has started again has the end of its log in the files alone, and of that what is not committed yet cannot be
//! pulled by the others either: it has to be sent.

use std::borrow::Cow;
use std::rc::Rc;

use raft_driver::Outgoing;
use storage::StorageError;

use super::replica::Replica;
use super::wire::{ConnectionClass, EntryLengths, RaftStep, ReplicaMessage};
use crate::env::Env;
use crate::shard::Shard;

impl<E: Env> Shard<E> {
    /// Reads the entries of a message, and sends it if this replica still leads then. Raft minds neither that other messages
    /// overtake it nor that it never arrives.
    pub(super) async fn send_from_files(self: Rc<Self>, outgoing: Outgoing) {
        let Some(replica) = self.replica.get() else { return };
        let Outgoing { message, entries } = &outgoing;
        let is_sent = match self.read_all(&outgoing).await {
            Ok(log) if replica.group.borrow().is_leader() && replica.term() == message.term => {
                let lengths: Vec<u32> = entries.iter().map(|entry| entry.bytes).collect();
                let entry_bytes = EntryLengths::Numbers(&lengths);
                let step = RaftStep { message: Cow::Borrowed(message), entry_bytes, log: &log };
                let step = ReplicaMessage::Raft(step);
                replica.links.borrow_mut().send(message.to, ConnectionClass::Log, &step, &self.outbox)
            }
            Ok(_) => return,
            Err(error) => {
                let (shard, node) = (&self.identity.broker_name, message.to);
                tracing::error!(%error, node, shard, "entries that a replica lacks cannot be read");
                false
            }
        };
        if !is_sent {
            report_lost(replica, [message.to]);
        }
    }

    async fn read_all(&self, outgoing: &Outgoing) -> Result<Vec<u8>, StorageError> {
        let mut log = Vec::new();
        for entry in &outgoing.entries {
            log.extend_from_slice(&self.store.log().copy(entry.position, entry.bytes as usize).await?);
        }
        Ok(log)
    }
}

/// Tells Raft of nodes that were not reached.
pub(super) fn report_lost(replica: &Replica, nodes: impl IntoIterator<Item = u64>) {
    let mut group = replica.group.borrow_mut();
    if group.is_leader() && !group.is_writing() {
        nodes.into_iter().for_each(|node| group.report_unreachable(node));
    }
}
