//! Every subcommand, from its command line to its output, against a fake cluster that answers as a live one did.

#![allow(clippy::unwrap_used, reason = "the helpers of tests may fail like tests do")]

mod cluster;
mod cluster_list;
mod consume_message;
mod delete_topic;
mod failures;
mod groups;
mod ha_status;
mod messages;
mod migrate;
mod offsets;
mod promote_slave;
mod query_msg_by_id;
mod replication_status;
mod send_message;
mod servers;
mod topic_list;
mod topic_route;
mod topic_status;
mod update_topic;
