//! What mqbench is told. Pure: words in the order of its command line.

use crate::case::Send;
use crate::settings::Settings;

/// Queues of each topic.
const QUEUES: u32 = 8;
/// Connections that send in an end-to-end case.
const END_TO_END_CONNECTIONS: u32 = 8;
/// Messages of a batch when a backlog is made.
const FILL_BATCH: u32 = 32;
/// Batches under way when a backlog is made.
const FILL_IN_FLIGHT: u32 = 8;
/// Bytes of a body where the case does not say.
pub(crate) const BODY_BYTES: u64 = 1024;

/// A call of mqbench, but for where: [`BenchCommand::at`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BenchCommand {
    words: Vec<String>,
}

/// Where and how a call runs; differs from machine to machine, and is no part of what is measured.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Name servers.
    pub name_servers: &'a str,
    /// The brokers' processes.
    pub pids: &'a [u32],
    /// The report.
    pub json: &'a str,
}

impl BenchCommand {
    /// Sends for the warm-up and the window of `settings`. `rate` is the case's, worked out.
    #[must_use]
    pub fn send(topic: &str, send: &Send, rate: Option<f64>, settings: &Settings) -> Self {
        let mut command = Self::sends(topic, send, rate, settings);
        command.window(settings.warmup_s, settings.window_s);
        command
    }

    /// The same for a count of messages, all of which are measured.
    #[must_use]
    pub fn send_count(topic: &str, send: &Send, rate: Option<f64>, messages: u64, settings: &Settings) -> Self {
        let mut command = Self::sends(topic, send, rate, settings);
        command.flag("--warmup", 0);
        command.flag("--messages", messages);
        command
    }

    fn sends(topic: &str, send: &Send, rate: Option<f64>, settings: &Settings) -> Self {
        let mut command = Self::of("produce", topic, settings);
        if send.topics > 1 {
            command.flag("--topics", send.topics);
        }
        command.create_topics();
        command.flag("--mode", mode(send));
        command.flag("--connections", send.connections);
        if send.in_flight > 1 {
            command.flag("--in-flight", send.in_flight);
        }
        if send.batch > 1 {
            command.flag("--batch", send.batch);
        }
        command.flag("--size", send.body_bytes);
        if let Some(rate) = rate {
            command.flag("--rate", rate.round());
        }
        command
    }

    /// Sends at a rate and receives.
    #[must_use]
    pub fn end_to_end(topic: &str, rate: f64, settings: &Settings) -> Self {
        let mut command = Self::of("e2e", topic, settings);
        command.create_topics();
        command.flag("--connections", END_TO_END_CONNECTIONS);
        command.flag("--size", BODY_BYTES);
        command.flag("--rate", rate.round());
        command.window(settings.warmup_s, settings.window_s);
        command
    }

    /// Makes a backlog.
    #[must_use]
    pub fn fill(topic: &str, messages: u64, settings: &Settings) -> Self {
        let mut command = Self::of("produce", topic, settings);
        command.create_topics();
        command.flag("--mode", "batch");
        command.flag("--connections", 1);
        command.flag("--in-flight", FILL_IN_FLIGHT);
        command.flag("--batch", FILL_BATCH);
        command.flag("--size", BODY_BYTES);
        command.flag("--warmup", 0);
        command.flag("--messages", messages);
        command
    }

    /// Receives a backlog from its first to its last message.
    #[must_use]
    pub fn drain(topic: &str, group: &str, pull: u32, settings: &Settings) -> Self {
        let mut command = Self::of("consume", topic, settings);
        command.flag("--group", group);
        command.flag("--mode", "pull");
        command.flag("--batch", pull);
        command.flag("--connections", 1);
        command.flag("--from", "first");
        command.flag("--warmup", 0);
        command.words.push("--drain".to_owned());
        command
    }

    /// The same for at most so many seconds.
    #[must_use]
    pub fn for_at_most(mut self, seconds: u32) -> Self {
        self.flag("--duration", seconds);
        self
    }

    /// All words behind the program's name.
    #[must_use]
    pub fn at(&self, place: Place<'_>) -> Vec<String> {
        let mut words = self.words.clone();
        words.extend(["-n".to_owned(), place.name_servers.to_owned()]);
        words.extend(place.pids.iter().flat_map(|pid| ["--pid".to_owned(), pid.to_string()]));
        words.extend(["--json", place.json, "--quiet"].map(str::to_owned));
        words
    }

    /// As a reader can repeat it.
    #[must_use]
    pub fn for_reading(&self) -> String {
        format!("mqbench {} -n NAMESRV --pid BROKER", self.words.join(" "))
    }

    fn of(subcommand: &str, topic: &str, settings: &Settings) -> Self {
        let mut command = Self { words: vec![subcommand.to_owned(), "-t".to_owned(), topic.to_owned()] };
        command.flag("--threads", settings.load_cpus.len().max(1));
        if !settings.load_cpus.is_empty() {
            let cpus: Vec<String> = settings.load_cpus.iter().map(usize::to_string).collect();
            command.flag("--cpus", cpus.join(","));
        }
        command
    }

    fn create_topics(&mut self) {
        self.words.push("--create-topics".to_owned());
        self.flag("--queues", QUEUES);
    }

    fn window(&mut self, warmup_s: u32, window_s: u32) {
        self.flag("--warmup", warmup_s);
        self.flag("--duration", window_s);
    }

    fn flag(&mut self, name: &str, value: impl ToString) {
        self.words.extend([name.to_owned(), value.to_string()]);
    }
}

fn mode(send: &Send) -> &'static str {
    match (send.batch, send.in_flight) {
        (2.., _) => "batch",
        (_, 1) => "sync",
        _ => "async",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings { load_cpus: vec![1], ..Settings::usual(1 << 34) }
    }

    #[test]
    fn a_closed_loop_says_how_much_is_under_way() {
        let command = BenchCommand::send("64x16", &Send::closed(64, 16), None, &settings());
        assert_eq!(
            command.for_reading(),
            "mqbench produce -t 64x16 --threads 1 --cpus 1 --create-topics --queues 8 --mode async --connections 64 \
             --in-flight 16 --size 1024 --warmup 3 --duration 8 -n NAMESRV --pid BROKER"
        );
        let single = BenchCommand::send("64x1", &Send::closed(64, 1), None, &settings()).for_reading();
        assert!(single.contains("--mode sync --connections 64 --size"), "{single}");
    }

    #[test]
    fn rates_batches_and_topics_are_said_where_there_are_some() {
        let rate = BenchCommand::send("r", &Send::at_rate(8, 10_000), Some(10_000.4), &settings()).for_reading();
        assert!(rate.contains("--mode async --connections 8 --in-flight 1000 --size 1024 --rate 10000 "), "{rate}");
        let batch = BenchCommand::send("b", &Send::closed(1, 8).in_batches_of(32), None, &settings()).for_reading();
        assert!(batch.contains("--mode batch --connections 1 --in-flight 8 --batch 32 "), "{batch}");
        let topics = BenchCommand::send("t", &Send::closed(64, 16).over_topics(8), None, &settings()).for_reading();
        assert!(topics.contains("-t t --threads 1 --cpus 1 --topics 8 --create-topics"), "{topics}");
    }

    #[test]
    fn an_unpinned_load_names_no_processors() {
        let unpinned = Settings::usual(1 << 34);
        let command = BenchCommand::drain("backlog", "g", 32, &unpinned).for_reading();
        assert_eq!(
            command,
            "mqbench consume -t backlog --threads 1 --group g --mode pull --batch 32 --connections 1 --from first \
             --warmup 0 --drain -n NAMESRV --pid BROKER"
        );
    }

    #[test]
    fn the_place_comes_behind_what_is_measured() {
        let command = BenchCommand::fill("backlog", 1000, &settings());
        let words = command.at(Place { name_servers: "127.0.0.1:9876", pids: &[42, 43], json: "/w/report.json" });
        let end = "-n 127.0.0.1:9876 --pid 42 --pid 43 --json /w/report.json --quiet";
        assert!(words.join(" ").ends_with(&format!("--warmup 0 --messages 1000 {end}")), "{words:?}");
    }
}
