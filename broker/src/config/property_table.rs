//! Every property a broker knows: RocketMQ's own, so that an existing `broker.conf` starts here, and Turbopump's few.
//!
//! One row a property, ascending by name. A row of class [`Class::Works`] is read by `config::mod` into a field of
//! [`BrokerConfig`](super::BrokerConfig); every other row only says why nothing reads it.
//!
//! Source of names, defaults and the important mark: Apache RocketMQ `BrokerConfig`, `BrokerIdentity`,
//! `MessageStoreConfig`, `NettyServerConfig`, `NettyClientConfig`, `AuthConfig` (4.2 to 5.3), and its tiered store.
//! A switch of something that is not there yet stands as off, whatever RocketMQ's default is: consoles show this table.

use super::parse::raft_peers::RAFT_PEERS_MAX;
use super::property::{Class, Default, Kind, Property};

/// A frame is at most 16 MiB; this much of it is left for what is not body: the header with up to 32,767 bytes of
/// message properties, each of whose separators takes six bytes in a JSON header, or a record's fixed fields.
pub const FRAME_RESERVE_BYTES: u32 = 256 * 1024;
/// Largest `maxMessageSize` and largest transfer of one pull: both have to fit a frame.
pub const MESSAGE_BODY_BYTES_MAX: u32 = protocol::frame::FRAME_BYTES_MAX - FRAME_RESERVE_BYTES;
/// More shards than a machine has processors is fine, a typing error is not.
pub const SHARDS_MAX: u32 = 256;

const TRANSFER_BYTES_MAX: i64 = MESSAGE_BODY_BYTES_MAX as i64;
const TRANSFER_COUNT_MAX: i64 = 65_536;
/// What one answer about a key may hold.
const QUERIED_MESSAGES_MAX: i64 = 4_096;
const HOUR_MS: i64 = 3_600_000;
const LOG_CACHE_BYTES_MIN: i64 = 16 << 20;
const LOG_CACHE_BYTES_MAX: i64 = 1 << 40;
/// Slower than this, a node with an empty disk would be without its copy for days.
const CATCH_UP_BYTES_MIN: i64 = 1 << 20;
const CATCH_UP_BYTES_MAX: i64 = 1 << 40;
/// A shorter one would take every pause for a death; a longer one than a minute is a typing error.
const ELECTION_TIMEOUT_MS_MIN: i64 = 200;
const ELECTION_TIMEOUT_MS_MAX: i64 = 60_000;
/// A master and its slaves: as many as a Raft group has members at most.
const COPIES_MAX: i64 = RAFT_PEERS_MAX as i64;

/// The row of `name`.
pub fn find(name: &str) -> Option<&'static Property> {
    position(name).map(|index| &PROPERTIES[index])
}

/// The index of the row of `name` in [`PROPERTIES`].
pub(super) fn position(name: &str) -> Option<usize> {
    PROPERTIES.binary_search_by_key(&name, |property| property.name).ok()
}

/// The known name that looks most like `name`; `None` when nothing comes near.
pub fn nearest(name: &str) -> Option<&'static str> {
    const SIMILARITY_MIN: f64 = 0.5;
    let name = name.to_lowercase();
    PROPERTIES
        .iter()
        .map(|property| (strsim::normalized_damerau_levenshtein(&name, &property.name.to_lowercase()), property.name))
        .filter(|(similarity, _)| *similarity >= SIMILARITY_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

// Why a property has no meaning here.
const ALWAYS_SO: &str = "this is always so here, or a limit of the protocol";
const BOUNDED_SERIES: &str = "topics, groups and requests that are told apart have limits of their own";
const COUNTED_ANYWAY: &str = "statistics are plain counters of each shard and are always kept";
const DELAY_ONE_PASS: &str = "delayed messages are delivered by the shard's own thread, in batches";
const DERIVED_QUEUES: &str = "the ConsumeQueue is derived from the log and kept in this broker's own way";
const ENDS_IN_LOG: &str =
    "the end of a half message is in the log with its message; no messages about it are gathered and sent";
const FIXED_NAMESRV: &str = "name servers are those of namesrvAddr; it is not fetched from anywhere";
const GONE: &str = "RocketMQ itself dropped it";
const GROUP_COMMIT: &str = "every batch is written at once, in one group commit; there is no flush timer";
const JAVA_HOME: &str = "this broker has no installation folder and logs to standard error";
const NO_BITMAP: &str =
    "filters look at the properties themselves; no bitmap of verdicts is kept beside the ConsumeQueue";
const NO_NETTY: &str = "sockets are served by the shard's own loop, which bounds bytes instead of calls";
const NO_PAGE_CACHE: &str =
    "the log is written and read by direct I/O; no page cache, memory map or heap copy is involved";
const NO_POOL_QUEUE: &str = "requests are served as they are read; none waits in the queue of a thread pool";
const ONE_THREAD: &str = "one thread a shard does all the work, without thread pools and locks; see shards";
const OWN_INDEX: &str =
    "the index of message keys is derived from the log, a file a segment, and checked when it is read";
const OWN_RECOVERY: &str = "recovery always checks every checksum from the last checkpoint on";
const OWN_RETENTION: &str = "old segments are looked for and deleted by each shard in its own rhythm";
const RENAMED_SEGMENT: &str = "RocketMQ renamed it to mappedFileSizeCommitLog";
const STATE_IN_LOG: &str = "topics, groups and offsets are written to the log, not to JSON files";
const UNDER_ROOT: &str = "everything is kept below storePathRootDir, in a folder for each shard";

// What is not there yet.
const ACCESS_CONTROL: &str = "access control is not there yet";
const BROADCAST_OFFSETS: &str = "offsets of broadcasting groups are not kept by the broker yet";
const COMPACTION: &str = "compacted topics are not there yet";
const CONTROLLER: &str = "the controller mode is not there yet";
const DELAYED_SERVICE: &str = "the broker serves from its start to its stop; a delay is not there yet";
const FLUSH_TIMEOUT: &str =
    "a send under SYNC_FLUSH is answered when it is durable, however long that takes, or failed";
const FOUND_NAMESRV: &str = "name servers are not looked up elsewhere yet; list them in namesrvAddr";
const FULL_REGISTRATION: &str =
    "the whole topic table is registered every time; name servers are not asked first whether it changed";
const LIGHT_QUEUES: &str = "light message queues are not there yet";
const MESSAGE_TYPES: &str = "message types of topics and static subscriptions are not there yet";
const METRIC_LABELS: &str = "further labels are not there yet; Prometheus can add them where it fetches";
const METRIC_PUSH: &str = "metrics are not sent anywhere yet; Prometheus fetches them";
const ONE_STORE_PATH: &str = "the log has one place, storePathRootDir";
const PARTIAL_REGISTRATION: &str = "the topic table is always registered whole";
const POP: &str =
    "what is popped stands in the log and in a table; there is no buffer, no topic and no store of its own";
const POP_NOT_YET: &str = "POP does not do this yet";
const PULLS_WITHOUT_HEARTBEAT: &str =
    "subscriptions of consumers that only pull are not kept yet; those of heartbeats last as long as their group";
const RECORD_CRC: &str = "a checksum among the message properties is not there yet; every log entry carries one";
const REPLICATION: &str = "controllers, and slaves that act as masters, are not there yet";
const OWN_COPYING: &str = "a slave asks for pieces of the log at its own pace, and its master answers at once";
const SLOW_CONSUMERS: &str = "refusing consumers by how they read is not there yet";
const TIERED_STORE: &str = "tiered storage is not there yet";
const TIMERS: &str =
    "timers are due to the millisecond, in an index made from the log; there is no wheel of slots and no log of timers";
const TIMER_SWITCHES: &str = "stopping and checking the timers by a setting is not there yet";
const TLS: &str = "TLS is not there yet";
const TRANSACTION_METRICS: &str = "half messages are in the log, and counted from there";

/// Ten years: no due time overflows.
const TIMER_DELAY_SEC_MAX: i64 = 10 * 365 * 24 * 3_600;

const BOOL: Kind = Kind::Bool;
const INT: Kind = Kind::Int { min: i64::MIN, max: i64::MAX };
const PORT: Kind = int(1, 65_535);
const TEXT: Kind = Kind::Text;

const fn int(min: i64, max: i64) -> Kind {
    Kind::Int { min, max }
}
const fn clamped(min: i64, max: i64) -> Kind {
    Kind::IntClamped { min, max }
}
const fn fixed(text: &'static str) -> Default {
    Default::Fixed(text)
}
const fn derived(from: &'static str) -> Default {
    Default::Derived(from)
}
const fn row(name: &'static str, kind: Kind, default: Default, class: Class) -> Property {
    Property { name, kind, default, class, important: false, at_run_time: false }
}
const fn works(name: &'static str, kind: Kind, default: Default) -> Property {
    row(name, kind, default, Class::Works)
}
const fn no_meaning(name: &'static str, kind: Kind, default: &'static str, reason: &'static str) -> Property {
    row(name, kind, fixed(default), Class::AcceptedNoMeaning(reason))
}
const fn not_yet(name: &'static str, kind: Kind, default: &'static str, reason: &'static str) -> Property {
    row(name, kind, fixed(default), Class::NotYet(reason))
}
const fn refused(name: &'static str, kind: Kind, default: &'static str, reason: &'static str) -> Property {
    row(name, kind, fixed(default), Class::Refused(reason))
}

impl Property {
    const fn important(self) -> Self {
        Self { important: true, ..self }
    }
    const fn at_run_time(self) -> Self {
        Self { at_run_time: true, ..self }
    }
}

/// All rows, ascending by name.
#[rustfmt::skip] // one row a line, so that the table can be read and sorted as one
pub static PROPERTIES: &[Property] = &[
    no_meaning("abortFile", TEXT, "", UNDER_ROOT),
    no_meaning("accessMessageInMemoryHotRatio", INT, "26", NO_PAGE_CACHE),
    works("accessMessageInMemoryMaxRatio", int(0, 100), fixed("40")).important(),
    no_meaning("accountStatsEnable", BOOL, "true", COUNTED_ANYWAY),
    no_meaning("accountStatsPrintZeroValues", BOOL, "true", COUNTED_ANYWAY),
    no_meaning("ackMessageThreadPoolNums", INT, "1", ONE_THREAD),
    no_meaning("ackThreadPoolQueueCapacity", INT, "100000", NO_POOL_QUEUE),
    not_yet("aclCacheExpiredSecond", INT, "600", ACCESS_CONTROL),
    not_yet("aclCacheMaxNum", INT, "1000", ACCESS_CONTROL),
    not_yet("aclCacheRefreshSecond", INT, "60", ACCESS_CONTROL),
    refused("aclEnable", BOOL, "false", ACCESS_CONTROL).important(),
    no_meaning("adminBrokerThreadPoolNums", INT, "1", ONE_THREAD),
    no_meaning("adminBrokerThreadPoolQueueCapacity", INT, "10000", NO_POOL_QUEUE),
    refused("allAckInSyncStateSet", BOOL, "false", REPLICATION).important(),
    not_yet("allowRecallWhenBrokerNotWriteable", BOOL, "false", TIMER_SWITCHES),
    no_meaning("appendAckAsync", BOOL, "false", POP),
    no_meaning("appendCkAsync", BOOL, "false", POP),
    not_yet("asyncLearner", BOOL, "false", REPLICATION),
    no_meaning("asyncSendEnable", BOOL, "true", ONE_THREAD),
    refused("authenticationEnabled", BOOL, "false", ACCESS_CONTROL),
    not_yet("authenticationMetadataProvider", TEXT, "", ACCESS_CONTROL),
    not_yet("authenticationProvider", TEXT, "", ACCESS_CONTROL),
    not_yet("authenticationStrategy", TEXT, "", ACCESS_CONTROL),
    not_yet("authenticationWhitelist", TEXT, "", ACCESS_CONTROL),
    refused("authorizationEnabled", BOOL, "false", ACCESS_CONTROL),
    not_yet("authorizationMetadataProvider", TEXT, "", ACCESS_CONTROL),
    not_yet("authorizationProvider", TEXT, "", ACCESS_CONTROL),
    not_yet("authorizationStrategy", TEXT, "", ACCESS_CONTROL),
    not_yet("authorizationWhitelist", TEXT, "", ACCESS_CONTROL),
    works("autoCreateSubscriptionGroup", BOOL, fixed("true")).important().at_run_time(),
    works("autoCreateTopicEnable", BOOL, fixed("true")).important().at_run_time(),
    no_meaning("autoDeleteUnusedStats", BOOL, "true", COUNTED_ANYWAY),
    no_meaning("autoMessageVersionOnTopicLen", BOOL, "true", ALWAYS_SO),
    no_meaning("batchDispatchRequestThreadPoolNums", INT, "1", ONE_THREAD),
    works("bindAddress", Kind::IpAddress, fixed("0.0.0.0")),
    no_meaning("bitMapLengthConsumeQueueExt", INT, "64", DERIVED_QUEUES),
    no_meaning("bottomMostCompressionTypeForConsumeQueueStore", TEXT, "zstd", DERIVED_QUEUES),
    not_yet("broadcastOffsetExpireMaxSecond", INT, "300", BROADCAST_OFFSETS),
    not_yet("broadcastOffsetExpireSecond", INT, "120", BROADCAST_OFFSETS),
    works("brokerClusterName", Kind::Name, fixed("DefaultCluster")).important(),
    no_meaning("brokerConfigPath", TEXT, "", JAVA_HOME),
    not_yet("brokerElectionPriority", INT, "2147483647", REPLICATION),
    no_meaning("brokerFastFailureEnable", BOOL, "true", NO_POOL_QUEUE),
    not_yet("brokerHeartbeatInterval", INT, "1000", REPLICATION),
    works("brokerIP1", Kind::Host, derived("first IPv4 address not loopback; --standalone: 127.0.0.1")).important(),
    works("brokerIP2", Kind::Host, derived("as brokerIP1's default")),
    works("brokerId", int(-1, i64::MAX), fixed("0")).important(),
    works("brokerName", Kind::Name, derived("the host name; with enableDLegerCommitLog=true: dLegerGroup")).important(),
    not_yet("brokerNotActiveTimeoutMillis", INT, "10000", REPLICATION),
    works("brokerPermission", Kind::Choice(&["2", "4", "6"]), fixed("6")).at_run_time(),
    works("brokerRole", Kind::Choice(&["ASYNC_MASTER", "SYNC_MASTER", "SLAVE"]), fixed("ASYNC_MASTER")).important(),
    works("brokerTopicEnable", BOOL, fixed("true")),
    works("catchUpMaxBytesPerSecond", int(CATCH_UP_BYTES_MIN, CATCH_UP_BYTES_MAX), fixed("1073741824")),
    no_meaning("cgColdReadThreshold", INT, "3145728", NO_PAGE_CACHE),
    works("channelExpiredTimeout", int(10_000, HOUR_MS), fixed("120000")),
    no_meaning("channelNotActiveInterval", INT, "60000", NO_NETTY),
    no_meaning("checkCRCOnRecover", BOOL, "true", OWN_RECOVERY),
    not_yet("checkSyncStateSetPeriod", INT, "5000", CONTROLLER),
    works("cleanFileForciblyEnable", BOOL, fixed("true")).important().at_run_time(),
    not_yet("cleanOfflineBrokerInterval", INT, "30000", REPLICATION),
    no_meaning("cleanResourceInterval", INT, "10000", OWN_RETENTION),
    no_meaning("cleanRocksDBDirtyCQIntervalMin", INT, "60", DERIVED_QUEUES),
    no_meaning("cleanSwapedMapInterval", INT, "300000", NO_PAGE_CACHE),
    works("clearRetryTopicWhenDeleteTopic", BOOL, fixed("true")).at_run_time(),
    no_meaning("clientAsyncSemaphoreValue", INT, "65535", NO_NETTY),
    no_meaning("clientCallbackExecutorThreads", INT, "1", ONE_THREAD),
    no_meaning("clientChannelMaxIdleTimeSeconds", INT, "120", NO_NETTY),
    no_meaning("clientCloseSocketIfTimeout", BOOL, "true", NO_NETTY),
    no_meaning("clientManageThreadPoolNums", INT, "1", ONE_THREAD),
    no_meaning("clientManagerThreadPoolQueueCapacity", INT, "1000000", NO_POOL_QUEUE),
    no_meaning("clientOnewaySemaphoreValue", INT, "65535", NO_NETTY),
    no_meaning("clientPooledByteBufAllocatorEnable", BOOL, "false", NO_NETTY),
    no_meaning("clientSocketRcvBufSize", INT, "0", NO_NETTY),
    no_meaning("clientSocketSndBufSize", INT, "0", NO_NETTY),
    no_meaning("clientWorkerThreads", INT, "1", ONE_THREAD),
    works("clusterTopicEnable", BOOL, fixed("true")),
    no_meaning("coldCtrStrategyEnable", BOOL, "false", NO_PAGE_CACHE),
    no_meaning("coldDataFlowControlEnable", BOOL, "false", NO_PAGE_CACHE),
    no_meaning("coldDataScanEnable", BOOL, "false", NO_PAGE_CACHE),
    no_meaning("combineAssignOffsetCQType", TEXT, "default", DERIVED_QUEUES),
    no_meaning("combineCQEnableCheckSelf", BOOL, "false", DERIVED_QUEUES),
    no_meaning("combineCQLoadingCQTypes", TEXT, "default;defaultRocksDB", DERIVED_QUEUES),
    no_meaning("combineCQMaxExtraSearchCommitLogFiles", INT, "3", DERIVED_QUEUES),
    no_meaning("combineCQPreferCQType", TEXT, "default", DERIVED_QUEUES),
    no_meaning("commercialBaseCount", INT, "1", COUNTED_ANYWAY),
    no_meaning("commercialBigCount", INT, "0", GONE),
    no_meaning("commercialEnable", BOOL, "false", GONE),
    no_meaning("commercialSizePerMsg", INT, "4096", COUNTED_ANYWAY),
    no_meaning("commercialTimerCount", INT, "0", GONE),
    no_meaning("commercialTransCount", INT, "0", GONE),
    no_meaning("commitCommitLogLeastPages", INT, "4", GROUP_COMMIT),
    no_meaning("commitCommitLogThoroughInterval", INT, "200", GROUP_COMMIT),
    no_meaning("commitIntervalCommitLog", INT, "200", GROUP_COMMIT).important(),
    no_meaning("commitLogForceSwapMapInterval", INT, "43200000", NO_PAGE_CACHE),
    not_yet("commitLogRollingInterval", INT, "24", TIERED_STORE),
    not_yet("commitLogRollingMinimumSize", INT, "16777216", TIERED_STORE),
    no_meaning("commitLogSwapMapInterval", INT, "3600000", NO_PAGE_CACHE),
    no_meaning("commitLogSwapMapReserveFileNum", INT, "100", NO_PAGE_CACHE),
    not_yet("compactionCqMappedFileSize", INT, "10485760", COMPACTION),
    not_yet("compactionMappedFileSize", INT, "104857600", COMPACTION),
    not_yet("compactionScheduleInternal", INT, "900000", COMPACTION),
    not_yet("compactionThreadNum", INT, "6", COMPACTION),
    no_meaning("compatibleWithOldNameSrv", BOOL, "true", ALWAYS_SO),
    works("compressedRegister", BOOL, fixed("false")),
    works("configBlackList", TEXT, fixed("configBlackList;brokerConfigPath")),
    no_meaning("configManagerVersion", TEXT, "v1", STATE_IN_LOG),
    no_meaning("connectTimeoutMillis", INT, "3000", NO_NETTY),
    works("connectionsMax", int(1, 1_000_000), derived("16384; --standalone: 4096")),
    not_yet("consumerFallbehindThreshold", INT, "17179869184", SLOW_CONSUMERS),
    no_meaning("consumerManageThreadPoolNums", INT, "1", ONE_THREAD),
    no_meaning("consumerManagerThreadPoolQueueCapacity", INT, "1000000", NO_POOL_QUEUE),
    no_meaning("consumerOffsetUpdateVersionStep", INT, "500", STATE_IN_LOG),
    not_yet("controllerAddr", TEXT, "", CONTROLLER),
    not_yet("controllerHeartBeatTimeoutMills", INT, "10000", CONTROLLER),
    no_meaning("correctLogicMinOffsetForceInterval", INT, "300000", DERIVED_QUEUES),
    no_meaning("correctLogicMinOffsetSleepInterval", INT, "1", DERIVED_QUEUES),
    works("cpus", Kind::Cpus, derived("one of each physical core this process may run on; --standalone, CPU quota: any")).important(),
    works("dLegerGroup", Kind::GroupName, fixed("")),
    works("dLegerJoin", BOOL, fixed("false")),
    works("dLegerPeers", Kind::RaftPeers, fixed("")),
    works("dLegerSelfId", Kind::NodeId, fixed("")),
    no_meaning("dataReadAheadEnable", BOOL, "true", NO_PAGE_CACHE),
    no_meaning("debugLockEnable", BOOL, "false", ONE_THREAD),
    no_meaning("defaultEventExecutorGroupEnable", BOOL, "false", NO_NETTY),
    works("defaultMessageRequestMode", Kind::Choice(&["PULL", "POP"]), fixed("PULL")),
    works("defaultPopShareQueueNum", int(i32::MIN as i64, i32::MAX as i64), fixed("-1")),
    works("defaultQueryMaxNum", int(1, QUERIED_MESSAGES_MAX), fixed("32")),
    works("defaultTopicQueueNums", int(1, 10_000), fixed("8")),
    no_meaning("delayOffsetUpdateVersionStep", INT, "200", STATE_IN_LOG),
    no_meaning("deleteCommitLogFilesInterval", INT, "100", OWN_RETENTION),
    no_meaning("deleteConsumeQueueFilesInterval", INT, "100", OWN_RETENTION),
    no_meaning("deleteFileBatchMax", INT, "10", OWN_RETENTION).important(),
    works("deleteWhen", Kind::Hours, fixed("04")).important().at_run_time(),
    no_meaning("destroyMapedFileIntervalForcibly", INT, "120000", NO_PAGE_CACHE),
    no_meaning("disableCallbackExecutor", BOOL, "false", ONE_THREAD),
    not_yet("disableConsumeIfConsumerReadSlowly", BOOL, "false", SLOW_CONSUMERS),
    no_meaning("disableNettyWorkerGroup", BOOL, "false", ONE_THREAD),
    not_yet("disappearTimeAfterStart", INT, "-1", DELAYED_SERVICE).important(),
    no_meaning("diskFallRecorded", BOOL, "true", NO_PAGE_CACHE),
    works("diskMaxUsedSpaceRatio", clamped(10, 95), fixed("75")).at_run_time(),
    works("diskSpaceCleanForciblyRatio", clamped(30, 85), fixed("85")).at_run_time(),
    works("diskSpaceWarningLevelRatio", clamped(35, 90), fixed("90")).at_run_time(),
    no_meaning("dispatchCqCacheNum", INT, "4096", ONE_THREAD),
    no_meaning("dispatchCqThreads", INT, "1", ONE_THREAD),
    no_meaning("dispatchFromSenderThread", BOOL, "false", ONE_THREAD).important(),
    no_meaning("duplicationEnable", BOOL, "false", OWN_RECOVERY),
    works("electionTimeoutMs", int(ELECTION_TIMEOUT_MS_MIN, ELECTION_TIMEOUT_MS_MAX), fixed("500")),
    no_meaning("enableAcceleratedRecovery", BOOL, "false", OWN_RECOVERY),
    no_meaning("enableAsyncReput", BOOL, "true", ONE_THREAD),
    works("enableAutoInSyncReplicas", BOOL, fixed("false")).important(),
    no_meaning("enableBatchPush", BOOL, "false", ALWAYS_SO),
    not_yet("enableBroadcastOffsetStore", BOOL, "false", BROADCAST_OFFSETS),
    no_meaning("enableBuildConsumeQueueConcurrently", BOOL, "false", ONE_THREAD),
    no_meaning("enableCalcFilterBitMap", BOOL, "false", NO_BITMAP),
    no_meaning("enableCleanExpiredOffset", BOOL, "false", STATE_IN_LOG).important(),
    not_yet("enableCompaction", BOOL, "false", COMPACTION),
    works("enableConnectionMetrics", BOOL, fixed("true")),
    no_meaning("enableConsumeQueueExt", BOOL, "false", DERIVED_QUEUES),
    refused("enableControllerMode", BOOL, "false", CONTROLLER),
    no_meaning("enableCreateSysGroup", BOOL, "true", ALWAYS_SO),
    works("enableDLegerCommitLog", BOOL, fixed("false")),
    no_meaning("enableDetailStat", BOOL, "true", COUNTED_ANYWAY),
    no_meaning("enableFastChannelEventProcess", BOOL, "false", ONE_THREAD),
    works("enableLagAndDlqMetrics", BOOL, fixed("true")),
    not_yet("enableLmq", BOOL, "false", LIGHT_QUEUES),
    not_yet("enableLmqStats", BOOL, "false", LIGHT_QUEUES),
    no_meaning("enableLogConsumeQueueRepeatedlyBuildWhenRecover", BOOL, "false", DERIVED_QUEUES),
    works("enableMessageStoreMetrics", BOOL, fixed("true")),
    not_yet("enableMixedMessageType", BOOL, "false", MESSAGE_TYPES),
    not_yet("enableMultiDispatch", BOOL, "false", LIGHT_QUEUES),
    no_meaning("enableNetWorkFlowControl", BOOL, "false", NO_NETTY),
    no_meaning("enableNotifyAfterPopOrderLockRelease", BOOL, "true", POP),
    no_meaning("enableNotifyBeforePopCalculateLag", BOOL, "true", POP),
    no_meaning("enablePopBatchAck", BOOL, "false", POP),
    no_meaning("enablePopBufferMerge", BOOL, "false", POP),
    not_yet("enablePopLog", BOOL, "false", POP_NOT_YET),
    works("enablePopMessageThreshold", BOOL, fixed("false")).at_run_time(),
    not_yet("enablePopMetrics", BOOL, "false", POP_NOT_YET),
    works("enablePropertyFilter", BOOL, fixed("false")),
    no_meaning("enableReconnectForGoAway", BOOL, "true", NO_NETTY),
    no_meaning("enableRegisterProducer", BOOL, "true", ALWAYS_SO),
    not_yet("enableRemoteEscape", BOOL, "false", REPLICATION),
    works("enableRemotingMetrics", BOOL, fixed("true")),
    works("enableRequestMetrics", BOOL, fixed("true")),
    works("enableRetryTopicV2", BOOL, fixed("false")).at_run_time(),
    no_meaning("enableRocksDBLog", BOOL, "false", DERIVED_QUEUES),
    no_meaning("enableRunningFlagsInFlush", BOOL, "false", OWN_RECOVERY).important(),
    no_meaning("enableScheduleAsyncDeliver", BOOL, "false", DELAY_ONE_PASS),
    no_meaning("enableScheduleMessageStats", BOOL, "true", COUNTED_ANYWAY),
    no_meaning("enableShutdownGracefully", BOOL, "false", NO_NETTY),
    not_yet("enableSingleTopicRegister", BOOL, "false", PARTIAL_REGISTRATION),
    no_meaning("enableSkipLongAwaitingAck", BOOL, "false", POP),
    refused("enableSlaveActingMaster", BOOL, "false", REPLICATION),
    no_meaning("enableSplitMetadata", BOOL, "true", STATE_IN_LOG),
    not_yet("enableSplitRegistration", BOOL, "false", PARTIAL_REGISTRATION),
    works("enableStatsMetrics", BOOL, fixed("true")),
    works("enableTransactionMetrics", BOOL, fixed("true")),
    not_yet("enabledAppendPropCRC", BOOL, "false", RECORD_CRC),
    no_meaning("endTransactionPoolQueueCapacity", INT, "100000", NO_POOL_QUEUE),
    no_meaning("endTransactionThreadPoolNums", INT, "1", ONE_THREAD),
    no_meaning("estimateAccumulation", BOOL, "true", COUNTED_ANYWAY),
    no_meaning("expectConsumerNumUseFilter", INT, "32", NO_BITMAP),
    no_meaning("fastFailIfNoBufferInStorePool", BOOL, "false", NO_PAGE_CACHE),
    not_yet("fetchControllerAddrByDnsLookup", BOOL, "false", CONTROLLER),
    not_yet("fetchNameSrvAddrByDnsLookup", BOOL, "false", FOUND_NAMESRV).important().important(),
    refused("fetchNamesrvAddrByAddressServer", BOOL, "false", FOUND_NAMESRV).important(),
    no_meaning("fetchNamesrvAddrInterval", INT, "10000", FIXED_NAMESRV),
    works("fileReservedTime", int(1, i32::MAX as i64), fixed("72")).important().at_run_time(),
    no_meaning("filterDataCleanTimeSpan", INT, "86400000", NO_BITMAP),
    no_meaning("filterServerNums", INT, "0", GONE),
    works("filterSupportRetry", BOOL, fixed("false")),
    no_meaning("flushCommitLogLeastPages", INT, "4", GROUP_COMMIT),
    no_meaning("flushCommitLogThoroughInterval", INT, "10000", GROUP_COMMIT),
    no_meaning("flushCommitLogTimed", BOOL, "true", GROUP_COMMIT).important(),
    no_meaning("flushConsumeQueueLeastPages", INT, "2", DERIVED_QUEUES),
    no_meaning("flushConsumeQueueThoroughInterval", INT, "60000", DERIVED_QUEUES),
    no_meaning("flushConsumerOffsetHistoryInterval", INT, "60000", STATE_IN_LOG),
    works("flushConsumerOffsetInterval", int(100, HOUR_MS), fixed("5000")),
    no_meaning("flushDelayOffsetInterval", INT, "10000", STATE_IN_LOG),
    works("flushDiskType", Kind::Choice(&["ASYNC_FLUSH", "SYNC_FLUSH"]), fixed("ASYNC_FLUSH")).important(),
    no_meaning("flushIntervalCommitLog", INT, "500", GROUP_COMMIT).important(),
    no_meaning("flushIntervalConsumeQueue", INT, "1000", DERIVED_QUEUES),
    no_meaning("flushLeastPagesWhenWarmMapedFile", INT, "4096", NO_PAGE_CACHE),
    not_yet("forceRegister", BOOL, "true", FULL_REGISTRATION),
    not_yet("forceVerifyPropCRC", BOOL, "false", RECORD_CRC),
    not_yet("forwardTimeout", INT, "3000", REPLICATION),
    no_meaning("globalColdReadThreshold", INT, "104857600", NO_PAGE_CACHE),
    no_meaning("haFlowControlEnable", BOOL, "false", OWN_COPYING).important(),
    no_meaning("haHousekeepingInterval", INT, "20000", OWN_COPYING),
    works("haListenPort", int(0, 65_535), derived("listenPort + 1")),
    works("haMasterAddress", Kind::HostPort, fixed("")).important(),
    works("haMaxGapNotInSync", int(0, i64::MAX), fixed("268435456")),
    no_meaning("haMaxTimeSlaveNotCatchup", INT, "15000", OWN_COPYING),
    no_meaning("haSendHeartbeatInterval", INT, "5000", OWN_COPYING),
    no_meaning("haSlaveFallbehindMax", INT, "0", GONE),
    no_meaning("haTransferBatchSize", INT, "32768", OWN_COPYING),
    no_meaning("heartbeatThreadPoolNums", INT, "1", ONE_THREAD),
    no_meaning("heartbeatThreadPoolQueueCapacity", INT, "50000", NO_POOL_QUEUE),
    no_meaning("highSpeedMode", BOOL, "false", GONE),
    works("inSyncReplicas", int(1, COPIES_MAX), fixed("1")).important(),
    not_yet("initAuthenticationUser", TEXT, "", ACCESS_CONTROL),
    works("initPopOffsetByCheckMsgInMem", BOOL, fixed("true")).at_run_time(),
    not_yet("innerClientAuthenticationCredentials", TEXT, "", ACCESS_CONTROL),
    no_meaning("isolateLogEnable", BOOL, "false", JAVA_HOME),
    works("listenPort", PORT, fixed("10911")).important(),
    no_meaning("litePullMessageEnable", BOOL, "true", ALWAYS_SO),
    no_meaning("litePullMessageThreadPoolNums", INT, "1", ONE_THREAD),
    no_meaning("litePullThreadPoolQueueCapacity", INT, "100000", NO_POOL_QUEUE),
    works("loadBalancePollNameServerInterval", int(1_000, HOUR_MS), fixed("30000")),
    no_meaning("loadBalanceProcessorThreadPoolNums", INT, "1", ONE_THREAD),
    no_meaning("loadBalanceThreadPoolQueueCapacity", INT, "100000", NO_POOL_QUEUE),
    not_yet("lockInStrictMode", BOOL, "false", REPLICATION),
    works("logBytesMax", int(0, i64::MAX), fixed("0")),
    works("logCacheBytes", int(LOG_CACHE_BYTES_MIN, LOG_CACHE_BYTES_MAX), derived("256 MiB; --standalone: 64 MiB")).important(),
    no_meaning("logicQueueForceSwapMapInterval", INT, "43200000", NO_PAGE_CACHE),
    no_meaning("logicQueueSwapMapInterval", INT, "3600000", NO_PAGE_CACHE),
    no_meaning("logicQueueSwapMapReserveFileNum", INT, "20", NO_PAGE_CACHE),
    no_meaning("logicalDiskSpaceCleanForciblyThreshold", TEXT, "0.8", OWN_RETENTION),
    works("longPollingEnable", BOOL, fixed("true")).at_run_time(),
    no_meaning("mapedFileSizeCommitLog", INT, "0", RENAMED_SEGMENT),
    no_meaning("mapedFileSizeConsumeQueue", INT, "0", DERIVED_QUEUES),
    works("mappedFileSizeCommitLog", Kind::SegmentBytes, fixed("1073741824")),
    no_meaning("mappedFileSizeConsumeQueue", INT, "6000000", DERIVED_QUEUES),
    no_meaning("mappedFileSizeConsumeQueueExt", INT, "50331648", DERIVED_QUEUES),
    no_meaning("mappedFileSizeTimerLog", INT, "104857600", TIMERS),
    no_meaning("mappedFileSwapEnable", BOOL, "true", NO_PAGE_CACHE),
    no_meaning("mapperFileSizeBatchConsumeQueue", INT, "13800000", DERIVED_QUEUES),
    no_meaning("maxAsyncPutMessageRequests", INT, "5000", ONE_THREAD),
    no_meaning("maxBatchDeleteFilesNum", INT, "50", OWN_RETENTION),
    no_meaning("maxChecksumRange", INT, "1073741824", OWN_RECOVERY),
    no_meaning("maxConsumeQueueScan", INT, "20000", DERIVED_QUEUES),
    no_meaning("maxDelayTime", INT, "0", GONE),
    no_meaning("maxErrorRateOfBloomFilter", INT, "20", NO_BITMAP),
    no_meaning("maxFilterMessageSize", INT, "16000", GONE),
    no_meaning("maxHaTransferByteInSecond", INT, "104857600", OWN_COPYING),
    no_meaning("maxHashSlotNum", INT, "5000000", OWN_INDEX),
    no_meaning("maxIndexNum", INT, "20000000", OWN_INDEX),
    not_yet("maxLmqConsumeQueueNum", INT, "20000", LIGHT_QUEUES),
    works("maxMessageSize", int(1, MESSAGE_BODY_BYTES_MAX as i64), fixed("4194304")).at_run_time(),
    works("maxMsgsNumBatch", int(1, QUERIED_MESSAGES_MAX), fixed("64")),
    not_yet("maxOffsetMapSize", INT, "104857600", COMPACTION),
    works("maxPopPollingSize", int(1, 1_000_000), fixed("100000")).at_run_time(),
    no_meaning("maxReconnectIntervalTimeSeconds", INT, "60", NO_NETTY),
    no_meaning("maxRecoveryCommitlogFiles", INT, "30", OWN_RECOVERY),
    no_meaning("maxSlaveResendLength", INT, "268435456", OWN_COPYING),
    no_meaning("maxStatsIdleTimeInMinutes", INT, "-1", COUNTED_ANYWAY),
    no_meaning("maxTopicLength", INT, "127", ALWAYS_SO),
    works("maxTransferBytesOnMessageInDisk", int(1, TRANSFER_BYTES_MAX), fixed("65536")).important().at_run_time(),
    works("maxTransferBytesOnMessageInMemory", int(1, TRANSFER_BYTES_MAX), fixed("262144")).important().at_run_time(),
    works("maxTransferCountOnMessageInDisk", int(1, TRANSFER_COUNT_MAX), fixed("8")).important().at_run_time(),
    works("maxTransferCountOnMessageInMemory", int(1, TRANSFER_COUNT_MAX), fixed("32")).important().at_run_time(),
    no_meaning("memTableFlushIntervalMs", INT, "3600000", DERIVED_QUEUES),
    works("messageDelayLevel", Kind::DelayLevels, fixed("1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h")),
    works("messageIndexEnable", BOOL, fixed("true")).important(),
    no_meaning("messageIndexSafe", BOOL, "false", OWN_INDEX).important(),
    refused("messageStorePlugIn", TEXT, "", TIERED_STORE),
    no_meaning("metaDataHosts", TEXT, "", GONE),
    not_yet("metricGrpcExporterIntervalInMills", INT, "60000", METRIC_PUSH),
    not_yet("metricGrpcExporterTimeOutInMills", INT, "3000", METRIC_PUSH),
    not_yet("metricLoggingExporterIntervalInMills", INT, "10000", METRIC_PUSH),
    works("metricsExporterType", Kind::Choice(&["DISABLE", "OTLP_GRPC", "PROM", "LOG"]), fixed("PROM")).important(),
    not_yet("metricsGrpcExporterHeader", TEXT, "", METRIC_PUSH),
    not_yet("metricsGrpcExporterTarget", TEXT, "", METRIC_PUSH),
    not_yet("metricsInDelta", BOOL, "false", METRIC_PUSH),
    not_yet("metricsLabel", TEXT, "", METRIC_LABELS),
    no_meaning("metricsOtelCardinalityLimit", INT, "50000", BOUNDED_SERIES),
    works("metricsPromExporterHost", Kind::Host, derived("bindAddress")),
    works("metricsPromExporterPort", PORT, fixed("5557")).important(),
    not_yet("migrateAuthFromV1Enabled", BOOL, "false", ACCESS_CONTROL),
    works("minInSyncReplicas", int(1, COPIES_MAX), fixed("1")).important(),
    works("msgTraceTopicName", Kind::TopicName, fixed("RMQ_SYS_TRACE_TOPIC")).important(),
    works("namesrvAddr", Kind::NameServers, derived("NAMESRV_ADDR; --standalone: its own name server")).important(),
    works("namesrvListenPort", PORT, fixed("9876")),
    no_meaning("netWorkFlowController", BOOL, "false", GONE),
    works("notifyConsumerIdsChangedEnable", BOOL, fixed("true")).at_run_time(),
    not_yet("objectStoreAccessKey", TEXT, "", TIERED_STORE),
    not_yet("objectStoreBucket", TEXT, "", TIERED_STORE),
    not_yet("objectStoreEndpoint", TEXT, "", TIERED_STORE),
    not_yet("objectStoreSecretKey", TEXT, "", TIERED_STORE),
    no_meaning("offsetCheckInSlave", BOOL, "false", OWN_COPYING),
    no_meaning("osPageCacheBusyTimeOutMills", INT, "1000", NO_PAGE_CACHE),
    works("parkedPullsMax", int(1, 10_000_000), fixed("100000")),
    no_meaning("popCkMaxBufferSize", INT, "200000", POP),
    no_meaning("popCkOffsetMaxQueueSize", INT, "20000", POP),
    no_meaning("popCkStayBufferTime", INT, "10000", POP),
    no_meaning("popCkStayBufferTimeOut", INT, "3000", POP),
    no_meaning("popConsumerFSServiceInit", BOOL, "true", POP),
    no_meaning("popConsumerKVServiceEnable", BOOL, "false", POP),
    no_meaning("popConsumerKVServiceInit", BOOL, "false", POP),
    no_meaning("popConsumerKVServiceLog", BOOL, "false", POP),
    works("popFromRetryProbability", int(0, 100), fixed("20")).at_run_time(),
    works("popInflightMessageThreshold", int(1, 1_000_000), fixed("10000")).at_run_time(),
    no_meaning("popLongPollingForceNotifyInterval", INT, "800", POP),
    no_meaning("popPollingMapExpireTimeSeconds", INT, "600", POP),
    no_meaning("popPollingMapSize", INT, "100000", POP),
    works("popPollingSize", int(1, 1_000_000), fixed("1024")).at_run_time(),
    works("popResponseReturnActualRetryTopic", BOOL, fixed("false")).at_run_time(),
    no_meaning("popReviveMaxAttemptTimes", INT, "16", POP),
    no_meaning("popReviveMaxReturnSizePerRead", INT, "16384", POP),
    no_meaning("preferredDirectByteBuffer", BOOL, "false", NO_NETTY),
    works("preferredLeaderId", Kind::NodeId, fixed("")),
    no_meaning("printChannelGroups", BOOL, "false", COUNTED_ANYWAY),
    no_meaning("printChannelGroupsMinNum", INT, "5", COUNTED_ANYWAY),
    no_meaning("processReplyMessageThreadPoolNums", INT, "1", ONE_THREAD),
    no_meaning("pullBatchMaxMessageCount", INT, "160", ALWAYS_SO),
    no_meaning("pullMessageThreadPoolNums", INT, "1", ONE_THREAD),
    no_meaning("pullThreadPoolQueueCapacity", INT, "100000", NO_POOL_QUEUE),
    no_meaning("putConsumeQueueDataByFileChannel", BOOL, "true", NO_PAGE_CACHE),
    no_meaning("putMessageFutureThreadPoolNums", INT, "1", ONE_THREAD),
    no_meaning("putMessageTimeout", INT, "8000", GROUP_COMMIT),
    no_meaning("putMsgIndexHightWater", INT, "600000", DERIVED_QUEUES),
    no_meaning("putThreadPoolQueueCapacity", INT, "10000", NO_POOL_QUEUE),
    no_meaning("queryMessageThreadPoolNums", INT, "1", ONE_THREAD),
    no_meaning("queryThreadPoolQueueCapacity", INT, "20000", NO_POOL_QUEUE),
    not_yet("readAheadCacheEnable", BOOL, "true", TIERED_STORE),
    not_yet("readAheadCacheExpireDuration", INT, "15000", TIERED_STORE),
    not_yet("readAheadCacheSizeThresholdRate", TEXT, "0.3", TIERED_STORE),
    not_yet("readAheadMessageCountThreshold", INT, "4096", TIERED_STORE),
    not_yet("readAheadMessageSizeThreshold", INT, "16777216", TIERED_STORE),
    refused("readOnlyCommitLogStorePaths", TEXT, "", ONE_STORE_PATH),
    no_meaning("readUnCommitted", BOOL, "false", ALWAYS_SO),
    no_meaning("realTimeNotifyConsumerChange", BOOL, "true", ALWAYS_SO),
    no_meaning("realTimePersistRocksDBConfig", BOOL, "true", DERIVED_QUEUES),
    works("recallMessageEnable", BOOL, fixed("false")).at_run_time(),
    no_meaning("recheckReputOffsetFromCq", BOOL, "false", DERIVED_QUEUES),
    not_yet("recordGetMessageResult", BOOL, "false", TIERED_STORE),
    no_meaning("recoverConcurrently", BOOL, "false", ONE_THREAD).important(),
    no_meaning("recoverThreadPoolNums", INT, "1", ONE_THREAD),
    no_meaning("redeleteHangedFileInterval", INT, "120000", NO_PAGE_CACHE),
    works("regionId", Kind::Name, fixed("DefaultRegion")),
    works("registerBrokerTimeoutMills", int(100, HOUR_MS), fixed("24000")),
    works("registerNameServerPeriod", clamped(10_000, 60_000), fixed("30000")),
    not_yet("rejectPullConsumerEnable", BOOL, "false", SLOW_CONSUMERS),
    works("rejectTransactionMessage", BOOL, fixed("false")).important().at_run_time(),
    no_meaning("replicasPerDiskPartition", INT, "1", OWN_RETENTION),
    no_meaning("replyThreadPoolQueueCapacity", INT, "10000", NO_POOL_QUEUE),
    works("retrieveMessageFromPopRetryTopicV1", BOOL, fixed("true")).at_run_time(),
    no_meaning("reviveAckWaitMs", INT, "180000", POP),
    no_meaning("reviveInterval", INT, "1000", POP),
    no_meaning("reviveMaxSlow", INT, "3", POP),
    no_meaning("reviveQueueNum", INT, "8", POP),
    no_meaning("reviveScanTime", INT, "10000", POP),
    not_yet("rmqAddressServerDomain", TEXT, "", FOUND_NAMESRV),
    not_yet("rmqAddressServerSubGroup", TEXT, "", FOUND_NAMESRV),
    no_meaning("rocketmqHome", TEXT, "", JAVA_HOME),
    no_meaning("rocksdbCQDoubleWriteEnable", BOOL, "false", DERIVED_QUEUES),
    no_meaning("rocksdbCompressionType", TEXT, "lz4", DERIVED_QUEUES),
    no_meaning("rocksdbFlushWalFrequency", INT, "1024", DERIVED_QUEUES),
    no_meaning("rocksdbWalFileRollingThreshold", INT, "1073741824", DERIVED_QUEUES),
    no_meaning("sampleCountThreshold", INT, "5000", NO_PAGE_CACHE),
    no_meaning("sampleSteps", INT, "32", NO_PAGE_CACHE),
    no_meaning("scanAvailableNameSrv", BOOL, "true", NO_NETTY),
    no_meaning("scheduleAsyncDeliverMaxPendingLimit", INT, "2000", DELAY_ONE_PASS),
    no_meaning("scheduleAsyncDeliverMaxResendNum2Blocked", INT, "3", DELAY_ONE_PASS),
    no_meaning("searchBcqByCacheEnable", BOOL, "true", DERIVED_QUEUES),
    not_yet("sendHeartbeatTimeoutMillis", INT, "1000", REPLICATION),
    no_meaning("sendMessageThreadPoolNums", INT, "1", ONE_THREAD),
    no_meaning("sendThreadPoolQueueCapacity", INT, "10000", NO_POOL_QUEUE),
    no_meaning("serverAsyncSemaphoreValue", INT, "64", NO_NETTY),
    no_meaning("serverCallbackExecutorThreads", INT, "1", ONE_THREAD),
    works("serverChannelMaxIdleTimeSeconds", int(10, 86_400), fixed("120")),
    works("serverLoadBalancerEnable", BOOL, fixed("true")),
    no_meaning("serverNettyWorkerGroupEnable", BOOL, "true", ONE_THREAD),
    no_meaning("serverOnewaySemaphoreValue", INT, "256", NO_NETTY),
    no_meaning("serverPooledByteBufAllocatorEnable", BOOL, "true", NO_NETTY),
    no_meaning("serverSelectorThreads", INT, "1", ONE_THREAD),
    no_meaning("serverSocketBacklog", INT, "1024", NO_NETTY),
    no_meaning("serverSocketRcvBufSize", INT, "0", NO_NETTY),
    no_meaning("serverSocketSndBufSize", INT, "0", NO_NETTY),
    no_meaning("serverWorkerThreads", INT, "1", ONE_THREAD),
    works("shards", int(1, SHARDS_MAX as i64), derived("one a physical core; --standalone: at most 2")).important(),
    works("shmRingBytes", Kind::RingBytes, fixed("16777216")).important(),
    works("shmRingDir", Kind::Path, fixed("/dev/shm")),
    works("shortPollingTimeMills", int(1, HOUR_MS), fixed("1000")).at_run_time(),
    no_meaning("shutdownWaitTimeSeconds", INT, "30", NO_NETTY),
    not_yet("skipPreOnline", BOOL, "false", REPLICATION),
    no_meaning("skipWhenCKRePutReachMaxTimes", BOOL, "false", POP),
    works("slaveReadEnable", BOOL, fixed("false")),
    works("slaveTimeout", int(1, HOUR_MS), fixed("3000")),
    no_meaning("socksProxyConfig", TEXT, "{}", NO_NETTY),
    no_meaning("spinLockCollisionRetreatOptimalDegree", INT, "1000", ONE_THREAD),
    no_meaning("splitMetadataSize", INT, "2000", STATE_IN_LOG),
    not_yet("splitRegistrationSize", INT, "800", PARTIAL_REGISTRATION),
    not_yet("startAcceptSendRequestTimeStamp", INT, "0", DELAYED_SERVICE),
    no_meaning("statRocksDBCQIntervalSec", INT, "10", DERIVED_QUEUES),
    not_yet("statefulAuthenticationCacheExpiredSecond", INT, "60", ACCESS_CONTROL),
    not_yet("statefulAuthenticationCacheMaxNum", INT, "10000", ACCESS_CONTROL),
    not_yet("statefulAuthorizationCacheExpiredSecond", INT, "60", ACCESS_CONTROL),
    not_yet("statefulAuthorizationCacheMaxNum", INT, "10000", ACCESS_CONTROL),
    no_meaning("storeCheckpoint", TEXT, "", UNDER_ROOT),
    not_yet("storePathBrokerIdentity", TEXT, "", REPLICATION).important(),
    row("storePathCommitLog", Kind::Path, derived("storePathRootDir/commitlog"), Class::AcceptedNoMeaning(UNDER_ROOT)).important(),
    no_meaning("storePathConsumeQueue", TEXT, "", UNDER_ROOT),
    no_meaning("storePathDLedgerCommitLog", TEXT, "", UNDER_ROOT).important(),
    not_yet("storePathEpochFile", TEXT, "", REPLICATION).important(),
    no_meaning("storePathIndex", TEXT, "", UNDER_ROOT),
    works("storePathRootDir", Kind::Path, derived("~/store; --standalone: ~/turbopump")).important(),
    works("storeReplyMessageEnable", BOOL, fixed("true")),
    no_meaning("storeType", TEXT, "default", DERIVED_QUEUES).important(),
    not_yet("subscriptionExpiredTimeout", INT, "600000", PULLS_WITHOUT_HEARTBEAT),
    not_yet("syncBrokerMemberGroupPeriod", INT, "1000", REPLICATION),
    not_yet("syncBrokerMetadataPeriod", INT, "5000", CONTROLLER),
    not_yet("syncControllerMetadataPeriod", INT, "10000", CONTROLLER),
    not_yet("syncFlushTimeout", INT, "5000", FLUSH_TIMEOUT),
    no_meaning("syncFromLastFile", BOOL, "false", OWN_COPYING),
    no_meaning("syncFromMinOffset", BOOL, "false", GONE),
    no_meaning("syncMasterFlushOffsetWhenStartup", BOOL, "false", OWN_COPYING),
    not_yet("tieredBackendServiceProvider", TEXT, "org.apache.rocketmq.tieredstore.provider.MemoryFileSegment", TIERED_STORE),
    not_yet("tieredMetadataServiceProvider", TEXT, "org.apache.rocketmq.tieredstore.metadata.DefaultMetadataStore", TIERED_STORE),
    not_yet("tieredStorageLevel", TEXT, "NOT_IN_DISK", TIERED_STORE),
    not_yet("tieredStoreCommitLogMaxSize", INT, "1073741824", TIERED_STORE),
    not_yet("tieredStoreConsumeQueueMaxSize", INT, "104857600", TIERED_STORE),
    not_yet("tieredStoreCrcCheckEnable", BOOL, "false", TIERED_STORE),
    not_yet("tieredStoreDeleteFileEnable", BOOL, "true", TIERED_STORE),
    not_yet("tieredStoreDeleteFileInterval", INT, "3600000", TIERED_STORE),
    not_yet("tieredStoreFilePath", TEXT, "", TIERED_STORE),
    not_yet("tieredStoreFileReservedTime", INT, "72", TIERED_STORE),
    not_yet("tieredStoreGroupCommit", BOOL, "true", TIERED_STORE),
    not_yet("tieredStoreGroupCommitCount", INT, "4096", TIERED_STORE),
    not_yet("tieredStoreGroupCommitSize", INT, "4194304", TIERED_STORE),
    not_yet("tieredStoreGroupCommitTimeout", INT, "30000", TIERED_STORE),
    not_yet("tieredStoreIndexFileMaxHashSlotNum", INT, "5000000", TIERED_STORE),
    not_yet("tieredStoreIndexFileMaxIndexNum", INT, "20000000", TIERED_STORE),
    not_yet("tieredStoreMaxGroupCommitCount", INT, "10000", TIERED_STORE),
    not_yet("tieredStoreMaxPendingLimit", INT, "10000", TIERED_STORE),
    not_yet("timerCheckMetricsWhen", TEXT, "05", TIMER_SWITCHES),
    no_meaning("timerColdDataCheckIntervalMs", INT, "60000", NO_PAGE_CACHE),
    no_meaning("timerCongestNumEachSlot", INT, "2147483647", TIMERS),
    not_yet("timerEnableCheckMetrics", BOOL, "false", TIMER_SWITCHES),
    no_meaning("timerEnableDisruptor", BOOL, "false", TIMERS),
    no_meaning("timerEnableRetryUntilSuccess", BOOL, "false", TIMERS),
    no_meaning("timerFlushIntervalMs", INT, "1000", TIMERS),
    no_meaning("timerGetMessageThreadNum", INT, "3", TIMERS),
    not_yet("timerInterceptDelayLevel", BOOL, "false", TIMER_SWITCHES),
    works("timerMaxDelaySec", int(1, TIMER_DELAY_SEC_MAX), fixed("31536000")).at_run_time(),
    no_meaning("timerMetricSmallThreshold", INT, "1000000", TIMERS),
    no_meaning("timerPrecisionMs", INT, "1000", TIMERS),
    no_meaning("timerProgressLogIntervalMs", INT, "10000", TIMERS),
    no_meaning("timerPutMessageThreadNum", INT, "3", TIMERS),
    works("timerRollWindowSlot", int(3_600, TIMER_DELAY_SEC_MAX), fixed("172800")).at_run_time(),
    no_meaning("timerSkipUnknownError", BOOL, "false", TIMERS),
    not_yet("timerStopDequeue", BOOL, "false", TIMER_SWITCHES),
    not_yet("timerStopEnqueue", BOOL, "false", TIMER_SWITCHES),
    no_meaning("timerWarmEnable", BOOL, "false", TIMERS),
    works("timerWheelEnable", BOOL, fixed("true")).at_run_time(),
    no_meaning("topicQueueLockNum", INT, "32", ONE_THREAD),
    not_yet("totalReplicas", INT, "1", REPLICATION).important(),
    works("traceOn", BOOL, fixed("true")),
    works("traceTopicEnable", BOOL, fixed("false")).important(),
    works("transactionCheckInterval", int(100, 86_400_000), fixed("30000")).important().at_run_time(),
    works("transactionCheckMax", int(1, 1_000_000), fixed("15")).important().at_run_time(),
    no_meaning("transactionMetricFlushInterval", INT, "10000", TRANSACTION_METRICS),
    no_meaning("transactionOpBatchInterval", INT, "3000", ENDS_IN_LOG),
    no_meaning("transactionOpMsgMaxSize", INT, "4096", ENDS_IN_LOG),
    works("transactionTimeOut", int(0, 86_400_000), fixed("6000")).important().at_run_time(),
    no_meaning("transferMsgByHeap", BOOL, "true", NO_PAGE_CACHE),
    no_meaning("transientStorePoolEnable", BOOL, "false", NO_PAGE_CACHE).important(),
    no_meaning("transientStorePoolSize", INT, "5", NO_PAGE_CACHE),
    no_meaning("travelCqFileNumWhenGetMessage", INT, "1", DERIVED_QUEUES),
    no_meaning("updateNameServerAddrPeriod", INT, "120000", FIXED_NAMESRV),
    no_meaning("useABSLock", BOOL, "false", ONE_THREAD),
    no_meaning("useEpollNativeSelector", BOOL, "false", NO_NETTY),
    no_meaning("usePIDColdCtrStrategy", BOOL, "true", NO_PAGE_CACHE),
    no_meaning("useReentrantLockWhenPutMessage", BOOL, "false", ONE_THREAD),
    works("useServerSideResetOffset", BOOL, fixed("true")).at_run_time(),
    not_yet("useStaticSubscription", BOOL, "false", MESSAGE_TYPES),
    refused("useTLS", BOOL, "false", TLS),
    not_yet("userCacheExpiredSecond", INT, "600", ACCESS_CONTROL),
    not_yet("userCacheMaxNum", INT, "1000", ACCESS_CONTROL),
    not_yet("userCacheRefreshSecond", INT, "60", ACCESS_CONTROL),
    no_meaning("validateSystemTopicWhenUpdateTopic", BOOL, "true", ALWAYS_SO),
    no_meaning("waitTimeMillsInAckQueue", INT, "3000", NO_POOL_QUEUE),
    no_meaning("waitTimeMillsInAdminBrokerQueue", INT, "5000", NO_POOL_QUEUE),
    no_meaning("waitTimeMillsInHeartbeatQueue", INT, "31000", NO_POOL_QUEUE),
    no_meaning("waitTimeMillsInLitePullQueue", INT, "5000", NO_POOL_QUEUE),
    no_meaning("waitTimeMillsInPullQueue", INT, "5000", NO_POOL_QUEUE),
    no_meaning("waitTimeMillsInSendQueue", INT, "200", NO_POOL_QUEUE),
    no_meaning("waitTimeMillsInTransactionQueue", INT, "3000", NO_POOL_QUEUE),
    no_meaning("wakeCommitWhenPutMessage", BOOL, "true", GROUP_COMMIT).important(),
    no_meaning("wakeFlushWhenPutMessage", BOOL, "false", GROUP_COMMIT).important(),
    no_meaning("warmMapedFileEnable", BOOL, "false", NO_PAGE_CACHE),
    no_meaning("writeBufferHighWaterMark", INT, "0", NO_NETTY),
    no_meaning("writeBufferLowWaterMark", INT, "0", NO_NETTY),
    no_meaning("writeWithoutMmap", BOOL, "false", NO_PAGE_CACHE).important(),
];

const _: () = assert_ascending(PROPERTIES);

/// A misplaced or duplicate row does not build: the search relies on the order.
const fn assert_ascending(rows: &[Property]) {
    let mut at = 1;
    while at < rows.len() {
        assert!(is_less(rows[at - 1].name.as_bytes(), rows[at].name.as_bytes()), "rows ascend by name");
        at += 1;
    }
}

const fn is_less(a: &[u8], b: &[u8]) -> bool {
    let mut at = 0;
    while at < a.len() && at < b.len() {
        if a[at] != b[at] {
            return a[at] < b[at];
        }
        at += 1;
    }
    a.len() < b.len()
}

#[cfg(test)]
mod tests;
