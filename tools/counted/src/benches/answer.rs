//! The answer to a send.

use std::fmt::Write as _;
use std::hint::black_box;

use protocol::HeaderEncoding;
use protocol::command::CommandEncoder;
use protocol::message_id::OffsetMessageId;

use super::{MESSAGES, Rounds};
use crate::bench::Bench;
use crate::inputs;

/// See the module's text.
pub const ALL: &[Bench] = &[
    Bench { name: "answer-json", covers: "message id and JSON answer", run: || answer(HeaderEncoding::Json) },
    Bench { name: "answer-binary", covers: "message id and binary answer", run: || answer(HeaderEncoding::RocketMq) },
];

fn answer(encoding: HeaderEncoding) -> u64 {
    let unique_keys: Vec<_> = (0..MESSAGES).map(inputs::nth_unique_key).collect();
    let (mut out, mut id) = (Vec::new(), String::new());
    let all = || {
        out.clear();
        for (number, unique_key) in unique_keys.iter().enumerate() {
            id.clear();
            let physical_offset = 900_000_000_000 + number as i64 * 1_300;
            let store_host = black_box(inputs::STORE_HOST);
            let written = write!(id, "{}", OffsetMessageId { store_host, physical_offset });
            written.expect("text takes it");
            let mut encoder = CommandEncoder::response(&mut out, black_box(encoding), 0, 70_000 + number as i32, None);
            encoder.field("msgId", id.as_str()).field("queueId", black_box(3)).field("queueOffset", 12_345_678);
            encoder.optional_field("transactionId", Some(unique_key.as_str()));
            encoder.field("MSG_REGION", "DefaultRegion").field("TRACE_ON", true);
            encoder.finish();
        }
        black_box(&out);
    };
    Rounds::OF_SWEEPS.run_alone(MESSAGES, all)
}
