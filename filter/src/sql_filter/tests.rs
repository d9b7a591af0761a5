use proptest::prelude::*;

use super::*;

fn refusal(text: &str) -> String {
    SqlFilter::parse(text).unwrap_err().to_string()
}

fn said(text: &str, properties: &[(&str, &str)]) -> Result<Option<bool>, EvaluationError> {
    let pairs = properties.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    SqlFilter::parse(text).unwrap().evaluate(pairs)
}

#[test]
fn a_refusal_says_where_what_and_what_else() {
    for (text, expected) in [
        ("", "line 1, column 1: found the end, expected a property, a value, NOT, a sign or `(`"),
        ("a >", "line 1, column 4: found the end, expected a property, a value, NOT, a sign or `(`"),
        (
            "a = 5 AND\n b > 'x'",
            "line 2, column 6: found `'x'`, expected a number or a property: only those have an order",
        ),
        ("a = NULL", "line 1, column 5: found `NULL`, expected a value; for a missing property there is IS NULL"),
        ("a IN (5)", "line 1, column 7: found `5`, expected a text in single quotes"),
        ("a IS 5", "line 1, column 6: found `5`, expected NULL or NOT NULL"),
        ("a NOT 5", "line 1, column 7: found `5`, expected BETWEEN, IN, CONTAINS, STARTSWITH or ENDSWITH"),
        ("(a = 5", "line 1, column 7: found the end, expected an operator or `)`"),
        ("a BETWEEN 5 AND 1", "line 1, column 17: found `1`, expected a limit that is not less than the first one"),
        ("5 + a", "line 1, column 1: found `5`, expected a condition, which is true or false"),
        ("(5) IN ('a')", "line 1, column 1: found `(5)`, expected a property before IN"),
        ("TRUE = 5", "line 1, column 8: found `5`, expected a boolean, as before it"),
        (
            "a = 9223372036854775808",
            "line 1, column 5: found `9223372036854775808`, expected a number up to 9223372036854775807",
        ),
        ("ü = 5", "line 1, column 1: found `ü`, expected a property, a value, an operator or a parenthesis"),
        ("'ü' = ü", "line 1, column 7: found `ü`, expected a property, a value, an operator or a parenthesis"),
    ] {
        assert_eq!(refusal(text), expected, "{text}");
    }
    let long = format!("a > '{}'", "ä".repeat(100));
    assert!(refusal(&long).contains(&format!("found `'{}…`", "ä".repeat(39))), "{}", refusal(&long));
}

#[test]
fn text_that_no_operator_joins_is_pointed_at_and_means_nothing() {
    let ignored = |text: &str| SqlFilter::parse(text).unwrap().ignored_from().map(|at| (at.line, at.column));
    assert_eq!(ignored("a = 5\n  b = 6"), Some((2, 3)));
    assert_eq!(ignored("b LIKE 'x%'"), Some((1, 3)));
    assert_eq!(ignored("a = 0x1F"), Some((1, 6)));
    assert_eq!(ignored("a = 5 /* all of it */ "), None);
}

#[test]
fn of_equal_names_the_last_counts_and_damaged_text_is_text() {
    assert_eq!(said("a = '2'", &[("a", "1"), ("b", "1"), ("a", "2")]), Ok(Some(true)));
    let filter = SqlFilter::parse("a ENDSWITH 'x' AND a <> 'x'").unwrap();
    assert!(filter.matches([(&b"a"[..], &b"\xFFx"[..])]));
}

#[test]
fn many_properties_are_found_as_few_are() {
    let names: Vec<_> = (0..100).map(|number| format!("p{}", number * 37 % 100)).collect();
    let terms: Vec<_> = names.iter().map(|name| format!("{name} = '{name}'")).collect();
    let filter = SqlFilter::parse(&terms.join(" AND ")).unwrap();
    let pairs = |skip: usize| {
        let pairs = names.iter().enumerate().filter(move |(at, _)| *at != skip);
        pairs.map(|(_, name)| (name.as_bytes(), name.as_bytes()))
    };
    assert!(filter.matches(pairs(100)));
    assert!(!filter.matches(pairs(57)));
    assert_eq!(filter.property_names().count(), 100);
}

#[test]
fn every_limit_is_kept_and_named() {
    let nested = |levels: usize| format!("{}a = 5{}", "(".repeat(levels), ")".repeat(levels));
    assert!(SqlFilter::parse(&nested(NESTING_MAX)).is_ok());
    assert_eq!(
        refusal(&nested(NESTING_MAX + 1)),
        "line 1, column 129: nested deeper than the 128 levels that are taken"
    );
    assert!(matches!(SqlFilter::parse(&"NOT ".repeat(1000)), Err(FilterError::TooDeep { .. })));
    let chained = format!("a IS NULL{}", " IS NULL".repeat(NESTING_MAX));
    assert!(matches!(SqlFilter::parse(&chained), Err(FilterError::TooDeep { .. })));

    let joined = |terms: usize| vec!["a=1"; terms].join(" OR ");
    let parts = SqlFilter::parse(&joined(1000)).unwrap().parts();
    assert_eq!(parts, 3001);
    assert!(matches!(SqlFilter::parse(&joined(2000)), Err(FilterError::TooManyParts { .. })));

    let names: Vec<_> = (0..=PROPERTIES_MAX).map(|number| format!("p{number}")).collect();
    assert!(SqlFilter::parse(&names[1..].join(" OR ")).is_ok());
    let error = SqlFilter::parse(&names.join(" OR ")).unwrap_err();
    assert!(matches!(error, FilterError::TooManyProperties { .. }), "{error}");

    let list = |texts: usize| format!("a IN ({})", vec!["'x'"; texts].join(","));
    assert!(SqlFilter::parse(&list(16_000)).is_ok());
    assert_eq!(refusal(&list(20_000)), "the expression has 80006 bytes, at most 65536 are taken");
}

fn number() -> impl Strategy<Value = String> {
    let whole = any::<u32>().prop_map(|value| value.to_string());
    let long = (1..=i64::MAX).prop_map(|value| format!("{value}L"));
    let float = (1e-300..1e300).prop_map(|value: f64| format!("{value:?}"));
    let unsigned = prop_oneof![whole, long, float, Just(".5".to_owned()), Just("5.".to_owned())];
    ("(\\+|-|- -)?", unsigned).prop_map(|(sign, number)| format!("{sign}{number}"))
}

fn property() -> impl Strategy<Value = String> {
    "[a-e]|_[A-Z$]{1,3}"
}

fn quoted() -> impl Strategy<Value = String> {
    "[a-cä' 0-9]{0,4}".prop_map(|text| format!("'{}'", text.replace('\'', "''")))
}

fn condition_text() -> impl Strategy<Value = String> {
    let limits = || ("( NOT)? BETWEEN ", number(), property());
    let leaf = prop_oneof![
        (property(), "=|<>|<|<=|>|>=", number()).prop_map(|(left, sign, right)| format!("{left} {sign} {right}")),
        (property(), "=|<>", quoted()).prop_map(|(left, sign, right)| format!("{left} {sign} {right}")),
        (property(), limits()).prop_map(|(of, (word, low, high))| format!("{of}{word}{low} AND {high}")),
        (property(), "( NOT)? (CONTAINS|STARTSWITH|ENDSWITH) ", quoted())
            .prop_map(|(of, word, text)| format!("{of}{word}{text}")),
        (property(), "( NOT)? IN ", prop::collection::vec(quoted(), 1..7))
            .prop_map(|(of, word, texts)| format!("{of}{word}({})", texts.join(", "))),
        (property(), " IS( NOT)? NULL").prop_map(|(of, word)| format!("{of}{word}")),
        property(),
        "TRUE|FALSE|NULL",
    ];
    leaf.prop_recursive(5, 60, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(|all| all.join(" AND ")),
            prop::collection::vec(inner.clone(), 2..4).prop_map(|all| all.join(" OR ")),
            inner.clone().prop_map(|of| format!("NOT ({of})")),
            inner.clone().prop_map(|of| format!("(({of}))")),
            inner.clone().prop_map(|of| format!("-({of}) IS NULL")),
            (inner.clone(), inner).prop_map(|(left, right)| format!("({left}) = (({right}) <> TRUE)")),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_printed_parses_to_the_same(text in condition_text()) {
        let filter = match SqlFilter::parse(&text) {
            Ok(filter) => filter,
            Err(error) => {
                // Nothing but the word itself may not be compared.
                let found = error.to_string().replace(['(', ')'], "");
                prop_assert!(found.contains("found `NULL`"), "{}: {}", text, error);
                return Ok(());
            }
        };
        let printed = filter.to_string();
        let again = SqlFilter::parse(&printed);
        let again = again.map_err(|error| TestCaseError::fail(format!("{printed}: {error}")))?;
        prop_assert_eq!(&again.condition, &filter.condition);
        prop_assert_eq!(&again.names, &filter.names);
        prop_assert_eq!(again.to_string(), printed);
    }

    #[test]
    fn no_text_and_no_message_stops_the_program(
        text in "([a-c'0-9.eELl()=<>,+*/ \n-]|NOT |AND |OR |IN|IS NULL|NULL|TRUE|BETWEEN |CONTAINS |ü){0,40}",
        pairs in prop::collection::vec(("[a-c]", prop::collection::vec(any::<u8>(), 1..8)), 0..4)
    ) {
        match SqlFilter::parse(&text) {
            Ok(filter) => {
                let _ = filter.evaluate(pairs.iter().map(|(name, value)| (name.as_bytes(), &value[..])));
            }
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }

    #[test]
    fn and_or_and_not_are_three_valued(left in 0..3usize, right in 0..3usize) {
        let texts = ["TRUE", "FALSE", "NULL"];
        let values = [Some(true), Some(false), None];
        let (a, b) = (values[left], values[right]);
        let and = if a == Some(false) || b == Some(false) { Some(false) } else { a.and(b) };
        let or = if a == Some(true) || b == Some(true) { Some(true) } else { a.and(b) };
        prop_assert_eq!(said(&format!("{} AND {}", texts[left], texts[right]), &[]), Ok(and));
        prop_assert_eq!(said(&format!("{} OR {}", texts[left], texts[right]), &[]), Ok(or));
        prop_assert_eq!(said(&format!("NOT {}", texts[left]), &[]), Ok(a.map(|holds| !holds)));
    }
}
