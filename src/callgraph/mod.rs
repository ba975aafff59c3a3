//! From flat nodes back to structure: the call tree and the call graph.
//!
//! Both are built from any list of nodes, also from one that was read back from a file, and check
//! it: see [`NodesError`](crate::NodesError).

mod call_tree;
mod estimates;
mod function_numbers;
mod graph;
mod nested_json;
mod nodes_error;
mod on_path;
mod serde_graph;
mod topology;
mod weight;

pub use call_tree::{CallTree, Children, Descendants, TreeNode};
pub(crate) use estimates::FunctionSums;
pub use estimates::{FunctionEstimates, TreeEstimates};
pub(crate) use function_numbers::FunctionNumbers;
pub use graph::{Call, Callgraph, FunctionNode, NeighborCall, RemovedCall};
pub(crate) use nested_json::{Nesting, write_open};
pub use nodes_error::NodesError;
#[cfg(feature = "formats")]
pub(crate) use topology::IdIndex;
pub(crate) use topology::{NONE, Topology, check_count, inverted};
pub use weight::Weight;
pub(crate) use weight::merge_sizes;
