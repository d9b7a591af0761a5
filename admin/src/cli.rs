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
        ] {
            let error = parse(&line.split(' ').collect::<Vec<_>>()).unwrap_err().to_string();
            assert!(error.contains(reason), "{line}: {error}");
        }
    }
}
