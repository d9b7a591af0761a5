use storage::consume_queue::ConsumeQueues;

use super::*;

#[test]
fn queues_of_a_topic_count_together() {
    let mut queues = ConsumeQueues::default();
    let mut traffic = Traffic::new();
    for queue_id in [0, 3] {
        let queue = queues.find_or_add("T", queue_id);
        traffic.stored(queue, || Some("T"), 2, 200);
        traffic.stored(queue, || unreachable!("its topic is known"), 1, 100);
    }
    let volume = Volume { messages: 6, bytes: 600 };
    assert_eq!(traffic.topics(), [TopicVolume { topic: "T".to_owned(), volume }]);
    assert_eq!(traffic.groups(), []);
}

#[test]
fn what_goes_out_counts_by_group_and_topic() {
    let mut queues = ConsumeQueues::default();
    let mut traffic = Traffic::new();
    let queue = queues.find_or_add("T", 0);
    let (a, b) = (traffic.group("a"), traffic.group("b"));
    assert_eq!(traffic.group("a"), a);
    traffic.pulled(queue, || Some("T"), a, 32, 3_200);
    traffic.pulled(queue, || Some("T"), b, 1, 100);
    traffic.pulled(queue, || Some("T"), a, 1, 100);
    let seen: Vec<_> = traffic.groups().into_iter().map(|pair| (pair.group, pair.volume.messages)).collect();
    assert_eq!(seen, [("a".to_owned(), 33), ("b".to_owned(), 1)]);
}

#[test]
fn topics_and_groups_beyond_the_limit_count_together() {
    let mut queues = ConsumeQueues::default();
    let mut traffic = Traffic::new();
    for number in 0..TOPIC_METRICS_MAX + 7 {
        let topic = format!("T{number}");
        let queue = queues.find_or_add(&topic, 0);
        traffic.stored(queue, || Some(&topic), 1, 10);
        let group = traffic.group(&format!("g{number}"));
        traffic.pulled(queue, || Some(&topic), group, 1, 10);
    }
    let topics = traffic.topics();
    assert_eq!(topics.len(), TOPIC_METRICS_MAX + 1);
    assert_eq!((topics[0].topic.as_str(), topics[0].volume.messages), (OTHERS, 7));
    let groups = traffic.groups();
    assert_eq!(groups.len(), GROUP_METRICS_MAX + 1);
    assert_eq!((groups[0].group.as_str(), groups[0].volume.messages), (OTHERS, 7));
    let all: u64 = groups.iter().map(|pair| pair.volume.messages).sum();
    assert_eq!(all, (TOPIC_METRICS_MAX + 7) as u64, "nothing is lost");
}

#[test]
fn what_is_deleted_is_told_no_more_and_its_place_is_free() {
    let mut queues = ConsumeQueues::default();
    let mut traffic = Traffic::new();
    let (kept, gone) = (queues.find_or_add("kept", 0), queues.find_or_add("gone", 0));
    let (a, b) = (traffic.group("a"), traffic.group("b"));
    for (queue, topic) in [(kept, "kept"), (gone, "gone")] {
        traffic.stored(queue, || Some(topic), 5, 50);
        traffic.pulled(queue, || Some(topic), a, 5, 50);
        traffic.pulled(queue, || Some(topic), b, 5, 50);
    }
    traffic.retain(|topic| topic == "kept", |group| group == "a");
    assert_eq!(traffic.topics().len(), 1);
    assert_eq!(traffic.groups().iter().map(|pair| (&*pair.group, &*pair.topic)).collect::<Vec<_>>(), [("a", "kept")]);
    assert!(traffic.topic_rates("gone", What::Messages, Span::Day, 1000).is_none());
    assert!(traffic.group_rates("kept", "b", What::Messages, Span::Day, 1000).is_none());
    assert_eq!(traffic.stored_rates(Span::Day, 1000).sum, 10, "what went in went in");
    assert_eq!(traffic.pulled_rates(Span::Day, 1000).sum, 20);

    // It comes again.
    let b = traffic.group("b");
    traffic.stored(gone, || Some("gone"), 1, 10);
    traffic.pulled(kept, || Some("kept"), b, 2, 20);
    assert_eq!(traffic.topic_rates("gone", What::Messages, Span::Day, 1000).unwrap().sum, 1);
    assert_eq!(traffic.group_rates("kept", "b", What::Bytes, Span::Day, 1000).unwrap().sum, 20);
    assert_eq!((traffic.topics.len(), traffic.groups.len(), traffic.pairs.len()), (3, 3, 5), "nothing grows");
}

#[test]
fn the_number_of_a_group_that_is_gone_is_of_another_once_nobody_holds_it() {
    let mut queues = ConsumeQueues::default();
    let mut traffic = Traffic::new();
    let queue = queues.find_or_add("T", 0);
    let (kept, held, gone) = (traffic.group("kept"), traffic.group("held"), traffic.group("gone"));
    traffic.pulled(queue, || Some("T"), gone, 5, 50);
    let under_way = traffic.group_name(held);
    let freed = traffic.retain(|_| true, |group| group == "kept");
    assert_eq!((freed.freed.into_iter().collect::<Vec<_>>(), freed.are_some_in_use), (vec![gone], true));
    assert_eq!((traffic.find_group("kept"), traffic.find_group("gone")), (Some(kept), None));

    let new = traffic.group("new");
    assert_eq!(new, gone, "its number");
    assert!(traffic.group_rates("T", "new", What::Messages, Span::Day, 1000).is_none(), "and nothing else of it");
    assert_eq!(traffic.group_name(new).as_deref(), Some("new"));
    assert_ne!(traffic.group("another"), held, "a pull counts by it still");
    traffic.pulled(queue, || Some("T"), held, 1, 10);
    assert_eq!(traffic.groups()[0].group, "held");
    drop(under_way);
    let freed = traffic.retain(|_| true, |group| group != "held");
    assert_eq!((freed.freed.into_iter().collect::<Vec<_>>(), freed.are_some_in_use), (vec![held], false));
    assert!(traffic.groups().is_empty());
    assert_eq!(traffic.group("one more"), held);
}

#[test]
fn groups_that_come_and_go_always_find_a_number() {
    let mut traffic = Traffic::new();
    for round in 0..4 {
        for number in 0..SERIES_MAX {
            assert!(!traffic.group(&format!("g{round}-{number}")).is_of_others(), "round {round}, group {number}");
        }
        assert!(traffic.group("one too many").is_of_others());
        assert_eq!(traffic.retain(|_| true, |_| false).freed.len(), SERIES_MAX);
    }
    assert_eq!(traffic.groups.len(), SERIES_MAX + 1, "nothing grows");
}

#[test]
fn rates_are_of_the_last_minute_hour_and_day() {
    let mut queues = ConsumeQueues::default();
    let mut traffic = Traffic::new();
    let (queue, group) = (queues.find_or_add("T", 0), traffic.group("g"));
    for second in 1..=7200 {
        traffic.stored(queue, || Some("T"), 10, 1000);
        traffic.pulled(queue, || Some("T"), group, 5, 500);
        if second % 2 == 0 {
            traffic.sent_back("T", "g");
        }
        traffic.tick(second * 1000);
    }
    let now_ms = 7_200_000;
    let put = traffic.topic_rates("T", What::Messages, Span::Minute, now_ms).unwrap();
    assert_eq!((put.sum, put.per_second, put.average), (600, 10.0, 10.0));
    assert_eq!(traffic.topic_rates("T", What::Bytes, Span::Hour, now_ms).unwrap().sum, 3_600_000);
    assert_eq!(traffic.group_rates("T", "g", What::Messages, Span::Day, now_ms).unwrap().sum, 36_000);
    assert_eq!(traffic.sent_back_rates("T", "g", Span::Minute, now_ms).unwrap().sum, 30);
    assert_eq!(traffic.stored_rates(Span::Minute, now_ms), put);
    assert!(traffic.group_rates("T", "x", What::Messages, Span::Day, now_ms).is_none());
}

#[test]
fn a_queue_whose_topic_is_gone_counts_with_the_others() {
    let mut queues = ConsumeQueues::default();
    let mut traffic = Traffic::new();
    traffic.stored(queues.find_or_add("T", 0), || None, 1, 10);
    assert_eq!(traffic.topics()[0].topic, OTHERS);
}
