//! todo
#![cfg_attr(docsrs, feature(doc_cfg))]

mod callgraph;
mod error;
mod profile;
#[cfg(feature = "v8")]
mod sampler;
#[cfg(feature = "v8")]
mod sys;

pub use callgraph::{
    Call, CallTree, Callgraph, Children, Descendants, FunctionNode, NeighborCall, RemovedCall,
    TreeNode,
};
pub use error::{Error, NodesError, Result};
pub use petgraph;
pub use profile::{
    Allocation, Allocations, ChildIds, Function, KeepDead, Name, Node, NodeId, PseudoFrame,
    SamplerOptions, ScriptId, ShortVec, V8Estimate,
};
#[cfg(feature = "v8")]
pub use sampler::{CollectOptions, HeapSampler};
