//! The counters of an isolate's heap.

use crate::model::{Bytes, HeapStatistics};
use crate::v8;

/// V8's counters by the names of this crate.
pub(super) fn heap_statistics(heap: &v8::HeapStatistics) -> HeapStatistics {
    let bytes = |bytes: usize| Bytes(bytes as u64);
    HeapStatistics {
        used: bytes(heap.used_heap_size()),
        total: bytes(heap.total_heap_size()),
        total_executable: bytes(heap.total_heap_size_executable()),
        total_physical: bytes(heap.total_physical_size()),
        available: bytes(heap.total_available_size()),
        limit: bytes(heap.heap_size_limit()),
        malloced: bytes(heap.malloced_memory()),
        peak_malloced: bytes(heap.peak_malloced_memory()),
        external: bytes(heap.external_memory()),
        used_global_handles: bytes(heap.used_global_handles_size()),
        total_global_handles: bytes(heap.total_global_handles_size()),
        allocated_so_far: Bytes(heap.total_allocated_bytes()),
        native_contexts: heap.number_of_native_contexts() as u64,
        detached_contexts: heap.number_of_detached_contexts() as u64,
    }
}
