//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::commit::Commit;
use crate::frame::{FRAME_BYTES_MAX, LENGTH_BYTES};
use crate::load::LoadOptions;
use crate::server::ServerOptions;

const CONTENT_BYTES_MAX: u64 = (FRAME_BYTES_MAX - LENGTH_BYTES) as u64;

/// What a broker of this shape could reach at most on this machine: frames in, group-committed direct writes, replies
/// out, and no protocol work.
#[derive(Debug, Parser)]
#[command(name = "bare-ceiling", version)]
pub struct Args {
    /// Which side.
    #[command(subcommand)]
    pub side: Side,
}

/// The two sides.
#[derive(Debug, Subcommand)]
pub enum Side {
    /// Serve on one pinned thread until killed
    Server(ServerArgs),
    /// Keep a number of requests under way, and print a report as JSON
    Load(LoadArgs),
}

/// Flags of the server.
#[derive(Debug, clap::Args)]
pub struct ServerArgs {
    /// Where to listen; port 0 takes a free one, which is printed
    #[arg(long, default_value = "127.0.0.1:7777")]
    pub address: SocketAddr,
    /// Processor the thread is pinned to
    #[arg(long, default_value_t = 0)]
    pub cpu: usize,
    /// When a request is answered
    #[arg(long, value_enum, default_value_t = Commit::Behind)]
    pub commit: Commit,
    /// The log file, on the file system to measure; it takes 1 GiB and is overwritten
    #[arg(long, default_value = "bare-ceiling.log")]
    pub file: PathBuf,
    /// Bytes of a reply; a broker's to a send has about 300
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u64).range(0..=CONTENT_BYTES_MAX))]
    pub reply_bytes: u64,
}

/// Flags of the load.
#[derive(Debug, clap::Args)]
pub struct LoadArgs {
    /// The server
    #[arg(long, default_value = "127.0.0.1:7777")]
    pub address: SocketAddr,
    /// Processor the load is pinned to; any if absent
    #[arg(long)]
    pub cpu: Option<usize>,
    /// Connections
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub connections: u64,
    /// Requests under way on each
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub in_flight: u64,
    /// Bytes of a request
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u64).range(0..=CONTENT_BYTES_MAX))]
    pub size: u64,
    /// Seconds before the measured window
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(0..=3600))]
    pub warmup: u64,
    /// Seconds of the measured window
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub duration: u64,
    /// The server's process, to report its processor time
    #[arg(long, value_name = "PID")]
    pub pid: Option<u32>,
}

impl ServerArgs {
    /// As the server takes it.
    #[must_use]
    pub fn options(self) -> ServerOptions {
        ServerOptions {
            address: self.address,
            cpu: self.cpu,
            commit: self.commit,
            file: self.file,
            reply_bytes: count(self.reply_bytes),
        }
    }
}

impl LoadArgs {
    /// As the load takes it.
    #[must_use]
    pub fn options(self) -> LoadOptions {
        LoadOptions {
            address: self.address,
            cpu: self.cpu,
            connections: count(self.connections),
            in_flight: count(self.in_flight),
            body_bytes: count(self.size),
            warmup: Duration::from_secs(self.warmup),
            duration: Duration::from_secs(self.duration),
            server_pid: self.pid,
        }
    }
}

fn count(number: u64) -> usize {
    usize::try_from(number).expect("clap has checked the range")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_well_formed() {
        use clap::CommandFactory;
        Args::command().debug_assert();
    }

    #[test]
    fn a_reply_that_fits_no_receive_buffer_is_refused() {
        let words = ["bare-ceiling", "server", "--reply-bytes", "262144"];
        assert!(Args::try_parse_from(words).is_err());
    }
}
