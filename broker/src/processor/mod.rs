//! What each request does. A processor checks, changes tables or appends, and answers, now or when that is safe.

pub(crate) mod group_admin;
pub(crate) mod ha_status;
pub(crate) mod heartbeat;
pub(crate) mod lock;
pub(crate) mod master_slave;
pub(crate) mod offset;
pub(crate) mod pull;
pub(crate) mod runtime_info;
pub(crate) mod send;
pub(crate) mod send_back;
pub(crate) mod topic_admin;
pub(crate) mod view;
