//! Turbopump in Raft mode: three brokers of one shard each that replicate one log.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::case::Stage;
use crate::error::CompareError;
use crate::peer::cluster::Launch;
use crate::peer::group_plan::{self, GroupPlan, GroupPorts, NodePlan, REPLICAS};
use crate::peer::turbopump;
use crate::programs::Programs;
use crate::settings::Settings;
use crate::side::Side;

const NODE_NAMES: [&str; REPLICAS] = ["mqbroker-n0", "mqbroker-n1", "mqbroker-n2"];

/// A group, with its folders made and its configurations written.
/// # Errors
/// A folder or file cannot be written, or no port is free.
pub fn plan(
    programs: &Programs,
    settings: &Settings,
    stage: Stage,
    work: &Path,
    first_port: u16,
) -> Result<GroupPlan, CompareError> {
    let group_home = work.join(format!("{}-group", Side::Turbopump.folder()));
    let ports = GroupPorts::find(first_port)?;
    fs::create_dir_all(&group_home).map_err(CompareError::file("create", &group_home))?;
    let rings = turbopump::rings()?;
    let mut nodes = Vec::new();
    for (number, name) in NODE_NAMES.into_iter().enumerate() {
        let home = group_home.join(format!("n{number}"));
        let store = home.join("store");
        let own_rings = rings.path().join(format!("n{number}"));
        let configuration = configuration(settings, &ports, number, &own_rings);
        let file = group_plan::write(&home, &configuration)?;
        let mut arguments: Vec<OsString> = vec!["--shards".into(), "1".into(), "--cpus".into()];
        arguments.push(settings.turbopump_group_cpus[number].as_str().into());
        arguments.extend(["--store".into(), (&store).into(), "-c".into(), file.into()]);
        nodes.push(NodePlan {
            launch: Launch { name, program: programs.mqbroker.clone(), arguments, home },
            address: format!("127.0.0.1:{}", ports.nodes[number]),
            configuration,
            store,
            rings: Some(own_rings),
        });
    }
    Ok(GroupPlan {
        side: Side::Turbopump,
        stage,
        name_server: Launch {
            name: "mqnamesrv",
            program: programs.mqnamesrv.clone(),
            arguments: vec!["--listen-port".into(), ports.name_server.to_string().into()],
            home: group_home,
        },
        name_server_address: ports.name_server_address(),
        nodes,
        rings: Some(rings),
    })
}

fn configuration(settings: &Settings, ports: &GroupPorts, number: usize, rings: &Path) -> String {
    let mut text = format!(
        "{}autoCreateTopicEnable=true\ndefaultTopicQueueNums=8\ndeleteWhen=04\nfileReservedTime=48\n\
         flushDiskType=ASYNC_FLUSH\nshmRingDir={}\n",
        ports.group_properties(number),
        rings.display()
    );
    for line in &settings.turbopump_set {
        let _ = writeln!(text, "{line}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_lines_overrule_earlier_ones() {
        let settings = Settings { turbopump_set: vec!["shmRingBytes=67108864".to_owned()], ..Settings::usual(1 << 34) };
        let ports = GroupPorts { name_server: 9876, nodes: [10911, 10921, 10931] };
        let text = configuration(&settings, &ports, 2, Path::new("/dev/shm/r/n2"));
        assert!(text.contains("\ndLegerSelfId=n2\n") && text.contains("\nshmRingDir=/dev/shm/r/n2\n"), "{text}");
        assert!(text.ends_with("\nshmRingBytes=67108864\n"), "{text}");
    }
}
