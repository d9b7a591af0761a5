//! Requests of clients whose route is old: a replica that does not lead hands them on to the one that does.
//!
//! ```text
//! forward:   request id u64 | body crc u32 | client address text;   body: the client's frame
//! forwarded: request id u64 | body crc u32;                         body: the answer frames
//! ```

use super::error::WireError;
use super::fields::{FieldReader, FieldWriter};
use super::hello::ADDRESS_BYTES_MAX;

/// A client's request, handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forward<'a> {
    /// The sender's own; comes back with the answer. 0: none is wanted, as for a one-way request.
    pub request_id: u64,
    /// `host:port` of the client: a message's born host.
    pub client_address: &'a str,
    /// The whole frame as the client sent it.
    pub frame: &'a [u8],
}

/// The answer to a [`Forward`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forwarded<'a> {
    /// As in the request.
    pub request_id: u64,
    /// The frame for the client. Empty: the node does not lead, and nothing of the request was done.
    pub frames: &'a [u8],
}

impl<'a> Forward<'a> {
    pub(super) fn decode(fields: &mut FieldReader<'a>, frame: &'a [u8]) -> Result<Self, WireError> {
        let request_id = fields.u64("request id")?;
        check_body(fields.u32("body crc")?, frame)?;
        Ok(Self { request_id, client_address: fields.text("client address", ADDRESS_BYTES_MAX)?, frame })
    }

    pub(super) fn encode(&self, mut fields: FieldWriter<'_>) {
        fields.u64(self.request_id);
        fields.u32(crc32fast::hash(self.frame));
        fields.text(self.client_address, ADDRESS_BYTES_MAX);
    }
}

impl<'a> Forwarded<'a> {
    pub(super) fn decode(fields: &mut FieldReader<'a>, frames: &'a [u8]) -> Result<Self, WireError> {
        let request_id = fields.u64("request id")?;
        check_body(fields.u32("body crc")?, frames)?;
        Ok(Self { request_id, frames })
    }

    pub(super) fn encode(&self, mut fields: FieldWriter<'_>) {
        fields.u64(self.request_id);
        fields.u32(crc32fast::hash(self.frames));
    }
}

/// Bodies that carry no checksum of their own have it in the header.
pub(super) fn check_body(found: u32, body: &[u8]) -> Result<(), WireError> {
    let computed = crc32fast::hash(body);
    if found == computed { Ok(()) } else { Err(WireError::BodyCrc { found, computed, bytes: body.len() }) }
}
