//! Settings of brokers and name servers, and what an operator has them do at once.

use std::time::Duration;

use protocol::code::{RequestCode, ResponseCode};
use protocol::properties_text;

use super::Admin;
use crate::answer::Answer;
use crate::error::ClientError;

/// How long a broker may write.
const EXPORT_WITHIN: Duration = Duration::from_secs(30);

/// Rubbish that a broker clears away when it is told to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cleaning {
    /// ConsumeQueue files whose messages are gone.
    ExpiredQueues,
    /// ConsumeQueues of topics that were deleted.
    UnusedTopics,
    /// CommitLog files beyond their time.
    ExpiredCommitLog,
}

impl Admin {
    /// A broker's settings, lines of `key=value`.
    ///
    /// # Errors
    /// The broker's refusal, or why it could not be asked; as for all calls here.
    pub async fn broker_config(&self, broker_address: &str) -> Result<String, ClientError> {
        Ok(text(&self.request(broker_address, RequestCode::GET_BROKER_CONFIG, |_| {}).await?))
    }

    /// Changes a broker's settings while it runs.
    ///
    /// # Errors
    /// As [`Admin::broker_config`].
    pub async fn update_broker_config(&self, broker_address: &str, key: &str, value: &str) -> Result<(), ClientError> {
        let body = properties_text::format([(key, value)]);
        self.send(broker_address, RequestCode::UPDATE_BROKER_CONFIG, body.as_bytes(), |_| {}).await?;
        Ok(())
    }

    /// A name server's settings, lines of `key=value`.
    ///
    /// # Errors
    /// As [`Admin::broker_config`].
    pub async fn name_server_config(&self, name_server: &str) -> Result<String, ClientError> {
        Ok(text(&self.request(name_server, RequestCode::GET_NAMESRV_CONFIG, |_| {}).await?))
    }

    /// Changes a name server's settings while it runs.
    ///
    /// # Errors
    /// As [`Admin::broker_config`].
    pub async fn update_name_server_config(
        &self,
        name_server: &str,
        key: &str,
        value: &str,
    ) -> Result<(), ClientError> {
        let body = properties_text::format([(key, value)]);
        self.send(name_server, RequestCode::UPDATE_NAMESRV_CONFIG, body.as_bytes(), |_| {}).await?;
        Ok(())
    }

    /// Has a name server tell producers to send nothing to a broker. Returns how many topics that changed.
    ///
    /// # Errors
    /// As [`Admin::broker_config`].
    pub async fn wipe_write_perm(&self, name_server: &str, broker_name: &str) -> Result<i32, ClientError> {
        let answer = self.request(name_server, RequestCode::WIPE_WRITE_PERM_OF_BROKER, |header| {
            header.field("brokerName", broker_name);
        });
        answer.await?.field("wipeTopicCount")
    }

    /// Takes back what [`Admin::wipe_write_perm`] did.
    ///
    /// # Errors
    /// As [`Admin::broker_config`].
    pub async fn add_write_perm(&self, name_server: &str, broker_name: &str) -> Result<i32, ClientError> {
        let answer = self.request(name_server, RequestCode::ADD_WRITE_PERM_OF_BROKER, |header| {
            header.field("brokerName", broker_name);
        });
        answer.await?.field("addTopicCount")
    }

    /// Has a broker clear something away.
    ///
    /// # Errors
    /// As [`Admin::broker_config`].
    pub async fn clean(&self, broker_address: &str, what: Cleaning) -> Result<(), ClientError> {
        let code = match what {
            Cleaning::ExpiredQueues => RequestCode::CLEAN_EXPIRED_CONSUMEQUEUE,
            Cleaning::UnusedTopics => RequestCode::CLEAN_UNUSED_TOPIC,
            Cleaning::ExpiredCommitLog => RequestCode::DELETE_EXPIRED_COMMITLOG,
        };
        self.request(broker_address, code, |_| {}).await?;
        Ok(())
    }

    /// Has a broker write what it knows of popped messages into the log.
    ///
    /// # Errors
    /// As [`Admin::broker_config`]; a broker that has nothing else refuses.
    pub async fn export_pop_records(&self, broker_address: &str) -> Result<(), ClientError> {
        let (code, within) = (RequestCode::POP_ROLLBACK, EXPORT_WITHIN);
        self.client.request_within(broker_address, code, within, &[], |_| {}).await?.success()?;
        Ok(())
    }

    /// One item of a broker's statistics as its JSON text; `None` where nothing was counted yet, or the broker does not count.
    ///
    /// # Errors
    /// Why the broker could not be asked.
    pub async fn broker_stats(
        &self,
        broker_address: &str,
        name: &str,
        key: &str,
    ) -> Result<Option<Vec<u8>>, ClientError> {
        let code = RequestCode::VIEW_BROKER_STATS_DATA;
        let answer = self
            .client
            .request(broker_address, code, &[], |header| {
                header.field("statsName", name).field("statsKey", key);
            })
            .await?;
        if matches!(answer.response(), ResponseCode::SYSTEM_ERROR | ResponseCode::REQUEST_CODE_NOT_SUPPORTED) {
            return Ok(None);
        }
        Ok(Some(answer.success()?.command.body))
    }
}

fn text(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.command.body).into_owned()
}
