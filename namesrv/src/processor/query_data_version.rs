//! QUERY_DATA_VERSION (322): a broker asks whether it has to send its table. Counts as a sign of life.

use protocol::body::DataVersion;

use super::{Answer, Outcome, Refusal, Request};
use crate::name_server::NameServer;

pub(crate) fn run(server: &mut NameServer, request: &Request<'_>) -> Outcome {
    let identity = request.broker_identity()?;
    let asked = match request.body {
        [] => None,
        body => Some(DataVersion::decode(body).map_err(|error| Refusal::from_error(&error))?),
    };
    server.registry.heard(&identity, request.now);
    let known = server.registry.data_version(&identity);
    let changed = known.is_none() || known != asked;
    let answer = known.map(|version| Answer::body(version.encode())).unwrap_or_default();
    Ok(answer.field("changed", changed.to_string()))
}
