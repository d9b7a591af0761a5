//! `mqnamesrv`: flags in, a name server until SIGTERM or SIGINT.

use std::error::Error;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;

use clap::Parser;
use namesrv::cli::Cli;
use namesrv::config::Loaded;
use namesrv::metrics::{self, Endpoint, NameServerView};
use namesrv::service::{self, Stopper};
use tracing::{error, info, warn};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mqnamesrv: {}", with_causes(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<(), Box<dyn Error>> {
    // Without a home folder the paths are relative to where the name server was started.
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let Loaded { config, warnings } = cli.settings(&home)?;
    if cli.print_config {
        print!("{}", config.to_text());
        return Ok(());
    }
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(filter).init();
    for warning in warnings {
        warn!("{warning}");
    }
    let endpoint = metrics::bind(&config)?;
    let running = service::start(config)?;
    let mut text = format!("mqnamesrv is ready on {}\n", running.address());
    if let Some(endpoint) = &endpoint {
        text += &format!("  metrics      http://{}/metrics\n", endpoint.address);
    }
    // In one piece, for whoever reads a line and goes; a closed stdout is no reason to end.
    let _ = std::io::stdout().write_all(text.as_bytes());
    let (stopper, view) = (running.stopper(), running.view());
    thread::Builder::new().name("control".to_owned()).spawn(move || control(&stopper, endpoint, view))?;
    Ok(running.join()?)
}

/// The control thread: shows metrics until a signal ends the name server.
fn control(stopper: &Stopper, endpoint: Option<Endpoint>, view: NameServerView) {
    let until_signal = async {
        if let Some(endpoint) = endpoint {
            tokio::spawn(async move {
                let Err(error) = observe::serve(endpoint.listener, Arc::new(view)).await;
                error!(%error, "there is no metrics endpoint");
            });
        }
        runtime::control::stop_signal().await
    };
    match runtime::control::run(until_signal) {
        Ok(Ok(signal)) => info!(signal, "stopping"),
        Ok(Err(error)) | Err(error) => error!(%error, "signals cannot be watched, stopping"),
    }
    stopper.stop();
}

/// An error and what caused it, in one line.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        let source_text = source.to_string();
        // Some errors repeat their cause in their own text.
        if !text.ends_with(&source_text) {
            text = format!("{text}: {source_text}");
        }
        cause = source.source();
    }
    text
}
