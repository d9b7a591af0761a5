//! A replica's status as rows of the runtime information (28). All keys begin with `turbopump_raft_`, so Apache's
//! `mqadmin brokerStatus` lists them together:
//!
//! ```text
//! turbopump_raft_role            leader
//! turbopump_raft_node            n0
//! turbopump_raft_group           trio shard=0 shards=2
//! turbopump_raft_members         since=17 voters=n0@10.0.0.1:40911,n1@10.0.0.2:40911 learners=n3@- before=
//! turbopump_raft_memberChange    n3 is being added: n3 catches up
//! turbopump_raft_end             1234@567890                       index@physical offset
//! turbopump_raft_follower_n1     address=10.0.0.2:10911 active=true catchingUp=false learner=false bytesPerSecond=4096
//!                                has=1230@560000 lagEntries=4 lagBytes=7890 lagMs=50          (one row)
//! ```
//!
//! A value that is not known is absent or `-`; one that is known to be at least so large ends in `+`.

use std::collections::BTreeMap;
use std::fmt;

use super::{
    Extent, FollowerStatus, Lag, LogPlace, MemberPlace, MembersStatus, ReplicaHistory, ReplicaRole, ReplicationStatus,
};

const PREFIX: &str = "turbopump_raft_";
const FOLLOWER: &str = "turbopump_raft_follower_";

impl ReplicationStatus {
    /// Adds its rows to a table.
    pub fn write(&self, table: &mut BTreeMap<String, String>) {
        let mut row = |key: &str, value: Option<String>| {
            if let Some(value) = value {
                table.insert(format!("{PREFIX}{key}"), value);
            }
        };
        let history = &self.history;
        row("role", Some(self.role.to_string()));
        row("node", Some(self.node.clone()));
        row("group", Some(format!("{} shard={} shards={}", self.group, self.shard, self.shards)));
        row("members", Some(self.members.to_string()));
        row("memberChange", self.members.change.clone());
        row("leader", self.leader.clone());
        row("leaderAddress", self.leader_address.clone());
        row("leaderHeardTimestamp", text(self.leader_heard_ms));
        row("term", text(Some(self.term)));
        row("committed", text(Some(self.committed)));
        row("applied", text(Some(self.applied)));
        row("end", text(Some(self.end)));
        row("trusted", text(Some(self.is_trusted)));
        row("catchingUp", text(Some(self.is_catching_up)));
        row("bytesPerSecond", text(Some(self.bytes_per_second)));
        row("entriesInMemory", text(Some(self.entries_in_memory)));
        row("elections", text(Some(history.elections)));
        row("timesLed", text(Some(history.times_led)));
        row("lastLedTimestamp", text(history.last_led_ms));
        row("lastFailoverTimestamp", text(history.last_failover_ms));
        row("lastFailoverTookMs", text(history.last_failover_took_ms));
        row("catchUps", text(Some(history.catch_ups)));
        row("caughtUpBytes", text(Some(history.caught_up_bytes)));
        row("installations", text(Some(history.installations)));
        row("mended", text(Some(history.mended)));
        row("unmended", text(Some(history.unmended)));
        row("refused", text(Some(history.refused)));
        for follower in &self.followers {
            table.insert(format!("{FOLLOWER}{}", follower.node), follower.to_string());
        }
    }

    /// Reads its rows from a table; `None` if it has none, or the broker says something this version does not know.
    pub fn read(table: &BTreeMap<String, String>) -> Option<Self> {
        let row = |key: &str| table.get(&format!("{PREFIX}{key}")).map(String::as_str);
        let number = |key: &str| row(key)?.parse::<u64>().ok();
        let time = |key: &str| row(key)?.parse::<i64>().ok();
        let flag = |key: &str| row(key)?.parse::<bool>().ok();
        let role = row("role")?;
        let mut followers: Vec<FollowerStatus> = table
            .range(FOLLOWER.to_owned()..)
            .map_while(|(key, value)| Some((key.strip_prefix(FOLLOWER)?, value)))
            .filter_map(|(node, value)| FollowerStatus::parse(node, value))
            .collect();
        // `n10` comes after `n9`.
        followers.sort_by(|one, other| (one.node.len(), &one.node).cmp(&(other.node.len(), &other.node)));
        // Versions before said nothing of these.
        let (group, shard, shards) = row("group").and_then(parse_group).unwrap_or_default();
        let members = row("members").and_then(MembersStatus::parse).unwrap_or_default();
        Some(Self {
            group,
            shard,
            shards,
            members: MembersStatus { change: row("memberChange").map(str::to_owned), ..members },
            role: ReplicaRole::ALL.into_iter().find(|known| known.name() == role)?,
            node: row("node")?.to_owned(),
            leader: row("leader").map(str::to_owned),
            leader_address: row("leaderAddress").map(str::to_owned),
            leader_heard_ms: time("leaderHeardTimestamp"),
            term: number("term")?,
            committed: LogPlace::parse(row("committed")?)?,
            applied: LogPlace::parse(row("applied")?)?,
            end: LogPlace::parse(row("end")?)?,
            is_trusted: flag("trusted")?,
            is_catching_up: flag("catchingUp")?,
            bytes_per_second: number("bytesPerSecond").unwrap_or_default(),
            entries_in_memory: number("entriesInMemory").unwrap_or_default(),
            followers,
            history: ReplicaHistory {
                elections: number("elections").unwrap_or_default(),
                times_led: number("timesLed").unwrap_or_default(),
                last_led_ms: time("lastLedTimestamp"),
                last_failover_ms: time("lastFailoverTimestamp"),
                last_failover_took_ms: number("lastFailoverTookMs"),
                catch_ups: number("catchUps").unwrap_or_default(),
                caught_up_bytes: number("caughtUpBytes").unwrap_or_default(),
                installations: number("installations").unwrap_or_default(),
                mended: number("mended").unwrap_or_default(),
                unmended: number("unmended").unwrap_or_default(),
                refused: number("refused").unwrap_or_default(),
            },
        })
    }
}

fn parse_group(text: &str) -> Option<(String, u32, u32)> {
    let (rest, shards) = text.rsplit_once(" shards=")?;
    let (group, shard) = rest.rsplit_once(" shard=")?;
    Some((group.to_owned(), shard.parse().ok()?, shards.parse().ok()?))
}

impl fmt::Display for MembersStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |places: &[MemberPlace]| {
            let places = places.iter().map(|place| format!("{}@{}", place.node, OrDash(place.address.as_ref())));
            places.collect::<Vec<_>>().join(",")
        };
        let Self { index, voters, learners, voters_before, .. } = self;
        let (voters, learners, before) = (list(voters), list(learners), list(voters_before));
        write!(f, "since={index} voters={voters} learners={learners} before={before}")
    }
}

impl MembersStatus {
    fn parse(text: &str) -> Option<Self> {
        let fields: BTreeMap<&str, &str> = text.split(' ').filter_map(|field| field.split_once('=')).collect();
        let places = |key: &str| -> Option<Vec<MemberPlace>> {
            let list = fields.get(key)?.split(',').filter(|place| !place.is_empty());
            list.map(|place| {
                let (node, address) = place.split_once('@')?;
                let address = Some(address).filter(|address| *address != "-").map(str::to_owned);
                Some(MemberPlace { node: node.to_owned(), address })
            })
            .collect()
        };
        Some(Self {
            index: fields.get("since")?.parse().ok()?,
            voters: places("voters")?,
            learners: places("learners")?,
            voters_before: places("before")?,
            change: None,
        })
    }
}

fn text<T: fmt::Display>(value: Option<T>) -> Option<String> {
    value.map(|value| value.to_string())
}

/// What stands for a value that is not known, within a row.
struct OrDash<T>(Option<T>);

impl<T: fmt::Display> fmt::Display for OrDash<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(value) => value.fmt(f),
            None => f.write_str("-"),
        }
    }
}

impl fmt::Display for LogPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.index, OrDash(self.offset))
    }
}

impl LogPlace {
    fn parse(text: &str) -> Option<Self> {
        let (index, offset) = text.split_once('@')?;
        let offset = if offset == "-" { None } else { Some(offset.parse().ok()?) };
        Some(Self { index: index.parse().ok()?, offset })
    }
}

impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(value) => write!(f, "{value}"),
            Self::AtLeast(value) => write!(f, "{value}+"),
        }
    }
}

impl Extent {
    fn parse(text: &str) -> Option<Self> {
        match text.strip_suffix('+') {
            Some(digits) => digits.parse().ok().map(Self::AtLeast),
            None => text.parse().ok().map(Self::Exactly),
        }
    }
}

impl fmt::Display for FollowerStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "address={} active={} catchingUp={} learner={} bytesPerSecond={} has={} lagEntries={} lagBytes={} lagMs={}",
            OrDash(self.address.as_ref()),
            self.is_active,
            self.is_catching_up,
            self.is_learner,
            self.bytes_per_second,
            OrDash(self.has),
            OrDash(self.lag.map(|lag| lag.entries)),
            OrDash(self.lag.map(|lag| lag.bytes)),
            OrDash(self.lag.map(|lag| lag.ms)),
        )
    }
}

impl FollowerStatus {
    fn parse(node: &str, text: &str) -> Option<Self> {
        let fields: BTreeMap<&str, &str> = text.split(' ').filter_map(|field| field.split_once('=')).collect();
        let known = |key: &str| fields.get(key).copied().filter(|value| *value != "-");
        let flag = |key: &str| known(key).and_then(|value| value.parse::<bool>().ok());
        let lag = || {
            Some(Lag {
                entries: known("lagEntries")?.parse().ok()?,
                bytes: Extent::parse(known("lagBytes")?)?,
                ms: Extent::parse(known("lagMs")?)?,
            })
        };
        Some(Self {
            node: node.to_owned(),
            address: known("address").map(str::to_owned),
            has: known("has").and_then(LogPlace::parse),
            lag: lag(),
            bytes_per_second: known("bytesPerSecond").and_then(|value| value.parse().ok()).unwrap_or_default(),
            is_active: flag("active")?,
            is_catching_up: flag("catchingUp")?,
            is_learner: flag("learner")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::IN_SYNC_GAP_BYTES;
    use super::*;

    fn place(index: u64, offset: u64) -> LogPlace {
        LogPlace { index, offset: Some(offset) }
    }

    fn member(node: &str, address: Option<&str>) -> MemberPlace {
        MemberPlace { node: node.to_owned(), address: address.map(str::to_owned) }
    }

    fn follower(node: &str) -> FollowerStatus {
        FollowerStatus {
            node: node.to_owned(),
            address: Some("10.0.0.2:10911".to_owned()),
            has: Some(place(8, 700)),
            lag: Some(Lag { entries: 2, bytes: Extent::Exactly(200), ms: Extent::Exactly(50) }),
            bytes_per_second: 4096,
            is_active: true,
            is_catching_up: false,
            is_learner: false,
        }
    }

    fn unheard(node: &str) -> FollowerStatus {
        FollowerStatus { address: None, has: None, lag: None, bytes_per_second: 0, is_active: false, ..follower(node) }
    }

    fn status() -> ReplicationStatus {
        let far = FollowerStatus {
            has: Some(LogPlace { index: 3, offset: None }),
            lag: Some(Lag { entries: 7, bytes: Extent::AtLeast(512), ms: Extent::AtLeast(9_000) }),
            is_catching_up: true,
            ..follower("n2")
        };
        ReplicationStatus {
            role: ReplicaRole::Leader,
            node: "n0".to_owned(),
            group: "trio".to_owned(),
            shard: 1,
            shards: 2,
            members: MembersStatus {
                index: 17,
                voters: vec![member("n0", Some("10.0.0.1:40911")), member("n1", None)],
                learners: vec![member("n3", Some("[::1]:40911"))],
                voters_before: Vec::new(),
                change: Some("n3 is being added: n3 catches up".to_owned()),
            },
            leader: Some("n0".to_owned()),
            leader_address: None,
            leader_heard_ms: Some(1_700_000_000_000),
            term: 4,
            committed: place(9, 800),
            applied: place(9, 800),
            end: place(10, 900),
            is_trusted: true,
            is_catching_up: false,
            bytes_per_second: 10,
            entries_in_memory: 7,
            followers: vec![follower("n1"), far, unheard("n10")],
            history: ReplicaHistory {
                elections: 2,
                times_led: 1,
                last_led_ms: Some(1_700_000_000_001),
                last_failover_ms: Some(1_700_000_000_002),
                last_failover_took_ms: Some(740),
                catch_ups: 1,
                caught_up_bytes: 1 << 30,
                installations: 2,
                mended: 3,
                unmended: 1,
                refused: 3,
            },
        }
    }

    fn table(status: &ReplicationStatus) -> BTreeMap<String, String> {
        let mut table = BTreeMap::from([("brokerVersionDesc".to_owned(), "V5_5_0".to_owned())]);
        status.write(&mut table);
        table
    }

    #[test]
    fn what_is_written_is_read() {
        let leader = status();
        assert_eq!(ReplicationStatus::read(&table(&leader)), Some(leader));
        let alone = ReplicationStatus {
            role: ReplicaRole::NoLeader,
            leader: None,
            leader_heard_ms: None,
            followers: Vec::new(),
            history: ReplicaHistory::default(),
            ..status()
        };
        assert_eq!(ReplicationStatus::read(&table(&alone)), Some(alone));
    }

    #[test]
    fn a_broker_without_replicas_has_no_status() {
        assert_eq!(ReplicationStatus::read(&BTreeMap::new()), None);
        let unknown = BTreeMap::from([(format!("{PREFIX}role"), "something newer".to_owned())]);
        assert_eq!(ReplicationStatus::read(&unknown), None);
    }

    #[test]
    fn rows_are_what_the_module_says() {
        let table = table(&status());
        assert_eq!(table["turbopump_raft_end"], "10@900");
        assert_eq!(table["turbopump_raft_group"], "trio shard=1 shards=2");
        let members = "since=17 voters=n0@10.0.0.1:40911,n1@- learners=n3@[::1]:40911 before=";
        assert_eq!(table["turbopump_raft_members"], members);
        let expected = "address=10.0.0.2:10911 active=true catchingUp=true learner=false bytesPerSecond=4096 has=3@- \
                        lagEntries=7 lagBytes=512+ lagMs=9000+";
        assert_eq!(table["turbopump_raft_follower_n2"], expected);
        assert!(table["turbopump_raft_follower_n10"].ends_with("has=- lagEntries=- lagBytes=- lagMs=-"));
    }

    #[test]
    fn damaged_rows_are_no_status_and_damaged_followers_are_left_out() {
        let whole = table(&status());
        for key in ["node", "term", "committed", "end", "trusted"] {
            let damaged = |value: &str| {
                let mut table = whole.clone();
                table.insert(format!("{PREFIX}{key}"), value.to_owned());
                ReplicationStatus::read(&table)
            };
            let refused = key == "node"
                || ["", "-1", "@", "7@", "7@x", "99999999999999999999@0"].map(damaged) == [const { None }; 6];
            assert!(refused, "{key}");
            let mut table = whole.clone();
            table.remove(&format!("{PREFIX}{key}"));
            assert_eq!(ReplicationStatus::read(&table), None, "without {key}");
        }
        let mut table = whole;
        table.insert(format!("{FOLLOWER}n1"), "active=perhaps".to_owned());
        assert_eq!(ReplicationStatus::read(&table).map(|status| status.followers.len()), Some(2));
    }

    #[test]
    fn a_follower_keeps_up_while_it_is_there_and_near() {
        assert!(follower("n1").is_in_sync());
        assert!(!unheard("n1").is_in_sync());
        assert!(!FollowerStatus { is_catching_up: true, ..follower("n1") }.is_in_sync());
        let lag = Lag { entries: 1, bytes: Extent::AtLeast(IN_SYNC_GAP_BYTES + 1), ms: Extent::Exactly(1) };
        assert!(!FollowerStatus { lag: Some(lag), ..follower("n1") }.is_in_sync());
    }
}
