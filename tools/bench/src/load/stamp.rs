//! What `e2e` and `mixed` write at the beginning of each body.
//!
//! ```text
//! 0 run id u64 | 8 due u64, nanoseconds of the machine's monotonic clock            (big-endian)
//! ```

use crate::plan::STAMP_BYTES;

/// Writes a stamp over the beginning of a body.
///
/// # Panics
/// If the body is shorter than a stamp: the plan's check refuses such sizes.
pub(crate) fn put_stamp(body: &mut [u8], run_id: u64, due_ns: u64) {
    body[..8].copy_from_slice(&run_id.to_be_bytes());
    body[8..STAMP_BYTES].copy_from_slice(&due_ns.to_be_bytes());
}

/// When the message was due, if it is one of this run.
pub(crate) fn read_stamp(body: &[u8], run_id: u64) -> Option<u64> {
    let (run, rest) = body.split_first_chunk::<8>()?;
    let due = rest.first_chunk::<8>()?;
    (u64::from_be_bytes(*run) == run_id).then(|| u64::from_be_bytes(*due))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_read_by_its_own_run_only() {
        let mut body = vec![b'x'; 20];
        put_stamp(&mut body, 7, 12_345);
        assert_eq!(read_stamp(&body, 7), Some(12_345));
        assert_eq!(read_stamp(&body, 8), None);
        assert_eq!(read_stamp(&body[..15], 7), None);
        assert_eq!(&body[16..], b"xxxx");
    }
}
