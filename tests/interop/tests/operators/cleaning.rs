//! Cleaning up by hand.

use interop::requests;
use protocol::RequestCode;

use crate::stand::{Stand, TOPIC};

#[test]
fn cleaning_takes_away_nothing_that_is_in_use() {
    let mut stand = Stand::start("cleaning");
    stand.send(0, 3);
    for code in [
        RequestCode::CLEAN_EXPIRED_CONSUMEQUEUE,
        RequestCode::CLEAN_UNUSED_TOPIC,
        RequestCode::DELETE_EXPIRED_COMMITLOG,
    ] {
        stand.done(code, &[], &[]);
    }
    let pulled = stand.operator.ask(requests::pull(TOPIC, 0, 0));
    assert_eq!((pulled.code, pulled.get("nextBeginOffset")), (0, Some("3")), "{pulled:?}");
    stand.done(RequestCode::DELETE_TOPIC_IN_BROKER, &[("topic", TOPIC)], &[]);
    stand.done(RequestCode::CLEAN_UNUSED_TOPIC, &[], &[]);
    let fields = [("topic", TOPIC), ("queueId", "0"), ("index", "0"), ("count", "1")];
    let (_, remark) = stand.refused(RequestCode::QUERY_CONSUME_QUEUE, &fields, &[]);
    assert_eq!(remark, "0@operated is not exist!");
}
