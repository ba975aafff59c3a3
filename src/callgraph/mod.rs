//! From flat nodes back to structure: the call tree and the call graph.
//!
//! # Terms
//!
//! - A **calling context** is a function as it was reached from the root by one path of calls: one
//!   [`Node`](crate::Node). The same function reached by two paths is two contexts.
//! - The **call tree** keeps every context apart. It is what V8 records and what a flame graph
//!   draws: [`CallTree`].
//! - The **call graph** has one vertex per function and one edge per pair of caller and callee.
//!   Recursion makes cycles in it: [`Callgraph`].
//! - **Self** is what a context or function allocated itself; **total** (inclusive) adds what it
//!   called. A function that stands on a stack more than once still counts a sample once.
//! - A **back edge** is a call that leads to a function which is being visited already, in a
//!   depth-first walk from the root: cutting them leaves a graph without cycles.
//!
//! Both are built from any list of nodes, also from one that was read back from a file, and check
//! it: see [`NodesError`](crate::NodesError).

mod call_tree;
mod graph;
#[cfg(feature = "json")]
mod nested_json;
mod serde_graph;
mod topology;

pub use call_tree::{CallTree, Children, Descendants, TreeNode};
pub use graph::{Call, Callgraph, FunctionNode, NeighborCall, RemovedCall};
