//! Decoding a frame allocates nothing once the header's buffers have grown.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use protocol::send::SendRequest;
use protocol::{Header, HeaderEncoding, RemotingCommand, RequestCode, decode_frame};

struct Counting;

thread_local! {
    /// Of this thread: the test harness allocates on its own.
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system allocator unchanged; the counter is plain thread-local memory.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract of `alloc`, passed on unchanged.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from `alloc` above with this layout, that is, from the system allocator.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_warm_header_decodes_without_allocating() {
    let properties =
        "KEYS\u{1}jk1\u{2}UNIQ_KEY\u{1}7F0000016A2C123456784AED61980001\u{2}WAIT\u{1}true\u{2}TAGS\u{1}A\u{2}";
    let mut command = RemotingCommand::request(RequestCode::SEND_MESSAGE_V2.0, 1).with_body(b"hello");
    for (key, value) in [("a", "pg"), ("b", "T"), ("c", "TBW102"), ("d", "4"), ("e", "0"), ("f", "0"), ("g", "17")] {
        command = command.with_field(key, value);
    }
    command = command.with_field("h", 0_i32).with_field("i", properties).with_field("m", false);
    for encoding in [HeaderEncoding::Json, HeaderEncoding::RocketMq] {
        let mut bytes = Vec::new();
        command.encode(&mut bytes, encoding);
        let mut header = Header::default();
        let mut decode = || {
            let (frame, _) = decode_frame(&bytes).unwrap().unwrap();
            header.decode(&frame).unwrap();
            let send = SendRequest::from_header(&header, RequestCode::SEND_MESSAGE_V2).unwrap();
            assert_eq!(send.properties, properties);
        };
        decode();
        let before = ALLOCATIONS.with(Cell::get);
        for _ in 0..100 {
            decode();
        }
        assert_eq!(ALLOCATIONS.with(Cell::get), before, "{encoding:?}");
    }
}
