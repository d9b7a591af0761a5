//! Which request goes where. One row a code; the rows are what COMPAT.md lists.

use std::rc::Rc;

use protocol::code::{RequestCode, ResponseCode};

use crate::env::Env;
use crate::not_served;
use crate::processor::{
    assignment, broker_stats, change_members, clean_up, clone_offsets, config_lists, config_update, consume_stats,
    consume_time_span, consumer_status, end_transaction, group_admin, group_lookup, ha_status, heartbeat, lock,
    master_slave, offset, offset_reset, pop, pull, query_message, queue_units, recall, relay, reply, request_mode,
    resume_check, runtime_info, send, send_back, timer_tables, topic_admin, view,
};
use crate::real_env::RealEnv;
use crate::request::{Halt, Request};
use crate::shard::Shard;

type Handler<E> = fn(&Rc<Shard<E>>, &Request<'_>) -> Result<(), Halt>;

struct Route<E: Env> {
    code: RequestCode,
    /// Which replica of a replicated shard answers it.
    answered_by: AnsweredBy,
    run: Handler<E>,
}

/// Which replica of a replicated shard answers a request.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum AnsweredBy {
    /// The one that leads: it changes something, or what it answers has to be the newest.
    Leader,
    /// Each, from what it knows to be committed.
    Any,
    /// As `Any`, and one that has stopped too: operators ask it what became of it.
    Always,
}

const fn leader<E: Env>(code: RequestCode, run: Handler<E>) -> Route<E> {
    Route { code, answered_by: AnsweredBy::Leader, run }
}

const fn any<E: Env>(code: RequestCode, run: Handler<E>) -> Route<E> {
    Route { code, answered_by: AnsweredBy::Any, run }
}

const fn always<E: Env>(code: RequestCode, run: Handler<E>) -> Route<E> {
    Route { code, answered_by: AnsweredBy::Always, run }
}

/// The rows as a type, so that they can name the world they run in.
struct Routes<E: Env>(std::marker::PhantomData<E>);

impl<E: Env> Routes<E> {
    const ALL: &'static [Route<E>] = &[
        leader(RequestCode::SEND_MESSAGE, send::run),
        any(RequestCode::PULL_MESSAGE, pull::run),
        any(RequestCode::QUERY_MESSAGE, query_message::run),
        leader(RequestCode::QUERY_CONSUMER_OFFSET, offset::query),
        leader(RequestCode::UPDATE_CONSUMER_OFFSET, offset::update),
        leader(RequestCode::UPDATE_AND_CREATE_TOPIC, topic_admin::update),
        leader(RequestCode::UPDATE_AND_CREATE_TOPIC_LIST, config_lists::topics),
        any(RequestCode::GET_ALL_TOPIC_CONFIG, topic_admin::get_all),
        any(RequestCode::UPDATE_BROKER_CONFIG, config_update::run),
        always(RequestCode::GET_BROKER_CONFIG, runtime_info::config),
        always(RequestCode::GET_BROKER_RUNTIME_INFO, runtime_info::run),
        any(RequestCode::SEARCH_OFFSET_BY_TIMESTAMP, offset::search),
        any(RequestCode::GET_MAX_OFFSET, offset::max),
        any(RequestCode::GET_MIN_OFFSET, offset::min),
        any(RequestCode::GET_EARLIEST_MSG_STORETIME, offset::earliest_store_time),
        any(RequestCode::VIEW_MESSAGE_BY_ID, view::run),
        any(RequestCode::HEART_BEAT, heartbeat::run),
        any(RequestCode::UNREGISTER_CLIENT, heartbeat::unregister),
        leader(RequestCode::CONSUMER_SEND_MSG_BACK, send_back::run),
        leader(RequestCode::END_TRANSACTION, end_transaction::run),
        any(RequestCode::GET_CONSUMER_LIST_BY_GROUP, heartbeat::consumer_ids),
        leader(RequestCode::LOCK_BATCH_MQ, lock::lock),
        leader(RequestCode::UNLOCK_BATCH_MQ, lock::unlock),
        any(RequestCode::GET_ALL_CONSUMER_OFFSET, group_lookup::consumer_offsets),
        any(RequestCode::GET_ALL_DELAY_OFFSET, group_lookup::delay_offsets),
        any(RequestCode::CHECK_CLIENT_CONFIG, heartbeat::check_client_config),
        any(RequestCode::GET_TIMER_CHECK_POINT, timer_tables::check_point),
        any(RequestCode::GET_TIMER_METRICS, timer_tables::metrics),
        leader(RequestCode::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, group_admin::update),
        any(RequestCode::GET_ALL_SUBSCRIPTIONGROUP_CONFIG, group_admin::get_all),
        any(RequestCode::GET_TOPIC_STATS_INFO, topic_admin::stats),
        any(RequestCode::GET_CONSUMER_CONNECTION_LIST, group_admin::consumer_connections),
        any(RequestCode::GET_PRODUCER_CONNECTION_LIST, group_admin::producer_connections),
        leader(RequestCode::DELETE_SUBSCRIPTIONGROUP, group_admin::delete),
        any(RequestCode::GET_CONSUME_STATS, consume_stats::of_group),
        leader(RequestCode::DELETE_TOPIC_IN_BROKER, topic_admin::delete),
        leader(RequestCode::INVOKE_BROKER_TO_RESET_OFFSET, offset_reset::run),
        any(RequestCode::INVOKE_BROKER_TO_GET_CONSUMER_STATUS, consumer_status::run),
        leader(RequestCode::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP_LIST, config_lists::groups),
        any(RequestCode::QUERY_TOPIC_CONSUME_BY_WHO, group_admin::groups_of_topic),
        any(RequestCode::QUERY_CONSUME_TIME_SPAN, consume_time_span::run),
        any(RequestCode::GET_SYSTEM_TOPIC_LIST_FROM_BROKER, topic_admin::system_topics),
        any(RequestCode::CLEAN_EXPIRED_CONSUMEQUEUE, clean_up::expired_queues),
        any(RequestCode::GET_CONSUMER_RUNNING_INFO, relay::running_info),
        any(RequestCode::QUERY_CORRECTION_OFFSET, group_lookup::correction),
        any(RequestCode::CONSUME_MESSAGE_DIRECTLY, relay::consume_directly),
        leader(RequestCode::SEND_MESSAGE_V2, send::run),
        leader(RequestCode::CLONE_GROUP_OFFSET, clone_offsets::run),
        any(RequestCode::VIEW_BROKER_STATS_DATA, broker_stats::run),
        any(RequestCode::CLEAN_UNUSED_TOPIC, clean_up::unused_topics),
        any(RequestCode::GET_BROKER_CONSUME_STATS, consume_stats::of_broker),
        leader(RequestCode::SEND_BATCH_MESSAGE, send::run),
        any(RequestCode::QUERY_CONSUME_QUEUE, queue_units::run),
        leader(RequestCode::RESUME_CHECK_HALF_MESSAGE, resume_check::run),
        leader(RequestCode::SEND_REPLY_MESSAGE, reply::run),
        leader(RequestCode::SEND_REPLY_MESSAGE_V2, reply::run),
        any(RequestCode::GET_ALL_PRODUCER_INFO, group_lookup::producers),
        any(RequestCode::DELETE_EXPIRED_COMMITLOG, clean_up::expired_segments),
        any(RequestCode::QUERY_TOPICS_BY_CONSUMER, group_lookup::topics_of_group),
        any(RequestCode::QUERY_SUBSCRIPTION_BY_CONSUMER, group_lookup::subscription),
        any(RequestCode::GET_TOPIC_CONFIG, topic_admin::get),
        any(RequestCode::GET_SUBSCRIPTIONGROUP_CONFIG, group_admin::get),
        any(RequestCode::LITE_PULL_MESSAGE, pull::run),
        leader(RequestCode::RECALL_MESSAGE, recall::run),
        any(RequestCode::QUERY_ASSIGNMENT, assignment::query),
        leader(RequestCode::SET_MESSAGE_REQUEST_MODE, request_mode::set),
        any(RequestCode::GET_ALL_MESSAGE_REQUEST_MODE, request_mode::all),
        always(RequestCode::GET_BROKER_HA_STATUS, ha_status::run),
        leader(RequestCode::CHANGE_GROUP_MEMBERS, change_members::run),
        any(RequestCode::GET_MASTER_SLAVE_STATE, master_slave::state),
        any(RequestCode::PROMOTE_SLAVE, master_slave::promote),
        leader(RequestCode::POP_MESSAGE, pop::take::run),
        leader(RequestCode::ACK_MESSAGE, pop::ack::run),
        leader(RequestCode::PEEK_MESSAGE, pop::look::peek),
        leader(RequestCode::CHANGE_MESSAGE_INVISIBLETIME, pop::change_invisible_time::run),
        leader(RequestCode::NOTIFICATION, pop::look::notification),
        leader(RequestCode::POLLING_INFO, pop::look::polling),
        leader(RequestCode::BATCH_ACK_MESSAGE, pop::batch_ack::run),
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

/// Which replica answers the requests of a row. Codes without a row are refused by each.
pub(crate) fn answered_by(number: u16) -> AnsweredBy {
    Routes::<RealEnv>::ALL.get(usize::from(number)).map_or(AnsweredBy::Any, |route| route.answered_by)
}

/// Runs the processor of a request.
pub(crate) fn run<E: Env>(shard: &Rc<Shard<E>>, request: &Request<'_>) -> Result<(), Halt> {
    let () = Routes::<E>::ASCENDING;
    match Routes::<E>::ALL.get(usize::from(request.number)) {
        Some(route) => (route.run)(shard, request),
        None => {
            let remark = not_served::remark(RequestCode(request.header.code));
            Err(Halt::refuse(ResponseCode::REQUEST_CODE_NOT_SUPPORTED, remark))
        }
    }
}
