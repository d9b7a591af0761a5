//! Transactional messages.

use std::time::Duration;

use super::values::Values;

/// Transactional messages.
#[derive(Debug, Clone)]
pub struct Transactions {
    /// A half message younger than this is left alone, ms. Default 6,000. RocketMQ: `transactionTimeOut`.
    pub timeout: Duration,
    /// Time between two looks at all half messages, ms. Default 30,000. RocketMQ: `transactionCheckInterval`.
    pub check_interval: Duration,
    /// A half message whose producers were asked so often is given up. Default 15. RocketMQ: `transactionCheckMax`.
    pub checks_max: u32,
    /// Half messages are refused. Default false. RocketMQ: `rejectTransactionMessage`.
    pub rejected: bool,
}

impl Transactions {
    pub(super) fn from_values(values: &Values) -> Self {
        Self {
            timeout: values.millis("transactionTimeOut"),
            check_interval: values.millis("transactionCheckInterval"),
            checks_max: values.number("transactionCheckMax"),
            rejected: values.bool("rejectTransactionMessage"),
        }
    }
}
