//! What was collected, as owned data: flat nodes, ids, names, and the options that were in force.
//!
//! Nothing here, nor in any module that builds on it, needs V8.

mod function;
mod id;
mod name;
mod node;
mod options;
mod short_vec;

pub use function::{Function, PseudoFrame};
pub use id::{NodeId, ScriptId};
pub use name::Name;
pub use node::{Allocation, Allocations, ChildIds, Node, V8Estimate};
pub(crate) use node::{written_line, written_start_position};
pub use options::{KeepDead, OptionsError, SamplerOptions};
pub use short_vec::ShortVec;
