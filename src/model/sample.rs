//! One sampled object.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::NodeId;

/// An object that V8 sampled when it was allocated.
///
/// Mirrors `v8::AllocationProfile::Sample`, without its `count`: that is `1 / p` rounded to a whole
/// number for every sample alone, which for sizes near the interval is wrong by up to a third.
/// [`Profile::estimate`](crate::Profile::estimate) is the unrounded estimate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Sample {
    /// The calling context that allocated the object.
    pub node_id: NodeId,
    /// The size that the object was allocated with, in bytes. (V8 can shrink an object later.)
    ///
    /// Where optimised code allocated several objects in one go, it is the size of the group.
    pub size: u64,
    /// Ascending in the order of allocation, from 1 in every session and window.
    pub sample_id: SampleId,
    /// True as long as no garbage collection has found the object dead.
    ///
    /// Always true if dead objects are not kept, as their samples are gone.
    pub is_live: bool,
}

impl Sample {
    /// A sample of an object, for tests and for readers of other formats.
    #[must_use]
    pub const fn new(node_id: NodeId, size: u64, sample_id: SampleId, is_live: bool) -> Self {
        Self { node_id, size, sample_id, is_live }
    }
}

/// The number of a [`Sample`] within its session: later samples have higher ones.
///
/// Mirrors `v8::AllocationProfile::Sample::sample_id`.
///
/// ```
/// use v8_heap_sampler::SampleId;
/// assert!(SampleId(7) < SampleId(8));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SampleId(pub u64);

impl fmt::Display for SampleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
