//! A heap profile as numbers by calling context: what every format carries more or less of.
//!
//! Made of what was collected, or by the readers of [`format`](mod@crate::format); the writers there
//! write it.

// Each format needs other parts of this, and has a feature of its own.
#![cfg_attr(not(feature = "formats"), allow(dead_code, unused_imports))]

mod build;
mod collection;
mod graph;
mod labels;
mod merge;
mod no_such_values;
mod of_nodes;
mod of_samples;
mod profile_error;
mod row;
mod sample;
mod serde_profile;
mod whole;

pub(crate) use build::{Builder, FunctionParts, Functions, OriginalParts, StackBuilder, push};
pub use collection::{Collection, OwnWork};
pub(crate) use labels::LabelSets;
pub use merge::MergeError;
pub use no_such_values::NoSuchValues;
pub(crate) use no_such_values::listed;
pub(crate) use of_nodes::ContextTree;
pub(crate) use of_samples::SampledObject;
pub use profile_error::ProfileError;
pub(crate) use row::RowData;
pub use row::{Label, LabelValue, Row};
pub use sample::OrdinalSample;
#[cfg(feature = "read")]
pub(crate) use serde_profile::AllOptions;
pub use whole::{About, Context, Contexts, HeapProfile};
