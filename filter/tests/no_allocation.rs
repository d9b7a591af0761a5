//! Asking about a message allocates nothing, as long as the expression names few properties and their values are text.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use message_filter::SqlFilter;

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
fn a_message_is_asked_about_without_allocating() {
    let expression = "(price BETWEEN 5 AND 20.5 OR price > limit) AND region IN ('north', 'east', 'it''s') \
        AND NOT (note CONTAINS 'test' OR note STARTSWITH 'x') AND rush = TRUE AND missing IS NULL AND a <> 'b'";
    let filter = SqlFilter::parse(expression).expect("it is right");
    let properties =
        [("KEYS", "k1"), ("price", "12"), ("limit", "1e3"), ("region", "it's"), ("note", "bürki"), ("rush", "True")];
    let ask = || {
        let pairs = properties.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        filter.evaluate(pairs)
    };
    let before = ALLOCATIONS.with(Cell::get);
    for _ in 0..100 {
        // The last comparison is of a missing property.
        assert_eq!(ask(), Ok(None));
    }
    assert_eq!(ALLOCATIONS.with(Cell::get), before);
}
