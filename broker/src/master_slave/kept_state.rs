//! What one of a master and its slaves must not forget: whose log it copies, who was promoted, and who may have been.

use serde::{Deserialize, Serialize};
use storage::StorageError;
use storage::file::{Disk, read_file, replace_file};

/// Below the shard's folder.
pub(crate) const PATH: &str = "master-slave";
/// Slaves that a master remembers; the one that was not there for longest is forgotten for another.
const SLAVES_MAX: usize = 16;

/// See the module's text.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct KeptState {
    /// Id of the log, once it is a copy of another store's; `None`: the store's own.
    pub log_id: Option<u64>,
    /// How many promotions led to the present master, as far as this one has heard.
    pub epoch: u64,
    /// Set when this one became something else than its configuration says.
    pub turned: Option<Turned>,
    /// `brokerId` of a former master while it is a slave.
    pub slave_id: Option<i64>,
    /// Of a slave: its master's log was found to begin behind the end of this one, or to share nothing with it, and what it
    /// lacks has not come yet.
    pub lacks_log: bool,
    /// Of a master: slaves it has had, any of which may have been promoted while it was away.
    pub slaves: Vec<KnownSlave>,
}

/// What became of it since it was configured.
#[derive(Copy, Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Turned {
    /// A slave that was promoted.
    Master,
    /// A master whose slave was promoted.
    Slave,
}

/// A slave that a master has had.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KnownSlave {
    /// Its `brokerId`.
    pub id: i64,
    /// `host:port` where it serves clients.
    pub address: String,
}

impl KeptState {
    /// The same with a slave; `None` if it is known already.
    pub(crate) fn with_slave(&self, id: i64, address: &str) -> Option<Self> {
        if self.slaves.iter().any(|slave| slave.id == id && slave.address == address) {
            return None;
        }
        let mut state = self.clone();
        state.slaves.retain(|slave| slave.id != id && slave.address != address);
        if state.slaves.len() == SLAVES_MAX {
            state.slaves.remove(0);
        }
        state.slaves.push(KnownSlave { id, address: address.to_owned() });
        Some(state)
    }
}

/// Reads it; what was never written is as new.
/// # Errors
/// I/O, or it does not read: who is master is not guessed.
pub async fn load<D: Disk>(disk: &D) -> Result<KeptState, StorageError> {
    let Some(bytes) = read_file(disk, PATH).await.map_err(failed("read"))? else { return Ok(KeptState::default()) };
    serde_json::from_slice(&bytes)
        .map_err(|error| StorageError::Malformed { path: PATH.to_owned(), what: error.to_string() })
}

/// Replaces it, durably.
/// # Errors
/// I/O; the one before is still there.
pub(crate) async fn save<D: Disk>(disk: &D, state: &KeptState) -> Result<(), StorageError> {
    let bytes = serde_json::to_vec(state).unwrap_or_default();
    replace_file(disk, PATH, bytes).await.map_err(failed("write"))
}

fn failed(op: &'static str) -> impl FnOnce(std::io::Error) -> StorageError {
    move |source| StorageError::Io { op, path: PATH.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slave_is_known_once_by_id_and_by_address() {
        let state = KeptState::default().with_slave(1, "a:1").unwrap();
        assert_eq!(state.with_slave(1, "a:1"), None);
        let moved = state.with_slave(1, "b:1").unwrap();
        assert_eq!(moved.slaves, [KnownSlave { id: 1, address: "b:1".to_owned() }]);
        let renumbered = moved.with_slave(2, "b:1").unwrap();
        assert_eq!(renumbered.slaves, [KnownSlave { id: 2, address: "b:1".to_owned() }]);
    }

    #[test]
    fn only_so_many_slaves_are_remembered() {
        let mut state = KeptState::default();
        for id in 1..=20 {
            state = state.with_slave(id, &format!("a:{id}")).unwrap();
        }
        assert_eq!((state.slaves.len(), state.slaves[0].id), (SLAVES_MAX, 5));
    }

    #[test]
    fn what_is_written_reads_the_same_and_new_fields_may_be_missing() {
        let state = KeptState { log_id: Some(u64::MAX), epoch: 3, turned: Some(Turned::Slave), ..KeptState::default() };
        let text = serde_json::to_vec(&state).unwrap();
        assert_eq!(serde_json::from_slice::<KeptState>(&text).unwrap(), state);
        assert_eq!(serde_json::from_str::<KeptState>("{}").unwrap(), KeptState::default());
    }
}
