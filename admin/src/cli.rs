//! The command line. Options keep the names of the original mqadmin, so its scripts and habits go on working.

use clap::Parser;

use crate::command::Command;

/// Where a name server is looked for when nothing is said.
const DEFAULT_NAME_SERVERS: &str = "127.0.0.1:9876";

/// Administration of a RocketMQ cluster.
#[derive(Debug, Parser)]
#[command(name = "mqadmin", version, arg_required_else_help = true)]
pub struct Cli {
    /// Name servers, as in '192.168.0.1:9876;192.168.0.2:9876'
    #[arg(
        short = 'n',
        long = "namesrvAddr",
        alias = "namesrv-addr",
        value_name = "LIST",
        env = "NAMESRV_ADDR",
        default_value = DEFAULT_NAME_SERVERS,
        global = true
    )]
    name_servers: String,

    /// Print the result as one line of JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    /// The name server list; an empty one (NAMESRV_ADDR= in the environment) is as good as none.
    pub(crate) fn name_servers(&self) -> &str {
        if self.name_servers.trim().is_empty() { DEFAULT_NAME_SERVERS } else { &self.name_servers }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(arguments: &[&str]) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(std::iter::once("mqadmin").chain(arguments.iter().copied()))
    }

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_option_of_the_original_is_accepted() {
        for line in [
            "updateTopic -a +a=b -b h:1 -n h:9876 -o true -p 6 -r 8 -s false -t T -u false -w 8",
            "updateTopic --attributes +a=b --clusterName C --order false --perm 4 --readQueueNums 1 --hasUnitSub true \
             --topic T --unit true --writeQueueNums 1 --namesrvAddr h:9876",
            "updateTopic --brokerAddr h:1 --topic T",
            "deleteTopic -c C -n h:9876 -t T",
            "deleteTopic --clusterName C --topic T",
            "topicList -n h:9876 -c",
            "topicList --clusterModel",
            "topicRoute -l -n h:9876 -t T",
            "topicRoute --list --topic T",
            "topicStatus -c C -n h:9876 -t T",
            "topicStatus --cluster C --topic T",
            "clusterList -c C -i 1 -m -n h:9876",
            "clusterList --clusterName C --interval 1 --moreStats",
            "haStatus -c C -i 1 -n h:9876",
            "haStatus --clusterName C --interval 1",
            "haStatus --brokerAddr h:1",
            "getSyncStateSet -a h:9878 -b B -i 1",
            "getSyncStateSet --controllerAddress h:9878 --clusterName C",
            "replicationStatus -c C -b B -m -i 1 -n h:9876",
            "promoteSlave -b h:1 -f",
            "promoteSlave --brokerAddr h:1 --force",
            "sendMessage -b B -c Tag -i 0 -k key -m false -n h:9876 -p body -t T",
            "sendMessage --broker B --tags Tag --qid 0 --key key --msgTraceEnable true --body body --topic T",
            "consumeMessage -b B -c 10 -e 1700000000000 -g G -i 0 -n h:9876 -o 0 -t T",
            "consumeMessage -s 2026-11-21#10:12:11:813 -e currentTimeMillis -t T",
            "consumeMessage --brokerName B --MessageNumber 10 --endTimestamp 1 --consumerGroup G --queueId 0 \
             --beginTimestamp 0 --topic T",
            "consumeMessage --brokerName B --queueId 0 --offset 0 --topic T",
            "queryMsgById -c C -d client -f UTF-8 -g G -i ID -n h:9876 -s true -t T -u unit",
            "queryMsgById --cluster C --clientId c --bodyFormat hex --consumerGroup G --msgId ID --sendMessage false \
             --topic T --unitName unit",
            "updateTopicList -b h:1 -f file -n h:9876",
            "updateTopicList --clusterName C --filename file",
            "updateSubGroup -a true --attributes +a=b -c C -d true -g G -i 0 -m true -n h:9876 -o true -p {} -q 1 -r 3 -s true -w 1",
            "updateSubGroup --brokerAddr h:1 --notifyConsumerIdsChanged false --consumeBroadcastEnable false --groupName G \
             --brokerId 0 --consumeFromMinEnable false --consumeMessageOrderly false --groupRetryPolicy {} --retryQueueNums 1 \
             --retryMaxTimes 3 --consumeEnable false --whichBrokerWhenConsumeSlowly 1",
            "updateSubGroupList -c C -f file",
            "setConsumeMode -c C -g G -m POP -n h:9876 -q 8 -t T",
            "setConsumeMode --brokerAddr h:1 --groupName G --mode PULL --popShareQueueNum -1 --topicName T",
            "deleteSubGroup -c C -g G -n h:9876 -r true",
            "deleteSubGroup --brokerAddr h:1 --groupName G --removeOffset false",
            "updateBrokerConfig -a true -c C -k key -n h:9876 -v value",
            "updateBrokerConfig --updateAllBroker false --brokerAddr h:1 --key k --value -1",
            "updateTopicPerm -b h:1 -n h:9876 -p 4 -t T",
            "updateTopicPerm --clusterName C --perm 6 --topic T",
            "topicClusterList -n h:9876 -t T",
            "brokerStatus -b h:1 -n h:9876",
            "brokerStatus --clusterName C",
            "queryMsgByKey -b 0 -c C -e 1 -k key -l last -m 64 -n h:9876 -p K -t T",
            "queryMsgByKey --beginTimestamp 0 --cluster C --endTimestamp 1 --msgKey k --lastKey l --maxNum 1 --keyType T --topic T",
            "queryMsgByUniqueKey -a -c C -d client -e 1 -g G -i ID -n h:9876 -s 0 -t T",
            "queryMsgByUniqueKey --showAll --cluster C --clientId c --endTime 1 --consumerGroup G --msgId ID --startTime 0 --topic T",
            "queryMsgByOffset -b B -f UTF-8 -i 0 -n h:9876 -o 0 -t T",
            "queryMsgByOffset --brokerName B --bodyFormat UTF-8 --queueId 0 --offset 0 --topic T",
            "queryMsgTraceById -b 0 -c 64 -e 1 -i ID -n h:9876 -t T",
            "queryMsgTraceById --beginTimestamp 0 --maxNum 64 --endTimestamp 1 --msgId ID --traceTopic T",
            "printMsg -b currentTimeMillis -c UTF-8 -d true -e 2026-11-21#10:12:11:813 -l T -n h:9876 -s TagA -t T",
            "printMsg --topic T --charsetName UTF-8 --printBody false --subExpression *",
            "printMsgByQueue -a B -b 0 -c UTF-8 -d true -e 1 -f true -i 0 -n h:9876 -p true -s TagA -t T",
            "printMsgByQueue --topic T --brokerName B --queueId 0 --calculate true",
            "sendMsgStatus -b B -c 50 -n h:9876 -s 128",
            "sendMsgStatus --brokerName B --count 50 --messageSize 128",
            "brokerConsumeStats -b h:1 -l 0 -n h:9876 -o false -t 50000",
            "brokerConsumeStats --brokerAddr h:1 --level 1 --order true --timeoutMillis 1",
            "producerConnection -g G -n h:9876 -t T",
            "producerConnection --producerGroup G --topic T",
            "consumerConnection -b h:1 -g G -n h:9876",
            "consumerConnection --consumerGroup G",
            "consumerProgress",
            "consumerProgress -c C -g G -n h:9876 -s true -t T",
            "consumerProgress --cluster C --groupName G --showClientIP false --topicName T",
            "consumerStatus -b h:1 -g G -i client -n h:9876 -s",
            "consumerStatus --brokerAddr h:1 --consumerGroup G --clientId c --jstack",
            "consumer -g G",
            "getConsumerStatus -g G -t T -i client",
            "cloneGroupOffset -d D -n h:9876 -o true -s S -t T",
            "cloneGroupOffset --destGroup D --offline false --srcGroup S --topic T",
            "producer -b h:1 -n h:9876",
            "producer --broker h:1",
            "updateKvConfig -k key -n h:9876 -s NS -v value",
            "updateKvConfig --key k --namespace NS --value v",
            "deleteKvConfig -k key -n h:9876 -s NS",
            "wipeWritePerm -b B -n h:9876",
            "addWritePerm --brokerName B",
            "resetOffsetByTime -b h:1 -c C -f true -g G -n h:9876 -o 5 -q 0 -s now -t T",
            "resetOffsetByTime --broker h:1 --force false --group G --offset 5 --queue 0 --timestamp -1 --topic T",
            "resetOffsetByTimeOld -g G -s 1700000000000 -t T",
            "skipAccumulatedMessage -c C -f true -g G -n h:9876 -t T",
            "skipAccumulatedMessage --cluster C --force true --group G --topic T",
            "updateOrderConf -m put -n h:9876 -t T -v B:4",
            "updateOrderConf --method get --topic T",
            "cleanExpiredCQ -n h:9876",
            "cleanExpiredCQ -c C",
            "cleanUnusedTopic --cluster C",
            "deleteExpiredCommitLog --brokerAddr h:1",
            "statsAll -a -n h:9876 -t T",
            "statsAll --activeTopic --topic T",
            "allocateMQ -i 10.0.0.1,10.0.0.2 -n h:9876 -t T",
            "allocateMQ --ipList 10.0.0.1 --topic T",
            "checkMsgSendRT -a 100 -n h:9876 -s 128 -t T",
            "checkMsgSendRT --amount 1 --size 1 --topic T",
            "clusterRT -a 100 -c C -i 10 -m room -n h:9876 -p true -s 128",
            "clusterRT --amount 1 --cluster C --interval 1 --size 1",
            "getNamesrvConfig -n h:9876",
            "updateNamesrvConfig -k key -n h:9876 -v value",
            "getBrokerConfig -b h:1 -n h:9876",
            "getBrokerConfig --clusterName C",
            "getConsumerConfig -g G -n h:9876",
            "getConsumerConfig --groupName G",
            "queryCq -b h:1 -c 10 -g G -i 0 -n h:9876 -q 0 -t T",
            "queryCq --broker h:1 --count 10 --consumer G --index 0 --queue 0 --topic T",
            "exportMetadata -b h:1 -f folder -g -n h:9876",
            "exportMetadata --clusterName C --filePath folder --specialTopic --topic",
            "exportConfigs -c C -f folder -n h:9876",
            "exportMetrics -c C -f folder -n h:9876",
            "exportPopRecord -c C -d true -n h:9876",
            "DecodeMessageId -i 7F00000100002A9F0000000000001000 -n h:9876",
            "DecodeMessageId --messageId 7F00000100002A9F0000000000001000",
            "startMonitoring -n h:9876",
        ] {
            let arguments: Vec<_> = line.split_whitespace().collect();
            parse(&arguments).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
    }

    #[test]
    fn json_and_name_servers_go_before_or_after_the_command() {
        for line in ["--json -n h:1 topicList", "topicList --json -n h:1", "topicList --namesrv-addr h:1 --json"] {
            let cli = parse(&line.split(' ').collect::<Vec<_>>()).unwrap();
            assert!(cli.json && cli.name_servers() == "h:1", "{line}");
        }
    }

    #[test]
    fn an_empty_name_server_list_means_the_default() {
        let cli = parse(&["topicList", "-n", " "]).unwrap();
        assert_eq!(cli.name_servers(), "127.0.0.1:9876");
    }

    #[test]
    fn a_value_may_begin_with_a_dash_where_that_is_usual() {
        parse(&["updateTopic", "-b", "h:1", "-t", "T", "-a", "-message.type"]).unwrap();
        parse(&["sendMessage", "-t", "T", "-p", "-1"]).unwrap();
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        for (line, reason) in [
            ("updateTopic -t T", "required"),
            ("updateTopic -t T -b h:1 -c C", "cannot be used with"),
            ("updateTopic -t T -b h:1 -p 9", "2, 4, 6"),
            ("updateTopic -t T -b h:1 -r 0", "0"),
            ("updateTopic -b h:1", "--topic"),
            ("deleteTopic -t T", "--clusterName"),
            ("sendMessage -t T", "--body"),
            ("sendMessage -t T -p x -i 1", "--broker"),
            ("consumeMessage -t T -i 1", "--brokerName"),
            ("consumeMessage -t T -b B -o 1", "--queueId"),
            ("consumeMessage -t T -b B -i 0 -o 1 -s 5", "cannot be used with"),
            ("consumeMessage -t T -c 0", "0"),
            ("consumeMessage -t T -s yesterday", "yyyy-MM-dd#HH:mm:ss:SSS"),
            ("queryMsgById -i ID -d client", "--consumerGroup"),
            ("haStatus", "--clusterName"),
            ("haStatus -b h:1 -c C", "cannot be used with"),
            ("topiclist", "topicList"),
            ("brokerStatus", "--brokerAddr"),
            ("brokerStatus -b h:1 -c C", "cannot be used with"),
            ("cleanExpiredCQ -b h:1 -c C", "cannot be used with"),
            ("updateOrderConf -t T -m put", "--orderConf"),
            ("updateOrderConf -t T -m puts", "'put'"),
            ("setConsumeMode -c C -t T -g G -m push", "PULL, POP"),
            ("resetOffsetByTime -g G -t T", "--timestamp"),
            ("resetOffsetByTime -g G -t T -s now -q 1", "--broker"),
            ("resetOffsetByTime -g G -t T -s now -b h:1 -o 5", "--queue"),
            ("consumerProgress -t T", "--groupName"),
            ("queryMsgByKey -t T -k k -m 0", "0"),
            ("queryMsgByUniqueKey -t T -i ID -g G", "--clientId"),
            ("exportMetadata -c C -t -g", "cannot be used with"),
            ("DecodeMessageId -i 7F", "messageId"),
            ("migrate", "stop-writes"),
            ("migrate copy --from a", "--to"),
            ("migrate wait", "--from"),
            ("completions tcsh", "bash"),
        ] {
            let error = parse(&line.split(' ').collect::<Vec<_>>()).unwrap_err().to_string();
            assert!(error.contains(reason), "{line}: {error}");
        }
    }
}
