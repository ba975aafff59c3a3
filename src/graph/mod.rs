//! The graph of functions, on petgraph.

mod callgraph;

pub use callgraph::{Callgraph, FunctionNode};
