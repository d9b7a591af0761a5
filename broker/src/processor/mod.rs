//! What each request does. A processor checks, changes tables or appends, and answers, now or when that is safe.

pub(crate) mod admission;
pub(crate) mod clean_up;
pub(crate) mod client_call;
pub(crate) mod clone_offsets;
pub(crate) mod config_lists;
pub(crate) mod config_update;
pub(crate) mod consume_stats;
pub(crate) mod consume_time_span;
pub(crate) mod consumer_status;
pub(crate) mod group_admin;
pub(crate) mod group_lookup;
pub(crate) mod ha_status;
pub(crate) mod heartbeat;
pub(crate) mod lock;
pub(crate) mod master_slave;
pub(crate) mod offset;
pub(crate) mod offset_reset;
pub(crate) mod pull;
pub(crate) mod queue_units;
pub(crate) mod relay;
pub(crate) mod runtime_info;
pub(crate) mod send;
pub(crate) mod send_back;
pub(crate) mod topic_admin;
pub(crate) mod view;
