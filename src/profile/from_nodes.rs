//! Heap profiles of flat nodes.

use std::sync::Arc;

use super::build::Builder;
use super::labels::LabelSets;
use super::profile::{Metadata, Profile};
use super::row::RowData;
use crate::model::{Allocation, Counted, Function, Node, NodeId, ProfileError};
use crate::tree::{FunctionNumbers, Topology};

impl Profile {
    /// The heap profile of nodes alone, in V8's rounded counts.
    ///
    /// Nodes do not say whether they are of the objects in use, as they are by default, or of all
    /// that were allocated ([`KeepDead::Both`](crate::KeepDead::Both)): `what` does. Linear.
    ///
    /// ```
    /// use v8_heap_sampler::{Allocation, Counted, Profile, Node, NodeId, SampleType};
    ///
    /// let mut node = Node::new(NodeId(1), "(root)");
    /// node.allocations.push(Allocation { count: 3, size: 40 });
    /// let profile = Profile::from_nodes(&[node], Counted::InUse)?;
    /// assert_eq!(profile.total(SampleType::InuseSpace), Some(120.0));
    /// # Ok::<(), v8_heap_sampler::ProfileError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ProfileError`] names the nodes that do not form a tree, or that allocated more than numbers
    /// can say exactly (2^53).
    pub fn from_nodes(nodes: &[Node], what: Counted) -> Result<Self, ProfileError> {
        let (topology, tree) = ContextTree::of_nodes(nodes)?;
        let mut builder = Builder::of_contexts(tree);
        let mut total = 0_u64;
        for rank in 0..nodes.len() {
            let node = &nodes[topology.position(rank)];
            for allocation in &node.allocations {
                let &Allocation { count, size } = allocation;
                let bytes = count.checked_mul(size);
                total = bytes
                    .and_then(|bytes| total.checked_add(bytes.max(count)))
                    .filter(|&sum| sum <= Self::MOST)
                    .ok_or(ProfileError::TotalOverflow { id: node.id })?;
                let values = what.values(Some(count as f64), bytes.unwrap_or_default() as f64);
                let (context, labels) = (rank as u32, LabelSets::NONE);
                builder.push_row(RowData::of_values(context, labels, size, values));
            }
        }
        let metadata = Metadata::default();
        Ok(builder.finish(what.sample_types(true), LabelSets::default(), false, metadata))
    }

    /// The greatest number that a 64-bit float counts to without a gap.
    pub(crate) const MOST: u64 = 1 << 53;
}

/// The calling contexts of a profile, in columns by rank, the place in preorder.
#[derive(Debug, Default)]
pub(crate) struct ContextTree {
    /// Distinct.
    pub(crate) functions: Vec<Arc<Function>>,
    /// The number of each context's function.
    pub(crate) function_of: Vec<u32>,
    /// The rank of each context's parent; [`NONE`](crate::tree::NONE) for the root.
    pub(crate) parents: Vec<u32>,
    /// One past the last rank of each context's subtree.
    pub(crate) ends: Vec<u32>,
    pub(crate) ids: Vec<NodeId>,
    /// The number of callers, the root included, that some context has, and none has more.
    pub(crate) deepest: u32,
}

impl ContextTree {
    /// The contexts of nodes, and the places of these in the list: a topology whose parents and
    /// ends the tree has.
    pub(super) fn of_nodes(nodes: &[Node]) -> Result<(Topology, Self), ProfileError> {
        let mut topology = Topology::new(nodes)?;
        let mut numbers = FunctionNumbers::default();
        let mut tree = Self {
            parents: std::mem::take(&mut topology.parents),
            ends: std::mem::take(&mut topology.ends),
            ..Self::default()
        };
        let mut depths: Vec<u32> = Vec::with_capacity(nodes.len());
        for rank in 0..nodes.len() {
            let depth = depths.get(tree.parents[rank] as usize).map_or(0, |depth| depth + 1);
            depths.push(depth);
            tree.deepest = tree.deepest.max(depth);
            let node = &nodes[topology.position(rank)];
            let number = numbers.of(&node.function);
            if number as usize == tree.functions.len() {
                tree.functions.push(Arc::clone(&node.function));
            }
            tree.function_of.push(number);
            tree.ids.push(node.id);
        }
        Ok((topology, tree))
    }
}
