//! Name servers and routes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use client::{Client, ClientError, ClientOptions, FakeServer, Reply, WithCauses};
use protocol::{RequestCode, ResponseCode};

use crate::cluster::{client_of, dead_address, name_server, route};

const ROUTE: RequestCode = RequestCode::GET_ROUTEINFO_BY_TOPIC;

fn simple_route() -> String {
    route(&[("broker-a", &["127.0.0.1:1".to_owned()], 4)])
}

#[tokio::test]
async fn the_name_server_that_answers_is_kept() {
    let first = name_server(&["A", "B"], simple_route()).await;
    let second = name_server(&["A", "B"], simple_route()).await;
    let client = client_of(&[&first, &second]).await;
    client.route("A").await.unwrap();
    client.route("B").await.unwrap();
    assert_eq!((first.received().len(), second.received().len()), (2, 0));
}

#[tokio::test]
async fn a_dead_name_server_is_passed_over() {
    let dying = name_server(&["A", "B"], simple_route()).await;
    let living = name_server(&["A", "B"], simple_route()).await;
    let client = client_of(&[&dying, &living]).await;
    client.route("A").await.unwrap();
    drop(dying);
    client.route("B").await.unwrap();
    assert_eq!(living.received().len(), 1);
}

#[tokio::test]
async fn a_name_server_that_failed_is_not_asked_again_while_the_next_one_answers() {
    let failing = FakeServer::start(|_| Reply::Close).await;
    let living = name_server(&["A", "B", "C"], simple_route()).await;
    let client = client_of(&[&failing, &living]).await;
    for topic in ["A", "B", "C"] {
        client.route(topic).await.unwrap();
    }
    assert_eq!((failing.received().len(), living.received().len()), (1, 3));
}

#[tokio::test]
async fn when_no_name_server_answers_each_is_named_with_its_cause() {
    let (first, second) = (dead_address(), dead_address());
    let (first, second) = (&first.address, &second.address);
    let client = Client::new(&format!("{first};{second}"), ClientOptions::default()).await.unwrap();
    let error = client.route("A").await.unwrap_err();
    let text = WithCauses(&error).to_string();
    assert!(text.starts_with(&format!("no name server could be asked: cannot connect to {first}: Conn")), "{text}");
    assert!(text.contains(&format!("; cannot connect to {second}: Connection refused")), "{text}");
}

#[tokio::test]
async fn a_route_is_asked_for_once_while_it_is_fresh() {
    let server = name_server(&["A"], simple_route()).await;
    let client = client_of(&[&server]).await;
    for _ in 0..3 {
        assert_eq!(client.route("A").await.unwrap().readable_queues().len(), 4);
    }
    assert_eq!(server.received_with(ROUTE).len(), 1);
}

#[tokio::test]
async fn a_stale_route_is_asked_for_again() {
    let server = name_server(&["A"], simple_route()).await;
    let client = client_of(&[&server]).await;
    client.route("A").await.unwrap();
    client.expire_route("A");
    client.route("A").await.unwrap();
    assert_eq!(server.received_with(ROUTE).len(), 2);
}

#[tokio::test]
async fn a_stale_route_is_used_while_no_name_server_answers() {
    let server = name_server(&["A"], simple_route()).await;
    let client = client_of(&[&server]).await;
    let known = client.route("A").await.unwrap();
    drop(server);
    client.expire_route("A");
    assert!(Arc::ptr_eq(&known, &client.route("A").await.unwrap()));
}

#[tokio::test]
async fn a_topic_that_is_deleted_loses_its_route() {
    let deleted = Arc::new(AtomicUsize::new(0));
    let server = FakeServer::start({
        let deleted = Arc::clone(&deleted);
        move |_| match deleted.load(Ordering::Relaxed) {
            0 => Reply::body(simple_route()),
            _ => Reply::code(ResponseCode::TOPIC_NOT_EXIST, ""),
        }
    })
    .await;
    let client = client_of(&[&server]).await;
    client.route("A").await.unwrap();
    deleted.store(1, Ordering::Relaxed);
    client.expire_route("A");
    let error = client.route("A").await.unwrap_err();
    assert_eq!(error.to_string(), format!("topic A has no route at name server {}", server.address()));
}

#[tokio::test]
async fn an_answer_that_is_no_route_says_what_is_wrong_with_it() {
    let server = FakeServer::start(|_| Reply::body("{\"brokerDatas\":7}")).await;
    let error = client_of(&[&server]).await.route("A").await.unwrap_err();
    let text = WithCauses(&error).to_string();
    let start = format!("GET_ROUTEINFO_BY_TOPIC(105) to {}: the answer cannot be read: ", server.address());
    assert!(text.starts_with(&start) && text.len() > start.len(), "{text}");
}

#[tokio::test]
async fn a_refusal_keeps_code_and_remark() {
    let server = FakeServer::start(|_| Reply::code(ResponseCode::SYSTEM_ERROR, "name server not ready")).await;
    let error = client_of(&[&server]).await.route("A").await.unwrap_err();
    let expected =
        format!("GET_ROUTEINFO_BY_TOPIC(105) to {}: answered SYSTEM_ERROR(1): name server not ready", server.address());
    assert_eq!(error.to_string(), expected);
    assert_eq!(error.response_code(), Some(ResponseCode::SYSTEM_ERROR));
}

#[tokio::test]
async fn callers_that_start_together_share_one_connection() {
    let server = name_server(&["A", "B", "C"], simple_route()).await;
    let client = client_of(&[&server]).await;
    let (a, b, c) = tokio::join!(client.route("A"), client.route("B"), client.route("C"));
    for route in [a, b, c] {
        route.unwrap();
    }
    let mut opaques: Vec<_> = server.received().iter().map(|request| request.opaque).collect();
    opaques.sort_unstable();
    opaques.dedup();
    assert_eq!(opaques.len(), 3, "each connection counts its own ids, so equal ids would be two connections");
}

#[tokio::test]
async fn a_list_that_cannot_be_used_is_refused_before_anything_is_sent() {
    let error = Client::new("localhost", ClientOptions::default()).await.unwrap_err();
    assert!(matches!(error, ClientError::NameServerList { .. }), "{error}");
}
