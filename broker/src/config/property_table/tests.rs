use super::*;

#[test]
fn every_fixed_default_is_a_value_of_its_kind_and_reads_back() {
    for property in PROPERTIES {
        let Default::Fixed(text) = property.default else { continue };
        let parsed = property.kind.parse(text);
        let value = parsed.unwrap_or_else(|allowed| panic!("{}={text}: allowed is {allowed}", property.name));
        assert_eq!(value.to_string(), text, "{}", property.name);
    }
}

#[test]
fn every_row_is_found_by_its_name() {
    for property in PROPERTIES {
        assert!(std::ptr::eq(find(property.name).unwrap(), property), "{}", property.name);
    }
    assert!(find("listenport").is_none(), "names keep their case");
}

#[test]
fn only_working_properties_are_derived_or_change_at_run_time() {
    for property in PROPERTIES {
        let works = property.class == Class::Works;
        let derived = matches!(property.default, Default::Derived(_));
        assert!(works || !property.at_run_time, "{}", property.name);
        assert!(works || !derived || property.name == "storePathCommitLog", "{}", property.name);
    }
}

#[test]
fn every_reason_is_a_sentence_part_without_end_mark() {
    for property in PROPERTIES {
        let (Class::AcceptedNoMeaning(reason) | Class::NotYet(reason) | Class::Refused(reason)) = property.class else {
            continue;
        };
        assert!(!reason.is_empty() && !reason.ends_with('.'), "{}: {reason}", property.name);
    }
}

#[test]
fn a_misspelt_name_leads_to_the_one_meant() {
    for (written, meant) in [
        ("listenport", "listenPort"),
        ("brokerIp1", "brokerIP1"),
        ("flushDisktype", "flushDiskType"),
        ("nameSrvAddr", "namesrvAddr"),
        ("autoCreateTopicsEnable", "autoCreateTopicEnable"),
        ("dLedgerPeers", "dLegerPeers"),
        ("shard", "shards"),
    ] {
        assert_eq!(nearest(written), Some(meant), "{written}");
    }
}

#[test]
fn a_name_like_nothing_known_has_no_nearest() {
    assert_eq!(nearest("zzzzzzzzzzzzzzzzzzzz"), None);
    assert_eq!(nearest(""), None);
}

/// The properties that documents for users list; a broker that does not know one of them refuses their files.
#[test]
fn every_property_of_the_documented_sample_files_is_known() {
    let documented = "brokerClusterName brokerName brokerId listenPort haListenPort bindAddress brokerIP1 brokerIP2 \
        namesrvAddr storePathRootDir storePathCommitLog storePathConsumeQueue storePathIndex storeCheckpoint abortFile \
        mappedFileSizeCommitLog mappedFileSizeConsumeQueue flushDiskType brokerRole deleteWhen fileReservedTime \
        diskMaxUsedSpaceRatio maxMessageSize autoCreateTopicEnable autoCreateSubscriptionGroup defaultTopicQueueNums \
        clusterTopicEnable brokerTopicEnable brokerPermission messageDelayLevel enablePropertyFilter traceTopicEnable \
        msgTraceTopicName slaveReadEnable longPollingEnable shortPollingTimeMills transferMsgByHeap \
        sendMessageThreadPoolNums pullMessageThreadPoolNums waitTimeMillsInSendQueue brokerFastFailureEnable \
        osPageCacheBusyTimeOutMills transactionTimeOut transactionCheckMax transactionCheckInterval \
        rejectTransactionMessage messageIndexEnable maxIndexNum maxHashSlotNum timerWheelEnable timerMaxDelaySec \
        forceRegister compressedRegister registerNameServerPeriod registerBrokerTimeoutMills haMasterAddress \
        haSendHeartbeatInterval haHousekeepingInterval haTransferBatchSize slaveTimeout aclEnable \
        authenticationEnabled authorizationEnabled initAuthenticationUser innerClientAuthenticationCredentials \
        enableControllerMode controllerAddr enableSlaveActingMaster totalReplicas inSyncReplicas minInSyncReplicas \
        enableDLegerCommitLog dLegerGroup dLegerPeers dLegerSelfId preferredLeaderId enableBatchPush \
        storePathDLedgerCommitLog useServerSideResetOffset lockInStrictMode configBlackList metricsExporterType \
        metricsPromExporterPort storeType transientStorePoolEnable warmMapedFileEnable syncFlushTimeout";
    for name in documented.split_whitespace() {
        assert!(find(name).is_some(), "{name}");
    }
}
