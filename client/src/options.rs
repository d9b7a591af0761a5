//! Settings of a [`crate::Client`].

use std::time::Duration;

use protocol::frame::HeaderEncoding;

use crate::connection::{ConnectionOptions, IN_FLIGHT_MAX};

/// How a client reaches its cluster. Change what differs: `ClientOptions { request_timeout, ..Default::default() }`.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// How long to wait for a TCP connection. RocketMQ: `com.rocketmq.remoting.client.connect.timeout`.
    pub connect_timeout: Duration,
    /// How long to wait for an answer; a held pull waits its hold time more. RocketMQ: `sendMsgTimeout`.
    pub request_timeout: Duration,
    /// Age at which a route is asked for again. RocketMQ: `pollNameServerInterval`.
    pub route_refresh: Duration,
    /// Header form of requests. RocketMQ: `rocketmq.serialize.type`.
    pub encoding: HeaderEncoding,
    /// Requests that one connection carries at once; the next waits. RocketMQ: `clientAsyncSemaphoreValue`.
    pub in_flight_max: usize,
    /// The part of the client id after `ip@`; by default process id and start time. RocketMQ: `instanceName`.
    pub instance_name: Option<String>,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(3),
            request_timeout: Duration::from_secs(3),
            route_refresh: Duration::from_secs(30),
            encoding: HeaderEncoding::Json,
            in_flight_max: IN_FLIGHT_MAX,
            instance_name: None,
        }
    }
}

impl ClientOptions {
    pub(crate) fn connection(&self) -> ConnectionOptions {
        ConnectionOptions {
            connect_timeout: self.connect_timeout,
            encoding: self.encoding,
            in_flight_max: self.in_flight_max,
        }
    }
}
