//! Replicas of one broker, one name server, and how they are started.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::case::Stage;
use crate::error::CompareError;
use crate::peer::cluster::{Launch, without_folders};
use crate::ports;
use crate::record::Setup;
use crate::side::Side;

/// What the replicas are registered as, all of them.
pub const GROUP: &str = "RaftNode00";
/// Replicas of a group.
pub const REPLICAS: usize = 3;
/// Where a replica's listener for the others is, counted from its port for clients.
const REPLICA_PORT: i32 = 3;
/// The broker's fast port, its slaves' port and its replicas' port.
const NODE_PORTS: &[i32] = &[0, -2, 1, REPLICA_PORT];
/// From one replica's port for clients to where the next one's is looked for.
const NODE_DISTANCE: u16 = 10;

/// One replica.
#[derive(Debug)]
pub struct NodePlan {
    /// How it is started.
    pub launch: Launch,
    /// Where it listens for clients, as `host:port`.
    pub address: String,
    /// Its configuration file, as written.
    pub configuration: String,
    /// Where it keeps its messages and its terms and votes; nothing else is in it.
    pub store: PathBuf,
    /// What it keeps in shared memory.
    pub rings: Option<PathBuf>,
}

/// A name server and replicas that register there.
#[derive(Debug)]
pub struct GroupPlan {
    /// Whose.
    pub side: Side,
    /// For which cases.
    pub stage: Stage,
    /// The name server.
    pub name_server: Launch,
    /// Where it listens, as `host:port`.
    pub name_server_address: String,
    /// The replicas, n0 first.
    pub nodes: Vec<NodePlan>,
    /// What holds the folders of shared memory, for as long as this lives.
    pub rings: Option<TempDir>,
}

/// Ports of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupPorts {
    /// The name server's.
    pub name_server: u16,
    /// The replicas', for clients.
    pub nodes: [u16; REPLICAS],
}

impl GroupPorts {
    /// Free ones from `first` on.
    /// # Errors
    /// [`CompareError::NoPort`].
    pub fn find(first: u16) -> Result<Self, CompareError> {
        let name_server = ports::free_port_with(first, &[0])?;
        let mut nodes = [0; REPLICAS];
        let mut from = name_server + 3;
        for node in &mut nodes {
            *node = ports::free_port_with(from, NODE_PORTS)?;
            from = *node + NODE_DISTANCE;
        }
        Ok(Self { name_server, nodes })
    }

    /// The name server, as `host:port`.
    #[must_use]
    pub fn name_server_address(&self) -> String {
        format!("127.0.0.1:{}", self.name_server)
    }

    /// What makes a replica one: the same words on both sides. `number` counts from 0.
    #[must_use]
    pub fn group_properties(&self, number: usize) -> String {
        let peer = |(number, port): (usize, &u16)| format!("n{number}-127.0.0.1:{}", i32::from(*port) + REPLICA_PORT);
        let peers: Vec<String> = self.nodes.iter().enumerate().map(peer).collect();
        format!(
            "brokerClusterName=DefaultCluster\nbrokerName={GROUP}\nbrokerIP1=127.0.0.1\nbindAddress=127.0.0.1\n\
             listenPort={}\nnamesrvAddr={}\nenableDLegerCommitLog=true\ndLegerGroup={GROUP}\ndLegerPeers={}\n\
             dLegerSelfId=n{number}\n",
            self.nodes[number],
            self.name_server_address(),
            peers.join(";")
        )
    }
}

/// Makes a replica's folder and writes its configuration.
/// # Errors
/// They cannot be written.
pub(super) fn write(home: &Path, configuration: &str) -> Result<PathBuf, CompareError> {
    fs::create_dir_all(home).map_err(CompareError::file("create", home))?;
    let path = home.join("broker.conf");
    fs::write(&path, configuration).map_err(CompareError::file("write", &path))?;
    Ok(path)
}

impl GroupPlan {
    /// What the report says about it: the first replica whole, and of the others what is different.
    #[must_use]
    pub fn setup(&self, work: &Path, repository: &Path) -> Setup {
        let rings = self.rings.as_ref().map(TempDir::path);
        let shown = |text: &str| without_folders(text, work, repository, rings);
        let mut configuration = self.nodes[0].configuration.trim_end().to_owned();
        for (number, node) in self.nodes.iter().enumerate().skip(1) {
            let first = &self.nodes[0].configuration;
            let others: Vec<&str> =
                node.configuration.lines().filter(|line| !first.lines().any(|known| known == *line)).collect();
            configuration.push_str(&format!("\n\n# n{number}, where it differs\n{}", others.join("\n")));
        }
        let commands: Vec<String> = self.nodes.iter().map(|node| shown(&node.launch.command_line())).collect();
        Setup {
            side: self.side,
            stage: self.stage.name().to_owned(),
            command: commands.join("\n"),
            configuration: shown(&configuration),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_replica_names_all_and_itself() {
        let ports = GroupPorts { name_server: 9876, nodes: [10911, 10921, 10931] };
        let text = ports.group_properties(1);
        assert!(text.contains("\ndLegerPeers=n0-127.0.0.1:10914;n1-127.0.0.1:10924;n2-127.0.0.1:10934\n"), "{text}");
        assert!(text.contains("\ndLegerSelfId=n1\n") && text.contains("\nlistenPort=10921\n"), "{text}");
    }

    #[test]
    fn ports_of_a_group_are_apart() {
        let Ok(found) = GroupPorts::find(26_000) else { return };
        let [first, second, third] = found.nodes;
        assert!(found.name_server < first - 2 && first + 3 < second - 2 && second + 3 < third - 2, "{found:?}");
    }

    #[test]
    fn a_setup_shows_the_first_replica_and_what_the_others_have_of_their_own() {
        let node = |number: u16| NodePlan {
            launch: Launch {
                name: "node",
                program: "mqbroker".into(),
                arguments: vec![format!("/run-folder/n{number}/broker.conf").into()],
                home: format!("/run-folder/n{number}").into(),
            },
            address: format!("127.0.0.1:{number}"),
            configuration: format!("brokerName=a\nlistenPort={number}\n"),
            store: "/run-folder/store".into(),
            rings: None,
        };
        let plan = GroupPlan {
            side: Side::Turbopump,
            stage: Stage::Group,
            name_server: node(9).launch,
            name_server_address: String::new(),
            nodes: (0..3).map(node).collect(),
            rings: None,
        };
        let setup = plan.setup(Path::new("/run-folder"), Path::new("/repository"));
        assert_eq!(
            setup.command,
            "mqbroker WORK/n0/broker.conf\nmqbroker WORK/n1/broker.conf\nmqbroker WORK/n2/broker.conf"
        );
        assert_eq!(
            setup.configuration,
            "brokerName=a\nlistenPort=0\n\n# n1, where it differs\nlistenPort=1\n\n# n2, where it differs\nlistenPort=2"
        );
    }
}
