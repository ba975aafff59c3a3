//! The graph of functions, on petgraph.

mod callgraph;

pub use callgraph::{Call, Callgraph, FunctionNode, NeighborCall, RemovedCall};
