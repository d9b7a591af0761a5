//! CHANGE_GROUP_MEMBERS (7001), a code of Turbopump's own: adds a node to a group of replicas, removes one, or both.
//!
//! ```text
//! change   add | remove
//! node     n3
//! address  10.0.0.4:40911      where shard 0 of the node listens for the others; only with add
//! replaces n1                  the node that goes when it has come; only with add, may be absent
//! ```

use std::net::SocketAddr;
use std::rc::Rc;

use protocol::code::ResponseCode;

use crate::config::parse::node_id::NodeId;
use crate::env::Env;
use crate::replication::MemberRequest;
use crate::request::{Halt, Request};
use crate::shard::Shard;

pub(crate) fn run<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let header = request.header;
    let invalid = |remark: String| Halt::refuse(ResponseCode::INVALID_PARAMETER, remark);
    let node = |text: &str| {
        let id = NodeId::parse(text).map(NodeId::raft_id);
        id.ok_or_else(|| invalid(format!("{text} is no node of a group: n and a number, as in dLegerPeers")))
    };
    let wanted = match header.require_str("change")? {
        "add" => {
            let text = header.require_str("address")?;
            let address: SocketAddr =
                text.parse().map_err(|_| invalid(format!("{text} is no IP address with a port")))?;
            if address.ip().is_unspecified() || address.port() == 0 {
                return Err(invalid(format!("{text} is not where anybody could reach a node")));
            }
            let replaces = header.get("replaces").map(node).transpose()?;
            MemberRequest::Add { node: node(header.require_str("node")?)?, address, replaces }
        }
        "remove" => MemberRequest::Remove { node: node(header.require_str("node")?)? },
        other => return Err(invalid(format!("the change {other} is neither add nor remove"))),
    };
    let change = shard.change_members(&wanted)?;
    request.ticket().succeed_with_body(shard, &change.encode());
    Ok(())
}
