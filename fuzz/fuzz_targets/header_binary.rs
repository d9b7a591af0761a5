//! The binary header; what decodes, encodes and decodes to the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::{Frame, HeaderEncoding, RemotingCommand, decode_frame};

fuzz_target!(|input: &[u8]| {
    let frame = Frame { encoding: HeaderEncoding::RocketMq, header: input, body: &[] };
    let Ok(command) = RemotingCommand::decode(&frame) else { return };
    let mut encoded = Vec::new();
    command.encode(&mut encoded, HeaderEncoding::RocketMq);
    let (again, _) = decode_frame(&encoded).expect("our own frame").expect("the whole frame");
    assert_eq!(RemotingCommand::decode(&again).expect("our own header"), command);
});
