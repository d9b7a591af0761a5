//! What the callers of a connection and its pump share: the bytes to write and the requests that wait.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::code::{RequestCode, ResponseCode};
use protocol::command::{CommandEncoder, RemotingCommand};
use protocol::frame::{FRAME_BYTES_MAX, HeaderEncoding};
use protocol::header::FLAG_ONEWAY;
use tokio::sync::{Notify, Semaphore, SemaphorePermit, oneshot};

use crate::error::{ClientError, CloseCause};

/// Bytes that may be queued for a peer that reads slowly. When full, callers wait until a write has gone out.
pub(super) const QUEUED_BYTES_MAX: usize = 16 << 20;
/// A buffer that one large message has blown up is given back to the allocator above this capacity.
const BUFFER_KEPT_BYTES_MAX: usize = 1 << 20;

/// Room for the header in a frame: properties at their limit with every byte escaped in JSON, and the rest.
const HEADER_BYTES_RESERVED: usize = 512 << 10;
/// Largest body a request can carry.
pub const BODY_BYTES_MAX: usize = FRAME_BYTES_MAX as usize - HEADER_BYTES_RESERVED;

type Reply = oneshot::Sender<Result<RemotingCommand, Arc<CloseCause>>>;

#[derive(Debug)]
pub(super) struct Link {
    address: Arc<str>,
    local: SocketAddr,
    encoding: HeaderEncoding,
    slots: Semaphore,
    /// Wakes the pump: there is something to write, or no more will come.
    output_ready: Notify,
    /// Wakes callers: bytes have left, or the connection is closed.
    output_moved: Notify,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Encoded frames that no write has taken yet.
    output: Vec<u8>,
    /// Bytes ever queued and ever written; they differ by what is queued or in the running write.
    queued_bytes: u64,
    written_bytes: u64,
    /// Requests that wait, by opaque.
    pending: BTreeMap<i32, Reply>,
    last_opaque: i32,
    /// The last handle is gone: write what is queued, then close.
    finishing: bool,
    closed: Option<Arc<CloseCause>>,
}

/// What the pump should do next.
pub(super) enum Output {
    /// The given buffer holds bytes to write.
    Batch,
    /// Nothing yet.
    Idle,
    /// Nothing, and nothing will come.
    Finished,
}

impl Link {
    pub(super) fn new(address: &str, local: SocketAddr, encoding: HeaderEncoding, in_flight_max: usize) -> Self {
        Self {
            address: Arc::from(address),
            local,
            encoding,
            slots: Semaphore::new(in_flight_max),
            output_ready: Notify::new(),
            output_moved: Notify::new(),
            state: Mutex::default(),
        }
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    pub(super) fn shared_address(&self) -> Arc<str> {
        Arc::clone(&self.address)
    }

    pub(super) fn local_address(&self) -> SocketAddr {
        self.local
    }

    pub(super) fn close_cause(&self) -> Option<Arc<CloseCause>> {
        self.state().closed.clone()
    }

    pub(super) fn closed_error(&self, code: RequestCode, cause: Arc<CloseCause>) -> ClientError {
        ClientError::Closed { code, address: self.address.to_string(), cause }
    }

    /// One of the connection's in-flight slots, for as long as it is held.
    pub(super) async fn slot(&self) -> SemaphorePermit<'_> {
        self.slots.acquire().await.expect("the semaphore is never closed")
    }

    /// Returns when less than [`QUEUED_BYTES_MAX`] is queued, or the connection is closed (then queueing fails).
    pub(super) async fn wait_for_room(&self) {
        self.wait_until(|state| state.output.len() < QUEUED_BYTES_MAX).await;
    }

    /// Returns when everything queued before the call has been written.
    pub(super) async fn flushed(&self) -> Result<(), Arc<CloseCause>> {
        let up_to = self.state().queued_bytes;
        self.wait_until(|state| state.written_bytes >= up_to).await;
        let state = self.state();
        match &state.closed {
            Some(cause) if state.written_bytes < up_to => Err(Arc::clone(cause)),
            _ => Ok(()),
        }
    }

    async fn wait_until(&self, condition: impl Fn(&State) -> bool) {
        loop {
            let moved = self.output_moved.notified();
            tokio::pin!(moved);
            // Registered before the test, so that a move in between is not missed.
            moved.as_mut().enable();
            {
                let state = self.state();
                if state.closed.is_some() || condition(&state) {
                    return;
                }
            }
            moved.await;
        }
    }

    /// Queues a request and registers it as waiting.
    pub(super) fn start_request(
        &self,
        code: RequestCode,
        body: &[u8],
        fields: impl FnOnce(&mut CommandEncoder<'_>),
    ) -> Result<PendingRequest<'_>, ClientError> {
        let (reply, answer) = oneshot::channel();
        let mut state = self.state();
        let opaque = self.queue(&mut state, code, 0, body, fields)?;
        state.pending.insert(opaque, reply);
        Ok(PendingRequest { link: self, opaque, answer })
    }

    /// Queues a request that nobody waits for.
    pub(super) fn queue_oneway(
        &self,
        code: RequestCode,
        body: &[u8],
        fields: impl FnOnce(&mut CommandEncoder<'_>),
    ) -> Result<(), ClientError> {
        self.queue(&mut self.state(), code, FLAG_ONEWAY, body, fields).map(|_opaque| ())
    }

    fn queue(
        &self,
        state: &mut State,
        code: RequestCode,
        flag: i32,
        body: &[u8],
        fields: impl FnOnce(&mut CommandEncoder<'_>),
    ) -> Result<i32, ClientError> {
        if let Some(cause) = &state.closed {
            return Err(self.closed_error(code, Arc::clone(cause)));
        }
        if body.len() > BODY_BYTES_MAX {
            return Err(ClientError::BodyTooLong { code, address: self.address.to_string(), body_bytes: body.len() });
        }
        // The binary header holds codes of 16 bits; the POP codes above them exist in JSON only.
        let encoding = if i16::try_from(code.0).is_ok() { self.encoding } else { HeaderEncoding::Json };
        let opaque = state.next_opaque();
        let start = state.output.len();
        let mut command = CommandEncoder::request(&mut state.output, encoding, code.0, opaque, flag);
        fields(&mut command);
        command.finish_with_body(body);
        let frame_bytes = state.output.len() - start;
        self.queued(state, frame_bytes);
        Ok(opaque)
    }

    /// Queues the answer to a request of the server. Nobody is told when the connection is gone: neither is the
    /// server, which asks again.
    pub(super) fn queue_response(&self, opaque: i32, code: ResponseCode, remark: Option<&str>, body: &[u8]) {
        let state = &mut *self.state();
        if state.closed.is_some() {
            return;
        }
        let start = state.output.len();
        CommandEncoder::response(&mut state.output, self.encoding, code.0, opaque, remark).finish_with_body(body);
        let frame_bytes = state.output.len() - start;
        self.queued(state, frame_bytes);
    }

    fn queued(&self, state: &mut State, frame_bytes: usize) {
        state.queued_bytes += frame_bytes as u64;
        self.output_ready.notify_one();
    }

    /// Gives an answer to whoever waits for it. An answer nobody waits for is late, or to a one-way request.
    pub(super) fn answer(&self, command: RemotingCommand) {
        let reply = self.state().pending.remove(&command.opaque);
        if let Some(reply) = reply {
            // The caller may have gone in this very moment; then nobody wants it.
            let _ = reply.send(Ok(command));
        }
    }

    /// Moves what is queued into `batch`, which is empty and whose memory is used for the next batch.
    pub(super) fn take_output(&self, batch: &mut Vec<u8>) -> Output {
        assert!(batch.is_empty(), "the last batch has been written");
        if batch.capacity() > BUFFER_KEPT_BYTES_MAX {
            *batch = Vec::new();
        }
        let mut state = self.state();
        if !state.output.is_empty() {
            std::mem::swap(&mut state.output, batch);
            // Callers wait for room in the buffer that was just emptied.
            self.output_moved.notify_waiters();
            Output::Batch
        } else if state.finishing {
            Output::Finished
        } else {
            Output::Idle
        }
    }

    pub(super) async fn output_ready(&self) {
        self.output_ready.notified().await;
    }

    pub(super) fn wrote(&self, bytes: usize) {
        let mut state = self.state();
        state.written_bytes += bytes as u64;
        assert!(state.written_bytes <= state.queued_bytes, "only what was queued is written");
        self.output_moved.notify_waiters();
    }

    /// The last handle is gone.
    pub(super) fn finish(&self) {
        self.state().finishing = true;
        self.output_ready.notify_one();
    }

    /// Fails everything that waits, and everything that comes.
    pub(super) fn close(&self, cause: CloseCause) {
        let cause = Arc::new(cause);
        let pending = {
            let mut state = self.state();
            state.closed = Some(Arc::clone(&cause));
            state.output = Vec::new();
            std::mem::take(&mut state.pending)
        };
        for reply in pending.into_values() {
            let _ = reply.send(Err(Arc::clone(&cause)));
        }
        self.output_moved.notify_waiters();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while encoding would leave a half frame behind, but no invariant that a later caller relies on
        // for memory safety; passing the panic on through every other caller helps nobody.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Ids come round after 2^32 requests; one that still waits then is skipped.
    fn next_opaque(&mut self) -> i32 {
        loop {
            self.last_opaque = self.last_opaque.wrapping_add(1);
            if !self.pending.contains_key(&self.last_opaque) {
                return self.last_opaque;
            }
        }
    }
}

/// A request that waits; dropping it (the deadline, a cancelled caller) forgets the request.
pub(super) struct PendingRequest<'a> {
    link: &'a Link,
    opaque: i32,
    answer: oneshot::Receiver<Result<RemotingCommand, Arc<CloseCause>>>,
}

impl PendingRequest<'_> {
    pub(super) async fn answer(mut self) -> Result<RemotingCommand, Arc<CloseCause>> {
        match (&mut self.answer).await {
            Ok(result) => result,
            // The sender is only dropped with the whole link, which this borrows.
            Err(_) => Err(Arc::new(CloseCause::Local)),
        }
    }
}

impl Drop for PendingRequest<'_> {
    fn drop(&mut self) {
        self.link.state().pending.remove(&self.opaque);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use protocol::frame::decode_frame;
    use tokio::time::timeout;

    use super::*;

    fn link() -> Link {
        Link::new("h:1", SocketAddr::from(([127, 0, 0, 1], 1)), HeaderEncoding::RocketMq, 8)
    }

    fn take(link: &Link) -> Vec<RemotingCommand> {
        let mut batch = Vec::new();
        assert!(matches!(link.take_output(&mut batch), Output::Batch));
        let mut commands = Vec::new();
        let mut rest = batch.as_slice();
        while let Some((frame, used)) = decode_frame(rest).unwrap() {
            commands.push(RemotingCommand::decode(&frame).unwrap());
            rest = &rest[used..];
        }
        link.wrote(batch.len());
        commands
    }

    #[test]
    fn what_is_queued_between_two_writes_goes_out_as_one() {
        let link = link();
        let first = link.start_request(RequestCode::GET_MAX_OFFSET, b"", |_| {}).unwrap();
        link.queue_oneway(RequestCode::UPDATE_CONSUMER_OFFSET, b"", |_| {}).unwrap();
        let codes: Vec<_> = take(&link).iter().map(|command| (command.code, command.flag)).collect();
        assert_eq!(codes, [(30, 0), (15, FLAG_ONEWAY)]);
        assert!(matches!(link.take_output(&mut Vec::new()), Output::Idle));
        drop(first);
        link.finish();
        assert!(matches!(link.take_output(&mut Vec::new()), Output::Finished));
    }

    #[test]
    fn a_request_that_is_given_up_is_forgotten() {
        let link = link();
        let waiting = link.start_request(RequestCode::GET_MAX_OFFSET, b"", |_| {}).unwrap();
        assert_eq!(link.state().pending.len(), 1);
        drop(waiting);
        assert_eq!(link.state().pending.len(), 0);
    }

    #[test]
    fn ids_that_come_round_skip_those_that_still_wait() {
        let link = link();
        let _waiting = link.start_request(RequestCode::GET_MAX_OFFSET, b"", |_| {}).unwrap();
        link.state().last_opaque = 0;
        let _second = link.start_request(RequestCode::GET_MAX_OFFSET, b"", |_| {}).unwrap();
        let opaques: Vec<_> = take(&link).iter().map(|command| command.opaque).collect();
        assert_eq!(opaques, [1, 2]);
    }

    #[test]
    fn a_code_that_the_binary_header_cannot_hold_goes_out_in_json() {
        let link = link();
        link.queue_oneway(RequestCode::POP_MESSAGE, b"", |_| {}).unwrap();
        assert_eq!(take(&link)[0].code, RequestCode::POP_MESSAGE.0);
    }

    #[tokio::test]
    async fn callers_wait_while_too_much_is_queued() {
        let link = link();
        let body = vec![0; BODY_BYTES_MAX];
        for _ in 0..2 {
            link.queue_oneway(RequestCode::SEND_MESSAGE_V2, &body, |_| {}).unwrap();
        }
        let soon = Duration::from_millis(10);
        assert!(timeout(soon, link.wait_for_room()).await.is_err(), "twice the largest body is over the limit");
        take(&link);
        assert!(timeout(soon, link.wait_for_room()).await.is_ok());
    }

    #[tokio::test]
    async fn closing_wakes_whoever_waits_for_the_queue() {
        let link = link();
        link.queue_oneway(RequestCode::SEND_MESSAGE_V2, b"x", |_| {}).unwrap();
        let (flushed, ()) = tokio::join!(link.flushed(), async { link.close(CloseCause::Local) });
        assert!(matches!(*flushed.unwrap_err(), CloseCause::Local));
        assert!(link.queue_oneway(RequestCode::SEND_MESSAGE_V2, b"x", |_| {}).is_err());
    }
}
