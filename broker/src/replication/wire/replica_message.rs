//! All that replicas tell each other, as one type.

use protocol::frame::{Frame, HeaderEncoding};

use super::checkpoint::{CheckpointPiece, CheckpointRequest};
use super::copy::{CopyPiece, CopyRequest};
use super::entry::{EntryGiven, EntryWanted};
use super::envelope::{self, Envelope, Kind};
use super::error::WireError;
use super::fields::FieldWriter;
use super::forward::{Forward, Forwarded};
use super::hello::{Hello, Refused};
use super::log_end::LogEnd;
use super::member_notice::MemberNotice;
use super::pull::{Pull, Pulled};
use super::raft_step::RaftStep;

/// The byte 0 in front of a header. It says nothing of what the header is here.
const ENCODING: HeaderEncoding = HeaderEncoding::Json;

/// One thing that a replica tells another. What can be long is borrowed.
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "one at a time, on the stack; a box would be an allocation a message")]
pub enum ReplicaMessage<'a> {
    /// The first frame of each side.
    Hello(Hello<'a>),
    /// The last frame to one who is not wanted.
    Refused(Refused<'a>),
    /// A message of Raft, with entries if it is an append.
    Raft(RaftStep<'a>),
    /// How far the sender's log goes.
    LogEnd(LogEnd),
    /// Asks for a piece of the log.
    Pull(Pull),
    /// A piece of the log.
    Pulled(Pulled<'a>),
    /// Asks for a piece of a checkpoint.
    CheckpointRequest(CheckpointRequest<'a>),
    /// A piece of a checkpoint.
    CheckpointPiece(CheckpointPiece<'a>),
    /// A client's request.
    Forward(Forward<'a>),
    /// The answer to one.
    Forwarded(Forwarded<'a>),
    /// Asks for an entry in place of a damaged one.
    EntryWanted(EntryWanted),
    /// That entry.
    EntryGiven(EntryGiven<'a>),
    /// A slave asks its master for what comes next.
    CopyRequest(CopyRequest),
    /// What comes next.
    CopyPiece(CopyPiece<'a>),
    /// Who belongs to the group.
    Members(MemberNotice<'a>),
}

impl<'a> ReplicaMessage<'a> {
    /// Reads one frame. Who may say what, and when, is for [`Link`](super::Link) and the caller.
    /// # Errors
    /// The first thing that is wrong; no bytes make it panic.
    pub fn decode(frame: &Frame<'a>) -> Result<(Envelope, Self), WireError> {
        let Frame { encoding, header, body } = *frame;
        if encoding != ENCODING {
            return Err(WireError::Encoding { found: encoding.to_wire(), expected: ENCODING.to_wire() });
        }
        let (kind, envelope, mut fields) = Envelope::decode(header, body.len())?;
        let message = match kind {
            Kind::Hello => Self::Hello(Hello::decode(&mut fields)?),
            Kind::Refused => Self::Refused(Refused::decode(&mut fields)?),
            Kind::Raft => Self::Raft(RaftStep::decode(&envelope, &mut fields, body)?),
            Kind::LogEnd => Self::LogEnd(LogEnd::decode(&mut fields)?),
            Kind::Pull => Self::Pull(Pull::decode(&mut fields)?),
            Kind::Pulled => Self::Pulled(Pulled::decode(&mut fields, body)?),
            Kind::CheckpointRequest => Self::CheckpointRequest(CheckpointRequest::decode(&mut fields)?),
            Kind::CheckpointPiece => Self::CheckpointPiece(CheckpointPiece::decode(&mut fields, body)?),
            Kind::Forward => Self::Forward(Forward::decode(&mut fields, body)?),
            Kind::Forwarded => Self::Forwarded(Forwarded::decode(&mut fields, body)?),
            Kind::EntryWanted => Self::EntryWanted(EntryWanted::decode(&mut fields)?),
            Kind::EntryGiven => Self::EntryGiven(EntryGiven::decode(&mut fields, body)?),
            Kind::CopyRequest => Self::CopyRequest(CopyRequest::decode(&mut fields)?),
            Kind::CopyPiece => Self::CopyPiece(CopyPiece::decode(&mut fields, body)?),
            Kind::Members => Self::Members(MemberNotice::decode(&mut fields)?),
        };
        fields.finish()?;
        // Kinds with a body have taken it whole; the others have none.
        if message.body().len() != body.len() {
            return Err(WireError::BodyLength { expected: message.body().len() as u64, found: body.len() });
        }
        Ok((envelope, message))
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Hello(_) => Kind::Hello,
            Self::Refused(_) => Kind::Refused,
            Self::Raft(_) => Kind::Raft,
            Self::LogEnd(_) => Kind::LogEnd,
            Self::Pull(_) => Kind::Pull,
            Self::Pulled(_) => Kind::Pulled,
            Self::CheckpointRequest(_) => Kind::CheckpointRequest,
            Self::CheckpointPiece(_) => Kind::CheckpointPiece,
            Self::Forward(_) => Kind::Forward,
            Self::Forwarded(_) => Kind::Forwarded,
            Self::EntryWanted(_) => Kind::EntryWanted,
            Self::EntryGiven(_) => Kind::EntryGiven,
            Self::CopyRequest(_) => Kind::CopyRequest,
            Self::CopyPiece(_) => Kind::CopyPiece,
            Self::Members(_) => Kind::Members,
        }
    }

    /// The bytes behind the header; empty for what has none.
    pub fn body(&self) -> &'a [u8] {
        match self {
            Self::Raft(step) => step.log,
            Self::Pulled(pulled) => pulled.log,
            Self::CheckpointPiece(piece) => piece.bytes,
            Self::Forward(forward) => forward.frame,
            Self::Forwarded(forwarded) => forwarded.frames,
            Self::EntryGiven(given) => given.entry,
            Self::CopyPiece(piece) => piece.log,
            Self::Hello(_) | Self::Refused(_) | Self::LogEnd(_) | Self::Pull(_) | Self::Members(_) => &[],
            Self::CheckpointRequest(_) | Self::EntryWanted(_) | Self::CopyRequest(_) => &[],
        }
    }

    /// Appends the whole frame to `out`.
    ///
    /// # Panics
    /// On what no frame holds: a text, list or body over its limit, or a message that Raft sends to its own node.
    pub fn encode(&self, envelope: &Envelope, out: &mut Vec<u8>) {
        let body = self.body();
        self.encode_head(envelope, body.len(), out);
        out.extend_from_slice(body);
    }

    /// Appends the frame without its body to `out`; `body_bytes` of it have to follow on the connection. Pieces of the log
    /// lie in buffers of their own, and are sent from there without a copy: for them, `log` may stay empty here.
    ///
    /// # Panics
    /// As [`Self::encode`], and if the body is another length although its checksum is in the header.
    pub fn encode_head(&self, envelope: &Envelope, body_bytes: usize, out: &mut Vec<u8>) {
        let frame = envelope.begin(self.kind(), out);
        let fields = FieldWriter(out);
        let has_own_checksums =
            matches!(self, Self::Raft(_) | Self::Pulled(_) | Self::EntryGiven(_) | Self::CopyPiece(_));
        assert!(has_own_checksums || body_bytes == self.body().len(), "{:?} with {body_bytes} bytes", self.kind());
        match self {
            Self::Hello(hello) => hello.encode(fields),
            Self::Refused(refused) => refused.encode(fields),
            Self::Raft(step) => step.encode(envelope, body_bytes, fields),
            Self::LogEnd(end) => end.encode(fields),
            Self::Pull(pull) => pull.encode(fields),
            Self::Pulled(pulled) => pulled.encode(fields),
            Self::CheckpointRequest(request) => request.encode(fields),
            Self::CheckpointPiece(piece) => piece.encode(fields),
            Self::Forward(forward) => forward.encode(fields),
            Self::Forwarded(forwarded) => forwarded.encode(fields),
            Self::EntryWanted(wanted) => wanted.encode(fields),
            Self::EntryGiven(given) => given.encode(fields),
            Self::CopyRequest(request) => request.encode(fields),
            Self::CopyPiece(piece) => piece.encode(fields),
            Self::Members(notice) => notice.encode(fields),
        }
        envelope::end(frame, body_bytes, out);
    }
}
