//! Settings and machines as tables of names and values.

use maud::{Markup, html};
use serde::Serialize;
use serde_json::Value;

/// A name and a value.
pub(super) type Fact = (String, String);

/// Everything that `value` says, a row each: members of members as `plan.work.mode`. So a new setting is in the report by itself.
pub(super) fn facts_of(value: &impl Serialize) -> Vec<Fact> {
    let mut facts = Vec::new();
    // What is in a report came out of JSON or goes into it: it can be written.
    collect("", &serde_json::to_value(value).unwrap_or(Value::Null), &mut facts);
    facts
}

/// The table; nothing if there are no facts.
pub(super) fn table(title: &str, facts: &[Fact]) -> Markup {
    html! {
        @if !facts.is_empty() {
            section {
                h2 { (title) }
                table.facts { @for (name, value) in facts { tr { td.soft { (name) } td { (value) } } } }
            }
        }
    }
}

fn collect(name: &str, value: &Value, facts: &mut Vec<Fact>) {
    let below = |member: &str| if name.is_empty() { member.to_owned() } else { format!("{name}.{member}") };
    match value {
        Value::Object(members) => members.iter().for_each(|(member, value)| collect(&below(member), value, facts)),
        Value::Array(values) if values.iter().any(|value| value.is_object()) => {
            values.iter().enumerate().for_each(|(index, value)| collect(&below(&index.to_string()), value, facts));
        }
        Value::Array(values) => facts.push((name.to_owned(), values.iter().map(text).collect::<Vec<_>>().join(", "))),
        value => facts.push((name.to_owned(), text(value))),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "–".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_of_members_are_rows_with_a_path() {
        let value = json!({"plan": {"topics": ["a", "b"], "rate": null}, "links": [{"name": "eth0"}], "on": true});
        let facts = facts_of(&value);
        let rows: Vec<String> = facts.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(rows, ["links.0.name=eth0", "on=true", "plan.rate=–", "plan.topics=a, b"]);
    }

    #[test]
    fn values_from_outside_are_escaped() {
        let table = table("settings", &facts_of(&json!({"group": "<img src=x>"}))).into_string();
        assert!(table.contains("&lt;img src=x&gt;") && !table.contains("<img"), "{table}");
    }
}
