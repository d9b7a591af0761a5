//! Which queue of a topic a request may name, and what it is told otherwise.

use protocol::body::TopicConfig;
use std::fmt;
use std::net::SocketAddr;
use thiserror::Error;

/// A request named a queue its topic does not have; answered with `INVALID_PARAMETER`. The text is the remark.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum QueueIdError {
    /// A send.
    #[error("request queueId[{queue_id}] is illegal, {topic} Producer: {producer}")]
    Send {
        /// As received.
        queue_id: i32,
        /// The topic as [`TopicConfigText`] writes it.
        topic: String,
        /// Who sent it.
        producer: SocketAddr,
    },
    /// A pull.
    #[error(
        "queueId[{queue_id}] is illegal, topic:[{topic}] topicConfig.readQueueNums:[{read_queue_nums}] \
         consumer:[/{consumer}]"
    )]
    Pull {
        /// As received.
        queue_id: i32,
        /// The topic's name.
        topic: String,
        /// How many queues it has for consumers.
        read_queue_nums: i32,
        /// Who pulls.
        consumer: SocketAddr,
    },
}

/// The queue a send goes to: the one it names, or for a negative id one of those with write permission, picked by
/// `random`.
///
/// # Errors
/// [`QueueIdError::Send`] for a queue that the topic has neither for producers nor for consumers.
pub fn send_queue_id(
    config: &TopicConfig,
    queue_id: i32,
    random: u32,
    producer: SocketAddr,
) -> Result<i32, QueueIdError> {
    let queue_nums = config.read_queue_nums.max(config.write_queue_nums);
    match u32::try_from(config.write_queue_nums) {
        Ok(write_queue_nums @ 1..) if queue_id < 0 => Ok((random % write_queue_nums) as i32),
        _ if (0..queue_nums).contains(&queue_id) => Ok(queue_id),
        _ => Err(QueueIdError::Send { queue_id, topic: TopicConfigText(config).to_string(), producer }),
    }
}

/// Whether consumers may pull from the queue.
///
/// # Errors
/// [`QueueIdError::Pull`].
pub fn check_pull_queue_id(config: &TopicConfig, queue_id: i32, consumer: SocketAddr) -> Result<(), QueueIdError> {
    if (0..config.read_queue_nums).contains(&queue_id) {
        return Ok(());
    }
    let TopicConfig { topic_name, read_queue_nums, .. } = config;
    Err(QueueIdError::Pull { queue_id, topic: topic_name.clone(), read_queue_nums: *read_queue_nums, consumer })
}

/// A topic as the reference's remarks show it.
#[derive(Debug, Clone, Copy)]
pub struct TopicConfigText<'a>(pub &'a TopicConfig);

impl fmt::Display for TopicConfigText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TopicConfig { topic_name, read_queue_nums, write_queue_nums, .. } = self.0;
        let TopicConfig { perm, topic_filter_type, topic_sys_flag, order, attributes, .. } = self.0;
        let attributes: Vec<_> = attributes.iter().map(|(key, value)| format!("{key}={value}")).collect();
        write!(
            f,
            "TopicConfig [topicName={topic_name}, readQueueNums={read_queue_nums}, \
             writeQueueNums={write_queue_nums}, perm={}, topicFilterType={topic_filter_type}, \
             topicSysFlag={topic_sys_flag}, order={order}, attributes={{{}}}]",
            perm_text(*perm),
            attributes.join(", ")
        )
    }
}

/// `RWX`, with `-` for what is not there; X = inherit.
fn perm_text(bits: i32) -> String {
    use crate::topic_table::perm;
    let letters = [(perm::READ, 'R'), (perm::WRITE, 'W'), (perm::INHERIT, 'X')];
    letters.map(|(bit, letter)| if bits & bit == bit { letter } else { '-' }).iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(read_queue_nums: i32, write_queue_nums: i32) -> TopicConfig {
        TopicConfig { topic_name: "TR1".to_owned(), read_queue_nums, write_queue_nums, ..TopicConfig::default() }
    }

    fn client() -> SocketAddr {
        "127.0.0.1:52976".parse().unwrap()
    }

    #[test]
    fn a_send_to_a_queue_out_of_range_is_told_the_topic() {
        let error = send_queue_id(&config(4, 4), 99, 0, client()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "request queueId[99] is illegal, TopicConfig [topicName=TR1, readQueueNums=4, writeQueueNums=4, perm=RW-, \
             topicFilterType=SINGLE_TAG, topicSysFlag=0, order=false, attributes={}] Producer: 127.0.0.1:52976"
        );
    }

    #[test]
    fn a_pull_from_a_queue_out_of_range_is_told_how_many_there_are() {
        let error = check_pull_queue_id(&config(4, 8), 9, client()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "queueId[9] is illegal, topic:[TR1] topicConfig.readQueueNums:[4] consumer:[/127.0.0.1:52976]"
        );
        assert!(check_pull_queue_id(&config(4, 8), -1, client()).is_err());
        assert!(check_pull_queue_id(&config(4, 8), 4, client()).is_err());
        assert_eq!(check_pull_queue_id(&config(4, 8), 3, client()), Ok(()));
    }

    #[test]
    fn sends_may_use_queues_that_only_consumers_still_have() {
        assert_eq!(send_queue_id(&config(8, 4), 7, 0, client()), Ok(7));
        assert!(send_queue_id(&config(8, 4), 8, 0, client()).is_err());
    }

    #[test]
    fn a_negative_queue_id_lets_the_broker_pick_among_the_writable() {
        for random in [0, 3, 4, u32::MAX] {
            assert_eq!(send_queue_id(&config(8, 4), -1, random, client()), Ok((random % 4) as i32));
        }
        assert!(send_queue_id(&config(8, 0), -1, 5, client()).is_err(), "there is none");
    }

    #[test]
    fn attributes_and_permissions_are_spelt_out() {
        let attributes = [("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())].into();
        let text = TopicConfigText(&TopicConfig { perm: 5, attributes, ..config(1, 1) }).to_string();
        assert!(text.contains("perm=R-X") && text.ends_with("attributes={a=1, b=2}]"), "{text}");
    }
}
