//! VIEW_MESSAGE_BY_ID (33): one record by its physical offset.

use std::rc::Rc;

use protocol::code::ResponseCode;

use crate::env::Env;
use crate::request::{Halt, Request};
use crate::shard::Shard;

pub(crate) fn run<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let offset: i64 = request.header.require("offset")?;
    let (task_shard, ticket) = (shard.clone(), request.ticket());
    let bytes = shard.config.sends.body_bytes_max as usize;
    shard.spawn_read(ticket, bytes, async move {
        let found = match u64::try_from(offset) {
            Ok(position) => task_shard.read_record_at(position).await.ok(),
            Err(_) => None,
        };
        match found {
            Some(record) => ticket.succeed_with_body(&task_shard, &record),
            None => {
                let remark = format!("can not find message by the offset, {offset}");
                ticket.answer(&task_shard, ResponseCode::SYSTEM_ERROR, Some(&remark), |_| ());
            }
        }
    })
}
