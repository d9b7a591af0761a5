//! Settings that change while the broker runs.

use interop::requests;
use protocol::{RequestCode, ResponseCode};

use crate::stand::{Stand, TOPIC};

fn shown(stand: &mut Stand, key: &str) -> String {
    let text = String::from_utf8(stand.done(RequestCode::GET_BROKER_CONFIG, &[], &[]).body).expect("text");
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=').map(str::to_owned));
    line.unwrap_or_else(|| panic!("{key} in {text}"))
}

#[test]
fn what_may_change_while_it_runs_holds_at_once_and_until_the_restart() {
    let mut stand = Stand::start("settings");
    let answer = stand.done(RequestCode::UPDATE_BROKER_CONFIG, &[], b"maxMessageSize=10\nfileReservedTime=24\n");
    let remark = answer.remark.as_deref();
    assert_eq!(
        remark,
        Some("until the restart: maxMessageSize, fileReservedTime; the configuration file is not written")
    );
    assert_eq!(shown(&mut stand, "fileReservedTime"), "24");
    let sent = stand.operator.ask(requests::send(TOPIC, 0, b"more than ten bytes"));
    assert_eq!(sent.code, ResponseCode::MESSAGE_ILLEGAL.0, "{sent:?}");
    stand.send(0, 1);

    stand.done(RequestCode::UPDATE_BROKER_CONFIG, &[], b"autoCreateTopicEnable=false");
    let sent = stand.operator.ask(requests::send("made-by-a-send", 0, b"x"));
    assert_eq!(sent.code, ResponseCode::TOPIC_NOT_EXIST.0, "{sent:?}");
    stand.done(RequestCode::UPDATE_BROKER_CONFIG, &[], b"autoCreateTopicEnable=true");
    assert_eq!(stand.operator.ask(requests::send("made-by-a-send", 0, b"x")).code, 0);

    stand.done(RequestCode::UPDATE_BROKER_CONFIG, &[], b"brokerPermission=2");
    let pulled = stand.operator.ask(requests::pull(TOPIC, 0, 0));
    assert_eq!(pulled.code, ResponseCode::NO_PERMISSION.0, "{pulled:?}");
    stand.done(RequestCode::UPDATE_BROKER_CONFIG, &[], b"");

    stand.broker.terminate();
    stand.broker.start_again();
    stand.broker.wait_until_ready();
    stand.operator = interop::raw_client::RawClient::connect(stand.address);
    assert_eq!(
        (shown(&mut stand, "brokerPermission"), shown(&mut stand, "maxMessageSize")),
        ("6".into(), "4194304".into())
    );
}

#[test]
fn a_change_that_cannot_be_is_refused_with_its_reason_and_changes_nothing() {
    let mut stand = Stand::start("settings-refused");
    let refusals = [
        (
            "fileReservedTime=24\nlistenPort=1",
            ResponseCode::NO_PERMISSION,
            "listenPort is not changed, and nothing else",
        ),
        ("flushDiskType=SYNC_FLUSH", ResponseCode::NO_PERMISSION, "set it in the configuration file and restart"),
        ("fileReservdTime=24", ResponseCode::NO_PERMISSION, "no such property"),
        ("fileReservedTime=soon", ResponseCode::INVALID_PARAMETER, "fileReservedTime"),
        ("fileReservedTime=99999999999999999999", ResponseCode::INVALID_PARAMETER, "fileReservedTime"),
        ("fileReservedTime=24\nbrokerConfigPath=/x", ResponseCode::NO_PERMISSION, "configBlackList"),
    ];
    for (text, wanted, reason) in refusals {
        let (code, remark) = stand.refused(RequestCode::UPDATE_BROKER_CONFIG, &[], text.as_bytes());
        assert_eq!(code, wanted, "{text}: {remark}");
        assert!(remark.contains(reason), "{text}: {remark}");
    }
    let (code, _) = stand.refused(RequestCode::UPDATE_BROKER_CONFIG, &[], b"\xff\xfe");
    assert_eq!(code, ResponseCode::INVALID_PARAMETER);
    assert_eq!(shown(&mut stand, "fileReservedTime"), "72");
}
