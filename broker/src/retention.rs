//! Which log segments go: expired ones in the hours set for it, more when the disk fills up. When that is not enough,
//! sends are refused.

use std::rc::Rc;

use protocol::record::decode_record;
use storage::StorageError;

use crate::env::Env;
use crate::local_time;
use crate::shard::Shard;
use crate::transactions::give_up::give_up_below;

/// Where the first message of a segment is looked for.
const SEARCHED_BYTES: u64 = 1 << 20;
/// Segments removed in one run, so that a long removal does not hold up the next look at the disk.
const REMOVED_MAX: usize = 4;

pub(crate) async fn run<E: Env>(shard: &Rc<Shard<E>>) {
    // A checkpoint under way, or a store that is being replaced, goes first.
    if !shard.is_checkpointing.replace(true) {
        let is_asked = shard.retention_asked.take();
        remove_segments(shard, is_asked).await;
        shard.is_checkpointing.set(false);
    }
    look_at_disk(shard);
}

impl<E: Env> Shard<E> {
    /// Removes the log's segments that lie wholly below `position` and that no checkpoint needs; how many.
    /// # Errors
    /// I/O.
    pub async fn remove_segments_below(self: &Rc<Self>, position: u64) -> Result<usize, StorageError> {
        if self.is_checkpointing.replace(true) {
            return Ok(0);
        }
        give_up_below(self, position).await;
        let mut removed = 0;
        let result = loop {
            let second = self.store.log().segments().get(1).map(|(second, _)| *second);
            if let Some(second) = second.filter(|second| *second <= position) {
                match self.is_free_of_timers_below(second).await {
                    Ok(true) => {}
                    Ok(false) => break Ok(removed),
                    Err(error) => break Err(error),
                }
            }
            match self.store.remove_oldest_segment_below(position).await {
                Ok(true) => removed += 1,
                Ok(false) => break Ok(removed),
                Err(error) => break Err(error),
            }
        };
        self.is_checkpointing.set(false);
        result
    }
}

fn look_at_disk<E: Env>(shard: &Shard<E>) {
    let config = &shard.config.store;
    let Some(used) = disk_used_percent(&config.root) else { return };
    let is_full = used >= config.disk_full_percent;
    if shard.disk_is_full.replace(is_full) != is_full {
        let (limit, shard) = (config.disk_full_percent, &shard.identity.broker_name);
        if is_full {
            tracing::error!(used, limit, shard, "sends are refused: the disk is used up to diskSpaceWarningLevelRatio");
        } else {
            tracing::info!(used, limit, shard, "sends are taken again");
        }
    }
}

/// `is_asked`: an operator wants expired ones to go whatever the hour is.
async fn remove_segments<E: Env>(shard: &Rc<Shard<E>>, is_asked: bool) {
    for _ in 0..REMOVED_MAX {
        let segments = shard.store.log().segments();
        let [(oldest, bytes), (second, _), ..] = segments[..] else { return };
        let Some(reason) = why_remove(shard, second, is_asked).await else { return };
        match shard.is_free_of_timers_below(second).await {
            Ok(true) => {}
            // They are stored again first.
            Ok(false) => return,
            Err(error) => {
                tracing::error!(%error, segment = oldest, "which timers wait in a log segment cannot be told; it stays");
                return;
            }
        }
        give_up_below(shard, oldest + bytes).await;
        match shard.store.remove_oldest_segment_below(oldest + bytes).await {
            Ok(true) => {
                tracing::info!(segment = oldest, reason, shard = shard.identity.broker_name, "log segment removed")
            }
            Ok(false) => return,
            Err(error) => {
                tracing::error!(%error, segment = oldest, "removing a log segment failed");
                return;
            }
        }
    }
    // There may be more.
    if is_asked {
        shard.retention_asked.set(true);
    }
}

/// The oldest segment is as old as the first message behind it.
async fn why_remove<E: Env>(shard: &Shard<E>, second: u64, is_asked: bool) -> Option<&'static str> {
    let config = &shard.config.store;
    let kept = shard.store.log().end().position.saturating_sub(second);
    if config.log_bytes_max > 0 && kept >= config.log_bytes_max {
        return Some("the log is longer than logBytesMax");
    }
    let used = disk_used_percent(&config.root)?;
    if used >= config.disk_clean_percent && config.clean_forcibly {
        return Some("the disk is nearly full");
    }
    let stored_ms = first_store_timestamp(shard, second).await?;
    let now_ms = shard.env.now_ms();
    let is_expired = now_ms - stored_ms >= config.reserved_time.as_millis() as i64;
    if !is_expired {
        return None;
    }
    let is_full = used >= config.disk_used_percent_max;
    why_remove_expired(is_full, is_asked, config.delete_hours.contains(local_time::hour(now_ms)))
}

/// Expired segments stay until their hour comes, unless somebody needs them to go.
fn why_remove_expired(is_full: bool, is_asked: bool, is_hour: bool) -> Option<&'static str> {
    match (is_full, is_asked, is_hour) {
        (true, ..) => Some("it is expired and the disk fills up"),
        (_, true, _) => Some("it is expired and an operator asks for it"),
        (_, _, true) => Some("it is expired"),
        _ => None,
    }
}

async fn first_store_timestamp<E: Env>(shard: &Shard<E>, segment: u64) -> Option<i64> {
    let log = shard.store.log();
    let end = log.stable().min(segment + SEARCHED_BYTES);
    let mut stored_ms = None;
    let searched = log.read_entries(segment, end, |header, payload| {
        // Control entries know no time.
        if stored_ms.is_none() && header.message_count > 0 {
            stored_ms = decode_record(payload).ok().map(|(record, _)| record.store_timestamp);
        }
        Ok(())
    });
    if let Err(error) = searched.await {
        tracing::warn!(%error, "the age of a log segment cannot be told; it stays");
    }
    stored_ms
}

fn disk_used_percent(path: &std::path::Path) -> Option<u8> {
    let stat = rustix::fs::statvfs(path).ok()?;
    let used = stat.f_blocks.saturating_sub(stat.f_bfree);
    // As df counts: of what an ordinary user could have.
    let usable = used + stat.f_bavail;
    (usable > 0).then(|| (used * 100).div_ceil(usable).min(100) as u8)
}

#[cfg(test)]
mod tests {
    use super::why_remove_expired;

    #[test]
    fn expired_segments_go_at_their_hour_or_when_the_disk_or_an_operator_wants_it() {
        assert_eq!(why_remove_expired(false, false, false), None);
        for (is_full, is_asked, is_hour) in [(true, false, false), (false, true, false), (false, false, true)] {
            assert!(why_remove_expired(is_full, is_asked, is_hour).is_some());
        }
    }
}
