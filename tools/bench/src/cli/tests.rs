//! Flags and the plans they make.

use clap::CommandFactory;

use super::*;
use crate::plan::{BodySize, End, OPEN_LOOP_IN_FLIGHT, PlanError, ReceiveMode, SendMode, StartAt};

fn plan(line: &str) -> Plan {
    let cli = Cli::try_parse_from(line.split_whitespace()).unwrap_or_else(|error| panic!("{error}"));
    match &cli.command {
        Command::Produce(args) => args.plan(),
        Command::Consume(args) => args.plan(),
        Command::E2e(args) => args.e2e_plan(),
        Command::Mixed(args) => args.mixed_plan(),
        other => panic!("no plan of its own: {other:?}"),
    }
}

fn refusal(line: &str) -> String {
    Cli::try_parse_from(line.split_whitespace()).unwrap_err().to_string()
}

#[test]
fn the_command_is_well_formed() {
    Cli::command().debug_assert();
}

#[test]
fn sync_is_one_request_in_flight_unless_said_otherwise() {
    let producers = |line: &str| plan(line).work.producers().unwrap().clone();
    let sync = producers("mqbench produce -t T --mode sync --connections 64");
    assert_eq!((sync.mode, sync.connections, sync.in_flight, sync.batch), (SendMode::Sync, 64, 1, 1));
    assert_eq!(producers("mqbench produce -t T --mode sync --in-flight 16").in_flight, 16);
    assert_eq!(producers("mqbench produce -t T").in_flight, 64);
    assert_eq!(producers("mqbench produce -t T --rate 1000").in_flight, OPEN_LOOP_IN_FLIGHT);
    let batch = producers("mqbench produce -t T --mode batch");
    assert_eq!((batch.batch, batch.in_flight), (32, 4));
}

#[test]
fn all_flags_of_produce_are_understood() {
    let plan = plan(
        "mqbench produce -n a:1;b:2 -t A,B --topics 2 --queues 4 --create-topics --mode async --connections 3 \
         --in-flight 5 --size-dist uniform:10-20 --keys --property TAGS=x --property a=b=c --rate 100.5 --warmup 0.5 \
         --duration 2 --threads 2 --cpus 1-2,5 --spin --pid 7 --pid 8",
    );
    assert_eq!(plan.name_servers, "a:1;b:2");
    assert_eq!(plan.topics, ["A-0", "A-1", "B-0", "B-1"]);
    assert_eq!((plan.create_topics, plan.warm_up_ms), (Some(4), 500));
    assert_eq!(plan.end, End { after_ms: Some(2_000), after_messages: None, drained: false });
    assert_eq!((plan.threads, plan.cpus.as_slice(), plan.spin), (2, &[1, 2, 5][..], true));
    assert_eq!(plan.broker_pids, [7, 8]);
    let producers = plan.work.producers().unwrap();
    assert_eq!(producers.body_size, BodySize::Uniform { min: 10, max: 20 });
    assert_eq!((producers.rate, producers.keys), (Some(100.5), true));
    let property = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(producers.properties, [property("TAGS", "x"), property("a", "b=c")]);
    assert_eq!(plan.check(), Ok(()));
}

#[test]
fn a_run_by_count_has_no_warm_up_and_no_time() {
    let by_count = plan("mqbench produce -t T --messages 1000");
    assert_eq!(by_count.end, End { after_ms: None, after_messages: Some(1_000), drained: false });
    assert_eq!(by_count.warm_up_ms, 0);
    let drain = plan("mqbench consume -t T --drain --duration 60");
    assert_eq!(drain.end, End { after_ms: Some(60_000), after_messages: None, drained: true });
    let by_time = plan("mqbench consume -t T");
    assert_eq!((by_time.end.after_ms, by_time.warm_up_ms), (Some(20_000), 3_000));
}

#[test]
fn consumers_begin_where_they_are_told() {
    let consumers = |line: &str| plan(line).work.consumers().unwrap().clone();
    let places =
        [("first", StartAt::First), ("last", StartAt::Last), ("group", StartAt::Group), ("5", StartAt::Offset(5))];
    for (text, place) in places {
        assert_eq!(consumers(&format!("mqbench consume -t T --from {text}")).from, place);
    }
    assert_eq!(consumers("mqbench consume -t T --mode push --batch 8").mode, ReceiveMode::Push);
    let follower = consumers("mqbench e2e -t T --rate 10 --pull-batch 8 --consumer-connections 2 --group g");
    assert_eq!((follower.from, follower.mode), (StartAt::Last, ReceiveMode::Push));
    assert_eq!((follower.batch, follower.connections, follower.group.as_str()), (8, 2, "g"));
}

#[test]
fn bad_flags_are_refused_with_what_would_be_right() {
    for (line, expected) in [
        ("mqbench produce", "--topic"),
        ("mqbench produce -t T --size many", "`many` is no size; write 1024, 4k or uniform:128-4k"),
        ("mqbench produce -t T --size uniform:1-2", "a range goes to --size-dist"),
        ("mqbench produce -t T --property x", "it has no =, as in TAGS=new"),
        ("mqbench produce -t T --duration soon", "expected a number of seconds, as 20 or 0.5"),
        ("mqbench produce -t T --cpus 3-1", "expected processors from 0 to 1023, as 0-3,8"),
        ("mqbench consume -t T --from=-1", "expected first, last, group or an offset from 0"),
        ("mqbench consume -t T --from middle", "expected first, last, group or an offset from 0"),
        ("mqbench produce -t T --mode fast", "[possible values: sync, async, oneway, batch]"),
    ] {
        let message = refusal(line);
        assert!(message.contains(expected), "{line}: {message}");
    }
}

#[test]
fn plans_that_cannot_be_run_are_refused_before_anything_is_connected() {
    let check = |line: &str| plan(line).check().unwrap_err();
    assert_eq!(check("mqbench e2e -t T"), PlanError::E2eWithoutRate);
    assert_eq!(check("mqbench e2e -t T --rate 5 --size 15"), PlanError::NoRoomForStamp { bytes: 15 });
    assert_eq!(check("mqbench produce -t T --rate 0"), PlanError::Rate { rate: 0.0 });
    let in_flight = PlanError::Range { what: "--in-flight", given: 0, min: 1, max: 65_536 };
    assert_eq!(check("mqbench produce -t T --in-flight 0"), in_flight);
    let batch = PlanError::Range { what: "--batch", given: 2, min: 1, max: 1 };
    assert_eq!(check("mqbench produce -t T --batch 2"), batch);
    let too_long = PlanError::BatchTooLong { batch: 32, bytes: 1 << 20 };
    assert_eq!(check("mqbench produce -t T --mode batch --size 1m"), too_long);
    assert!(matches!(check("mqbench produce -t a/b"), PlanError::Topic { .. }));
    assert!(matches!(check("mqbench consume -t T --group a/b"), PlanError::Group { .. }));
    assert!(matches!(check("mqbench produce -t T --property UNIQ_KEY=1"), PlanError::Property { .. }));
    assert!(matches!(check("mqbench produce -t T --property KEYS=1"), PlanError::Property { .. }));
}

#[test]
fn a_plan_survives_json() {
    for line in ["mqbench mixed -t T --mode batch --size 1k", "mqbench consume -t T --drain --from 7"] {
        let plan = plan(line);
        let text = serde_json::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan, "{text}");
    }
}
