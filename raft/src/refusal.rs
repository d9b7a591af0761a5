//! Why a message or report from another replica is not taken.

use raft::eraftpb::MessageType;

/// Why a message or report from another replica is not taken. It has changed nothing.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// The state file or the log is being written; raft tolerates the loss.
    #[error("dropped while the replica writes")]
    WorkUnderWay,
    /// This replica has lost its disk and does not know which terms it took part in, nor for whom it voted.
    #[error("dropped until a leader lets this replica in, which has lost its disk")]
    TermsUnknown,
    /// This replica may have forgotten what it confirmed.
    #[error("a vote for replica {candidate} is not given: this replica may have forgotten what it confirmed")]
    NotTrusted {
        /// Who asked.
        candidate: u64,
    },
    /// A handover to a replica that cannot take it at this moment.
    #[error("leadership is not taken over: the log is not persisted to its end, or may be too short")]
    NotReady,
    /// It is for another replica.
    #[error("the message is for replica {to}")]
    NotForUs {
        /// Whom it is for.
        to: u64,
    },
    /// It is from nobody, from this replica itself, or from a replica that is not a member and answers nevertheless.
    #[error("a {kind:?} from replica {from} makes no sense here")]
    Stranger {
        /// What it is.
        kind: MessageType,
        /// Whom it claims to be from.
        from: u64,
    },
    /// A kind that only a replica itself makes, or that this driver does not use.
    #[error("{kind:?} does not come over the network")]
    NotServed {
        /// What it is.
        kind: MessageType,
    },
    /// A number is missing, or beyond every possible one.
    #[error("{field} of the {kind:?} is {value}")]
    Number {
        /// What it is.
        kind: MessageType,
        /// Which one.
        field: &'static str,
        /// The number.
        value: u64,
    },
    /// It carries what does not belong into it.
    #[error("a {kind:?} carries {what}")]
    Superfluous {
        /// What it is.
        kind: MessageType,
        /// What it should not have.
        what: &'static str,
    },
    /// Its entries have a gap, or do not begin where it says.
    #[error("entry {expected} is due, the message has entry {found}")]
    Gap {
        /// The index that had to be next.
        expected: u64,
        /// The index that is.
        found: u64,
    },
    /// Its terms go back, or lead beyond its leader's.
    #[error("entry {index} has term {term}, which does not lie within {low}..={high}")]
    Term {
        /// Where.
        index: u64,
        /// The term there.
        term: u64,
        /// The least possible one.
        low: u64,
        /// The highest possible one.
        high: u64,
    },
    /// Its entries lie upon each other in the CommitLog, or elsewhere than the same ones here.
    #[error("entry {index} with {bytes} bytes cannot lie at {position}")]
    Place {
        /// Which entry.
        index: u64,
        /// Its physical offset.
        position: u64,
        /// Its size.
        bytes: u32,
    },
    /// It changes the membership, but cannot be read.
    #[error("entry {index} is no membership change: {reason}")]
    Membership {
        /// Which entry.
        index: u64,
        /// Why not.
        reason: String,
    },
    /// It contradicts what is committed here: one of the two logs is not of this group, or has lost something.
    #[error("entry {index} is committed with term {committed_term}, the message has term {term} for it")]
    ConflictsWithCommitted {
        /// Which entry.
        index: u64,
        /// Its term here.
        committed_term: u64,
        /// Its term there.
        term: u64,
    },
    /// It speaks of entries that this log does not have.
    #[error("{field} of the {kind:?} is {index}, the log ends at {last}")]
    BeyondLog {
        /// What it is.
        kind: MessageType,
        /// Which field.
        field: &'static str,
        /// The index there.
        index: u64,
        /// Last index of the log.
        last: u64,
    },
    /// Two replicas claim to lead the same term.
    #[error("replica {from} claims to lead term {term}, which replica {leader} leads")]
    SecondLeader {
        /// Who claims it.
        from: u64,
        /// The term.
        term: u64,
        /// Who leads it.
        leader: u64,
    },
}
