//! Everything that was set, and how to do it again.

use crate::number;
use crate::record::Record;
use crate::render::{measured, table};
use crate::scope::Scope;
use crate::side::Side;

/// Settings, commands and configurations.
pub(super) fn section(record: &Record, raw: &str) -> String {
    let said = match record.scope {
        Scope::Broker => [windows(record), placement(record)],
        Scope::Replicas => [replica_windows(record), replica_placement(record)],
    };
    let [windows, placement] = said;
    [windows, placement, repeat(record, raw), commands(record), setups(record)].join("\n")
}

fn windows(record: &Record) -> String {
    let settings = &record.settings;
    format!(
        "## Settings\n\n\
         - rounds: {}; in each, the sides take turns stage by stage, and change places from round to round\n\
         - every window is {} s after {} s of the same load; bodies are incompressible and without keys; topics have 8 queues\n\
         - before a broker's first window it gets {} s of load (Apache) or {} s (Turbopump): a cold JVM needs more than 12 s\n\
         - stock Java client: {} s of load before its window\n\
         - backlog that is drained: {} messages of 1 KiB, read by one connection that has one pull under way a queue\n\
         - long log: {} GiB of bodies; before the cold reads the broker is stopped, its files are synced and evicted from \
         the page cache (`posix_fadvise`, DONTNEED), and it is started and warmed again; the cold reader runs at nice 19\n\
         - start to ready: from the start of the process until a client that knows only the name server has a first send \
         acknowledged; after `kill -9` the page cache is left as it is\n\
         - Apache's key index is off: on, it would cost the peer for every message; Turbopump's, where its version has one, is on\n\
         - idle: {} s of rest, then {} s measured; Apache with a heap of 1 GiB that is not touched, its leanest; \
         Turbopump with 2 shards\n\
         - a store above {} GiB is replaced by an empty one between two cases\n",
        settings.rounds,
        settings.window_s,
        settings.warmup_s,
        settings.warm_apache_s,
        settings.warm_turbopump_s,
        settings.warm_java_client_s,
        number::count(settings.drain_messages as f64),
        settings.long_log_gib,
        settings.settle_s,
        settings.idle_s,
        settings.store_gib,
    )
}

fn placement(record: &Record) -> String {
    let settings = &record.settings;
    let load = load_placement(record);
    format!(
        "Placement: both brokers may use every processor of the machine. Apache is placed by the kernel. Turbopump pins its \
         {} shard(s) to processor {}, as it does by itself. The load is {load}, for both alike; the Java client is not \
         pinned.\n",
        settings.shards, settings.turbopump_cpus
    )
}

fn load_placement(record: &Record) -> String {
    let cpus: Vec<String> = record.settings.load_cpus.iter().map(usize::to_string).collect();
    if cpus.is_empty() { "placed by the kernel".to_owned() } else { format!("pinned to processor {}", cpus.join(", ")) }
}

fn replica_windows(record: &Record) -> String {
    let settings = &record.settings;
    let kills: Vec<String> = settings.kill_after_s.iter().map(u32::to_string).collect();
    format!(
        "## Settings\n\n\
         - three replicas a side, each a process of its own, all on this machine and this disk, with one name server; \
         both sides acknowledge when a majority has the message in memory that outlives the process (`ASYNC_FLUSH`)\n\
         - rounds: {}; in each, the sides take turns, and change places from round to round; \"not replicated\" is one \
         broker of ours with the same settings, in the same round\n\
         - every window is {} s after {} s of the same load; bodies are incompressible and without keys; topics have 8 queues\n\
         - before a group's first window it gets {} s of load: a cold JVM needs more than 12 s, and memory is touched for the \
         first time\n\
         - CPU is user and system time of the three brokers within the window, divided by its messages; leader's and \
         followers' parts are those of the processes\n\
         - followers' network: payload bytes of all TCP connections that the two followers have open, received and sent, as \
         the kernel counts them for each socket (`tcp_info`), divided by the messages of a further run of {} s that counts \
         its messages; loopback: bytes of all packets on `lo` in that run, which holds the load's own and all headers\n\
         - kill -9 of the leader: {} s (round by round) after a stock Java client at default settings had asked for the route, \
         which it does every 30 s; it goes on for {} s. \"Accepts sends again\" is seen by a client that asks for the route \
         each time\n\
         - empty replica: one replica is killed and its disk emptied, the other two are given {} GiB of bodies, and it is started \
         again while sends go on; it is there when the leader says that it keeps up. The rate is that of the log's bytes from the start \
         of its process\n\
         - the disk's own rates are those of direct accesses of 1 MiB, four at once, to files of {} GiB on the same disk, right \
         before; replication on one machine reads the log from the disk it writes it to, as copying a file does\n\
         - Apache's key index is off: on, it would cost the peer for every message; Turbopump's, where its version has one, is on\n\
         - stores above {} GiB in sum are replaced by empty ones between two cases\n",
        settings.rounds,
        settings.window_s,
        settings.warmup_s,
        settings.warm_group_s,
        crate::group_session::COUNTED_S,
        kills.join(", "),
        settings.after_kill_s,
        settings.long_log_gib,
        settings.disk_probe_gib,
        settings.store_gib,
    )
}

fn replica_placement(record: &Record) -> String {
    let settings = &record.settings;
    let cpus: Vec<String> =
        settings.turbopump_group_cpus.iter().enumerate().map(|(number, cpus)| format!("n{number} on {cpus}")).collect();
    format!(
        "Placement: all brokers of both sides may use every processor of the machine, and no more. Apache's are placed by the \
         kernel. Turbopump's shards, one a broker, are pinned ({}), its other threads are placed by the kernel; the broker without \
         replicas has its shard on {}. n0 leads when all have been there for a while. The load is {}, for all alike.\n",
        cpus.join(", "),
        settings.turbopump_cpus,
        load_placement(record)
    )
}

fn repeat(record: &Record, raw: &str) -> String {
    format!(
        "## Again\n\n```sh\nmake {:<41} # builds, measures, writes this file\n\
         target/release/{}\n\
         target/release/mqcompare render docs/benchmarks/{raw}   # this file again from its raw data\n```\n",
        record.scope.make_target(),
        record.command
    )
}

fn commands(record: &Record) -> String {
    let rows: Vec<Vec<String>> = measured(record)
        .filter_map(|case| {
            let mut all = [Side::Turbopump, Side::Apache].into_iter().flat_map(|side| record.rounds(case.id, side));
            let command = all.find(|measurement| !measurement.command.is_empty())?.command.clone();
            Some(vec![case.id.to_owned(), format!("`{command}`")])
        })
        .collect();
    format!("What produced each case, the same for both:\n\n{}", table(&["`--cases`", "command"], &rows))
}

fn setups(record: &Record) -> String {
    let mut text = String::from("## Configurations\n\n`WORK` is the work folder, `RINGS` a folder in shared memory.\n");
    for setup in &record.setups {
        text.push_str(&format!(
            "\n### {}, {}\n\n```sh\n{}\n```\n\n```properties\n{}\n```\n",
            setup.side.name(),
            setup.stage,
            setup.command,
            setup.configuration.trim_end()
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::Figure;
    use crate::record::Setup;
    use crate::record::tests::record;

    #[test]
    fn both_configurations_and_the_commands_are_in_it() {
        let mut record = record("1x64", Figure::MessagesPerSecond, [1.0; 3], [1.0; 3]);
        record.measurements[1].command = "mqbench produce -t 1x64".to_owned();
        for side in [Side::Apache, Side::Turbopump] {
            record.add_setup(Setup {
                side,
                stage: "ASYNC_FLUSH".to_owned(),
                command: format!("start {}", side.folder()),
                configuration: "brokerName=broker-a\n".to_owned(),
            });
        }
        let text = section(&record, "raw.json.gz");
        for part in [
            "| 1x64 | `mqbench produce -t 1x64` |",
            "### Apache RocketMQ, ASYNC_FLUSH\n\n```sh\nstart apache\n```\n\n```properties\nbrokerName=broker-a\n```\n",
            "### Turbopump, ASYNC_FLUSH\n",
            "render docs/benchmarks/raw.json.gz",
            "The load is placed by the kernel, for both alike",
        ] {
            assert!(text.contains(part), "no {part:?} in {text}");
        }
    }
}
