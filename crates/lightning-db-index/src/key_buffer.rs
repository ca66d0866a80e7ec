//! A buffer for encoded keys, one for each thread: looking a key up allocates nothing.

use std::cell::Cell;

thread_local! {
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Lends the buffer, empty. Within such a call, another one gets a new buffer.
pub(crate) fn with_key_buffer<T>(fill: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    let mut buffer = BUFFER.take();
    buffer.clear();
    let result = fill(&mut buffer);
    BUFFER.set(buffer);
    result
}
