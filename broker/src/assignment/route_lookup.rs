//! Asking name servers where a topic is, on the control thread, for shards whose members ask about it.

use std::sync::Arc;
use std::time::Duration;

use protocol::body::TopicRouteData;
use protocol::code::{RequestCode, ResponseCode};
use protocol::command::CommandEncoder;
use protocol::frame::HeaderEncoding;
use runtime::MailboxSender;
use tokio::sync::{mpsc, watch};

use super::known_routes::RouteNews;
use crate::config::BrokerConfig;
use crate::config::parse::name_servers::NameServerAddress;
use crate::registration::{NameServerLink, RegistrationError};
use crate::shard_message::ShardMessage;

/// A name server that does not answer within this is passed over: a member waits 3 s for its queues.
const PATIENCE: Duration = Duration::from_secs(1);

/// Looks topics up for one shard, one after the other, until `stop` changes or the shard is gone. The shard has each topic
/// looked up once at a time and knows a bounded number of them, which bounds what waits in `wanted`.
pub(crate) async fn keep_looking_up(
    config: Arc<BrokerConfig>,
    mailbox: MailboxSender<ShardMessage>,
    mut wanted: mpsc::UnboundedReceiver<String>,
    mut stop: watch::Receiver<bool>,
) {
    let mut link = None;
    loop {
        let topic = tokio::select! {
            topic = wanted.recv() => topic,
            _ = stop.changed() => return,
        };
        let Some(topic) = topic else { return };
        let news = look_up(&config.registration.name_servers.0, &mut link, &topic).await;
        mailbox.send(ShardMessage::Route { topic, news });
    }
}

/// Asks the name server that answered last first, over the connection that is there; the next one when it is gone, or does
/// not know the topic.
async fn look_up(servers: &[NameServerAddress], link: &mut Option<(usize, NameServerLink)>, topic: &str) -> RouteNews {
    let mut outcome = RouteNews::NoAnswer;
    if let Some((_, open)) = link {
        match ask(open, topic).await {
            Ok(RouteNews::NotThere) if servers.len() > 1 => outcome = RouteNews::NotThere,
            Ok(news) => return news,
            // A name server closes a connection on which nothing was said for long.
            Err(_) => {}
        }
    }
    let first = link.take().map_or(0, |(server, _)| server);
    for server in (0..servers.len()).map(|step| (first + step) % servers.len()) {
        let Ok(mut open) = NameServerLink::connect(&servers[server], PATIENCE).await else { continue };
        match ask(&mut open, topic).await {
            Ok(RouteNews::NotThere) => outcome = RouteNews::NotThere,
            Ok(news) => {
                *link = Some((server, open));
                return news;
            }
            Err(error) => tracing::debug!(%error, topic, "a name server did not say where a topic is"),
        }
    }
    outcome
}

async fn ask(link: &mut NameServerLink, topic: &str) -> Result<RouteNews, RegistrationError> {
    let encode = |buffer: &mut Vec<u8>, opaque| {
        let code = RequestCode::GET_ROUTEINFO_BY_TOPIC.0;
        let mut encoder = CommandEncoder::request(buffer, HeaderEncoding::Json, code, opaque, 0);
        encoder.field("topic", topic).field("acceptStandardJsonOnly", true);
        encoder.finish();
    };
    match link.ask(PATIENCE, encode).await {
        Ok(answer) => {
            let route = TopicRouteData::decode(&answer.body);
            route.map(RouteNews::Found).map_err(|error| RegistrationError::Answer(error.to_string()))
        }
        Err(RegistrationError::Refused { code: ResponseCode::TOPIC_NOT_EXIST, .. }) => Ok(RouteNews::NotThere),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use protocol::body::QueueData;
    use protocol::command::RemotingCommand;
    use protocol::frame::decode_frame;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    fn route() -> TopicRouteData {
        let queues = QueueData { broker_name: "b".to_owned(), perm: 6, read_queue_nums: 2, ..QueueData::default() };
        TopicRouteData { queue_datas: vec![queues], ..TopicRouteData::default() }
    }

    /// A name server that knows the topics whose names begin with `known`, and closes each connection after `answers`.
    async fn name_server(known: &'static str, answers: usize) -> NameServerAddress {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut received = Vec::new();
                for _ in 0..answers {
                    let asked = loop {
                        if let Some((frame, used)) = decode_frame(&received).unwrap() {
                            let command = RemotingCommand::decode(&frame).unwrap();
                            received.drain(..used);
                            break command;
                        }
                        if stream.read_buf(&mut received).await.unwrap_or(0) == 0 {
                            break RemotingCommand::request(0, 0);
                        }
                    };
                    assert!([0, RequestCode::GET_ROUTEINFO_BY_TOPIC.0].contains(&asked.code), "{asked:?}");
                    let is_known = asked.get("topic").is_some_and(|topic| topic.starts_with(known));
                    let code = if is_known { ResponseCode::SUCCESS } else { ResponseCode::TOPIC_NOT_EXIST };
                    let body = if is_known { route().encode_standard() } else { Vec::new() };
                    let mut frame = Vec::new();
                    CommandEncoder::response(&mut frame, HeaderEncoding::Json, code.0, asked.opaque, None)
                        .finish_with_body(&body);
                    let _ = stream.write_all(&frame).await;
                }
            }
        });
        NameServerAddress { host: "127.0.0.1".to_owned(), port }
    }

    /// Where nobody listens.
    async fn nobody() -> NameServerAddress {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        NameServerAddress { host: "127.0.0.1".to_owned(), port: listener.local_addr().unwrap().port() }
    }

    #[tokio::test]
    async fn the_name_server_that_knows_the_topic_is_found_and_asked_first_from_then_on() {
        let servers = [nobody().await, name_server("A", 9).await, name_server("B", 9).await];
        let mut link = None;
        assert_eq!(look_up(&servers, &mut link, "B1").await, RouteNews::Found(route()));
        assert_eq!(link.as_ref().map(|(server, _)| *server), Some(2));
        assert_eq!(look_up(&servers, &mut link, "B2").await, RouteNews::Found(route()));
        assert_eq!(look_up(&servers, &mut link, "A1").await, RouteNews::Found(route()));
        assert_eq!(link.as_ref().map(|(server, _)| *server), Some(1));
        assert_eq!(look_up(&servers, &mut link, "C").await, RouteNews::NotThere);
    }

    #[tokio::test]
    async fn a_connection_that_was_closed_meanwhile_is_made_anew() {
        let servers = [name_server("A", 1).await];
        let mut link = None;
        for topic in ["A1", "A2", "A3"] {
            assert_eq!(look_up(&servers, &mut link, topic).await, RouteNews::Found(route()), "{topic}");
        }
    }

    #[tokio::test]
    async fn where_nobody_answers_nothing_is_known() {
        let mut link = None;
        assert_eq!(look_up(&[nobody().await], &mut link, "A").await, RouteNews::NoAnswer);
        assert_eq!(look_up(&[], &mut link, "A").await, RouteNews::NoAnswer);
    }
}
