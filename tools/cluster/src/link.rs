//! What connects a host to the others, and what can happen to it. Only the host's own namespace is touched.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use crate::error::ClusterError;
use crate::tool;

const TABLE: &str = "inet turbopump";

/// Which packets a cut drops, as its host sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// It hears nothing and is not heard.
    Both,
    /// It is heard, and hears nothing.
    In,
    /// It hears, and is not heard.
    Out,
}

/// A link by the namespace it leads to.
#[derive(Debug, Clone)]
pub struct Link {
    namespace: String,
}

impl Link {
    /// The link of a namespace.
    #[must_use]
    pub fn of(namespace: &str) -> Self {
        Self { namespace: namespace.to_owned() }
    }

    /// Drops all packets between the host and `others` without a word, until [`Self::heal`]; no others: everybody.
    /// # Errors
    /// `nft` is missing or refuses.
    pub fn cut(&self, direction: Direction, others: &[Ipv4Addr]) -> Result<(), ClusterError> {
        self.filter(&rules(direction, &Drop::From(others)))
    }

    /// Drops so many of a hundred packets each way, until [`Self::heal`].
    /// # Errors
    /// `nft` is missing or refuses.
    pub fn lose(&self, percent: u8) -> Result<(), ClusterError> {
        self.filter(&rules(Direction::Both, &Drop::Percent(percent)))
    }

    /// Holds what the host sends up for `ms`, give or take `jitter_ms`, and drops so many of a hundred, until [`Self::heal`].
    /// # Errors
    /// The kernel has no netem, or `tc` is missing.
    pub fn delay(&self, ms: u32, jitter_ms: u32, loss_percent: u8) -> Result<(), ClusterError> {
        let netem = format!("tc qdisc replace dev eth0 root netem delay {ms}ms {jitter_ms}ms loss {loss_percent}%");
        tool::run(&format!("ip netns exec {} {netem}", self.namespace)).map(drop)
    }

    /// Takes all of it back.
    /// # Errors
    /// The tools refuse.
    pub fn heal(&self) -> Result<(), ClusterError> {
        let disciplines = tool::run(&format!("ip netns exec {} tc qdisc show dev eth0", self.namespace))?;
        if disciplines.contains("netem") {
            tool::run(&format!("ip netns exec {} tc qdisc del dev eth0 root", self.namespace))?;
        }
        self.filter(&format!("table {TABLE}\ndelete table {TABLE}\n"))
    }

    fn filter(&self, rules: &str) -> Result<(), ClusterError> {
        tool::run_with(&format!("ip netns exec {} nft -f -", self.namespace), &[], rules).map(drop)
    }
}

/// What a filter drops.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Drop<'a> {
    /// What these say or are told; none: everything.
    From(&'a [Ipv4Addr]),
    /// So many of a hundred.
    Percent(u8),
}

/// A ruleset for `nft` that takes the place of the one before.
pub(crate) fn rules(direction: Direction, what: &Drop<'_>) -> String {
    let mut text = format!("table {TABLE}\ndelete table {TABLE}\ntable {TABLE} {{\n");
    let ways = [(Direction::In, "input", "iif", "saddr"), (Direction::Out, "output", "oif", "daddr")];
    for (way, hook, interface, address) in ways {
        if direction != Direction::Both && direction != way {
            continue;
        }
        let matches = match what {
            Drop::From([]) => String::new(),
            Drop::From(others) => {
                let others: Vec<String> = others.iter().map(Ipv4Addr::to_string).collect();
                format!("ip {address} {{ {} }} ", others.join(", "))
            }
            Drop::Percent(percent) => format!("numgen random mod 100 < {percent} "),
        };
        writeln!(text, "chain {hook} {{ type filter hook {hook} priority 0; {interface} lo accept; {matches}drop; }}")
            .expect("a string takes all");
    }
    text.push_str("}\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_names_the_others_in_the_directions_asked_for() {
        let others = [Ipv4Addr::new(10, 231, 0, 12), Ipv4Addr::new(10, 231, 0, 13)];
        let both = rules(Direction::Both, &Drop::From(&others));
        assert!(both.contains("ip saddr { 10.231.0.12, 10.231.0.13 } drop"), "{both}");
        assert!(both.contains("ip daddr { 10.231.0.12, 10.231.0.13 } drop"), "{both}");
        let out = rules(Direction::Out, &Drop::From(&others));
        assert!(!out.contains("saddr") && out.contains("daddr"), "{out}");
        let all = rules(Direction::In, &Drop::From(&[]));
        assert!(all.contains("hook input priority 0; iif lo accept; drop;"), "{all}");
    }

    #[test]
    fn loss_is_drawn_for_each_packet_each_way() {
        let loss = rules(Direction::Both, &Drop::Percent(7));
        assert_eq!(loss.matches("numgen random mod 100 < 7 drop").count(), 2, "{loss}");
    }
}
