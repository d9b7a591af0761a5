//! `mqbroker`: the broker, and with `--standalone` a name server beside it in one process.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use broker::cli::Args;
use broker::process::{self, OwnNameServer, StartedNameServer};
use clap::Parser;
use tracing_subscriber::EnvFilter;

/// Log buffers of up to a mebibyte are taken and freed all the time. The C library's allocator gives such memory back to the
/// kernel, which then clears it page by page for the next one: that costs more than everything else that is done with a
/// message.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct Embedded;

impl OwnNameServer for Embedded {
    fn start(&self, address: SocketAddr, folder: &Path) -> Result<StartedNameServer, String> {
        let mut config = namesrv::config::Config::with_home(folder);
        (config.bind_address, config.listen_port) = (address.ip(), address.port());
        let server = namesrv::service::start(config).map_err(|error| error.to_string())?;
        let source = Arc::new(server.view());
        let stop = Box::new(move || {
            server.stopper().stop();
            if let Err(error) = server.join() {
                tracing::warn!(%error, "the name server did not end in order");
            }
        });
        Ok(StartedNameServer { stop, source })
    }
}

fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let is_terminal = std::io::stderr().is_terminal();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    log.with_ansi(is_terminal).with_target(false).init();
    process::run(&Args::parse(), &Embedded)
}
