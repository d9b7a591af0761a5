//! What a plan has to hold before anything is connected.

use protocol::topic_name::{NameError, validate_group, validate_topic};

use super::{BATCH_MAX, BODY_BYTES_MAX, CONNECTIONS_MAX, IN_FLIGHT_MAX, Plan, Producers, SendMode, THREADS_MAX, Work};

/// Bytes that a message of `e2e` and `mixed` needs at least: run id and time stand at its beginning.
pub const STAMP_BYTES: usize = 16;

/// Names of properties that the load sets itself.
const OWN_PROPERTIES: [&str; 3] =
    [protocol::properties::UNIQ_KEY, protocol::properties::WAIT, protocol::properties::KEYS];

/// Why a plan cannot be run.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// A number outside its limits.
    #[error("{what} is {given}; {min} to {max} is possible")]
    Range {
        /// The flag.
        what: &'static str,
        /// As given.
        given: usize,
        /// The least.
        min: usize,
        /// The most.
        max: usize,
    },
    /// No topic at all.
    #[error("no topic is given; name one with -t TOPIC")]
    NoTopic,
    /// A name that no broker takes.
    #[error("topic `{topic}`")]
    Topic {
        /// As given.
        topic: String,
        /// What is wrong with it.
        source: NameError,
    },
    /// A group that no broker takes.
    #[error("group `{group}`")]
    Group {
        /// As given.
        group: String,
        /// What is wrong with it.
        source: NameError,
    },
    /// A rate that is none.
    #[error("--rate is {rate}; a number of messages a second above zero is needed")]
    Rate {
        /// As given.
        rate: f64,
    },
    /// Latency from when a send was due needs a rate.
    #[error("e2e measures from when each send was due, which needs --rate MESSAGES_PER_SECOND")]
    E2eWithoutRate,
    /// The stamp does not fit.
    #[error(
        "bodies of {bytes} bytes are too short: e2e and mixed write {STAMP_BYTES} bytes of run id and time into each"
    )]
    NoRoomForStamp {
        /// The shortest body.
        bytes: usize,
    },
    /// A batch that does not fit into a frame.
    #[error("a batch of {batch} bodies of {bytes} bytes does not fit into a frame of 16 MiB")]
    BatchTooLong {
        /// Messages.
        batch: usize,
        /// The longest body.
        bytes: usize,
    },
    /// A property that would break the encoding, or one that the load sets itself.
    #[error("property `{name}`: {reason}")]
    Property {
        /// As given.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Only consumers can drain.
    #[error("--drain is for consume: nobody else starts with a backlog")]
    DrainWithoutBacklog,
    /// It would never end.
    #[error("nothing ends this run; give --duration, --messages or --drain")]
    Endless,
}

impl Plan {
    /// Checks what can be checked without a cluster.
    ///
    /// # Errors
    /// The first thing that cannot be.
    pub fn check(&self) -> Result<(), PlanError> {
        if self.topics.is_empty() {
            return Err(PlanError::NoTopic);
        }
        for topic in &self.topics {
            validate_topic(topic).map_err(|source| PlanError::Topic { topic: topic.clone(), source })?;
        }
        range("--threads", self.threads, 1, THREADS_MAX)?;
        if let Some(queues) = self.create_topics {
            range("--queues", usize::from(queues), 1, usize::from(u16::MAX))?;
        }
        if let Some(producers) = self.work.producers() {
            check_producers(producers)?;
        }
        if let Some(consumers) = self.work.consumers() {
            range("--connections", consumers.connections, 1, CONNECTIONS_MAX)?;
            range("--batch", consumers.batch, 1, BATCH_MAX)?;
            let group = &consumers.group;
            validate_group(group).map_err(|source| PlanError::Group { group: group.clone(), source })?;
        }
        self.check_work()?;
        let end = self.end;
        if end.after_ms.is_none() && end.after_messages.is_none() && !end.drained {
            return Err(PlanError::Endless);
        }
        Ok(())
    }

    fn check_work(&self) -> Result<(), PlanError> {
        if let Work::E2e { producers, .. } = &self.work
            && producers.rate.is_none()
        {
            return Err(PlanError::E2eWithoutRate);
        }
        if let Work::E2e { producers, .. } | Work::Mixed { producers, .. } = &self.work
            && producers.body_size.min() < STAMP_BYTES
        {
            return Err(PlanError::NoRoomForStamp { bytes: producers.body_size.min() });
        }
        if self.end.drained && !matches!(self.work, Work::Consume { .. }) {
            return Err(PlanError::DrainWithoutBacklog);
        }
        Ok(())
    }
}

fn range(what: &'static str, given: usize, min: usize, max: usize) -> Result<(), PlanError> {
    if (min..=max).contains(&given) { Ok(()) } else { Err(PlanError::Range { what, given, min, max }) }
}

fn check_producers(producers: &Producers) -> Result<(), PlanError> {
    range("--connections", producers.connections, 1, CONNECTIONS_MAX)?;
    range("--in-flight", producers.in_flight, 1, IN_FLIGHT_MAX)?;
    let batch_max = if producers.mode == SendMode::Batch { BATCH_MAX } else { 1 };
    range("--batch", producers.batch, 1, batch_max)?;
    let bytes = producers.body_size.max();
    if producers.batch * bytes > BODY_BYTES_MAX {
        return Err(PlanError::BatchTooLong { batch: producers.batch, bytes });
    }
    if let Some(rate) = producers.rate
        && !(rate.is_finite() && rate > 0.0)
    {
        return Err(PlanError::Rate { rate });
    }
    producers.properties.iter().try_for_each(|(name, value)| check_property(name, value))
}

fn check_property(name: &str, value: &str) -> Result<(), PlanError> {
    let wrong = |reason| Err(PlanError::Property { name: name.to_owned(), reason });
    if name.is_empty() || value.is_empty() {
        return wrong("name and value must not be empty");
    }
    if [name, value].iter().any(|text| text.contains(['\u{1}', '\u{2}'])) {
        return wrong("the characters U+0001 and U+0002 separate properties and cannot stand in one");
    }
    if OWN_PROPERTIES.contains(&name) {
        return wrong("the load sets it itself (keys: --keys)");
    }
    Ok(())
}
