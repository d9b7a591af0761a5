//! Message properties, and the text form of configurations.

#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::properties::{self, PropertiesBuilder};
use protocol::properties_text;

fuzz_target!(|input: &[u8]| {
    let mut builder = PropertiesBuilder::from_text(input);
    assert!(properties::iterate(builder.as_bytes()).eq(properties::iterate(input)));
    let names: Vec<_> = properties::iterate(input).map(|(name, _)| name.to_vec()).collect();
    for name in &names {
        assert_eq!(builder.get(name), properties::get(input, name));
    }
    builder.set("NEW", input);
    for name in &names {
        builder.remove(name);
    }
    assert!(properties::iterate(builder.as_bytes()).all(|(name, _)| name == b"NEW"));

    let Ok(text) = std::str::from_utf8(input) else { return };
    let Ok(pairs) = properties_text::parse(text) else { return };
    let pairs: Vec<_> = pairs.iter().map(|(_, key, value)| (key.as_str(), value.as_str())).collect();
    let written = properties_text::format(pairs.iter().copied());
    let again = properties_text::parse(&written).expect("our own text");
    let mut sorted = pairs.clone();
    sorted.sort_unstable();
    assert!(again.iter().map(|(_, key, value)| (key.as_str(), value.as_str())).eq(sorted));
});
