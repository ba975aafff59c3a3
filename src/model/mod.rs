//! What was collected, as owned data: flat nodes, samples, ids, names, times, the heap as a whole,
//! and the options that were in force.
//!
//! Nothing here, nor in any module that builds on it, needs V8.

mod analysis_error;
mod error;
mod function;
mod heap_statistics;
mod id;
mod name;
mod node;
mod options;
mod original;
mod place;
mod plain_text;
mod profile_error;
mod sample;
mod sample_type;
mod timestamp;
mod units;
mod written;

pub use analysis_error::AnalysisError;
pub use error::Error;
#[cfg(any(feature = "v8-150", feature = "v8-152"))]
pub(crate) use error::Result;
pub use function::{Function, PseudoFrame};
pub use heap_statistics::{HeapGrowth, HeapStatistics};
pub use id::{NodeId, ScriptId};
pub use name::Name;
pub use node::{Allocation, Node};
pub use options::{KeepDead, SamplerOptions};
pub use original::Original;
pub(crate) use place::Place;
pub use plain_text::plain_text;
pub use profile_error::ProfileError;
pub use sample::{Sample, SampleId};
pub(crate) use sample_type::SampleTypes;
pub use sample_type::{Counted, SampleType};
pub use timestamp::Timestamp;
pub use units::{Bytes, Objects};
pub(crate) use written::written_line;
