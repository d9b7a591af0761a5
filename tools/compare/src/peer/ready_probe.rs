//! Whether a broker serves, by the same measure for all: a client that knows only the name server gets a send acknowledged.

use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use client::{Client, ClientError, ClientOptions, Message, Producer, ProducerOptions};

use crate::child_process::ChildProcess;
use crate::error::CompareError;
use crate::interrupt::Interrupt;
use crate::peer::cluster::Cluster;

/// Between two attempts. It bounds how exactly a start is timed.
const LOOK: Duration = Duration::from_millis(2);
/// One attempt at most: a broker that takes connections before it answers must not hold up the next attempt for long.
pub(super) const ATTEMPT: Duration = Duration::from_millis(500);
/// Created by the first send.
const TOPIC: &str = "ready-probe";

/// Sends until a send is acknowledged.
pub(crate) fn wait_until_ready(
    broker: &mut ChildProcess,
    cluster: &Cluster,
    interrupt: &Interrupt,
    limit: Duration,
) -> Result<(), CompareError> {
    let began = Instant::now();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|source| CompareError::Start { name: "the probe's runtime".to_owned(), source })?;
    let mut is_listening = false;
    loop {
        // A refused connection costs only the kernel something. To ask a name server all the time would slow the start of
        // a peer whose name server is a cold JVM on the same processors.
        is_listening = is_listening || TcpStream::connect(&cluster.broker_address).is_ok();
        if is_listening && runtime.block_on(send(&cluster.name_server_address)).is_ok() {
            return Ok(());
        }
        broker.expect_running()?;
        interrupt.check()?;
        if began.elapsed() > limit {
            return Err(broker.late("getting ready", limit));
        }
        thread::sleep(LOOK);
    }
}

/// A client of its own each time: nothing that one attempt learned delays the next.
pub(super) async fn send(name_servers: &str) -> Result<(), ClientError> {
    let options = ClientOptions { connect_timeout: ATTEMPT, request_timeout: ATTEMPT, ..ClientOptions::default() };
    let client = Client::new(name_servers, options).await?;
    let producer = Producer::with_options(&client, TOPIC, ProducerOptions { retries: 0, ..ProducerOptions::default() });
    producer.send(&Message::new(TOPIC, "ready?")).await.map(drop)
}
