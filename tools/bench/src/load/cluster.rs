//! What has to be known of a cluster before it can be loaded: brokers, queues and offsets.

use std::time::{Duration, Instant};

use client::{Admin, Client, ClientError, ClientOptions, Consumer as OffsetReader, TopicRoute};
use protocol::body::{MessageQueue, QueueData, TopicConfig};

use crate::error::BenchError;
use crate::plan::{Plan, StartAt};

/// How long a created topic may take to be in the route with all brokers.
const ROUTE_WAIT_MAX: Duration = Duration::from_secs(15);
/// Pause between two looks at the route.
const ROUTE_WAIT_STEP: Duration = Duration::from_millis(100);

/// A broker's master.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Master {
    pub(crate) name: String,
    pub(crate) address: String,
}

/// A queue to send to or to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Queue {
    /// Index among the plan's topics.
    pub(crate) topic: usize,
    /// Index among the masters.
    pub(crate) master: usize,
    pub(crate) queue_id: i32,
}

/// A queue to read, and what of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReadQueue {
    pub(crate) queue: Queue,
    /// Where to begin.
    pub(crate) offset: i64,
    /// Its end at the start.
    pub(crate) end: i64,
}

/// Everything that is loaded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Cluster {
    pub(crate) masters: Vec<Master>,
    /// Queues to send to; empty without producers. Neighbours are of different topics.
    pub(crate) write_queues: Vec<Queue>,
    /// Queues to read; empty without consumers.
    pub(crate) read_queues: Vec<ReadQueue>,
}

impl Cluster {
    /// Asks the name servers and brokers; creates the topics first if the plan says so.
    pub(crate) async fn look_up(plan: &Plan) -> Result<Self, BenchError> {
        let client = Client::new(&plan.name_servers, ClientOptions::default())
            .await
            .map_err(failed("reading the list of name servers"))?;
        if let Some(queues) = plan.create_topics {
            create_topics(&client, plan, queues).await?;
        }
        let mut cluster = Self::default();
        for (topic, name) in plan.topics.iter().enumerate() {
            let route = client.route(name).await.map_err(no_route(name))?;
            if plan.work.producers().is_some() {
                let queues = cluster.add(&route, route.writable_queues(), topic);
                if queues.is_empty() {
                    return Err(BenchError::NoQueue { topic: name.clone(), access: "writable" });
                }
                cluster.write_queues.extend(queues);
            }
            if let Some(consumers) = plan.work.consumers() {
                let queues = cluster.add(&route, route.readable_queues(), topic);
                if queues.is_empty() {
                    return Err(BenchError::NoQueue { topic: name.clone(), access: "readable" });
                }
                let offsets = OffsetReader::new(&client, &consumers.group);
                for queue in queues {
                    let message_queue = MessageQueue {
                        topic: name.clone(),
                        broker_name: cluster.masters[queue.master].name.clone(),
                        queue_id: queue.queue_id,
                    };
                    cluster.read_queues.push(read_queue(&offsets, queue, &message_queue, consumers.from).await?);
                }
            }
        }
        // Queue by queue instead of topic by topic: whoever takes them in order comes to all topics soon.
        cluster.write_queues.sort_by_key(|queue| (queue.queue_id, queue.topic, queue.master));
        cluster.read_queues.sort_by_key(|read| (read.queue.queue_id, read.queue.topic, read.queue.master));
        Ok(cluster)
    }

    /// The queues of brokers with a master, which become known here.
    fn add(&mut self, route: &TopicRoute, queues: &[MessageQueue], topic: usize) -> Vec<Queue> {
        let mut found = Vec::new();
        for queue in queues {
            let Some(address) = route.master_address(&queue.broker_name) else { continue };
            let master = self.masters.iter().position(|master| master.name == queue.broker_name);
            let master = master.unwrap_or_else(|| {
                self.masters.push(Master { name: queue.broker_name.clone(), address: address.to_owned() });
                self.masters.len() - 1
            });
            found.push(Queue { topic, master, queue_id: queue.queue_id });
        }
        found
    }
}

async fn read_queue(
    offsets: &OffsetReader,
    queue: Queue,
    message_queue: &MessageQueue,
    from: StartAt,
) -> Result<ReadQueue, BenchError> {
    let name = format!("{}, queue {} of broker {}", message_queue.topic, queue.queue_id, message_queue.broker_name);
    let asking = |what: &str| failed(format!("asking for the {what} of {name}"));
    let end = offsets.max_offset(message_queue).await.map_err(asking("end"))?;
    let first = async || offsets.min_offset(message_queue).await.map_err(asking("beginning"));
    let offset = match from {
        StartAt::First => first().await?,
        StartAt::Last => end,
        StartAt::Offset(offset) => offset,
        StartAt::Group => match offsets.consumer_offset(message_queue).await.map_err(asking("group's offset"))? {
            Some(offset) => offset,
            None => first().await?,
        },
    };
    Ok(ReadQueue { queue, offset, end })
}

async fn create_topics(client: &Client, plan: &Plan, queues: u16) -> Result<(), BenchError> {
    let admin = client.admin();
    let info = admin.cluster_info().await.map_err(failed("asking for the brokers"))?;
    let masters: Vec<&String> =
        info.broker_addr_table.values().filter_map(|broker| broker.broker_addrs.get(&client::MASTER_ID)).collect();
    if masters.is_empty() {
        return Err(BenchError::NoBroker { name_servers: plan.name_servers.clone() });
    }
    for topic in &plan.topics {
        let config = TopicConfig {
            topic_name: topic.clone(),
            read_queue_nums: i32::from(queues),
            write_queue_nums: i32::from(queues),
            ..TopicConfig::default()
        };
        for address in &masters {
            let what = format!("creating topic {topic} on {address}");
            admin.create_topic(address, &config, "").await.map_err(failed(what))?;
        }
    }
    for topic in &plan.topics {
        wait_for_route(client, &admin, topic, i32::from(queues), masters.len()).await?;
    }
    Ok(())
}

/// Brokers register a new topic at once, but nobody says when the name server has it from all of them.
async fn wait_for_route(
    client: &Client,
    admin: &Admin,
    topic: &str,
    queues: i32,
    want: usize,
) -> Result<(), BenchError> {
    let is_as_wanted = |queue: &&QueueData| queue.write_queue_nums == queues && queue.read_queue_nums == queues;
    let began = Instant::now();
    loop {
        let have = match admin.topic_route(topic).await {
            Ok(route) => route.queue_datas.iter().filter(is_as_wanted).count(),
            Err(ClientError::NoRoute { .. }) => 0,
            Err(source) => return Err(failed(format!("asking for the route of {topic}"))(source)),
        };
        if have >= want {
            client.expire_route(topic);
            return Ok(());
        }
        if began.elapsed() > ROUTE_WAIT_MAX {
            return Err(BenchError::RouteIncomplete { topic: topic.to_owned(), have, want, after: ROUTE_WAIT_MAX });
        }
        tokio::time::sleep(ROUTE_WAIT_STEP).await;
    }
}

fn failed(what: impl Into<String>) -> impl FnOnce(ClientError) -> BenchError {
    let what = what.into();
    move |source| BenchError::Cluster { what, source: Box::new(source) }
}

fn no_route(topic: &str) -> impl FnOnce(ClientError) -> BenchError + '_ {
    move |source| match source {
        ClientError::NoRoute { .. } => BenchError::NoRoute { topic: topic.to_owned() },
        source => failed(format!("asking for the route of {topic}"))(source),
    }
}
