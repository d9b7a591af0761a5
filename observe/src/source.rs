//! What a process shows of itself.

use std::future::Future;
use std::pin::Pin;

use crate::{Families, ShardSample};

/// Whether something is as it should be, and what is to be said about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Health {
    /// 200, or 503.
    pub is_well: bool,
    /// The body of the answer.
    pub detail: serde_json::Value,
}

/// An answer by and by.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a process, or a part of it, shows of itself. Asked on the control thread; every answer is bounded in size and time.
pub trait Source: Send + Sync + 'static {
    /// Adds its metrics. Those of host and process are there already.
    fn metrics<'a>(&'a self, families: &'a mut Families) -> Answer<'a, ()>;
    /// Whether it would help to restart the process.
    fn live(&self) -> Answer<'_, Health>;
    /// Whether clients may be sent here.
    fn ready(&self) -> Answer<'_, Health>;
    /// What each shard has to do. A shard that does not answer is left out.
    fn shards(&self) -> Answer<'_, Vec<ShardSample>>;
}
