//! Many acknowledgements of POP at once: body of BATCH_ACK_MESSAGE (200151).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// The request.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BatchAck {
    /// One for each queue and pop.
    pub acks: Vec<QueueAcks>,
    /// Who gave the messages out.
    pub broker_name: String,
}

/// Messages that one pop gave out of one queue.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct QueueAcks {
    /// Which are acknowledged: base64 of a little-endian bit set, bit i is the queue offset `start + i`.
    #[serde(rename = "b")]
    pub bits: String,
    /// The group.
    #[serde(rename = "c")]
    pub group: String,
    /// Invisible time, ms.
    #[serde(rename = "it")]
    pub invisible_ms: i64,
    /// Pop time, ms since 1970.
    #[serde(rename = "pt")]
    pub pop_ms: i64,
    /// Queue id.
    #[serde(rename = "q")]
    pub queue_id: i32,
    /// As in handles: which topic the messages lie in.
    #[serde(rename = "r")]
    pub source: String,
    /// Revive queue.
    #[serde(rename = "rq")]
    pub revive_queue_id: i32,
    /// Start offset.
    #[serde(rename = "so")]
    pub start: i64,
    /// The topic that was popped.
    #[serde(rename = "t")]
    pub topic: String,
}

impl QueueAcks {
    /// The bit set; `None` where `b` is no base64.
    pub fn bit_set(&self) -> Option<Vec<u8>> {
        STANDARD.decode(&self.bits).ok()
    }

    /// `b` of these bits.
    pub fn bits_of(numbers: &[usize]) -> String {
        let mut bytes = vec![0u8; numbers.iter().max().map_or(0, |last| last / 8 + 1)];
        for number in numbers {
            bytes[number / 8] |= 1 << (number % 8);
        }
        STANDARD.encode(bytes)
    }
}

json_body!(BatchAck);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_reads_back_and_its_bits_are_little_endian() {
        let bits = QueueAcks::bits_of(&[0, 3, 9]);
        assert_eq!(bits, "CQI=");
        let ack = QueueAcks { bits, group: "g".to_owned(), topic: "T".to_owned(), start: 7, ..QueueAcks::default() };
        assert_eq!(ack.bit_set(), Some(vec![0b1001, 0b10]));
        let batch = BatchAck { acks: vec![ack], broker_name: "b".to_owned() };
        assert_eq!(BatchAck::decode(&batch.encode()).unwrap(), batch);
        assert_eq!(QueueAcks { bits: "§".to_owned(), ..QueueAcks::default() }.bit_set(), None);
    }
}
