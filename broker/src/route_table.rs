//! Which request goes where. One row a code; the rows are what COMPAT.md lists.

use std::rc::Rc;

use protocol::code::{RequestCode, ResponseCode};

use crate::env::Env;
use crate::processor::{group_admin, heartbeat, lock, offset, pull, runtime_info, send, send_back, topic_admin, view};
use crate::real_env::RealEnv;
use crate::request::{Halt, Request};
use crate::shard::Shard;

type Handler<E> = fn(&Rc<Shard<E>>, &Request<'_>) -> Result<(), Halt>;

struct Route<E: Env> {
    code: RequestCode,
    run: Handler<E>,
}

/// The rows as a type, so that they can name the world they run in.
struct Routes<E: Env>(std::marker::PhantomData<E>);

impl<E: Env> Routes<E> {
    const ALL: &'static [Route<E>] = &[
        Route { code: RequestCode::SEND_MESSAGE, run: send::run },
        Route { code: RequestCode::PULL_MESSAGE, run: pull::run },
        Route { code: RequestCode::QUERY_CONSUMER_OFFSET, run: offset::query },
        Route { code: RequestCode::UPDATE_CONSUMER_OFFSET, run: offset::update },
        Route { code: RequestCode::UPDATE_AND_CREATE_TOPIC, run: topic_admin::update },
        Route { code: RequestCode::GET_ALL_TOPIC_CONFIG, run: topic_admin::get_all },
        Route { code: RequestCode::GET_BROKER_CONFIG, run: runtime_info::config },
        Route { code: RequestCode::GET_BROKER_RUNTIME_INFO, run: runtime_info::run },
        Route { code: RequestCode::SEARCH_OFFSET_BY_TIMESTAMP, run: offset::search },
        Route { code: RequestCode::GET_MAX_OFFSET, run: offset::max },
        Route { code: RequestCode::GET_MIN_OFFSET, run: offset::min },
        Route { code: RequestCode::GET_EARLIEST_MSG_STORETIME, run: offset::earliest_store_time },
        Route { code: RequestCode::VIEW_MESSAGE_BY_ID, run: view::run },
        Route { code: RequestCode::HEART_BEAT, run: heartbeat::run },
        Route { code: RequestCode::UNREGISTER_CLIENT, run: heartbeat::unregister },
        Route { code: RequestCode::CONSUMER_SEND_MSG_BACK, run: send_back::run },
        Route { code: RequestCode::GET_CONSUMER_LIST_BY_GROUP, run: heartbeat::consumer_ids },
        Route { code: RequestCode::LOCK_BATCH_MQ, run: lock::lock },
        Route { code: RequestCode::UNLOCK_BATCH_MQ, run: lock::unlock },
        Route { code: RequestCode::CHECK_CLIENT_CONFIG, run: heartbeat::check_client_config },
        Route { code: RequestCode::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, run: group_admin::update },
        Route { code: RequestCode::GET_ALL_SUBSCRIPTIONGROUP_CONFIG, run: group_admin::get_all },
        Route { code: RequestCode::GET_TOPIC_STATS_INFO, run: topic_admin::stats },
        Route { code: RequestCode::GET_CONSUMER_CONNECTION_LIST, run: group_admin::consumer_connections },
        Route { code: RequestCode::GET_PRODUCER_CONNECTION_LIST, run: group_admin::producer_connections },
        Route { code: RequestCode::DELETE_SUBSCRIPTIONGROUP, run: group_admin::delete },
        Route { code: RequestCode::DELETE_TOPIC_IN_BROKER, run: topic_admin::delete },
        Route { code: RequestCode::QUERY_TOPIC_CONSUME_BY_WHO, run: group_admin::groups_of_topic },
        Route { code: RequestCode::GET_SYSTEM_TOPIC_LIST_FROM_BROKER, run: topic_admin::system_topics },
        Route { code: RequestCode::SEND_MESSAGE_V2, run: send::run },
        Route { code: RequestCode::SEND_BATCH_MESSAGE, run: send::run },
        Route { code: RequestCode::GET_TOPIC_CONFIG, run: topic_admin::get },
        Route { code: RequestCode::GET_SUBSCRIPTIONGROUP_CONFIG, run: group_admin::get },
        Route { code: RequestCode::LITE_PULL_MESSAGE, run: pull::run },
    ];

    const ASCENDING: () = {
        let mut at = 1;
        while at < Self::ALL.len() {
            assert!(Self::ALL[at - 1].code.0 < Self::ALL[at].code.0, "routes are ascending, each code once");
            at += 1;
        }
    };
}

/// All codes that are answered with more than "not supported", in ascending order.
pub fn codes() -> impl Iterator<Item = RequestCode> {
    Routes::<RealEnv>::ALL.iter().map(|route| route.code)
}

/// How many numbers [`number`] gives.
pub(crate) fn numbers() -> u16 {
    NUMBERS
}

const NUMBERS: u16 = Routes::<RealEnv>::ALL.len() as u16 + 1;

/// The row of a code, from 0; codes without a row share the number behind the last.
pub(crate) fn number(code: i32) -> u16 {
    let row = Routes::<RealEnv>::ALL.binary_search_by_key(&code, |route| route.code.0);
    row.map_or(NUMBERS - 1, |row| row as u16)
}

/// The code of a row.
pub(crate) fn code_of(number: u16) -> Option<RequestCode> {
    Routes::<RealEnv>::ALL.get(usize::from(number)).map(|route| route.code)
}

/// Runs the processor of a request.
pub(crate) fn run<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let () = Routes::<E>::ASCENDING;
    match Routes::<E>::ALL.get(usize::from(request.number)) {
        Some(route) => (route.run)(shard, request),
        None => {
            let code = request.header.code;
            let remark = format!(" request type {code} not supported");
            Err(Halt::refuse(ResponseCode::REQUEST_CODE_NOT_SUPPORTED, remark))
        }
    }
}
