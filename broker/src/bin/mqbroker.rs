//! `mqbroker`: the broker, and with `--standalone` a name server beside it in one process.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;

use broker::cli::Args;
use broker::process::{self, OwnNameServer};
use clap::Parser;
use tracing_subscriber::EnvFilter;

struct Embedded;

impl OwnNameServer for Embedded {
    fn start(&self, address: SocketAddr, folder: &Path) -> Result<Box<dyn FnOnce()>, String> {
        let mut config = namesrv::config::Config::with_home(folder);
        (config.bind_address, config.listen_port) = (address.ip(), address.port());
        let server = namesrv::service::start(config).map_err(|error| error.to_string())?;
        Ok(Box::new(move || {
            server.stopper().stop();
            if let Err(error) = server.join() {
                tracing::warn!(%error, "the name server did not end in order");
            }
        }))
    }
}

fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let is_terminal = std::io::stderr().is_terminal();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    log.with_ansi(is_terminal).with_target(false).init();
    process::run(&Args::parse(), &Embedded)
}
