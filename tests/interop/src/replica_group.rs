//! A replicated broker: its nodes, and one name server, as processes.

mod members;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use cluster::namespaces::Namespaces;
use cluster::run_folder::RunFolder;
use cluster::run_folder::made::Made;
use cluster::small_disk::SmallDisk;
use protocol::topic_name::AUTO_CREATE_TOPIC;

use crate::cluster_view::ClusterView;
use crate::host::Host;
use crate::name_server::NameServer;
use crate::raw_client::RawClient;
use crate::replica_node::ReplicaNode;
use crate::requests;
use crate::scratch::Scratch;
use crate::target::Target;
use crate::until::until;

const NODES: u16 = 3;
/// All nodes run, lead or follow, and are registered within this.
const COMPLETE_WITHIN: Duration = Duration::from_secs(30);

/// What to start.
#[derive(Debug, Clone)]
pub struct GroupSettings {
    name: String,
    nodes: u16,
    shards: u16,
    properties: BTreeMap<String, String>,
    has_hosts: bool,
    disk_bytes: Option<u64>,
}

impl GroupSettings {
    /// Three nodes of one shard, which flush behind their answers.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let properties = BTreeMap::new();
        Self { name: name.to_owned(), nodes: NODES, shards: 1, properties, has_hosts: false, disk_bytes: None }
    }

    /// The same with this many shards a node: groups of their own.
    #[must_use]
    pub fn shards(self, shards: u16) -> Self {
        Self { shards, ..self }
    }

    /// The same with this many nodes.
    #[must_use]
    pub fn nodes(self, nodes: u16) -> Self {
        Self { nodes, ..self }
    }

    /// The same with each node on a host of its own: a network namespace, whose link can be cut.
    #[must_use]
    pub fn on_hosts(self) -> Self {
        Self { has_hosts: true, ..self }
    }

    /// The same with each node's store on a disk of this size, which can be filled.
    #[must_use]
    pub fn on_disks(self, bytes: u64) -> Self {
        Self { disk_bytes: Some(bytes), ..self }
    }

    /// The same with a line in every node's configuration.
    #[must_use]
    pub fn set(mut self, key: &str, value: &str) -> Self {
        self.properties.insert(key.to_owned(), value.to_owned());
        self
    }
}

/// The nodes and their name server. Killed for good when dropped.
#[derive(Debug)]
pub struct ReplicaGroup {
    name: String,
    shards: u16,
    /// Runs as long as the group does.
    _name_server: NameServer,
    nodes: Vec<ReplicaNode>,
    /// Numbers of those that are no members: not yet, or no more.
    outside: BTreeSet<usize>,
    properties: BTreeMap<String, String>,
    name_servers: String,
    disks: Vec<SmallDisk>,
    /// Behind the nodes: what it has made is taken back when they are gone.
    machine: Machine,
}

/// What is made of the machine for the nodes.
#[derive(Debug)]
struct Machine {
    run: RunFolder,
    hosts: Option<Namespaces>,
}

impl Machine {
    fn for_group(settings: &GroupSettings) -> Self {
        let run = RunFolder::begin().unwrap_or_else(|error| panic!("{error}"));
        let mut machine = Self { run, hosts: None };
        if settings.has_hosts {
            let names: Vec<String> = (0..settings.nodes).map(|number| format!("n{number}")).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let hosts = Namespaces::make(&mut machine.run, &names);
            machine.hosts = Some(hosts.unwrap_or_else(|error| panic!("{error}")));
        }
        machine
    }

    fn host(&self, number: u16) -> Host {
        self.hosts.as_ref().map_or_else(Host::loopback, |hosts| Host::of(hosts, number.into()))
    }

    /// A name server that runs on the machine itself, as its hosts see it.
    fn address_of(&self, name_server: &NameServer) -> String {
        let ip = self.hosts.as_ref().map_or(Ipv4Addr::LOCALHOST, Namespaces::machine);
        format!("{ip}:{}", name_server.port())
    }

    fn node(&mut self, number: u16, settings: &GroupSettings, scratch: &Scratch) -> (ReplicaNode, Option<SmallDisk>) {
        let node = ReplicaNode::new(&settings.name, number, settings.shards, scratch).on(self.host(number));
        let failed = |error: cluster::error::ClusterError| -> ! { panic!("{error}") };
        // A run that is killed leaves no ring behind either.
        self.run.note(Made::Folder(node.rings().to_owned())).unwrap_or_else(|error| failed(error));
        let Some(bytes) = settings.disk_bytes else { return (node, None) };
        let disk = SmallDisk::make(&mut self.run, node.home(), bytes).unwrap_or_else(|error| failed(error));
        (node.storing_in(disk.path().join("store")), Some(disk))
    }
}

impl ReplicaGroup {
    /// Starts name server and nodes, and waits until every shard is led and followed.
    ///
    /// # Panics
    /// When that does not come, with the output of the nodes.
    #[must_use]
    pub fn start(settings: &GroupSettings, scratch: &Scratch) -> Self {
        let GroupSettings { name, nodes, shards, properties, .. } = settings.clone();
        let mut machine = Machine::for_group(settings);
        let name_server = NameServer::start(scratch);
        let name_servers = machine.address_of(&name_server);
        let (nodes, disks): (Vec<_>, Vec<_>) = (0..nodes).map(|number| machine.node(number, settings, scratch)).unzip();
        let peers: Vec<String> = nodes.iter().map(ReplicaNode::peer).collect();
        let of_all = [
            ("brokerClusterName", "DefaultCluster".to_owned()),
            ("brokerName", name.clone()),
            ("dLegerGroup", name.clone()),
            ("dLegerPeers", peers.join(";")),
            ("namesrvAddr", name_servers.clone()),
        ];
        let mut group = Self {
            name,
            shards,
            _name_server: name_server,
            nodes,
            outside: BTreeSet::new(),
            name_servers,
            disks: disks.into_iter().flatten().collect(),
            machine,
            properties: of_all.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
        };
        group.properties.extend(properties);
        for node in &mut group.nodes {
            node.configure(&group.properties);
            node.start();
        }
        group.wait_until_complete();
        group.introduce_readers();
        group
    }

    /// Lets each leader create the group that [`requests::pull`] pulls as. Followers create none: who pulls from one first is
    /// sent away.
    fn introduce_readers(&self) {
        for address in self.target().brokers.values() {
            let mut client = RawClient::connect(address.parse().expect("an address of this machine"));
            client.ask(requests::pull(AUTO_CREATE_TOPIC, 0, 0));
        }
    }

    /// What stands in every node's configuration.
    #[must_use]
    pub fn properties(&self) -> &BTreeMap<String, String> {
        &self.properties
    }

    /// Name of the broker that shard `shard` is.
    #[must_use]
    pub fn broker(&self, shard: u16) -> String {
        if shard == 0 { self.name.clone() } else { format!("{}-{shard}", self.name) }
    }

    /// Names of the brokers of all shards.
    #[must_use]
    pub fn brokers(&self) -> Vec<String> {
        (0..self.shards).map(|shard| self.broker(shard)).collect()
    }

    /// The nodes, n0 first.
    pub fn nodes(&mut self) -> &mut [ReplicaNode] {
        &mut self.nodes
    }

    /// One node.
    pub fn node(&mut self, number: usize) -> &mut ReplicaNode {
        &mut self.nodes[number]
    }

    /// A node's own disk.
    ///
    /// # Panics
    /// Unless the group was asked for with [`GroupSettings::on_disks`].
    #[must_use]
    pub fn disk(&self, number: usize) -> &SmallDisk {
        self.disks.get(number).expect("the nodes have disks of their own")
    }

    /// Shards of each node.
    #[must_use]
    pub fn shards(&self) -> u16 {
        self.shards
    }

    /// Numbers of all nodes but one.
    #[must_use]
    pub fn others(&self, number: usize) -> Vec<usize> {
        self.member_numbers().into_iter().filter(|other| *other != number).collect()
    }

    /// What the name server says.
    ///
    /// # Panics
    /// When it is not there.
    #[must_use]
    pub fn view(&self) -> ClusterView {
        ClusterView::of(self.name_servers.parse().expect("an address of this machine"))
    }

    /// What to point clients at: the leaders of this moment.
    ///
    /// # Panics
    /// When a shard has none.
    #[must_use]
    pub fn target(&self) -> Target {
        let mut view = self.view();
        let leader = |broker: String| {
            let leader = view.leader(&broker).unwrap_or_else(|| panic!("{broker} has no leader"));
            (broker, leader.to_string())
        };
        Target { name_servers: self.name_servers.clone(), brokers: self.brokers().into_iter().map(leader).collect() }
    }

    /// Number of the node that leads a shard.
    ///
    /// # Panics
    /// When none does within half a minute.
    #[must_use]
    pub fn leader(&self, shard: u16) -> usize {
        let (mut view, broker) = (self.view(), self.broker(shard));
        until(&format!("a leader of {broker}"), COMPLETE_WITHIN, || {
            let leader = view.leader(&broker).ok_or("none")?;
            Ok(self.number_of(leader, shard))
        })
    }

    /// Number of the node that leads a shard and is another one than `old`.
    ///
    /// # Panics
    /// When none does within half a minute.
    #[must_use]
    pub fn leader_but(&self, old: usize, shard: u16) -> usize {
        let address = self.nodes[old].address(shard);
        let (leader, _) = self.view().wait_for_other_leader(&self.broker(shard), address, COMPLETE_WITHIN);
        self.number_of(leader, shard)
    }

    /// Number of the node that should lead a shard, and does when all have been there for a while.
    #[must_use]
    pub fn preferred(&self, shard: u16) -> usize {
        self.member_numbers()[usize::from(shard) % self.member_numbers().len()]
    }

    /// Waits until every shard is led by the node that should.
    ///
    /// # Panics
    /// When that does not come.
    pub fn wait_until_balanced(&self) {
        for shard in 0..self.shards {
            until(&format!("n{} to lead shard {shard}", self.preferred(shard)), COMPLETE_WITHIN, || {
                let leader = self.leader(shard);
                if leader == self.preferred(shard) {
                    Ok(())
                } else {
                    Err(format!("n{leader} leads\n{}", self.outputs()))
                }
            });
        }
    }

    /// Number of the node that serves shard `shard` at an address.
    ///
    /// # Panics
    /// When none does.
    #[must_use]
    pub fn number_of(&self, address: SocketAddr, shard: u16) -> usize {
        let found = self.nodes.iter().position(|node| node.address(shard) == address);
        found.unwrap_or_else(|| panic!("{address} is none of {}'s", self.name))
    }

    /// Waits until every node runs and serves, and is registered at the name server as what it is: one leader a shard, and all
    /// others slaves.
    ///
    /// # Panics
    /// When that does not come.
    pub fn wait_until_complete(&mut self) {
        let outside = &self.outside;
        let members = self.nodes.iter_mut().enumerate().filter(|(number, _)| !outside.contains(number));
        members.for_each(|(_, node)| node.wait_until_ready());
        let mut view = self.view();
        for shard in 0..self.shards {
            let broker = self.broker(shard);
            until(&format!("a leader of {broker} and its slaves"), COMPLETE_WITHIN, || {
                let seen = view.replicas(&broker);
                if self.is_complete(shard, &seen) { Ok(()) } else { Err(format!("{seen:?}\n{}", self.outputs())) }
            });
        }
    }

    /// Whether these are all nodes of a shard: one master, and the others with their own ids.
    #[must_use]
    pub fn is_complete(&self, shard: u16, replicas: &BTreeMap<i64, String>) -> bool {
        let mut masters = 0;
        let all = self.member_nodes().all(|node| {
            let address = node.address(shard).to_string();
            let is_master = replicas.get(&0) == Some(&address);
            masters += usize::from(is_master);
            is_master || replicas.get(&node.slave_id()) == Some(&address)
        });
        all && masters == 1 && replicas.len() == self.member_numbers().len()
    }

    /// Fails when a node has panicked, or has told of an error: none of these tests gives it a reason to.
    ///
    /// # Panics
    /// With what the node has written.
    pub fn expect_sound(&self) {
        for node in &self.nodes {
            let output = node.output();
            let unsound = |line: &&str| line.contains("panicked") || line.contains(" ERROR ");
            let line = output.lines().find(unsound);
            assert!(line.is_none(), "{} said {line:?}:\n{output}", node.peer());
        }
    }

    /// Everything that the nodes have written, for failure messages.
    #[must_use]
    pub fn outputs(&self) -> String {
        let outputs: Vec<String> =
            self.nodes.iter().map(|node| format!("--- {}\n{}", node.peer(), node.output())).collect();
        outputs.join("\n")
    }
}
