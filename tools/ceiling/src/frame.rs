//! Frames: length u32 big-endian, not counting itself | that many bytes. Requests and replies look alike.

use crate::error::CeilingError;

/// The length in front of a frame.
pub const LENGTH_BYTES: usize = 4;
/// The largest frame, its length included; also the size of a connection's receive buffer, so that one always fits.
pub const FRAME_BYTES_MAX: usize = 256 << 10;

/// Whole frames at the start of some received bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cut {
    /// Frames found.
    pub frames: usize,
    /// Bytes they take, lengths included.
    pub bytes: usize,
}

/// Cuts what is whole off `received` and hands each frame's content to `take`.
/// # Errors
/// [`CeilingError::FrameTooLong`]: its end would never fit into the receive buffer.
pub fn cut(received: &[u8], mut take: impl FnMut(&[u8])) -> Result<Cut, CeilingError> {
    let mut cut = Cut::default();
    while let Some((length, rest)) = received[cut.bytes..].split_first_chunk::<LENGTH_BYTES>() {
        let length = u32::from_be_bytes(*length) as usize;
        if length > FRAME_BYTES_MAX - LENGTH_BYTES {
            return Err(CeilingError::FrameTooLong { length, length_max: FRAME_BYTES_MAX - LENGTH_BYTES });
        }
        let Some(content) = rest.get(..length) else { break };
        take(content);
        cut.frames += 1;
        cut.bytes += LENGTH_BYTES + length;
    }
    Ok(cut)
}

/// A frame of `length` bytes of content, all of them `fill`.
/// # Panics
/// When it would be longer than [`FRAME_BYTES_MAX`]: the command line checks what users ask for.
#[must_use]
pub fn filled(length: usize, fill: u8) -> Vec<u8> {
    assert!(length <= FRAME_BYTES_MAX - LENGTH_BYTES, "a frame of {length} bytes does not fit a receive buffer");
    let mut frame = vec![fill; LENGTH_BYTES + length];
    let prefix = u32::try_from(length).expect("checked above").to_be_bytes();
    frame[..LENGTH_BYTES].copy_from_slice(&prefix);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_frames_are_cut_and_the_rest_is_left() {
        let mut bytes = [filled(3, 7), filled(0, 0), filled(5, 9)].concat();
        bytes.extend_from_slice(&filled(4, 1)[..6]);
        let mut log = Vec::new();
        let cut = cut(&bytes, |content| log.extend_from_slice(content)).unwrap();
        assert_eq!(cut, Cut { frames: 3, bytes: 7 + 4 + 9 });
        assert_eq!(log, [7, 7, 7, 9, 9, 9, 9, 9]);
    }

    #[test]
    fn a_length_without_its_bytes_waits() {
        for end in 0..LENGTH_BYTES + 2 {
            assert_eq!(cut(&filled(2, 1)[..end], |_| panic!("nothing is whole")).unwrap(), Cut::default());
        }
    }

    #[test]
    fn a_frame_longer_than_the_receive_buffer_is_refused_before_it_has_come() {
        let length = u32::try_from(FRAME_BYTES_MAX - LENGTH_BYTES + 1).unwrap().to_be_bytes();
        assert!(matches!(cut(&length, |_| {}), Err(CeilingError::FrameTooLong { .. })));
    }
}
