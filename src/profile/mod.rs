//! What was collected, as owned data: flat nodes, samples, ids, names, times, the heap as a whole,
//! and the options that were in force.
//!
//! Nothing here, nor in any module that builds on it, needs V8.

mod function;
mod heap_statistics;
mod id;
mod name;
mod node;
mod options;
mod original;
mod plain_text;
mod sample;
mod short_vec;
mod timestamp;
mod units;
mod whole;

pub use function::{Function, PseudoFrame};
pub use heap_statistics::HeapStatistics;
pub use id::{NodeId, ScriptId};
pub use name::Name;
pub use node::{Allocation, Allocations, ChildIds, Node, V8Estimate};
pub(crate) use node::{written_line, written_start_position};
pub use options::{KeepDead, OptionsError, SamplerOptions};
pub use original::Original;
pub use plain_text::plain_text;
pub use sample::{Sample, SampleId};
pub use short_vec::ShortVec;
pub use timestamp::Timestamp;
pub use units::{Bytes, Objects, Unit};
#[cfg(feature = "formats")]
pub(crate) use whole::AllOptions;
pub use whole::{OwnWork, Profile, ProfileError};
