//! Everything one core owns: a store, the tables beside it, and the requests under way.
//!
//! A sweep hands requests to [`Shard::handle`]; what they append joins one log entry. [`Shard::sweep_end`] seals it,
//! acknowledges what may be acknowledged and wakes the task that writes. Nothing here is shared with another thread.

use std::cell::{Cell, OnceCell, RefCell};
use std::net::SocketAddr;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::body::TopicConfig;
use protocol::code::ResponseCode;
use protocol::command::CommandEncoder;
use protocol::frame::Frame;
use protocol::header::Header;
use protocol::message_id::UniqueIdSource;
use protocol::record::RecordFields;
use runtime::{CloseReason, Flow, MailboxSender, Outbox, Peer};
use storage::AppendError;
use storage::commit_log::{PENDING_BYTES_MAX, frame_control};
use storage::consume_queue::QueueIndex;
use storage::key_index::KeyIndex;
use storage::store::{Appended, MessageStore};

use crate::arrivals::Arrivals;
use crate::assignment::KnownRoutes;
use crate::client_calls::ClientCalls;
use crate::client_table::ClientTable;
use crate::committer::Committer;
use crate::config::{BrokerConfig, ShardIdentity};
use crate::control_record::ControlRecord;
use crate::control_tables::ControlTables;
use crate::env::Env;
use crate::group_commit::GroupCommit;
use crate::inline_filters::InlineFilters;
use crate::key_indexing::KeyIndexing;
use crate::live_config::LiveConfig;
use crate::master_slave::MasterSlave;
use crate::metrics::{GroupReport, GroupSlot, ShardMetrics, ShardReport};
use crate::parked_pulls::ParkedPulls;
use crate::pop::PopState;
use crate::processor::assignment::{self, WaitingMember};
use crate::processor::client_call::{self, Waiter};
use crate::processor::pull::{self, PullJob};
use crate::pulled_offsets::PulledOffsets;
use crate::queue_locks::QueueLocks;
use crate::registration::RegistrationSender;
use crate::replication::{Answerer, Giving, Installing, Replica};
use crate::request::{Halt, Request, Ticket};
use crate::route_table;
use crate::send_properties::BrokerProperties;
use crate::shard_message::ShardMessage;
use crate::statistics::Statistics;
use crate::timers::TimerSignals;
use crate::transactions::check_back::CheckBack;

/// What a handler that changes tables may add to the log at most; asked for before it changes anything.
pub(crate) const CONTROL_BYTES_MAX: usize = 64 << 10;

/// The whole table of topics is registered this often on average at most, ...
const REGISTRATION_PAUSE_MS: i64 = 100;
/// ... but this many changes in a row are registered at once each: clients ask for a new topic's route straight away.
const REGISTRATION_BURST: i64 = 32;
/// How often a checkpoint that has to wait for another looks.
const CHECKPOINT_WAIT: Duration = Duration::from_millis(1);
/// Requests go on for so long between two parts of a checkpoint's tables that are encoded.
const CHECKPOINT_PAUSE: Duration = Duration::from_micros(200);
/// Reads of old messages that one shard has under way; further ones are answered busy.
const READS_MAX: usize = 4096;
/// What a read takes that answers a number: see [`Shard::spawn_read`].
pub(crate) const SMALL_READ_BYTES: usize = 16 << 10;

/// One shard. Holding an `Rc` of it makes sharing it between threads a compile error.
pub struct Shard<E: Env> {
    pub(crate) env: E,
    pub(crate) config: LiveConfig,
    pub(crate) identity: ShardIdentity,
    /// Address that clients reach this shard at; part of every message id.
    pub(crate) store_host: SocketAddr,
    pub(crate) store: MessageStore<E::Disk>,
    pub(crate) tables: RefCell<ControlTables>,
    pub(crate) clients: RefCell<ClientTable>,
    pub(crate) calls: RefCell<ClientCalls<Waiter>>,
    pub(crate) locks: RefCell<QueueLocks>,
    /// Where topics are whose queues are shared out here.
    pub(crate) routes: RefCell<KnownRoutes<WaitingMember>>,
    /// `None`: messages are not found by key.
    pub(crate) key_indexing: Option<KeyIndexing>,
    pub(crate) parked: RefCell<ParkedPulls<QueueIndex, PullJob>>,
    pub(crate) pulled_offsets: RefCell<PulledOffsets>,
    pub(crate) inline_filters: RefCell<InlineFilters>,
    pub(crate) statistics: RefCell<Statistics>,
    pub(crate) unique_ids: RefCell<UniqueIdSource>,
    pub(crate) broker_properties: BrokerProperties,
    pub(crate) outbox: Outbox,
    pub(crate) siblings: Vec<MailboxSender<ShardMessage>>,
    pub(crate) registration: RegistrationSender,
    pub(crate) commit: RefCell<GroupCommit>,
    pub(crate) scratch: RefCell<Scratch>,
    /// Whether the store's disk is fuller than sends may make it.
    pub(crate) disk_is_full: Cell<bool>,
    /// An operator wants expired segments to go now.
    pub(crate) retention_asked: Cell<bool>,
    /// Number of the next request from this shard to a client.
    pub(crate) next_opaque: Cell<i32>,
    pub(crate) metrics: ShardMetrics,
    pub(crate) check_back: CheckBack,
    header: RefCell<Header>,
    /// Reads of old messages under way.
    reads: Cell<usize>,
    has_stalled: Cell<bool>,
    /// One at a time makes a checkpoint, removes segments, or replaces the store.
    pub(crate) is_checkpointing: Cell<bool>,
    topics_changed: Cell<bool>,
    registration_due_ms: Cell<i64>,
    pub(crate) committer: Committer,
    /// Its part in a group of replicas; never set for a shard that stands alone.
    pub(crate) replica: OnceCell<Replica>,
    started: Instant,
    pub(crate) installing: Installing<E::Disk>,
    pub(crate) giving: Giving,
    /// Its part as a master or slave; never set in another mode.
    pub(crate) master_slave: OnceCell<MasterSlave>,
    pub(crate) timers: TimerSignals,
    pub(crate) pops: PopState,
}

/// Buffers that requests use one after the other.
#[derive(Default)]
pub(crate) struct Scratch {
    pub(crate) properties: Vec<u8>,
    pub(crate) records: Vec<ControlRecord>,
    pub(crate) control: Vec<u8>,
    pub(crate) woken: Vec<PullJob>,
}

/// What a shard is made of.
pub struct ShardParts<E: Env> {
    /// Its world.
    pub env: E,
    /// Settings of the process.
    pub config: Arc<BrokerConfig>,
    /// Name, ports, folder.
    pub identity: ShardIdentity,
    /// Its store, open.
    pub store: MessageStore<E::Disk>,
    /// What replay made of the log.
    pub tables: ControlTables,
    /// Where its answers go.
    pub outbox: Outbox,
    /// The other shards of the process.
    pub siblings: Vec<MailboxSender<ShardMessage>>,
    /// The control thread's end that registers with name servers.
    pub registration: RegistrationSender,
}

impl<E: Env> Shard<E> {
    /// A shard that is ready for its first request.
    pub fn new(parts: ShardParts<E>) -> Self {
        let ShardParts { env, config, identity, store, tables, outbox, siblings, registration } = parts;
        let store_host = SocketAddr::new(config.network.advertised_ip, identity.listen_port);
        let broker_properties =
            BrokerProperties::new(&config.identity.region_id, config.identity.trace_on, &config.identity.cluster_name);
        let unique_ids = UniqueIdSource::new(store_host.ip(), std::process::id(), identity.index);
        let parked = ParkedPulls::with_pulls_max(config.pulls.parked_max as usize);
        let (now_ms, started) = (env.now_ms(), env.instant());
        let routes = KnownRoutes::new(config.assignment.poll_interval.as_millis() as i64);
        let indexes_keys = config.queries.by_key;
        let giving = Giving::new(config.replication.catch_up_bytes_per_second);
        let key_indexing = indexes_keys.then(|| KeyIndexing::new(KeyIndex::new(store.log().end().position)));
        Self {
            env,
            config: LiveConfig::new(config),
            identity,
            store_host,
            store,
            tables: RefCell::new(tables),
            clients: RefCell::new(ClientTable::new()),
            calls: RefCell::default(),
            locks: RefCell::new(QueueLocks::new()),
            routes: RefCell::new(routes),
            key_indexing,
            parked: RefCell::new(parked),
            pulled_offsets: RefCell::default(),
            inline_filters: RefCell::default(),
            statistics: RefCell::new(Statistics::new(now_ms)),
            unique_ids: RefCell::new(unique_ids),
            broker_properties,
            outbox,
            siblings,
            registration,
            commit: RefCell::default(),
            scratch: RefCell::default(),
            disk_is_full: Cell::new(false),
            retention_asked: Cell::new(false),
            next_opaque: Cell::new(0),
            metrics: ShardMetrics::new(started),
            check_back: CheckBack::default(),
            header: RefCell::default(),
            reads: Cell::new(0),
            has_stalled: Cell::new(false),
            is_checkpointing: Cell::new(false),
            topics_changed: Cell::new(true),
            registration_due_ms: Cell::new(0),
            committer: Committer::default(),
            replica: OnceCell::new(),
            started,
            installing: Installing::default(),
            giving,
            master_slave: OnceCell::new(),
            timers: TimerSignals::default(),
            pops: PopState::default(),
        }
    }

    /// Milliseconds since this shard was made, on a clock that never goes back.
    pub(crate) fn uptime_ms(&self) -> i64 {
        i64::try_from((self.env.instant() - self.started).as_millis()).unwrap_or(i64::MAX)
    }

    /// Handles one frame.
    pub fn handle(self: &Rc<Self>, peer: &Peer, frame: &Frame<'_>) -> Flow {
        let mut header = self.header.take();
        let flow = match header.decode(frame) {
            Ok(()) => self.handle_request(peer, frame, &header),
            Err(error) => Flow::Close(CloseReason(error.to_string().into())),
        };
        self.header.replace(header);
        flow
    }

    fn handle_request(self: &Rc<Self>, peer: &Peer, frame: &Frame<'_>, header: &Header) -> Flow {
        if header.is_response() {
            client_call::answered(self, peer, frame, header);
            return Flow::Continue;
        }
        let request = Request::new(self, peer, frame, header);
        let ran = match self.answerer(&request) {
            Ok(Answerer::Own) => route_table::run(self, &request),
            Ok(Answerer::Leader(node)) => self.forward(node, &request, frame),
            Err(halt) => Err(halt),
        };
        match ran {
            Ok(()) => {
                if header.is_oneway() {
                    request.ticket().answered(self, ResponseCode::SUCCESS);
                }
                Flow::Continue
            }
            Err(Halt::Refuse(refusal)) => {
                tracing::debug!(remote = %peer.remote, code = header.code, answer = %refusal.code, remark = refusal.remark, "refused");
                request.ticket().refuse(self, &refusal);
                Flow::Continue
            }
            Err(Halt::Stall) => {
                self.has_stalled.set(true);
                Flow::Stall
            }
        }
    }

    /// The group-commit point: everything appended since the last one becomes an entry, and its answers a batch.
    pub fn sweep_end(self: &Rc<Self>) {
        if let Some(replica) = self.replica.get() {
            self.offer_held(replica);
        }
        if self.may_change() {
            self.log_changes();
        }
        self.seal();
        self.replicate();
        self.confirm();
        self.wake_committer();
        self.register_changes();
        if self.store.log().needs_next_segment() {
            let shard = self.clone();
            self.env.spawn_background(async move { shard.prepare_next_segment().await });
        }
        if let Some(replica) = self.replica.get() {
            self.send_answers(replica);
        }
    }

    /// Makes an entry of everything appended since the last one, and a batch of the answers that wait for it.
    pub(crate) fn seal(&self) {
        // Another replica may lead the next moment, and has to know the offsets; and nobody hears of a pop that is not in the log.
        // What waits in the list since a sweep whose end the log took nothing at is no longer marked.
        let wants_offsets = self.replica.get().is_some()
            || self.tables.borrow().pops.is_dirty()
            || !self.scratch.borrow().records.is_empty();
        let are_offsets_logged = !wants_offsets || self.log_offsets();
        let end = self.store.log().seal();
        // Those who were to hear of an offset that the log does not take now wait for the next batch.
        if are_offsets_logged {
            self.commit.borrow_mut().seal(end.position);
            self.seal_copy_waits(end.position);
        }
    }

    /// Fails with [`Halt::Stall`] unless all changes so far are in the log and it takes another one now: asked before a
    /// table is changed, so that the change is never answered, nor built upon, without its record.
    pub(crate) fn admit_change(&self) -> Result<(), Halt> {
        if !self.may_change() {
            return Err(self.not_leading());
        }
        if let Ok(mut scratch) = self.scratch.try_borrow_mut()
            && !self.append_changes(&mut scratch)
        {
            // The log says itself if it is not merely full.
            self.store.log().admit(0, CONTROL_BYTES_MAX)?;
            return Err(Halt::Stall);
        }
        Ok(self.store.log().admit(0, CONTROL_BYTES_MAX)?)
    }

    /// Appends what topics and groups have changed since the last call. False: some of it has to wait for the log.
    pub(crate) fn log_changes(&self) -> bool {
        self.append_changes(&mut self.scratch.borrow_mut())
    }

    fn append_changes(&self, scratch: &mut Scratch) -> bool {
        {
            let mut tables = self.tables.borrow_mut();
            tables.topics.take_records(&mut scratch.records);
            tables.groups.take_records(&mut scratch.records);
            tables.request_modes.take_records(&mut scratch.records);
        }
        self.append_records(scratch)
    }

    /// Appends what was popped and the offsets that consumers committed since the last call. False: some have to wait for the
    /// log.
    pub(crate) fn log_offsets(&self) -> bool {
        let mut scratch = self.scratch.borrow_mut();
        // What waits goes first, and nothing is taken meanwhile: the table keeps one position a queue, a list would grow.
        if !self.append_records(&mut scratch) {
            return false;
        }
        self.tables.borrow_mut().take_consumption_records(&mut scratch.records);
        self.append_records(&mut scratch)
    }

    /// Whether tables hold changes that the log does not. They are lost with this call.
    pub(crate) fn has_unlogged_changes(&self) -> bool {
        let mut scratch = self.scratch.borrow_mut();
        self.tables.borrow_mut().take_records(&mut scratch.records);
        !scratch.records.is_empty()
    }

    /// What the log does not take now stays for the next call. The log has all of it together, as far as a unit can be so long:
    /// a restart, or the next leader, knows of what was popped and how far that brought its group, or of neither.
    fn append_records(&self, scratch: &mut Scratch) -> bool {
        let Scratch { records, control, .. } = scratch;
        if records.is_empty() || !self.takes_appends() {
            return records.is_empty();
        }
        let appended = match self.append_together(records, control) {
            Err(AppendError::TooLong { .. }) => records
                .iter()
                .take_while(|record| self.append_together(std::slice::from_ref(record), control).is_ok())
                .count(),
            Ok(()) => records.len(),
            Err(_) => 0,
        };
        let changes_topics =
            |record: &ControlRecord| matches!(record, ControlRecord::TopicPut(_) | ControlRecord::TopicDelete(_));
        if records[..appended].iter().any(changes_topics) {
            self.topics_changed.set(true);
        }
        records.drain(..appended);
        records.is_empty()
    }

    fn append_together(&self, records: &[ControlRecord], framed: &mut Vec<u8>) -> Result<(), AppendError> {
        framed.clear();
        records.iter().for_each(|record| frame_control(framed, |out| record.encode(out)));
        let appended = self.store.append_framed(framed);
        if let Err(error) = &appended {
            tracing::debug!(%error, waiting = records.len(), "changes wait for the log");
        }
        appended
    }

    /// Appends messages to a queue as one unit; see [`MessageStore::append`].
    pub(crate) fn append(
        &self,
        topic: &str,
        queue_id: i32,
        records: &mut [RecordFields<'_>],
        tags_code: impl Fn(usize) -> i64,
        control: &[u8],
    ) -> Result<Appended, AppendError> {
        assert!(queue_id >= 0, "queue ids are checked before");
        if !self.takes_appends() {
            return Err(AppendError::Failed {
                cause: "this replica does not lead its group, or is a slave".to_owned(),
            });
        }
        let queue = self.store.queues().borrow_mut().find_or_add(topic, queue_id as u32);
        let bytes: usize = records.iter().map(|record| record.body.len()).sum();
        let appended = self.store.append(queue, records, tags_code, control)?;
        self.statistics.borrow_mut().put(records.len() as u64, bytes as u64);
        self.metrics.stored(queue, topic, records.len() as u64, appended.end - appended.physical_offset);
        Ok(appended)
    }

    /// Whether this shard takes changes: it stands alone, or leads its group.
    pub(crate) fn may_change(&self) -> bool {
        self.replica.get().is_none_or(Replica::leads) && self.master_slave.get().is_none_or(MasterSlave::serves)
    }

    /// Appends a control record by itself; see [`MessageStore::append_control`].
    pub(crate) fn append_control(&self, record: &[u8]) -> Result<(), AppendError> {
        if !self.takes_appends() {
            return Err(AppendError::Failed {
                cause: "this replica does not lead its group, or is a slave".to_owned(),
            });
        }
        self.store.append_control(record)
    }

    fn takes_appends(&self) -> bool {
        self.replica.get().is_none_or(Replica::takes_appends) && self.master_slave.get().is_none_or(MasterSlave::serves)
    }

    /// Has this replica show, before what [`Self::answer_settled`] answers, that it leads still: by an entry that a majority
    /// has to take. One that stood still, and was replaced meanwhile, would tell what was so before.
    /// # Errors
    /// The log takes none now.
    pub(crate) fn confirm_lead(&self) -> Result<(), Halt> {
        if self.replica.get().is_some() {
            self.store.log().append(0, 0, &[], |_, _| ())?;
        }
        Ok(())
    }

    /// Answers what shows the tables. What they hold may be in doubt yet where a majority has to agree.
    pub(crate) fn answer_settled(&self, ticket: Ticket, fields: impl FnOnce(&mut CommandEncoder<'_>)) {
        if self.replica.get().is_none() {
            return ticket.answer(self, ResponseCode::SUCCESS, None, fields);
        }
        self.answer_when_safe(ticket, |buffer| {
            let mut encoder =
                CommandEncoder::response(buffer, ticket.encoding, ResponseCode::SUCCESS.0, ticket.opaque, None);
            fields(&mut encoder);
            encoder.finish();
        });
    }

    /// Answers a request once everything appended so far is as safe as the flush mode promises.
    pub(crate) fn answer_when_safe(&self, ticket: Ticket, encode: impl FnOnce(&mut Vec<u8>)) {
        self.commit.borrow_mut().push(ticket, encode);
    }

    /// Answers 0, without fields, once everything appended so far is safe.
    pub(crate) fn succeed_when_safe(&self, ticket: Ticket) {
        self.answer_when_safe(ticket, |buffer| {
            CommandEncoder::response(buffer, ticket.encoding, ResponseCode::SUCCESS.0, ticket.opaque, None).finish();
        });
    }

    /// Runs a request's `task` that may read from disk, after requests that do not. `bytes` is what it reads or answers,
    /// about; a connection that has too much of that under way or unread is read no further.
    /// # Errors
    /// [`READS_MAX`] are under way: the request is answered busy.
    pub(crate) fn spawn_read(
        self: &Rc<Self>,
        ticket: Ticket,
        bytes: usize,
        task: impl Future<Output = ()> + 'static,
    ) -> Result<(), Halt> {
        let reads = self.reads.get();
        if reads >= READS_MAX {
            let remark = format!("[OVERLOAD]{reads} reads of old messages are under way, try again");
            return Err(Halt::refuse(ResponseCode::SYSTEM_BUSY, remark));
        }
        self.reads.set(reads + 1);
        let shard = self.clone();
        let expected = self.outbox.expect(ticket.connection, bytes);
        self.env.spawn_background(async move {
            task.await;
            drop(expected);
            shard.reads.set(shard.reads.get() - 1);
        });
        Ok(())
    }

    /// Acknowledges and shows to consumers what may be by now.
    fn confirm(self: &Rc<Self>) {
        let mut woken = std::mem::take(&mut self.scratch.borrow_mut().woken);
        let now_ms = self.env.now_ms();
        let arrivals = Arrivals::new(&self.store);
        let are_pops_held = self.pops.has_listeners();
        let limit = self.store.confirm(|queue, from, end| {
            if are_pops_held {
                self.pops.grew(&self.store.queues().borrow(), queue);
            }
            let mut parked = self.parked.borrow_mut();
            if parked.parked_in(queue) == 0 {
                return;
            }
            for at in from..end {
                let Some(unit) = self.store.unit(queue, at) else { continue };
                parked.wake(queue, at as i64 + 1, |filter| arrivals.passes(unit, filter), now_ms, &mut woken);
            }
        });
        {
            let mut latency = self.metrics.latency.borrow_mut();
            latency.refresh(|| self.env.instant());
            let success = |ticket: Ticket| latency.answered(ticket.answer_kind(ResponseCode::SUCCESS), ticket.read_at);
            self.commit.borrow_mut().release(limit, &self.outbox, success);
        }
        if let Some(cause) = self.store.log().failure() {
            self.commit.borrow_mut().fail(&cause, |ticket, refusal| ticket.refuse(self, refusal));
        }
        if let Some(ms) = self.master_slave.get() {
            self.tend_copies(ms);
        }
        for job in woken.drain(..) {
            pull::run_again(self, job);
        }
        if are_pops_held {
            self.wake_pops();
        }
        self.scratch.borrow_mut().woken = woken;
    }

    async fn prepare_next_segment(self: Rc<Self>) {
        if let Err(error) = self.store.log().prepare_next_segment().await {
            tracing::error!(%error, shard = self.identity.broker_name, "the next log segment cannot be made; sends are refused when this one is full");
        }
        self.resume_stalled();
    }

    /// See [`storage::commit_log::CommitLog::prewrite_piece`].
    pub async fn prewrite_first_segment(self: Rc<Self>) {
        loop {
            let written = self.store.log().prewrite_piece(PENDING_BYTES_MAX).await;
            self.resume_stalled();
            match written {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    let shard = &self.identity.broker_name;
                    tracing::warn!(%error, shard, "the log's first segment is not written ahead: syncs take longer until it is full");
                    return;
                }
            }
        }
    }

    /// Tries again to make a segment that could not be made.
    pub(crate) async fn retry_next_segment(self: &Rc<Self>) {
        if self.store.log().failed_next_segment() && self.store.log().prepare_next_segment().await.is_ok() {
            self.resume_stalled();
        }
    }

    /// Makes a checkpoint of this moment. False: it could not be made, which is logged.
    pub async fn checkpoint(self: &Rc<Self>) -> bool {
        // One at a time: the last one, at the end, waits for the one that the clock began.
        while self.is_checkpointing.replace(true) {
            self.env.sleep(CHECKPOINT_WAIT).await;
        }
        let made = self.make_checkpoint().await;
        self.is_checkpointing.set(false);
        made
    }

    /// Waits for a checkpoint that is being made.
    pub(crate) async fn until_no_checkpoint(&self) {
        while self.is_checkpointing.get() {
            self.env.sleep(CHECKPOINT_WAIT).await;
        }
    }

    async fn make_checkpoint(self: &Rc<Self>) -> bool {
        if self.may_change() && (!self.log_changes() || !self.log_offsets()) {
            // The tables are ahead of the log: a checkpoint of them would be replayed over twice.
            return false;
        }
        self.sweep_end();
        let Some(at) = self.reflected() else { return false };
        // Of one moment, though what they hold is written down and encoded later.
        let tables = self.tables.borrow().freeze();
        let begun = self.store.begin_checkpoint(at);
        if !self.until_committed(at.position).await {
            return false;
        }
        let state = tables.encode(&mut async || self.env.sleep(CHECKPOINT_PAUSE).await).await;
        let shard = &self.identity.broker_name;
        // What its flush made safe is answered before the queues' files are written.
        let made = self.store.finish_checkpoint(begun, state, || self.confirm_and_resume()).await;
        match &made {
            Ok(()) => tracing::debug!(position = self.store.checkpoint_position(), shard, "checkpoint"),
            Err(error) => tracing::error!(%error, shard, "no checkpoint could be made; the next start takes longer"),
        }
        self.confirm_and_resume();
        made.is_ok()
    }

    /// After a flush or sync of any task: answers, shows, and serves on.
    pub(crate) fn confirm_and_resume(self: &Rc<Self>) {
        self.confirm();
        self.resume_stalled();
    }

    /// Connections whose requests the log could not take are served again.
    pub(crate) fn resume_stalled(&self) {
        if self.has_stalled.take() {
            self.outbox.resume_stalled();
        }
    }

    /// Counts messages that went from a queue to a group.
    pub(crate) fn pulled(&self, queue: QueueIndex, group: GroupSlot, messages: u64, bytes: u64) {
        let queues = self.store.queues().borrow();
        let topic = || queues.name(queue).map(|(topic, _)| &**topic);
        self.metrics.traffic.borrow_mut().pulled(queue, topic, group, messages, bytes);
    }

    /// Where the group's last pull of the queue went on to, if there was one since the start.
    pub(crate) fn pulled_offset(&self, group: &str, topic: &str, queue_id: i32) -> Option<i64> {
        let queue = self.store.queues().borrow().find(topic, u32::try_from(queue_id).ok()?)?;
        self.pulled_offsets.borrow().get(queue, self.metrics.find_group(group)?)
    }

    /// By the clock: keeps how counters stand, and forgets those of topics and groups that are there no more.
    pub(crate) fn sample_traffic(&self) {
        let mut traffic = self.metrics.traffic.borrow_mut();
        if !traffic.tick(self.uptime_ms()) {
            return;
        }
        let tables = self.tables.borrow();
        let changes = (tables.topics.version().counter, tables.groups.version().counter);
        if self.metrics.retained_at.get() != changes {
            let is_there = |topic: &str| tables.topics.get(topic).is_some();
            let gone = traffic.retain(is_there, |group| tables.groups.get(group).is_some());
            self.metrics.later.borrow_mut().retain(is_there);
            let queues = self.store.queues().borrow();
            let mut pulled_offsets = self.pulled_offsets.borrow_mut();
            pulled_offsets.retain(|number| queues.is_there(number));
            if !gone.freed.is_empty() {
                pulled_offsets.forget_groups(|slot| gone.freed.contains(&slot));
            }
            if !gone.are_some_in_use {
                self.metrics.retained_at.set(changes);
            }
        }
    }

    /// A queue that ever held a message, and the queue offsets that can be read in it.
    pub(crate) fn queue_range(&self, topic: &str, queue_id: i32) -> Option<(QueueIndex, Range<u64>)> {
        let queues = self.store.queues().borrow();
        let index = queues.find(topic, u32::try_from(queue_id).ok()?)?;
        queues.get(index).map(|queue| (index, queue.first()..queue.readable()))
    }

    /// Reads of old messages under way.
    pub(crate) fn reads_under_way(&self) -> usize {
        self.reads.get()
    }

    /// A connection is gone, and what waited for it.
    pub fn forget(self: &Rc<Self>, peer: &Peer) {
        self.parked.borrow_mut().cancel(peer.id.to_u64());
        self.pops.held.borrow_mut().cancel(peer.id.to_u64());
        client_call::closed(self, peer.id);
        crate::processor::heartbeat::connection_closed(self, peer.id);
    }

    /// Topics are other than name servers were told.
    pub(crate) fn note_topics_changed(&self) {
        self.topics_changed.set(true);
    }

    /// Registers changed topics: a few changes at once, many that follow closely together.
    pub(crate) fn register_changes(&self) {
        let now_ms = self.env.now_ms();
        let due_ms = self.registration_due_ms.get();
        if self.topics_changed.get() && now_ms >= due_ms {
            self.topics_changed.set(false);
            let burst_ms = REGISTRATION_BURST * REGISTRATION_PAUSE_MS;
            self.registration_due_ms.set(due_ms.max(now_ms - burst_ms) + REGISTRATION_PAUSE_MS);
            self.register();
        }
    }

    /// Hands the topics of this shard to the control thread, which tells the name servers.
    fn register(&self) {
        let table = self.tables.borrow().topics.registered_table(self.config.identity.permission);
        self.registration.topics_changed(table);
    }

    /// Whether an answer waits for the log.
    pub fn has_pending(&self) -> bool {
        !self.commit.borrow().is_empty()
    }

    /// A message of another shard of the process.
    pub fn receive(self: &Rc<Self>, message: ShardMessage) {
        match message {
            // Whoever asked may have given up meanwhile.
            ShardMessage::Report(answer) => _ = answer.send(Box::new(ShardReport::of(self))),
            ShardMessage::HandOver(answer) => {
                let shard = self.clone();
                self.env.spawn(async move {
                    shard.make_way().await;
                    let _ = answer.send(());
                });
            }
            ShardMessage::Master(news) => self.note_master(news),
            ShardMessage::Route { topic, news } => assignment::learned(self, &topic, news),
            ShardMessage::Groups(answer) => {
                let shard = self.clone();
                self.env.spawn_background(async move {
                    if let Some(report) = GroupReport::gather(shard).await {
                        let _ = answer.send(report);
                    }
                });
            }
            ShardMessage::TopicCreated(config) => {
                let now_ms = self.env.now_ms();
                if !self.may_change() {
                    // Whoever leads has a sibling of its own that tells it.
                    return;
                }
                if let Err(error) = self.tables.borrow_mut().topics.create_like(&config, now_ms) {
                    tracing::warn!(%error, shard = self.identity.broker_name, "a topic of a sibling shard was not created here");
                }
            }
        }
    }

    /// A topic came to be by itself: the other shards get it at once, so that its load spreads.
    pub(crate) fn tell_siblings(&self, config: &TopicConfig) {
        for sibling in &self.siblings {
            sibling.send(ShardMessage::TopicCreated(config.clone()));
        }
    }
}
