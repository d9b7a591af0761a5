//! The HTTP server: accepts within limits, answers from a [`Source`].

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use host::{HostSample, ProcessSample};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::host_families::{write_host, write_process};
use crate::route::{PATHS, Route, route};
use crate::{BrokerSample, Families, Health, Source};

/// Connections at once; a further one is closed at once.
const CONNECTIONS_MAX: usize = 32;
/// A request's head has to be there within this.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// Lines of a request's head.
const HEADERS_MAX: usize = 64;
/// A connection is used this long at most, so that one that reads nothing holds its place no longer ...
const CONNECTION_AGE_MAX: Duration = Duration::from_secs(120);
/// ... and then has this long to take the answer under way.
const LAST_ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// After a failed accept, as for want of files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Answers on `listener` for ever. Dropped with the runtime that it runs on.
/// # Errors
/// The listener cannot be used with this runtime.
pub async fn serve(listener: TcpListener, source: Arc<dyn Source>) -> std::io::Result<Infallible> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut refused = 0u64;
    loop {
        let (socket, remote) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(%error, "a connection to the metrics endpoint was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(place) = places.clone().try_acquire_owned() else {
            refused += 1;
            if refused.is_power_of_two() {
                tracing::warn!(%remote, refused, limit = CONNECTIONS_MAX, "connection to the metrics endpoint refused");
            }
            continue;
        };
        let source = source.clone();
        tokio::spawn(async move {
            serve_connection(socket, remote, source, started).await;
            drop(place);
        });
    }
}

async fn serve_connection(socket: TcpStream, remote: SocketAddr, source: Arc<dyn Source>, started: f64) {
    let service = service_fn(move |request: Request<Incoming>| {
        let source = source.clone();
        async move { Ok::<_, Infallible>(answer(&request, &*source, started).await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN).max_headers(HEADERS_MAX);
    builder.max_buf_size(HEAD_BYTES_MAX);
    let connection = builder.serve_connection(TokioIo::new(socket), service);
    tokio::pin!(connection);
    let ended = match timeout(CONNECTION_AGE_MAX, connection.as_mut()).await {
        Ok(ended) => ended,
        Err(_) => {
            connection.as_mut().graceful_shutdown();
            timeout(LAST_ANSWER_WITHIN, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%remote, %error, "a connection to the metrics endpoint ended");
    }
}

async fn answer(request: &Request<Incoming>, source: &dyn Source, started: f64) -> Response<Full<Bytes>> {
    match route(request.method(), request.uri().path()) {
        Route::Metrics => {
            let mut families = Families::default();
            write_machine(&mut families, started);
            source.metrics(&mut families).await;
            respond(StatusCode::OK, Families::CONTENT_TYPE, families.encode())
        }
        Route::Live => health(&source.live().await),
        Route::Ready => health(&source.ready().await),
        Route::Host => {
            let host = HostSample::gather().unwrap_or_else(|error| unreadable(&error));
            let process = ProcessSample::gather_own().unwrap_or_else(|error| unreadable(&error));
            let report = BrokerSample { host, process: Some(process), shards: source.shards().await };
            json(StatusCode::OK, &report)
        }
        Route::WrongMethod => {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            response
        }
        Route::Unknown => text(StatusCode::NOT_FOUND, PATHS),
    }
}

/// What the kernel tells; a machine that hides `/proc` has fewer metrics.
fn write_machine(families: &mut Families, started: f64) {
    match HostSample::gather() {
        Ok(sample) => write_host(families, &sample),
        Err(error) => unreadable(&error),
    }
    match ProcessSample::gather_own() {
        Ok(sample) => write_process(families, &sample, started),
        Err(error) => unreadable(&error),
    }
}

fn unreadable<T: Default>(error: &host::HostError) -> T {
    tracing::debug!(%error, "figures of the host cannot be read");
    T::default()
}

fn health(health: &Health) -> Response<Full<Bytes>> {
    let status = if health.is_well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json(status, &health.detail)
}

fn json(status: StatusCode, body: &impl serde::Serialize) -> Response<Full<Bytes>> {
    match serde_json::to_vec(body) {
        Ok(mut body) => {
            body.push(b'\n');
            respond(status, "application/json", body)
        }
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, &format!("{error}\n")),
    }
}

fn text(status: StatusCode, body: &str) -> Response<Full<Bytes>> {
    respond(status, "text/plain; charset=utf-8", body.as_bytes().to_vec())
}

fn respond(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests;
