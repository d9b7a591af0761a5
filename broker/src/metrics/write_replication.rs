//! A replica's status as metrics. A shard that stands alone has none of them.

use observe::Families;
use protocol::body::{FollowerStatus, LogPlace, MembersStatus, ReplicaHistory, ReplicaRole, ReplicationStatus};

use super::write_report::ShardLabels;

/// Adds one shard's replica.
pub(crate) fn write_replication(families: &mut Families, labels: &ShardLabels<'_>, status: &ReplicationStatus) {
    for role in ReplicaRole::ALL {
        let (help, labels) = ("1 for what the replica does at present", labels.with(&[("role", role.name())]));
        families.gauge("turbopump_replication_role", help, &labels, f64::from(role == status.role));
    }
    let names = [("member", status.node.as_str()), ("leader", status.leader.as_deref().unwrap_or_default())];
    let help = "1; this replica's name in the group, and that of the leader it knows";
    families.gauge("turbopump_replication_info", help, &labels.with(&names), 1.0);
    let all = labels.with(&[]);
    let mut gauge = |name, help, value: f64| families.gauge(name, help, &all, value);
    gauge("turbopump_replication_term", "Current term", status.term as f64);
    let help = "1 while the replica votes: it has forgotten nothing that it confirmed";
    gauge("turbopump_replication_trusted", help, f64::from(status.is_trusted));
    let help = "1 while the replica reads the leader's files, for what it lacks is no longer in the leader's memory";
    gauge("turbopump_replication_catching_up", help, f64::from(status.is_catching_up));
    let help = "Entries at the end of the log whose places the replica keeps in memory";
    gauge("turbopump_replication_entries_in_memory", help, status.entries_in_memory as f64);
    let MembersStatus { index, voters, learners, change, .. } = &status.members;
    let help = "Nodes of the group, by whether they vote";
    for (kind, nodes) in [("voter", voters), ("learner", learners)] {
        families.gauge("turbopump_replication_members", help, &labels.with(&[("kind", kind)]), nodes.len() as f64);
    }
    let mut gauge = |name, help, value: f64| families.gauge(name, help, &all, value);
    gauge("turbopump_replication_members_index", "Since which entry these are the members", *index as f64);
    let help = "1 while a change of the members is under way";
    gauge("turbopump_replication_member_change", help, f64::from(change.is_some()));
    write_places(families, labels, status);
    write_history(families, labels, &status.history);
    if status.role.is_master() {
        let in_sync = status.followers.iter().filter(|follower| follower.is_in_sync()).count();
        let help = "Followers that are there and behind by no more than 256 MiB; only a leader knows";
        families.gauge("turbopump_replication_followers_in_sync", help, &all, in_sync as f64);
    }
    for follower in &status.followers {
        write_follower(families, labels, follower);
    }
}

fn write_places(families: &mut Families, labels: &ShardLabels<'_>, status: &ReplicationStatus) {
    let places = [("committed", &status.committed), ("applied", &status.applied), ("end", &status.end)];
    for (place, LogPlace { index, offset }) in places {
        let labels = labels.with(&[("place", place)]);
        let help = "Index of the last entry that a majority has, that queues and tables reflect, that the log has";
        families.gauge("turbopump_replication_index", help, &labels, *index as f64);
        if let Some(offset) = offset {
            let help = "Physical offset behind that entry";
            families.gauge("turbopump_replication_offset", help, &labels, *offset as f64);
        }
    }
}

fn write_history(families: &mut Families, labels: &ShardLabels<'_>, history: &ReplicaHistory) {
    let all = labels.with(&[]);
    let mut counter = |name, help, value: u64| families.counter(name, help, &all, value as f64);
    counter("turbopump_replication_elections_total", "Times that the term rose", history.elections);
    counter("turbopump_replication_led_total", "Times that the replica began to lead", history.times_led);
    counter("turbopump_replication_catch_ups_total", "Catch-ups that the replica began", history.catch_ups);
    let help = "Bytes of log that came by catch-ups";
    counter("turbopump_replication_caught_up_bytes_total", help, history.caught_up_bytes);
    let help = "Catch-ups that needed a checkpoint: the leader's log began behind this replica's end";
    counter("turbopump_replication_installations_total", help, history.installations);
    let help = "Places of the log that could not be read and were mended from another replica";
    counter("turbopump_replication_mended_total", help, history.mended);
    let help = "Times that such a place could not be mended: no other replica that answered had it";
    counter("turbopump_replication_unmended_total", help, history.unmended);
    let help = "Connections of other replicas that were closed for what they said";
    counter("turbopump_replication_refused_total", help, history.refused);
    let seconds = |ms: i64| ms as f64 / 1e3;
    let mut gauge = |name, help, value: Option<f64>| {
        if let Some(value) = value {
            families.gauge(name, help, &all, value);
        }
    };
    let help = "When the replica last began to lead, s since 1970";
    gauge("turbopump_replication_last_led_timestamp_seconds", help, history.last_led_ms.map(seconds));
    let help = "When a leader last took over, this replica or another, s since 1970";
    gauge("turbopump_replication_last_failover_timestamp_seconds", help, history.last_failover_ms.map(seconds));
    let help = "Time from the last word of the leader before to that, to a tick of 50 ms";
    let took = history.last_failover_took_ms.map(|ms| ms as f64 / 1e3);
    gauge("turbopump_replication_last_failover_duration_seconds", help, took);
}

/// Without a lag where the follower has not told this leader where it is.
fn write_follower(families: &mut Families, labels: &ShardLabels<'_>, follower: &FollowerStatus) {
    let all = labels.with(&[("follower", &follower.node)]);
    let mut gauge = |name, help, value: f64| families.gauge(name, help, &all, value);
    let help = "1 while the leader hears of the follower";
    gauge("turbopump_replication_follower_active", help, f64::from(follower.is_active));
    let help = "1 while the follower reads the leader's files";
    gauge("turbopump_replication_follower_catching_up", help, f64::from(follower.is_catching_up));
    let help = "Log that the follower takes over";
    gauge("turbopump_replication_follower_bytes_per_second", help, follower.bytes_per_second as f64);
    if let Some(has) = follower.has {
        let help = "Index of the last entry that the follower has, as far as the leader knows";
        gauge("turbopump_replication_follower_index", help, has.index as f64);
    }
    if let Some(lag) = follower.lag {
        let help = "Entries that the follower lacks";
        gauge("turbopump_replication_follower_lag_entries", help, lag.entries as f64);
        let help = "Bytes of log that the follower lacks, or at least so many";
        gauge("turbopump_replication_follower_lag_bytes", help, lag.bytes.known() as f64);
        let help = "How long ago the first entry was appended that the follower lacks, or at least so long";
        gauge("turbopump_replication_follower_lag_seconds", help, lag.ms.known() as f64 / 1e3);
    }
}

#[cfg(test)]
mod tests {
    use protocol::body::{Extent, Lag};

    use super::*;

    fn follower(node: &str, lag: Option<Lag>) -> FollowerStatus {
        FollowerStatus {
            node: node.to_owned(),
            address: None,
            has: lag.map(|_| LogPlace { index: 7, offset: None }),
            lag,
            bytes_per_second: 5,
            is_active: lag.is_some(),
            is_catching_up: false,
            is_learner: false,
        }
    }

    fn text(role: ReplicaRole) -> String {
        let place = |index, offset| LogPlace { index, offset };
        let near = Lag { entries: 2, bytes: Extent::AtLeast(300), ms: Extent::Exactly(50) };
        let status = ReplicationStatus {
            role,
            node: "n0".to_owned(),
            group: "trio".to_owned(),
            shard: 0,
            shards: 1,
            members: MembersStatus::default(),
            leader: Some("n0".to_owned()),
            leader_address: None,
            leader_heard_ms: None,
            term: 3,
            committed: place(8, Some(800)),
            applied: place(8, Some(800)),
            end: place(9, None),
            is_trusted: true,
            is_catching_up: false,
            bytes_per_second: 0,
            entries_in_memory: 1,
            followers: vec![follower("n1", Some(near)), follower("n2", None)],
            history: ReplicaHistory {
                elections: 4,
                last_failover_ms: Some(1_500),
                last_failover_took_ms: Some(750),
                ..ReplicaHistory::default()
            },
        };
        let mut families = Families::default();
        let labels = ShardLabels { cluster: "C", shard: "1", name: "a-1" };
        write_replication(&mut families, &labels, &status);
        String::from_utf8(families.encode()).unwrap()
    }

    fn value(text: &str, name: &str, more: &str) -> Option<String> {
        let start = format!("{name}{{cluster=\"C\",node_type=\"broker\",node_id=\"a-1\",shard=\"1\"{more}}} ");
        text.lines().find_map(|line| line.strip_prefix(&start)).map(str::to_owned)
    }

    #[test]
    fn one_role_at_a_time_is_shown() {
        let text = text(ReplicaRole::Leader);
        for role in ReplicaRole::ALL {
            let expected = if role == ReplicaRole::Leader { "1" } else { "0" };
            let shown = value(&text, "turbopump_replication_role", &format!(",role=\"{role}\""));
            assert_eq!(shown.as_deref(), Some(expected), "{role}: {text}");
        }
    }

    #[test]
    fn what_is_not_known_is_not_shown() {
        let text = text(ReplicaRole::Leader);
        let lag = |follower| value(&text, "turbopump_replication_follower_lag_bytes", follower);
        assert_eq!(lag(",follower=\"n1\"").as_deref(), Some("300"));
        assert_eq!(lag(",follower=\"n2\""), None);
        let active = value(&text, "turbopump_replication_follower_active", ",follower=\"n2\"");
        assert_eq!(active.as_deref(), Some("0"));
        assert_eq!(value(&text, "turbopump_replication_offset", ",place=\"end\""), None);
        assert_eq!(value(&text, "turbopump_replication_index", ",place=\"end\"").as_deref(), Some("9"));
        assert_eq!(value(&text, "turbopump_replication_last_led_timestamp_seconds", ""), None);
    }

    #[test]
    fn times_are_in_seconds() {
        let text = text(ReplicaRole::Leader);
        let at = value(&text, "turbopump_replication_last_failover_timestamp_seconds", "");
        let took = value(&text, "turbopump_replication_last_failover_duration_seconds", "");
        assert_eq!((at.as_deref(), took.as_deref()), (Some("1.5"), Some("0.75")));
        let lag = value(&text, "turbopump_replication_follower_lag_seconds", ",follower=\"n1\"");
        assert_eq!(lag.as_deref(), Some("0.05"));
    }

    #[test]
    fn only_a_leader_counts_who_keeps_up() {
        let count = |role| value(&text(role), "turbopump_replication_followers_in_sync", "");
        assert_eq!(count(ReplicaRole::Leader).as_deref(), Some("1"));
        assert_eq!(count(ReplicaRole::Elected), None);
    }
}
