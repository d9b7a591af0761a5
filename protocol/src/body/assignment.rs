//! Queues that a broker shares out among the members of a group (400).

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::heartbeat::MessageModel;
use super::message_queue::MessageQueue;

/// Which queues of a topic are a member's?
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AssignmentQuery {
    /// The member that asks.
    pub client_id: String,
    /// Its group.
    pub consumer_group: String,
    /// Who of the group gets a message.
    pub message_model: MessageModel,
    /// How queues are shared out, by the name of the client's strategy: `AVG`, `AVG_BY_CIRCLE`.
    pub strategy_name: String,
    /// The topic.
    pub topic: String,
}

/// One queue, or with queue id -1 all that a topic has on one broker.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct QueueAssignment {
    /// For what later releases add.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attachments: Option<BTreeMap<String, String>>,
    /// The queue.
    pub message_queue: MessageQueue,
    /// `PULL` or `POP`.
    pub mode: String,
}

/// What is the member's. Without a list it keeps what it has; with an empty one nothing is its.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Assignments {
    /// The queues.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_queue_assignments: Option<Vec<QueueAssignment>>,
}

json_body!(AssignmentQuery, Assignments);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_and_its_answer_are_read_and_written_as_the_reference_does() {
        let text = br#"{"clientId":"192.0.2.2@1#2","consumerGroup":"g","messageModel":"CLUSTERING","strategyName":"AVG","topic":"T"}"#;
        let query = AssignmentQuery::decode(text).unwrap();
        assert_eq!((query.client_id.as_str(), query.message_model), ("192.0.2.2@1#2", MessageModel::Clustering));
        assert_eq!(query.encode(), text);

        let text =
            br#"{"messageQueueAssignments":[{"messageQueue":{"brokerName":"b","queueId":-1,"topic":"T"},"mode":"POP"}]}"#;
        let answer = Assignments::decode(text).unwrap();
        assert_eq!(answer.message_queue_assignments.as_ref().unwrap()[0].message_queue.queue_id, -1);
        assert_eq!(answer.encode(), text);
        assert_eq!(Assignments::default().encode(), b"{}");
    }
}
