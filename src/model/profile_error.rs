//! Reasons why nodes and samples make no profile.

use std::fmt;

use super::{NodeId, SampleId};

/// A reason why nodes do not form a call tree, or nodes, samples and options make no
/// [`Profile`](crate::Profile).
///
/// ```
/// use v8_heap_sampler::{Callgraph, Node, NodeId, ProfileError};
///
/// let mut root = Node::new(NodeId(1), "(root)");
/// root.child_ids.push(NodeId(7));
/// let error = Callgraph::from_nodes(&[root]).unwrap_err();
/// assert_eq!(error, ProfileError::UnknownChild { parent: NodeId(1), child: NodeId(7) });
/// assert_eq!(error.to_string(), "node 1 has child 7, which is not in the list of nodes");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// There is no root: the list is empty.
    #[error("no root: the list of nodes is empty")]
    NoRoot,

    /// More than one node could be the root: none of them is any node's child, and none or several
    /// are named `(root)`.
    #[error("{} roots: nodes {}", ids.len(), List(ids))]
    SeveralRoots {
        /// All of them, in input order.
        ids: Vec<NodeId>,
    },

    /// Two nodes have the same id.
    #[error("node id {id} is used twice")]
    DuplicateId {
        /// The id.
        id: NodeId,
    },

    /// A node names a child that is not in the list.
    #[error("node {parent} has child {child}, which is not in the list of nodes")]
    UnknownChild {
        /// The node that names the child.
        parent: NodeId,
        /// The child that does not exist.
        child: NodeId,
    },

    /// A node is reachable twice: it is a child of two nodes, or twice of one.
    #[error("node {child} is reachable twice: as a child of node {first} and of node {second}")]
    TwoParents {
        /// The node that is reachable twice.
        child: NodeId,
        /// The node that names it first, in input order.
        first: NodeId,
        /// The node that names it again.
        second: NodeId,
    },

    /// Nodes other than the root, `(root)`, that no node has as a child.
    #[error("nodes {} cannot be reached from root {root}", List(ids))]
    Unreachable {
        /// The root.
        root: NodeId,
        /// The nodes that are no node's child, in input order.
        ids: Vec<NodeId>,
    },

    /// Nodes that are each other's descendants, and so descend from no root.
    #[error("nodes {} form a cycle", List(ids))]
    Cycle {
        /// The nodes of one cycle, each the parent of the next, the last of the first.
        ids: Vec<NodeId>,
    },

    /// Contexts of one function share an id, so that the structure is in the order alone, and the
    /// nodes are not in preorder.
    #[error(
        "node {position} of the list (from 0) is not the child that its parent names next: nodes \
         whose ids are shared must come in the order in which they were collected"
    )]
    NotInPreorder {
        /// Where in the list, from 0.
        position: usize,
    },

    /// The allocations up to a node exceed what numbers can say exactly.
    #[error("the bytes or objects allocated come to more than 2^53 at node {id}")]
    TotalOverflow {
        /// The node.
        id: NodeId,
    },

    /// The interval is 0, of which no estimate can be made.
    #[error("the sampling interval is 0 bytes: the profile was not sampled")]
    Interval,

    /// A sample names a node that is not there.
    #[error("sample {sample_id} was allocated by node {node_id}, which is not in the profile")]
    UnknownNode {
        /// The sample.
        sample_id: SampleId,
        /// The node that it names.
        node_id: NodeId,
    },

    /// Counts are of a node that is not there, or lack labels, values or a size.
    #[error(
        "counts of node {node_id}: it is not in the profile, or they lack labels, values or a size"
    )]
    UnknownCounts {
        /// The node that they name.
        node_id: NodeId,
    },

    /// A sample is of an object without a size.
    #[error("sample {sample_id} is of 0 bytes, and no object is")]
    NoSize {
        /// The sample.
        sample_id: SampleId,
    },

    /// A sample is of a dead object, though none was kept.
    #[error(
        "sample {sample_id} is of an object that has died, and by the options no such sample was kept"
    )]
    DeadSample {
        /// The sample.
        sample_id: SampleId,
    },

    /// The estimates add up to more than numbers can say exactly.
    #[error("the samples stand for more than 2^53 bytes in all")]
    TooMuch,

    /// Two samples have the same number.
    #[error("two samples have the number {sample_id}")]
    DuplicateSample {
        /// The number.
        sample_id: SampleId,
    },

    /// There are more nodes or functions than the crate can number.
    #[error("{count} nodes or functions: fewer than {} are supported", u32::MAX)]
    TooMany {
        /// How many there are.
        count: usize,
    },
}

/// Shows the first ids of a list and how many there are more.
struct List<'a>(&'a [NodeId]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 8;
        for (i, id) in self.0.iter().take(SHOWN).enumerate() {
            let separator = if i == 0 { "" } else { ", " };
            write!(f, "{separator}{id}")?;
        }
        match self.0.len().checked_sub(SHOWN) {
            Some(more @ 1..) => write!(f, " and {more} more"),
            _ => Ok(()),
        }
    }
}
