//! Frames between replicas; what decodes, encodes to the same bytes. Any input is decoded as it is, and once more with what
//! every header begins with, and the checksums, made right: else hardly any would get to the fields behind them.

#![no_main]

use broker::replication::wire::ReplicaMessage;
use libfuzzer_sys::fuzz_target;
use protocol::{Frame, HeaderEncoding, decode_frame};

/// Magic and version, as `TPRF` and 1.
const BEGINNING: [u8; 5] = *b"TPRF\x01";
/// Where a header's checksum stands, the bytes of the body, and, by kind, the checksum of the body.
const HEADER_CRC: std::ops::Range<usize> = 8..12;
const BODY_BYTES: std::ops::Range<usize> = 12..16;
const KIND_AT: usize = 5;
const KINDS: u8 = 14;

fn body_crc_at(kind: u8) -> Option<usize> {
    match kind {
        8 => Some(72),      // a piece of a checkpoint
        9 | 10 => Some(64), // what is forwarded, and its answer
        _ => None,
    }
}

fn mend(header: &mut [u8], body: &[u8]) {
    let Some((beginning, _)) = header.split_first_chunk_mut::<8>() else { return };
    beginning[..KIND_AT].copy_from_slice(&BEGINNING);
    beginning[KIND_AT] = 1 + beginning[KIND_AT] % KINDS;
    beginning[KIND_AT + 1..].fill(0);
    let kind = beginning[KIND_AT];
    if let Some(crc) = body_crc_at(kind).and_then(|at| header.get_mut(at..at + 4)) {
        crc.copy_from_slice(&crc32fast::hash(body).to_be_bytes());
    }
    if let Some(bytes) = header.get_mut(BODY_BYTES) {
        bytes.copy_from_slice(&(body.len() as u32).to_be_bytes());
    }
    if header.len() >= HEADER_CRC.end {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&header[..HEADER_CRC.start]);
        hasher.update(&header[HEADER_CRC.end..]);
        header[HEADER_CRC].copy_from_slice(&hasher.finalize().to_be_bytes());
    }
}

fuzz_target!(|input: &[u8]| {
    // The first two bytes divide the rest into header and body.
    let Some((header_bytes, rest)) = input.split_first_chunk() else { return };
    let at = usize::from(u16::from_be_bytes(*header_bytes)).min(rest.len());
    let (header, body) = rest.split_at(at);
    let _ = ReplicaMessage::decode(&Frame { encoding: HeaderEncoding::Json, header, body });
    let mut header = header.to_vec();
    mend(&mut header, body);
    let mended = Frame { encoding: HeaderEncoding::Json, header: &header, body };
    let Ok((envelope, message)) = ReplicaMessage::decode(&mended) else { return };
    let mut encoded = Vec::new();
    message.encode(&envelope, &mut encoded);
    let (frame, used) = decode_frame(&encoded).expect("our own frame").expect("the whole frame");
    assert_eq!(used, encoded.len());
    assert_eq!(ReplicaMessage::decode(&frame).expect("our own header"), (envelope, message));
    // One form a message: what is read is written again byte for byte.
    assert_eq!(frame, mended);
});
