//! The body of a batch send: items one behind the other, no count.
//!
//! ```text
//! item size i32, itself too | magic i32 (0) | body crc i32 (0) | flag i32 | body length i32 | body
//! | properties length i16 | properties                                                  (big-endian)
//! ```
//! Magic and crc are not looked at. Topic, queue, sysFlag and timestamps stand in the request's header.

const FIXED_BYTES: usize = 5 * 4 + 2;

/// One message of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchItem<'a> {
    /// The user's flag.
    pub flag: i32,
    /// The body, never compressed.
    pub body: &'a [u8],
    /// Stored as sent; need not end in 0x02.
    pub properties: &'a [u8],
}

/// Why bytes are not a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// The body ends inside an item.
    #[error("batch item at byte {at} ends in {what}: need {need} bytes, have {have}")]
    Truncated {
        /// Where the item starts.
        at: usize,
        /// Which field.
        what: &'static str,
        /// Bytes the field takes.
        need: usize,
        /// Bytes left.
        have: usize,
    },
    /// A length below zero.
    #[error("batch item at byte {at}: length of {what} is {length}")]
    NegativeLength {
        /// Where the item starts.
        at: usize,
        /// Which field.
        what: &'static str,
        /// As sent.
        length: i32,
    },
    /// The item's size is not that of its fields.
    #[error("batch item at byte {at} says {said} bytes, its fields have {have}")]
    Size {
        /// Where the item starts.
        at: usize,
        /// As sent.
        said: i32,
        /// What the fields add up to.
        have: usize,
    },
}

/// The items of a batch body. After an error nothing follows.
pub fn iterate(body: &[u8]) -> impl Iterator<Item = Result<BatchItem<'_>, BatchError>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        if at == body.len() {
            return None;
        }
        let decoded = decode_item(body, at);
        at = match &decoded {
            Ok((_, next)) => *next,
            Err(_) => body.len(),
        };
        Some(decoded.map(|(item, _)| item))
    })
}

/// The item at `at`, and where the next one starts.
fn decode_item(body: &[u8], at: usize) -> Result<(BatchItem<'_>, usize), BatchError> {
    let mut input = Input { at, rest: &body[at..] };
    let said = input.i32("item size")?;
    input.i32("magic")?;
    input.i32("body crc")?;
    let flag = input.i32("flag")?;
    let body_length = input.i32("body length")?;
    let item_body = input.bytes("body", body_length)?;
    let properties_length = i16::from_be_bytes(input.array("properties length")?);
    let properties = input.bytes("properties", i32::from(properties_length))?;
    let next = body.len() - input.rest.len();
    if usize::try_from(said) != Ok(next - at) {
        return Err(BatchError::Size { at, said, have: next - at });
    }
    Ok((BatchItem { flag, body: item_body, properties }, next))
}

struct Input<'a> {
    /// Where the item starts, for errors.
    at: usize,
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], BatchError> {
        let truncated = BatchError::Truncated { at: self.at, what, need: N, have: self.rest.len() };
        let (array, rest) = self.rest.split_first_chunk::<N>().ok_or(truncated)?;
        self.rest = rest;
        Ok(*array)
    }

    fn i32(&mut self, what: &'static str) -> Result<i32, BatchError> {
        self.array(what).map(i32::from_be_bytes)
    }

    fn bytes(&mut self, what: &'static str, length: i32) -> Result<&'a [u8], BatchError> {
        let at = self.at;
        let need = usize::try_from(length).map_err(|_| BatchError::NegativeLength { at, what, length })?;
        let truncated = BatchError::Truncated { at, what, need, have: self.rest.len() };
        let (bytes, rest) = self.rest.split_at_checked(need).ok_or(truncated)?;
        self.rest = rest;
        Ok(bytes)
    }
}

/// Appends an item.
///
/// # Panics
/// If the properties are longer than an i16 can say, or the body than an i32: checked when a message is accepted.
pub fn encode_batch_item(out: &mut Vec<u8>, item: &BatchItem<'_>) {
    let size = FIXED_BYTES + item.body.len() + item.properties.len();
    let size = i32::try_from(size).expect("a message is far below 2 GiB");
    let properties_length = i16::try_from(item.properties.len()).expect("properties lengths are checked before");
    out.extend_from_slice(&size.to_be_bytes());
    out.extend_from_slice(&[0; 8]);
    out.extend_from_slice(&item.flag.to_be_bytes());
    out.extend_from_slice(&(item.body.len() as i32).to_be_bytes());
    out.extend_from_slice(item.body);
    out.extend_from_slice(&properties_length.to_be_bytes());
    out.extend_from_slice(item.properties);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_items() -> Vec<u8> {
        let mut out = Vec::new();
        encode_batch_item(&mut out, &BatchItem { flag: 0, body: b"a", properties: b"TAGS\x01A\x02" });
        encode_batch_item(&mut out, &BatchItem { flag: -7, body: b"", properties: b"" });
        out
    }

    #[test]
    fn items_come_back_in_order() {
        let body = two_items();
        let items: Result<Vec<_>, _> = iterate(&body).collect();
        let items = items.unwrap();
        assert_eq!(items[0], BatchItem { flag: 0, body: b"a", properties: b"TAGS\x01A\x02" });
        assert_eq!(items[1], BatchItem { flag: -7, body: b"", properties: b"" });
        assert_eq!(iterate(&[]).count(), 0);
    }

    #[test]
    fn a_cut_body_ends_in_an_error() {
        let body = two_items();
        for end in (1..body.len()).filter(|end| *end != 30) {
            let last = iterate(&body[..end]).last().unwrap();
            assert!(matches!(last, Err(BatchError::Truncated { .. })), "{end} bytes: {last:?}");
        }
    }

    #[test]
    fn a_size_that_is_not_that_of_the_fields_is_an_error() {
        let mut body = two_items();
        body[3] += 1;
        assert_eq!(iterate(&body).next(), Some(Err(BatchError::Size { at: 0, said: 31, have: 30 })));
        assert_eq!(iterate(&body).count(), 1);
    }

    #[test]
    fn negative_lengths_are_errors() {
        let mut body = two_items();
        body[16..20].copy_from_slice(&[0xFF; 4]);
        let error = BatchError::NegativeLength { at: 0, what: "body", length: -1 };
        assert_eq!(iterate(&body).next(), Some(Err(error)));
    }
}
