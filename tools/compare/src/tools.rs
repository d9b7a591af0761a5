//! What every part of a comparison needs.

use std::path::PathBuf;

use crate::case::Stage;
use crate::error::CompareError;
use crate::interrupt::Interrupt;
use crate::load::bench_run::Bench;
use crate::load::java_client::JavaClient;
use crate::peer::apache_jars::ApacheJars;
use crate::peer::cluster::Cluster;
use crate::peer::group_plan::GroupPlan;
use crate::peer::{apache, apache_group, turbopump, turbopump_group};
use crate::programs::Programs;
use crate::settings::Settings;
use crate::side::Side;

/// Programs, folders and settings; nothing of it changes while measurements are made.
#[derive(Debug, Clone)]
pub struct Tools {
    /// How everything is measured.
    pub settings: Settings,
    /// Our programs.
    pub programs: Programs,
    /// The peer's.
    pub jars: ApacheJars,
    /// The load generator.
    pub bench: Bench,
    /// The other load.
    pub java: JavaClient,
    /// Folder of stores and logs.
    pub work: PathBuf,
    /// First port to try.
    pub first_port: u16,
    /// Whether to go on.
    pub interrupt: Interrupt,
}

impl Tools {
    /// A cluster of one side, with its configuration written.
    /// # Errors
    /// A file cannot be written, or no port is free.
    /// # Panics
    /// For the bare ceiling, which is no broker.
    pub fn cluster(&self, side: Side, stage: Stage) -> Result<Cluster, CompareError> {
        let (settings, work, first_port) = (&self.settings, &self.work, self.first_port);
        match side {
            Side::Apache => apache::cluster(&self.jars, settings, stage, work, first_port),
            Side::Turbopump | Side::Alone => {
                turbopump::cluster(&self.programs, settings, side, stage, work, first_port)
            }
            Side::Ceiling => panic!("the bare ceiling has no cluster"),
        }
    }

    /// Three replicas of one side, with their configurations written.
    /// # Errors
    /// A file cannot be written, or no port is free.
    /// # Panics
    /// For a side that has no replicas.
    pub fn group(&self, side: Side, stage: Stage) -> Result<GroupPlan, CompareError> {
        let (settings, work, first_port) = (&self.settings, &self.work, self.first_port);
        match side {
            Side::Apache => apache_group::plan(&self.jars, settings, stage, work, first_port),
            Side::Turbopump => turbopump_group::plan(&self.programs, settings, stage, work, first_port),
            Side::Alone | Side::Ceiling => panic!("{} has no replicas", side.name()),
        }
    }
}
