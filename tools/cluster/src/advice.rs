//! What to do with the cluster, for whoever has just started it.

use std::path::Path;

use crate::nodes::{Member, Nodes};

/// Words that a line of standard input may begin with, and what they do.
pub const COMMANDS: &str =
    "kill n0 (kill -9) · start n0 · stop n0 (SIGTERM) · pause n0 · resume n0 · cut n0 · heal n0 · quit";

/// A page of lines to copy. `programs`: folder of our programs.
#[must_use]
pub fn text(nodes: &mut Nodes, shards: u16, programs: &Path) -> String {
    let name_servers = nodes.name_server_addresses();
    let mut lines =
        vec![format!("name servers  {name_servers}"), format!("logs, stores  {}", nodes.home.display()), String::new()];
    lines.extend(nodes.nodes.iter_mut().map(place));
    lines.extend(nodes.name_servers.iter_mut().map(place));
    lines.extend([
        String::new(),
        "In another terminal:".to_owned(),
        format!("  export PATH={}:$PATH", programs.display()),
        format!("  mqadmin clusterList -n '{name_servers}'"),
        format!("  mqadmin replicationStatus -n '{name_servers}'"),
        format!("  mqadmin sendMessage -n '{name_servers}' -t first -p hello"),
        format!("  mqbench produce -n '{name_servers}' -t load --create-topics"),
    ]);
    if let Some(leader) = nodes.nodes.first_mut() {
        let name = leader.name.clone();
        let pid = leader.pid().map_or_else(String::new, |pid| format!(", or `kill -9 {pid}`"));
        let groups = if shards == 1 { "the group" } else { "each group" };
        lines.push(format!(
            "Kill a node and watch {groups} go on: type `kill {name}` here{pid}; `start {name}` brings it back."
        ));
    }
    lines.push(format!("Commands here: {COMMANDS}"));
    lines.join("\n")
}

fn place(member: &mut Member) -> String {
    let pid = member.pid().unwrap_or_default();
    let namespace = member.namespace.as_ref().map_or_else(String::new, |(name, _)| format!("  ip netns exec {name} …"));
    format!(
        "{:<13} {:<21} pid {pid:<8} metrics http://{}/metrics{namespace}",
        member.name, member.address, member.metrics
    )
}
