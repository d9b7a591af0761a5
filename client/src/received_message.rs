//! A message as a broker stores it.

use std::borrow::Cow;
use std::io::Read;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use flate2::read::ZlibDecoder;
use protocol::message_id::OffsetMessageId;
use protocol::properties;
use protocol::record::{RecordView, decode_record};
use protocol::sys_flag::{Compression, MessageSysFlag};

use crate::error::AnswerError;

/// Largest body that a compressed one may unfold to: a small message must not fill the memory.
pub const DECOMPRESSED_BYTES_MAX: usize = 64 << 20;

/// A stored message. Body and properties are slices of the answer they came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedMessage {
    /// The topic it is stored in; of a retried message the retry topic, see [`ReceivedMessage::original_topic`].
    pub topic: Arc<str>,
    /// Its queue.
    pub queue_id: i32,
    /// Its number in the queue.
    pub queue_offset: i64,
    /// Its place in the broker's CommitLog.
    pub physical_offset: i64,
    /// The application's number.
    pub flag: i32,
    /// Compression and transaction state.
    pub sys_flag: MessageSysFlag,
    /// When the producer made it, in ms since 1970 by its clock.
    pub born_timestamp: i64,
    /// Where the producer is.
    pub born_host: SocketAddr,
    /// When the broker stored it, in ms since 1970 by its clock.
    pub store_timestamp: i64,
    /// The broker.
    pub store_host: SocketAddr,
    /// How often it was handed out before without success.
    pub reconsume_times: i32,
    /// CommitLog place of the half message of a transaction, else 0.
    pub prepared_transaction_offset: i64,
    /// CRC-32 of the stored body without its top bit.
    pub body_crc: u32,
    /// Bytes of the whole record.
    pub store_bytes: usize,
    /// The body as stored: [`ReceivedMessage::body`] decompresses it.
    pub stored_body: Bytes,
    /// The properties as stored.
    pub stored_properties: Bytes,
}

/// Why a body cannot be had in its original form.
#[derive(Debug, thiserror::Error)]
pub enum DecompressError {
    /// A compression this client has no code for.
    #[error("the body is compressed with {0}, which this client does not read")]
    Unsupported(&'static str),
    /// Not a zlib stream.
    #[error("the body says it is zlib, but does not decompress")]
    Corrupt(#[source] std::io::Error),
    /// Too large to unfold.
    #[error("the body decompresses to more than {DECOMPRESSED_BYTES_MAX} bytes")]
    TooLarge,
}

impl ReceivedMessage {
    /// Reads all records of an answer's body.
    pub(crate) fn decode_all(body: &Bytes) -> Result<Vec<Self>, AnswerError> {
        let mut messages: Vec<Self> = Vec::new();
        let mut at = 0;
        while at < body.len() {
            let (record, used) = decode_record(&body[at..]).map_err(|source| AnswerError::Record {
                at,
                body_bytes: body.len(),
                source,
            })?;
            // One answer holds one topic, so its name is shared.
            let topic = match messages.last() {
                Some(last) if *last.topic == *record.topic => Arc::clone(&last.topic),
                _ => Arc::from(record.topic),
            };
            messages.push(Self::from_record(&record, topic, body));
            at += used;
        }
        Ok(messages)
    }

    fn from_record(record: &RecordView<'_>, topic: Arc<str>, body: &Bytes) -> Self {
        Self {
            topic,
            queue_id: record.queue_id,
            queue_offset: record.queue_offset,
            physical_offset: record.physical_offset,
            flag: record.flag,
            sys_flag: MessageSysFlag(record.sys_flag),
            born_timestamp: record.born_timestamp,
            born_host: record.born_host,
            store_timestamp: record.store_timestamp,
            store_host: record.store_host,
            reconsume_times: record.reconsume_times,
            prepared_transaction_offset: record.prepared_transaction_offset,
            body_crc: record.body_crc,
            store_bytes: record.size as usize,
            stored_body: body.slice_ref(record.body),
            stored_properties: body.slice_ref(record.properties),
        }
    }

    /// A property's value, if it is there and text.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<&str> {
        properties::get_text(&self.stored_properties, name)
    }

    /// All properties in their stored order; what is not text is shown with replacement characters.
    pub fn properties(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        properties::iterate(&self.stored_properties)
            .map(|(name, value)| (String::from_utf8_lossy(name), String::from_utf8_lossy(value)))
    }

    /// Its tag.
    #[must_use]
    pub fn tags(&self) -> Option<&str> {
        self.property(properties::TAGS)
    }

    /// Its keys, separated by blanks.
    #[must_use]
    pub fn keys(&self) -> Option<&str> {
        self.property(properties::KEYS)
    }

    /// The id its producer gave it.
    #[must_use]
    pub fn unique_id(&self) -> Option<&str> {
        self.property(properties::UNIQ_KEY)
    }

    /// The id its broker gave it.
    #[must_use]
    pub fn offset_message_id(&self) -> OffsetMessageId {
        OffsetMessageId { store_host: self.store_host, physical_offset: self.physical_offset }
    }

    /// The topic it was sent to, also when it is read from a retry topic.
    #[must_use]
    pub fn original_topic(&self) -> &str {
        self.property(properties::RETRY_TOPIC).unwrap_or(&self.topic)
    }

    /// The body as the producer gave it.
    ///
    /// # Errors
    /// When it is compressed with something else than zlib, or does not decompress.
    pub fn body(&self) -> Result<Bytes, DecompressError> {
        if !self.sys_flag.is_compressed() {
            return Ok(self.stored_body.clone());
        }
        match self.sys_flag.compression() {
            Some(Compression::Zlib) => decompress(&self.stored_body, DECOMPRESSED_BYTES_MAX),
            Some(Compression::Lz4) => Err(DecompressError::Unsupported("LZ4")),
            Some(Compression::Zstd) => Err(DecompressError::Unsupported("zstd")),
            None => Err(DecompressError::Unsupported("an unknown method")),
        }
    }
}

fn decompress(stored: &[u8], bytes_max: usize) -> Result<Bytes, DecompressError> {
    let mut body = Vec::new();
    // One byte more than allowed tells a body that fits from one that was cut.
    let mut limited = ZlibDecoder::new(stored).take(bytes_max as u64 + 1);
    limited.read_to_end(&mut body).map_err(DecompressError::Corrupt)?;
    if body.len() > bytes_max {
        return Err(DecompressError::TooLarge);
    }
    Ok(body.into())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::ZlibEncoder;

    use super::*;

    fn compress(body: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_zlib_body_unfolds() {
        assert_eq!(decompress(&compress(b"hello hello hello"), 100).unwrap(), "hello hello hello");
    }

    #[test]
    fn a_small_body_cannot_fill_the_memory() {
        let bomb = compress(&vec![0; 1001]);
        assert!(matches!(decompress(&bomb, 1000), Err(DecompressError::TooLarge)));
        assert_eq!(decompress(&bomb, 1001).unwrap().len(), 1001);
    }

    #[test]
    fn a_damaged_body_is_an_error() {
        assert!(matches!(decompress(b"no zlib", 100), Err(DecompressError::Corrupt(_))));
    }
}
