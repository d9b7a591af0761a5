//! A stock producer and a stock consumer at work, through everything.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::clients::JavaClient;
use crate::java;
use crate::scenario::Running;
use crate::scratch::Scratch;
use crate::target::Target;
use crate::until::until;

const PRODUCER: &str = "crash-producer";
/// As long as they may work.
const LIMIT: Duration = Duration::from_secs(600);
/// A producer that gets no acknowledgement for this long gets none at all: it asks for routes every 30 s.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(60);

/// The two, and the file of all acknowledgements.
#[derive(Debug)]
pub struct WorkingClients {
    name: String,
    producer: Running,
    consumer: Running,
    acks: PathBuf,
    target: Target,
}

/// An acknowledged send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ack {
    /// Which broker has it.
    pub broker: String,
    /// When the producer heard of it, by this machine's clock.
    pub at_ms: u64,
}

/// A send that the application saw fail, after all tries of its client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedSend {
    /// When, by this machine's clock.
    pub at_ms: u64,
    /// How long the application waited for it.
    pub took_ms: u64,
    /// What its client said.
    pub cause: String,
}

impl WorkingClients {
    /// Starts both, with a topic and a group of their own and further `options` of the scenarios.
    ///
    /// # Panics
    /// When the clients cannot be built.
    #[must_use]
    pub fn start(target: &Target, name: &str, options: &[(&str, &str)], scratch: &Scratch) -> Self {
        let acks = scratch.path().join(format!("acks-{name}.txt"));
        let seconds = LIMIT.as_secs().to_string();
        let mut all = vec![("ack-file", acks.to_str().expect("made from text")), ("run-s", &seconds)];
        all.extend(options);
        let start = |scenario| java::start(JavaClient::V5, scenario, target, name, &all, LIMIT, scratch);
        let (producer, consumer) = (start(PRODUCER), start("crash-consumer"));
        Self { name: name.to_owned(), producer, consumer, acks: acks.clone(), target: target.clone() }
    }

    /// Waits for so many further acknowledgements.
    ///
    /// # Panics
    /// When they do not come, or one of the two has ended.
    pub fn expect_acknowledged(&mut self, count: usize) {
        self.expect_acknowledged_by("", count);
    }

    /// Waits for so many further acknowledgements of one broker.
    ///
    /// # Panics
    /// When they do not come, or one of the two has ended.
    pub fn expect_acknowledged_by(&mut self, broker: &str, count: usize) {
        let count_now = |acks: &[Ack]| acks.iter().filter(|ack| broker.is_empty() || ack.broker == broker).count();
        let wanted = count_now(&self.acknowledged()) + count;
        until(&format!("the producer to get acknowledgements {broker}"), ACKNOWLEDGED_WITHIN, || {
            self.producer.expect_running();
            self.consumer.expect_running();
            let now = count_now(&self.acknowledged());
            if now >= wanted { Ok(()) } else { Err(format!("{now} of {wanted} acknowledgements")) }
        });
    }

    /// All acknowledgements so far.
    #[must_use]
    pub fn acknowledged(&self) -> Vec<Ack> {
        whole_lines(&self.acks).lines().map(|line| ack(line).unwrap_or_else(|| panic!("no ack: {line:?}"))).collect()
    }

    /// All sends that have failed so far.
    #[must_use]
    pub fn failed(&self) -> Vec<FailedSend> {
        let text = whole_lines(&self.acks.with_extension("txt.failed"));
        text.lines().map(|line| failed_send(line).unwrap_or_else(|| panic!("no failed send: {line:?}"))).collect()
    }

    /// Requests of the producer that timed out on connections which had been reset, by its log.
    ///
    /// # Panics
    /// When it has no log.
    #[must_use]
    pub fn timeouts_after_reset(&self, scratch: &Scratch) -> usize {
        let log = java::log(&self.name, PRODUCER, scratch);
        let text = fs::read_to_string(&log).unwrap_or_else(|error| panic!("cannot read {}: {error}", log.display()));
        timeouts_after_reset(&text)
    }

    /// The longest time within `since_ms..end_ms` without an acknowledged send of `broker`, or of any when none is named.
    #[must_use]
    pub fn longest_silence_ms(&self, broker: &str, since_ms: u64, end_ms: u64) -> u64 {
        let acks = self.acknowledged();
        let times = acks.iter().filter(|ack| broker.is_empty() || ack.broker == broker).map(|ack| ack.at_ms);
        longest_gap(times, since_ms, end_ms)
    }

    /// From now on the topic is on these brokers.
    pub fn are_at(&mut self, target: &Target) {
        self.target = target.clone();
    }

    /// Ends both and holds what is stored against what was acknowledged; returns what the producer says of its sends.
    ///
    /// # Panics
    /// When anything acknowledged is missing, out of order or twice at a place, or was not consumed, or when a committed offset
    /// went back.
    #[must_use]
    pub fn finish(self, scratch: &Scratch) -> String {
        self.finish_with(|_| true, scratch)
    }

    /// The same where only some of what was acknowledged is still stored; all of it has to have been consumed.
    ///
    /// # Panics
    /// As [`WorkingClients::finish`].
    #[must_use]
    pub fn finish_with(self, is_stored: impl Fn(&Ack) -> bool, scratch: &Scratch) -> String {
        let Self { name, mut producer, mut consumer, acks, target } = self;
        producer.ask_to_stop();
        let facts = producer.expect_pass();
        consumer.ask_to_stop();
        consumer.expect_pass();
        let text = whole_lines(&acks);
        let stored = text.lines().filter(|line| ack(line).is_some_and(|ack| is_stored(&ack)));
        let stored: String = stored.flat_map(|line| [line, "\n"]).collect();
        let file = acks.with_extension("stored.txt");
        fs::write(&file, stored).unwrap_or_else(|error| panic!("cannot write {}: {error}", file.display()));
        let options = [("ack-file", file.to_str().expect("made from text"))];
        java::start(JavaClient::V5, "crash-consumer-verify", &target, &name, &options, LIMIT, scratch).expect_pass();
        facts
    }
}

/// Now, by the clock that the clients' files have their times from.
///
/// # Panics
/// When the clock is before 1970.
#[must_use]
pub fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is right");
    u64::try_from(now.as_millis()).expect("a time of this age")
}

/// The file may be in the middle of being written.
fn whole_lines(path: &std::path::Path) -> String {
    let mut text = fs::read_to_string(path).unwrap_or_default();
    text.truncate(text.rfind('\n').map_or(0, |last| last + 1));
    text
}

/// `key queueId queueOffset brokerName milliseconds`.
fn ack(line: &str) -> Option<Ack> {
    let mut fields = line.split(' ').skip(3);
    Some(Ack { broker: fields.next()?.to_owned(), at_ms: fields.next()?.parse().ok()? })
}

/// `milliseconds tookMilliseconds cause`.
fn failed_send(line: &str) -> Option<FailedSend> {
    let mut fields = line.splitn(3, ' ');
    let (at_ms, took_ms) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(FailedSend { at_ms, took_ms, cause: fields.next()?.to_owned() })
}

fn longest_gap(times: impl Iterator<Item = u64>, since_ms: u64, end_ms: u64) -> u64 {
    let mut times: Vec<u64> = times.filter(|ms| (since_ms..end_ms).contains(ms)).chain([since_ms, end_ms]).collect();
    times.sort_unstable();
    times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0)
}

/// The client writes of both with the connection's id: `… exceptionCaught channel[addr=…, id=5c91ce2b]` and the cause in the next
/// line, later `… wait response timeout exception, the channel[addr=…, id=5c91ce2b]`.
fn timeouts_after_reset(log: &str) -> usize {
    let lines: Vec<&str> = log.lines().collect();
    let id = |line: &str| Some(line.trim_end().strip_suffix(']')?.rsplit_once("id=")?.1.to_owned());
    let resets =
        lines.windows(2).filter(|two| two[0].contains("exceptionCaught") && two[1].ends_with("Connection reset"));
    let reset: Vec<String> = resets.filter_map(|two| id(two[0])).collect();
    let timeouts = lines.iter().filter(|line| line.contains("wait response timeout exception"));
    timeouts.filter_map(|line| id(line)).filter(|id| reset.contains(id)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_counts_where_its_own_connection_was_reset() {
        let log = "WARN w - NETTY CLIENT PIPELINE: exceptionCaught channel[addr=10.0.0.3:7780, id=5c91ce2b]\n\
                   java.net.SocketException: Connection reset\n\
                   WARN w - NETTY CLIENT PIPELINE: exceptionCaught channel[addr=10.0.0.3:7780, id=00000001]\n\
                   java.io.IOException: something else\n\
                   WARN s - invokeSync: wait response timeout exception, the channel[addr=10.0.0.3:7780, id=5c91ce2b]\n\
                   WARN s - invokeSync: wait response timeout exception, the channel[addr=10.0.0.3:7780, id=00000001]\n\
                   WARN s - invokeSync: wait response timeout exception, the channel[addr=10.0.0.2:7780, id=00000002]\n";
        assert_eq!(timeouts_after_reset(log), 1);
    }

    #[test]
    fn a_silence_may_lie_between_two_acknowledgements_or_at_either_end() {
        assert_eq!(longest_gap([110, 150, 160].into_iter(), 100, 200), 40);
        assert_eq!(longest_gap([180, 50, 190, 300].into_iter(), 100, 200), 80);
        assert_eq!(longest_gap([].into_iter(), 100, 200), 100);
    }

    #[test]
    fn lines_of_the_producers_files_are_read() {
        let read = ack("2-17 3 40 trio-1 1795256200294");
        assert_eq!(read, Some(Ack { broker: "trio-1".to_owned(), at_ms: 1_795_256_200_294 }));
        let failed = failed_send("1795256200294 3001 org.apache.X: call timeout").expect("a failed send");
        assert_eq!((failed.took_ms, failed.cause.as_str()), (3001, "org.apache.X: call timeout"));
        assert_eq!(ack("2-17 3"), None);
    }
}
