//! A small RocketMQ client: routes, sends, pulls, offsets and administration.
//!
//! Start at [`Client`]; [`Producer`], [`Consumer`] and [`Admin`] are views of it. Below them, [`Connection`] is one
//! pipelined TCP connection and knows nothing of clusters.

mod admin;
mod answer;
mod client;
mod connection;
mod connection_pool;
mod consumer;
mod error;
#[cfg(feature = "fake-server")]
mod fake_server;
mod filter;
mod message;
mod name_servers;
mod options;
mod producer;
mod pull_result;
mod queue_selection;
mod received_message;
mod route_cache;
mod send_result;
mod topic_route;

pub use admin::{Admin, Cleaning, IndexType, KeySearch, MessageQuery, ORDER_TOPIC_CONFIG, OffsetReset};
pub use answer::Answer;
pub use client::Client;
pub use connection::{BODY_BYTES_MAX, Connection, ConnectionOptions, IN_FLIGHT_MAX, ServerRequest};
pub use consumer::{Consumer, PullOptions, Subscription};
pub use error::{AnswerError, ClientError, CloseCause, WithCauses};
#[cfg(feature = "fake-server")]
pub use fake_server::{FakeServer, Reply};
pub use filter::Filter;
pub use message::Message;
pub use options::ClientOptions;
pub use producer::{Producer, ProducerOptions};
pub use protocol::body::MessageQueue;
pub use pull_result::{PullResult, QueuePositions};
pub use received_message::{DECOMPRESSED_BYTES_MAX, DecompressError, ReceivedMessage};
pub use send_result::{SendResult, SendStatus};
pub use topic_route::{MASTER_ID, PERM_READ, PERM_WRITE, TopicRoute};
