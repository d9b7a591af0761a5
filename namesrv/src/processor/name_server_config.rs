//! UPDATE_NAMESRV_CONFIG (318) and GET_NAMESRV_CONFIG (319).

use protocol::code::ResponseCode;
use tracing::{info, warn};

use super::{Answer, Outcome, Refusal, Request};
use crate::config::ConfigError;
use crate::name_server::NameServer;

impl From<ConfigError> for Refusal {
    fn from(error: ConfigError) -> Self {
        match error {
            ConfigError::BlackListed { .. } => {
                Self::new(ResponseCode::NO_PERMISSION, "Can not update config in black list.")
            }
            ConfigError::Text { .. } | ConfigError::UnknownKey { .. } | ConfigError::BadValue { .. } => {
                Self::error(error.to_string())
            }
        }
    }
}

/// A request without a body changes nothing.
pub(crate) fn update(server: &mut NameServer, request: &Request<'_>) -> Outcome {
    if request.body.is_empty() {
        return Ok(Answer::done());
    }
    let text = std::str::from_utf8(request.body).map_err(|error| Refusal::from_error(&error))?;
    let loaded = server.config.update(text)?;
    for warning in loaded.warnings {
        warn!("{warning}");
    }
    server.change_config(loaded.config)?;
    info!("settings changed by a request");
    Ok(Answer::done())
}

pub(crate) fn get(server: &mut NameServer, _request: &Request<'_>) -> Outcome {
    Ok(Answer::body(server.config.to_text().into_bytes()))
}
