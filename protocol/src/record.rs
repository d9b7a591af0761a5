//! The message record: the bytes on disk, on a replica, and in the body of a pull answer. One codec for all three.
//!
//! ```text
//!  0 total size i32        |  4 magic i32           |  8 body crc i32       | 12 queue id i32 | 16 flag i32
//! 20 queue offset i64      | 28 physical offset i64 | 36 sysFlag i32        | 40 born timestamp i64
//! 48 born host 4 or 16, port i32  | store timestamp i64 | store host 4 or 16, port i32
//!    reconsume times i32   | prepared transaction offset i64
//!    body length i32, body | topic length u8 (V1) or i16 (V2), topic | properties length i16, properties
//! ```
//! Big-endian. `sysFlag` says which hosts take 16 bytes, so everything behind the born host moves with it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::sys_flag::MessageSysFlag;

/// Magic of a record whose topic length is one byte.
pub const MAGIC_V1: i32 = 0xDAA3_20A7_u32 as i32;
/// Magic of a record whose topic length is two bytes. The Go client cannot read it, so it is written only for topics
/// that need it.
pub const MAGIC_V2: i32 = 0xDAA3_20AB_u32 as i32;

/// Where the total size stands.
pub const SIZE_AT: usize = 0;
/// Where the magic stands.
pub const MAGIC_AT: usize = 4;
/// Where the body's checksum stands.
pub const BODY_CRC_AT: usize = 8;
/// Where the queue id stands.
pub const QUEUE_ID_AT: usize = 12;
/// Where the user's flag stands.
pub const FLAG_AT: usize = 16;
/// Where the queue offset stands.
pub const QUEUE_OFFSET_AT: usize = 20;
/// Where the physical offset stands.
pub const PHYSICAL_OFFSET_AT: usize = 28;
/// Where the sysFlag stands.
pub const SYS_FLAG_AT: usize = 36;
/// Where the born timestamp stands.
pub const BORN_TIMESTAMP_AT: usize = 40;
/// Where the born host stands; it takes 8 or 20 bytes.
pub const BORN_HOST_AT: usize = 48;

/// Bytes of a V1 record with IPv4 hosts, without body, topic and properties.
pub const RECORD_BYTES_MIN: usize = 91;
/// Longest properties: the length is an i16.
pub const PROPERTIES_BYTES_MAX: usize = i16::MAX as usize;
/// Longest topic of a V1 record that the reference writes: it reads the length as a signed byte.
pub const TOPIC_V1_BYTES_MAX: usize = 127;

const HOST_V4_BYTES: usize = 4 + 4;
const HOST_V6_BYTES: usize = 16 + 4;

/// Where the store timestamp stands in a record with this sysFlag.
pub fn store_timestamp_at(sys_flag: i32) -> usize {
    BORN_HOST_AT + host_bytes(MessageSysFlag(sys_flag).born_host_is_v6())
}

/// Where the reconsume times stand in a record with this sysFlag.
pub fn reconsume_times_at(sys_flag: i32) -> usize {
    store_timestamp_at(sys_flag) + 8 + host_bytes(MessageSysFlag(sys_flag).store_host_is_v6())
}

/// Where the prepared transaction offset stands in a record with this sysFlag.
pub fn prepared_transaction_offset_at(sys_flag: i32) -> usize {
    reconsume_times_at(sys_flag) + 4
}

/// Where the body length stands in a record with this sysFlag; the body follows it.
pub fn body_length_at(sys_flag: i32) -> usize {
    prepared_transaction_offset_at(sys_flag) + 8
}

fn host_bytes(v6: bool) -> usize {
    if v6 { HOST_V6_BYTES } else { HOST_V4_BYTES }
}

/// Checksum of a body as it is stored: CRC-32 without its top bit, so that Java's int is never negative.
pub fn body_crc(body: &[u8]) -> u32 {
    crc32fast::hash(body) & 0x7FFF_FFFF
}

/// What a record is made of. The magic and the address bits of `sys_flag` follow from the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordFields<'a> {
    /// Queue of the topic.
    pub queue_id: i32,
    /// The user's flag, stored as it came.
    pub flag: i32,
    /// Number of the message in its queue; 0 for prepared and rolled back messages.
    pub queue_offset: i64,
    /// Byte of the log where the record starts.
    pub physical_offset: i64,
    /// See [`MessageSysFlag`].
    pub sys_flag: i32,
    /// Client's clock, ms.
    pub born_timestamp: i64,
    /// Who sent it.
    pub born_host: SocketAddr,
    /// Broker's clock, ms.
    pub store_timestamp: i64,
    /// Who stored it; clients go to this address to view the message.
    pub store_host: SocketAddr,
    /// How often it was consumed in vain.
    pub reconsume_times: i32,
    /// Physical offset of the half message, else 0.
    pub prepared_transaction_offset: i64,
    /// The body, compressed if the client did so.
    pub body: &'a [u8],
    /// The topic.
    pub topic: &'a str,
    /// See [`crate::properties`].
    pub properties: &'a [u8],
}

impl RecordFields<'_> {
    /// Size of the record.
    pub fn encoded_bytes(&self) -> usize {
        body_length_at(self.wire_sys_flag())
            + 4
            + self.body.len()
            + self.topic_length_bytes()
            + self.topic.len()
            + 2
            + self.properties.len()
    }

    /// Writes the record; `out` has exactly [`RecordFields::encoded_bytes`].
    ///
    /// # Panics
    /// If `out` has another size, or if topic or properties are longer than their length fields can say: both are
    /// checked when a message is accepted.
    pub fn encode(&self, out: &mut [u8]) {
        assert_eq!(out.len(), self.encoded_bytes(), "the caller asked for the size");
        let size = i32::try_from(out.len()).expect("a record is far below 2 GiB");
        let sys_flag = self.wire_sys_flag();
        let v2 = self.topic_length_bytes() == 2;
        let mut rest = out;
        put(&mut rest, &size.to_be_bytes());
        put(&mut rest, &(if v2 { MAGIC_V2 } else { MAGIC_V1 }).to_be_bytes());
        put(&mut rest, &body_crc(self.body).to_be_bytes());
        put(&mut rest, &self.queue_id.to_be_bytes());
        put(&mut rest, &self.flag.to_be_bytes());
        put(&mut rest, &self.queue_offset.to_be_bytes());
        put(&mut rest, &self.physical_offset.to_be_bytes());
        put(&mut rest, &sys_flag.to_be_bytes());
        put(&mut rest, &self.born_timestamp.to_be_bytes());
        put_host(&mut rest, self.born_host);
        put(&mut rest, &self.store_timestamp.to_be_bytes());
        put_host(&mut rest, self.store_host);
        put(&mut rest, &self.reconsume_times.to_be_bytes());
        put(&mut rest, &self.prepared_transaction_offset.to_be_bytes());
        put(&mut rest, &(self.body.len() as i32).to_be_bytes());
        put(&mut rest, self.body);
        if v2 {
            let length = i16::try_from(self.topic.len()).expect("topic lengths are checked on the way in");
            put(&mut rest, &length.to_be_bytes());
        } else {
            put(&mut rest, &[self.topic.len() as u8]);
        }
        put(&mut rest, self.topic.as_bytes());
        let length = i16::try_from(self.properties.len()).expect("properties lengths are checked on the way in");
        put(&mut rest, &length.to_be_bytes());
        put(&mut rest, self.properties);
        assert!(rest.is_empty(), "encoded_bytes counts every field");
    }

    fn topic_length_bytes(&self) -> usize {
        if self.topic.len() > TOPIC_V1_BYTES_MAX { 2 } else { 1 }
    }

    fn wire_sys_flag(&self) -> i32 {
        let born = if self.born_host.is_ipv6() { MessageSysFlag::BORN_HOST_V6 } else { 0 };
        let store = if self.store_host.is_ipv6() { MessageSysFlag::STORE_HOST_V6 } else { 0 };
        self.sys_flag & !(MessageSysFlag::BORN_HOST_V6 | MessageSysFlag::STORE_HOST_V6) | born | store
    }
}

fn put(rest: &mut &mut [u8], bytes: &[u8]) {
    let (head, tail) = std::mem::take(rest).split_at_mut(bytes.len());
    head.copy_from_slice(bytes);
    *rest = tail;
}

fn put_host(rest: &mut &mut [u8], host: SocketAddr) {
    match host.ip() {
        IpAddr::V4(ip) => put(rest, &ip.octets()),
        IpAddr::V6(ip) => put(rest, &ip.octets()),
    }
    put(rest, &i32::from(host.port()).to_be_bytes());
}

/// A decoded record, borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordView<'a> {
    /// Bytes of the whole record.
    pub size: i32,
    /// [`MAGIC_V1`] or [`MAGIC_V2`].
    pub magic: i32,
    /// As stored, not checked: see [`RecordView::check_body_crc`].
    pub body_crc: u32,
    /// Queue of the topic.
    pub queue_id: i32,
    /// The user's flag.
    pub flag: i32,
    /// Number of the message in its queue.
    pub queue_offset: i64,
    /// Byte of the log where the record starts.
    pub physical_offset: i64,
    /// With the address bits. See [`MessageSysFlag`].
    pub sys_flag: i32,
    /// Client's clock, ms.
    pub born_timestamp: i64,
    /// Who sent it.
    pub born_host: SocketAddr,
    /// Broker's clock, ms.
    pub store_timestamp: i64,
    /// Who stored it.
    pub store_host: SocketAddr,
    /// How often it was consumed in vain.
    pub reconsume_times: i32,
    /// Physical offset of the half message, else 0.
    pub prepared_transaction_offset: i64,
    /// The body as stored.
    pub body: &'a [u8],
    /// The topic.
    pub topic: &'a str,
    /// See [`crate::properties`].
    pub properties: &'a [u8],
}

impl<'a> RecordView<'a> {
    /// # Errors
    /// [`RecordError::BodyCrc`] if the body is not what was stored.
    pub fn check_body_crc(&self) -> Result<(), RecordError> {
        let computed = body_crc(self.body);
        if computed == self.body_crc {
            return Ok(());
        }
        Err(RecordError::BodyCrc { stored: self.body_crc, computed })
    }

    /// The parts to write the record again, changed or not.
    pub fn to_fields(&self) -> RecordFields<'a> {
        RecordFields {
            queue_id: self.queue_id,
            flag: self.flag,
            queue_offset: self.queue_offset,
            physical_offset: self.physical_offset,
            sys_flag: self.sys_flag,
            born_timestamp: self.born_timestamp,
            born_host: self.born_host,
            store_timestamp: self.store_timestamp,
            store_host: self.store_host,
            reconsume_times: self.reconsume_times,
            prepared_transaction_offset: self.prepared_transaction_offset,
            body: self.body,
            topic: self.topic,
            properties: self.properties,
        }
    }
}

/// Why bytes are not a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Not enough bytes for a field.
    #[error("record ends in {what}: need {need} bytes, have {have}")]
    Truncated {
        /// Which field.
        what: &'static str,
        /// Bytes the field takes.
        need: usize,
        /// Bytes left.
        have: usize,
    },
    /// The magic is neither V1 nor V2.
    #[error("record magic is {magic:#010x}")]
    Magic {
        /// As stored.
        magic: i32,
    },
    /// The total size is below that of an empty record.
    #[error("record size is {size}, the least is {size_min}")]
    Size {
        /// As stored.
        size: i32,
        /// The least.
        size_min: usize,
    },
    /// A length below zero.
    #[error("record: length of {what} is {length}")]
    NegativeLength {
        /// Which field.
        what: &'static str,
        /// As stored.
        length: i32,
    },
    /// The fields end before the record does.
    #[error("record of {size} bytes has {left} bytes behind its properties")]
    Surplus {
        /// Total size as stored.
        size: i32,
        /// Bytes behind the last field.
        left: usize,
    },
    /// A port that is none.
    #[error("record: port of {what} is {port}")]
    Port {
        /// Which host.
        what: &'static str,
        /// As stored.
        port: i32,
    },
    /// The topic is not UTF-8.
    #[error("record: topic is not UTF-8 at byte {at}")]
    TopicNotUtf8 {
        /// Position in the topic.
        at: usize,
    },
    /// The body is not what was stored.
    #[error("record: body has crc {computed:#010x}, stored was {stored:#010x}")]
    BodyCrc {
        /// As stored.
        stored: u32,
        /// Of the body as it is.
        computed: u32,
    },
}

/// Decodes the first record; also returns the bytes it takes. The body's checksum is not looked at.
///
/// # Errors
/// [`RecordError`]. A V1 topic length is read unsigned, a properties length below zero is an error.
pub fn decode_record(input: &[u8]) -> Result<(RecordView<'_>, usize), RecordError> {
    let mut head = Input { rest: input };
    let size = head.i32("size")?;
    let size_bytes = usize::try_from(size).unwrap_or(0);
    if size_bytes < RECORD_BYTES_MIN {
        return Err(RecordError::Size { size, size_min: RECORD_BYTES_MIN });
    }
    let truncated = RecordError::Truncated { what: "record", need: size_bytes, have: input.len() };
    let mut input = Input { rest: input.get(4..size_bytes).ok_or(truncated)? };
    let magic = input.i32("magic")?;
    if magic != MAGIC_V1 && magic != MAGIC_V2 {
        return Err(RecordError::Magic { magic });
    }
    let body_crc = u32::from_be_bytes(input.array("body crc")?);
    let queue_id = input.i32("queue id")?;
    let flag = input.i32("flag")?;
    let queue_offset = input.i64("queue offset")?;
    let physical_offset = input.i64("physical offset")?;
    let sys_flag = input.i32("sysFlag")?;
    let born_timestamp = input.i64("born timestamp")?;
    let born_host = input.host("born host", MessageSysFlag(sys_flag).born_host_is_v6())?;
    let store_timestamp = input.i64("store timestamp")?;
    let store_host = input.host("store host", MessageSysFlag(sys_flag).store_host_is_v6())?;
    let reconsume_times = input.i32("reconsume times")?;
    let prepared_transaction_offset = input.i64("prepared transaction offset")?;
    let body_length = input.i32("body length")?;
    let body = input.bytes("body", body_length)?;
    let topic_length = if magic == MAGIC_V1 {
        i32::from(input.array::<1>("topic length")?[0])
    } else {
        i32::from(input.i16("topic length")?)
    };
    let topic = std::str::from_utf8(input.bytes("topic", topic_length)?)
        .map_err(|error| RecordError::TopicNotUtf8 { at: error.valid_up_to() })?;
    let properties_length = input.i16("properties length")?;
    let properties = input.bytes("properties", i32::from(properties_length))?;
    if !input.rest.is_empty() {
        return Err(RecordError::Surplus { size, left: input.rest.len() });
    }
    let view = RecordView {
        size,
        magic,
        body_crc,
        queue_id,
        flag,
        queue_offset,
        physical_offset,
        sys_flag,
        born_timestamp,
        born_host,
        store_timestamp,
        store_host,
        reconsume_times,
        prepared_transaction_offset,
        body,
        topic,
        properties,
    };
    Ok((view, size_bytes))
}

/// The records of a pull answer's body, one behind the other. After an error nothing follows.
pub fn iterate(mut input: &[u8]) -> impl Iterator<Item = Result<RecordView<'_>, RecordError>> {
    std::iter::from_fn(move || {
        if input.is_empty() {
            return None;
        }
        let decoded = decode_record(input);
        input = match &decoded {
            Ok((_, used)) => &input[*used..],
            Err(_) => &[],
        };
        Some(decoded.map(|(view, _)| view))
    })
}

struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], RecordError> {
        let truncated = RecordError::Truncated { what, need: N, have: self.rest.len() };
        let (array, rest) = self.rest.split_first_chunk::<N>().ok_or(truncated)?;
        self.rest = rest;
        Ok(*array)
    }

    fn i16(&mut self, what: &'static str) -> Result<i16, RecordError> {
        self.array(what).map(i16::from_be_bytes)
    }

    fn i32(&mut self, what: &'static str) -> Result<i32, RecordError> {
        self.array(what).map(i32::from_be_bytes)
    }

    fn i64(&mut self, what: &'static str) -> Result<i64, RecordError> {
        self.array(what).map(i64::from_be_bytes)
    }

    fn bytes(&mut self, what: &'static str, length: i32) -> Result<&'a [u8], RecordError> {
        let need = usize::try_from(length).map_err(|_| RecordError::NegativeLength { what, length })?;
        let truncated = RecordError::Truncated { what, need, have: self.rest.len() };
        let (bytes, rest) = self.rest.split_at_checked(need).ok_or(truncated)?;
        self.rest = rest;
        Ok(bytes)
    }

    fn host(&mut self, what: &'static str, v6: bool) -> Result<SocketAddr, RecordError> {
        let ip: IpAddr = if v6 {
            Ipv6Addr::from(self.array::<16>(what)?).into()
        } else {
            Ipv4Addr::from(self.array::<4>(what)?).into()
        };
        let port = self.i32(what)?;
        let port = u16::try_from(port).map_err(|_| RecordError::Port { what, port })?;
        Ok(SocketAddr::new(ip, port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V4: &str = "127.0.0.1:50000";
    const V6: &str = "[2001:db8::1]:10911";

    fn fields<'a>(born: &str, store: &str, topic: &'a str) -> RecordFields<'a> {
        RecordFields {
            queue_id: 3,
            flag: -1,
            queue_offset: 7,
            physical_offset: 4096,
            sys_flag: MessageSysFlag::COMPRESSED,
            born_timestamp: 1_700_000_000_000,
            born_host: born.parse().unwrap(),
            store_timestamp: 1_700_000_000_001,
            store_host: store.parse().unwrap(),
            reconsume_times: 2,
            prepared_transaction_offset: 99,
            body: b"hi",
            topic,
            properties: b"TAGS\x01A\x02",
        }
    }

    fn encode(fields: &RecordFields<'_>) -> Vec<u8> {
        let mut bytes = vec![0xEE; fields.encoded_bytes()];
        fields.encode(&mut bytes);
        bytes
    }

    fn i64_at(bytes: &[u8], at: usize) -> i64 {
        i64::from_be_bytes(bytes[at..at + 8].try_into().unwrap())
    }

    #[test]
    fn every_host_combination_round_trips_with_its_positions() {
        for (born, store, extra) in [(V4, V4, 0), (V6, V4, 12), (V4, V6, 12), (V6, V6, 24)] {
            let fields = fields(born, store, "T");
            let bytes = encode(&fields);
            assert_eq!(bytes.len(), RECORD_BYTES_MIN + 2 + 1 + 7 + extra);
            let (view, used) = decode_record(&bytes).unwrap();
            assert_eq!(used, bytes.len());
            assert_eq!(RecordFields { sys_flag: fields.sys_flag, ..view.to_fields() }, fields);
            assert_eq!(view.check_body_crc(), Ok(()));
            assert_eq!(i64_at(&bytes, store_timestamp_at(view.sys_flag)), fields.store_timestamp);
            assert_eq!(i64_at(&bytes, prepared_transaction_offset_at(view.sys_flag)), 99);
            assert_eq!(&bytes[body_length_at(view.sys_flag) + 4..][..2], b"hi");
        }
    }

    #[test]
    fn the_address_bits_follow_from_the_hosts() {
        let lying = RecordFields { sys_flag: 0x33, ..fields(V4, V6, "T") };
        let bytes = encode(&lying);
        assert_eq!(decode_record(&bytes).unwrap().0.sys_flag, 0x23);
    }

    #[test]
    fn only_a_long_topic_makes_a_v2_record() {
        let (short, long) = ("t".repeat(127), "t".repeat(128));
        let short = encode(&fields(V4, V4, &short));
        assert_eq!(decode_record(&short).unwrap().0.magic, MAGIC_V1);
        let long = encode(&fields(V4, V4, &long));
        let (view, _) = decode_record(&long).unwrap();
        assert_eq!((view.magic, view.topic.len()), (MAGIC_V2, 128));
        assert_eq!(long.len(), short.len() + 2);
    }

    #[test]
    fn every_cut_of_a_record_is_an_error() {
        let bytes = encode(&fields(V6, V6, "T"));
        for end in 0..bytes.len() {
            assert!(matches!(decode_record(&bytes[..end]), Err(RecordError::Truncated { .. })), "{end} bytes");
        }
    }

    #[test]
    fn records_follow_each_other_until_the_first_error() {
        let one = encode(&fields(V4, V4, "T"));
        let mut two = [one.clone(), one.clone()].concat();
        assert_eq!(iterate(&two).filter(Result::is_ok).count(), 2);
        two.extend([0; 8]);
        let results: Vec<_> = iterate(&two).collect();
        assert_eq!(results.len(), 3);
        assert_eq!(results[2], Err(RecordError::Size { size: 0, size_min: RECORD_BYTES_MIN }));
    }

    fn damaged(at: usize, bytes: &[u8]) -> RecordError {
        let mut record = encode(&fields(V4, V4, "T"));
        record[at..at + bytes.len()].copy_from_slice(bytes);
        decode_record(&record).unwrap_err()
    }

    #[test]
    fn damage_is_named() {
        assert_eq!(damaged(MAGIC_AT, &[0; 4]), RecordError::Magic { magic: 0 });
        assert_eq!(damaged(SIZE_AT, &[0xFF; 4]), RecordError::Size { size: -1, size_min: RECORD_BYTES_MIN });
        assert_eq!(damaged(52, &[0, 1, 0, 0]), RecordError::Port { what: "born host", port: 65536 });
        assert_eq!(damaged(84, &[0xFF; 4]), RecordError::NegativeLength { what: "body", length: -1 });
        assert_eq!(damaged(84, &[0, 0, 0, 200]), RecordError::Truncated { what: "body", need: 200, have: 13 });
        assert_eq!(damaged(91, &[0xFF]), RecordError::TopicNotUtf8 { at: 0 });
        assert_eq!(damaged(92, &[0xFF, 0xFF]), RecordError::NegativeLength { what: "properties", length: -1 });
        assert_eq!(damaged(92, &[0, 6]), RecordError::Surplus { size: 101, left: 1 });
    }

    #[test]
    fn a_changed_body_is_found_by_its_checksum() {
        let mut bytes = encode(&fields(V4, V4, "T"));
        bytes[88] ^= 1;
        let (view, _) = decode_record(&bytes).unwrap();
        assert!(matches!(view.check_body_crc(), Err(RecordError::BodyCrc { .. })));
    }
}
