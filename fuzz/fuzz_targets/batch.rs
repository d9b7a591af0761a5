//! Batch bodies; what decodes as a whole encodes to the same items.

#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::batch::{self, encode_batch_item};

fuzz_target!(|input: &[u8]| {
    let Ok(items) = batch::iterate(input).collect::<Result<Vec<_>, _>>() else { return };
    let mut encoded = Vec::new();
    for item in &items {
        encode_batch_item(&mut encoded, item);
    }
    assert_eq!(encoded.len(), input.len());
    let again: Vec<_> = batch::iterate(&encoded).map(|item| item.expect("our own item")).collect();
    assert_eq!(again, items);
});
