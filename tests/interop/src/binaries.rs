//! Where our own programs are.

use std::env;
use std::path::PathBuf;
use std::time::SystemTime;

use crate::scratch;

/// Folder of `mqbroker`, `mqnamesrv` and `mqadmin`, if not the target folder of the workspace.
pub const BIN_DIR_VARIABLE: &str = "TURBOPUMP_BIN_DIR";

/// The path of one of our programs: in [`BIN_DIR_VARIABLE`], else the newer one of the release and the debug build.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn path_of(program: &str) -> PathBuf {
    if let Some(folder) = env::var_os(BIN_DIR_VARIABLE) {
        let path = PathBuf::from(folder).join(program);
        assert!(path.is_file(), "no {program} at {}, where {BIN_DIR_VARIABLE} points", path.display());
        return path;
    }
    let target = scratch::target_folder();
    let built = |profile: &str| -> Option<(SystemTime, PathBuf)> {
        let path = target.join(profile).join(program);
        Some((path.metadata().ok()?.modified().ok()?, path))
    };
    let newest = ["release", "debug"].into_iter().filter_map(built).max();
    newest.map(|(_, path)| path).unwrap_or_else(|| {
        panic!(
            "no {program} in {0}/release or {0}/debug: run `cargo build --release` for the workspace first, or set \
             {BIN_DIR_VARIABLE} to the folder it is in",
            target.display()
        )
    })
}
