//! Many topics (18) or groups (225) created or changed by one request: all of them, or none if one cannot be.

use std::collections::BTreeSet;
use std::rc::Rc;

use protocol::body::{BodyError, SubscriptionGroupConfig, SubscriptionGroupList, TopicConfig, TopicConfigList};
use protocol::code::ResponseCode;

use super::admission::admit_patiently;
use crate::attribute_changes::AttributeChanges;
use crate::env::Env;
use crate::request::{Halt, Refusal, Request};
use crate::shard::{SMALL_READ_BYTES, Shard};
use crate::subscription_group_table::{GroupError, SubscriptionGroupTable};
use crate::topic_table::{TopicError, TopicTable};

/// UPDATE_AND_CREATE_TOPIC_LIST (18). Attributes are changes, `+key` and `-key`.
pub(crate) fn topics<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let list = TopicConfigList::decode(request.body).map_err(|error| unreadable(&error))?;
    let updated = updated_topics(&shard.tables.borrow().topics, list.topic_config_list);
    let updated = updated.map_err(|error| Halt::refuse(error.response_code(), error.to_string()))?;
    apply(shard, request, updated, |shard, config| {
        let put = shard.tables.borrow_mut().topics.insert(config, shard.env.now_ms());
        put.map_err(|error| Refusal::new(error.response_code(), error.to_string()))
    })
}

/// UPDATE_AND_CREATE_SUBSCRIPTIONGROUP_LIST (225).
pub(crate) fn groups<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let list = SubscriptionGroupList::decode(request.body).map_err(|error| unreadable(&error))?;
    let updated = updated_groups(&shard.tables.borrow().groups, list.group_config_list);
    let updated = updated.map_err(|error| Halt::refuse(error.response_code(), error.to_string()))?;
    apply(shard, request, updated, |shard, config| {
        let put = shard.tables.borrow_mut().groups.insert(config, shard.env.now_ms());
        put.map_err(|error| Refusal::new(error.response_code(), error.to_string()))
    })
}

fn unreadable(error: &BodyError) -> Halt {
    Halt::refuse(ResponseCode::SYSTEM_ERROR, error.to_string())
}

/// Those that change, as they are to be; an error if one of them cannot be.
fn updated_topics(table: &TopicTable, configs: Vec<TopicConfig>) -> Result<Vec<TopicConfig>, TopicError> {
    let (mut updated, mut new) = (Vec::new(), BTreeSet::new());
    for config in configs {
        let changes = AttributeChanges::from_map(&config.attributes)?;
        let name = config.topic_name.clone();
        updated.extend(table.updated(config, &changes)?);
        if table.get(&name).is_none() && new.insert(name.clone()) && new.len() > table.room() {
            return Err(TopicError::Full { topic: name });
        }
    }
    Ok(updated)
}

fn updated_groups(
    table: &SubscriptionGroupTable,
    configs: Vec<SubscriptionGroupConfig>,
) -> Result<Vec<SubscriptionGroupConfig>, GroupError> {
    let (mut updated, mut new) = (Vec::new(), BTreeSet::new());
    for config in configs {
        let name = config.group_name.clone();
        updated.extend(table.updated(config)?);
        if table.get(&name).is_none() && new.insert(name.clone()) && new.len() > table.room() {
            return Err(GroupError::Full { group: name });
        }
    }
    Ok(updated)
}

/// Puts them into their table one by one, as fast as the log takes them, and answers when all of them are safe.
fn apply<E: Env, C: 'static>(
    shard: &Rc<Shard<E>>,
    request: &Request<'_>,
    configs: Vec<C>,
    put: impl Fn(&Shard<E>, C) -> Result<(), Refusal> + 'static,
) -> Result<(), Halt> {
    shard.admit_change()?;
    let (task_shard, ticket) = (shard.clone(), request.ticket());
    shard.spawn_read(ticket, SMALL_READ_BYTES, async move {
        let mut done = Ok(());
        for config in configs {
            done = admit_patiently(&task_shard).await.and_then(|()| put(&task_shard, config));
            if done.is_err() {
                break;
            }
            task_shard.log_changes();
        }
        match done {
            Ok(()) => task_shard.succeed_when_safe(ticket),
            Err(refusal) => ticket.refuse(&task_shard, &refusal),
        }
        task_shard.sweep_end();
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subscription_group_table::GroupOptions;
    use crate::topic_table::TopicOptions;

    fn topic(name: &str) -> TopicConfig {
        TopicConfig { topic_name: name.to_owned(), ..TopicConfig::default() }
    }

    #[test]
    fn topics_that_are_as_they_should_be_are_left_alone() {
        let mut table = TopicTable::new(TopicOptions::of_broker("c", "b"), 0);
        table.insert(topic("there"), 0).unwrap();
        let updated = updated_topics(&table, vec![topic("there"), topic("new")]).unwrap();
        assert_eq!(updated, [topic("new")]);
    }

    #[test]
    fn one_topic_that_cannot_be_refuses_the_whole_list() {
        let table = TopicTable::new(TopicOptions::of_broker("c", "b"), 0);
        for wrong in [topic("no/name"), topic(""), topic("TBW102"), TopicConfig { write_queue_nums: -1, ..topic("t") }]
        {
            let error = updated_topics(&table, vec![topic("new"), wrong]).unwrap_err();
            assert_eq!(error.response_code(), ResponseCode::INVALID_PARAMETER);
        }
        let odd = TopicConfig { attributes: [("+odd".to_owned(), "1".to_owned())].into(), ..topic("t") };
        let error = updated_topics(&table, vec![topic("new"), odd]).unwrap_err();
        assert_eq!(error.to_string(), "unsupported key: odd");
    }

    #[test]
    fn one_group_that_cannot_be_refuses_the_whole_list() {
        let table = SubscriptionGroupTable::new(GroupOptions::default(), 0);
        let group = |name: &str| SubscriptionGroupConfig { group_name: name.to_owned(), ..Default::default() };
        assert_eq!(updated_groups(&table, vec![group("g"), group("h")]).unwrap().len(), 2);
        let error = updated_groups(&table, vec![group("g"), group("no/name")]).unwrap_err();
        assert_eq!(error.response_code(), ResponseCode::INVALID_PARAMETER);
    }
}
