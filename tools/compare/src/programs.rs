//! Where the programs are that are measured and that measure.

use std::env;
use std::path::{Path, PathBuf};

use crate::cli::RunArgs;
use crate::error::CompareError;

/// Paths of programs that are there.
#[derive(Debug, Clone)]
pub struct Programs {
    /// Our broker.
    pub mqbroker: PathBuf,
    /// Our name server.
    pub mqnamesrv: PathBuf,
    /// The load generator.
    pub mqbench: PathBuf,
    /// The program without protocol work.
    pub bare_ceiling: PathBuf,
}

impl Programs {
    /// Looks for all of them: where the flags say, else beside this program.
    /// # Errors
    /// [`CompareError::NoProgram`] for the first that is missing.
    pub fn find(args: &RunArgs) -> Result<Self, CompareError> {
        let beside = || env::current_exe().ok()?.parent().map(Path::to_owned);
        let folder = args.bin_dir.clone().or_else(beside).unwrap_or_default();
        let found = |program: &'static str, path: PathBuf| {
            if path.is_file() { Ok(path) } else { Err(CompareError::NoProgram { program, path }) }
        };
        let mqbench = args.mqbench.clone().unwrap_or_else(|| folder.join("mqbench"));
        Ok(Self {
            mqbroker: found("mqbroker", folder.join("mqbroker"))?,
            mqnamesrv: found("mqnamesrv", folder.join("mqnamesrv"))?,
            mqbench: found("mqbench", mqbench)?,
            bare_ceiling: found("bare-ceiling", folder.join("bare-ceiling"))?,
        })
    }
}
