//! Nodes that come and go while the group runs.

use std::process::{Command, Output};

use super::{GroupSettings, ReplicaGroup};
use crate::binaries;
use crate::replica_node::ReplicaNode;
use crate::scratch::Scratch;

impl ReplicaGroup {
    /// Starts one more node, with an empty store, that waits to be added. Returns its number.
    ///
    /// # Panics
    /// When the group's nodes have hosts or disks of their own: those are made for the nodes that begin.
    pub fn add_node(&mut self, scratch: &Scratch) -> usize {
        let number = self.nodes.len();
        let small = u16::try_from(number).expect("a group is small");
        assert!(self.machine.hosts.is_none() && self.disks.is_empty(), "a node that is added shares host and disk");
        let settings = GroupSettings::new(&self.name).shards(self.shards);
        let (mut node, _) = self.machine.node(small, &settings, scratch);
        let mut peers: Vec<String> = self.nodes.iter().map(ReplicaNode::peer).collect();
        peers.push(node.peer());
        let mut properties = self.properties.clone();
        properties.insert("dLegerPeers".to_owned(), peers.join(";"));
        properties.insert("dLegerJoin".to_owned(), "true".to_owned());
        node.configure(&properties);
        node.start();
        node.wait_until_ready();
        self.nodes.push(node);
        self.outside.insert(number);
        number
    }

    /// From now on a node is expected to be a member.
    pub fn note_joined(&mut self, number: usize) {
        self.outside.remove(&number);
    }

    /// From now on a node is expected to be none.
    pub fn note_left(&mut self, number: usize) {
        self.outside.insert(number);
    }

    /// Numbers of the nodes that are members.
    #[must_use]
    pub fn member_numbers(&self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|number| !self.outside.contains(number)).collect()
    }

    /// The nodes that are members.
    pub fn member_nodes(&self) -> impl Iterator<Item = &ReplicaNode> {
        self.nodes.iter().enumerate().filter(|(number, _)| !self.outside.contains(number)).map(|(_, node)| node)
    }

    /// Runs our `mqadmin` against the group's name server.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn mqadmin(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(binaries::path_of("mqadmin"));
        command.args(arguments).args(["-n", &self.name_servers]).env_remove("NAMESRV_ADDR");
        command.output().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"))
    }

    /// The same for a command that has to succeed; what it printed.
    ///
    /// # Panics
    /// When it fails, with the nodes' outputs.
    pub fn mqadmin_succeeds(&self, arguments: &[&str]) -> String {
        let output = self.mqadmin(arguments);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "mqadmin {arguments:?}: {out}\n{err}\n{}", self.outputs());
        out.into_owned()
    }

    /// A node is added, and waits until it serves as one of the group.
    ///
    /// # Panics
    /// When that does not come.
    pub fn grow(&mut self, scratch: &Scratch) -> usize {
        let number = self.add_node(scratch);
        let peer = self.nodes[number].peer();
        let name = self.name.clone();
        println!("{}", self.mqadmin_succeeds(&["addReplica", "-b", &name, "-r", &peer]));
        self.note_joined(number);
        self.wait_until_complete();
        number
    }

    /// A node is removed, and waits until no name server knows it any more.
    ///
    /// # Panics
    /// When that does not come.
    pub fn shrink(&mut self, number: usize) {
        let (name, node) = (self.name.clone(), format!("n{number}"));
        println!("{}", self.mqadmin_succeeds(&["removeReplica", "-b", &name, "-r", &node]));
        self.note_left(number);
        self.wait_until_complete();
    }
}
