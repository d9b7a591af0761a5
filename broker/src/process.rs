//! The broker process: settings, checks, shards, registration, the end.
//!
//! The calling thread becomes the control thread. It owns what is process-wide and is never on a message's path.

use std::fmt::Display;
use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use observe::{BindError, Source};
use runtime::control;
use runtime::listener::listen;
use runtime::shard::{IO_MEMORY_BYTES, ShardHandle, spawn_shard};
use runtime::{Mailbox, MailboxSender, mailbox};
use storage::commit_log::LogId;
use storage::identity::StoreFolder;
use tokio::sync::{mpsc, oneshot, watch};

use crate::assignment::route_lookup;
use crate::cli::{Action, Args};
use crate::config::endpoint::ENDPOINT_PORT;
use crate::config::parse::cpu_choice::format_cpus;
use crate::config::{BrokerConfig, MachineDefaults, Mode, ReplicationMode};
use crate::master_slave::master_search;
use crate::metrics::{BrokerView, Stage};
use crate::placement::{Placement, keep_memory_local, leave_shard_cpus};
use crate::preflight::{self, Capabilities, Requirements};
use crate::registration::{self, RegistrationReceiver, Standing};
use crate::shard_message::ShardMessage;
use crate::shard_thread::{self, ShardEvent, ShardStart};

/// Shards that lead make way within this: the lead itself, and the clients that have not heard of the next leader.
const MAKE_WAY_WITHIN: Duration = Duration::from_secs(35);
/// How long the first registration is waited for before the process says that it is ready.
const REGISTRATION_WAIT: Duration = Duration::from_secs(3);

/// What `--standalone` adds: a name server in the same process. Given from outside, since only the binary knows one.
pub trait OwnNameServer {
    /// Starts it at `address`, keeping its state below `folder`.
    /// # Errors
    /// Why it cannot start, as a sentence.
    fn start(&self, address: SocketAddr, folder: &std::path::Path) -> Result<StartedNameServer, String>;
}

/// A name server that runs in this process.
pub struct StartedNameServer {
    /// Ends it.
    pub stop: Box<dyn FnOnce()>,
    /// What it shows at the broker's endpoint.
    pub source: Arc<dyn Source>,
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
        Action::Preflight => return survey(args, &config),
        Action::Run => {}
    }
    warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    let report = preflight::run(&Requirements::of(&config, IO_MEMORY_BYTES as u64));
    report.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    if !report.errors.is_empty() {
        return Err(report.errors.iter().map(ToString::to_string).collect());
    }
    let folder = StoreFolder::open(&config.store.root, config.shards.count, random_seed()).map_err(one)?;
    settle(&config.placement());
    let own_name_server = match config.own_name_server() {
        Some(address) => Some(name_server.start(address, &config.store.root).map_err(one)?),
        None => None,
    };
    let config = Arc::new(config);
    let shown = own_name_server.as_ref().map(|server| server.source.clone());
    let served = control::run(serve(&config, &folder, report.capabilities, shown, began)).map_err(one)?;
    if let Some(server) = own_name_server {
        (server.stop)();
    }
    served
}

/// Prints what on this host is not as it should be. An error without words if the broker would not start: the table has them.
fn survey(args: &Args, config: &BrokerConfig) -> Result<(), Vec<String>> {
    let table = preflight::survey(&Requirements::of(config, IO_MEMORY_BYTES as u64), config.machine());
    print(&if args.json { table.to_json() } else { table.to_text() })?;
    if table.would_start { Ok(()) } else { Err(Vec::new()) }
}

/// Moves this thread away from the shards before it starts any other, so that the others follow.
fn settle(placement: &Placement) {
    if let Err(error) = leave_shard_cpus(&placement.rest) {
        let cpus = format_cpus(&placement.rest);
        tracing::warn!(%error, cpus, "the control thread stays on the shards' processors");
    }
    if placement.shards.iter().any(|shard| shard.own.is_some())
        && let Err(error) = keep_memory_local()
    {
        // Nothing is lost: local is what the kernel does by itself.
        tracing::debug!(%error, "the kernel takes no memory policy");
    }
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
    /// Topics that each shard wants looked up; taken when somebody does it.
    wanted_routes: Vec<mpsc::UnboundedReceiver<String>>,
    events: mpsc::UnboundedReceiver<(u32, ShardEvent)>,
}

async fn serve(
    config: &Arc<BrokerConfig>,
    folder: &StoreFolder,
    capabilities: Capabilities,
    name_server: Option<Arc<dyn Source>>,
    began: Instant,
) -> Result<(), Vec<String>> {
    let mailboxes: Vec<_> = config.all_shards().map(|_| mailbox()).collect::<std::io::Result<_>>().map_err(one)?;
    let (senders, mailboxes): (Vec<_>, Vec<_>) = mailboxes.into_iter().unzip();
    let view = Arc::new(BrokerView::new(config.clone(), &senders, name_server, began));
    // Before stores are opened, so that it shows how far that is.
    let endpoint = start_endpoint(config, view.clone()).map_err(one)?;
    let mut running = start_shards(config, folder, capabilities, &view, senders, mailboxes).map_err(one)?;
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
        view.enter(Stage::Serving);
        start_route_look_up(config, &mut running, &stopped, &mut registrations);
        let (registered, mut successes) = mpsc::unbounded_channel();
        let wanted = start_registration(config, &running, &view, &stopped, &registered, &mut registrations);
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
        announce(config, endpoint, began);
        tokio::select! {
            signal = control::stop_signal() => match signal {
                Ok(signal) => {
                    tracing::info!(signal, "stopping");
                    view.enter(Stage::Stopping);
                    make_way(config, &mut running, &mut ended).await;
                }
                Err(error) => ended.push(Err(format!("signals cannot be watched: {error}"))),
            },
            event = running.events.recv() => if let Some((_, ShardEvent::Ended(result))) = event {
                ended.push(result);
            },
        }
    }
    view.enter(Stage::Stopping);
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

/// With replicas: shards that lead hand their lead over, and stay until clients know the next leader. Until then they are
/// registered. Another signal ends that.
async fn make_way(config: &BrokerConfig, running: &mut Running, ended: &mut Vec<Result<(), String>>) {
    if config.replication.raft().is_none() {
        return;
    }
    let answers: Vec<_> = running
        .mailboxes
        .iter()
        .map(|mailbox| {
            let (sender, answer) = oneshot::channel();
            mailbox.send(ShardMessage::HandOver(sender));
            answer
        })
        .collect();
    let all = async {
        for answer in answers {
            // A shard that ended needs no more.
            let _ = answer.await;
        }
    };
    tokio::select! {
        () = all => {}
        _ = control::stop_signal() => tracing::info!("stopping at once: told so a second time"),
        event = running.events.recv() => if let Some((_, ShardEvent::Ended(result))) = event {
            ended.push(result);
        },
        () = tokio::time::sleep(MAKE_WAY_WITHIN) => tracing::warn!("stopping although a shard has not made way"),
    }
}

fn start_shards(
    config: &Arc<BrokerConfig>,
    folder: &StoreFolder,
    capabilities: Capabilities,
    view: &BrokerView,
    senders: Vec<MailboxSender<ShardMessage>>,
    boxes: Vec<Mailbox<ShardMessage>>,
) -> Result<Running, Box<dyn std::error::Error>> {
    let (events_sender, events) = mpsc::unbounded_channel();
    let mut listeners = Vec::new();
    for identity in config.all_shards() {
        let on = |port| listen(SocketAddr::new(config.network.bind_address, port));
        let for_slaves = config.replication.is_master_slave().then_some(identity.ha_listen_port);
        let for_replicas = identity.replica_port.or(for_slaves).map(on).transpose()?;
        listeners.push((vec![on(identity.listen_port)?, on(identity.fast_listen_port)?], for_replicas));
    }
    let placement = config.placement();
    let mut shards = Vec::new();
    let (mut registrations, mut wanted_routes) = (Vec::new(), Vec::new());
    // Who shares its name with others says itself what it is, once it knows.
    let is_alone = config.replication.mode == ReplicationMode::None;
    let standing = is_alone.then_some(Standing::fixed(config.identity.broker_id));
    for ((identity, mailbox), (listeners, for_replicas)) in config.all_shards().zip(boxes).zip(listeners) {
        let (registration, receiver) = registration::channel(standing);
        registrations.push(receiver);
        let (wanted, wanted_route) = mpsc::unbounded_channel();
        wanted_routes.push(wanted_route);
        let registration = registration.with_route_look_up(wanted);
        let index = identity.index;
        let others = senders.iter().enumerate().filter(|(other, _)| *other != index as usize);
        let start = ShardStart {
            config: config.clone(),
            folder: folder.shard_folder(index),
            ring_id: folder.log_id(index),
            log_id: config.group_log_id(index).map_or_else(|| folder.log_id(index), LogId),
            capabilities,
            listeners,
            replica_listeners: for_replicas.into_iter().collect(),
            mailbox,
            siblings: others.map(|(_, sender)| sender.clone()).collect(),
            registration,
            events: events_sender.clone(),
            seed: random_seed(),
            recovery: view.recovery(index),
            identity,
        };
        let cpus = &placement.shards[index as usize];
        shards.push(spawn_shard(&format!("shard-{index}"), cpus, move || shard_thread::run(start))?);
    }
    Ok(Running { shards, mailboxes: senders, registrations, wanted_routes, events })
}

/// Lets the endpoint listen, if there is to be one; where. A default port that cannot be had is no reason not to start.
fn start_endpoint(config: &BrokerConfig, view: Arc<BrokerView>) -> Result<Option<SocketAddr>, BindError> {
    let endpoint = &config.endpoint;
    if !endpoint.enabled {
        return Ok(None);
    }
    let mut wanted: Vec<u16> = config
        .all_shards()
        .flat_map(|shard| [shard.listen_port, shard.fast_listen_port, shard.ha_listen_port])
        .collect();
    wanted.extend(config.all_shards().filter_map(|shard| shard.replica_port));
    wanted.extend(config.own_name_server().map(|address| address.port()));
    let listener = match observe::bind(endpoint.address, endpoint.port, &wanted, ENDPOINT_PORT) {
        Ok(listener) => listener,
        Err(error @ BindError::Exact { .. }) => return Err(error),
        Err(error @ BindError::Default { .. }) => {
            tracing::warn!("{error}");
            return Ok(None);
        }
    };
    let address = listener.local_addr().ok();
    tokio::spawn(async move {
        let Err(error) = observe::serve(listener, view).await;
        tracing::error!(%error, "there is no metrics endpoint");
    });
    Ok(address)
}

/// Starts a task for every shard that asks name servers where topics are.
fn start_route_look_up(
    config: &Arc<BrokerConfig>,
    running: &mut Running,
    stopped: &watch::Receiver<bool>,
    tasks: &mut tokio::task::JoinSet<()>,
) {
    for (mailbox, wanted) in running.mailboxes.iter().zip(running.wanted_routes.drain(..)) {
        tasks.spawn(route_lookup::keep_looking_up(config.clone(), mailbox.clone(), wanted, stopped.clone()));
    }
}

/// Starts a task for every shard and name server; each success sends which. Returns how many there are.
fn start_registration(
    config: &Arc<BrokerConfig>,
    running: &Running,
    view: &Arc<BrokerView>,
    stopped: &watch::Receiver<bool>,
    registered: &mpsc::UnboundedSender<(u32, usize)>,
    tasks: &mut tokio::task::JoinSet<()>,
) -> usize {
    for (identity, topics) in config.all_shards().zip(&running.registrations) {
        for (number, server) in config.registration.name_servers.0.iter().enumerate() {
            let (who, registered, view) = ((identity.index, number), registered.clone(), view.clone());
            let tell = move || {
                view.registered(who.0);
                // Nobody listens once the process has said that it is ready.
                let _ = registered.send(who);
            };
            let (config, server, topics) = (config.clone(), server.clone(), topics.clone());
            tasks.spawn(registration::keep_registered(config, identity.clone(), server, topics, stopped.clone(), tell));
        }
        if config.replication.is_master_slave() {
            let mailbox = running.mailboxes[identity.index as usize].clone();
            let (config, topics, stopped) = (config.clone(), topics.clone(), stopped.clone());
            tasks.spawn(master_search::keep_searching(config, identity, topics, mailbox, stopped));
        }
    }
    running.registrations.len() * config.registration.name_servers.0.len()
}

/// What a user needs to know now that it serves.
fn announce(config: &BrokerConfig, endpoint: Option<SocketAddr>, began: Instant) {
    let mut text = format!("Turbopump broker is ready after {} ms\n", began.elapsed().as_millis());
    for shard in config.all_shards() {
        text += &format!("  broker       {:<24} {}\n", shard.broker_name, shard.advertised_address);
    }
    let servers: Vec<String> =
        config.registration.name_servers.0.iter().map(|server| format!("{}:{}", server.host, server.port)).collect();
    text += &format!("  name server  {}\n  store        {}\n", servers.join(";"), config.store.root.display());
    if let Some(address) = endpoint {
        let local = address.ip().is_unspecified().then_some(config.network.advertised_ip);
        let address = SocketAddr::new(local.unwrap_or(address.ip()), address.port());
        text += &format!("  metrics      http://{address}/metrics\n");
    }
    if config.mode == Mode::Standalone {
        let server = servers.first().map_or("", String::as_str);
        text += &format!(
            "Send and receive a first message:\n  mqadmin sendMessage -n {server} -t first -p 'hello' && mqadmin \
             consumeMessage -n {server} -t first\n"
        );
    }
    let mut out = std::io::stdout().lock();
    // A closed stdout is no reason to end.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
