//! Where groups are: in messages, in time, and what the queues hold.

use interop::requests;
use protocol::body::{
    ConsumeStats, ConsumeStatsList, ConsumeTimeSpan, ConsumerOffsetTable, CorrectionOffsets, DelayOffsetTable,
    GroupList, QueueUnits, TopicList,
};
use protocol::{RequestCode, VERSION};

use crate::stand::{Stand, TOPIC};

#[test]
fn how_far_a_group_is_is_told_by_queue() {
    let mut stand = Stand::start("consume-stats");
    stand.send(0, 5);
    stand.send(1, 3);
    stand.make_group("pullers");
    stand.commit("pullers", 0, 2);
    let stats = |stand: &mut Stand, more: &[(&str, &str)]| {
        let fields = [&[("consumerGroup", "pullers")], more].concat();
        let answer = stand.done(RequestCode::GET_CONSUME_STATS, &fields, &[]);
        ConsumeStats::decode(&answer.body).expect("statistics")
    };
    let before = stats(&mut stand, &[]);
    assert_eq!(before.offset_table.len(), 2);
    let (first, second) = (before.offset_table[&stand.queue(0)], before.offset_table[&stand.queue(1)]);
    assert_eq!((first.broker_offset, first.consumer_offset, first.pull_offset), (5, 2, 2));
    assert_eq!((second.broker_offset, second.consumer_offset, second.last_timestamp), (3, 0, 0));
    assert!(first.last_timestamp > 1_700_000_000_000, "the time of the second message: {first:?}");

    let pulled = stand.operator.ask(requests::pull(TOPIC, 0, 2));
    assert_eq!(pulled.get("nextBeginOffset"), Some("5"), "{pulled:?}");
    let in_flight = stats(&mut stand, &[("topic", TOPIC)]).offset_table[&stand.queue(0)];
    assert_eq!((in_flight.consumer_offset, in_flight.pull_offset), (2, 5), "three are on their way");

    assert!(stats(&mut stand, &[("topicList", "nobody's;;neither")]).offset_table.is_empty());
    assert_eq!(stats(&mut stand, &[("topicList", TOPIC)]).offset_table.len(), 2);
    let nobody = stand.done(RequestCode::GET_CONSUME_STATS, &[("consumerGroup", "nobody")], &[]);
    assert!(ConsumeStats::decode(&nobody.body).expect("statistics").offset_table.is_empty());

    let _online = stand.join("pullers", "c1", VERSION);
    assert_eq!(stats(&mut stand, &[]).offset_table.len(), 2);
    let other = stand.operator.ask(requests::create_topic("left-over", 1));
    assert_eq!(other.code, 0);
    assert!(stats(&mut stand, &[("topic", "left-over")]).offset_table.is_empty(), "it does not subscribe to that");
}

#[test]
fn every_group_of_a_broker_is_listed() {
    let mut stand = Stand::start("broker-consume-stats");
    stand.send(0, 5);
    stand.make_group("a");
    stand.make_group("b");
    stand.commit("a", 0, 1);
    let list = |stand: &mut Stand, is_order: &str| {
        let answer = stand.done(RequestCode::GET_BROKER_CONSUME_STATS, &[("isOrder", is_order)], &[]);
        ConsumeStatsList::decode(&answer.body).expect("a list")
    };
    let all = list(&mut stand, "false");
    assert_eq!((all.broker_addr.as_str(), all.total_diff), (stand.address.to_string().as_str(), 4));
    let of = |group: &str| {
        all.consume_stats_list
            .iter()
            .find_map(|groups| groups.get(group))
            .unwrap_or_else(|| panic!("{group} in {all:?}"))
    };
    assert_eq!(of("a").len(), 1, "one topic");
    assert_eq!(of("a")[0].offset_table[&stand.queue(0)].consumer_offset, 1);
    assert!(of("b").is_empty() && of("TOOLS_CONSUMER").is_empty());
    assert_eq!(list(&mut stand, "true").total_diff, 0, "it is no order topic");
}

#[test]
fn how_far_back_a_group_is_in_time_is_told_by_queue() {
    let mut stand = Stand::start("time-span");
    stand.send(0, 3);
    stand.make_group("readers");
    let spans = |stand: &mut Stand| {
        let fields = [("topic", TOPIC), ("group", "readers")];
        let answer = stand.done(RequestCode::QUERY_CONSUME_TIME_SPAN, &fields, &[]);
        ConsumeTimeSpan::decode(&answer.body).expect("time spans").consume_time_span_set
    };
    let before = spans(&mut stand);
    assert_eq!(before.len(), 2);
    assert_eq!(before[0].message_queue, stand.queue(0));
    assert!(before[0].min_time_stamp > 0 && before[0].max_time_stamp >= before[0].min_time_stamp, "{before:?}");
    assert_eq!(before[0].consume_time_stamp, before[0].min_time_stamp, "it has consumed nothing");
    assert_eq!((before[1].min_time_stamp, before[1].max_time_stamp, before[1].consume_time_stamp), (-1, -1, -1));
    assert_eq!(before[1].delay_time, 0);
    stand.commit("readers", 0, 3);
    let after = spans(&mut stand);
    assert_eq!((after[0].consume_time_stamp, after[0].delay_time), (after[0].max_time_stamp, 0), "{after:?}");
}

#[test]
fn the_units_of_a_queue_are_shown() {
    let mut stand = Stand::start("queue-units");
    stand.send(1, 4);
    let units = |stand: &mut Stand, index: &str, count: &str, more: &[(&str, &str)]| {
        let fields = [&[("topic", TOPIC), ("queueId", "1"), ("index", index), ("count", count)], more].concat();
        let answer = stand.done(RequestCode::QUERY_CONSUME_QUEUE, &fields, &[]);
        (QueueUnits::decode(&answer.body).expect("units"), answer.remark)
    };
    let (part, _) = units(&mut stand, "1", "2", &[]);
    assert_eq!((part.min_queue_index, part.max_queue_index, part.queue_data.len()), (0, 4, 2));
    assert!(part.queue_data[0].physic_offset < part.queue_data[1].physic_offset);
    assert!(part.queue_data.iter().all(|unit| unit.physic_size > 90 && unit.tags_code == 0 && !unit.eval));
    assert_eq!(units(&mut stand, "1", "16384", &[]).0.queue_data.len(), 3);
    let (behind, remark) = units(&mut stand, "4", "1", &[]);
    assert!(behind.queue_data.is_empty());
    assert_eq!(remark.as_deref(), Some("Index 4 of 1@operated is not exist!"));

    let offline = units(&mut stand, "0", "1", &[("consumerGroup", "readers")]).0;
    assert_eq!(offline.filter_data.as_deref(), Some("readers@operated is not online!"));
    let _member = stand.join("readers", "c1", VERSION);
    let online = units(&mut stand, "0", "1", &[("consumerGroup", "readers")]).0;
    assert_eq!(online.filter_data.as_deref(), Some("null"));
    assert_eq!(online.subscription_data.expect("its subscription").sub_string, "*");
}

#[test]
fn producers_topics_and_subscriptions_are_found_by_group() {
    let mut stand = Stand::start("lookups");
    let _member = stand.join("readers", "c1", VERSION);
    let producers = String::from_utf8(stand.done(RequestCode::GET_ALL_PRODUCER_INFO, &[], &[]).body).expect("text");
    for part in [r#""writers":["#, r#""clientId":"c1""#, r#""language":"JAVA""#, r#""remoteIP":"/127.0.0.1:"#] {
        assert!(producers.contains(part), "{part} in {producers}");
    }
    stand.commit("readers", 0, 0);
    let topics = stand.done(RequestCode::QUERY_TOPICS_BY_CONSUMER, &[("group", "readers")], &[]);
    let topics = TopicList::decode(&topics.body).expect("topics");
    assert_eq!(topics.topic_list, [TOPIC]);
    assert_eq!(topics.broker_addr, Some(stand.address.to_string()));
    let subscription = |stand: &mut Stand, topic: &str| {
        let fields = [("group", "readers"), ("topic", topic)];
        String::from_utf8(stand.done(RequestCode::QUERY_SUBSCRIPTION_BY_CONSUMER, &fields, &[]).body).expect("text")
    };
    assert!(subscription(&mut stand, TOPIC).contains(r#""subString":"*""#));
    assert_eq!(subscription(&mut stand, "other"), r#"{"group":"readers","topic":"other"}"#);
    let groups = stand.done(RequestCode::QUERY_TOPIC_CONSUME_BY_WHO, &[("topic", TOPIC)], &[]);
    assert_eq!(GroupList::decode(&groups.body).expect("groups").group_list, ["readers"]);
}

#[test]
fn the_slowest_group_of_each_queue_is_found() {
    let mut stand = Stand::start("correction");
    stand.send(0, 9);
    for (group, offset) in [("slow", 2), ("slower", 1), ("fast", 8)] {
        stand.make_group(group);
        stand.commit(group, 0, offset);
    }
    let correction = |stand: &mut Stand, compared: &str, left_out: &str| {
        let fields = [("topic", TOPIC), ("compareGroup", compared), ("filterGroups", left_out)];
        let answer = stand.done(RequestCode::QUERY_CORRECTION_OFFSET, &fields, &[]);
        CorrectionOffsets::decode(&answer.body).expect("offsets").correction_offsets
    };
    assert_eq!(correction(&mut stand, "fast", ""), [(0, 1)].into());
    assert_eq!(correction(&mut stand, "fast", "slower"), [(0, 2)].into());
    assert_eq!(correction(&mut stand, "slower", "slower"), [(0, i64::MAX)].into(), "it is farther back itself");
    assert_eq!(stand.committed("slower", 0), Some(1), "leaving a group out takes nothing away from it");
}

#[test]
fn a_group_s_offsets_are_cloned_in_one_topic_or_in_all() {
    let mut stand = Stand::start("clone");
    stand.send(0, 9);
    stand.make_group("source");
    stand.commit("source", 0, 7);
    let fields = [("srcGroup", "source"), ("destGroup", "one"), ("topic", TOPIC), ("offline", "true")];
    stand.done(RequestCode::CLONE_GROUP_OFFSET, &fields, &[]);
    stand.done(RequestCode::CLONE_GROUP_OFFSET, &[("srcGroup", "source"), ("destGroup", "all")], &[]);
    let nothing = [("srcGroup", "nobody"), ("destGroup", "none")];
    stand.done(RequestCode::CLONE_GROUP_OFFSET, &nothing, &[]);
    let stored = |stand: &mut Stand| ["one", "all", "none"].map(|group| stand.committed(group, 0));
    assert_eq!(stored(&mut stand), [Some(7), Some(7), None]);
    stand.broker.kill_nine();
    stand.broker.start_again();
    stand.broker.wait_until_ready();
    stand.operator = interop::raw_client::RawClient::connect(stand.address);
    assert_eq!(stored(&mut stand), [Some(7), Some(7), None], "what was acknowledged is kept");
}

#[test]
fn the_tables_that_slaves_copy_are_told() {
    let mut stand = Stand::start("tables");
    stand.make_group("readers");
    stand.commit("readers", 1, 4);
    let offsets = stand.done(RequestCode::GET_ALL_CONSUMER_OFFSET, &[], &[]);
    let offsets = ConsumerOffsetTable::decode(&offsets.body).expect("a table");
    assert_eq!(offsets.offset_table[&format!("{TOPIC}@readers")], [(1, 4)].into());
    assert_eq!(offsets.group_topic_map["readers"], [TOPIC]);
    let delays = |stand: &mut Stand| {
        let answer = stand.done(RequestCode::GET_ALL_DELAY_OFFSET, &[], &[]);
        DelayOffsetTable::decode(&answer.body).expect("a table").offset_table
    };
    assert!(delays(&mut stand).is_empty());
    let delayed = requests::with(requests::send(TOPIC, 0, b"later"), "i", "DELAY\u{1}1\u{2}");
    assert_eq!(stand.operator.ask(delayed).code, 0);
    interop::until::until("the delayed message", std::time::Duration::from_secs(10), || {
        let delays = delays(&mut stand);
        if delays == [(1, 1)].into() { Ok(()) } else { Err(format!("{delays:?}")) }
    });
}
