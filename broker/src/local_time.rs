//! The time of day where this machine is.

/// The hour, 0 to 23.
pub(crate) fn hour(now_ms: i64) -> u8 {
    local(now_ms).map_or((now_ms / 3_600_000 % 24) as u8, |local| local.tm_hour as u8)
}

/// A number that rises at midnight.
pub(crate) fn day(now_ms: i64) -> i64 {
    local(now_ms).map_or(now_ms / 86_400_000, |local| i64::from(local.tm_year) * 366 + i64::from(local.tm_yday))
}

fn local(now_ms: i64) -> Option<libc::tm> {
    let seconds = now_ms / 1000;
    let mut local = std::mem::MaybeUninit::<libc::tm>::uninit();
    // SAFETY: both pointers are valid for the call, and localtime_r fills `local` or returns null.
    let filled = unsafe { !libc::localtime_r(&seconds, local.as_mut_ptr()).is_null() };
    // SAFETY: filled just now.
    filled.then(|| unsafe { local.assume_init() })
}
