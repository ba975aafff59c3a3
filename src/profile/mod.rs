//! A heap profile as numbers by calling context: what every format carries more or less of.
//!
//! Made of what was collected, or by the readers of [`format`](mod@crate::format); the writers
//! there write it.

mod build;
mod collection;
mod cut;
mod evidence;
mod from_nodes;
mod from_samples;
mod heap_check;
mod labels;
mod merge;
mod places;
#[expect(clippy::module_inception, reason = "the room is named for its one type")]
mod profile;
mod row;
mod sample;
mod sample_sums;
mod serde_profile;
#[cfg(any(feature = "v8-150", feature = "v8-152"))]
mod tracked;
mod walk;

#[cfg(feature = "formats")]
pub(crate) use build::{Builder, Functions, OriginalParts, push};
pub(crate) use build::{FunctionParts, StackBuilder};
pub use collection::{Collection, OwnWork};
pub(crate) use evidence::Evidence;
#[cfg(any(feature = "v8-150", feature = "v8-152"))]
pub(crate) use from_nodes::ContextTree;
#[cfg(any(feature = "v8-150", feature = "v8-152"))]
pub(crate) use from_samples::SampledObject;
pub use heap_check::{Contradiction, HeapCheck};
#[cfg(feature = "formats")]
pub(crate) use labels::LabelSets;
pub use merge::ProfileMerger;
pub use profile::{Context, Contexts, Metadata, Profile};
pub(crate) use row::RowData;
pub use row::{Label, LabelValue, Row};
pub use sample::OrdinalSample;
#[cfg(feature = "formats")]
pub(crate) use serde_profile::{AllOptions, WrittenCount, WrittenCounts};
#[cfg(any(feature = "v8-150", feature = "v8-152"))]
pub(crate) use tracked::TrackedObjects;
pub(crate) use walk::{GroupSums, OnPath, Visit, group_sums, of_groups, walk};
