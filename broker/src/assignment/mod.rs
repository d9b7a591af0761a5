//! Queues shared out by the broker: a consumer that does not do it itself asks which queues of a topic are its (400).
//!
//! Every broker of a topic answers for the topic's queues on all brokers, since a member asks one of them at random. So
//! each has to know the same three things: which queues there are, from the name servers ([`KnownRoutes`]); who the
//! members are, from their heartbeats; and how a group gets a topic's messages ([`RequestModes`]), which operators tell
//! every broker. The share itself is arithmetic over sorted lists ([`allocate`]), so that all brokers come to the same.

pub mod allocate;
mod known_routes;
mod request_modes;
pub(crate) mod route_lookup;

pub use self::known_routes::{Asked, KnownRoutes, RouteNews, RoutedQueues};
pub use self::request_modes::{ModeError, REQUEST_MODES_MAX, RequestMode, RequestModes, StoredRequestMode};
