//! REGISTER_BROKER (103): a broker brings its topics, and says that it is alive.

use std::time::Duration;

use protocol::body::{RegisterBrokerBody, TopicConfigTable};

use super::{Answer, Outcome, Refusal, Request, kv_config};
use crate::broker_registry::Registration;
use crate::kv_config::NAMESPACE_ORDER_TOPIC_CONFIG;
use crate::name_server::NameServer;

/// Release 3.0.11: older brokers send the topic table without anything around it.
const REGISTER_BODY_VERSION: i32 = 37;

pub(crate) fn run(server: &mut NameServer, request: &Request<'_>) -> Outcome {
    let header = request.header;
    let identity = request.broker_identity()?;
    check_crc(request)?;
    let body = decode_body(request)?;
    let table = body.topic_config_table;
    let registration = Registration {
        cluster: &identity.cluster,
        broker_name: request.require("brokerName")?,
        broker_id: header.require("brokerId")?,
        address: &identity.address,
        ha_server_address: request.optional("haServerAddr")?,
        zone: request.optional("__ZONE_NAME")?,
        silence_max: header.optional::<i64>("heartbeatTimeoutMillis")?.map(millis),
        acting_master: header.optional("enableActingMaster")?,
        data_version: table.data_version,
        topics: table.topic_config_table,
        mappings: table.topic_queue_mapping_info_map,
        filter_servers: body.filter_server_list,
        connection: request.connection,
    };
    let drop_missing_topics = server.config.delete_topic_with_broker_registration;
    let master = server
        .registry
        .register(request.now, registration, drop_missing_topics)
        .map_err(|error| Refusal::from_error(&error))?;

    let mut answer = Answer::done();
    if server.config.return_order_topic_config_to_broker {
        answer.body = kv_config::table_body(server, NAMESPACE_ORDER_TOPIC_CONFIG).unwrap_or_default();
    }
    answer.fields.extend(master.ha_server_address.map(|address| ("haServerAddr", address)));
    answer.fields.extend(master.address.map(|address| ("masterAddr", address)));
    Ok(answer)
}

/// A time below zero is over at once.
fn millis(millis: i64) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}

/// The checksum is over the body as sent; 0 means that there is none.
fn check_crc(request: &Request<'_>) -> Result<(), Refusal> {
    let sent = request.header.optional::<i32>("bodyCrc32")?.unwrap_or(0);
    let computed = (crc32fast::hash(request.body) & 0x7FFF_FFFF) as i32;
    if sent != 0 && sent != computed { Err(Refusal::error("crc32 not match")) } else { Ok(()) }
}

/// Whether the body is compressed is told by its first byte: a broker of 5.5.0 with `compressedRegister=true` still
/// says `compressed=false`, and is refused by its own name server for that.
fn decode_body(request: &Request<'_>) -> Result<RegisterBrokerBody, Refusal> {
    if request.header.version < REGISTER_BODY_VERSION && !request.body.is_empty() {
        let table = TopicConfigTable::decode(request.body).map_err(|error| Refusal::from_error(&error))?;
        return Ok(RegisterBrokerBody { topic_config_table: table, ..RegisterBrokerBody::default() });
    }
    RegisterBrokerBody::decode(request.body).map_err(|error| Refusal::from_error(&error))
}
