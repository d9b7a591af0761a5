//! The messages in a pull answer, counted by walking from size to size instead of decoding them.

use protocol::record::{self, MAGIC_AT, MAGIC_V1, MAGIC_V2, RECORD_BYTES_MIN, RecordError, SYS_FLAG_AT};

/// Counts the records in a body.
///
/// # Errors
/// [`RecordError`] for a size or magic that cannot be, and for a body that ends inside a record.
pub(crate) fn count_records(body: &[u8]) -> Result<u64, RecordError> {
    let mut count = 0;
    walk(body, |_| count += 1)?;
    Ok(count)
}

/// Hands every record's message body to `each`.
///
/// # Errors
/// As [`count_records`], and if a message's body reaches over its record.
pub(crate) fn for_each_body(body: &[u8], mut each: impl FnMut(&[u8])) -> Result<(), RecordError> {
    let mut result = Ok(());
    walk(body, |record| match message_body(record) {
        Ok(body) => each(body),
        Err(error) => result = Err(error),
    })?;
    result
}

fn walk<'a>(mut rest: &'a [u8], mut each: impl FnMut(&'a [u8])) -> Result<(), RecordError> {
    while !rest.is_empty() {
        let size = i32_at(rest, 0, "size")?;
        let bytes = usize::try_from(size).unwrap_or(0);
        if bytes < RECORD_BYTES_MIN {
            return Err(RecordError::Size { size, size_min: RECORD_BYTES_MIN });
        }
        let truncated = RecordError::Truncated { what: "record", need: bytes, have: rest.len() };
        let (record, behind) = rest.split_at_checked(bytes).ok_or(truncated)?;
        let magic = i32_at(record, MAGIC_AT, "magic")?;
        if magic != MAGIC_V1 && magic != MAGIC_V2 {
            return Err(RecordError::Magic { magic });
        }
        each(record);
        rest = behind;
    }
    Ok(())
}

fn message_body(record: &[u8]) -> Result<&[u8], RecordError> {
    let length_at = record::body_length_at(i32_at(record, SYS_FLAG_AT, "sysFlag")?);
    let length = i32_at(record, length_at, "body length")?;
    let bytes = usize::try_from(length).map_err(|_| RecordError::NegativeLength { what: "body", length })?;
    let behind = &record[length_at + 4..];
    behind.get(..bytes).ok_or(RecordError::Truncated { what: "body", need: bytes, have: behind.len() })
}

fn i32_at(bytes: &[u8], at: usize, what: &'static str) -> Result<i32, RecordError> {
    let truncated = RecordError::Truncated { what, need: at + 4, have: bytes.len() };
    let field = bytes.get(at..).and_then(|rest| rest.first_chunk::<4>()).ok_or(truncated)?;
    Ok(i32::from_be_bytes(*field))
}

/// Decodes every record and compares its body's checksum.
///
/// # Errors
/// The first thing that is wrong.
pub(crate) fn verify_records(body: &[u8]) -> Result<(), RecordError> {
    record::iterate(body).try_for_each(|record| record?.check_body_crc())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use protocol::record::{BODY_CRC_AT, RecordFields};

    use super::*;

    fn records(bodies: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        for (number, body) in bodies.iter().enumerate() {
            let host = if number % 2 == 0 { "127.0.0.1:1" } else { "[::1]:1" }.parse().unwrap();
            let fields = RecordFields {
                queue_id: 0,
                flag: 0,
                queue_offset: number as i64,
                physical_offset: out.len() as i64,
                sys_flag: 0,
                born_timestamp: 1,
                born_host: host,
                store_timestamp: 2,
                store_host: host,
                reconsume_times: 0,
                prepared_transaction_offset: 0,
                body,
                topic: "T",
                properties: b"A\x01b\x02",
            };
            let at = out.len();
            out.resize(at + fields.encoded_bytes(), 0);
            fields.encode(&mut out[at..]);
        }
        out
    }

    #[test]
    fn every_record_is_counted_and_its_body_found() {
        let bodies: [&[u8]; 3] = [b"one", b"", b"three"];
        let bytes = records(&bodies);
        assert_eq!(count_records(&bytes), Ok(3));
        let mut found = Vec::new();
        for_each_body(&bytes, |body| found.push(body.to_vec())).unwrap();
        assert_eq!(found, bodies);
        assert_eq!(count_records(&[]), Ok(0));
        assert_eq!(verify_records(&bytes), Ok(()));
    }

    #[test]
    fn a_body_that_ends_inside_a_record_is_an_error() {
        let bytes = records(&[b"one", b"two"]);
        let first = records(&[b"one"]).len();
        for end in (1..bytes.len()).filter(|end| *end != first) {
            assert!(matches!(count_records(&bytes[..end]), Err(RecordError::Truncated { .. })), "{end} bytes");
        }
    }

    #[test]
    fn what_is_no_record_is_an_error() {
        let mut bytes = records(&[b"one"]);
        bytes[MAGIC_AT] ^= 1;
        assert!(matches!(count_records(&bytes), Err(RecordError::Magic { .. })));
        assert!(matches!(count_records(&[0; 200]), Err(RecordError::Size { .. })));
    }

    #[test]
    fn verifying_finds_a_changed_body() {
        let mut bytes = records(&[b"one"]);
        bytes[BODY_CRC_AT] ^= 1;
        assert_eq!(count_records(&bytes), Ok(1));
        assert!(matches!(verify_records(&bytes), Err(RecordError::BodyCrc { .. })));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = for_each_body(&bytes, |_| {});
        }

        #[test]
        fn changed_records_never_panic(at in 0..200_usize, byte: u8) {
            let mut bytes = records(&[b"a body", b"another"]);
            let at = at % bytes.len();
            bytes[at] = byte;
            let _ = for_each_body(&bytes, |_| {});
        }
    }
}
