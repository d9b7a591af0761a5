//! One connection: matching, deadlines, limits, and what happens when it closes.

use std::time::Duration;

use client::{ClientError, CloseCause, Connection, ConnectionOptions, FakeServer, Reply, ServerRequest, WithCauses};
use protocol::{RemotingCommand, RequestCode, ResponseCode};
use tokio::sync::mpsc;

use crate::cluster::dead_address;

const DEADLINE: Duration = Duration::from_secs(5);

async fn connect(server: &FakeServer) -> (Connection, mpsc::Receiver<ServerRequest>) {
    let (sender, server_requests) = mpsc::channel(4);
    let connection = Connection::open(&server.address(), &ConnectionOptions::default(), sender).await.unwrap();
    (connection, server_requests)
}

/// Asks for the offset of queue `id` and returns the answer's text.
async fn ask(connection: &Connection, id: i32) -> Result<String, ClientError> {
    let answer = connection
        .request(RequestCode::GET_MAX_OFFSET, DEADLINE, &[], |header| {
            header.field("queueId", id);
        })
        .await?;
    answer.field("offset")
}

fn echo(request: &RemotingCommand) -> Reply {
    Reply::fields(&[("offset", request.get("queueId").unwrap_or("none"))])
}

#[tokio::test]
async fn answers_that_come_out_of_order_reach_their_callers() {
    let server = FakeServer::start(|request| match request.get("queueId") {
        Some("0" | "1") => echo(request).after_next(),
        _ => echo(request),
    })
    .await;
    let (connection, _requests) = connect(&server).await;
    let answers = tokio::join!(ask(&connection, 0), ask(&connection, 1), ask(&connection, 2));
    assert_eq!((answers.0.unwrap(), answers.1.unwrap(), answers.2.unwrap()), ("0".into(), "1".into(), "2".into()));
}

#[tokio::test]
async fn many_callers_share_one_connection_beyond_its_in_flight_limit() {
    let server = FakeServer::start(echo).await;
    let (sender, _requests) = mpsc::channel(4);
    let options = ConnectionOptions { in_flight_max: 3, ..ConnectionOptions::default() };
    let connection = Connection::open(&server.address(), &options, sender).await.unwrap();
    let callers: Vec<_> = (0..200)
        .map(|id| {
            let connection = connection.clone();
            tokio::spawn(async move { ask(&connection, id).await })
        })
        .collect();
    for (id, caller) in callers.into_iter().enumerate() {
        assert_eq!(caller.await.unwrap().unwrap(), id.to_string());
    }
}

#[tokio::test]
async fn a_silent_server_is_given_up_at_the_deadline() {
    let server = FakeServer::start(|_| Reply::Silence).await;
    let (connection, _requests) = connect(&server).await;
    let deadline = Duration::from_millis(30);
    let error = connection.request(RequestCode::GET_MAX_OFFSET, deadline, &[], |_| {}).await.unwrap_err();
    let expected = format!("GET_MAX_OFFSET(30) to {}: no answer within 30 ms", server.address());
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn a_caller_that_finds_the_connection_full_waits_within_its_own_deadline() {
    let server = FakeServer::start(|_| Reply::Silence).await;
    let (sender, _requests) = mpsc::channel(4);
    let options = ConnectionOptions { in_flight_max: 1, ..ConnectionOptions::default() };
    let connection = Connection::open(&server.address(), &options, sender).await.unwrap();
    let holder = tokio::spawn({
        let connection = connection.clone();
        async move { ask(&connection, 0).await }
    });
    let deadline = Duration::from_millis(30);
    let refused = connection.request(RequestCode::GET_MIN_OFFSET, deadline, &[], |_| {});
    tokio::task::yield_now().await;
    assert!(matches!(refused.await, Err(ClientError::Timeout { .. })));
    assert!(server.received_with(RequestCode::GET_MIN_OFFSET).is_empty(), "it was never sent");
    holder.abort();
}

#[tokio::test]
async fn an_answer_after_the_deadline_is_dropped_and_the_connection_goes_on() {
    let server = FakeServer::start(|request| match request.get("queueId") {
        Some("0") => echo(request).after_next(),
        _ => echo(request),
    })
    .await;
    let (connection, _requests) = connect(&server).await;
    let late = connection.request(RequestCode::GET_MAX_OFFSET, Duration::from_millis(20), &[], |header| {
        header.field("queueId", 0);
    });
    assert!(matches!(late.await, Err(ClientError::Timeout { .. })));
    assert_eq!(ask(&connection, 1).await.unwrap(), "1");
    assert_eq!(ask(&connection, 2).await.unwrap(), "2");
}

#[tokio::test]
async fn a_closed_connection_fails_everything_that_waits_with_address_and_cause() {
    let server = FakeServer::start(|request| match request.get("queueId") {
        Some("9") => Reply::Close,
        _ => Reply::Silence,
    })
    .await;
    let (connection, _requests) = connect(&server).await;
    let (first, second, closer) = tokio::join!(ask(&connection, 0), ask(&connection, 1), ask(&connection, 9));
    for error in [first.unwrap_err(), second.unwrap_err(), closer.unwrap_err()] {
        let expected =
            format!("GET_MAX_OFFSET(30) to {}: the connection closed: the server closed it", server.address());
        assert_eq!(WithCauses(&error).to_string(), expected);
    }
    assert!(matches!(connection.close_cause().as_deref(), Some(CloseCause::Peer { partial_frame_bytes: 0 })));
    assert!(matches!(ask(&connection, 0).await, Err(ClientError::Closed { .. })), "later callers are told as well");
}

#[tokio::test]
async fn bytes_that_are_no_frame_close_the_connection_and_say_so() {
    let server = FakeServer::start(|_| Reply::Bytes(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec())).await;
    let (connection, _requests) = connect(&server).await;
    let error = ask(&connection, 0).await.unwrap_err();
    let text = WithCauses(&error).to_string();
    assert!(text.contains("the connection closed: the server sent a bad frame: "), "{text}");
}

#[tokio::test]
async fn an_unreachable_address_is_named_with_the_cause() {
    let dead = dead_address();
    let (sender, _requests) = mpsc::channel(4);
    let error = Connection::open(&dead.address, &ConnectionOptions::default(), sender).await.unwrap_err();
    let text = WithCauses(&error).to_string();
    assert!(text.starts_with(&format!("cannot connect to {}: Connection refused", dead.address)), "{text}");
}

#[tokio::test]
async fn a_oneway_request_is_written_before_the_last_handle_lets_go() {
    let server = FakeServer::agreeing().await;
    let (connection, _requests) = connect(&server).await;
    connection
        .oneway(RequestCode::UPDATE_CONSUMER_OFFSET, b"", |header| {
            header.field("commitOffset", 12);
        })
        .await
        .unwrap();
    connection.flush().await.unwrap();
    drop(connection);
    while server.received().is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let received = server.received();
    assert!(received[0].is_oneway());
    assert_eq!(received[0].get("commitOffset"), Some("12"));
}

#[tokio::test]
async fn a_body_that_no_frame_can_hold_is_refused_and_nothing_is_sent() {
    let server = FakeServer::agreeing().await;
    let (connection, _requests) = connect(&server).await;
    let body = vec![0; 16 << 20];
    let error = connection.request(RequestCode::SEND_MESSAGE_V2, DEADLINE, &body, |_| {}).await.unwrap_err();
    assert!(matches!(error, ClientError::BodyTooLong { body_bytes: 16_777_216, .. }), "{error}");
    assert!(server.received().is_empty());
}

#[tokio::test]
async fn requests_of_the_server_are_delivered_and_can_be_answered() {
    let server = FakeServer::start(echo).await;
    let (connection, mut requests) = connect(&server).await;
    ask(&connection, 0).await.unwrap();
    let code = RequestCode::GET_CONSUMER_RUNNING_INFO;
    server.push(RemotingCommand::request(code.0, 77).with_field("consumerGroup", "g"));
    let request = requests.recv().await.unwrap();
    assert_eq!((request.code(), request.command.get("consumerGroup")), (code, Some("g")));
    assert_eq!(*request.address, server.address());
    request.answer(ResponseCode::SUCCESS, None, b"{}");
    // The answer was queued before this request, so it has arrived when this one is answered.
    ask(&connection, 1).await.unwrap();
    let received = server.received();
    let answer = received.iter().find(|command| command.is_response()).unwrap();
    assert_eq!((answer.opaque, answer.code, &*answer.body), (77, 0, &b"{}"[..]));
}

#[tokio::test]
async fn requests_of_the_server_that_nobody_takes_do_not_hold_up_answers() {
    let server = FakeServer::start(echo).await;
    let (connection, mut requests) = connect(&server).await;
    ask(&connection, 0).await.unwrap();
    for opaque in 0..20 {
        server.push(RemotingCommand::request(RequestCode::NOTIFY_CONSUMER_IDS_CHANGED.0, opaque));
    }
    ask(&connection, 1).await.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    ask(&connection, 2).await.unwrap();
    let mut kept = 0;
    while requests.try_recv().is_ok() {
        kept += 1;
    }
    assert_eq!(kept, 4, "the channel's size");
}
