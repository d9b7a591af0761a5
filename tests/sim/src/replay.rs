//! What a broker would rebuild from checkpoint and control records, kept to compare.

use protocol::record::RecordView;
use storage::consume_queue::ConsumeQueues;
use storage::store::Replay;

use crate::history::{CONTROL_NUMBER_BYTES, ControlState, DELETE_TOPIC};
use crate::message::{TOPICS, tags_code};

/// See the module's text.
#[derive(Debug, Default)]
pub struct ReplayedControls {
    /// State after everything that was handed over.
    pub state: ControlState,
    /// The first record that came out of order.
    pub misordered: Option<String>,
}

impl Replay for ReplayedControls {
    fn restore(&mut self, state: &[u8]) -> Result<(), String> {
        self.state = ControlState::decode(state).ok_or("the state in the checkpoint does not decode")?;
        Ok(())
    }

    fn control(&mut self, record: &[u8], queues: &mut ConsumeQueues) -> Result<(), String> {
        let (number, content) = record.split_first_chunk::<CONTROL_NUMBER_BYTES>().ok_or("a short control record")?;
        let number = u64::from_be_bytes(*number);
        if number != self.state.count {
            let expected = self.state.count;
            self.misordered.get_or_insert_with(|| format!("control record {number} came where {expected} is next"));
        }
        self.state.apply(record);
        if let [DELETE_TOPIC, topic, ..] = content {
            queues.remove_topic(TOPICS[usize::from(*topic)]);
        }
        Ok(())
    }

    fn tags_code(&self, record: &RecordView<'_>) -> i64 {
        tags_code(record.properties)
    }
}
