//! The load engine against a broker of a few lines, over real sockets.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod consuming;
mod failing;
mod pairing;
mod producing;
mod test_broker;

use std::ops::ControlFlow;

use bench::observer::{Observer, Snapshot};
use bench::plan::{BodySize, Consumers, End, Plan, Producers, ReceiveMode, SendMode, StartAt, Work};

/// A plan against a test broker: no warm-up, no end yet.
fn plan(name_server: &str, work: Work) -> Plan {
    Plan {
        name_servers: name_server.to_owned(),
        topics: vec!["T".to_owned()],
        create_topics: None,
        work,
        warm_up_ms: 0,
        end: End::default(),
        threads: 1,
        cpus: Vec::new(),
        spin: false,
        broker_pids: Vec::new(),
    }
}

fn producers(mode: SendMode) -> Producers {
    Producers {
        mode,
        connections: 2,
        in_flight: 8,
        batch: 1,
        body_size: BodySize::Fixed(100),
        keys: false,
        properties: Vec::new(),
        rate: None,
    }
}

fn consumers(mode: ReceiveMode) -> Consumers {
    Consumers { mode, group: "G".to_owned(), connections: 1, batch: 32, from: StartAt::First, verify: true }
}

fn after_messages(count: u64) -> End {
    End { after_messages: Some(count), ..End::default() }
}

fn after_ms(ms: u64) -> End {
    End { after_ms: Some(ms), ..End::default() }
}

/// Keeps every second, and ends the run after some.
#[derive(Default)]
struct Seconds {
    seen: Vec<Snapshot>,
    end_after: Option<usize>,
}

impl Observer for Seconds {
    fn second(&mut self, snapshot: &Snapshot) -> ControlFlow<()> {
        self.seen.push(snapshot.clone());
        if self.end_after == Some(self.seen.len()) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}
