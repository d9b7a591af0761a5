//! `mqadmin`: a subcommand a file under `command`. Each asks the cluster through [`client`] and shows a result that
//! is both aligned text and JSON.

mod brokers;
mod cli;
mod client_version;
mod command;
mod concurrently;
mod fact_list;
mod failure;
mod group_change;
mod message_trace;
mod message_track;
mod message_view;
mod nearest;
mod output;
mod perm;
mod progress;
mod resolve;
mod rows;
mod silent_servers;
mod table;
mod timestamp;

use std::io::Write;
use std::time::Duration;

use client::{Client, ClientOptions};

pub use cli::Cli;
pub use failure::{Failure, ServerError};

use command::Context;
use output::Output;

/// How long each request may take, as in the original mqadmin.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// Runs one command and writes its result to `writer`.
///
/// # Errors
/// What kept the command from being carried out.
pub async fn run(cli: &Cli, writer: &mut dyn Write) -> Result<(), Failure> {
    let options = ClientOptions { request_timeout: REQUEST_TIMEOUT, ..ClientOptions::default() };
    let client = Client::new(cli.name_servers(), options).await?;
    let mut context = Context { admin: client.admin(), client, output: Output::new(writer, cli.json) };
    cli.command.run(&mut context).await
}
