//! One fault, once, under a stock producer and a stock consumer at their default settings.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use cluster::link::Direction;
use rand::RngExt;
use rand::rngs::StdRng;

use crate::faults::fault::Fault;
use crate::faults::probe;
use crate::log_copies::wait_until_all_have_it;
use crate::replica_group::ReplicaGroup;
use crate::scratch::Scratch;
use crate::working_clients::{FailedSend, WorkingClients, now_ms};

/// Acknowledgements before the fault, and after it.
const ACKNOWLEDGED_MIN: usize = 200;
/// And while it lasts: a client waits 3 s for each send to a node that hangs.
const ACKNOWLEDGED_HELD: usize = 20;
/// Between two sends of a thread: the clients work steadily, and what is measured is the group and not a busy machine.
const PAUSE_MS: &str = "1";
/// Beyond it a group does not come back by itself.
const ACCEPTED_WITHIN: Duration = Duration::from_secs(30);
/// As long as a node stays dead, hung or cut off at least: several elections.
const HELD_MIN: Duration = Duration::from_secs(4);
/// Faults that a group need not notice.
const DISTURBED: Duration = Duration::from_secs(8);
const LOSS_PERCENT: u8 = 10;
const DELAY_MS: u32 = 50;
const JITTER_MS: u32 = 20;
const DELAY_LOSS_PERCENT: u8 = 2;

/// How long a stock client at its default settings goes on with one send, all its tries together.
const CLIENT_TIMEOUT_MS: u64 = 3_000;

/// What is waited for before a fault ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// The application's sends go on, be it to another group.
    Application,
    /// Sends go to every group again by the clients' own doing: they ask for routes every 30 s.
    EveryGroup,
}

/// What clients saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// What happened.
    pub fault: Fault,
    /// Groups that the application sent to.
    pub groups: u16,
    /// From the fault (or, when a majority had died, from its return) to the first send that every group which the victim led
    /// acknowledged, whoever was asked. None where nothing was to be waited for.
    pub accepted_ms: Option<u64>,
    /// The longest time without an acknowledged send of a group that the victim led.
    pub group_silence_ms: u64,
    /// The longest time without any acknowledged send.
    pub silence_ms: u64,
    /// Sends that lay unread with a process when it was killed, and failed. The kernel resets their connections; the stock Java
    /// client fails what is under way at once when a connection is closed, but not when it is reset: it waits until its own
    /// time for the whole send is over.
    pub cut_off: usize,
    /// Other sends that the application saw fail.
    pub failed: usize,
    /// What the first of them failed of.
    pub failure: Option<String>,
    /// Sends that were acknowledged. All of them were found at the end.
    pub acknowledged: usize,
}

/// A fault under way: whom it has hit.
struct Scene<'a> {
    group: &'a mut ReplicaGroup,
    clients: &'a mut WorkingClients,
    patience: Patience,
    /// The nodes that it happens to, the first above all.
    victims: Vec<usize>,
    /// Shards that they led when it happened.
    shards: Vec<u16>,
    /// When the first of them was dead.
    died_ms: Option<u64>,
}

/// Lets it happen. `name` is the round's own among all of its group, `options` are further ones of the clients' scenarios.
///
/// # Panics
/// When something acknowledged is lost or out of order, or the group does not come back by itself.
#[must_use]
pub fn run(
    group: &mut ReplicaGroup,
    fault: Fault,
    patience: Patience,
    name: &str,
    options: &[(&str, &str)],
    random: &mut StdRng,
    scratch: &Scratch,
) -> Outcome {
    if group.shards() > 1 {
        // Where one node leads all groups, as it may just after their start, its death leaves no other to send to; and clients
        // ask for routes every 30 s only.
        group.wait_until_balanced();
    }
    let target = group.target();
    let options = [&[("pause-ms", PAUSE_MS)], options].concat();
    let mut clients = WorkingClients::start(&target, name, &options, scratch);
    clients.expect_acknowledged(ACKNOWLEDGED_MIN);
    introduce_probes(group);
    if fault.forgets() {
        // What only the forgetful one and a slow one have would be lost with it: a majority of those who remember.
        (0..group.shards()).for_each(|shard| wait_until_all_have_it(group, shard));
    }
    let victims = victims(group, fault, random);
    let shards: Vec<u16> = (0..group.shards()).filter(|shard| victims.contains(&group.leader(*shard))).collect();
    let began_ms = now_ms();
    let mut scene = Scene { group, clients: &mut clients, patience, victims, shards: shards.clone(), died_ms: None };
    let accepted = scene.play(fault);
    scene.group.wait_until_complete();
    let died_ms = scene.died_ms;
    let ended_ms = now_ms();
    clients.expect_acknowledged(ACKNOWLEDGED_MIN);
    let silence_of = |broker: &str| clients.longest_silence_ms(broker, began_ms, ended_ms);
    let of_groups = shards.iter().map(|shard| silence_of(&group.broker(*shard))).max();
    let silence_ms = silence_of("");
    let (cut_off, failed) = told_apart(clients.failed(), died_ms, clients.timeouts_after_reset(scratch));
    let acknowledged = clients.acknowledged().len();
    let _ = clients.finish(scratch);
    // Registered is not enough: the victim takes part again, and has what it missed.
    (0..group.shards()).for_each(|shard| wait_until_all_have_it(group, shard));
    Outcome {
        fault,
        groups: group.shards(),
        accepted_ms: accepted.map(|time| u64::try_from(time.as_millis()).expect("less than ages")),
        group_silence_ms: of_groups.unwrap_or(silence_ms),
        silence_ms,
        cut_off,
        failed: failed.len(),
        failure: failed.first().map(|failed| format!("after {} ms: {}", failed.took_ms, failed.cause)),
        acknowledged,
    }
}

/// The number of sends that were cut off, see [`Outcome::cut_off`], and all the others that failed.
fn told_apart(failed: Vec<FailedSend>, died_ms: Option<u64>, timeouts_after_reset: usize) -> (usize, Vec<FailedSend>) {
    let is_cut_off = |failed: &FailedSend| {
        let began_ms = failed.at_ms - failed.took_ms;
        failed.took_ms >= CLIENT_TIMEOUT_MS && died_ms.is_some_and(|died_ms| began_ms <= died_ms)
    };
    let (cut_off, mut others): (Vec<_>, Vec<_>) = failed.into_iter().partition(is_cut_off);
    if cut_off.len() > timeouts_after_reset {
        // Something else kept them waiting.
        others.extend(cut_off);
        return (0, others);
    }
    (cut_off.len(), others)
}

/// The probes' topic is there on every shard before anything happens.
fn introduce_probes(group: &mut ReplicaGroup) {
    for shard in 0..group.shards() {
        let leader = group.leader(shard);
        let _ = probe::first_accepted(&[group.node(leader).address(shard)], ACCEPTED_WITHIN);
    }
}

fn victims(group: &ReplicaGroup, fault: Fault, random: &mut StdRng) -> Vec<usize> {
    let leader = group.leader(0);
    let followers = group.others(leader);
    let follower = followers[random.random_range(0..followers.len())];
    match fault {
        Fault::KillTwo => vec![leader, follower],
        Fault::RollingRestart => [vec![leader], followers].concat(),
        _ if fault.hits_leader() => vec![leader],
        _ => vec![follower],
    }
}

impl Scene<'_> {
    /// From the fault's begin to its end; the node may need a while yet.
    fn play(&mut self, fault: Fault) -> Option<Duration> {
        let victim = self.victims[0];
        match fault {
            Fault::KillLeader | Fault::KillFollower => {
                self.kill(victim);
                let accepted = self.hold();
                self.group.node(victim).start();
                accepted
            }
            Fault::KillTwo => {
                let two = self.victims.clone();
                two.iter().for_each(|node| self.kill(*node));
                thread::sleep(HELD_MIN);
                two.iter().for_each(|node| self.group.node(*node).start());
                let everybody = (0..3).collect::<Vec<_>>();
                Some(self.accepted_by(&everybody))
            }
            Fault::HangLeader | Fault::HangFollower => {
                self.group.node(victim).pause();
                let accepted = self.hold();
                self.group.node(victim).resume();
                accepted
            }
            Fault::CutLeader | Fault::CutFollower => self.with_link(|link| link.cut(Direction::Both, &[])),
            Fault::LeaderUnheard => self.cut_one_way(Direction::Out),
            Fault::LeaderDeaf => self.cut_one_way(Direction::In),
            Fault::DelayedLeader => {
                self.with_link(|link| link.delay(DELAY_MS, JITTER_MS, DELAY_LOSS_PERCENT));
                None
            }
            Fault::LossyLeader => {
                self.with_link(|link| link.lose(LOSS_PERCENT));
                None
            }
            Fault::LeaderDiskFull | Fault::FollowerDiskFull => {
                self.group.disk(victim).fill().unwrap_or_else(|error| panic!("{error}"));
                thread::sleep(DISTURBED);
                self.group.disk(victim).drain().unwrap_or_else(|error| panic!("{error}"));
                None
            }
            Fault::LeaderDiskWiped | Fault::FollowerDiskWiped => {
                self.kill(victim);
                let accepted = self.hold();
                self.group.node(victim).lose_memory();
                self.group.node(victim).lose_disk();
                self.group.node(victim).start();
                accepted
            }
            Fault::RollingRestart => {
                for node in self.victims.clone() {
                    self.group.node(node).terminate();
                    self.group.node(node).start();
                    self.group.wait_until_complete();
                }
                None
            }
        }
    }

    fn kill(&mut self, node: usize) {
        self.group.node(node).kill_nine();
        self.died_ms.get_or_insert_with(now_ms);
    }

    fn cut_one_way(&mut self, direction: Direction) -> Option<Duration> {
        let others = self.group.others(self.victims[0]);
        let others: Vec<_> = others.into_iter().map(|other| self.group.node(other).host().ip()).collect();
        self.with_link(|link| link.cut(direction, &others))
    }

    fn with_link(
        &mut self,
        spoil: impl FnOnce(&cluster::link::Link) -> Result<(), cluster::error::ClusterError>,
    ) -> Option<Duration> {
        let link = self.group.node(self.victims[0]).host().link();
        spoil(&link).unwrap_or_else(|error| panic!("{error}"));
        let accepted = self.hold();
        link.heal().unwrap_or_else(|error| panic!("{error}"));
        accepted
    }

    /// Waits until the others take sends and the clients' sends go on; how long the first took.
    fn hold(&mut self) -> Option<Duration> {
        let began = Instant::now();
        let others: Vec<usize> = (0..3).filter(|node| !self.victims.contains(node)).collect();
        let accepted = (!self.shards.is_empty()).then(|| self.accepted_by(&others));
        self.clients.expect_acknowledged(ACKNOWLEDGED_HELD);
        if self.patience == Patience::EveryGroup {
            let brokers: Vec<String> = self.shards.iter().map(|shard| self.group.broker(*shard)).collect();
            brokers.iter().for_each(|broker| self.clients.expect_acknowledged_by(broker, ACKNOWLEDGED_HELD));
        }
        thread::sleep(HELD_MIN.saturating_sub(began.elapsed()));
        accepted
    }

    /// How long it takes until these nodes take sends for every shard that a victim led.
    fn accepted_by(&mut self, nodes: &[usize]) -> Duration {
        let of_shard = |shard: u16, group: &mut ReplicaGroup| -> Vec<SocketAddr> {
            nodes.iter().map(|node| group.node(*node).address(shard)).collect()
        };
        let all: Vec<Vec<SocketAddr>> = self.shards.iter().map(|shard| of_shard(*shard, self.group)).collect();
        thread::scope(|scope| {
            let probes: Vec<_> =
                all.iter().map(|nodes| scope.spawn(|| probe::first_accepted(nodes, ACCEPTED_WITHIN))).collect();
            let times = probes.into_iter().map(|probe| match probe.join() {
                Ok(time) => time,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            times.max().unwrap_or_default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIED_MS: u64 = 100_000;

    fn failed(began_ms: u64, took_ms: u64) -> FailedSend {
        FailedSend { at_ms: began_ms + took_ms, took_ms, cause: "call timeout".to_owned() }
    }

    #[test]
    fn only_a_send_under_way_at_the_death_whose_client_waited_for_it_to_the_end_was_cut_off() {
        let cut_off = failed(DIED_MS - 1, 3_005);
        let refused = failed(DIED_MS - 1, 80);
        let later = failed(DIED_MS + 1, 3_005);
        let all = vec![refused.clone(), cut_off, later.clone()];
        assert_eq!(told_apart(all.clone(), Some(DIED_MS), 1), (1, vec![refused, later]));
        assert_eq!(told_apart(all, None, 1).0, 0);
    }

    #[test]
    fn a_send_that_timed_out_on_a_sound_connection_was_not_cut_off() {
        let hung = vec![failed(DIED_MS - 1, 3_005)];
        assert_eq!(told_apart(hung.clone(), Some(DIED_MS), 0), (0, hung));
    }
}
