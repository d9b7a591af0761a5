//! Changes that a task of the shard makes, after it has read something: a request's handler is offered again while the log
//! is full, a task has to wait.

use std::rc::Rc;
use std::time::Duration;

use protocol::code::ResponseCode;

use crate::env::Env;
use crate::request::{Halt, Refusal};
use crate::shard::Shard;

const TRIES: u32 = 1_000;
const WAIT: Duration = Duration::from_millis(2);

/// As [`Shard::admit_change`], waiting while the log is full.
/// # Errors
/// It takes no more, or not for 2 s.
pub(crate) async fn admit_patiently<E: Env>(shard: &Rc<Shard<E>>) -> Result<(), Refusal> {
    for _ in 0..TRIES {
        match shard.admit_change() {
            Ok(()) => return Ok(()),
            Err(Halt::Refuse(refusal)) => return Err(refusal),
            Err(Halt::Stall) => wait(shard).await,
        }
    }
    Err(timed_out())
}

/// As [`Shard::log_offsets`], until the log has all of them.
/// # Errors
/// As [`admit_patiently`].
pub(crate) async fn log_offsets_patiently<E: Env>(shard: &Rc<Shard<E>>) -> Result<(), Refusal> {
    for _ in 0..TRIES {
        admit_patiently(shard).await?;
        if shard.log_offsets() {
            return Ok(());
        }
        wait(shard).await;
    }
    Err(timed_out())
}

/// Does what a handler would do, again while the log is full. `change` does all or nothing.
/// # Errors
/// What `change` is refused, or the log takes nothing for 2 s.
pub(crate) async fn offer_patiently<E: Env>(
    shard: &Rc<Shard<E>>,
    mut change: impl FnMut() -> Result<(), Halt>,
) -> Result<(), Refusal> {
    for _ in 0..TRIES {
        match change() {
            Ok(()) => return Ok(()),
            Err(Halt::Refuse(refusal)) => return Err(refusal),
            Err(Halt::Stall) => wait(shard).await,
        }
    }
    Err(timed_out())
}

async fn wait<E: Env>(shard: &Rc<Shard<E>>) {
    shard.sweep_end();
    shard.env.sleep(WAIT).await;
}

fn timed_out() -> Refusal {
    Refusal::new(ResponseCode::SYSTEM_BUSY, "[TIMEOUT_CLEAN_QUEUE]the log takes no more for now")
}
