//! Apache RocketMQ with DLedger: three brokers that replicate one log, at their best known settings.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::case::Stage;
use crate::error::CompareError;
use crate::peer::apache::{self, COLLECTOR_FLAGS, NAME_SERVER_FLAGS};
use crate::peer::apache_jars::ApacheJars;
use crate::peer::cluster::Launch;
use crate::peer::group_plan::{self, GroupPlan, GroupPorts, NodePlan, REPLICAS};
use crate::settings::Settings;
use crate::side::Side;

const NODE_NAMES: [&str; REPLICAS] = ["apache-n0", "apache-n1", "apache-n2"];

/// The settings at which it did best; lines of its configuration. As for a single broker, but for the threads that send.
const TUNED: &str = "sendMessageThreadPoolNums=4
useReentrantLockWhenPutMessage=true
useEpollNativeSelector=true
osPageCacheBusyTimeOutMills=5000
waitTimeMillsInSendQueue=2000
sendThreadPoolQueueCapacity=20000
transferMsgByHeap=true
messageIndexEnable=false
";

/// A group, with its folders made and its configurations written.
/// # Errors
/// A folder or file cannot be written, or no port is free.
pub fn plan(
    jars: &ApacheJars,
    settings: &Settings,
    stage: Stage,
    work: &Path,
    first_port: u16,
) -> Result<GroupPlan, CompareError> {
    let group_home = work.join(format!("{}-group", Side::Apache.folder()));
    let ports = GroupPorts::find(first_port)?;
    fs::create_dir_all(&group_home).map_err(CompareError::file("create", &group_home))?;
    let gib = settings.apache_group_heap_gib;
    let heap = [format!("-Xms{gib}g"), format!("-Xmx{gib}g"), "-XX:+AlwaysPreTouch".to_owned()];
    let flags: Vec<&str> = heap.iter().map(String::as_str).chain(COLLECTOR_FLAGS.iter().copied()).collect();
    let launch = |name, flags: &[&str], class: &str, home: &Path, file: &Path| Launch {
        name,
        program: PathBuf::from("java"),
        arguments: apache::java_arguments(flags, jars, home, class, file),
        home: home.to_owned(),
    };
    let mut nodes = Vec::new();
    for (number, name) in NODE_NAMES.into_iter().enumerate() {
        let home = group_home.join(format!("n{number}"));
        let store = home.join("store");
        let configuration = configuration(settings, &ports, number, &store);
        let file = group_plan::write(&home, &configuration)?;
        nodes.push(NodePlan {
            launch: launch(name, &flags, "org.apache.rocketmq.broker.BrokerStartup", &home, &file),
            address: format!("127.0.0.1:{}", ports.nodes[number]),
            configuration,
            store,
            rings: None,
        });
    }
    let name_server = format!("listenPort={}\nbindAddress=127.0.0.1\n", ports.name_server);
    let name_server_file = apache::write(&group_home, "namesrv.conf", &name_server)?;
    Ok(GroupPlan {
        side: Side::Apache,
        stage,
        name_server: launch(
            "apache-namesrv",
            NAME_SERVER_FLAGS,
            "org.apache.rocketmq.namesrv.NamesrvStartup",
            &group_home,
            &name_server_file,
        ),
        name_server_address: ports.name_server_address(),
        nodes,
        rings: None,
    })
}

fn configuration(settings: &Settings, ports: &GroupPorts, number: usize, store: &Path) -> String {
    let store = store.display();
    let mut text = format!(
        "{}brokerIP2=127.0.0.1\nstorePathRootDir={store}\nstorePathCommitLog={store}/commitlog\n\
         autoCreateTopicEnable=true\ndefaultTopicQueueNums=8\ndeleteWhen=04\nfileReservedTime=48\n\
         flushDiskType=ASYNC_FLUSH\n{TUNED}",
        ports.group_properties(number)
    );
    for line in &settings.apache_set {
        let _ = writeln!(text, "{line}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_its_configuration_is_a_pair_and_later_lines_overrule_earlier_ones() {
        let settings = Settings { apache_set: vec!["enableBatchPush=false".to_owned()], ..Settings::usual(1 << 34) };
        let ports = GroupPorts { name_server: 9876, nodes: [10911, 10921, 10931] };
        let text = configuration(&settings, &ports, 2, Path::new("/s"));
        assert!(
            text.lines()
                .all(|line| line.split_once('=').is_some_and(|(key, value)| !key.is_empty() && !value.is_empty()))
        );
        assert!(text.ends_with("\nenableBatchPush=false\n"), "{text}");
    }
}
