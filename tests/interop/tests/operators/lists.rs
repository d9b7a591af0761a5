//! Many topics or groups by one request.

use protocol::body::{
    SubscriptionGroupConfig, SubscriptionGroupList, SubscriptionGroupTable, TopicConfig, TopicConfigList,
    TopicConfigTable,
};
use protocol::{RequestCode, ResponseCode};

use crate::stand::Stand;

/// More than one entry of the log takes at once.
const MANY: usize = 1_500;

fn topic(name: &str) -> TopicConfig {
    TopicConfig { topic_name: name.to_owned(), write_queue_nums: 3, read_queue_nums: 3, ..TopicConfig::default() }
}

fn topics(stand: &mut Stand) -> TopicConfigTable {
    TopicConfigTable::decode(&stand.done(RequestCode::GET_ALL_TOPIC_CONFIG, &[], &[]).body).expect("a table")
}

#[test]
fn a_list_of_topics_is_created_whole_or_not_at_all() {
    let mut stand = Stand::start("topic-list");
    let typed = TopicConfig { attributes: [("+message.type".into(), "FIFO".into())].into(), ..topic("typed") };
    let wrong = TopicConfigList { topic_config_list: vec![topic("first"), topic("no/name"), topic("third")] };
    let (code, remark) = stand.refused(RequestCode::UPDATE_AND_CREATE_TOPIC_LIST, &[], &wrong.encode());
    assert_eq!(code, ResponseCode::INVALID_PARAMETER);
    assert!(remark.contains("`/`"), "{remark}");
    let odd = TopicConfig { attributes: [("+odd".into(), "1".into())].into(), ..topic("odd") };
    let wrong = TopicConfigList { topic_config_list: vec![topic("first"), odd] };
    let (code, remark) = stand.refused(RequestCode::UPDATE_AND_CREATE_TOPIC_LIST, &[], &wrong.encode());
    assert_eq!((code, remark.as_str()), (ResponseCode::SYSTEM_ERROR, "unsupported key: odd"));
    for body in [&b"{"[..], b"{\"topicConfigList\":3}", b"", b"{\"topicConfigList\":[{\"perm\":\"x\"}]}"] {
        stand.refused(RequestCode::UPDATE_AND_CREATE_TOPIC_LIST, &[], body);
    }
    assert!(!topics(&mut stand).topic_config_table.contains_key("first"));

    let mut list = TopicConfigList { topic_config_list: vec![typed] };
    list.topic_config_list.extend((0..MANY).map(|number| topic(&format!("listed-{number}"))));
    stand.done(RequestCode::UPDATE_AND_CREATE_TOPIC_LIST, &[], &list.encode());
    stand.done(RequestCode::UPDATE_AND_CREATE_TOPIC_LIST, &[], b"{\"topicConfigList\":[]}");
    let before = topics(&mut stand);
    assert_eq!(before.topic_config_table["listed-7"].write_queue_nums, 3);
    assert_eq!(before.topic_config_table["typed"].attributes["message.type"], "FIFO");
    stand.broker.kill_nine();
    stand.broker.start_again();
    stand.broker.wait_until_ready();
    stand.operator = interop::raw_client::RawClient::connect(stand.address);
    assert_eq!(topics(&mut stand).topic_config_table, before.topic_config_table, "what was acknowledged is kept");
}

#[test]
fn a_list_of_groups_is_created_whole_or_not_at_all() {
    let mut stand = Stand::start("group-list");
    let group = |name: &str| SubscriptionGroupConfig {
        group_name: name.to_owned(),
        retry_max_times: 3,
        ..SubscriptionGroupConfig::default()
    };
    let groups = |stand: &mut Stand| {
        let answer = stand.done(RequestCode::GET_ALL_SUBSCRIPTIONGROUP_CONFIG, &[], &[]);
        SubscriptionGroupTable::decode(&answer.body).expect("a table").subscription_group_table
    };
    let wrong = SubscriptionGroupList { group_config_list: vec![group("first"), group("no/name")] };
    let (code, remark) = stand.refused(RequestCode::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP_LIST, &[], &wrong.encode());
    assert_eq!(code, ResponseCode::INVALID_PARAMETER);
    assert!(remark.contains("`/`"), "{remark}");
    assert!(!groups(&mut stand).contains_key("first"));
    let group_config_list = (0..MANY).map(|number| group(&format!("listed-{number}"))).collect();
    let list = SubscriptionGroupList { group_config_list };
    stand.done(RequestCode::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP_LIST, &[], &list.encode());
    let all = groups(&mut stand);
    assert!((0..MANY).all(|number| all.get(&format!("listed-{number}")).is_some_and(|one| one.retry_max_times == 3)));
}
