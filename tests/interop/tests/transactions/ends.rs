//! What becomes of a half message when its producer ends it, by hand-made requests.

use interop::requests;
use interop::transactions::{COMMIT, ROLLBACK, UNKNOWN, bodies, property, stored};
use protocol::RequestCode;
use protocol::record::decode_record;

use crate::stand::{ASKS_LATE, GROUP, HALF_TOPIC, Stand, TOPIC};

#[test]
fn a_half_message_is_seen_when_it_is_committed_and_never_when_it_is_rolled_back() {
    let mut stand = Stand::start("ends", ASKS_LATE);
    let committed = stand.half("committed", &[("KEYS", "k1")]);
    let rolled_back = stand.half("rolled back", &[]);
    let open = stand.half("open", &[]);
    assert!(stand.seen().is_empty(), "nobody sees a half message");
    assert_eq!([&committed, &rolled_back, &open].map(|half| half.queue_offset), [0, 1, 2]);
    assert_eq!(stand.end(&committed, COMMIT), (0, String::new()));
    assert_eq!(stand.end(&rolled_back, ROLLBACK), (0, String::new()));
    assert_eq!(stand.seen(), ["committed"]);

    let bytes = stored(&mut stand.client, TOPIC, 0).remove(0);
    let (record, _) = decode_record(&bytes).unwrap();
    assert_eq!((record.sys_flag, record.queue_offset), (8, 0));
    assert_eq!(record.prepared_transaction_offset, committed.physical_offset);
    let unique = property(&record, "UNIQ_KEY").expect("the broker makes one");
    assert_eq!(property(&record, "__transactionId__"), Some(unique));
    assert_eq!(property(&record, "TRAN_MSG"), Some("true"));
    assert_eq!(property(&record, "PGROUP"), Some(GROUP));
    assert_eq!((property(&record, "KEYS"), property(&record, "TAGS")), (Some("k1"), Some("Halved")));
    for gone in ["REAL_TOPIC", "REAL_QID", "TRANSACTION_CHECK_TIMES"] {
        assert_eq!(property(&record, gone), None, "{gone}");
    }
    // Tools can look at what is open.
    assert_eq!(bodies(&mut stand.client, HALF_TOPIC, 0), ["committed", "rolled back", "open"]);
}

#[test]
fn what_has_ended_is_not_ended_again_either_way() {
    let mut stand = Stand::start("twice", ASKS_LATE);
    for (first, second) in [(COMMIT, COMMIT), (COMMIT, ROLLBACK), (ROLLBACK, COMMIT), (ROLLBACK, ROLLBACK)] {
        let half = stand.half(&format!("{first} then {second}"), &[]);
        assert_eq!(stand.end(&half, first).0, 0);
        let (code, remark) = stand.end(&half, second);
        assert_eq!(code, 1, "{remark}");
        assert!(remark.starts_with("Find prepared transaction message failed: its transaction has ended"), "{remark}");
    }
    assert_eq!(stand.seen(), ["8 then 8", "8 then 12"]);
    // Two at once, in one go of the broker.
    let half = stand.half("raced", &[]);
    let ends = [stand.client.start(half.end(GROUP, COMMIT)), stand.client.start(half.end(GROUP, COMMIT))];
    let mut codes: Vec<i32> = ends
        .iter()
        .map(|_| match stand.client.receive() {
            interop::raw_client::Received::Command(answer) => answer.code,
            interop::raw_client::Received::Closed => panic!("closed"),
        })
        .collect();
    codes.sort_unstable();
    assert_eq!(codes, [0, 1]);
    assert_eq!(stand.seen().len(), 3);
}

#[test]
fn unknown_is_not_answered_and_changes_nothing() {
    let mut stand = Stand::start("unknown", ASKS_LATE);
    let half = stand.half("open", &[]);
    stand.client.start(half.end(GROUP, UNKNOWN));
    // The next answer is that of the next request.
    assert_eq!(stand.end(&half, COMMIT), (0, String::new()));
    assert_eq!(stand.seen(), ["open"]);
}

#[test]
fn a_delay_counts_from_the_commit() {
    let mut stand = Stand::start("delay", ASKS_LATE);
    let half = stand.half("delayed", &[("DELAY", "1")]);
    assert_eq!(stand.end(&half, COMMIT).0, 0);
    assert!(stand.seen().is_empty());
    let what = "the delayed message";
    interop::until::until(what, crate::stand::SOON, || match stand.seen() {
        seen if seen == ["delayed"] => Ok(()),
        seen => Err(format!("{seen:?}")),
    });
    let bytes = stored(&mut stand.client, TOPIC, 0).remove(0);
    let (record, _) = decode_record(&bytes).unwrap();
    assert_eq!((record.sys_flag, record.prepared_transaction_offset), (8, half.physical_offset));
}

#[test]
fn a_broker_can_be_told_to_take_no_half_messages() {
    let mut stand = Stand::start("rejected", "rejectTransactionMessage=true\n");
    let refused = stand.client.ask(interop::transactions::half(TOPIC, GROUP, b"x", &[]));
    assert_eq!(refused.code, 16, "{refused:?}");
    assert_eq!(refused.remark.as_deref(), Some("the broker[127.0.0.1] sending transaction message is forbidden"));
    let sent = stand.client.ask(requests::send(TOPIC, 0, b"plain"));
    assert_eq!(sent.code, 0, "{sent:?}");
    let update = requests::with_body(RequestCode::UPDATE_BROKER_CONFIG, b"rejectTransactionMessage=false\n");
    assert_eq!(stand.client.ask(update).code, 0);
    let half = stand.half("taken", &[]);
    assert_eq!(half.queue_offset, 0);
}
