//! The JSON header; where `serde_json` reads the text too, both see the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::send::SendRequest;
use protocol::{Frame, Header, HeaderEncoding, RequestCode};
use serde_json::Value;

fuzz_target!(|input: &[u8]| {
    let mut header = Header::default();
    let decoded = header.decode(&Frame { encoding: HeaderEncoding::Json, header: input, body: &[] });
    if decoded.is_err() {
        return;
    }
    let _ = SendRequest::from_header(&header, RequestCode::SEND_MESSAGE);
    let _ = SendRequest::from_header(&header, RequestCode::SEND_MESSAGE_V2);
    let Ok(json) = serde_json::from_slice::<Value>(input) else { return };
    // Of equal keys both take the last one, so the parts that are no object are compared only.
    if let Some(remark) = header.remark() {
        assert!(!json["remark"].is_string() || json["remark"] == remark);
    }
    let Some(fields) = json["extFields"].as_object() else { return };
    for (key, value) in fields {
        if let (Some(expected), Some(found)) = (value.as_str(), header.get(key)) {
            assert_eq!(expected, found);
        }
    }
});
