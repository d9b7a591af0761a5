//! The same verdicts as the original, on every expression and message of `vectors/`; `Vectors.java` there says how the
//! files are made.

use std::fs;
use std::path::Path;

use message_filter::SqlFilter;

fn lines(file: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(file);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.split_terminator('\n').map(str::to_owned).collect()
}

fn unescaped(line: &str) -> String {
    let mut text = String::new();
    let mut rest = line.chars();
    while let Some(character) = rest.next() {
        if character != '\\' {
            text.push(character);
            continue;
        }
        text.push(match rest.next() {
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('f') => '\x0C',
            Some('\\') => '\\',
            other => panic!("\\{other:?} in {line}"),
        });
    }
    text
}

type Message = Vec<(String, String)>;

/// Pairs without name or value are none: whoever reads properties leaves them out.
fn messages() -> Vec<Message> {
    let pairs = |line: &str| -> Message {
        let pieces = line.split(';').filter_map(|piece| piece.split_once('='));
        let pieces = pieces.filter(|(name, value)| !name.is_empty() && !value.is_empty());
        pieces.map(|(name, value)| (name.to_owned(), value.replace('=', "\u{1}"))).collect()
    };
    lines("messages.txt").iter().map(|line| pairs(line)).collect()
}

fn verdicts(expression: &str, messages: &[Message]) -> String {
    let Ok(filter) = SqlFilter::parse(expression) else { return "R".to_owned() };
    let verdict = |message: &Message| {
        let said = filter.evaluate(message.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())));
        match said {
            Ok(Some(true)) => 'T',
            Ok(Some(false)) => 'F',
            Ok(None) => 'N',
            Err(_) => 'X',
        }
    };
    messages.iter().map(verdict).collect()
}

#[test]
fn every_verdict_is_the_original_s() {
    let messages = messages();
    let vectors = lines("vectors.txt");
    assert!(vectors.len() > 3000, "{} vectors", vectors.len());
    let mut wrong = Vec::new();
    for vector in &vectors {
        let (expected, expression) = vector.split_once(' ').expect("verdicts, a blank, an expression");
        let expression = unescaped(expression);
        let seen = verdicts(&expression, &messages);
        if seen != expected {
            wrong.push(format!("{expression:?}\n  expected {expected}\n  seen     {seen}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} differ:\n{}",
        wrong.len(),
        vectors.len(),
        wrong[..wrong.len().min(20)].join("\n")
    );
}

#[test]
fn what_is_printed_says_the_same() {
    let messages = messages();
    let mut printed = 0;
    for vector in lines("vectors.txt") {
        let (_, expression) = vector.split_once(' ').expect("verdicts, a blank, an expression");
        let expression = unescaped(expression);
        let Ok(filter) = SqlFilter::parse(&expression) else { continue };
        let text = filter.to_string();
        let again =
            SqlFilter::parse(&text).unwrap_or_else(|error| panic!("{expression:?} is printed as {text:?}: {error}"));
        assert_eq!(again.to_string(), text);
        assert_eq!(again.ignored_from(), None, "{text}");
        assert_eq!(
            verdicts(&text, &messages),
            verdicts(&expression, &messages),
            "{expression:?} is printed as {text:?}"
        );
        printed += 1;
    }
    assert!(printed > 1000, "{printed} were printed");
}
