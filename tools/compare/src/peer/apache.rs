//! Apache RocketMQ at its best known settings.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::case::Stage;
use crate::error::CompareError;
use crate::peer::apache_jars::ApacheJars;
use crate::peer::cluster::{Cluster, Launch};
use crate::ports;
use crate::settings::Settings;
use crate::side::Side;

/// What netty and the mapped files need on Java 17; its own start scripts have the same.
const MODULE_FLAGS: &[&str] = &[
    "--add-exports=java.base/sun.nio.ch=ALL-UNNAMED",
    "--add-exports=java.base/jdk.internal.misc=ALL-UNNAMED",
    "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
    "--add-opens=java.base/java.nio=ALL-UNNAMED",
    "--add-opens=java.base/java.lang=ALL-UNNAMED",
    "--add-opens=java.base/java.util=ALL-UNNAMED",
    "--add-opens=java.base/jdk.internal.misc=ALL-UNNAMED",
    "-Dio.netty.tryReflectionSetAccessible=true",
];
/// As the shipped `runbroker.sh`, but for the size of the heap.
pub(super) const COLLECTOR_FLAGS: &[&str] = &[
    "-server",
    "-XX:+UseG1GC",
    "-XX:G1HeapRegionSize=16m",
    "-XX:G1ReservePercent=25",
    "-XX:InitiatingHeapOccupancyPercent=30",
    "-XX:SoftRefLRUPolicyMSPerMB=0",
    "-XX:-OmitStackTraceInFastThrow",
    "-XX:MaxDirectMemorySize=8g",
    "-XX:-UseLargePages",
];
pub(super) const NAME_SERVER_FLAGS: &[&str] = &["-server", "-Xms512m", "-Xmx512m", "-XX:+UseG1GC"];
/// The broker's fast port and its slaves' port.
const BROKER_PORTS: &[i32] = &[0, -2, 1];

/// What made it fastest of all that was tried; lines of its configuration. The key index is off, though ours is on:
/// every message has a unique key, which it would index.
const TUNED: &str = "sendMessageThreadPoolNums=2
useReentrantLockWhenPutMessage=true
useEpollNativeSelector=true
osPageCacheBusyTimeOutMills=5000
waitTimeMillsInSendQueue=2000
sendThreadPoolQueueCapacity=20000
transferMsgByHeap=true
messageIndexEnable=false
";

/// A cluster for the cases of `stage`, with its folders made and its configuration written.
/// # Errors
/// A folder or file cannot be written, or no port is free.
pub fn cluster(
    jars: &ApacheJars,
    settings: &Settings,
    stage: Stage,
    work: &Path,
    first_port: u16,
) -> Result<Cluster, CompareError> {
    let home = work.join(Side::Apache.folder());
    let name_server_port = ports::free_port_with(first_port, &[0])?;
    let port = ports::free_port_with(name_server_port + 3, BROKER_PORTS)?;
    fs::create_dir_all(&home).map_err(CompareError::file("create", &home))?;
    let store = home.join("store");
    let name_server_address = format!("127.0.0.1:{name_server_port}");
    let configuration = configuration(settings, stage, &store, port, &name_server_address);
    let broker_file = write(&home, "broker.conf", &configuration)?;
    let name_server = format!("listenPort={name_server_port}\nbindAddress=127.0.0.1\n");
    let name_server_file = write(&home, "namesrv.conf", &name_server)?;
    let heap = heap(settings, stage);
    let broker_flags: Vec<&str> = heap.iter().map(String::as_str).chain(COLLECTOR_FLAGS.iter().copied()).collect();
    let launch = |name, flags: &[&str], class: &str, file: &Path| Launch {
        name,
        program: PathBuf::from("java"),
        arguments: java_arguments(flags, jars, &home, class, file),
        home: home.clone(),
    };
    Ok(Cluster {
        side: Side::Apache,
        stage,
        name_server: launch(
            "apache-namesrv",
            NAME_SERVER_FLAGS,
            "org.apache.rocketmq.namesrv.NamesrvStartup",
            &name_server_file,
        ),
        broker: launch("apache-broker", &broker_flags, "org.apache.rocketmq.broker.BrokerStartup", &broker_file),
        name_server_address,
        broker_address: format!("127.0.0.1:{port}"),
        configuration,
        store,
        rings: None,
    })
}

/// Where nothing is asked of it, a small heap that is not touched is its best: less memory, a quicker start.
fn heap(settings: &Settings, stage: Stage) -> Vec<String> {
    if stage == Stage::Idle {
        return vec!["-Xmx1g".to_owned()];
    }
    let gib = settings.apache_heap_gib;
    vec![format!("-Xms{gib}g"), format!("-Xmx{gib}g"), "-XX:+AlwaysPreTouch".to_owned()]
}

pub(super) fn java_arguments(
    flags: &[&str],
    jars: &ApacheJars,
    home: &Path,
    class: &str,
    file: &Path,
) -> Vec<OsString> {
    let words = flags.iter().chain(MODULE_FLAGS).map(OsString::from);
    let mut arguments: Vec<OsString> = words.collect();
    arguments.push(format!("-Duser.home={}", home.display()).into());
    arguments.extend(["-cp".into(), jars.class_path.as_str().into(), class.into(), "-c".into(), file.into()]);
    arguments
}

fn configuration(settings: &Settings, stage: Stage, store: &Path, port: u16, name_server: &str) -> String {
    let flush = if stage == Stage::Sync { "SYNC_FLUSH" } else { "ASYNC_FLUSH" };
    let store = store.display();
    let mut text = format!(
        "brokerClusterName=DefaultCluster\nbrokerName=broker-a\nbrokerId=0\nbrokerRole=ASYNC_MASTER\n\
         brokerIP1=127.0.0.1\nbrokerIP2=127.0.0.1\nbindAddress=127.0.0.1\nlistenPort={port}\n\
         namesrvAddr={name_server}\nstorePathRootDir={store}\nstorePathCommitLog={store}/commitlog\n\
         autoCreateTopicEnable=true\ndefaultTopicQueueNums=8\ndeleteWhen=04\nfileReservedTime=48\n\
         flushDiskType={flush}\n{}{TUNED}",
        crate::peer::TRANSFER_LIMITS
    );
    for line in &settings.apache_set {
        let _ = writeln!(text, "{line}");
    }
    text
}

pub(super) fn write(home: &Path, name: &str, content: &str) -> Result<PathBuf, CompareError> {
    let path = home.join(name);
    fs::write(&path, content).map_err(CompareError::file("write", &path))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stage_has_its_promise_and_its_heap() {
        let settings = Settings { apache_set: vec!["slaveReadEnable=true".to_owned()], ..Settings::usual(23 << 30) };
        let text = |stage| configuration(&settings, stage, Path::new("/s"), 10911, "127.0.0.1:9876");
        assert!(text(Stage::Sync).contains("\nflushDiskType=SYNC_FLUSH\n"));
        assert!(text(Stage::Async).contains("\nflushDiskType=ASYNC_FLUSH\n"));
        assert!(text(Stage::Drain).ends_with("\nslaveReadEnable=true\n"), "later lines overrule earlier ones");
        assert_eq!(heap(&settings, Stage::Async), ["-Xms4g", "-Xmx4g", "-XX:+AlwaysPreTouch"]);
        assert_eq!(heap(&settings, Stage::Idle), ["-Xmx1g"]);
    }

    #[test]
    fn every_line_of_its_configuration_is_a_pair() {
        let text = configuration(&Settings::usual(1 << 33), Stage::Async, Path::new("/s"), 1, "n");
        assert!(
            text.lines()
                .all(|line| line.split_once('=').is_some_and(|(key, value)| !key.is_empty() && !value.is_empty()))
        );
    }
}
