//! The id that the log of a shard has on all nodes of its Raft group.

/// Id of the log of shard `shard` of the group `dleger_group` (`dLegerGroup`) in the cluster `cluster_name`
/// (`brokerClusterName`): the same on every node, another for every other shard, group or cluster. Entries and frames
/// carry it, so a replica of another group is recognised as such.
///
/// Must never change: logs that exist were written with it. It is FNV-1a of 64 bits over
///
/// ```text
/// cluster bytes u64 | cluster | group bytes u64 | group | shard u32      (big-endian)
/// ```
/// The lengths keep (`ab`, `c`) from (`a`, `bc`).
/// Source of the hash: G. Fowler, L. C. Noll, K.-P. Vo, D. Eastlake, "The FNV Non-Cryptographic Hash Algorithm".
pub fn group_log_id(cluster_name: &str, dleger_group: &str, shard: u32) -> u64 {
    let mut hash = FNV_OFFSET_BASIS;
    for name in [cluster_name, dleger_group] {
        hash = fnv_1a(hash, &(name.len() as u64).to_be_bytes());
        hash = fnv_1a(hash, name.as_bytes());
    }
    fnv_1a(hash, &shard.to_be_bytes())
}

const FNV_OFFSET_BASIS: u64 = 0xCBF2_9CE4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01B3;

fn fnv_1a(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(FNV_PRIME))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_hash_is_the_published_one() {
        assert_eq!(fnv_1a(FNV_OFFSET_BASIS, b""), 0xCBF2_9CE4_8422_2325);
        assert_eq!(fnv_1a(FNV_OFFSET_BASIS, b"a"), 0xAF63_DC4C_8601_EC8C);
        assert_eq!(fnv_1a(FNV_OFFSET_BASIS, b"foobar"), 0x8594_4171_F739_67E8);
    }

    /// Logs on disks of users carry these.
    #[test]
    fn an_id_stays_what_it_was() {
        assert_eq!(group_log_id("DefaultCluster", "RaftNode00", 0), 0x97BC_8B8E_44E5_82D7);
        assert_eq!(group_log_id("DefaultCluster", "RaftNode00", 1), 0x97BC_8A8E_44E5_8124);
    }

    #[test]
    fn every_shard_of_every_group_of_every_cluster_has_an_id_of_its_own() {
        let names = ["", "a", "b", "ab", "ba", "broker-a", "broker-b", "DefaultCluster"];
        let ids: BTreeSet<u64> = names
            .iter()
            .flat_map(|cluster| names.iter().map(move |group| (cluster, group)))
            .flat_map(|(cluster, group)| (0..256).map(move |shard| group_log_id(cluster, group, shard)))
            .collect();
        assert_eq!(ids.len(), names.len() * names.len() * 256);
    }
}
