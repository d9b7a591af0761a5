//! From bytes to a send: frame, header, fields, properties.

use std::hint::black_box;

use broker::send_properties::{BrokerProperties, append_send_properties};
use protocol::send::SendRequest;
use protocol::{Header, RequestCode, decode_frame};

use super::{MESSAGES, Rounds};
use crate::bench::Bench;
use crate::inputs::{self, Client};

/// See the module's text.
pub const ALL: &[Bench] = &[
    Bench {
        name: "decode-java",
        covers: "frame and JSON header of a Java client's send",
        run: || decode(Client::Java),
    },
    Bench { name: "decode-go", covers: "frame and JSON header of a Go client's send", run: || decode(Client::Go) },
    Bench {
        name: "decode-binary",
        covers: "frame and binary header of a Java client's send",
        run: || decode(Client::JavaBinary),
    },
    Bench { name: "parse-java", covers: "SendRequest from a decoded V2 header", run: || parse(Client::Java) },
    Bench { name: "parse-go", covers: "SendRequest from a decoded V1 header", run: || parse(Client::Go) },
    Bench {
        name: "properties",
        covers: "a Java client's properties as they are stored",
        run: || properties(&java_properties),
    },
];

/// The frames of one sweep, one behind the other as a socket gives them.
fn frames(client: Client) -> Vec<u8> {
    let body = inputs::body();
    let mut frames = Vec::new();
    for number in 0..MESSAGES {
        inputs::nth_send(number, |send| send.encode(client, &mut frames, &body));
    }
    frames
}

fn decode(client: Client) -> u64 {
    let frames = frames(client);
    let mut header = Header::default();
    let all = || {
        let mut rest = black_box(&frames[..]);
        while let Ok(Some((frame, used))) = decode_frame(rest) {
            header.decode(&frame).expect("a good header");
            black_box(&header);
            rest = &rest[used..];
        }
        assert!(rest.is_empty());
    };
    Rounds::OF_SWEEPS.run_alone(MESSAGES, all)
}

fn parse(client: Client) -> u64 {
    let frames = frames(client);
    let mut headers = Vec::new();
    let mut rest = &frames[..];
    while let Ok(Some((frame, used))) = decode_frame(rest) {
        let mut header = Header::default();
        header.decode(&frame).expect("a good header");
        headers.push(header);
        rest = &rest[used..];
    }
    let all = || {
        for header in &headers {
            let header = black_box(header);
            black_box(SendRequest::from_header(header, RequestCode(header.code)).expect("all fields are there"));
        }
    };
    Rounds::OF_SWEEPS.run_alone(MESSAGES, all)
}

fn java_properties(number: u64) -> String {
    let mut text = String::new();
    inputs::nth_send(number, |send| text = send.java_properties());
    text
}

fn properties(of: &dyn Fn(u64) -> String) -> u64 {
    let sent: Vec<_> = (0..MESSAGES).map(of).collect();
    let broker = BrokerProperties::new("DefaultRegion", true, "DefaultCluster");
    let mut stored = Vec::new();
    let all = || {
        for sent in &sent {
            stored.clear();
            let seen = append_send_properties(black_box(sent), &broker, |_| panic!("it has a key"), &mut stored);
            black_box(seen.expect("good properties"));
            black_box(&stored);
        }
    };
    Rounds::OF_SWEEPS.run_alone(MESSAGES, all)
}
