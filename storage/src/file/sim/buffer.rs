//! Memory for transfers of the simulated disk.

use crate::file::{AlignedBuffer, BLOCK_BYTES};

/// A buffer of whole blocks. Its address does not matter here: nothing transfers from it directly.
pub struct SimBuffer(Vec<u8>);

impl SimBuffer {
    pub(super) fn zeroed(bytes: usize) -> Self {
        Self::from_bytes(vec![0; bytes])
    }

    pub(super) fn from_bytes(bytes: Vec<u8>) -> Self {
        assert!(bytes.len().is_multiple_of(BLOCK_BYTES), "{} bytes are not whole blocks", bytes.len());
        Self(bytes)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for SimBuffer {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl AsMut<[u8]> for SimBuffer {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl AlignedBuffer for SimBuffer {
    fn trim(&mut self, bytes: usize) {
        assert!(bytes.is_multiple_of(BLOCK_BYTES) && bytes <= self.0.len(), "cannot trim {} to {bytes}", self.0.len());
        self.0.truncate(bytes);
    }
}
