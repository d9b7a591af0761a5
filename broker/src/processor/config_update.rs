//! UPDATE_BROKER_CONFIG (25): settings that may change while the broker runs. They hold until its restart.

use std::rc::Rc;

use protocol::code::ResponseCode;

use crate::config::error::{ConfigError, ConfigErrors};
use crate::env::Env;
use crate::request::{Halt, Request};
use crate::shard::Shard;

/// A body without lines changes nothing and is no error, as with the reference.
pub(crate) fn run<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let invalid = |remark: String| Halt::refuse(ResponseCode::INVALID_PARAMETER, remark);
    let text = std::str::from_utf8(request.body).map_err(|error| invalid(format!("the body is no text: {error}")))?;
    let update = shard.config.update(text).map_err(|errors| refused(&errors))?;
    if let Some(ignored) = update.ignored.first() {
        // Taking the rest would leave its user in the belief that all of it holds.
        return Err(Halt::refuse(
            ResponseCode::NO_PERMISSION,
            format!("{} is not changed, and nothing else: {}", ignored.key, ignored.reason),
        ));
    }
    let permission_before = shard.config.identity.permission;
    shard.config.replace(update.config).map_err(|full| Halt::refuse(ResponseCode::SYSTEM_ERROR, full.to_string()))?;
    {
        let (mut tables, topics) = (shard.tables.borrow_mut(), &shard.config.topics);
        tables.topics.set_auto_create(topics.auto_create);
        tables.groups.set_auto_create(topics.auto_create_group);
        if permission_before != shard.config.identity.permission {
            tables.topics.advance_version(shard.env.now_ms());
            shard.note_topics_changed();
        }
    }
    for warning in &update.warnings {
        tracing::warn!(%warning, shard = shard.identity.broker_name, "a setting was changed");
    }
    let applied = update.applied.join(", ");
    tracing::info!(applied, remote = %request.peer.remote, shard = shard.identity.broker_name, "settings were changed");
    let remark = format!("until the restart: {applied}; the configuration file is not written");
    let remark = Some(remark.as_str()).filter(|_| !update.applied.is_empty());
    request.ticket().answer(shard, ResponseCode::SUCCESS, remark, |_| ());
    Ok(())
}

fn refused(errors: &ConfigErrors) -> Halt {
    let is_listed = errors.0.iter().any(|error| matches!(error, ConfigError::BlackListed { .. }));
    let code = if is_listed { ResponseCode::NO_PERMISSION } else { ResponseCode::INVALID_PARAMETER };
    Halt::refuse(code, errors.to_string())
}
