//! Consumer and producer groups: settings, members, and how they get their messages.

use std::time::Duration;

use protocol::body::{
    ConsumerConnection, MessageRequestMode, ProducerConnection, ProducerTable, SubscriptionGroupConfig,
    SubscriptionGroupList, SubscriptionGroupTable,
};
use protocol::code::{RequestCode, ResponseCode};

use super::Admin;
use crate::error::ClientError;

/// How long an answer may take that a broker has to fetch from a client: it waits ten seconds for it itself.
pub(super) const RELAY_TIMEOUT: Duration = Duration::from_secs(15);

impl Admin {
    /// Creates a consumer group on a broker, or changes it there. Its attributes are changes, by `+name` and `-name`.
    ///
    /// # Errors
    /// The broker's refusal, or why it could not be asked; as for all calls here.
    pub async fn create_group(
        &self,
        broker_address: &str,
        config: &SubscriptionGroupConfig,
    ) -> Result<(), ClientError> {
        let body = config.encode();
        self.send(broker_address, RequestCode::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, &body, |_| {}).await?;
        Ok(())
    }

    /// The same for several groups with one request.
    ///
    /// # Errors
    /// As [`Admin::create_group`].
    pub async fn create_groups(&self, broker_address: &str, groups: &SubscriptionGroupList) -> Result<(), ClientError> {
        let body = groups.encode();
        self.send(broker_address, RequestCode::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP_LIST, &body, |_| {}).await?;
        Ok(())
    }

    /// All consumer groups of a broker.
    ///
    /// # Errors
    /// As [`Admin::create_group`].
    pub async fn group_configs(&self, broker_address: &str) -> Result<SubscriptionGroupTable, ClientError> {
        let code = RequestCode::GET_ALL_SUBSCRIPTIONGROUP_CONFIG;
        self.request(broker_address, code, |_| {}).await?.body(SubscriptionGroupTable::decode)
    }

    /// Deletes a consumer group on a broker; with `cleans_offsets` its offsets too.
    ///
    /// # Errors
    /// As [`Admin::create_group`].
    pub async fn delete_group(
        &self,
        broker_address: &str,
        group: &str,
        cleans_offsets: bool,
    ) -> Result<(), ClientError> {
        self.request(broker_address, RequestCode::DELETE_SUBSCRIPTIONGROUP, |header| {
            header.field("groupName", group).field("cleanOffset", cleans_offsets);
        })
        .await?;
        Ok(())
    }

    /// The members of a consumer group that are connected to a broker; `None` if there are none.
    ///
    /// # Errors
    /// As [`Admin::create_group`].
    pub async fn consumer_connection(
        &self,
        broker_address: &str,
        group: &str,
    ) -> Result<Option<ConsumerConnection>, ClientError> {
        let code = RequestCode::GET_CONSUMER_CONNECTION_LIST;
        let answer = self
            .client
            .request(broker_address, code, &[], |header| {
                header.field("consumerGroup", group);
            })
            .await?;
        if answer.response() == ResponseCode::CONSUMER_NOT_ONLINE {
            return Ok(None);
        }
        answer.success()?.body(ConsumerConnection::decode).map(Some)
    }

    /// The members of a producer group that are connected to a broker.
    ///
    /// # Errors
    /// As [`Admin::create_group`]; SYSTEM_ERROR if there are none.
    pub async fn producer_connection(
        &self,
        broker_address: &str,
        group: &str,
    ) -> Result<ProducerConnection, ClientError> {
        let answer = self.request(broker_address, RequestCode::GET_PRODUCER_CONNECTION_LIST, |header| {
            header.field("producerGroup", group);
        });
        answer.await?.body(ProducerConnection::decode)
    }

    /// All producers that are connected to a broker.
    ///
    /// # Errors
    /// As [`Admin::create_group`].
    pub async fn producers(&self, broker_address: &str) -> Result<ProducerTable, ClientError> {
        self.request(broker_address, RequestCode::GET_ALL_PRODUCER_INFO, |_| {}).await?.body(ProducerTable::decode)
    }

    /// What a running consumer says about itself, as its own JSON text: [`protocol::body::ConsumerRunningInfo`] reads it.
    ///
    /// # Errors
    /// As [`Admin::create_group`]; CONSUME_MSG_TIMEOUT if the consumer does not answer its broker.
    pub async fn consumer_running_info(
        &self,
        broker_address: &str,
        group: &str,
        client_id: &str,
        with_stacks: bool,
    ) -> Result<Vec<u8>, ClientError> {
        let code = RequestCode::GET_CONSUMER_RUNNING_INFO;
        let answer = self.client.request_within(broker_address, code, RELAY_TIMEOUT, &[], |header| {
            header.field("consumerGroup", group).field("clientId", client_id).field("jstackEnable", with_stacks);
        });
        Ok(answer.await?.success()?.command.body)
    }

    /// Sets how a group gets the messages of a topic.
    ///
    /// # Errors
    /// As [`Admin::create_group`].
    pub async fn set_request_mode(&self, broker_address: &str, mode: &MessageRequestMode) -> Result<(), ClientError> {
        self.send(broker_address, RequestCode::SET_MESSAGE_REQUEST_MODE, &mode.encode(), |_| {}).await?;
        Ok(())
    }
}
