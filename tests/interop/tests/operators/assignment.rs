//! Queues that a broker shares out, and how groups get messages: what tools set and members ask.

use std::time::Duration;

use interop::raw_client::RawClient;
use interop::requests;
use interop::until::until;
use protocol::body::{
    AssignmentQuery, Assignments, MessageModel, MessageRequestMode, MessageRequestModes, QueueAssignment,
};
use protocol::{RequestCode, ResponseCode};

use crate::stand::{Stand, TOPIC};

const SHARED: &str = "shared";
const GROUP: &str = "sharers";
const MEMBERS: [&str; 3] = ["a@1", "b@2", "c@3"];
const ROUTED_WITHIN: Duration = Duration::from_secs(10);

fn mode(topic: &str, group: &str, mode: &str, share: i32) -> MessageRequestMode {
    let [topic, consumer_group, mode] = [topic, group, mode].map(str::to_owned);
    MessageRequestMode { consumer_group, mode, pop_share_queue_num: share, topic }
}

fn set(stand: &mut Stand, body: &MessageRequestMode) {
    stand.done(RequestCode::SET_MESSAGE_REQUEST_MODE, &[], &body.encode());
}

fn modes(stand: &mut Stand) -> Vec<MessageRequestMode> {
    let answer = stand.done(RequestCode::GET_ALL_MESSAGE_REQUEST_MODE, &[], &[]);
    let table = MessageRequestModes::decode(&answer.body).expect("modes").message_request_mode_map;
    table.into_values().flat_map(|groups| groups.into_values()).collect()
}

fn query(topic: &str, client_id: &str) -> AssignmentQuery {
    AssignmentQuery {
        client_id: client_id.to_owned(),
        consumer_group: GROUP.to_owned(),
        message_model: MessageModel::Clustering,
        strategy_name: "AVG".to_owned(),
        topic: topic.to_owned(),
    }
}

fn assigned(stand: &mut Stand, query: &AssignmentQuery) -> Option<Vec<QueueAssignment>> {
    let answer = stand.done(RequestCode::QUERY_ASSIGNMENT, &[], &query.encode());
    Assignments::decode(&answer.body).expect("assignments").message_queue_assignments
}

/// Ids of the queues, which are all of `topic` on the stand's broker and to be got in one way.
fn ids(stand: &mut Stand, query: &AssignmentQuery, mode: &str) -> Vec<i32> {
    let assigned = assigned(stand, query).expect("a list");
    for assignment in &assigned {
        assert_eq!(assignment.mode, mode, "{assigned:?}");
        assert_eq!(assignment.message_queue.broker_name, stand.name());
        assert_eq!(assignment.message_queue.topic, query.topic);
    }
    assigned.into_iter().map(|assignment| assignment.message_queue.queue_id).collect()
}

/// A topic of ten queues, which the name server knows, and the members of the group that shares them.
fn with_members(name: &str) -> (Stand, Vec<RawClient>) {
    let mut stand = Stand::start(name);
    let created = stand.operator.ask(requests::create_topic(SHARED, 10));
    assert_eq!(created.code, 0, "{created:?}");
    let members: Vec<RawClient> = MEMBERS.iter().map(|id| stand.join(GROUP, id, 500)).collect();
    until("the topic's route", ROUTED_WITHIN, || {
        assigned(&mut stand, &query(SHARED, MEMBERS[0])).map(drop).ok_or_else(|| "no assignment".to_owned())
    });
    (stand, members)
}

#[test]
fn queues_are_shared_out_as_the_strategy_says() {
    let (mut stand, mut members) = with_members("assigned");
    let shares = |stand: &mut Stand, strategy: &str| {
        MEMBERS
            .map(|id| ids(stand, &AssignmentQuery { strategy_name: strategy.to_owned(), ..query(SHARED, id) }, "PULL"))
    };
    assert_eq!(shares(&mut stand, "AVG"), [vec![0, 1, 2, 3], vec![4, 5, 6], vec![7, 8, 9]]);
    assert_eq!(shares(&mut stand, "AVG_BY_CIRCLE"), [vec![0, 3, 6, 9], vec![1, 4, 7], vec![2, 5, 8]]);
    let all: Vec<i32> = (0..10).collect();
    let everybody = AssignmentQuery { message_model: MessageModel::Broadcasting, ..query(SHARED, "stranger") };
    assert_eq!(ids(&mut stand, &everybody, "PULL"), all);
    assert!(ids(&mut stand, &query(SHARED, "stranger"), "PULL").is_empty(), "nothing is a stranger's");

    // Nothing is said, which leaves a member with what it has.
    for unclear in [
        query("no-such-topic", MEMBERS[0]),
        query(SHARED, ""),
        AssignmentQuery { consumer_group: "nobody".to_owned(), ..query(SHARED, MEMBERS[0]) },
        AssignmentQuery { strategy_name: "CONSISTENT_HASH".to_owned(), ..query(SHARED, MEMBERS[0]) },
    ] {
        assert_eq!(assigned(&mut stand, &unclear), None, "{unclear:?}");
    }
    for (field, wrong) in [
        ("topic", query("", MEMBERS[0])),
        ("consumerGroup", AssignmentQuery { consumer_group: String::new(), ..query(SHARED, MEMBERS[0]) }),
    ] {
        let (code, remark) = stand.refused(RequestCode::QUERY_ASSIGNMENT, &[], &wrong.encode());
        assert_eq!(
            (code, remark),
            (ResponseCode::SYSTEM_ERROR, format!("field `{field}` of the body is missing or empty"))
        );
    }
    for no_query in [&b""[..], b"[]", b"{\"topic\":7", &[0xFF; 40]] {
        let (code, remark) = stand.refused(RequestCode::QUERY_ASSIGNMENT, &[], no_query);
        assert!(code == ResponseCode::SYSTEM_ERROR && !remark.is_empty(), "{remark}");
    }

    // A member that is gone has nothing, and the others have its queues.
    drop(members.pop());
    until("the rest to have all", ROUTED_WITHIN, || {
        let second = ids(&mut stand, &query(SHARED, MEMBERS[1]), "PULL");
        if second == [5, 6, 7, 8, 9] { Ok(()) } else { Err(format!("{second:?}")) }
    });
}

#[test]
fn members_that_pop_share_queues_as_it_is_set() {
    let (mut stand, _members) = with_members("popped");
    for everybody in [-1, 0, 2] {
        set(&mut stand, &mode(SHARED, GROUP, "POP", everybody));
        assert_eq!(ids(&mut stand, &query(SHARED, MEMBERS[1]), "POP"), [-1], "{everybody}");
    }
    set(&mut stand, &mode(SHARED, GROUP, "POP", 1));
    assert_eq!(ids(&mut stand, &query(SHARED, MEMBERS[0]), "POP"), [0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(ids(&mut stand, &query(SHARED, MEMBERS[2]), "POP"), [0, 1, 2, 3, 7, 8, 9]);
    // With fewer queues than members each has one.
    set(&mut stand, &mode(TOPIC, GROUP, "POP", 1));
    let each = MEMBERS.map(|id| ids(&mut stand, &query(TOPIC, id), "POP"));
    assert_eq!(each, [vec![0], vec![1], vec![0]]);
    let retries = format!("%RETRY%{GROUP}");
    until("the retry topic's route", ROUTED_WITHIN, || {
        assigned(&mut stand, &query(&retries, MEMBERS[0])).map(drop).ok_or_else(|| "no assignment".to_owned())
    });
    assert_eq!(ids(&mut stand, &query(&retries, MEMBERS[0]), "PULL"), [0], "retries are pulled");
    set(&mut stand, &mode(SHARED, GROUP, "PULL", 0));
    assert_eq!(ids(&mut stand, &query(SHARED, MEMBERS[2]), "PULL"), [7, 8, 9]);
}

#[test]
fn a_mode_is_kept_until_its_topic_or_group_goes() {
    let mut stand = Stand::start("modes");
    assert_eq!(modes(&mut stand), []);
    let created = stand.operator.ask(requests::create_topic(SHARED, 1));
    assert_eq!(created.code, 0, "{created:?}");
    let (one, two, three) =
        (mode(TOPIC, "one", "POP", -1), mode(TOPIC, "two", "POP", 3), mode(SHARED, "one", "PULL", 0));
    for body in [&one, &two, &three] {
        set(&mut stand, body);
    }

    let refused: [(MessageRequestMode, ResponseCode, &str); 6] = [
        (mode("%RETRY%one", "one", "POP", 0), ResponseCode::NO_PERMISSION, "retry topic is not allowed to set mode"),
        (mode("nowhere", "one", "POP", 0), ResponseCode::TOPIC_NOT_EXIST, "topic[nowhere] not exist"),
        (mode("", "one", "POP", 0), ResponseCode::SYSTEM_ERROR, "field `topic` of the body is missing or empty"),
        (
            mode(TOPIC, "", "POP", 0),
            ResponseCode::SYSTEM_ERROR,
            "field `consumerGroup` of the body is missing or empty",
        ),
        (
            mode(TOPIC, "one", "PUSH", 0),
            ResponseCode::SYSTEM_ERROR,
            "field `mode` of the body is \"PUSH\", wanted PULL or POP",
        ),
        (mode(TOPIC, "one", "", 0), ResponseCode::SYSTEM_ERROR, "field `mode` of the body is \"\", wanted PULL or POP"),
    ];
    for (body, code, remark) in refused {
        let seen = stand.refused(RequestCode::SET_MESSAGE_REQUEST_MODE, &[], &body.encode());
        assert_eq!(seen, (code, remark.to_owned()));
    }
    for body in [&b""[..], b"{", br#"{"topic":"operated","consumerGroup":"one","mode":"POP","popShareQueueNum":"x"}"#] {
        let (code, remark) = stand.refused(RequestCode::SET_MESSAGE_REQUEST_MODE, &[], body);
        assert!(code == ResponseCode::SYSTEM_ERROR && !remark.is_empty(), "{remark}");
    }
    let kept = vec![one.clone(), two.clone(), three.clone()];
    assert_eq!(modes(&mut stand), kept);

    stand.broker.kill_nine();
    stand.broker.start_again();
    stand.broker.wait_until_ready();
    stand.operator = RawClient::connect(stand.address);
    assert_eq!(modes(&mut stand), kept);
    stand.done(RequestCode::DELETE_SUBSCRIPTIONGROUP, &[("groupName", "two")], &[]);
    assert_eq!(modes(&mut stand), [one.clone(), three]);
    stand.done(RequestCode::DELETE_TOPIC_IN_BROKER, &[("topic", SHARED)], &[]);
    assert_eq!(modes(&mut stand), std::slice::from_ref(&one));
    stand.broker.terminate();
    stand.broker.start_again();
    stand.broker.wait_until_ready();
    stand.operator = RawClient::connect(stand.address);
    assert_eq!(modes(&mut stand), [one]);
}
