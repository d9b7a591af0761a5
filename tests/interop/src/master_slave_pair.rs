//! A master and its slave, and one name server, as processes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use protocol::body::{HaStatus, KvTable, MasterSlavePart, MasterSlaveState};
use protocol::code::RequestCode;

use crate::binaries;
use crate::cluster_view::ClusterView;
use crate::name_server::NameServer;
use crate::raw_client::RawClient;
use crate::replica_node::ReplicaNode;
use crate::requests;
use crate::scratch::Scratch;
use crate::target::Target;
use crate::until::until;

/// What is not promised but would be a hang.
const WITHIN: Duration = Duration::from_secs(30);
/// Name of the broker that both are.
pub const BROKER: &str = "duo";

/// Node 0 is configured as master, node 1 as its slave. Killed for good when dropped.
#[derive(Debug)]
pub struct MasterSlavePair {
    name_server: NameServer,
    nodes: [ReplicaNode; 2],
}

impl MasterSlavePair {
    /// Starts both and waits until the slave has what the master has. `role` is the master's; `further` stands in both
    /// configurations.
    ///
    /// # Panics
    /// When that does not come, with the output of both.
    #[must_use]
    pub fn start(role: &str, further: &[(&str, &str)], scratch: &Scratch) -> Self {
        let name_server = NameServer::start(scratch);
        let nodes = [0, 1].map(|number| ReplicaNode::new(BROKER, number, 1, scratch));
        for (node, role) in nodes.iter().zip([role, "SLAVE"]) {
            let own = [
                ("brokerName", BROKER),
                ("brokerRole", role),
                ("brokerId", if role == "SLAVE" { "1" } else { "0" }),
                ("namesrvAddr", &name_server.address()),
                ("brokerClusterName", "DefaultCluster"),
                ("enableDLegerCommitLog", ""),
                ("dLegerSelfId", ""),
            ];
            let all = own.iter().chain(further).map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
            node.configure(&all.collect::<BTreeMap<_, _>>());
        }
        let mut pair = Self { name_server, nodes };
        for number in [0, 1] {
            pair.node(number).start();
            pair.node(number).wait_until_ready();
        }
        pair.wait_until_copied();
        pair
    }

    /// One of both.
    pub fn node(&mut self, number: usize) -> &mut ReplicaNode {
        &mut self.nodes[number]
    }

    /// Where one of both serves clients.
    #[must_use]
    pub fn address(&self, number: usize) -> SocketAddr {
        self.nodes[number].address(0)
    }

    /// What one says of itself.
    ///
    /// # Panics
    /// When it is not there.
    #[must_use]
    pub fn state(&self, number: usize) -> MasterSlaveState {
        let code = RequestCode::GET_MASTER_SLAVE_STATE;
        let answer = RawClient::connect(self.address(number)).ask(requests::with_body(code, &[]));
        MasterSlaveState::decode(&answer.body).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
    }

    /// What one says of its copies.
    ///
    /// # Panics
    /// When it is not there.
    #[must_use]
    pub fn ha_status(&self, number: usize) -> HaStatus {
        let code = RequestCode::GET_BROKER_HA_STATUS;
        let answer = RawClient::connect(self.address(number)).ask(requests::with_body(code, &[]));
        HaStatus::decode(&answer.body).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
    }

    /// Waits until one is what it should be.
    ///
    /// # Panics
    /// When that does not come.
    pub fn wait_until(&self, number: usize, part: MasterSlavePart) -> MasterSlaveState {
        until(&format!("n{number} to be {part:?}"), WITHIN, || {
            let state = self.state(number);
            if state.part == part { Ok(state) } else { Err(format!("{state:?}\n{}", self.outputs())) }
        })
    }

    /// Waits until one is the master, the other its slave, and both logs end at the same place; returns that place.
    ///
    /// # Panics
    /// When that does not come.
    pub fn wait_until_copied(&self) -> i64 {
        until("the slave to have what the master has", WITHIN, || {
            let states = [0, 1].map(|number| self.state(number));
            let parts = states.each_ref().map(|state| state.part);
            let is_pair = parts.contains(&MasterSlavePart::Master) && parts.contains(&MasterSlavePart::Slave);
            let is_there = states.iter().any(|state| state.master_is_there);
            if is_pair && is_there && states[0].end_offset == states[1].end_offset {
                Ok(states[0].end_offset)
            } else {
                Err(format!("{states:?}\n{}", self.outputs()))
            }
        })
    }

    /// Waits until the name server has these as master and slave.
    ///
    /// # Panics
    /// When that does not come.
    pub fn wait_until_registered(&self, master: usize, slave: Option<usize>) {
        let mut view = self.view();
        let mut expected = BTreeMap::from([(0, self.address(master).to_string())]);
        expected.extend(slave.map(|slave| (1, self.address(slave).to_string())));
        until("master and slave to be registered", WITHIN, || {
            let seen = view.replicas(BROKER);
            if seen == expected { Ok(()) } else { Err(format!("{seen:?}\n{}", self.outputs())) }
        });
    }

    /// Waits until the name server has this one alone, as a slave.
    ///
    /// # Panics
    /// When that does not come.
    pub fn wait_until_alone(&self, slave: usize) {
        let (mut view, expected) = (self.view(), BTreeMap::from([(1, self.address(slave).to_string())]));
        until("the slave to be alone", WITHIN, || {
            let seen = view.replicas(BROKER);
            if seen == expected { Ok(()) } else { Err(format!("{seen:?}\n{}", self.outputs())) }
        });
    }

    /// What the name server says.
    ///
    /// # Panics
    /// When it is not there.
    #[must_use]
    pub fn view(&self) -> ClusterView {
        ClusterView::of(self.name_server.address().parse().expect("an address of this machine"))
    }

    /// What to point clients at, with one as the master.
    #[must_use]
    pub fn target(&self, master: usize) -> Target {
        let brokers = BTreeMap::from([(BROKER.to_owned(), self.address(master).to_string())]);
        Target { name_servers: self.name_server.address(), brokers }
    }

    /// Our `mqadmin promoteSlave`; what it printed, or said of its failure.
    ///
    /// # Errors
    /// It failed.
    ///
    /// # Panics
    /// When it cannot be run.
    pub fn promote(&self, number: usize, further: &[&str]) -> Result<String, String> {
        let mut command = Command::new(binaries::path_of("mqadmin"));
        command.args(["promoteSlave", "-n", &self.name_server.address(), "-b", &self.address(number).to_string()]);
        let output = command.args(further).output().unwrap_or_else(|error| panic!("cannot run mqadmin: {error}"));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    /// A row of a broker's runtime information.
    ///
    /// # Panics
    /// When it is not there.
    #[must_use]
    pub fn runtime_row(&self, number: usize, key: &str) -> String {
        let code = RequestCode::GET_BROKER_RUNTIME_INFO;
        let answer = RawClient::connect(self.address(number)).ask(requests::with_body(code, &[]));
        let table = KvTable::decode(&answer.body).unwrap_or_else(|error| panic!("{error}: {answer:?}")).table;
        table.get(key).cloned().unwrap_or_else(|| panic!("no {key} in {table:?}"))
    }

    /// Everything that both have written, for failure messages.
    #[must_use]
    pub fn outputs(&self) -> String {
        let outputs = self.nodes.iter().enumerate();
        outputs.map(|(number, node)| format!("--- n{number}\n{}", node.output())).collect::<Vec<_>>().join("\n")
    }

    /// Fails when one has panicked.
    ///
    /// # Panics
    /// With what it has written.
    pub fn expect_sound(&self) {
        for node in &self.nodes {
            let output = node.output();
            let line = output.lines().find(|line| line.contains("panicked"));
            assert!(line.is_none(), "it said {line:?}:\n{output}");
        }
    }
}
