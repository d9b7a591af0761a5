//! The subcommands, one a file or a few of a kind: its options, what it asks, and its result as text and JSON.

mod add_replica;
mod allocate_mq;
mod broker_config;
mod broker_consume_stats;
mod broker_status;
mod changed;
mod cleaning;
mod clone_group_offset;
mod cluster_list;
mod completions;
mod connections;
mod consume_message;
mod consumer_progress;
mod consumer_status;
mod decode_message_id;
mod delete_sub_group;
mod delete_topic;
mod export;
mod export_metrics;
mod export_pop_record;
mod get_consumer_config;
mod get_consumer_status;
mod ha_status;
mod kv_config;
mod message_send_rt;
mod migrate;
mod namesrv_config;
mod print_msg;
mod producer;
mod promote_slave;
mod query_cq;
mod query_msg_by_id;
mod query_msg_by_key;
mod query_msg_by_offset;
mod query_msg_by_unique_key;
mod query_msg_trace;
mod remove_replica;
mod replace_replica;
mod replication_status;
mod reset_offset;
mod send_message;
mod set_consume_mode;
mod settings_list;
mod start_monitoring;
mod stats_all;
mod topic_cluster_list;
mod topic_list;
mod topic_route;
mod topic_status;
mod update_lists;
mod update_order_conf;
mod update_sub_group;
mod update_topic;
mod update_topic_perm;
mod write_perm;

use clap::Subcommand;
use client::{Admin, Client};

use crate::failure::Failure;
use crate::output::Output;

/// What every command works with.
pub(crate) struct Context<'a> {
    pub(crate) client: Client,
    pub(crate) admin: Admin,
    pub(crate) output: Output<'a>,
}

/// Declares the commands in the order in which help lists them, and runs them.
macro_rules! commands {
    ($($module:ident: $($(#[$attribute:meta])* $command:ident),+;)+) => {
        /// What to do, by the names of the original mqadmin.
        #[derive(Debug, Subcommand)]
        #[command(rename_all = "camelCase")]
        pub(crate) enum Command {
            $($($(#[$attribute])* $command($module::$command),)+)+
            Completions(completions::Completions),
        }

        impl Command {
            pub(crate) async fn run(&self, context: &mut Context<'_>) -> Result<(), Failure> {
                match self {
                    $($(Self::$command(command) => Box::pin(command.run(context)).await,)+)+
                    Self::Completions(command) => command.run(context),
                }
            }
        }
    };
}

commands! {
    update_topic: UpdateTopic;
    update_lists: UpdateTopicList, UpdateSubGroupList;
    delete_topic: DeleteTopic;
    update_topic_perm: UpdateTopicPerm;
    topic_list: TopicList;
    topic_route: TopicRoute;
    topic_status: TopicStatus;
    topic_cluster_list: TopicClusterList;
    update_order_conf: UpdateOrderConf;
    allocate_mq: #[command(name = "allocateMQ")] AllocateMq;
    update_sub_group: UpdateSubGroup;
    delete_sub_group: DeleteSubGroup;
    get_consumer_config: GetConsumerConfig;
    set_consume_mode: SetConsumeMode;
    consumer_progress: ConsumerProgress;
    connections: ConsumerConnection, ProducerConnection;
    producer: Producer;
    consumer_status: #[command(alias = "consumer")] ConsumerStatus;
    get_consumer_status: GetConsumerStatus;
    broker_consume_stats: BrokerConsumeStats;
    reset_offset: #[command(alias = "resetOffsetByTimeOld")] ResetOffsetByTime, SkipAccumulatedMessage;
    clone_group_offset: CloneGroupOffset;
    cluster_list: ClusterList;
    broker_status: BrokerStatus;
    broker_config: GetBrokerConfig, UpdateBrokerConfig;
    cleaning:
        #[command(name = "cleanExpiredCQ")] CleanExpiredCq,
        CleanUnusedTopic,
        DeleteExpiredCommitLog;
    ha_status: HaStatus;
    replication_status: ReplicationStatus;
    add_replica: AddReplica;
    remove_replica: RemoveReplica;
    replace_replica: ReplaceReplica;
    promote_slave: PromoteSlave;
    namesrv_config: GetNamesrvConfig, UpdateNamesrvConfig;
    kv_config: UpdateKvConfig, DeleteKvConfig;
    write_perm: WipeWritePerm, AddWritePerm;
    send_message: SendMessage;
    consume_message: ConsumeMessage;
    query_msg_by_id: QueryMsgById;
    query_msg_by_key: QueryMsgByKey;
    query_msg_by_unique_key: QueryMsgByUniqueKey;
    query_msg_by_offset: QueryMsgByOffset;
    query_msg_trace: QueryMsgTraceById;
    decode_message_id: #[command(name = "DecodeMessageId")] DecodeMessageId;
    print_msg: PrintMsg, PrintMsgByQueue;
    query_cq: QueryCq;
    message_send_rt:
        #[command(name = "checkMsgSendRT")] CheckMsgSendRt,
        SendMsgStatus,
        #[command(name = "clusterRT")] ClusterRt;
    stats_all: StatsAll;
    start_monitoring: StartMonitoring;
    export: ExportMetadata, ExportConfigs;
    export_metrics: ExportMetrics;
    export_pop_record: ExportPopRecord;
    migrate: Migrate;
}
