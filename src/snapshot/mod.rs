//! Heap snapshots, as V8 writes them.

mod chunks;
mod columns;
mod read;
mod tracked;

pub(crate) use columns::HeapSnapshot;
