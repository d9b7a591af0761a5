//! The queue order of a topic, `broker:queues;broker:queues`, while it moves. Producers go by this list alone where name servers
//! hand it out, whatever the permissions in the route say.

/// The list with the targets in the source's place; `None` if the source is not in it.
pub(super) fn moved(list: &str, from: &str, to: &[(&str, i32)]) -> Option<String> {
    let entries: Vec<_> = list.split(';').filter(|entry| !entry.is_empty()).collect();
    let at = entries.iter().position(|entry| name(entry) == from)?;
    let mut result: Vec<String> = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        if index == at {
            result.extend(to.iter().map(|(target, queues)| format!("{target}:{queues}")));
        } else if name(entry) != from && !to.iter().any(|(target, _)| *target == name(entry)) {
            result.push((*entry).to_owned());
        }
    }
    Some(result.join(";"))
}

fn name(entry: &str) -> &str {
    entry.split(':').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_targets_take_the_place_of_the_source() {
        let to = [("tp", 4), ("tp-1", 4)];
        assert_eq!(moved("apache:8", "apache", &to).unwrap(), "tp:4;tp-1:4");
        assert_eq!(moved("a:1;apache:8;b:2", "apache", &to).unwrap(), "a:1;tp:4;tp-1:4;b:2");
    }

    #[test]
    fn a_target_stands_in_the_list_once() {
        assert_eq!(moved("tp:2;apache:8", "apache", &[("tp", 4)]).unwrap(), "tp:4");
    }

    #[test]
    fn a_list_without_the_source_stays() {
        assert_eq!(moved("b:2", "apache", &[("tp", 4)]), None);
        assert_eq!(moved("", "apache", &[("tp", 4)]), None);
    }
}
