//! What clients write about a message's way into the trace topic.
//!
//! A body is a list of entries, each ended by `\u{2}`; an entry is a list of fields between `\u{1}`, the first its kind. Later
//! releases append fields:
//!
//! * `Pub`: time | region | group | topic | message id | tags | keys | broker | body bytes | ms taken | message type | offset message
//!   id (from 4.4) | success | client host. With 13 fields in all the 13th is success.
//! * `SubBefore`: time | region | group | request id | message id | delivery | keys | client host
//! * `SubAfter`: request id | message id | ms taken | success | keys | context code | time | group
//! * `EndTransaction`: time | region | group | topic | message id | tags | keys | broker | message type | transaction id | state |
//!   after a check
//!
//! The Java client writes no host: it is the one that the trace came from.
//!
//! Source: what clients 5.5.0 write; Apache RocketMQ `TraceDataEncoder`.

use serde::Serialize;

use crate::timestamp::Timestamp;

/// One thing that a client did with a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TraceEntry {
    pub(crate) kind: &'static str,
    pub(crate) msg_id: String,
    pub(crate) group: String,
    pub(crate) client_host: Option<String>,
    pub(crate) time: Timestamp,
    /// Absent of what only begins.
    pub(crate) cost_ms: Option<i64>,
    pub(crate) status: String,
    pub(crate) request_id: Option<String>,
}

/// A message that was sent.
#[derive(Debug)]
pub(crate) struct Published<'a> {
    pub(crate) at: Timestamp,
    pub(crate) group: &'a str,
    pub(crate) topic: &'a str,
    pub(crate) msg_id: &'a str,
    pub(crate) tags: &'a str,
    pub(crate) keys: &'a str,
    pub(crate) broker: &'a str,
    pub(crate) body_bytes: usize,
    pub(crate) cost_ms: i64,
    pub(crate) offset_msg_id: &'a str,
}

impl Published<'_> {
    /// Its entry, as a Java client of 5.5.0 writes it: of a plain message that was stored.
    pub(crate) fn entry(&self) -> String {
        const REGION: &str = "DefaultRegion";
        const PLAIN: &str = "0";
        let numbers = [self.at.0.to_string(), self.body_bytes.to_string(), self.cost_ms.to_string()];
        let [at, body_bytes, cost_ms] = numbers.each_ref().map(String::as_str);
        let (id, offset_id) = (self.msg_id, self.offset_msg_id);
        let fields = [
            "Pub",
            at,
            REGION,
            self.group,
            self.topic,
            id,
            self.tags,
            self.keys,
            self.broker,
            body_bytes,
            cost_ms,
            PLAIN,
            offset_id,
            "true",
        ];
        fields.join("\u{1}") + "\u{2}"
    }
}

/// The entries of a body about one message, which came from `host`. What is no entry is left out: clients of other makes write to
/// the topic too.
pub(crate) fn entries_about(body: &str, msg_id: &str, host: &str) -> Vec<TraceEntry> {
    let entries = body.split('\u{2}').filter(|entry| !entry.is_empty()).filter_map(entry);
    let about = entries.filter(|entry| entry.msg_id == msg_id);
    about
        .map(|mut entry| {
            entry.client_host.get_or_insert_with(|| host.to_owned());
            entry
        })
        .collect()
}

fn entry(text: &str) -> Option<TraceEntry> {
    let fields: Vec<_> = text.split('\u{1}').collect();
    let (kind, fields) = fields.split_first()?;
    let at = |index: usize| fields.get(index).copied();
    let text = |index: usize| at(index).map(str::to_owned);
    let number = |index: usize| at(index)?.parse::<i64>().ok();
    let outcome = |index: usize| if at(index) == Some("true") { "success" } else { "failed" };
    match *kind {
        "Pub" => Some(TraceEntry {
            kind: "Pub",
            group: text(2)?,
            msg_id: text(4)?,
            client_host: text(13).filter(|host| !host.is_empty()),
            time: Timestamp(number(0)?),
            cost_ms: number(9),
            status: outcome(if fields.len() == 12 { 11 } else { 12 }).to_owned(),
            request_id: None,
        }),
        "SubBefore" => Some(TraceEntry {
            kind: "SubBefore",
            group: text(2)?,
            msg_id: text(4)?,
            client_host: text(7).filter(|host| !host.is_empty()),
            time: Timestamp(number(0)?),
            cost_ms: None,
            status: format!("delivery {}", at(5)?),
            request_id: text(3),
        }),
        "SubAfter" => Some(TraceEntry {
            kind: "SubAfter",
            group: text(7).unwrap_or_default(),
            msg_id: text(1)?,
            client_host: None,
            time: Timestamp(number(6).unwrap_or(0)),
            cost_ms: number(2),
            status: outcome(3).to_owned(),
            request_id: text(0),
        }),
        "EndTransaction" => Some(TraceEntry {
            kind: "EndTransaction",
            group: text(2)?,
            msg_id: text(4)?,
            client_host: None,
            time: Timestamp(number(0)?),
            cost_ms: None,
            status: text(10)?,
            request_id: None,
        }),
        _ => None,
    }
}

/// In order of time; the end of a delivery takes its group from its begin, which has the same request id.
pub(crate) fn arrange(mut entries: Vec<TraceEntry>) -> Vec<TraceEntry> {
    let begins: Vec<_> = entries.iter().filter(|entry| entry.kind == "SubBefore").cloned().collect();
    for end in entries.iter_mut().filter(|entry| entry.kind == "SubAfter") {
        if let Some(begin) = begins.iter().find(|begin| begin.request_id == end.request_id) {
            end.group.clone_from(&begin.group);
            if end.time == Timestamp(0) {
                end.time = Timestamp(begin.time.0 + end.cost_ms.unwrap_or(0));
            }
        }
    }
    entries.sort_by_key(|entry| entry.time);
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(entries: &[&str]) -> String {
        entries.iter().map(|entry| entry.replace('|', "\u{1}") + "\u{2}").collect()
    }

    const PUB: &str = "Pub|1000|cn|pg|t|ID|tag|key|127.0.0.1:10911|5|3|0|OFFSETID|true|10.0.0.7";
    const BEFORE: &str = "SubBefore|2000|cn|cg|R1|ID|1|key|10.0.0.8";
    const AFTER: &str = "SubAfter|R1|ID|12|false|key|5|0";

    #[test]
    fn a_message_s_way_is_put_together() {
        let text = body(&[AFTER, BEFORE, PUB, "Pub|1|cn|pg|t|OTHER|||b|5|3|0|O|true|h", "Odd|x", ""]);
        let way = arrange(entries_about(&text, "ID", "10.0.0.9"));
        let told: Vec<_> =
            way.iter().map(|entry| (entry.kind, entry.group.as_str(), entry.time.0, entry.status.as_str())).collect();
        let expected = [
            ("Pub", "pg", 1000, "success"),
            ("SubBefore", "cg", 2000, "delivery 1"),
            ("SubAfter", "cg", 2012, "failed"),
        ];
        assert_eq!(told, expected);
        assert_eq!(
            (way[0].client_host.as_deref(), way[2].client_host.as_deref()),
            (Some("10.0.0.7"), Some("10.0.0.9"))
        );
        assert_eq!((way[0].cost_ms, way[1].cost_ms), (Some(3), None));
    }

    #[test]
    fn entries_of_old_clients_lack_the_later_fields() {
        let old = "Pub|1000|cn|pg|t|ID|tag|key|127.0.0.1:10911|5|3|0|false";
        let way = entries_about(&body(&[old]), "ID", "10.0.0.9");
        assert_eq!((way[0].status.as_str(), way[0].client_host.as_deref()), ("failed", Some("10.0.0.9")));
    }

    #[test]
    fn an_entry_of_our_own_reads_back() {
        let published = Published {
            at: Timestamp(1000),
            group: "pg",
            topic: "t",
            msg_id: "ID",
            tags: "tag",
            keys: "key",
            broker: "127.0.0.1:10911",
            body_bytes: 5,
            cost_ms: 3,
            offset_msg_id: "OFFSETID",
        };
        let text = published.entry();
        assert_eq!(text, body(&[PUB.strip_suffix("|10.0.0.7").unwrap()]).replace("cn", "DefaultRegion"));
        let way = entries_about(&text, "ID", "10.0.0.9");
        assert_eq!((way[0].group.as_str(), way[0].cost_ms, way[0].status.as_str()), ("pg", Some(3), "success"));
    }

    #[test]
    fn a_cut_entry_is_left_out() {
        assert!(entries_about(&body(&["Pub|1000|cn", "SubBefore", "EndTransaction|x"]), "ID", "h").is_empty());
    }
}
