//! A request as processors see it, and the ways to answer it.

use observe::{ReadAt, RpcAnswer};
use protocol::code::ResponseCode;
use protocol::command::CommandEncoder;
use protocol::frame::{FRAME_BYTES_MAX, Frame, HeaderEncoding};
use protocol::header::{FieldError, Header};
use runtime::{ConnectionId, Peer};
use storage::AppendError;

use crate::env::Env;
use crate::route_table;
use crate::shard::Shard;

/// Longest body of an answer; the rest of the frame is for its header.
const ANSWER_BODY_BYTES_MAX: usize = FRAME_BYTES_MAX as usize - (64 << 10);

/// One decoded request.
pub(crate) struct Request<'a> {
    pub(crate) peer: &'a Peer,
    pub(crate) header: &'a Header,
    pub(crate) encoding: HeaderEncoding,
    pub(crate) body: &'a [u8],
    /// Its code's, see [`crate::route_table::number`].
    pub(crate) number: u16,
    /// When it was read.
    pub(crate) read_at: ReadAt,
}

impl<'a> Request<'a> {
    /// One that is read now.
    pub(crate) fn new<E: Env>(shard: &Shard<E>, peer: &'a Peer, frame: &Frame<'a>, header: &'a Header) -> Self {
        let (number, read_at) = (route_table::number(header.code), shard.metrics.read_at());
        Self { peer, header, encoding: frame.encoding, body: frame.body, number, read_at }
    }

    pub(crate) fn ticket(&self) -> Ticket {
        Ticket {
            connection: self.peer.id,
            opaque: self.header.opaque,
            encoding: self.encoding,
            is_oneway: self.header.is_oneway(),
            is_held: false,
            number: self.number,
            read_at: self.read_at,
        }
    }
}

/// What is needed to answer a request, now or later.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Ticket {
    pub(crate) connection: ConnectionId,
    pub(crate) opaque: i32,
    pub(crate) encoding: HeaderEncoding,
    pub(crate) is_oneway: bool,
    /// It waited for something to answer.
    pub(crate) is_held: bool,
    /// As the request's.
    pub(crate) number: u16,
    /// As the request's.
    pub(crate) read_at: ReadAt,
}

impl Ticket {
    /// What metrics count an answer with `code` as.
    pub(crate) fn answer_kind(self, code: ResponseCode) -> RpcAnswer {
        RpcAnswer { is_held: self.is_held, is_oneway: self.is_oneway, ..RpcAnswer::new(self.number, code.0) }
    }

    /// Counts an answer that was made without the functions below.
    pub(crate) fn answered<E: Env>(self, shard: &Shard<E>, code: ResponseCode) {
        shard.metrics.answered(self.answer_kind(code), self.read_at, || shard.env.instant());
    }

    /// Answers with header fields only. A one-way request gets no answer, whatever it is.
    pub(crate) fn answer<E: Env>(
        self,
        shard: &Shard<E>,
        code: ResponseCode,
        remark: Option<&str>,
        fields: impl FnOnce(&mut CommandEncoder<'_>),
    ) {
        self.answer_with_body(shard, code, remark, fields, &[]);
    }

    /// Answers with header fields and a body. A list that fits no frame is refused: it can be asked for in parts.
    pub(crate) fn answer_with_body<E: Env>(
        self,
        shard: &Shard<E>,
        code: ResponseCode,
        remark: Option<&str>,
        fields: impl FnOnce(&mut CommandEncoder<'_>),
        body: &[u8],
    ) {
        if self.is_oneway {
            return;
        }
        if body.len() > ANSWER_BODY_BYTES_MAX {
            let bytes = body.len();
            let remark = format!("the answer has {bytes} bytes, a frame holds {ANSWER_BODY_BYTES_MAX}");
            return self.refuse(shard, &Refusal::new(ResponseCode::SYSTEM_ERROR, remark));
        }
        self.answered(shard, code);
        shard.outbox.with_buffer(self.connection, |buffer| {
            let mut encoder = CommandEncoder::response(buffer, self.encoding, code.0, self.opaque, remark);
            fields(&mut encoder);
            encoder.finish_with_body(body);
        });
    }

    /// Answers 0 without fields or body.
    pub(crate) fn succeed<E: Env>(self, shard: &Shard<E>) {
        self.answer(shard, ResponseCode::SUCCESS, None, |_| ());
    }

    /// Answers 0 with a body.
    pub(crate) fn succeed_with_body<E: Env>(self, shard: &Shard<E>, body: &[u8]) {
        self.answer_with_body(shard, ResponseCode::SUCCESS, None, |_| (), body);
    }

    /// Answers a refusal.
    pub(crate) fn refuse<E: Env>(self, shard: &Shard<E>, refusal: &Refusal) {
        self.answer(shard, refusal.code, Some(&refusal.remark), |encoder| {
            for (key, value) in refusal.fields {
                encoder.field(key, *value);
            }
        });
    }
}

/// A request that is answered with an error. Nothing of it was done.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) code: ResponseCode,
    pub(crate) remark: String,
    /// Fields that clients find in a refusal too.
    pub(crate) fields: &'static [(&'static str, &'static str)],
}

impl Refusal {
    pub(crate) fn new(code: ResponseCode, remark: impl Into<String>) -> Self {
        Self { code, remark: remark.into(), fields: &[] }
    }
}

/// Why a request is not done.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Halt {
    /// It is answered with an error.
    Refuse(Refusal),
    /// It is offered again when the log takes more.
    Stall,
}

impl Halt {
    pub(crate) fn refuse(code: ResponseCode, remark: impl Into<String>) -> Self {
        Self::Refuse(Refusal::new(code, remark))
    }
}

impl From<FieldError> for Halt {
    fn from(error: FieldError) -> Self {
        Self::refuse(ResponseCode::SYSTEM_ERROR, error.to_string())
    }
}

impl From<AppendError> for Halt {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Backlog { .. } | AppendError::SegmentPending => Self::Stall,
            AppendError::TooLong { .. } => Self::refuse(ResponseCode::MESSAGE_ILLEGAL, error.to_string()),
            AppendError::DiskFull { .. } | AppendError::Failed { .. } => {
                Self::refuse(ResponseCode::SERVICE_NOT_AVAILABLE, error.to_string())
            }
        }
    }
}
