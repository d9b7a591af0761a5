//! The one task of a connection: moves bytes between the socket and the [`Link`].

use std::sync::Arc;

use bytes::{Buf, BytesMut};
use protocol::command::RemotingCommand;
use protocol::frame::decode_frame;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::mpsc;

use super::link::{Link, Output};
use super::server_request::ServerRequest;
use crate::error::CloseCause;

/// Asked of the socket at once; many small answers arrive in one read.
const READ_BYTES: usize = 64 << 10;

/// Runs until the socket fails, the peer closes, or the last handle is dropped. Reading and writing go on side by
/// side, so a peer that stops reading until we have read its answers cannot lock up the connection.
pub(super) async fn run(link: Arc<Link>, mut socket: TcpStream, server_requests: mpsc::Sender<ServerRequest>) {
    let (read_half, write_half) = socket.split();
    let cause = tokio::select! {
        biased;
        cause = read(&link, read_half, &server_requests) => cause,
        cause = write(&link, write_half) => cause,
    };
    link.close(cause);
}

async fn read(link: &Arc<Link>, mut socket: ReadHalf<'_>, server_requests: &mpsc::Sender<ServerRequest>) -> CloseCause {
    let mut input = BytesMut::new();
    loop {
        input.reserve(READ_BYTES);
        match socket.read_buf(&mut input).await {
            Ok(0) => return CloseCause::Peer { partial_frame_bytes: input.len() },
            Ok(_) => {}
            Err(source) => return CloseCause::Read(source),
        }
        loop {
            let used = match decode_frame(&input) {
                Ok(None) => break,
                Ok(Some((frame, used))) => {
                    match RemotingCommand::decode(&frame) {
                        Ok(command) => deliver(link, command, server_requests),
                        Err(source) => return CloseCause::Header(source),
                    }
                    used
                }
                Err(source) => return CloseCause::Frame(source),
            };
            input.advance(used);
        }
    }
}

fn deliver(link: &Arc<Link>, command: RemotingCommand, server_requests: &mpsc::Sender<ServerRequest>) {
    if command.is_response() {
        link.answer(command);
        return;
    }
    let request = ServerRequest::new(command, link);
    if let Err(refused) = server_requests.try_send(request) {
        let request = refused.into_inner();
        tracing::debug!(code = %request.code(), server = link.address(), "nobody takes the server's request; dropped");
    }
}

async fn write(link: &Link, mut socket: WriteHalf<'_>) -> CloseCause {
    let mut batch = Vec::new();
    loop {
        match link.take_output(&mut batch) {
            Output::Batch => {
                if let Err(source) = socket.write_all(&batch).await {
                    return CloseCause::Write(source);
                }
                link.wrote(batch.len());
                batch.clear();
            }
            Output::Idle => link.output_ready().await,
            Output::Finished => {
                // Everything is written; a failing shutdown changes nothing about that.
                let _ = socket.shutdown().await;
                return CloseCause::Local;
            }
        }
    }
}
