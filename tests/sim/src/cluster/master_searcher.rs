//! Finds the master for a machine, as the control thread of its broker would: everybody of its name is asked, over the network
//! and under the broker's own rules. There is no name server whose word would do where somebody does not answer.

use std::time::Duration;

use broker::master_slave::MasterNews;
use broker::master_slave::master_search::{Search, Verdict};
use protocol::body::MasterSlaveState;
use protocol::code::RequestCode;
use protocol::command::RemotingCommand;
use protocol::frame::HeaderEncoding;

use super::client::ClientWorld;
use super::network::HostId;
use super::process::{CLIENT_PORT, address};
use super::rpc::Rpc;

/// Who does not answer within this is not there.
const PATIENCE: Duration = Duration::from_secs(1);

/// Asks `others` from `host`; `None`: nothing is certain.
pub(super) async fn look(world: ClientWorld, host: HostId, others: Vec<HostId>, search: Search) -> Option<MasterNews> {
    let mut states = Vec::new();
    for other in others {
        states.push((address(other, CLIENT_PORT).to_string(), ask(&world, host, other).await));
    }
    match search.judge(false, &states) {
        Verdict::Master { epoch, address, slaves_address } => {
            let slaves_address = slaves_address.parse().ok()?;
            Some(MasterNews::Other { epoch, address, slaves_address })
        }
        Verdict::NoOther => Some(MasterNews::NoOther),
        Verdict::NotFound | Verdict::Unknown => None,
    }
}

async fn ask(world: &ClientWorld, from: HostId, to: HostId) -> Option<MasterSlaveState> {
    let to = (from, to, CLIENT_PORT);
    let mut rpc = Rpc::connect(&world.clock, &world.sockets, to, HeaderEncoding::Json, PATIENCE).await?;
    let request = RemotingCommand::request(RequestCode::GET_MASTER_SLAVE_STATE.0, 0);
    let answer = world.accept(rpc.ask(request, PATIENCE).await)??;
    MasterSlaveState::decode(&answer.body).ok()
}
