//! PUT_KV_CONFIG (100), GET_KV_CONFIG (101), DELETE_KV_CONFIG (102), GET_KVLIST_BY_NAMESPACE (219).

use protocol::body::KvTable;
use protocol::code::ResponseCode;

use super::{Answer, Outcome, Refusal, Request};
use crate::name_server::{ChangeError, NameServer};

impl From<ChangeError> for Refusal {
    fn from(error: ChangeError) -> Self {
        Self::error(error.to_string())
    }
}

/// An empty value is a value.
pub(crate) fn put(server: &mut NameServer, request: &Request<'_>) -> Outcome {
    let header = request.header;
    let (Some(namespace), Some(key)) = (header.get("namespace"), header.get("key")) else {
        return Err(Refusal::error("namespace or key is null"));
    };
    let value = header.get("value").unwrap_or_default();
    server.change_kv(|kv| kv.put(namespace, key, value))?;
    Ok(Answer::done())
}

pub(crate) fn get(server: &mut NameServer, request: &Request<'_>) -> Outcome {
    let (namespace, key) = (request.require("namespace")?, request.require("key")?);
    match server.kv().get(namespace, key) {
        Some(value) => Ok(Answer::done().field("value", value)),
        None => {
            let remark = format!("No config item, Namespace: {namespace} Key: {key}");
            Err(Refusal::new(ResponseCode::QUERY_NOT_FOUND, remark))
        }
    }
}

/// A key that is not there is no error.
pub(crate) fn delete(server: &mut NameServer, request: &Request<'_>) -> Outcome {
    let (namespace, key) = (request.require("namespace")?, request.require("key")?);
    if server.kv().get(namespace, key).is_some() {
        server.change_kv(|kv| kv.delete(namespace, key))?;
    }
    Ok(Answer::done())
}

pub(crate) fn list(server: &mut NameServer, request: &Request<'_>) -> Outcome {
    let namespace = request.require("namespace")?;
    match table_body(server, namespace) {
        Some(body) => Ok(Answer::body(body)),
        None => {
            let remark = format!("No config item, Namespace: {namespace}");
            Err(Refusal::new(ResponseCode::QUERY_NOT_FOUND, remark))
        }
    }
}

/// `{"table":{…}}` of a namespace; `None` when it never had a value.
pub(super) fn table_body(server: &NameServer, namespace: &str) -> Option<Vec<u8>> {
    let table = server.kv().namespace(namespace)?.clone();
    Some(KvTable { table }.encode())
}
