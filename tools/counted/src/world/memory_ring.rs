//! A ring in ordinary memory.

use storage::ring::Ring;

/// Copies as the ring in shared memory does.
pub struct MemoryRing {
    bytes: Vec<u8>,
}

impl MemoryRing {
    /// Zeroed memory.
    pub fn new(capacity: usize) -> Self {
        Self { bytes: vec![0; capacity] }
    }

    fn split(&self, position: u64, bytes: usize) -> (usize, usize) {
        let start = (position % self.bytes.len() as u64) as usize;
        (start, bytes.min(self.bytes.len() - start))
    }
}

impl Ring for MemoryRing {
    fn capacity(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn write(&mut self, position: u64, bytes: &[u8]) {
        let (start, before_end) = self.split(position, bytes.len());
        let (first, wrapped) = bytes.split_at(before_end);
        self.bytes[start..start + before_end].copy_from_slice(first);
        self.bytes[..wrapped.len()].copy_from_slice(wrapped);
    }

    fn read(&self, position: u64, out: &mut [u8]) {
        let (start, before_end) = self.split(position, out.len());
        let (first, wrapped) = out.split_at_mut(before_end);
        first.copy_from_slice(&self.bytes[start..start + before_end]);
        let wrapped_bytes = wrapped.len();
        wrapped.copy_from_slice(&self.bytes[..wrapped_bytes]);
    }
}
