//! Where a broker's threads run, and what `mqbroker --preflight` says about the machine, seen from outside.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Output};

use interop::binaries;
use interop::broker_start::BrokerStart;
use interop::scratch::Scratch;

/// Reads `0-3,8`.
fn list(text: &str) -> Vec<usize> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |text: &str| text.trim().parse::<usize>().unwrap_or_else(|_| panic!("{text:?} is no number"));
        number(first)..=number(last)
    };
    text.split(',').flat_map(range).collect()
}

fn allowed(status: &str) -> Vec<usize> {
    let line = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    list(line.unwrap_or_else(|| panic!("no processors in\n{status}")).trim())
}

fn own_mask() -> Vec<usize> {
    allowed(&fs::read_to_string("/proc/self/status").unwrap_or_else(|error| panic!("/proc/self/status: {error}")))
}

/// Processors that each thread may run on, by the thread's name. Two threads of one name both count.
fn threads_of(pid: u32) -> BTreeMap<String, Vec<Vec<usize>>> {
    let mut threads: BTreeMap<String, Vec<Vec<usize>>> = BTreeMap::new();
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap_or_else(|error| panic!("threads of {pid}: {error}"));
    for task in tasks.flatten() {
        // Threads of the kernel that work for the broker come and go.
        let (Ok(name), Ok(status)) =
            (fs::read_to_string(task.path().join("comm")), fs::read_to_string(task.path().join("status")))
        else {
            continue;
        };
        threads.entry(name.trim().to_owned()).or_default().push(allowed(&status));
    }
    threads
}

#[test]
fn a_pinned_shard_has_its_processor_and_the_rest_of_the_process_has_the_others() {
    let scratch = Scratch::new("placement");
    let mask = own_mask();
    let own = mask[0];
    let broker = BrokerStart::new("pinned", &scratch).argument(&format!("--cpus={own}")).ready();
    let threads = threads_of(broker.pid());
    let named = |part: &str| {
        let of_name = threads.iter().filter(|(name, _)| name.starts_with(part)).flat_map(|(_, masks)| masks);
        of_name.cloned().collect::<Vec<_>>()
    };
    let shard = named("shard-0");
    assert!(shard.contains(&vec![own]), "{threads:?}");
    for others in [named("mqbroker"), named("namesrv"), shard.into_iter().filter(|cpus| *cpus != [own]).collect()] {
        for cpus in others {
            let is_elsewhere = !cpus.contains(&own) && cpus.iter().all(|cpu| mask.contains(cpu));
            assert!(is_elsewhere || mask.len() == 1, "only the shard has processor {own}: {threads:?}");
        }
    }
    assert!(!named("mqbroker").is_empty() && !named("namesrv").is_empty(), "{threads:?}");
    broker.terminate();
}

#[test]
fn a_broker_that_is_not_pinned_leaves_its_threads_to_the_kernel() {
    let scratch = Scratch::new("placement-any");
    let broker = BrokerStart::new("any", &scratch).argument("--cpus=any").ready();
    let threads = threads_of(broker.pid());
    for (name, masks) in threads.iter().filter(|(name, _)| !name.starts_with("iou-")) {
        assert!(masks.iter().all(|cpus| *cpus == own_mask()), "{name}: {masks:?}");
    }
    broker.terminate();
}

/// Runs `mqbroker --preflight` with what `start` would start with.
fn survey(start: &BrokerStart, arguments: &[&str]) -> Output {
    let mut command = Command::new(binaries::path_of("mqbroker"));
    let ports = [format!("listenPort={}", start.port()), format!("namesrvListenPort={}", start.name_server_port())];
    command.args(["--preflight", "--standalone", "--shards", "1", "--set", &ports[0], "--set", &ports[1], "--store"]);
    command.arg(start.store()).args(arguments);
    command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

#[test]
fn the_survey_says_whether_it_would_start_by_its_exit_code_and_makes_nothing() {
    let scratch = Scratch::new("preflight");
    let start = BrokerStart::new("preflight", &scratch);
    let output = survey(&start, &[]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("It would start."), "{text}");
    assert!(!start.store().exists(), "it makes no store");

    let broker = start.ready();
    let output = survey(&start, &[]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{text}");
    for word in ["taken by process", "in use by another process", "It would not start."] {
        assert!(text.contains(word), "{word} is missing in\n{text}");
    }
    let json = survey(&start, &["--json"]);
    let json_text = String::from_utf8_lossy(&json.stdout);
    assert_eq!(json.status.code(), Some(1));
    assert!(json_text.starts_with("{\n  \"would_start\": false"), "{json_text}");
    broker.terminate();
    assert_eq!(survey(&start, &[]).status.code(), Some(0), "looking at a store does not hold it");
}
