//! Frames out of a stream of any bytes; a decoded command encodes again to one that decodes to the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::{RemotingCommand, decode_frame};

fuzz_target!(|input: &[u8]| {
    let mut rest = input;
    while let Ok(Some((frame, used))) = decode_frame(rest) {
        assert_eq!(used, 8 + frame.header.len() + frame.body.len());
        rest = &rest[used..];
        let Ok(command) = RemotingCommand::decode(&frame) else { continue };
        let fits_binary = i16::try_from(command.code).is_ok() && i16::try_from(command.version).is_ok();
        if frame.encoding == protocol::HeaderEncoding::RocketMq {
            assert!(fits_binary);
        }
        // JSON names the language, so an unknown number does not come back as itself.
        let mut encoded = Vec::new();
        command.encode(&mut encoded, frame.encoding);
        let (again, _) = decode_frame(&encoded).expect("our own frame").expect("the whole frame");
        assert_eq!(RemotingCommand::decode(&again).expect("our own header"), command);
    }
});
