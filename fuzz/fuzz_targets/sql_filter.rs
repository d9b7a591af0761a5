//! An SQL92 expression, a zero byte, and the properties of a message that it is asked about.

#![no_main]

use libfuzzer_sys::fuzz_target;
use message_filter::{FilterError, SqlFilter};
use protocol::properties;

fuzz_target!(|input: &[u8]| {
    let (expression, text) = input.split_at(input.iter().position(|byte| *byte == 0).unwrap_or(input.len()));
    let Ok(expression) = std::str::from_utf8(expression) else { return };
    let filter = match SqlFilter::parse(expression) {
        Ok(filter) => filter,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let text = text.get(1..).unwrap_or_default();
    let said = filter.evaluate(properties::iterate(text));
    let printed = filter.to_string();
    match SqlFilter::parse(&printed) {
        Ok(again) => {
            assert_eq!(again.to_string(), printed);
            assert_eq!(again.evaluate(properties::iterate(text)), said, "{printed}");
        }
        // It is printed with more parentheses than it had.
        Err(FilterError::TooDeep { .. } | FilterError::TooLong { .. }) => {}
        Err(error) => panic!("{printed}: {error}"),
    }
});
