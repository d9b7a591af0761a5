//! Codes that nobody serves, and frames that are no requests.

use interop::broker_start::BrokerStart;
use interop::raw_client::RawClient;
use interop::requests;
use interop::scratch::Scratch;
use interop::witness::Witness;
use protocol::code::{RequestCode, ResponseCode};
use protocol::command::RemotingCommand;
use protocol::frame::HeaderEncoding;
use protocol::header::{FLAG_ONEWAY, FLAG_RESPONSE};

/// Numbers without a meaning, numbers that the table of codes lists as nobody's, codes that only clients serve, and
/// codes of the other kind of server.
const UNKNOWN_TO_A_BROKER: [i32; 13] = [0, 1, -1, 13, 22, 39, 40, 105, 209, 9_999, 32_767, i32::MAX, i32::MIN];
const UNKNOWN_TO_A_NAME_SERVER: [i32; 8] = [0, -1, 10, 11, 34, 310, 9_999, i32::MIN];

#[test]
fn unknown_codes_are_answered_with_3_and_their_number() {
    let scratch = Scratch::new("codes");
    let broker = BrokerStart::new("codes", &scratch).ready();
    let mut witness = Witness::new(broker.main(), "witness");
    let servers = [
        (broker.main(), &UNKNOWN_TO_A_BROKER[..]),
        (broker.fast(), &UNKNOWN_TO_A_BROKER),
        (broker.name_server(), &UNKNOWN_TO_A_NAME_SERVER),
    ];
    for (address, codes) in servers {
        for encoding in [HeaderEncoding::Json, HeaderEncoding::RocketMq] {
            let mut client = RawClient::connect(address).speaking(encoding);
            for &code in codes {
                // The binary header has 16 bits for it.
                if encoding == HeaderEncoding::RocketMq && i16::try_from(code).is_err() {
                    continue;
                }
                let answer = client.ask(RemotingCommand::request(code, 0).with_field("k", "v").with_body("body"));
                assert_eq!(answer.code, ResponseCode::REQUEST_CODE_NOT_SUPPORTED.0, "{code} at {address}: {answer:?}");
                let remark = format!(" request type {code} not supported");
                let said = answer.remark.unwrap_or_default();
                // What is known to be somebody else's is refused with a reason besides.
                let is_so = said == remark || said.starts_with(&format!("{remark}: "));
                assert!(is_so, "{code} at {address}: {said}");
            }
        }
    }
    witness.exchanges(5);
    witness.expect_nothing_else_stored();
    broker.terminate();
}

#[test]
fn what_is_one_way_or_an_answer_is_not_answered() {
    let scratch = Scratch::new("unanswered");
    let broker = BrokerStart::new("unanswered", &scratch).ready();
    let mut witness = Witness::new(broker.main(), "witness");
    let flagged = |flag, command: RemotingCommand| RemotingCommand { flag, opaque: 77, ..command };
    let oneway = |command| flagged(FLAG_ONEWAY, command);
    let of_broker = vec![
        oneway(RemotingCommand::request(9_999, 0)),
        oneway(requests::without(requests::send("witness", 0, b"no queue"), "e")),
        oneway(requests::send("witness", 99, b"no such queue")),
        oneway(requests::send("SCHEDULE_TOPIC_XXXX", 0, b"forbidden")),
        oneway(requests::send("witness", 0, &[])),
        oneway(requests::with_body(RequestCode::HEART_BEAT, b"{")),
        oneway(requests::view(1)),
        oneway(requests::view(-1)),
        oneway(requests::pull("witness", 0, 0)),
        oneway(requests::pull("witness", 0, 1_000)),
        oneway(requests::pull("witness", 99, 0)),
        oneway(requests::send_back("group", 3, 0)),
        flagged(FLAG_RESPONSE, RemotingCommand::request(0, 0)),
        flagged(FLAG_RESPONSE, requests::send("witness", 0, b"an answer")),
        flagged(FLAG_RESPONSE | FLAG_ONEWAY, requests::send("witness", 0, b"an answer")),
    ];
    let of_name_server = vec![
        oneway(RemotingCommand::request(9_999, 0)),
        oneway(requests::route("no such topic")),
        oneway(requests::with_body(RequestCode::REGISTER_BROKER, b"{")),
        flagged(FLAG_RESPONSE, requests::route("witness")),
    ];
    for (address, commands) in [(broker.main(), of_broker), (broker.name_server(), of_name_server)] {
        let mut client = RawClient::connect(address);
        for command in &commands {
            client.send(command);
            // The next answer is that of the request behind it: answers to tasks of the broker's own may come later, so
            // it is asked twice.
            for _ in 0..2 {
                assert_eq!(client.ask(RemotingCommand::request(9_998, 0)).code, 3, "after {command:?}");
            }
        }
    }
    witness.exchanges(5);
    witness.expect_nothing_else_stored();
    broker.terminate();
}
