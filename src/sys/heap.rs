//! The counters of an isolate's heap.

use crate::model::{Bytes, HeapGrowth, HeapStatistics};
use crate::v8;

/// V8's counters by the names of this crate.
pub(crate) fn heap_statistics(heap: &v8::HeapStatistics) -> HeapStatistics {
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

/// The heap after a full garbage collection, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SettledHeap {
    used: usize,
    compiled_code: usize,
}

impl SettledHeap {
    /// That of an isolate that is the current one. V8 goes through the whole heap for it.
    pub(super) fn of(isolate: &mut v8::Isolate) -> Option<Self> {
        let used = isolate.get_heap_statistics().used_heap_size();
        let compiled_code = isolate.get_heap_code_and_metadata_statistics()?;
        Some(Self { used, compiled_code: compiled_code.code_and_metadata_size() })
    }

    pub(super) fn growth_since(&self, before: &Self) -> HeapGrowth {
        let growth = |now: usize, before: usize| now as i64 - before as i64;
        HeapGrowth::new(
            growth(self.used, before.used),
            growth(self.compiled_code, before.compiled_code),
        )
    }
}

/// The generations of an isolate's heap, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Generations {
    pub(crate) old_used: usize,
    /// What V8 holds against the limit, and has taken beyond it if it had to.
    pub(crate) old_capacity: usize,
    pub(crate) young_capacity: usize,
}

impl Generations {
    pub(crate) fn of(isolate: &mut v8::Isolate) -> Self {
        let mut generations = Self { old_used: 0, old_capacity: 0, young_capacity: 0 };
        for space in 0..isolate.number_of_heap_spaces() {
            let Some(space) = isolate.get_heap_space_statistics(space) else { continue };
            match space.space_name().to_bytes() {
                b"new_space" => generations.young_capacity = space.space_size(),
                // All isolates share it, or it is young, too.
                b"read_only_space" | b"new_large_object_space" => {}
                _ => {
                    generations.old_used += space.space_used_size();
                    generations.old_capacity += space.space_size();
                }
            }
        }
        generations
    }
}
