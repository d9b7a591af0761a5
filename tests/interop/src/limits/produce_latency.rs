//! Latency of plain sends at a fixed rate, by mqbench, to two brokers at once.

use std::fs;
use std::panic::resume_unwind;
use std::path::Path;
use std::process::Command;
use std::thread;

use super::row::Row;
use super::scale::Scale;
use crate::binaries;
use crate::scratch::Scratch;
use crate::turbopump::Turbopump;

/// Connections of the load.
const CONNECTIONS: &str = "8";
/// Seconds of load before each measurement.
const WARM_UP: &str = "1";

/// p99 of plain sends may be so many times what it is where a broker holds nothing.
const RATIO_MAX: f64 = 1.3;

/// From when a send was due until it was answered, in microseconds.
#[derive(Debug, Clone, Copy, Default)]
struct Percentiles {
    /// Half of them at most.
    p50_us: u64,
    /// 99 of 100 at most.
    p99_us: u64,
}

/// How long plain sends take to brokers that hold something, named, and to one that does not.
///
/// Each is loaded beside the empty one, both at once: what the machine's disk or its other users do hits both alike, where turns
/// of seconds differ tenfold. For that a shard must not wait for the other's processor: their threads may not be pinned.
///
/// # Panics
/// When a send fails.
pub fn compare(
    rows: &mut Vec<Row>,
    empty: &Turbopump,
    holding: &[(String, &Turbopump)],
    scale: &Scale,
    scratch: &Scratch,
) {
    for (what, broker) in holding {
        let pairs: Vec<Pair> = (0..scale.rounds).map(|round| load_both(round, empty, broker, scale, scratch)).collect();
        let told = |of: fn(&Pair) -> &Percentiles| {
            let of_rounds = |figure: fn(&Percentiles) -> u64| median(pairs.iter().map(|pair| figure(of(pair)) as f64));
            format!("{:.0} us, {:.0} us", of_rounds(|measured| measured.p50_us), of_rounds(|measured| measured.p99_us))
        };
        rows.push(Row::told(format!("plain sends with {what}: p50, p99"), told(|pair| &pair.holding)));
        rows.push(Row::told("at the same time to a broker that holds nothing: p50, p99", told(|pair| &pair.empty)));
        let ratio = median(pairs.iter().map(|pair| pair.holding.p99_us as f64 / pair.empty.p99_us as f64));
        let what = format!("p99 of plain sends with {what}, against none");
        rows.push(match scale.judges_latency {
            true => Row::at_most(what, ratio, RATIO_MAX, "times"),
            false => Row::told(what, format!("{ratio:.2} times")),
        });
    }
}

/// Of the same seconds.
#[derive(Debug, Clone, Copy)]
struct Pair {
    empty: Percentiles,
    holding: Percentiles,
}

fn load_both(round: usize, empty: &Turbopump, holding: &Turbopump, scale: &Scale, scratch: &Scratch) -> Pair {
    let pair = thread::scope(|scope| {
        let empty = scope.spawn(|| load(empty, &scratch.path().join("empty.json"), scale));
        let holding = load(holding, &scratch.path().join("holding.json"), scale);
        Pair { empty: empty.join().unwrap_or_else(|panic| resume_unwind(panic)), holding }
    });
    println!(
        "round {round}: p50 {} us, p99 {} us; of the empty broker p50 {} us, p99 {} us",
        pair.holding.p50_us, pair.holding.p99_us, pair.empty.p50_us, pair.empty.p99_us
    );
    pair
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_unstable_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn load(broker: &Turbopump, report: &Path, scale: &Scale) -> Percentiles {
    let mut command = Command::new(binaries::path_of("mqbench"));
    command.args(["produce", "-n", &broker.target().name_servers, "-t", "load", "--create-topics"]);
    command.args(["--connections", CONNECTIONS, "--rate", &scale.rate.to_string(), "--warmup", WARM_UP]);
    command.args(["--duration", &scale.round.as_secs().to_string(), "--json"]).arg(report);
    let output = command.output().unwrap_or_else(|error| panic!("mqbench does not start: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "mqbench ended with {}:\n{said}", output.status);
    let text = fs::read(report).unwrap_or_else(|error| panic!("no report at {}: {error}", report.display()));
    let report: serde_json::Value = serde_json::from_slice(&text).expect("mqbench writes JSON");
    assert_eq!(report["sends"]["errors"].as_array().map(Vec::len), Some(0), "{}", report["sends"]["errors"]);
    let figure = |name: &str| {
        let value = report["sends"]["latency"][name].as_u64();
        value.unwrap_or_else(|| panic!("no {name} in mqbench's report: {}", report["sends"]["latency"]))
    };
    Percentiles { p50_us: figure("p50_us"), p99_us: figure("p99_us") }
}
