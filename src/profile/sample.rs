//! The sampled objects of a profile.

use std::num::NonZeroU64;

use crate::model::Bytes;

/// A sampled object with its place in the order of allocation: see [`Profile::samples`].
///
/// Mirrors `SamplingHeapProfileSample` in V8's `js_protocol.pdl`, and `AllocationProfile::Sample`
/// in its `v8-profiler.h`.
///
/// [`Profile::samples`]: crate::Profile::samples
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct OrdinalSample {
    /// The context that allocated it, by [`Context::index`](crate::Context::index).
    pub context: u32,
    /// True if the object is known to have died.
    pub is_dead: bool,
    /// The number of the sample, ascending in the order of allocation.
    pub ordinal: u64,
    /// The bytes that the sample stands for: an estimate.
    pub bytes: f64,
    size: Option<NonZeroU64>,
}

impl OrdinalSample {
    /// A sample of an object of `size` bytes, which stands for `bytes`; `size` is 0 where the
    /// source does not tell it.
    pub(crate) const fn new(
        context: u32,
        is_dead: bool,
        ordinal: u64,
        size: u64,
        bytes: f64,
    ) -> Self {
        Self { context, is_dead, ordinal, bytes, size: NonZeroU64::new(size) }
    }

    /// The sample in another tree.
    pub(crate) const fn moved(self, context: u32) -> Self {
        Self { context, ..self }
    }

    /// The size that the object was allocated with, exact; `None` where the source tells only what
    /// the sample stands for.
    ///
    /// Where optimised code allocated several objects in one go, it is the size of the group.
    pub fn size(&self) -> Option<Bytes> {
        self.size.map(|size| Bytes(size.get()))
    }
}
