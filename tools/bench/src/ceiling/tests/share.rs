use crate::ceiling::CeilingError;
use crate::ceiling::fixture::{consumers, plan, producers};
use crate::ceiling::share::share;
use crate::plan::{Plan, Producers, Work};

fn all() -> Plan {
    let topics = ["a", "b", "c"].map(String::from).to_vec();
    let producers = Producers { rate: Some(9_000.0), ..producers() };
    Plan { topics, create_topics: Some(8), broker_pids: vec![7], ..plan(Work::Produce { producers }) }
}

#[test]
fn senders_share_the_rate_and_all_topics() {
    let parts: Vec<Plan> = (0..3).map(|index| share(&all(), index, 3).unwrap()).collect();
    assert!(parts.iter().all(|part| part.work.producers().unwrap().rate == Some(3_000.0)));
    assert!(parts.iter().all(|part| part.topics == all().topics));
}

#[test]
fn only_the_leader_creates_topics_and_knows_processes() {
    let (leader, other) = (share(&all(), 0, 2).unwrap(), share(&all(), 1, 2).unwrap());
    assert_eq!((leader.create_topics, leader.broker_pids), (Some(8), vec![7]));
    assert_eq!((other.create_topics, other.broker_pids), (None, vec![]));
}

#[test]
fn with_consumers_every_machine_has_topics_and_a_group_of_its_own() {
    let work = Work::Mixed { producers: producers(), consumers: consumers() };
    let both = Plan { work, ..all() };
    let parts: Vec<Plan> = (0..2).map(|index| share(&both, index, 2).unwrap()).collect();
    assert_eq!((parts[0].topics.join(","), parts[1].topics.join(",")), ("a,c".into(), "b".into()));
    assert_ne!(parts[0].work.consumers().unwrap().group, parts[1].work.consumers().unwrap().group);
    assert!(matches!(share(&both, 0, 4), Err(CeilingError::TooFewTopics { topics: 3, machines: 4 })));
    assert_eq!(share(&both, 0, 1).unwrap(), both);
}
