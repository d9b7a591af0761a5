//! The processes: nodes of one replicated broker, and name servers.

use std::fs::{self, OpenOptions};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::cli::Args;
use crate::error::ClusterError;
use crate::interrupt::Interrupt;
use crate::link::Link;
use crate::namespaces::Namespaces;
use crate::ports::{self, NodePorts, SHARD_PORT_STEP};
use crate::run_folder::RunFolder;
use crate::run_folder::made::Made;

const NAME_SERVER_PORT: u16 = 9876;
const READY_WITHIN: Duration = Duration::from_secs(60);
/// As long as a node may take to hand its leads over and to wait for clients with an old route.
const ENDED_WITHIN: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(20);
const TAIL_BYTES: usize = 4000;
/// Stores of a trial: small enough that a node writes its first segments ahead in a moment.
const SEGMENT_BYTES: u32 = 64 << 20;

/// One process, which can be started again.
#[derive(Debug)]
pub struct Member {
    /// `n0` …, `namesrv0` ….
    pub name: String,
    /// Where shard 0, or the name server, serves clients.
    pub address: SocketAddrV4,
    /// Where metrics are shown.
    pub metrics: SocketAddrV4,
    /// Its namespace and link, when it has one.
    pub namespace: Option<(String, Link)>,
    program: PathBuf,
    arguments: Vec<String>,
    home: PathBuf,
    child: Option<Child>,
    output_start: u64,
}

/// All of them. Ended when dropped.
#[derive(Debug)]
pub struct Nodes {
    /// Name servers.
    pub name_servers: Vec<Member>,
    /// Nodes of the broker.
    pub nodes: Vec<Member>,
    /// Folder of all stores and logs.
    pub home: PathBuf,
}

impl Nodes {
    /// Writes the configurations and starts everything.
    /// # Errors
    /// A program is missing, or does not start.
    pub fn start(
        args: &Args,
        run: &mut RunFolder,
        hosts: Option<&Namespaces>,
        home: &Path,
    ) -> Result<Self, ClusterError> {
        let bin = bin_dir(args)?;
        let servers = usize::from(args.name_servers);
        let server_ports = match hosts {
            Some(_) => vec![NAME_SERVER_PORT; servers],
            None => ports::free_name_server_ports(args.name_servers)?,
        };
        let node_ports = match hosts {
            Some(_) => vec![NodePorts::OF_A_HOST; args.nodes.into()],
            None => ports::free_node_ports(args.nodes)?,
        };
        // Hosts: first the nodes, then the name servers.
        let ip = |host: usize| hosts.map_or(Ipv4Addr::LOCALHOST, |hosts| hosts.address(host));
        let namespace = |host: usize| hosts.map(|hosts| (hosts.namespace(host), hosts.link(host)));
        let nodes = usize::from(args.nodes);
        let mut all = Self { name_servers: Vec::new(), nodes: Vec::new(), home: home.to_owned() };
        for (number, port) in server_ports.iter().enumerate() {
            let at = ip(nodes + number);
            let address = SocketAddrV4::new(at, *port);
            let metrics = SocketAddrV4::new(at, if hosts.is_some() { 5_556 } else { port + 1 });
            let lines = format!("listenPort={port}\nmetricsPromExporterPort={}\n", metrics.port());
            let name = format!("namesrv{number}");
            let program = program(&bin, "mqnamesrv")?;
            let mut member = Member::new(name, program, address, metrics, namespace(nodes + number), home, &lines)?;
            member.start(run)?;
            all.name_servers.push(member);
        }
        let addresses = all.name_server_addresses();
        let peers: Vec<String> = node_ports
            .iter()
            .enumerate()
            .map(|(number, ports)| format!("n{number}-{}:{}", ip(number), ports.replicas))
            .collect();
        for (number, ports) in node_ports.iter().enumerate() {
            let (address, metrics) =
                (SocketAddrV4::new(ip(number), ports.clients), SocketAddrV4::new(ip(number), ports.metrics));
            let lines = configuration(args, number, address, metrics, &peers.join(";"), &addresses);
            let name = format!("n{number}");
            let program = program(&bin, "mqbroker")?;
            let mut member = Member::new(name, program, address, metrics, namespace(number), home, &lines)?;
            let store = member.home.join("store");
            member.arguments.extend(["--shards".to_owned(), args.shards.to_string()]);
            member.arguments.extend(["--store".to_owned(), store.display().to_string()]);
            member.start(run)?;
            all.nodes.push(member);
        }
        Ok(all)
    }

    /// `host:port;host:port`.
    #[must_use]
    pub fn name_server_addresses(&self) -> String {
        let addresses: Vec<String> = self.name_servers.iter().map(|server| server.address.to_string()).collect();
        addresses.join(";")
    }

    /// Waits until every node serves, or somebody wants the end.
    /// # Errors
    /// One ended, or takes too long.
    pub fn wait_until_ready(&mut self, interrupt: &Interrupt) -> Result<(), ClusterError> {
        let start = Instant::now();
        for node in &mut self.nodes {
            while !node.is_ready()? && !interrupt.is_wanted() {
                if start.elapsed() > READY_WITHIN {
                    let (name, log, tail) = (node.name.clone(), node.log(), node.tail());
                    return Err(ClusterError::Late { name, limit: READY_WITHIN, log, tail });
                }
                thread::sleep(LOOK);
            }
        }
        Ok(())
    }

    /// The member with this name.
    pub fn member(&mut self, name: &str) -> Option<&mut Member> {
        self.nodes.iter_mut().chain(&mut self.name_servers).find(|member| member.name == name)
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        // All at once, and brokers before name servers: a node that ends hands its leads over, and tells the name servers.
        for members in [&mut self.nodes, &mut self.name_servers] {
            members.iter_mut().for_each(|member| member.signal(Signal::CONT));
            members.iter_mut().for_each(|member| member.signal(Signal::TERM));
            let start = Instant::now();
            while members.iter_mut().any(Member::is_running) && start.elapsed() < ENDED_WITHIN {
                thread::sleep(LOOK);
            }
            members.iter_mut().for_each(Member::kill);
        }
    }
}

impl Member {
    fn new(
        name: String,
        program: PathBuf,
        address: SocketAddrV4,
        metrics: SocketAddrV4,
        namespace: Option<(String, Link)>,
        home: &Path,
        configuration: &str,
    ) -> Result<Self, ClusterError> {
        let home = home.join(&name);
        fs::create_dir_all(&home).map_err(ClusterError::file("create", &home))?;
        let path = home.join("server.conf");
        fs::write(&path, configuration).map_err(ClusterError::file("write", &path))?;
        let arguments = vec!["-c".to_owned(), path.display().to_string()];
        Ok(Self { name, address, metrics, namespace, program, arguments, home, child: None, output_start: 0 })
    }

    /// Starts a process, unless one runs. Does not wait for it.
    /// # Errors
    /// It cannot be started.
    pub fn start(&mut self, run: &mut RunFolder) -> Result<(), ClusterError> {
        if self.is_running() {
            return Ok(());
        }
        let log = self.log();
        let output = OpenOptions::new().create(true).append(true).open(&log);
        let output = output.map_err(ClusterError::file("open", &log))?;
        self.output_start = output.metadata().map_or(0, |metadata| metadata.len());
        let errors = output.try_clone().map_err(ClusterError::file("open", &log))?;
        let mut command = match &self.namespace {
            Some((namespace, _)) => crate::namespaces::command_in(namespace, &self.program),
            None => Command::new(&self.program),
        };
        command.args(&self.arguments).current_dir(&self.home).env("HOME", &self.home).env_remove("NAMESRV_ADDR");
        // A group of its own: Ctrl-C is for this program, which ends the others in order.
        command.stdin(Stdio::null()).stdout(output).stderr(errors).process_group(0);
        let child = command.spawn().map_err(|source| ClusterError::Start { name: self.name.clone(), source })?;
        if let Some(made) = Made::process(child.id()) {
            run.note(made)?;
        }
        self.child = Some(child);
        Ok(())
    }

    /// Whether a process runs, be it stopped.
    pub fn is_running(&mut self) -> bool {
        self.child.is_some() && self.ended().is_none()
    }

    /// Its process id while it runs.
    pub fn pid(&mut self) -> Option<u32> {
        if self.is_running() { self.child.as_ref().map(Child::id) } else { None }
    }

    /// How its last process ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.as_mut().and_then(|child| child.try_wait().ok().flatten())
    }

    /// Sends a signal to a process that runs.
    pub fn signal(&mut self, signal: Signal) {
        let pid = self.pid().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        // It may end at this moment.
        let _ = pid.map(|pid| kill_process(pid, signal));
    }

    /// SIGKILL, and its end.
    pub fn kill(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// What all its processes have written.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.home.join("output.log")
    }

    fn output(&self) -> String {
        let bytes = fs::read(self.log()).unwrap_or_default();
        let start = usize::try_from(self.output_start).unwrap_or(usize::MAX).min(bytes.len());
        String::from_utf8_lossy(&bytes[start..]).into_owned()
    }

    fn tail(&self) -> String {
        let output = self.output();
        let start = output.len().saturating_sub(TAIL_BYTES);
        let start = (start..output.len()).find(|at| output.is_char_boundary(*at)).unwrap_or(output.len());
        output[start..].to_owned()
    }

    fn is_ready(&mut self) -> Result<bool, ClusterError> {
        if let Some(status) = self.ended() {
            let (name, log, tail) = (self.name.clone(), self.log(), self.tail());
            return Err(ClusterError::Ended { name, status, log, tail });
        }
        Ok(self.output().lines().any(|line| line.contains("is ready")))
    }
}

/// A node's broker.conf. What `--set` says comes last and wins.
fn configuration(
    args: &Args,
    number: usize,
    address: SocketAddrV4,
    metrics: SocketAddrV4,
    peers: &str,
    name_servers: &str,
) -> String {
    let name = &args.name;
    let mut lines = vec![
        "brokerClusterName=DefaultCluster".to_owned(),
        format!("brokerName={name}"),
        format!("brokerIP1={}", address.ip()),
        format!("listenPort={}", address.port()),
        format!("namesrvAddr={name_servers}"),
        format!("flushDiskType={}", args.flush.property()),
        "enableDLegerCommitLog=true".to_owned(),
        format!("dLegerGroup={name}"),
        format!("dLegerPeers={peers}"),
        format!("dLegerSelfId=n{number}"),
        format!("metricsPromExporterPort={}", metrics.port()),
        format!("mappedFileSizeCommitLog={SEGMENT_BYTES}"),
    ];
    let key_of = |line: &str| line.split('=').next().unwrap_or_default().trim().to_owned();
    for property in &args.properties {
        lines.retain(|line| key_of(line) != key_of(property));
        lines.push(property.clone());
    }
    lines.push(String::new());
    lines.join("\n")
}

/// Where shard `shard` of a node serves clients.
#[must_use]
pub fn shard_address(node: &Member, shard: u16) -> SocketAddrV4 {
    SocketAddrV4::new(*node.address.ip(), node.address.port() + shard * SHARD_PORT_STEP)
}

/// Folder of our programs.
/// # Errors
/// This program does not know where it is itself.
pub fn bin_dir(args: &Args) -> Result<PathBuf, ClusterError> {
    if let Some(folder) = &args.bin_dir {
        return std::path::absolute(folder).map_err(ClusterError::file("find", folder));
    }
    let own = std::env::current_exe().map_err(ClusterError::file("find", "/proc/self/exe"))?;
    Ok(own.parent().unwrap_or(Path::new("/")).to_owned())
}

fn program(folder: &Path, program: &'static str) -> Result<PathBuf, ClusterError> {
    let path = folder.join(program);
    if path.is_file() { Ok(path) } else { Err(ClusterError::NoProgram { program, path }) }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn what_is_set_on_the_command_line_takes_the_place_of_the_same_key() {
        let args = Args::parse_from(["mqcluster", "--set", "mappedFileSizeCommitLog=1048576", "--set", "a=b"]);
        let at = |port| SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
        let text = configuration(&args, 1, at(10_911), at(5_557), "n0-a:1;n1-b:1", "c:9876");
        assert_eq!(text.matches("mappedFileSizeCommitLog=").count(), 1, "{text}");
        for line in ["mappedFileSizeCommitLog=1048576", "a=b", "dLegerSelfId=n1", "brokerIP1=127.0.0.1"] {
            assert!(text.lines().any(|each| each == line), "{line} is not in {text}");
        }
    }
}
