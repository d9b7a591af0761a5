//! The original name server and broker as processes, from the jars that `java/peer` fetches.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::clients;
use crate::ports;
use crate::process::Process;
use crate::scratch::Scratch;
use crate::target::Target;

const READY_WITHIN: Duration = Duration::from_secs(120);
/// What netty and the mapped files of the original need on Java 17, as its own start scripts have it.
const JVM_MODULE_FLAGS: [&str; 7] = [
    "--add-exports=java.base/sun.nio.ch=ALL-UNNAMED",
    "--add-exports=java.base/jdk.internal.misc=ALL-UNNAMED",
    "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
    "--add-opens=java.base/java.nio=ALL-UNNAMED",
    "--add-opens=java.base/java.lang=ALL-UNNAMED",
    "--add-opens=java.base/java.util=ALL-UNNAMED",
    "--add-opens=java.base/jdk.internal.misc=ALL-UNNAMED",
];
/// The broker's fast port and its slaves' port.
const BROKER_PORTS: [i32; 3] = [0, -2, 1];

/// A running original name server. Killed when dropped.
#[derive(Debug)]
pub struct ApacheNameServer {
    _process: Process,
    port: u16,
}

impl ApacheNameServer {
    /// Starts one on a free port.
    ///
    /// # Panics
    /// When it does not get ready.
    #[must_use]
    pub fn start(scratch: &Scratch) -> Self {
        let port = ports::free_port();
        let configuration = format!("listenPort={port}\nbindAddress=127.0.0.1\n");
        let configuration = scratch.file(&format!("apache-namesrv-{port}.conf"), &configuration);
        let home = scratch.folder(&format!("apache-namesrv-{port}"));
        let process = start("org.apache.rocketmq.namesrv.NamesrvStartup", &configuration, &home);
        Self { _process: process, port }
    }

    /// `host:port`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

/// A running original broker. Killed when dropped.
#[derive(Debug)]
pub struct ApacheBroker {
    _process: Process,
    target: Target,
}

impl ApacheBroker {
    /// Starts a master on a free port that registers with `name_servers`.
    ///
    /// # Panics
    /// When it does not get ready.
    #[must_use]
    pub fn start(name: &str, name_servers: &str, scratch: &Scratch) -> Self {
        Self::start_with(name, name_servers, "", scratch)
    }

    /// The same with further lines in its configuration.
    ///
    /// # Panics
    /// When it does not get ready.
    #[must_use]
    pub fn start_with(name: &str, name_servers: &str, properties: &str, scratch: &Scratch) -> Self {
        let port = ports::free_port_with(&BROKER_PORTS);
        let home = scratch.folder(name);
        let store = home.join("store");
        let configuration = format!(
            "brokerClusterName=DefaultCluster\nbrokerName={name}\nbrokerId=0\nbrokerIP1=127.0.0.1\nbrokerIP2=127.0.0.1\n\
             bindAddress=127.0.0.1\nlistenPort={port}\nnamesrvAddr={name_servers}\nautoCreateTopicEnable=true\n\
             storePathRootDir={0}\nstorePathCommitLog={0}/commitlog\nmappedFileSizeCommitLog=67108864\n\
             flushDiskType=ASYNC_FLUSH\nenablePropertyFilter=true\n{properties}",
            store.display()
        );
        let configuration = scratch.file(&format!("{name}.conf"), &configuration);
        let process = start("org.apache.rocketmq.broker.BrokerStartup", &configuration, &home);
        let brokers = [(name.to_owned(), format!("127.0.0.1:{port}"))].into();
        Self { _process: process, target: Target { name_servers: name_servers.to_owned(), brokers } }
    }

    /// What to point clients at.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }
}

fn start(class: &str, configuration: &Path, home: &Path) -> Process {
    let mut command = Command::new("java");
    command.args(["-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:MaxDirectMemorySize=512m"]);
    command.args(JVM_MODULE_FLAGS).arg("-Dio.netty.tryReflectionSetAccessible=true");
    command.arg(format!("-Duser.home={}", home.display()));
    command.arg("-cp").arg(clients::apache_classpath()).arg(class).arg("-c").arg(configuration);
    command.env("ROCKETMQ_HOME", home).env("HOME", home).env_remove("NAMESRV_ADDR").current_dir(home);
    let mut process = Process::start(class, &mut command, &home.join("apache.out"));
    process.wait_for_line("boot success", READY_WITHIN);
    process
}
