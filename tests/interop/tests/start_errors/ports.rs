//! Ports that somebody else has.

use std::net::{Ipv4Addr, TcpListener};
use std::process::{self, Command};

use interop::binaries;
use interop::broker_start::BrokerStart;
use interop::kept_messages::KeptMessages;
use interop::port_block::PortBlock;
use interop::scratch::Scratch;
use interop::spawning::{no_child_starts, output_of};

/// A port taken by this process until it is dropped.
struct Held(Option<TcpListener>);

fn hold(port: u16) -> Held {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port));
    Held(Some(listener.unwrap_or_else(|error| panic!("port {port}: {error}"))))
}

impl Drop for Held {
    fn drop(&mut self) {
        let _closes = no_child_starts();
        self.0.take();
    }
}

/// The line about one port: its number, what it is for, who has it, and which property moves it.
fn expect_taken(output: &str, port: u16, what: &str, property: &str) {
    let holder = format!("is taken by process {} (", process::id());
    let words = [format!(":{port} ({what})"), holder, format!("set another {property}")];
    let says_all = |line: &str| words.iter().all(|word| line.contains(word.as_str()));
    assert!(output.lines().any(says_all), "{words:?} were to be expected in one line of:\n{output}");
}

#[test]
fn a_taken_port_is_named_with_its_holder_and_property() {
    let scratch = Scratch::new("taken");
    let start = BrokerStart::new("taken", &scratch).shards(2);
    let port = start.port();
    let ports = [
        (port, "main port of shard 0", "listenPort"),
        (port - 2, "fast port of shard 0", "listenPort"),
        (port + 10, "main port of shard 1", "listenPort"),
        (port + 8, "fast port of shard 1", "listenPort"),
        (start.name_server_port(), "name server", "namesrvListenPort"),
    ];
    for (port, what, property) in ports {
        let held = hold(port);
        let output = start.refused();
        expect_taken(&output, port, what, property);
        assert_eq!(output.matches("is taken by").count(), 1, "{output}");
        drop(held);
    }
    let held: Vec<Held> = ports.iter().map(|(port, ..)| hold(*port)).collect();
    let output = start.refused();
    for (port, what, property) in ports {
        expect_taken(&output, port, what, property);
    }
    drop(held);
    let broker = start.ready();
    KeptMessages::new("afterwards").send(broker.main(), 3);
    broker.terminate();
}

#[test]
fn a_running_broker_loses_nothing_to_one_that_wants_its_ports() {
    let scratch = Scratch::new("same-ports");
    let first = BrokerStart::new("first", &scratch);
    let broker = first.ready();
    let mut messages = KeptMessages::new("kept");
    messages.send(broker.main(), 10);
    let second = BrokerStart::new("second", &scratch)
        .set("listenPort", first.port())
        .set("namesrvListenPort", first.name_server_port());
    let output = second.refused();
    let holder = format!("is taken by process {} (mqbroker)", broker.pid());
    assert_eq!(output.matches(&holder).count(), 3, "{output}");
    messages.send(broker.main(), 10);
    messages.expect(broker.main());
    broker.terminate();
}

#[test]
fn a_name_server_says_which_port_is_taken() {
    let scratch = Scratch::new("namesrv-taken");
    let home = scratch.folder("home");
    let ports = PortBlock::take();
    let port = ports.port(0);
    let _held = hold(port);
    let configuration = scratch.file("namesrv.conf", &format!("listenPort={port}\n"));
    let mut command = Command::new(binaries::path_of("mqnamesrv"));
    let output = output_of(command.arg("-c").arg(configuration).env("HOME", &home));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("mqnamesrv: ") && said.contains(&format!(":{port}")), "{said}");
    assert!(said.to_lowercase().contains("in use") && !said.contains("panicked"), "{said}");
}
