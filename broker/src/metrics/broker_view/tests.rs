use runtime::{Mailbox, mailbox};

use super::*;
use crate::config::{MachineDefaults, Mode, Sources};

/// Two shards whose threads are not there: what is sent to them lies in their mailboxes.
fn view(text: &str) -> (BrokerView, Vec<Mailbox<ShardMessage>>) {
    let mut sources = Sources::new(Mode::Server, None);
    sources.add_text("broker.conf", &format!("brokerName=a\nshards=2\ncpus=any\n{text}")).unwrap();
    let (config, _) =
        BrokerConfig::load(&sources, MachineDefaults::gather()).unwrap_or_else(|errors| panic!("{errors}"));
    let (senders, boxes): (Vec<_>, Vec<_>) = (0..2).map(|_| mailbox().unwrap()).unzip();
    (BrokerView::new(Arc::new(config), &senders, None, Instant::now()), boxes)
}

fn status(health: &Health) -> (bool, String) {
    (health.is_well, health.detail["status"].as_str().unwrap().to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_broker_is_ready_when_all_shards_serve_and_a_name_server_knows_each() {
    let (view, _boxes) = view("namesrvAddr=127.0.0.1:9876");
    assert_eq!(status(&view.ready().await), (false, "starting".to_owned()));
    view.enter(Stage::Serving);
    view.registered(0);
    let health = view.ready().await;
    assert_eq!(status(&health), (false, "registering".to_owned()));
    assert_eq!(health.detail["shards"][0]["registered"], true);
    assert_eq!(health.detail["shards"][1]["registered"], false);
    view.registered(1);
    assert_eq!(status(&view.ready().await), (true, "ready".to_owned()));
    view.enter(Stage::Stopping);
    assert_eq!(status(&view.ready().await), (false, "stopping".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn without_a_name_server_there_is_nothing_to_register_with() {
    let (view, _boxes) = view("");
    view.enter(Stage::Serving);
    assert_eq!(status(&view.ready().await), (true, "ready".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_start_shows_how_far_each_shard_is() {
    let (view, _boxes) = view("");
    view.recovery(1).opening(storage::store::OpenProgress::Log { first: 1_000, position: 5_000 });
    let health = view.ready().await;
    assert_eq!(health.detail["shards"][0]["recovery"]["phase"], "starting");
    let recovery = &health.detail["shards"][1]["recovery"];
    assert_eq!(*recovery, json!({ "phase": "replaying_log", "replayed_bytes": 4_000, "to_replay_bytes_max": 4_000 }));
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_recovers_is_alive_and_one_that_serves_has_to_answer() {
    let (view, _boxes) = view("");
    assert_eq!(status(&view.live().await), (true, "live".to_owned()));
    view.recovery(0).enter(RecoveryPhase::Serving);
    view.enter(Stage::Serving);
    tokio::time::advance(super::super::kept_answers::ANSWERS_KEPT).await;
    let began = tokio::time::Instant::now();
    let health = view.live().await;
    assert_eq!(status(&health), (false, "stuck".to_owned()));
    let reason = health.detail["reason"].as_str().unwrap();
    assert!(reason.ends_with(" from a"), "{reason}");
    assert!(began.elapsed() <= ANSWER_WITHIN + Duration::from_millis(1), "{:?}", began.elapsed());
    view.enter(Stage::Stopping);
    assert_eq!(status(&view.live().await), (true, "live".to_owned()), "on its way out it need not answer");
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_does_not_answer_is_shown_as_such() {
    let (view, _boxes) = view("");
    view.recovery(0).enter(RecoveryPhase::Serving);
    let mut families = Families::default();
    view.metrics(&mut families).await;
    let text = String::from_utf8(families.encode()).unwrap();
    let labels = "cluster=\"DefaultCluster\",node_type=\"broker\",node_id=\"a\",shard=\"0\"";
    for line in [format!("turbopump_shard_up{{{labels}}} 0"), format!("turbopump_shard_serving{{{labels}}} 1")] {
        assert!(text.lines().any(|each| each == line), "{line}: {text}");
    }
    assert!(view.shards().await.is_empty());
}
