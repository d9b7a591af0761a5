//! Latency of plain sends at a fixed rate, by mqbench, to brokers that take turns.

use std::fs;
use std::process::Command;

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
/// # Panics
/// When a send fails.
pub fn compare(
    rows: &mut Vec<Row>,
    empty: &Turbopump,
    holding: &[(String, &Turbopump)],
    scale: &Scale,
    scratch: &Scratch,
) {
    let brokers: Vec<&Turbopump> = [empty].into_iter().chain(holding.iter().map(|(_, broker)| *broker)).collect();
    let figures = in_turns(&brokers, scale, scratch);
    let told = |figures: Percentiles| format!("{} us, {} us", figures.p50_us, figures.p99_us);
    rows.push(Row::told("plain sends to a broker that holds nothing: p50, p99", told(figures[0])));
    for ((what, _), of_holding) in holding.iter().zip(&figures[1..]) {
        rows.push(Row::told(format!("plain sends with {what}: p50, p99"), told(*of_holding)));
        let ratio = of_holding.p99_us as f64 / figures[0].p99_us as f64;
        let what = format!("p99 of plain sends with {what}, against none");
        rows.push(match scale.judges_latency {
            true => Row::at_most(what, ratio, RATIO_MAX, "times"),
            false => Row::told(what, format!("{ratio:.2} times")),
        });
    }
}

/// Loads one broker after the other, round by round and in changing order; of each broker the medians of its rounds.
fn in_turns(brokers: &[&Turbopump], scale: &Scale, scratch: &Scratch) -> Vec<Percentiles> {
    let mut rounds: Vec<Vec<Percentiles>> = vec![Vec::new(); brokers.len()];
    for round in 0..scale.rounds {
        for turn in 0..brokers.len() {
            let number = (round + turn) % brokers.len();
            let measured = load(brokers[number], scale, scratch);
            println!("round {round}, broker {number}: p50 {} us, p99 {} us", measured.p50_us, measured.p99_us);
            rounds[number].push(measured);
        }
    }
    let median = |rounds: &[Percentiles], of: fn(&Percentiles) -> u64| {
        let mut figures: Vec<u64> = rounds.iter().map(of).collect();
        figures.sort_unstable();
        figures[figures.len() / 2]
    };
    let medians = |rounds: &Vec<Percentiles>| Percentiles {
        p50_us: median(rounds, |round| round.p50_us),
        p99_us: median(rounds, |round| round.p99_us),
    };
    rounds.iter().map(medians).collect()
}

fn load(broker: &Turbopump, scale: &Scale, scratch: &Scratch) -> Percentiles {
    let report = scratch.path().join("mqbench.json");
    let mut command = Command::new(binaries::path_of("mqbench"));
    command.args(["produce", "-n", &broker.target().name_servers, "-t", "load", "--create-topics"]);
    command.args(["--connections", CONNECTIONS, "--rate", &scale.rate.to_string(), "--warmup", WARM_UP]);
    command.args(["--duration", &scale.round.as_secs().to_string(), "--json"]).arg(&report);
    let output = command.output().unwrap_or_else(|error| panic!("mqbench does not start: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "mqbench ended with {}:\n{said}", output.status);
    let text = fs::read(&report).unwrap_or_else(|error| panic!("no report at {}: {error}", report.display()));
    let report: serde_json::Value = serde_json::from_slice(&text).expect("mqbench writes JSON");
    assert_eq!(report["sends"]["errors"].as_array().map(Vec::len), Some(0), "{}", report["sends"]["errors"]);
    let figure = |name: &str| {
        let value = report["sends"]["latency"][name].as_u64();
        value.unwrap_or_else(|| panic!("no {name} in mqbench's report: {}", report["sends"]["latency"]))
    };
    Percentiles { p50_us: figure("p50_us"), p99_us: figure("p99_us") }
}
