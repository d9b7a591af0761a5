//! Message records; what decodes, encodes to a record that decodes to the same fields.

#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::properties;
use protocol::record::{self, decode_record};

fuzz_target!(|input: &[u8]| {
    for view in record::iterate(input) {
        let Ok(view) = view else { return };
        let _ = view.check_body_crc();
        let _ = properties::get_text(view.properties, properties::TAGS);
        let fields = view.to_fields();
        let mut encoded = vec![0; fields.encoded_bytes()];
        fields.encode(&mut encoded);
        let (again, used) = decode_record(&encoded).expect("our own record");
        assert_eq!(used, encoded.len());
        assert_eq!(again.to_fields(), fields);
        again.check_body_crc().expect("our own checksum");
    }
});
