//! What the broker has counted, as tools and consoles ask for it.

use std::time::Duration;

use interop::requests::{self, with};
use interop::until::until;
use protocol::body::{BrokerStatsData, ConsumeStats, ConsumeStatsList, KvTable, TopicStatsTable};
use protocol::{RequestCode, ResponseCode};

use crate::stand::{QUEUES, Stand, TOPIC};

const SENT: usize = 30;
const BODY_BYTES_MIN: i64 = 6;
/// Counters of what was deleted are forgotten with the next sample, every 10 s.
const FORGOTTEN_WITHIN: Duration = Duration::from_secs(30);

fn stats(stand: &mut Stand, name: &str, key: &str) -> BrokerStatsData {
    let fields = [("statsName", name), ("statsKey", key)];
    let answer = stand.done(RequestCode::VIEW_BROKER_STATS_DATA, &fields, &[]);
    BrokerStatsData::decode(&answer.body).expect("statistics")
}

/// Messages in every queue, pulled by the group `pullers`, a pull a queue.
fn with_traffic(name: &str) -> Stand {
    let mut stand = Stand::start(name);
    stand.make_group("pullers");
    for queue_id in 0..QUEUES {
        stand.send(queue_id, SENT);
        let pulled = stand.operator.ask(requests::pull(TOPIC, queue_id, 0));
        assert_eq!(pulled.code, ResponseCode::SUCCESS.0, "{pulled:?}");
    }
    stand
}

#[test]
fn what_came_in_and_went_out_is_told_by_topic_and_group() {
    let mut stand = with_traffic("counted");
    let all = SENT as i64 * i64::from(QUEUES);
    let (group, sent) = (format!("{TOPIC}@pullers"), all);
    for (name, key, average) in [
        ("TOPIC_PUT_NUMS", TOPIC, 1.0),
        ("GROUP_GET_NUMS", group.as_str(), SENT as f64),
        ("BROKER_PUT_NUMS", "DefaultCluster", 1.0),
        ("BROKER_GET_NUMS", "DefaultCluster", SENT as f64),
        ("BROKER_PUT_NUMS_WITHOUT_SYSTEM_TOPIC", "DefaultCluster", 1.0),
        ("BROKER_GET_NUMS_WITHOUT_SYSTEM_TOPIC", "DefaultCluster", SENT as f64),
    ] {
        let data = stats(&mut stand, name, key);
        for item in [data.stats_minute, data.stats_hour, data.stats_day] {
            assert_eq!(item.sum, sent, "{name}: {data:?}");
            assert!(item.tps > 0.0 && (item.avgpt - average).abs() < 1e-9, "{name}: {data:?}");
        }
    }
    for (name, key) in [("TOPIC_PUT_SIZE", TOPIC), ("GROUP_GET_SIZE", group.as_str())] {
        let data = stats(&mut stand, name, key);
        assert!(data.stats_day.sum > all * BODY_BYTES_MIN, "{name}: {data:?}");
    }
    for queue_id in 0..QUEUES {
        let data = stats(&mut stand, "QUEUE_PUT_NUMS", &format!("{TOPIC}@{queue_id}"));
        let sums = [data.stats_minute, data.stats_hour, data.stats_day].map(|item| item.sum);
        assert_eq!(sums, [SENT as i64; 3], "{data:?}");
        assert!((data.stats_minute.tps - SENT as f64 / 60.0).abs() < 1e-9, "{data:?}");
    }
    let runtime = stand.done(RequestCode::GET_BROKER_RUNTIME_INFO, &[], &[]);
    let runtime = KvTable::decode(&runtime.body).expect("a table").table;
    assert_eq!(runtime["msgPutTotalTodayNow"], all.to_string());
    assert_eq!(runtime["msgGetTotalTodayNow"], all.to_string());
    for key in ["msgPutTotalYesterdayMorning", "msgPutTotalTodayMorning", "msgGetTotalYesterdayMorning"] {
        assert_eq!(runtime[key], "0", "{key}: it began today");
    }
    let times = runtime["putMessageDistributeTime"].split_whitespace();
    let times = times.map(|bucket| bucket.rsplit_once(':').expect("a count").1.parse::<i64>().expect("a number"));
    assert_eq!(times.sum::<i64>(), all, "{runtime:?}");
    for key in ["putLatency99", "putLatency999"] {
        assert!(runtime[key].parse::<f64>().expect("milliseconds") > 0.0, "{key}: {runtime:?}");
    }
    let rate: f64 = runtime["putTps"].split(' ').next().expect("a rate").parse().expect("a number");
    assert!(rate > 0.0, "{runtime:?}");

    stand.commit("pullers", 0, 3);
    let of_group = stand.done(RequestCode::GET_CONSUME_STATS, &[("consumerGroup", "pullers"), ("topic", TOPIC)], &[]);
    assert!(ConsumeStats::decode(&of_group.body).expect("statistics").consume_tps > 0.0);
    let of_broker = stand.done(RequestCode::GET_BROKER_CONSUME_STATS, &[("isOrder", "false")], &[]);
    let list = ConsumeStatsList::decode(&of_broker.body).expect("statistics").consume_stats_list;
    let of_pullers = list.iter().find_map(|groups| groups.get("pullers")).expect("the group");
    assert!(of_pullers[0].consume_tps > 0.0, "{of_pullers:?}");
    let of_topic = stand.done(RequestCode::GET_TOPIC_STATS_INFO, &[("topic", TOPIC)], &[]);
    assert!(TopicStatsTable::decode(&of_topic.body).expect("statistics").topic_put_tps > 0.0);
}

#[test]
fn what_a_group_sends_back_is_counted() {
    let mut stand = with_traffic("sent-back");
    let sent = stand.operator.ask(requests::send(TOPIC, 0, b"unloved"));
    let id = sent.get("msgId").expect("an id");
    let offset = i64::from_str_radix(&id[16..], 16).expect("hex");
    for _ in 0..3 {
        let back = stand.operator.ask(requests::send_back("pullers", offset, 1));
        assert_eq!(back.code, 0, "{back:?}");
    }
    let data = stats(&mut stand, "SNDBCK_PUT_NUMS", &format!("{TOPIC}@pullers"));
    assert_eq!((data.stats_minute.sum, data.stats_day.sum), (3, 3), "{data:?}");
    // They wait in a topic of the system, until they are delivered to one of the group.
    let mut stored = |name| stats(&mut stand, name, "DefaultCluster").stats_day.sum;
    let of_users = "BROKER_PUT_NUMS_WITHOUT_SYSTEM_TOPIC";
    let (before, all, after) = (stored(of_users), stored("BROKER_PUT_NUMS"), stored(of_users));
    assert!((before..=after).contains(&(all - 3)), "{before} {all} {after}");
}

#[test]
fn what_was_never_counted_is_refused_and_so_is_what_was_deleted() {
    let mut stand = with_traffic("not-counted");
    for (name, key) in [
        ("TOPIC_PUT_NUMS", "nowhere"),
        ("TOPIC_PUT_NUMS", "TBW102"),
        ("GROUP_GET_NUMS", TOPIC),
        ("GROUP_GET_NUMS", "operated@nobody"),
        ("SNDBCK_PUT_NUMS", "operated@pullers"),
        ("BROKER_PUT_NUMS", "another cluster"),
        ("BROKER_PUT_NUMS_WITHOUT_SYSTEM_TOPIC", "another cluster"),
        ("QUEUE_PUT_NUMS", TOPIC),
        ("QUEUE_PUT_NUMS", "operated@7"),
        ("QUEUE_PUT_NUMS", "nowhere@0"),
        ("QUEUE_PUT_NUMS", "@"),
        ("GROUP_GET_FALL_SIZE", "0@operated@pullers"),
        ("NO_SUCH_NUMS", TOPIC),
    ] {
        let (code, remark) =
            stand.refused(RequestCode::VIEW_BROKER_STATS_DATA, &[("statsName", name), ("statsKey", key)], &[]);
        assert_eq!((code, remark), (ResponseCode::SYSTEM_ERROR, format!("The stats <{name}> <{key}> not exist")));
    }
    stand.done(RequestCode::DELETE_TOPIC_IN_BROKER, &[("topic", TOPIC)], &[]);
    let group = format!("{TOPIC}@pullers");
    for (name, key) in [("TOPIC_PUT_NUMS", TOPIC), ("GROUP_GET_NUMS", group.as_str())] {
        until("the deleted topic's numbers to go", FORGOTTEN_WITHIN, || {
            let fields = [("statsName", name), ("statsKey", key)];
            let answer = stand.ask(RequestCode::VIEW_BROKER_STATS_DATA, &fields, &[]);
            if answer.code == ResponseCode::SYSTEM_ERROR.0 { Ok(()) } else { Err(format!("{answer:?}")) }
        });
    }
    let all = SENT as i64 * i64::from(QUEUES);
    assert_eq!(stats(&mut stand, "BROKER_PUT_NUMS", "DefaultCluster").stats_day.sum, all, "the sum goes on");
    // The topic is made again: its numbers begin anew.
    let sent = stand.operator.ask(with(requests::send(TOPIC, 0, b"again"), "d", "2"));
    assert_eq!(sent.code, 0, "{sent:?}");
    assert_eq!(stats(&mut stand, "TOPIC_PUT_NUMS", TOPIC).stats_day.sum, 1);
}
