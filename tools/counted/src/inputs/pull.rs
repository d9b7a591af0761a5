//! Pulls: the Java push consumer's, whose filter came with its heartbeat.

use super::push_json_frame;

/// What differs from pull to pull.
pub struct Pull<'a> {
    /// The consumer's group.
    pub group: &'a str,
    /// What it reads.
    pub topic: &'a str,
    /// Which queue of it.
    pub queue_id: u32,
    /// Number of the first message it wants.
    pub offset: u64,
    /// Up to where its group has read; 0: it says nothing about that.
    pub commit_offset: u64,
    /// How many it takes.
    pub messages_max: u32,
    /// Most bytes of messages it takes.
    pub bytes_max: u32,
    /// Number of the request.
    pub opaque: i32,
    /// Name of the broker it asks.
    pub broker_name: &'a str,
}

impl Pull<'_> {
    /// Appends PULL_MESSAGE (11) as the Java push consumer sends it.
    pub fn java(&self, out: &mut Vec<u8>) {
        let Self { group, topic, queue_id, offset, commit_offset, messages_max, bytes_max, opaque, broker_name } = self;
        // Held if there is nothing new; with an offset to commit.
        let sys_flag = if *commit_offset > 0 { 3 } else { 2 };
        let header = format!(
            r#"{{"code":11,"extFields":{{"queueId":"{queue_id}","maxMsgBytes":"{bytes_max}","maxMsgNums":"{messages_max}","sysFlag":"{sys_flag}","suspendTimeoutMillis":"15000","commitOffset":"{commit_offset}","bname":"{broker_name}","topic":"{topic}","queueOffset":"{offset}","expressionType":"TAG","subVersion":"1795256198045","consumerGroup":"{group}"}},"flag":0,"language":"JAVA","opaque":{opaque},"serializeTypeCurrentRPC":"JSON","version":513}}"#
        );
        push_json_frame(out, &header, &[]);
    }

    /// Appends the heartbeat (34) that comes before it: the group's subscription.
    pub fn java_heartbeat(&self, out: &mut Vec<u8>) {
        let (group, topic, opaque) = (self.group, self.topic, self.opaque);
        let header = format!(
            r#"{{"code":34,"extFields":{{}},"flag":0,"language":"JAVA","opaque":{opaque},"serializeTypeCurrentRPC":"JSON","version":513}}"#
        );
        let body = format!(
            r#"{{"clientID":"192.0.2.2@20010#6191236659953","consumerDataSet":[{{"consumeFromWhere":"CONSUME_FROM_FIRST_OFFSET","consumeType":"CONSUME_PASSIVELY","groupName":"{group}","messageModel":"CLUSTERING","subscriptionDataSet":[{{"classFilterMode":false,"codeSet":[],"expressionType":"TAG","subString":"*","subVersion":1795256197000,"tagsSet":[],"topic":"{topic}"}}],"unitMode":false}}],"heartbeatFingerprint":0,"producerDataSet":[{{"groupName":"CLIENT_INNER_PRODUCER"}}],"withoutSub":false}}"#
        );
        push_json_frame(out, &header, body.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header that the Java client 5.5.0 sent, recorded.
    #[test]
    fn a_pull_is_what_the_java_client_sends() {
        let recorded = r#"{"code":11,"extFields":{"queueId":"1","maxMsgBytes":"262144","maxMsgNums":"32","sysFlag":"2","suspendTimeoutMillis":"15000","commitOffset":"0","bname":"broker-v","topic":"JT","queueOffset":"0","expressionType":"TAG","subVersion":"1795256198045","consumerGroup":"jcg"},"flag":0,"language":"JAVA","opaque":159,"serializeTypeCurrentRPC":"JSON","version":513}"#;
        let pull = Pull {
            group: "jcg",
            topic: "JT",
            queue_id: 1,
            offset: 0,
            commit_offset: 0,
            messages_max: 32,
            bytes_max: 262_144,
            opaque: 159,
            broker_name: "broker-v",
        };
        let mut frame = Vec::new();
        pull.java(&mut frame);
        assert_eq!(std::str::from_utf8(&frame[8..]), Ok(recorded));
    }
}
