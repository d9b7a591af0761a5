//! How far a change of a group's members is: the answer to CHANGE_GROUP_MEMBERS (7001), which is Turbopump's own.

use serde::{Deserialize, Serialize};

/// See the module's text. The same request again asks how far it is by then.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MemberChange {
    /// The members are as they were wanted.
    #[serde(rename = "done")]
    pub is_done: bool,
    /// What is so, or what is being done.
    pub text: String,
    /// What the node that is added lacks of the log, bytes; absent while that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_left: Option<u64>,
}

json_body!(MemberChange);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_reads_back_as_it_was_written() {
        let far = MemberChange { is_done: false, text: "n3 catches up".to_owned(), bytes_left: Some(7) };
        assert_eq!(MemberChange::decode(&far.encode()).unwrap(), far);
        let text = String::from_utf8(MemberChange { is_done: true, ..MemberChange::default() }.encode()).unwrap();
        assert_eq!(text, r#"{"done":true,"text":""}"#);
    }
}
