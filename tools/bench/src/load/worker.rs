//! A thread of the load: one epoll loop over its connections.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::Sender;

use rustix::thread::{CpuSet, sched_setaffinity, set_current_timer_slack};

use super::lane::{Desk, Lane};
use super::poll::Poll;
use super::pull_template::HOLD_MS;
use super::schedule::Schedule;
use super::tally::{Failure, Tallies};
use super::timeline::{Cuts, Timeline};
use crate::clock::{MILLISECOND_NS, SECOND_NS, now_ms, now_ns};
use crate::report::EndedBy;

/// How long an answer may take before its request counts as failed. A broker may hold a pull so much longer.
const ANSWER_MAX_NS: u64 = 30 * SECOND_NS;
/// How long answers and messages are waited for when the measured time is over.
const AFTER_END_MAX_NS: u64 = 5 * SECOND_NS;
/// The same when somebody stopped the run.
const AFTER_STOP_MAX_NS: u64 = SECOND_NS;
/// A worker looks this often at least whether the run was ended.
const LOOK_NS: u64 = 20 * MILLISECOND_NS;

/// What the workers of a run tell each other.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// Somebody ended the run.
    pub(crate) is_stopped: AtomicBool,
    /// Messages acknowledged so far, warm-up included.
    pub(crate) acknowledged: AtomicU64,
    /// Messages of this run received so far, warm-up included.
    pub(crate) received: AtomicU64,
    /// Messages received so far in the measured time.
    pub(crate) received_measured: AtomicU64,
    /// Workers whose producers are not done yet.
    pub(crate) producing: AtomicUsize,
}

/// What a worker reports.
#[derive(Debug)]
pub(crate) enum Message {
    /// A second, or what there was of it, is over.
    Slice(Box<Slice>),
    /// The worker is done.
    Finished(Box<Finished>),
}

/// What happened in one second.
#[derive(Debug)]
pub(crate) struct Slice {
    pub(crate) number: u32,
    pub(crate) begin_ns: u64,
    pub(crate) end_ns: u64,
    pub(crate) is_warm_up: bool,
    pub(crate) tallies: Tallies,
    /// Requests that are due and not sent at its end.
    pub(crate) owed: u64,
}

/// What happened after the measured time.
#[derive(Debug)]
pub(crate) struct Finished {
    /// Number of its last slice.
    pub(crate) last_slice: u32,
    /// When it stopped measuring.
    pub(crate) ended_ns: u64,
    pub(crate) ended_by: EndedBy,
    /// Late answers; they count for the latency only.
    pub(crate) late: Tallies,
}

/// What a worker has to do.
#[derive(Debug)]
pub(crate) struct Worker {
    /// Processor to run on.
    pub(crate) cpu: Option<usize>,
    /// Never sleep.
    pub(crate) spin: bool,
    pub(crate) lanes: Vec<Lane>,
    /// Lanes of producers, in the order of the schedule.
    pub(crate) producers: Vec<usize>,
    pub(crate) schedule: Option<Schedule>,
    pub(crate) desk: Desk,
    pub(crate) timeline: Timeline,
    /// Requests to send in the measured time.
    pub(crate) requests_max: Option<u64>,
    /// Messages to receive over all workers.
    pub(crate) receive_max: Option<u64>,
    /// End when all queues are drained.
    pub(crate) drains: bool,
    /// What was sent is to be received by consumers of the same run.
    pub(crate) is_received_here: bool,
    pub(crate) shared: Arc<Shared>,
    pub(crate) reports: Sender<Message>,
}

/// What changes while it runs.
struct Turn {
    poll: Poll,
    cuts: Cuts,
    /// When which lane has something to do of its own accord.
    alarms: BinaryHeap<Reverse<(u64, usize)>>,
    /// Lanes to serve in the next turn; each stands in it once.
    touched: Vec<usize>,
    /// Those of this turn.
    serving: Vec<usize>,
    is_touched: Vec<bool>,
    /// Of this second's counts, what the other workers know of.
    told: (u64, u64),
    ended: Option<(u64, EndedBy)>,
    is_producing: bool,
}

impl Worker {
    /// Runs to the end.
    ///
    /// # Errors
    /// What the system refuses to the thread itself; trouble with connections is counted, not returned.
    pub(crate) fn run(mut self) -> io::Result<()> {
        if let Some(cpu) = self.cpu {
            let mut cpus = CpuSet::new();
            cpus.set(cpu);
            sched_setaffinity(None, &cpus)?;
        }
        // Only sharpens the wake-ups; a kernel that refuses it leaves them 50 us late.
        let _ = set_current_timer_slack(NonZeroU64::new(1));
        // Else what happens to run on this processor would count as latency of the broker.
        let _ = host::ask_for_short_turns();
        let lanes = self.lanes.len();
        let mut turn = Turn {
            poll: Poll::new()?,
            cuts: Cuts::new(self.timeline),
            alarms: BinaryHeap::new(),
            touched: (0..lanes).collect(),
            serving: Vec::new(),
            is_touched: vec![true; lanes],
            told: (0, 0),
            ended: None,
            is_producing: !self.producers.is_empty(),
        };
        for (number, lane) in self.lanes.iter_mut().enumerate() {
            lane.watch(&turn.poll, number as u64)?;
        }
        while now_ns() < self.timeline.start_ns {
            turn.poll.wait(now_ns(), self.timeline.start_ns)?;
        }
        self.limit_requests(&turn);
        loop {
            let now = now_ns();
            self.desk.send.born_ms = now_ms();
            // Before the end is noticed: what was due by then is still sent.
            self.become_due(&mut turn, now);
            self.serve_touched(&mut turn, now)?;
            self.look(&mut turn, now);
            if self.is_over(&mut turn, now) {
                break;
            }
            let until = if self.spin { now } else { self.next_wake_ns(&turn, now) };
            turn.poll.wait(now_ns(), until)?;
            self.take_events(&mut turn)?;
            self.tell(&mut turn);
        }
        self.finish(&turn);
        Ok(())
    }

    /// Cuts seconds that are over, and notices the end.
    fn look(&mut self, turn: &mut Turn, now: u64) {
        if turn.ended.is_some() {
            return;
        }
        while now >= turn.cuts.end_ns {
            let end_ns = turn.cuts.end_ns;
            self.cut(turn, end_ns);
            self.give_up_old(now);
            if self.timeline.end_ns == Some(end_ns) {
                return self.end(turn, end_ns, EndedBy::Time);
            }
        }
        if let Some(ended_by) = self.reason_to_end(turn) {
            self.cut(turn, now);
            self.end(turn, now, ended_by);
        }
    }

    fn reason_to_end(&mut self, turn: &mut Turn) -> Option<EndedBy> {
        if self.shared.is_stopped.load(Ordering::Relaxed) {
            return Some(EndedBy::Stopped);
        }
        if self.receive_max.is_some_and(|max| self.shared.received_measured.load(Ordering::Relaxed) >= max) {
            return Some(EndedBy::Messages);
        }
        if self.drains && self.lanes.iter().all(Lane::has_drained) {
            return Some(EndedBy::Drained);
        }
        let has_sent_all = self.desk.send.requests_left == Some(0) && self.are_producers_done(turn);
        if has_sent_all && (!self.is_received_here || self.is_all_received()) {
            return Some(EndedBy::Messages);
        }
        None
    }

    /// Whether this worker's producers have nothing left to do; tells the others once.
    fn are_producers_done(&self, turn: &mut Turn) -> bool {
        let mut producers = self.producers.iter().filter_map(|lane| self.lanes[*lane].producer());
        let is_done =
            producers.all(|producer| producer.in_flight() == 0 && (!self.desk.may_send || producer.owed() == 0));
        if is_done && turn.is_producing {
            turn.is_producing = false;
            self.shared.producing.fetch_sub(1, Ordering::AcqRel);
        }
        is_done
    }

    fn is_all_received(&self) -> bool {
        self.shared.producing.load(Ordering::Acquire) == 0
            && self.shared.received.load(Ordering::Acquire) >= self.shared.acknowledged.load(Ordering::Acquire)
    }

    fn end(&mut self, turn: &mut Turn, at_ns: u64, by: EndedBy) {
        turn.ended = Some((at_ns, by));
        self.desk.may_send = false;
    }

    /// Reports what was counted up to `end_ns` and begins anew.
    fn cut(&mut self, turn: &mut Turn, end_ns: u64) {
        self.tell(turn);
        let tallies = std::mem::replace(&mut self.desk.tallies, Tallies::new());
        turn.told = (0, 0);
        let owed = self.producers.iter().filter_map(|lane| self.lanes[*lane].producer()).map(|each| each.owed()).sum();
        let cuts = turn.cuts;
        let slice = Slice {
            number: cuts.number,
            begin_ns: cuts.begin_ns,
            end_ns,
            is_warm_up: cuts.is_warm_up(),
            tallies,
            owed,
        };
        // Nobody listens only if the run has failed elsewhere.
        let _ = self.reports.send(Message::Slice(Box::new(slice)));
        turn.cuts.advance();
        if cuts.is_warm_up() {
            self.limit_requests(turn);
        }
    }

    /// The limit is for the measured time; the warm-up sends as many as it can.
    fn limit_requests(&mut self, turn: &Turn) {
        if !turn.cuts.is_warm_up() {
            self.desk.send.requests_left = self.requests_max;
        }
    }

    /// Adds what is new to the counts that all workers see.
    fn tell(&self, turn: &mut Turn) {
        let now = (self.desk.tallies.sends.messages, self.desk.tallies.receives.messages);
        if now == turn.told {
            return;
        }
        let received = now.1 - turn.told.1;
        if !turn.cuts.is_warm_up() {
            self.shared.received_measured.fetch_add(received, Ordering::Relaxed);
        }
        self.shared.acknowledged.fetch_add(now.0 - turn.told.0, Ordering::AcqRel);
        self.shared.received.fetch_add(received, Ordering::AcqRel);
        turn.told = now;
    }

    fn give_up_old(&mut self, now: u64) {
        for lane in &mut self.lanes {
            let held_ns = if lane.producer().is_some() { 0 } else { HOLD_MS * MILLISECOND_NS };
            lane.give_up(now.saturating_sub(ANSWER_MAX_NS + held_ns), &mut self.desk, now);
        }
    }

    /// Marks the lanes that have something to do now.
    fn become_due(&mut self, turn: &mut Turn, now: u64) {
        while let Some(Reverse((at_ns, lane))) = turn.alarms.peek().copied()
            && at_ns <= now
        {
            turn.alarms.pop();
            turn.touch(lane);
        }
        if !self.desk.may_send {
            return;
        }
        let Some(schedule) = &mut self.schedule else { return };
        // What falls due after the end is not sent any more, however late it is noticed.
        let until = self.timeline.end_ns.map_or(now, |end_ns| now.min(end_ns - 1));
        while schedule.next_due_ns().is_some_and(|due_ns| due_ns <= until) {
            match &mut self.desk.send.requests_left {
                Some(0) => return,
                Some(left) => *left -= 1,
                None => {}
            }
            let lane = self.producers[schedule.advance()];
            self.lanes[lane].producer_mut().expect("the list names producers").owe();
            turn.touch(lane);
        }
    }

    fn serve_touched(&mut self, turn: &mut Turn, now: u64) -> io::Result<()> {
        // Serving may touch a lane again, for the next turn.
        let mut serving = std::mem::take(&mut turn.serving);
        std::mem::swap(&mut serving, &mut turn.touched);
        for lane in serving.drain(..) {
            turn.is_touched[lane] = false;
            self.lanes[lane].serve(&mut self.desk, now);
            self.settle(turn, lane)?;
        }
        turn.serving = serving;
        Ok(())
    }

    fn take_events(&mut self, turn: &mut Turn) -> io::Result<()> {
        let events = std::mem::take(&mut turn.poll.events);
        for event in &events {
            let lane = event.data.u64() as usize;
            self.lanes[lane].ready(event.flags, &mut self.desk, now_ns());
            self.settle(turn, lane)?;
        }
        turn.poll.events = events;
        Ok(())
    }

    fn settle(&mut self, turn: &mut Turn, number: usize) -> io::Result<()> {
        let lane = &mut self.lanes[number];
        lane.watch(&turn.poll, number as u64)?;
        if let Some(at_ns) = lane.next_ns() {
            turn.alarms.push(Reverse((at_ns, number)));
        }
        if lane.wants_turn(&self.desk) {
            turn.touch(number);
        }
        Ok(())
    }

    fn next_wake_ns(&self, turn: &Turn, now: u64) -> u64 {
        if !turn.touched.is_empty() {
            return now;
        }
        let mut until = now + LOOK_NS;
        if turn.ended.is_none() {
            until = until.min(turn.cuts.end_ns);
        }
        if let Some(Reverse((at_ns, _))) = turn.alarms.peek() {
            until = until.min(*at_ns);
        }
        let sends_by_schedule = self.desk.may_send && self.desk.send.requests_left != Some(0);
        if sends_by_schedule && let Some(due_ns) = self.schedule.as_ref().and_then(Schedule::next_due_ns) {
            until = until.min(due_ns);
        }
        until
    }

    /// After the end: whether nothing more is waited for.
    fn is_over(&mut self, turn: &mut Turn, now: u64) -> bool {
        let Some((ended_ns, ended_by)) = turn.ended else { return false };
        let is_answered = self.are_producers_done(turn);
        let wait_ns = if ended_by == EndedBy::Stopped { AFTER_STOP_MAX_NS } else { AFTER_END_MAX_NS };
        let is_received = !self.is_received_here || self.is_all_received();
        is_answered && is_received || now >= ended_ns + wait_ns
    }

    fn finish(&mut self, turn: &Turn) {
        let mut unanswered = 0;
        for lane in &self.producers {
            if let Some(producer) = self.lanes[*lane].producer_mut() {
                unanswered += producer.abandon();
            }
        }
        let sends = &mut self.desk.tallies.sends;
        sends.failures.count(Failure::Unanswered, unanswered, || "the run was over".to_owned());
        if turn.is_producing {
            self.shared.producing.fetch_sub(1, Ordering::AcqRel);
        }
        let (ended_ns, ended_by) = turn.ended.expect("a worker is over only when it has ended");
        let last_slice = turn.cuts.number - 1;
        let late = std::mem::replace(&mut self.desk.tallies, Tallies::new());
        let _ = self.reports.send(Message::Finished(Box::new(Finished { last_slice, ended_ns, ended_by, late })));
    }
}

impl Turn {
    fn touch(&mut self, lane: usize) {
        if !self.is_touched[lane] {
            self.is_touched[lane] = true;
            self.touched.push(lane);
        }
    }
}
