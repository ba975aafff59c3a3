//! What can go wrong, said so that the reader knows what to do.

use crate::profile::{NodeId, SamplerOptions};

/// The result of the crate's fallible operations.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong when sampling an isolate.
///
/// ```
/// use v8_heap_sampler::{Error, SamplerOptions};
///
/// match SamplerOptions::new().interval_bytes(0).validate() {
///     Err(Error::InvalidInterval { interval_bytes }) => assert_eq!(interval_bytes, 0),
///     other => panic!("{other:?}"),
/// }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The sampling interval is 0 (V8 would abort the process) or longer than V8 can represent.
    #[error(
        "sampling interval of {interval_bytes} bytes: it must be from {} to {} bytes",
        SamplerOptions::MIN_INTERVAL_BYTES,
        SamplerOptions::MAX_INTERVAL_BYTES
    )]
    InvalidInterval {
        /// The interval that was asked for, in bytes.
        interval_bytes: u64,
    },

    /// The stack depth is 0 (V8 would keep no frame) or so great that V8 could overflow the stack.
    #[error(
        "stack depth of {stack_depth} frames: it must be from {} to {} frames",
        SamplerOptions::MIN_STACK_DEPTH,
        SamplerOptions::MAX_STACK_DEPTH
    )]
    InvalidStackDepth {
        /// The depth that was asked for, in frames.
        stack_depth: u32,
    },

    /// The isolate's one sampling session is taken: by another sampler, by one that was leaked, or
    /// by DevTools. It goes on untouched.
    #[error(
        "the isolate is being sampled already (another or a leaked HeapSampler, or DevTools), and \
         V8 has one sampling session per isolate: stop that one first"
    )]
    AlreadySampling,

    /// Sampling had stopped: by an earlier `stop`, or by someone else, such as DevTools. V8 throws
    /// the samples away when that happens, so start again with a new sampler.
    #[error(
        "the isolate is not being sampled any more (stopped before, or by someone else such as \
         DevTools), so there is nothing to collect: start a new HeapSampler"
    )]
    NotSampling,

    /// The isolate behind the guard is not the one that sampling was started on: it was replaced
    /// through `DerefMut`, as by `std::mem::swap`.
    #[error(
        "the isolate under this HeapSampler was replaced (as by std::mem::swap) after sampling \
         had started; nothing was read from or stopped in the isolate that is there now"
    )]
    IsolateReplaced,

    /// The program is linked with a V8 that this crate has not been checked against.
    #[error("V8 {found} is linked, but this version of v8-heap-sampler supports {supported}")]
    UnsupportedV8 {
        /// What the linked V8 calls itself.
        found: String,
        /// What is supported.
        supported: &'static str,
    },

    /// What V8 returned does not have the shape that this crate knows, and nothing was read from
    /// it on trust. Please report it, with the V8 version and the target.
    ///
    /// The one known way to get here with a supported V8: somebody else stopped the session and
    /// started one with another interval in its place, so the counts do not fit.
    #[error("V8's allocation profile failed a check and was not trusted: {check}")]
    UnexpectedProfile {
        /// Which check failed, with the values it saw.
        check: String,
    },

    /// The nodes do not form a tree.
    #[error(transparent)]
    Nodes(#[from] NodesError),
}

/// Why a list of nodes does not form a call tree, or a graph is not sound.
///
/// ```
/// use v8_heap_sampler::{CallTree, Node, NodeId, NodesError};
///
/// let mut root = Node::new(NodeId(1), "(root)");
/// root.child_ids.push(NodeId(7));
/// let error = CallTree::from_nodes(vec![root]).unwrap_err();
/// assert_eq!(error, NodesError::UnknownChild { parent: NodeId(1), child: NodeId(7) });
/// assert_eq!(error.to_string(), "node 1 has child 7, which is not in the list of nodes");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NodesError {
    /// There is no root: the list is empty, or every node is some node's child.
    #[error("no root: {}", if *.nodes == 0 { "the list of nodes is empty" } else {
        "every node is the child of some node" })]
    NoRoot {
        /// How many nodes there are.
        nodes: usize,
    },

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

    /// Nodes that are each other's descendants.
    #[error("nodes {} form a cycle", List(ids))]
    Cycle {
        /// The nodes of one cycle, each the parent of the next, the last of the first.
        ids: Vec<NodeId>,
    },

    /// The allocations of a node and of all below it exceed what 64 bits can count.
    #[error("the bytes or objects allocated at node {id} and below exceed 64 bits")]
    TotalOverflow {
        /// The node.
        id: NodeId,
    },

    /// There are more nodes than the crate can number.
    #[error("{nodes} nodes: at most {} are supported", u32::MAX)]
    TooManyNodes {
        /// How many nodes there are.
        nodes: usize,
    },

    /// A call graph read from outside refers to a function that it does not hold, holds one twice,
    /// or joins two functions twice.
    #[error("call graph: {reason}")]
    UnsoundGraph {
        /// What is wrong, and where.
        reason: String,
    },
}

/// Shows the first ids of a list and how many there are more.
struct List<'a>(&'a [NodeId]);

impl std::fmt::Display for List<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_the_value_and_the_bounds() {
        let error = SamplerOptions::new().interval_bytes(0).validate().unwrap_err();
        assert_eq!(
            error.to_string(),
            "sampling interval of 0 bytes: it must be from 1 to 2147483647 bytes"
        );
        let error = SamplerOptions::new().stack_depth(9999).validate().unwrap_err();
        assert_eq!(
            error.to_string(),
            "stack depth of 9999 frames: it must be from 1 to 2048 frames"
        );
    }

    #[test]
    fn long_lists_of_ids_are_cut() {
        let ids: Vec<_> = (1..=20).map(NodeId).collect();
        assert_eq!(List(&ids[..2]).to_string(), "1, 2");
        assert_eq!(List(&ids).to_string(), "1, 2, 3, 4, 5, 6, 7, 8 and 12 more");
    }
}
