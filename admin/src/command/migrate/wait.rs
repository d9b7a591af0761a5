//! `migrate wait`: until the source has nothing left to consume. Also what `finish` and `undo` ask of a drained broker.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use clap::Args;
use client::{Admin, PERM_WRITE};

use super::backlog::Rates;
use super::inventory::Inventory;
use super::record::{Record, Stage};
use super::routes;
use super::sides::{Broker, Sides, source_name};
use super::source_look::SourceLook;
use crate::command::Context;
use crate::failure::Failure;
use crate::rows::Rows;
use crate::timestamp::Timestamp;

const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Wait until everything at the source is consumed
#[derive(Debug, Args)]
pub(super) struct Wait {
    /// The source, by name or address
    #[arg(short = 'f', long, value_name = "BROKER")]
    from: String,
    #[command(flatten)]
    patience: Patience,
}

/// How long to wait, and for whom.
#[derive(Debug, Args)]
pub(super) struct Patience {
    /// Seconds to wait at most
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    pub(super) timeout: u64,
    /// Seconds without a new message before a broker counts as not sent to: producers look at routes every 30 s
    #[arg(long, value_name = "SECONDS", default_value_t = 35)]
    pub(super) settle: u64,
    /// Groups whose backlog is given up
    #[arg(long, value_name = "GROUP,…", value_delimiter = ',')]
    pub(super) except_group: Vec<String>,
}

/// What came of waiting.
pub(super) struct Waited {
    pub(super) look: SourceLook,
    /// What is in the way, in words; empty: the broker is drained.
    pub(super) reasons: Vec<String>,
    /// How often write permission had come back, as when the source made a topic, and was taken away again.
    pub(super) closed_again: u32,
}

impl Wait {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        let from = source_name(&context.admin, &self.from).await?;
        let record = Record::load_open(&context.admin, &from).await?;
        if record.stage != Stage::Stopped {
            let (stage, next) = (record.stage.name(), record.stage.next());
            return Err(Failure::Usage(format!("the migration from {from} is at {stage:?}; next is: {next}")));
        }
        let sides = Sides::of(context, &record).await?;
        let drain = Drain { admin: &sides.from_admin, broker: &sides.from, since_ms: record.stopped_ms.unwrap_or(0) };
        let look_for = |inventory: Inventory| inventory;
        let waited = drain.wait(&record, &self.patience, true, look_for).await?;
        let is_done = waited.reasons.is_empty();
        show(context, &from, &waited, if is_done { "finish, or undo" } else { "wait again, or undo" })?;
        let what = format!("{from} is not drained after {} s:", self.patience.timeout);
        not_drained(what, waited.reasons)
    }
}

pub(super) fn not_drained(what: String, reasons: Vec<String>) -> Result<(), Failure> {
    if reasons.is_empty() { Ok(()) } else { Err(Failure::Unready { what, reasons }) }
}

/// Shows what is left, group by group, the most first.
pub(super) fn show(context: &mut Context<'_>, from: &str, waited: &Waited, next: &str) -> Result<(), Failure> {
    let look = &waited.look;
    let mut groups = look.groups.clone();
    groups.sort_by_key(|group| -group.left);
    let rows = Rows::new("groups", groups)
        .fact("broker", "Broker", from)
        .fact("isDrained", "Drained", waited.reasons.is_empty())
        .fact("left", "Messages left", look.left())
        .fact("delayed", "Delayed messages", look.delayed)
        .fact("timers", "Timer messages", look.timers)
        .fact("half", "Half messages", look.half)
        .fact("closedAgain", "Closed again", waited.closed_again)
        .fact("groupsWithoutOffsets", "Groups without offsets", look.without_offsets.join(","))
        .fact("next", "Next", next);
    context.output.show(&rows)
}

/// A broker that is drained.
pub(super) struct Drain<'a> {
    pub(super) admin: &'a Admin,
    pub(super) broker: &'a Broker,
    /// When producers were told to send nothing to it.
    pub(super) since_ms: i64,
}

impl Drain<'_> {
    /// Looks until nothing is in the way or the time is over; a time of 0 is one look. `is_closed_by_route`: write permission that
    /// came back is taken away again.
    pub(super) async fn wait(
        &self,
        record: &Record,
        patience: &Patience,
        is_closed_by_route: bool,
        of_interest: impl Fn(Inventory) -> Inventory,
    ) -> Result<Waited, Failure> {
        let (start, limit) = (Instant::now(), Duration::from_secs(patience.timeout));
        let mut rates = Rates::default();
        let mut settling = Settling::new(Duration::from_secs(patience.settle));
        let mut line = Line::default();
        let mut closed_again = 0;
        loop {
            let (mut look, was_open) = match self.look(record, patience, is_closed_by_route, &of_interest).await {
                // A server that is busy, or fails over, for a moment does not end a wait of hours.
                Err(Failure::Client(error)) if error.is_transport() && start.elapsed() < limit => {
                    tokio::time::sleep(LOOK_EVERY).await;
                    continue;
                }
                looked => looked?,
            };
            closed_again += u32::from(was_open);
            rates.look(start.elapsed(), &mut look.groups);
            let mut reasons = look.reasons();
            let quiet = settling.look(start.elapsed(), look.ends);
            let closed_for = Duration::from_millis((Timestamp::now().0 - self.since_ms).try_into().unwrap_or(0));
            if let Some(left) = settling.left(quiet, closed_for) {
                let name = &self.broker.name;
                reasons.push(format!(
                    "producers may still send to {name}: no message for {} s more (--settle) tells that they do not",
                    left.as_secs() + 1
                ));
            }
            if reasons.is_empty() || start.elapsed() >= limit {
                return Ok(Waited { look, reasons, closed_again });
            }
            line.show(&look, &reasons);
            tokio::time::sleep(LOOK_EVERY.min(limit - start.elapsed().min(limit))).await;
        }
    }

    /// One look, and whether write permission had come back.
    async fn look(
        &self,
        record: &Record,
        patience: &Patience,
        is_closed_by_route: bool,
        of_interest: impl Fn(Inventory) -> Inventory,
    ) -> Result<(SourceLook, bool), Failure> {
        let (admin, address) = (self.admin, self.broker.address.as_str());
        let inventory = Inventory::of(admin, address, &record.left).await?;
        let was_open = is_closed_by_route && self.close_if_open(&inventory).await?;
        let look = SourceLook::at(admin, address, &of_interest(inventory), &patience.except_group).await?;
        Ok((look, was_open))
    }

    /// A registration with a changed table, as after the source made a dead letter topic, brings the permission back.
    async fn close_if_open(&self, inventory: &Inventory) -> Result<bool, Failure> {
        let Some(topic) = routes::sample(inventory.written()) else { return Ok(false) };
        for name_server in self.admin.client().name_servers() {
            let perm = routes::perm_at(self.admin, name_server, self.broker, &topic).await?;
            if perm.is_some_and(|perm| perm & PERM_WRITE != 0) {
                routes::close(self.admin, self.broker).await?;
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Whether a broker gets messages no more.
#[derive(Debug)]
struct Settling {
    wanted: Duration,
    /// The ends of its queues, and since when they have not moved.
    still: Option<(i64, Duration)>,
}

impl Settling {
    fn new(wanted: Duration) -> Self {
        Self { wanted, still: None }
    }

    /// How long the ends have not moved, at a time since the first look.
    fn look(&mut self, at: Duration, ends: i64) -> Duration {
        match self.still {
            Some((same, since)) if same == ends => at.saturating_sub(since),
            Some(_) => {
                self.still = Some((ends, at));
                Duration::ZERO
            }
            // It was closed before the first look, so that tells how long.
            None => {
                self.still = Some((ends, Duration::ZERO));
                Duration::MAX
            }
        }
    }

    /// What is left of the wanted quiet, given how long it was quiet and how long the broker is closed.
    fn left(&self, quiet: Duration, closed_for: Duration) -> Option<Duration> {
        let quiet = quiet.min(closed_for);
        (quiet < self.wanted).then(|| self.wanted - quiet)
    }
}

/// A line on standard error for who looks at it, written over and over.
#[derive(Debug, Default)]
struct Line {
    width: usize,
}

impl Line {
    fn show(&mut self, look: &SourceLook, reasons: &[String]) {
        if !io::stderr().is_terminal() {
            return;
        }
        let rate: f64 = look.groups.iter().filter_map(|group| group.rate).sum();
        let mut text = format!("{} messages left, {rate:.0}/s", look.left());
        if let Some(seconds) = look.groups.iter().filter_map(|group| group.seconds_left).max() {
            text = format!("{text}, about {seconds} s");
        }
        if let (0, Some(reason)) = (look.left(), reasons.first()) {
            text.clone_from(reason);
        }
        let text: String = text.chars().take(100).collect();
        // Nobody is worse off without the line.
        let _ = write!(io::stderr(), "\r{text:width$}", width = self.width);
        self.width = text.chars().count();
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.width > 0 {
            let _ = write!(io::stderr(), "\r{:width$}\r", "", width = self.width);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn a_broker_is_settled_when_nothing_came_for_as_long_as_producers_keep_routes() {
        let mut settling = Settling::new(seconds(35));
        let quiet = settling.look(seconds(0), 10);
        assert_eq!(settling.left(quiet, seconds(5)), Some(seconds(30)), "closed 5 s ago");
        let quiet = settling.look(seconds(1), 11);
        assert_eq!(settling.left(quiet, seconds(6)), Some(seconds(35)), "something came");
        let quiet = settling.look(seconds(30), 11);
        assert_eq!(settling.left(quiet, seconds(35)), Some(seconds(6)));
        let quiet = settling.look(seconds(36), 11);
        assert_eq!(settling.left(quiet, seconds(41)), None);
    }

    #[test]
    fn one_look_is_enough_long_after() {
        let mut settling = Settling::new(seconds(35));
        let quiet = settling.look(seconds(0), 10);
        assert_eq!(settling.left(quiet, seconds(36)), None);
    }
}
