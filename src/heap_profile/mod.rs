//! A heap profile as numbers by calling context: what every format carries more or less of.
//!
//! Made of what was collected, or by the readers of [`format`](mod@crate::format); the writers there
//! write it.

mod build;
mod graph;
mod labels;
mod merge;
mod no_such_values;
mod of_nodes;
mod row;
mod sample_type;
mod whole;

#[cfg(feature = "formats")]
pub(crate) use build::{Builder, Functions, OriginalParts, push};
pub(crate) use build::{FunctionParts, StackBuilder};
#[cfg(feature = "formats")]
pub(crate) use labels::LabelSets;
pub use merge::MergeError;
pub use no_such_values::NoSuchValues;
pub(crate) use no_such_values::listed;
pub use of_nodes::Counted;
pub(crate) use row::RowData;
pub use row::{Label, LabelValue, Row};
#[cfg(feature = "formats")]
pub(crate) use sample_type::SampleTypes;
pub use sample_type::{SampleType, UnknownSampleType};
pub use whole::{About, Context, Contexts, HeapProfile, OrdinalSample};
