use crate::file::sim::SimDisk;
use crate::installation::tests::{OPTIONS, Restored, aged_with, readable, run};

/// A queue began where it did at the checkpoint: who asked for its first message was told that it is gone, and to ask for it.
#[test]
fn queues_that_go_back_to_a_checkpoint_begin_where_the_log_does() {
    run(async move {
        let store = aged_with(&SimDisk::new(1), OPTIONS).await;
        let before = readable(&store).await;
        assert!(before.len() > 100);
        let mut restored = Restored::default();
        store.reload(store.log().end().position, &mut restored).await.unwrap();
        store.confirm(|_, _, _| ());
        assert_eq!(restored.0, b"second");
        assert_eq!(readable(&store).await, before);
    });
}
