//! What is measured: one broker, or a group of replicas.

use crate::case::{Case, Stage};
use crate::error::CompareError;
use crate::group_session::GroupSession;
use crate::record::{Measurement, Setup};
use crate::session::Session;
use crate::side::Side;
use crate::tools::Tools;

/// One of both, running.
pub(crate) enum Subject<'a> {
    Broker(Session<'a>),
    Group(GroupSession<'a>),
}

impl<'a> Subject<'a> {
    /// On empty stores. Where replicas are measured, [`Side::Alone`] is what has none.
    pub(crate) fn start(tools: &'a Tools, side: Side, stage: Stage) -> Result<Self, CompareError> {
        if stage.is_group() && side != Side::Alone {
            return GroupSession::start(tools, side, stage).map(Self::Group);
        }
        Session::start(tools, side, stage).map(Self::Broker)
    }

    /// How it was started, for the report.
    pub(crate) fn setup(&self) -> Setup {
        match self {
            Self::Broker(session) => session.setup(),
            Self::Group(session) => session.setup(),
        }
    }

    /// Measures one case. `rate` is the case's, worked out; `round` counts from 1.
    pub(crate) fn measure(
        &mut self,
        case: &Case,
        rate: Option<f64>,
        round: u32,
        measurement: &mut Measurement,
    ) -> Result<(), CompareError> {
        match self {
            Self::Broker(session) => session.measure(case, rate, measurement),
            Self::Group(session) => session.measure(case, rate, round, measurement),
        }
    }

    /// Itself, unless its stores have grown so large that the next case should begin with empty ones: then it ends.
    pub(crate) fn unless_full(self) -> Result<Option<Self>, CompareError> {
        let is_full = match &self {
            Self::Broker(session) => session.wants_fresh_store()?,
            Self::Group(session) => session.wants_fresh_store()?,
        };
        if is_full { self.finish().map(|()| None) } else { Ok(Some(self)) }
    }

    /// Ends it and deletes its stores.
    pub(crate) fn finish(self) -> Result<(), CompareError> {
        match self {
            Self::Broker(session) => session.finish(),
            Self::Group(session) => session.finish(),
        }
    }
}
