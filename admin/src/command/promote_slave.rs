//! `promoteSlave`: makes a slave the master, every shard of its process.

use std::fmt::{self, Display};

use clap::Args;
use protocol::body::MasterSlaveState;
use serde::Serialize;

use super::Context;
use crate::failure::Failure;
use crate::table::{Align, Table};

/// Ports of shard i are those of shard 0 plus i times this.
const SHARD_PORT_STEP: u32 = 10;

/// Make a slave the master of its name, for good; a master that comes back becomes its slave
#[derive(Debug, Args)]
pub(crate) struct PromoteSlave {
    /// The slave
    #[arg(short = 'b', long = "brokerAddr", alias = "broker-addr", value_name = "HOST:PORT")]
    broker_address: String,
    /// Although its master is there; what that stores from now on is lost
    #[arg(short = 'f', long)]
    force: bool,
}

/// What became of each shard.
#[derive(Debug, Serialize)]
struct Promoted {
    shards: Vec<Shard>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shard {
    broker_addr: String,
    /// Bytes of the last known master's log that this one did not have; `None`: it knew nothing of a master.
    missing_bytes: Option<i64>,
    #[serde(flatten)]
    state: MasterSlaveState,
}

impl PromoteSlave {
    pub(super) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
        let first = context.admin.master_slave_state(&self.broker_address).await?;
        let mut before = Vec::new();
        for address in addresses(&self.broker_address, &first)? {
            let state = context.admin.master_slave_state(&address).await?;
            if !self.force {
                refuse_while_master_serves(context, &address, &state).await?;
            }
            before.push((address, state));
        }
        let mut shards = Vec::new();
        for (address, before) in before {
            let state = context.admin.promote_slave(&address, self.force).await?;
            let missing_bytes = before.master_end_offset.map(|end| (end - before.end_offset).max(0));
            shards.push(Shard { broker_addr: address, missing_bytes, state });
        }
        context.output.show(&Promoted { shards })
    }
}

/// The slave may be cut off from its master, which serves clients all the same.
async fn refuse_while_master_serves(
    context: &Context<'_>,
    address: &str,
    state: &MasterSlaveState,
) -> Result<(), Failure> {
    let Some(master) = &state.master_address else { return Ok(()) };
    match context.admin.master_slave_state(master).await {
        Ok(other)
            if other.part == protocol::body::MasterSlavePart::Master && other.broker_name == state.broker_name =>
        {
            Err(Failure::Usage(format!(
                "the master of {address}, {master}, is there and serves. Stop it first, or promote with --force: what it \
                 stores from then on is lost"
            )))
        }
        _ => Ok(()),
    }
}

/// Addresses of all shards of the process that one of them belongs to.
fn addresses(address: &str, state: &MasterSlaveState) -> Result<Vec<String>, Failure> {
    let unreadable = || Failure::Usage(format!("{address} is not HOST:PORT"));
    let (host, port) = address.rsplit_once(':').ok_or_else(unreadable)?;
    let port: u32 = port.parse().map_err(|_| unreadable())?;
    let first = port.checked_sub(SHARD_PORT_STEP * state.shard).ok_or_else(unreadable)?;
    Ok((0..state.shards.max(1)).map(|shard| format!("{host}:{}", first + SHARD_PORT_STEP * shard)).collect())
}

impl Display for Promoted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(&[
            ("BROKER", Align::Left),
            ("ADDRESS", Align::Left),
            ("NOW", Align::Left),
            ("EPOCH", Align::Right),
            ("LOG ENDS AT", Align::Right),
            ("MAY BE MISSING", Align::Right),
        ]);
        for shard in &self.shards {
            let missing = match shard.missing_bytes {
                Some(bytes) => format!("{bytes} bytes"),
                None => "not known".to_owned(),
            };
            let Shard { broker_addr, state, .. } = shard;
            table.row([&state.broker_name, broker_addr, &"master", &state.epoch, &state.end_offset, &missing]);
        }
        table.fmt(f)?;
        writeln!(f, "Of what the last master stored after this slave heard of it last, nothing is known here.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_shards_are_found_from_any_of_them() {
        let state = MasterSlaveState { shard: 1, shards: 3, ..MasterSlaveState::default() };
        assert_eq!(addresses("h:10921", &state).unwrap(), ["h:10911", "h:10921", "h:10931"]);
        assert!(addresses("h", &state).is_err());
    }
}
