//! The isolate's memory as a whole, as V8 counts it.

use serde::{Deserialize, Serialize};

use super::Bytes;

/// The isolate's memory as a whole: exact counters of V8's, not estimates from samples.
///
/// Only what is [`used`](Self::used) is made of the objects that sampling sees. What lies
/// [off the heap](Self::off_heap) belongs to no function here: V8 does not say who asked for it.
///
/// Mirrors `v8::HeapStatistics`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HeapStatistics {
    /// Bytes of objects on the JavaScript heap, garbage that no GC has found yet included.
    pub used: Bytes,
    /// Bytes that V8 has reserved from the system for the JavaScript heap.
    pub total: Bytes,
    /// The part of `total` that can hold executable code.
    pub total_executable: Bytes,
    /// The part of `total` that is in physical memory.
    pub total_physical: Bytes,
    /// Bytes that can still be allocated before the heap meets its limit.
    pub available: Bytes,
    /// The limit of `total`: beyond it, V8 ends the process.
    pub limit: Bytes,
    /// Bytes that V8 has allocated off the heap for itself (`malloc`): parser, compiler, tables.
    pub malloced: Bytes,
    /// The highest `malloced` so far, leaving the string table out.
    pub peak_malloced: Bytes,
    /// Bytes off the heap that objects on it keep alive: the contents of array buffers and typed
    /// arrays, and external strings. (Not what the embedder declared by
    /// `Isolate::adjust_amount_of_external_allocated_memory`: V8 does not tell that.)
    pub external: Bytes,
    /// Bytes of global handles in use, the embedder's and those of the sampler.
    pub used_global_handles: Bytes,
    /// Bytes reserved for global handles.
    pub total_global_handles: Bytes,
    /// Bytes that were ever allocated on the JavaScript heap, at most: V8 counts whole allocation
    /// buffers, those of its own work and of background threads included. It only grows.
    pub allocated_so_far: Bytes,
    /// The number of native contexts (global environments) that are alive.
    pub native_contexts: u64,
    /// The number of contexts that were detached and not collected yet. More than a few hint at a
    /// leak.
    pub detached_contexts: u64,
}

impl HeapStatistics {
    /// Bytes outside the JavaScript heap: [`malloced`](Self::malloced) and
    /// [`external`](Self::external).
    ///
    /// Reported as what it is: never as an allocation of some function.
    pub const fn off_heap(&self) -> Bytes {
        Bytes(self.malloced.0.saturating_add(self.external.0))
    }
}

/// The growth of an isolate's heap from one full garbage collection to another: V8's counters, not
/// estimates. Negative where it has become less.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HeapGrowth {
    /// The growth of [`HeapStatistics::used`], in bytes.
    pub used: i64,
    /// The growth of compiled code and what belongs to it, in bytes: mostly a part of `used`. The
    /// compilers' background threads allocate it, and no sample sees them.
    ///
    /// Mirrors `code_and_metadata_size` of `v8::HeapCodeStatistics`.
    pub compiled_code: i64,
}

impl HeapGrowth {
    /// A growth of the heap, and within it of compiled code, in bytes.
    #[must_use]
    pub const fn new(used: i64, compiled_code: i64) -> Self {
        Self { used, compiled_code }
    }
}
