//! The part that producers, consumers and administration share: name servers, connections and routes.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use protocol::body::{MessageQueue, TopicRouteData};
use protocol::code::{RequestCode, ResponseCode};
use protocol::command::CommandEncoder;
use protocol::message_id::{UniqueId, UniqueIdSource};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

use crate::admin::Admin;
use crate::answer::Answer;
use crate::connection::ServerRequest;
use crate::connection_pool::ConnectionPool;
use crate::error::{ClientError, WithCauses};
use crate::name_servers::NameServers;
use crate::options::ClientOptions;
use crate::route_cache::{Lookup, RouteCache};
use crate::topic_route::{MASTER_ID, TopicRoute};

/// Requests of servers that wait to be taken. When full, new ones are dropped: all of them are hints that are
/// repeated (consumers changed, transaction check) or that time out at the server.
const SERVER_REQUESTS_MAX: usize = 256;

/// A client of one cluster; clones share its connections and routes. Needs a tokio runtime, of one thread or more.
#[derive(Clone, Debug)]
pub struct Client {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    options: ClientOptions,
    id: String,
    name_servers: NameServers,
    pool: ConnectionPool,
    routes: RouteCache,
    unique_ids: Mutex<UniqueIdSource>,
    server_requests: Mutex<Option<mpsc::Receiver<ServerRequest>>>,
}

impl Client {
    /// A client of the cluster whose name servers are listed as `host:port;host:port`. Connects when first used.
    ///
    /// # Errors
    /// [`ClientError::NameServerList`].
    pub async fn new(name_servers: &str, options: ClientOptions) -> Result<Self, ClientError> {
        let name_servers = NameServers::parse(name_servers)?;
        let ip = own_address_towards(&name_servers.addresses()[0]).await;
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let instance = match &options.instance_name {
            Some(name) => name.clone(),
            None => format!("{}#{}", std::process::id(), started.as_nanos()),
        };
        let (sender, server_requests) = mpsc::channel(SERVER_REQUESTS_MAX);
        let shared = Shared {
            id: format!("{ip}@{instance}"),
            name_servers,
            pool: ConnectionPool::new(options.connection(), sender),
            routes: RouteCache::new(options.route_refresh),
            unique_ids: Mutex::new(UniqueIdSource::new(ip, std::process::id(), started.subsec_nanos())),
            server_requests: Mutex::new(Some(server_requests)),
            options,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// What brokers know this client by.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.shared.id
    }

    /// Its settings.
    #[must_use]
    pub fn options(&self) -> &ClientOptions {
        &self.shared.options
    }

    /// The name servers' addresses.
    #[must_use]
    pub fn name_servers(&self) -> &[String] {
        self.shared.name_servers.addresses()
    }

    /// Administration calls.
    #[must_use]
    pub fn admin(&self) -> Admin {
        Admin::new(self.clone())
    }

    /// The requests that servers send to this client, from now on. Who calls first gets them, later callers `None`.
    #[must_use]
    pub fn take_server_requests(&self) -> Option<mpsc::Receiver<ServerRequest>> {
        self.shared.server_requests.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Waits until what has been queued, one-way requests above all, is handed to the kernel. Call it before the
    /// runtime ends.
    pub async fn flush(&self) {
        self.shared.pool.flush().await;
    }

    /// The route of a topic, from the cache or a name server.
    ///
    /// # Errors
    /// [`ClientError::NoRoute`] when no broker has registered the topic.
    pub async fn route(&self, topic: &str) -> Result<Arc<TopicRoute>, ClientError> {
        match self.shared.routes.look_up(topic) {
            // A lent route is a guess at what the topic's creation will bring; readers want what is there.
            Lookup::Fresh(route) if !route.is_lent() => Ok(route),
            Lookup::Stale(route) if !route.is_lent() => self.fetch_or_keep(topic, route).await,
            _ => self.fetch_route(topic).await,
        }
    }

    /// The route to send by: the topic's own, or, for a topic that does not exist yet, the one of `default_topic`
    /// with at most `default_queues` queues a broker, which is what the brokers will create.
    ///
    /// # Errors
    /// [`ClientError::NoRoute`] when neither topic has a route.
    pub async fn route_to_send(
        &self,
        topic: &str,
        default_topic: &str,
        default_queues: i32,
    ) -> Result<Arc<TopicRoute>, ClientError> {
        let fetched = match self.shared.routes.look_up(topic) {
            Lookup::Fresh(route) => return Ok(route),
            Lookup::Stale(route) => self.fetch_or_keep(topic, route).await,
            Lookup::Missing => self.fetch_route(topic).await,
        };
        let no_route = match fetched {
            Err(error @ ClientError::NoRoute { .. }) => error,
            other => return other,
        };
        match self.look_up_route(default_topic).await {
            Ok(data) => Ok(self.shared.routes.insert(TopicRoute::lent(topic, data, default_queues))),
            // The topic is what the caller asked for, and what it should read about.
            Err(ClientError::NoRoute { .. }) => Err(no_route),
            Err(error) => Err(error),
        }
    }

    /// Has the route of a topic asked for again at its next use.
    pub fn expire_route(&self, topic: &str) {
        self.shared.routes.expire(topic);
    }

    /// All routes at hand.
    #[must_use]
    pub fn known_routes(&self) -> Vec<Arc<TopicRoute>> {
        self.shared.routes.all()
    }

    async fn fetch_or_keep(&self, topic: &str, old: Arc<TopicRoute>) -> Result<Arc<TopicRoute>, ClientError> {
        match self.fetch_route(topic).await {
            Err(ClientError::NoRoute { .. }) if old.is_lent() => Ok(old),
            Err(error) if !matches!(error, ClientError::NoRoute { .. }) => {
                tracing::warn!(topic, error = %WithCauses(&error), "the route could not be refreshed; using the old one");
                Ok(old)
            }
            fetched => fetched,
        }
    }

    async fn fetch_route(&self, topic: &str) -> Result<Arc<TopicRoute>, ClientError> {
        let fetched = self.look_up_route(topic).await;
        if let Err(ClientError::NoRoute { .. }) = fetched {
            self.shared.routes.remove(topic);
        }
        Ok(self.shared.routes.insert(TopicRoute::new(topic, fetched?)))
    }

    /// Asks a name server, past the cache.
    pub(crate) async fn look_up_route(&self, topic: &str) -> Result<TopicRouteData, ClientError> {
        let answer = self
            .ask_name_server(RequestCode::GET_ROUTEINFO_BY_TOPIC, |header| {
                header.field("topic", topic).field("acceptStandardJsonOnly", true);
            })
            .await?;
        if answer.response() == ResponseCode::TOPIC_NOT_EXIST {
            return Err(ClientError::NoRoute { topic: topic.to_owned(), name_server: answer.address().to_owned() });
        }
        answer.success()?.body(TopicRouteData::decode)
    }

    /// The address to send a request about `queue` to: its master's, or any replica's while there is none.
    pub(crate) async fn queue_address(&self, queue: &MessageQueue) -> Result<String, ClientError> {
        self.replica_address(queue, MASTER_ID).await
    }

    /// The address of the replica `broker_id` of the queue's broker, or the next best.
    pub(crate) async fn replica_address(&self, queue: &MessageQueue, broker_id: i64) -> Result<String, ClientError> {
        let route = self.route(&queue.topic).await?;
        match route.replica_address(&queue.broker_name, broker_id) {
            Some(address) => Ok(address.to_owned()),
            None => Err(ClientError::NoBroker { broker_name: queue.broker_name.clone(), topic: queue.topic.clone() }),
        }
    }

    /// Asks one name server; the answer may have any code.
    pub(crate) async fn ask_name_server(
        &self,
        code: RequestCode,
        fields: impl Fn(&mut CommandEncoder<'_>),
    ) -> Result<Answer, ClientError> {
        let shared = &*self.shared;
        shared.name_servers.request(&shared.pool, code, shared.options.request_timeout, fields).await
    }

    /// Tells every name server.
    pub(crate) async fn tell_name_servers(
        &self,
        code: RequestCode,
        fields: impl Fn(&mut CommandEncoder<'_>),
    ) -> Result<(), ClientError> {
        let shared = &*self.shared;
        shared.name_servers.request_each(&shared.pool, code, shared.options.request_timeout, fields).await
    }

    /// Sends a request to any server; the answer may have any code.
    ///
    /// # Errors
    /// When the server cannot be reached or does not answer within the request timeout.
    pub async fn request(
        &self,
        address: &str,
        code: RequestCode,
        body: &[u8],
        fields: impl FnOnce(&mut CommandEncoder<'_>),
    ) -> Result<Answer, ClientError> {
        self.request_within(address, code, self.shared.options.request_timeout, body, fields).await
    }

    /// The same with another deadline.
    pub(crate) async fn request_within(
        &self,
        address: &str,
        code: RequestCode,
        deadline: Duration,
        body: &[u8],
        fields: impl FnOnce(&mut CommandEncoder<'_>),
    ) -> Result<Answer, ClientError> {
        self.shared.pool.request(address, code, deadline, body, fields).await
    }

    /// Tells every broker in the routes at hand, replicas too if `everywhere`. All are told; the first failure is
    /// returned.
    pub(crate) async fn tell_brokers(
        &self,
        everywhere: bool,
        code: RequestCode,
        body: &[u8],
        fields: impl Fn(&mut CommandEncoder<'_>),
    ) -> Result<(), ClientError> {
        let mut addresses = BTreeSet::new();
        for route in self.known_routes() {
            for broker in &route.data().broker_datas {
                let wanted = broker.broker_addrs.iter().filter(|(id, _)| everywhere || **id == MASTER_ID);
                addresses.extend(wanted.map(|(_, address)| address.clone()));
            }
        }
        let mut failure = None;
        for address in &addresses {
            if let Err(error) = self.request(address, code, body, &fields).await.and_then(Answer::success) {
                failure.get_or_insert(error);
            }
        }
        failure.map_or(Ok(()), Err)
    }

    /// Queues a request that wants no answer.
    pub(crate) async fn oneway(
        &self,
        address: &str,
        code: RequestCode,
        body: &[u8],
        fields: impl FnOnce(&mut CommandEncoder<'_>),
    ) -> Result<(), ClientError> {
        self.shared.pool.connection(address).await?.oneway(code, body, fields).await
    }

    /// A new unique message id.
    pub(crate) fn unique_id(&self) -> UniqueId {
        self.shared.unique_ids.lock().unwrap_or_else(PoisonError::into_inner).next_id(now_ms())
    }
}

/// Milliseconds since 1970 by this machine's clock, as records carry them.
pub(crate) fn now_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}

/// The address this machine would reach `address` from: connecting a UDP socket chooses it and sends nothing.
/// Only names this client, so any failure is answered with the loopback address.
async fn own_address_towards(address: &str) -> IpAddr {
    let probe = async {
        let target = tokio::net::lookup_host(address).await.ok()?.next()?;
        let any: SocketAddr = if target.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" }.parse().ok()?;
        let socket = UdpSocket::bind(any).await.ok()?;
        socket.connect(target).await.ok()?;
        Some(socket.local_addr().ok()?.ip())
    };
    probe.await.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}
