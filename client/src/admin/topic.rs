//! Topics: create, delete, list, and what brokers say about them.

use protocol::body::{
    GroupList, QueueData, TopicConfig, TopicConfigList, TopicConfigTable, TopicList, TopicRouteData, TopicStatsTable,
};
use protocol::code::{RequestCode, ResponseCode};
use protocol::command::CommandEncoder;

use super::Admin;
use crate::error::ClientError;

impl Admin {
    /// Creates a topic on a broker, or changes it there. Attributes are written as `+key=value,-key`.
    ///
    /// # Errors
    /// The broker's refusal, or why it could not be asked; as for all calls here.
    pub async fn create_topic(
        &self,
        broker_address: &str,
        config: &TopicConfig,
        attributes: &str,
    ) -> Result<(), ClientError> {
        self.request(broker_address, RequestCode::UPDATE_AND_CREATE_TOPIC, |header| {
            header
                .field("topic", config.topic_name.as_str())
                .field("defaultTopic", "TBW102")
                .field("readQueueNums", config.read_queue_nums)
                .field("writeQueueNums", config.write_queue_nums)
                .field("perm", config.perm)
                .field("topicFilterType", config.topic_filter_type.name())
                .field("topicSysFlag", config.topic_sys_flag)
                .field("order", config.order);
            if !attributes.is_empty() {
                header.field("attributes", attributes);
            }
        })
        .await?;
        self.client.expire_route(&config.topic_name);
        Ok(())
    }

    /// Deletes a topic and its messages on a broker.
    ///
    /// # Errors
    /// As [`Admin::create_topic`].
    pub async fn delete_topic_in_broker(&self, broker_address: &str, topic: &str) -> Result<(), ClientError> {
        self.request(broker_address, RequestCode::DELETE_TOPIC_IN_BROKER, |header| {
            header.field("topic", topic);
        })
        .await?;
        self.client.expire_route(topic);
        Ok(())
    }

    /// Makes every name server forget a topic's route. A broker that still has the topic registers it again.
    ///
    /// # Errors
    /// The first name server's failure; the others are told all the same.
    pub async fn delete_topic_in_name_servers(&self, topic: &str) -> Result<(), ClientError> {
        self.client
            .tell_name_servers(RequestCode::DELETE_TOPIC_IN_NAMESRV, |header| {
                header.field("topic", topic);
            })
            .await?;
        self.client.expire_route(topic);
        Ok(())
    }

    /// The names of all topics in the cluster, system topics too.
    ///
    /// # Errors
    /// As [`Admin::create_topic`].
    pub async fn topic_list(&self) -> Result<TopicList, ClientError> {
        self.ask(RequestCode::GET_ALL_TOPIC_LIST_FROM_NAMESERVER, |_| {}).await?.body(TopicList::decode)
    }

    /// The groups that consume a topic, as a broker knows them.
    ///
    /// # Errors
    /// As [`Admin::create_topic`].
    pub async fn topic_groups(&self, broker_address: &str, topic: &str) -> Result<Vec<String>, ClientError> {
        let answer = self
            .request(broker_address, RequestCode::QUERY_TOPIC_CONSUME_BY_WHO, |header| {
                header.field("topic", topic);
            })
            .await?;
        Ok(answer.body(GroupList::decode)?.group_list)
    }

    /// A topic's route, from a name server and past the cache.
    ///
    /// # Errors
    /// [`ClientError::NoRoute`] when no broker has registered it.
    pub async fn topic_route(&self, topic: &str) -> Result<TopicRouteData, ClientError> {
        self.client.look_up_route(topic).await
    }

    /// A topic's route as one name server tells it; `None` if it knows no broker with the topic.
    ///
    /// # Errors
    /// As [`Admin::create_topic`].
    pub async fn topic_route_at(&self, name_server: &str, topic: &str) -> Result<Option<TopicRouteData>, ClientError> {
        let code = RequestCode::GET_ROUTEINFO_BY_TOPIC;
        let fields = |header: &mut CommandEncoder<'_>| {
            header.field("topic", topic).field("acceptStandardJsonOnly", true);
        };
        let answer = self.client.request(name_server, code, &[], fields).await?;
        if answer.response() == ResponseCode::TOPIC_NOT_EXIST {
            return Ok(None);
        }
        answer.success()?.body(TopicRouteData::decode).map(Some)
    }

    /// Has one name server route a topic to a broker as `queues` says, until the broker registers a changed table. Name servers
    /// before 5.0 refuse it.
    ///
    /// # Errors
    /// As [`Admin::create_topic`].
    pub async fn route_topic_at(&self, name_server: &str, topic: &str, queues: QueueData) -> Result<(), ClientError> {
        let body = TopicRouteData { queue_datas: vec![queues], ..TopicRouteData::default() }.encode();
        self.send(name_server, RequestCode::REGISTER_TOPIC_IN_NAMESRV, &body, |header| {
            header.field("topic", topic);
        })
        .await?;
        Ok(())
    }

    /// The range of every queue of a topic on a broker.
    ///
    /// # Errors
    /// As [`Admin::create_topic`].
    pub async fn topic_stats(&self, broker_address: &str, topic: &str) -> Result<TopicStatsTable, ClientError> {
        let answer = self
            .request(broker_address, RequestCode::GET_TOPIC_STATS_INFO, |header| {
                header.field("topic", topic);
            })
            .await?;
        answer.body(TopicStatsTable::decode)
    }

    /// A topic's configuration on a broker.
    ///
    /// # Errors
    /// As [`Admin::create_topic`].
    pub async fn topic_config(&self, broker_address: &str, topic: &str) -> Result<TopicConfig, ClientError> {
        let answer = self
            .request(broker_address, RequestCode::GET_TOPIC_CONFIG, |header| {
                header.field("topic", topic).field("lo", false);
            })
            .await?;
        answer.body(TopicConfig::decode)
    }

    /// Creates or changes several topics on a broker with one request.
    ///
    /// # Errors
    /// As [`Admin::create_topic`].
    pub async fn create_topics(&self, broker_address: &str, topics: &TopicConfigList) -> Result<(), ClientError> {
        self.send(broker_address, RequestCode::UPDATE_AND_CREATE_TOPIC_LIST, &topics.encode(), |_| {}).await?;
        for topic in &topics.topic_config_list {
            self.client.expire_route(&topic.topic_name);
        }
        Ok(())
    }

    /// All topics of a broker.
    ///
    /// # Errors
    /// As [`Admin::create_topic`].
    pub async fn topic_configs(&self, broker_address: &str) -> Result<TopicConfigTable, ClientError> {
        self.request(broker_address, RequestCode::GET_ALL_TOPIC_CONFIG, |_| {}).await?.body(TopicConfigTable::decode)
    }

    /// The topics that a broker has for its own use.
    ///
    /// # Errors
    /// As [`Admin::create_topic`].
    pub async fn system_topics(&self, broker_address: &str) -> Result<TopicList, ClientError> {
        let code = RequestCode::GET_SYSTEM_TOPIC_LIST_FROM_BROKER;
        self.request(broker_address, code, |_| {}).await?.body(TopicList::decode)
    }
}
