use std::net::{IpAddr, Ipv4Addr};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::{Answer, PortChoice, ShardSample, bind};

/// Neither alive nor ready.
struct Sick;

impl Source for Sick {
    fn metrics<'a>(&'a self, families: &'a mut Families) -> Answer<'a, ()> {
        families.gauge("own_metric", "Of the source", &[], 7.0);
        Box::pin(async {})
    }
    fn live(&self) -> Answer<'_, Health> {
        Box::pin(async { Health { is_well: false, detail: json!({"status": "stuck"}) } })
    }
    fn ready(&self) -> Answer<'_, Health> {
        Box::pin(async { Health { is_well: true, detail: json!({"status": "ready"}) } })
    }
    fn shards(&self) -> Answer<'_, Vec<ShardSample>> {
        Box::pin(async { vec![ShardSample { name: "broker-a".to_owned(), appended: 42, ..ShardSample::default() }] })
    }
}

async fn start() -> SocketAddr {
    let listener = bind(IpAddr::V4(Ipv4Addr::LOCALHOST), PortChoice::Exact(0), &[], "p").unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, Arc::new(Sick)));
    address
}

async fn send(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    // A reset after an answer to a head that was refused is an end too.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

async fn get(address: SocketAddr, path: &str) -> String {
    send(address, format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes()).await
}

#[tokio::test]
async fn metrics_have_the_machine_the_process_and_the_source() {
    let answer = get(start().await, "/metrics").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{answer}");
    for line in ["\nown_metric 7\n", "\nprocess_threads ", "\nturbopump_host_load{minutes=\"1\"} "] {
        assert!(answer.contains(line), "{line}: {answer}");
    }
}

#[tokio::test]
async fn health_is_a_status_and_says_why() {
    let address = start().await;
    let live = get(address, "/health/live").await;
    assert!(live.starts_with("HTTP/1.1 503 ") && live.ends_with("{\"status\":\"stuck\"}\n"), "{live}");
    let ready = get(address, "/health/ready").await;
    assert!(ready.starts_with("HTTP/1.1 200 ") && ready.ends_with("{\"status\":\"ready\"}\n"), "{ready}");
}

#[tokio::test]
async fn the_host_report_reads_back() {
    let answer = get(start().await, "/host").await;
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let report: BrokerSample = serde_json::from_str(body).unwrap();
    assert_eq!(report.process.map(|process| process.pid), Some(std::process::id()));
    assert!(report.host.memory.total_bytes > 0);
    assert_eq!(report.shards[0].appended, 42);
}

#[tokio::test]
async fn other_paths_and_methods_are_told_what_there_is() {
    let address = start().await;
    let unknown = get(address, "/").await;
    assert!(unknown.starts_with("HTTP/1.1 404 ") && unknown.contains("/metrics\n"), "{unknown}");
    let post = b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\nConnection: close\r\n\r\n";
    let posted = send(address, post).await;
    assert!(posted.starts_with("HTTP/1.1 405 ") && posted.contains("allow: GET, HEAD\r\n"), "{posted}");
}

#[tokio::test]
async fn a_head_beyond_its_limits_is_refused_and_what_is_no_http_is_closed() {
    let address = start().await;
    let long = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(2 * HEAD_BYTES_MAX));
    let answer = send(address, long.as_bytes()).await;
    assert!(!answer.contains(" 200 "), "{answer}");
    let many: String = (0..2 * HEADERS_MAX).map(|number| format!("h{number}: x\r\n")).collect();
    let answer = send(address, format!("GET /metrics HTTP/1.1\r\n{many}\r\n").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    let answer = send(address, b"\0\0\0\x10\0\0\0\0no http at all\r\n\r\n").await;
    assert!(!answer.contains(" 200 "), "{answer}");
}

#[tokio::test]
async fn connections_beyond_the_limit_are_closed_until_others_go() {
    let address = start().await;
    let mut held = Vec::new();
    for _ in 0..CONNECTIONS_MAX {
        held.push(TcpStream::connect(address).await.unwrap());
    }
    let mut further = TcpStream::connect(address).await.unwrap();
    let mut byte = [0];
    assert_eq!(further.read(&mut byte).await.unwrap_or(0), 0, "closed without a word");
    held.clear();
    let limit = tokio::time::Instant::now() + Duration::from_secs(20);
    while !get(address, "/health/ready").await.contains(" 200 ") {
        assert!(tokio::time::Instant::now() < limit, "the places of closed connections are free again");
    }
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed() {
    let address = start().await;
    let mut silent = TcpStream::connect(address).await.unwrap();
    silent.write_all(b"GET /metrics HTTP/1.1\r\n").await.unwrap();
    let mut answer = Vec::new();
    let ended = timeout(HEAD_WITHIN * 3, silent.read_to_end(&mut answer)).await;
    assert!(ended.is_ok(), "open after {:?}", HEAD_WITHIN * 3);
}
