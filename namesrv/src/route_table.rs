//! Which code is answered by what: one row a code.

use protocol::code::RequestCode;

use crate::name_server::NameServer;
use crate::processor::{
    Outcome, Request, broker_heartbeat, cluster_info, delete_topic, get_route, kv_config, member_group,
    name_server_config, query_data_version, register_broker, register_topic, topic_list, unregister_broker,
    write_permission,
};

/// One row.
pub(crate) struct Route {
    pub(crate) code: RequestCode,
    pub(crate) run: fn(&mut NameServer, &Request<'_>) -> Outcome,
}

const ROUTES: &[Route] = &[
    Route { code: RequestCode::PUT_KV_CONFIG, run: kv_config::put },
    Route { code: RequestCode::GET_KV_CONFIG, run: kv_config::get },
    Route { code: RequestCode::DELETE_KV_CONFIG, run: kv_config::delete },
    Route { code: RequestCode::REGISTER_BROKER, run: register_broker::run },
    Route { code: RequestCode::UNREGISTER_BROKER, run: unregister_broker::run },
    Route { code: RequestCode::GET_ROUTEINFO_BY_TOPIC, run: get_route::run },
    Route { code: RequestCode::GET_BROKER_CLUSTER_INFO, run: cluster_info::run },
    Route { code: RequestCode::WIPE_WRITE_PERM_OF_BROKER, run: write_permission::wipe },
    Route { code: RequestCode::GET_ALL_TOPIC_LIST_FROM_NAMESERVER, run: topic_list::all },
    Route { code: RequestCode::DELETE_TOPIC_IN_NAMESRV, run: delete_topic::run },
    Route { code: RequestCode::REGISTER_TOPIC_IN_NAMESRV, run: register_topic::run },
    Route { code: RequestCode::GET_KVLIST_BY_NAMESPACE, run: kv_config::list },
    Route { code: RequestCode::GET_TOPICS_BY_CLUSTER, run: topic_list::of_cluster },
    Route { code: RequestCode::GET_SYSTEM_TOPIC_LIST_FROM_NS, run: topic_list::system },
    Route { code: RequestCode::GET_UNIT_TOPIC_LIST, run: topic_list::unit },
    Route { code: RequestCode::GET_HAS_UNIT_SUB_TOPIC_LIST, run: topic_list::unit_subscribed },
    Route { code: RequestCode::GET_HAS_UNIT_SUB_UNUNIT_TOPIC_LIST, run: topic_list::unit_subscribed_only },
    Route { code: RequestCode::UPDATE_NAMESRV_CONFIG, run: name_server_config::update },
    Route { code: RequestCode::GET_NAMESRV_CONFIG, run: name_server_config::get },
    Route { code: RequestCode::QUERY_DATA_VERSION, run: query_data_version::run },
    Route { code: RequestCode::ADD_WRITE_PERM_OF_BROKER, run: write_permission::add },
    Route { code: RequestCode::GET_BROKER_MEMBER_GROUP, run: member_group::run },
    Route { code: RequestCode::BROKER_HEARTBEAT, run: broker_heartbeat::run },
];

const _: () = assert_ascending(ROUTES);

/// A misplaced or duplicate row does not build.
const fn assert_ascending(routes: &[Route]) {
    let mut index = 1;
    while index < routes.len() {
        assert!(routes[index - 1].code.0 < routes[index].code.0, "rows ascend by code");
        index += 1;
    }
}

/// The row of a code.
pub(crate) fn find(code: RequestCode) -> Option<&'static Route> {
    ROUTES.binary_search_by_key(&code.0, |route| route.code.0).ok().map(|index| &ROUTES[index])
}

/// How many numbers [`number`] gives.
pub(crate) const NUMBERS: u16 = ROUTES.len() as u16 + 1;

/// The row of a code, from 0; codes without a row share the number behind the last.
pub(crate) fn number(code: RequestCode) -> u16 {
    let row = ROUTES.binary_search_by_key(&code.0, |route| route.code.0);
    row.map_or(NUMBERS - 1, |row| row as u16)
}

/// The code of a row.
pub(crate) fn code_of(number: u16) -> Option<RequestCode> {
    ROUTES.get(usize::from(number)).map(|route| route.code)
}

/// All codes that are answered, in ascending order.
pub fn codes() -> impl Iterator<Item = RequestCode> {
    ROUTES.iter().map(|route| route.code)
}
