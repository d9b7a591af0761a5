//! COMPAT.md says what is served, and this says whether that is true.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use protocol::code::RequestCode;

/// Requests that this broker sends to clients.
const SENT_TO_CLIENTS: [RequestCode; 7] = [
    RequestCode::CHECK_TRANSACTION_STATE,
    RequestCode::NOTIFY_CONSUMER_IDS_CHANGED,
    RequestCode::RESET_CONSUMER_CLIENT_OFFSET,
    RequestCode::GET_CONSUMER_STATUS_FROM_CLIENT,
    RequestCode::GET_CONSUMER_RUNNING_INFO,
    RequestCode::CONSUME_MESSAGE_DIRECTLY,
    RequestCode::PUSH_REPLY_MESSAGE_TO_CLIENT,
];
/// Whose tables list codes.
const RECEIVERS: [&str; 6] = ["Broker", "Name server", "Client", "Controller", "Broker container", "Nobody"];
/// Where tests are that are named without their folder.
const TEST_FOLDERS: [&str; 2] = ["tests/interop/tests", "namesrv/tests"];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
}

fn document() -> String {
    read(&repository().join("COMPAT.md"))
}

/// One line of one table.
struct Line {
    /// Title of the section it stands in.
    section: String,
    /// Titles of the columns.
    columns: Vec<String>,
    cells: Vec<String>,
}

fn lines(document: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut section = String::new();
    let mut table: Vec<Vec<String>> = Vec::new();
    for line in document.lines() {
        if let Some((_, title)) = line.split_once("# ").filter(|_| line.starts_with('#')) {
            section = title.to_owned();
        }
        let Some(inner) = line.strip_prefix('|').and_then(|rest| rest.strip_suffix('|')) else {
            table.clear();
            continue;
        };
        table.push(inner.split('|').map(|cell| cell.trim().to_owned()).collect());
        // The second line of a table only separates.
        if let [columns, _, .., cells] = &table[..] {
            assert_eq!(columns.len(), cells.len(), "{line}");
            lines.push(Line { section: section.clone(), columns: columns.clone(), cells: cells.clone() });
        }
    }
    lines
}

/// A request code in one of the tables.
struct Row {
    receiver: String,
    name: String,
    state: String,
}

fn is_served(state: &str) -> bool {
    state == "works" || state.starts_with("partly: ")
}

fn code_rows(document: &str) -> BTreeMap<i32, Vec<Row>> {
    let mut by_code: BTreeMap<i32, Vec<Row>> = BTreeMap::new();
    for line in lines(document).into_iter().filter(|line| line.columns == ["code", "name", "state", "test"]) {
        let [code, name, state, _] = <[String; 4]>::try_from(line.cells).expect("as many cells as columns");
        let code = code.parse().unwrap_or_else(|_| panic!("{code} is no request code"));
        by_code.entry(code).or_default().push(Row { receiver: line.section, name, state });
    }
    by_code
}

fn assert_same(
    one: &str,
    of_one: impl IntoIterator<Item = RequestCode>,
    other: &str,
    of_other: impl IntoIterator<Item = RequestCode>,
) {
    let (of_one, of_other) =
        (of_one.into_iter().collect::<BTreeSet<_>>(), of_other.into_iter().collect::<BTreeSet<_>>());
    let (more, missing) = (&of_one - &of_other, &of_other - &of_one);
    assert!(more.is_empty(), "{one} and not {other}: {more:?}");
    assert!(missing.is_empty(), "{other} and not {one}: {missing:?}");
}

#[test]
fn every_request_code_has_its_row_and_its_name() {
    let by_code = code_rows(&document());
    let known = RequestCode::KNOWN.iter().map(|(code, _)| *code);
    assert_same("listed", by_code.keys().map(|code| RequestCode(*code)), "known", known);
    for (code, rows) in &by_code {
        for row in rows {
            assert_eq!(Some(row.name.as_str()), RequestCode(*code).name());
            let is_state = is_served(&row.state) || ["not yet", "reserved"].contains(&row.state.as_str());
            assert!(is_state, "state of {code}: {}", row.state);
            assert!(RECEIVERS.contains(&row.receiver.as_str()), "{code} is listed under {}", row.receiver);
            let times = rows.iter().filter(|other| other.receiver == row.receiver).count();
            assert_eq!(times, 1, "{code} is listed under {}", row.receiver);
        }
    }
}

#[test]
fn what_is_marked_as_served_is_what_is_served() {
    let by_code = code_rows(&document());
    for receiver in RECEIVERS {
        let is_marked = |rows: &[Row]| rows.iter().any(|row| row.receiver == receiver && is_served(&row.state));
        let marked = by_code.iter().filter(|(_, rows)| is_marked(rows)).map(|(code, _)| RequestCode(*code));
        let served: Vec<RequestCode> = match receiver {
            "Broker" => broker::route_table::codes().collect(),
            "Name server" => namesrv::route_table::codes().collect(),
            "Client" => SENT_TO_CLIENTS.to_vec(),
            _ => Vec::new(),
        };
        assert_same(&format!("marked under {receiver}"), marked, "served", served);
    }
}

#[test]
fn what_is_served_has_a_test_and_every_test_that_is_named_exists() {
    let mut named = 0;
    for line in lines(&document()) {
        let Some(column) = line.columns.iter().position(|title| title == "test") else { continue };
        let (state, tests) = (&line.cells[column - 1], &line.cells[column]);
        assert!(tests != "-" || !is_served(state), "{:?} is served and has no test", line.cells);
        for test in tests.split(", ").filter(|test| *test != "-") {
            assert!(exists(test), "there is no test {test}, named under {}", line.section);
            named += 1;
        }
    }
    assert!(named > 50, "only {named} tests are named");
}

/// `file::name`: a function, or a line of a list of scenarios.
fn exists(test: &str) -> bool {
    let Some((file, name)) = test.split_once("::") else { return false };
    let (function, scenario) = (format!("fn {name}("), format!("{name} => \""));
    let is_it = |line: &str| line.trim_start().starts_with(&function) || line.trim_start().starts_with(&scenario);
    let paths = TEST_FOLDERS.iter().map(|folder| repository().join(folder).join(format!("{file}.rs")));
    paths.filter(|path| path.is_file()).any(|path| read(&path).lines().any(is_it))
}
