//! The broker process: settings, checks, shards, registration, the end.
//!
//! The calling thread becomes the control thread. It owns what is process-wide and is never on a message's path.

use std::fmt::Display;
use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use runtime::control;
use runtime::listener::listen;
use runtime::shard::{IO_MEMORY_BYTES, ShardHandle, spawn_shard};
use runtime::{MailboxSender, mailbox};
use storage::identity::StoreFolder;
use tokio::sync::{mpsc, watch};

use crate::cli::{Action, Args};
use crate::config::{BrokerConfig, MachineDefaults, Mode};
use crate::preflight::{self, Capabilities, Requirements};
use crate::registration::{self, RegistrationReceiver};
use crate::shard_message::ShardMessage;
use crate::shard_thread::{self, ShardEvent, ShardStart};

/// How long the first registration is waited for before the process says that it is ready.
const REGISTRATION_WAIT: Duration = Duration::from_secs(3);

/// What `--standalone` adds: a name server in the same process. Given from outside, since only the binary knows one.
pub trait OwnNameServer {
    /// Starts it at `address`, keeping its state below `folder`.
    /// # Errors
    /// Why it cannot start, as a sentence.
    fn start(&self, address: SocketAddr, folder: &std::path::Path) -> Result<Box<dyn FnOnce()>, String>;
}

/// Runs `mqbroker` until it is told to stop.
pub fn run(args: &Args, name_server: &dyn OwnNameServer) -> ExitCode {
    match try_run(args, name_server) {
        Ok(()) => ExitCode::SUCCESS,
        Err(errors) => {
            for error in errors {
                eprintln!("mqbroker: {error}");
            }
            ExitCode::FAILURE
        }
    }
}

fn one(error: impl Display) -> Vec<String> {
    vec![error.to_string()]
}

fn try_run(args: &Args, name_server: &dyn OwnNameServer) -> Result<(), Vec<String>> {
    let began = Instant::now();
    let sources = args.sources(Args::namesrv_addr_of_environment()).map_err(one)?;
    let (config, warnings) = BrokerConfig::load(&sources, MachineDefaults::gather()).map_err(one)?;
    match args.action() {
        Action::PrintAll => return print(&config.print_all()),
        Action::PrintImportant => return print(&config.print_important()),
        Action::Run => {}
    }
    warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    let report = preflight::run(&Requirements::of(&config, IO_MEMORY_BYTES as u64));
    report.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    if !report.errors.is_empty() {
        return Err(report.errors.iter().map(ToString::to_string).collect());
    }
    let folder = StoreFolder::open(&config.store.root, config.shards.count, random_seed()).map_err(one)?;
    let stop_name_server = match config.own_name_server() {
        Some(address) => Some(name_server.start(address, &config.store.root).map_err(one)?),
        None => None,
    };
    let config = Arc::new(config);
    let served = control::run(serve(&config, &folder, report.capabilities, began)).map_err(one)?;
    if let Some(stop) = stop_name_server {
        stop();
    }
    served
}

fn print(text: &str) -> Result<(), Vec<String>> {
    std::io::stdout().write_all(text.as_bytes()).map_err(one)
}

/// Chance from the kernel: ids of new stores, and where the shards' own chance begins.
fn random_seed() -> u64 {
    let mut bytes = [0; 8];
    // Without it two stores made at the same moment might share an id; the clock keeps that unlikely.
    if rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()).is_err() {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        return now.as_nanos() as u64 ^ (u64::from(std::process::id()) << 48);
    }
    u64::from_ne_bytes(bytes)
}

struct Running {
    shards: Vec<ShardHandle<()>>,
    mailboxes: Vec<MailboxSender<ShardMessage>>,
    registrations: Vec<RegistrationReceiver>,
    events: mpsc::UnboundedReceiver<(u32, ShardEvent)>,
}

async fn serve(
    config: &Arc<BrokerConfig>,
    folder: &StoreFolder,
    capabilities: Capabilities,
    began: Instant,
) -> Result<(), Vec<String>> {
    let mut running = start_shards(config, folder, capabilities).map_err(one)?;
    let mut ended = Vec::new();
    let mut ready = 0;
    while ready < running.shards.len() && ended.is_empty() {
        match running.events.recv().await {
            Some((_, ShardEvent::Ready)) => ready += 1,
            Some((_, ShardEvent::Ended(result))) => ended.push(result),
            None => break,
        }
    }
    let (stop_registration, stopped) = watch::channel(false);
    let mut registrations = tokio::task::JoinSet::new();
    if ended.is_empty() {
        let (registered, mut successes) = mpsc::unbounded_channel();
        let wanted = start_registration(config, &running, &stopped, &registered, &mut registrations);
        drop(registered);
        let all = async {
            let mut done = std::collections::BTreeSet::new();
            while done.len() < wanted {
                let Some(who) = successes.recv().await else { return };
                done.insert(who);
            }
        };
        // A name server that is away must not keep the broker from saying that it serves.
        let _ = tokio::time::timeout(REGISTRATION_WAIT, all).await;
        // From here on nobody counts.
        successes.close();
        announce(config, began);
        tokio::select! {
            signal = control::stop_signal() => match signal {
                Ok(signal) => tracing::info!(signal, "stopping"),
                Err(error) => ended.push(Err(format!("signals cannot be watched: {error}"))),
            },
            event = running.events.recv() => if let Some((_, ShardEvent::Ended(result))) = event {
                ended.push(result);
            },
        }
    }
    // Clients are to look elsewhere before the shards close their connections.
    let _ = stop_registration.send(true);
    while registrations.join_next().await.is_some() {}
    running.mailboxes.iter().for_each(|mailbox| _ = mailbox.stop());
    while ended.len() < running.shards.len() {
        match running.events.recv().await {
            Some((_, ShardEvent::Ended(result))) => ended.push(result),
            Some(_) => {}
            None => break,
        }
    }
    ended.extend(running.shards.into_iter().map(|shard| shard.join().map_err(|error| error.to_string())));
    let errors: Vec<String> = ended.into_iter().filter_map(Result::err).collect();
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

fn start_shards(
    config: &Arc<BrokerConfig>,
    folder: &StoreFolder,
    capabilities: Capabilities,
) -> Result<Running, Box<dyn std::error::Error>> {
    let (events_sender, events) = mpsc::unbounded_channel();
    let mut senders = Vec::new();
    let mut boxes = Vec::new();
    let mut listeners = Vec::new();
    for identity in config.all_shards() {
        let on = |port| listen(SocketAddr::new(config.network.bind_address, port));
        listeners.push(vec![on(identity.listen_port)?, on(identity.fast_listen_port)?]);
        let (sender, mailbox) = mailbox()?;
        senders.push(sender);
        boxes.push(mailbox);
    }
    let mut shards = Vec::new();
    let mut registrations = Vec::new();
    for ((identity, mailbox), listeners) in config.all_shards().zip(boxes).zip(listeners) {
        let (registration, receiver) = registration::channel();
        registrations.push(receiver);
        let index = identity.index;
        let others = senders.iter().enumerate().filter(|(other, _)| *other != index as usize);
        let start = ShardStart {
            config: config.clone(),
            folder: folder.shard_folder(index),
            log_id: folder.log_id(index),
            capabilities,
            listeners,
            mailbox,
            siblings: others.map(|(_, sender)| sender.clone()).collect(),
            registration,
            events: events_sender.clone(),
            seed: random_seed(),
            identity,
        };
        let (name, cpu) = (format!("shard-{index}"), start.identity.cpu);
        shards.push(spawn_shard(&name, cpu, move || shard_thread::run(start))?);
    }
    Ok(Running { shards, mailboxes: senders, registrations, events })
}

/// Starts a task for every shard and name server; each success sends which. Returns how many there are.
fn start_registration(
    config: &Arc<BrokerConfig>,
    running: &Running,
    stopped: &watch::Receiver<bool>,
    registered: &mpsc::UnboundedSender<(u32, usize)>,
    tasks: &mut tokio::task::JoinSet<()>,
) -> usize {
    for (identity, topics) in config.all_shards().zip(&running.registrations) {
        for (number, server) in config.registration.name_servers.0.iter().enumerate() {
            let (who, registered) = ((identity.index, number), registered.clone());
            let tell = move || {
                // Nobody listens once the process has said that it is ready.
                let _ = registered.send(who);
            };
            let (config, server, topics) = (config.clone(), server.clone(), topics.clone());
            tasks.spawn(registration::keep_registered(config, identity.clone(), server, topics, stopped.clone(), tell));
        }
    }
    running.registrations.len() * config.registration.name_servers.0.len()
}

/// What a user needs to know now that it serves.
fn announce(config: &BrokerConfig, began: Instant) {
    let mut text = format!("Turbopump broker is ready after {} ms\n", began.elapsed().as_millis());
    for shard in config.all_shards() {
        text += &format!("  broker       {:<24} {}\n", shard.broker_name, shard.advertised_address);
    }
    let servers: Vec<String> =
        config.registration.name_servers.0.iter().map(|server| format!("{}:{}", server.host, server.port)).collect();
    text += &format!("  name server  {}\n  store        {}\n", servers.join(";"), config.store.root.display());
    if config.mode == Mode::Standalone {
        let server = servers.first().map_or("", String::as_str);
        text += &format!(
            "Send and receive a first message:\n  mqadmin sendMessage -n {server} -t first -p 'hello' && mqadmin consumeMessage -n {server} -t first\n"
        );
    }
    let mut out = std::io::stdout().lock();
    // A closed stdout is no reason to end.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
