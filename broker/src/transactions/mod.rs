//! Transactional messages: the first half of one lies where no consumer looks, until its producer ends it.
//!
//! A half message is a record in queue 0 of `RMQ_SYS_TRANS_HALF_TOPIC` whose properties say where it belongs. That it is
//! there puts a row into [`HalfMessages`]; one control record, [`TransactionEnded`](crate::control_record::TransactionEnded),
//! takes the row out. A commit's message and that record are one unit of the log, so a crash neither loses the message nor
//! stores it twice, and every replica, whoever leads, has the same rows. [`check_back`] asks producers who say nothing.

pub(crate) mod check_back;
pub(crate) mod give_up;
mod half_messages;

pub use self::half_messages::{CheckLimits, Due, DueTurn, HALF_MESSAGES_MAX, HalfMessage, HalfMessages, StoredHalf};

/// The queue of `RMQ_SYS_TRANS_HALF_TOPIC`.
pub(crate) const HALF_QUEUE_ID: i32 = 0;
