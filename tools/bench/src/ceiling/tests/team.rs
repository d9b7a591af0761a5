use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::ceiling::conduct::Conductor;
use crate::ceiling::engine::Engine;
use crate::ceiling::fixture::{FakeEngine, plan, producers, settings};
use crate::ceiling::search_settings::SearchSettings;
use crate::ceiling::source::SourceChoice;
use crate::ceiling::stop_flag::StopFlag;
use crate::ceiling::team::{HELLO_BYTES_MAX, JoinProgress, Link, Message, TEAM_VERSION, Team, encode, join};
use crate::ceiling::{CeilingError, CeilingReport};
use crate::error::BenchError;
use crate::observer::Unobserved;
use crate::plan::{End, Plan, Producers, Work};

const PATIENCE: Duration = Duration::from_secs(30);

type Joined = JoinHandle<(Result<(), CeilingError>, FakeEngine, Vec<JoinProgress>)>;

fn joiner(address: SocketAddr, engine: FakeEngine) -> Joined {
    thread::spawn(move || {
        let mut progress = Vec::new();
        let result =
            join(&address.to_string(), PATIENCE, &engine, &StopFlag::default(), &mut |step| progress.push(step));
        (result, engine, progress)
    })
}

fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn gather(listener: &TcpListener, expected: usize) -> Team {
    Team::gather(listener, expected, PATIENCE, &StopFlag::default(), |_, _| {}).unwrap()
}

fn search(team: Team, engine: &dyn Engine) -> Result<CeilingReport, CeilingError> {
    let sources = SourceChoice { may_be_unsampled: true, ..Default::default() };
    let mut settings = settings();
    settings.search = SearchSettings { start: 20_000.0, tolerance: 0.3, ..settings.search };
    Conductor {
        settings,
        command_line: Vec::new(),
        sources,
        team,
        engine,
        stop: StopFlag::default(),
        observer: &mut (),
    }
    .run()
}

/// One of two machines: half of what a cluster does is its own.
fn half() -> FakeEngine {
    FakeEngine { capacity: 50_000.0, knee: 30_000.0, ..Default::default() }
}

fn load_at(rate: f64, measured_ms: u64) -> Plan {
    let producers = Producers { rate: Some(rate), ..producers() };
    Plan { end: End { after_ms: Some(measured_ms), ..End::default() }, ..plan(Work::Produce { producers }) }
}

#[test]
fn two_machines_find_what_both_can_do_together() {
    let (listener, address) = listen();
    let other = joiner(address, half());
    let team = gather(&listener, 1);
    let report = search(team, &half()).unwrap();
    let (result, engine, progress) = other.join().unwrap();
    result.unwrap();
    assert_eq!(report.extreme.unwrap().achieved, 100_000.0);
    let safe = report.safe.unwrap().achieved;
    assert!((60_000.0 / 1.3..=60_000.0).contains(&safe), "{safe}");
    assert_eq!(report.joined.len(), 1);
    assert!(report.joined[0].machine.as_ref().is_some_and(|machine| machine.memory_bytes > 0));
    assert!(report.steps.iter().all(|step| step.load.machines == 2));
    let ran = engine.ran.into_inner().unwrap();
    let shares: Vec<f64> = ran.iter().map(|plan| plan.work.producers().unwrap().rate.unwrap()).collect();
    let halves: Vec<f64> = report.steps.iter().map(|step| step.offered / 2.0).collect();
    assert_eq!(shares, halves);
    assert_eq!(progress[0], JoinProgress::Joined { number: 1, expected: 1 });
    assert_eq!(progress.len(), 1 + report.steps.len());
}

#[test]
fn a_machine_that_is_lost_ends_the_search_with_its_address() {
    let (listener, address) = listen();
    // Takes part in two steps, then its process is gone.
    let other = thread::spawn(move || {
        let mut link = Link::new(TcpStream::connect(address).unwrap(), HELLO_BYTES_MAX).unwrap();
        link.send(&Message::Hello { version: TEAM_VERSION, bench_version: "0".into(), machine: None }).unwrap();
        let mut steps = 0;
        while steps < 3 {
            if let Some(Message::Run { step, plan, .. }) = link.receive(PATIENCE).unwrap() {
                steps += 1;
                if steps < 3 {
                    let report = half().run(&plan, &mut Unobserved).unwrap();
                    link.send(&Message::Report { step, report: Box::new(report) }).unwrap();
                }
            }
        }
        link.peer()
    });
    let error = search(gather(&listener, 1), &half()).unwrap_err();
    other.join().unwrap();
    assert!(matches!(&error, CeilingError::Lost { during, .. } if during == "in step 3"), "{error}");
    assert!(error.to_string().contains("127.0.0.1:"), "{error}");
}

#[test]
fn the_load_of_this_machine_ends_when_another_is_lost() {
    let (listener, address) = listen();
    let other = thread::spawn(move || {
        let mut link = Link::new(TcpStream::connect(address).unwrap(), HELLO_BYTES_MAX).unwrap();
        link.send(&Message::Hello { version: TEAM_VERSION, bench_version: "0".into(), machine: None }).unwrap();
        while !matches!(link.receive(PATIENCE).unwrap(), Some(Message::Run { .. })) {}
    });
    let mut team = gather(&listener, 1);
    let engine = FakeEngine { takes_time: true, ..half() };
    let began = std::time::Instant::now();
    let result = team.run(1, &load_at(1_000.0, 600_000), &engine, &mut Unobserved, &StopFlag::default());
    other.join().unwrap();
    assert!(matches!(result, Err(CeilingError::Lost { .. })), "{result:?}");
    assert!(began.elapsed() < Duration::from_secs(60), "the load went on for {:?}", began.elapsed());
}

#[test]
fn a_machine_whose_leader_is_lost_ends_its_load() {
    let (listener, address) = listen();
    let other = joiner(address, FakeEngine { takes_time: true, ..half() });
    let mut link = Link::new(listener.accept().unwrap().0, HELLO_BYTES_MAX).unwrap();
    assert!(matches!(link.receive(PATIENCE).unwrap(), Some(Message::Hello { .. })));
    link.send(&Message::Welcome { number: 1, expected: 1 }).unwrap();
    link.send(&Message::Run { step: 1, plan: Box::new(load_at(1_000.0, 600_000)), start_in_ms: 0 }).unwrap();
    drop(link);
    let (result, ..) = other.join().unwrap();
    assert!(matches!(result, Err(CeilingError::Leader { .. })), "{result:?}");
}

#[test]
fn a_leader_that_gives_up_says_so_and_ends_the_load() {
    let (listener, address) = listen();
    let other = joiner(address, FakeEngine { takes_time: true, ..half() });
    let mut team = gather(&listener, 1);
    let failing = FakeEngine { fails: Some((1, || BenchError::WorkerPanicked)), ..half() };
    let result = team.run(1, &load_at(1_000.0, 600_000), &failing, &mut Unobserved, &StopFlag::default());
    assert!(matches!(result, Err(CeilingError::Bench(BenchError::WorkerPanicked))), "{result:?}");
    team.end(Some("a worker thread panicked".into()));
    let (result, ..) = other.join().unwrap();
    let text = result.unwrap_err().to_string();
    assert!(text.contains("gave up: a worker thread panicked"), "{text}");
}

#[test]
fn a_machine_that_cannot_run_its_share_says_why() {
    let (listener, address) = listen();
    let refuse = || BenchError::NoRoute { topic: "load".into() };
    let other = joiner(address, FakeEngine { fails: Some((1, refuse)), ..half() });
    let error = search(gather(&listener, 1), &half()).unwrap_err();
    assert!(error.to_string().contains("could not run step 1: topic load has no route"), "{error}");
    let (result, ..) = other.join().unwrap();
    assert!(result.unwrap_err().to_string().contains("gave up"));
}

#[test]
fn whoever_says_nothing_sensible_is_turned_away_and_the_others_still_join() {
    let (listener, address) = listen();
    let mut stranger = TcpStream::connect(address).unwrap();
    stranger.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let mut old = TcpStream::connect(address).unwrap();
    let hello = Message::Hello { version: TEAM_VERSION + 1, bench_version: "9".into(), machine: None };
    old.write_all(&encode(&hello).unwrap()).unwrap();
    let other = joiner(address, half());
    let mut team = gather(&listener, 1);
    team.end(None);
    other.join().unwrap().0.unwrap();
    let mut answer = String::new();
    old.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("refused") && answer.contains("same mqbench"), "{answer}");
}

#[test]
fn machines_that_do_not_come_are_counted() {
    let (listener, _) = listen();
    let error = Team::gather(&listener, 2, Duration::ZERO, &StopFlag::default(), |_, _| {}).unwrap_err();
    assert!(matches!(error, CeilingError::Missing { have: 0, expected: 2, .. }), "{error}");
    assert!(error.to_string().contains("--join"), "{error}");
}

#[test]
fn a_leader_that_is_not_there_is_an_error_with_its_address() {
    let (listener, address) = listen();
    drop(listener);
    let error = join(&address.to_string(), Duration::ZERO, &half(), &StopFlag::default(), &mut |_| {}).unwrap_err();
    assert!(error.to_string().contains(&address.to_string()) && error.to_string().contains("--lead"), "{error}");
    let error = join("nonsense", Duration::ZERO, &half(), &StopFlag::default(), &mut |_| {}).unwrap_err();
    assert!(error.to_string().contains("HOST:PORT"), "{error}");
}
