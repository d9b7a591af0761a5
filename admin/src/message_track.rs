//! How far each consumer group is with one message.

use client::{Admin, ReceivedMessage, WithCauses};
use protocol::body::{ConsumeStats, ConsumeType, ConsumerConnection, MessageModel, MessageQueue};
use serde::Serialize;

use crate::brokers::Place;
use crate::failure::Failure;
use crate::resolve;

/// One group and the message, in the original's words.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Track {
    pub(crate) consumer_group: String,
    pub(crate) track_type: &'static str,
    /// What kept the truth from being found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

/// The groups that consume the topic, and how far each is with the message, which lies on `broker_name`.
pub(crate) async fn tracks(
    admin: &Admin,
    topic: &str,
    broker_name: &str,
    message: &ReceivedMessage,
) -> Result<Vec<Track>, Failure> {
    let route = resolve::route(admin, topic).await?;
    let places = resolve::route_brokers(route.data());
    // Every broker knows every group; offsets are where the message is.
    let Some(place) = places.iter().find(|place| place.name() == broker_name).or(places.first()) else {
        return Ok(Vec::new());
    };
    let mut groups = admin.topic_groups(&place.broker_addr, topic).await?;
    groups.sort_unstable();
    let queue = MessageQueue::new(topic, broker_name, message.queue_id);
    let mut tracks = Vec::new();
    for group in groups {
        let (track_type, reason) = match track(admin, place, &group, &queue, message).await {
            Ok(track_type) => (track_type, None),
            Err(error) => ("UNKNOWN", Some(WithCauses(&error).to_string())),
        };
        tracks.push(Track { consumer_group: group, track_type, reason });
    }
    Ok(tracks)
}

async fn track(
    admin: &Admin,
    place: &Place,
    group: &str,
    queue: &MessageQueue,
    message: &ReceivedMessage,
) -> Result<&'static str, client::ClientError> {
    let Some(connection) = admin.consumer_connection(&place.broker_addr, group).await? else {
        return Ok("NOT_ONLINE");
    };
    if connection.consume_type == ConsumeType::Actively {
        return Ok("PULL");
    }
    if connection.message_model == MessageModel::Broadcasting {
        return Ok("CONSUME_BROADCASTING");
    }
    let stats = admin.consume_stats(&place.broker_addr, group, Some(&queue.topic)).await?;
    Ok(by_offset(&stats, &connection, queue, message.queue_offset, message.tags()))
}

fn by_offset(
    stats: &ConsumeStats,
    connection: &ConsumerConnection,
    queue: &MessageQueue,
    queue_offset: i64,
    tags: Option<&str>,
) -> &'static str {
    let Some(offsets) = stats.offset_table.get(queue) else { return "UNKNOWN" };
    if offsets.consumer_offset <= queue_offset {
        return "NOT_CONSUME_YET";
    }
    let wanted = connection.subscription_table.get(&queue.topic).map(|of| &of.tags_set);
    match wanted {
        Some(wanted) if !wanted.is_empty() && !tags.is_some_and(|tags| wanted.contains(tags)) => {
            "CONSUMED_BUT_FILTERED"
        }
        _ => "CONSUMED",
    }
}

#[cfg(test)]
mod tests {
    use protocol::body::{ConsumeOffsets, SubscriptionData};

    use super::*;

    #[test]
    fn a_message_before_the_group_s_offset_is_consumed_unless_its_tag_was_not_wanted() {
        let queue = MessageQueue::new("t", "b", 0);
        let offsets = ConsumeOffsets { consumer_offset: 5, ..ConsumeOffsets::default() };
        let stats = ConsumeStats { offset_table: [(queue.clone(), offsets)].into(), consume_tps: 0.0 };
        let of = |tags: &[&str]| {
            let tags_set = tags.iter().map(|tag| (*tag).to_owned()).collect();
            let data = SubscriptionData { topic: "t".to_owned(), tags_set, ..SubscriptionData::default() };
            ConsumerConnection { subscription_table: [("t".to_owned(), data)].into(), ..ConsumerConnection::default() }
        };
        let track = |tags, offset| by_offset(&stats, &of(tags), &queue, offset, Some("TagA"));
        assert_eq!(track(&[], 4), "CONSUMED");
        assert_eq!(track(&[], 5), "NOT_CONSUME_YET");
        assert_eq!(track(&["TagA", "TagB"], 4), "CONSUMED");
        assert_eq!(track(&["TagB"], 4), "CONSUMED_BUT_FILTERED");
        let elsewhere = MessageQueue::new("t", "b", 1);
        assert_eq!(by_offset(&stats, &of(&[]), &elsewhere, 0, None), "UNKNOWN");
    }
}
