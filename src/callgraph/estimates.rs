//! Estimates summed up: over subtrees, and over the contexts of a function.

use std::ops::AddAssign;
use std::sync::Arc;

use super::call_tree::{CallTree, TreeNode};
use super::function_numbers::FunctionNumbers;
use super::on_path::OnPath;
use crate::estimate::{Estimates, Values};
use crate::profile::{Function, Node};

/// What each context of a [`CallTree`] allocated itself and in total, with its uncertainty.
///
/// Made by [`CallTree::estimates`].
///
/// ```
/// use v8_heap_sampler::{CallTree, Node, NodeId, Profile, Sample, SampleId, SamplerOptions};
///
/// let mut nodes = vec![Node::new(NodeId(1), "(root)"), Node::new(NodeId(2), "main")];
/// nodes[0].child_ids.push(NodeId(2));
/// let samples = vec![Sample::new(NodeId(2), 64, SampleId(1), true)];
/// let profile = Profile::new(nodes, samples, SamplerOptions::exact());
///
/// let tree = CallTree::from_nodes(&profile.nodes)?;
/// let estimates = tree.estimates(&profile.estimates()?);
/// assert_eq!(estimates.own(tree.root()).inuse_space().value(), 0.0);
/// assert_eq!(estimates.total(tree.root()).inuse_space().to_string(), "64 B");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct TreeEstimates {
    own: Estimates,
    /// By rank.
    totals: Vec<Values>,
}

impl CallTree {
    /// Sums a profile's estimates up over the subtrees. Linear.
    ///
    /// The tree should be of the profile's nodes: contexts that `estimates` does not know have no
    /// samples, and samples of contexts that are not in the tree are in no sum.
    #[must_use]
    pub fn estimates(&self, estimates: &Estimates) -> TreeEstimates {
        let totals = self.sum_up(|node| estimates.of(node.id));
        TreeEstimates { own: estimates.clone(), totals }
    }

    /// The sums over the subtrees, by rank.
    pub(crate) fn sum_up<V: Copy + AddAssign>(&self, own: impl Fn(&Node) -> V) -> Vec<V> {
        let mut totals: Vec<V> = self.nodes().iter().map(own).collect();
        let (parents, _) = self.parents_and_ends();
        // Children stand after their parents: from the back, every total is complete when it is
        // added.
        for rank in (1..totals.len()).rev() {
            let total = totals[rank];
            totals[parents[rank] as usize] += total;
        }
        totals
    }

    /// Sums a profile's estimates up over the contexts of each function. Linear.
    ///
    /// In the order in which a preorder walk meets the functions, the root first: that of a
    /// [`Callgraph`](crate::Callgraph)'s vertices, so that `[index.index()]` is the function of a
    /// vertex.
    ///
    /// Contexts are matched as for [`estimates`](Self::estimates).
    #[must_use]
    pub fn function_estimates(&self, estimates: &Estimates) -> Vec<FunctionEstimates> {
        let sums = self.function_sums(estimates.nothing(), |node| estimates.of(node.id));
        let estimates = sums.into_iter().map(|sums| {
            let FunctionSums { function, own, total, contexts } = sums;
            FunctionEstimates { function, own, total, contexts }
        });
        estimates.collect()
    }

    /// Sums what contexts have of their own up over the contexts of each function, in the order of
    /// [`function_estimates`](Self::function_estimates).
    pub(crate) fn function_sums<V: Copy + AddAssign>(
        &self,
        nothing: V,
        own: impl Fn(&Node) -> V,
    ) -> Vec<FunctionSums<V>> {
        let totals = self.sum_up(&own);
        let (_, ends) = self.parents_and_ends();
        let mut numbers = FunctionNumbers::default();
        let mut functions: Vec<FunctionSums<V>> = Vec::new();
        let mut on_path = OnPath::default();
        for (rank, node) in self.nodes().iter().enumerate() {
            on_path.leave(rank, ends);
            let number = numbers.of_context(rank, &node.function);
            if number as usize == functions.len() {
                functions.push(FunctionSums {
                    function: Arc::clone(&node.function),
                    own: nothing,
                    total: nothing,
                    contexts: 0,
                });
            }
            let function = &mut functions[number as usize];
            function.contexts += 1;
            function.own += own(node);
            if on_path.enter(rank, number) {
                function.total += totals[rank];
            }
        }
        functions
    }
}

/// What the contexts of a function have of their own, and in total, each context once.
pub(crate) struct FunctionSums<V> {
    pub(crate) function: Arc<Function>,
    pub(crate) own: V,
    pub(crate) total: V,
    pub(crate) contexts: u32,
}

impl TreeEstimates {
    /// What a context allocated itself. Constant time.
    #[must_use]
    pub fn own(&self, node: TreeNode<'_>) -> Values {
        self.own.of(node.id)
    }

    /// What a context and all below it allocated. Constant time.
    ///
    /// # Panics
    ///
    /// If the node is of a larger tree than the one that the sums are of.
    #[must_use]
    pub fn total(&self, node: TreeNode<'_>) -> Values {
        self.totals[node.rank()]
    }
}

/// What a function allocated, in all its contexts, with its uncertainty.
///
/// Made by [`CallTree::function_estimates`].
///
/// ```
/// # use v8_heap_sampler::{CallTree, Node, NodeId, Profile, Sample, SampleId, SamplerOptions};
/// # let mut nodes = vec![Node::new(NodeId(1), "(root)"), Node::new(NodeId(2), "walk"),
/// #     Node::new(NodeId(3), "walk")];
/// # nodes[0].child_ids.push(NodeId(2));
/// # nodes[1].child_ids.push(NodeId(3));
/// // (root) -> walk -> walk, 64 bytes in each.
/// let samples = vec![
///     Sample::new(NodeId(2), 64, SampleId(1), true),
///     Sample::new(NodeId(3), 64, SampleId(2), true),
/// ];
/// let profile = Profile::new(nodes, samples, SamplerOptions::exact());
/// let tree = CallTree::from_nodes(&profile.nodes)?;
/// let walk = &tree.function_estimates(&profile.estimates()?)[1];
/// assert_eq!((walk.function.to_string(), walk.contexts), ("walk".to_owned(), 2));
/// assert_eq!(walk.own.inuse_space().to_string(), "128 B");
/// assert_eq!(walk.total.inuse_space().to_string(), "128 B"); // each sample once
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct FunctionEstimates {
    /// Which function.
    pub function: Arc<Function>,
    /// What it allocated itself.
    pub own: Values,
    /// What was allocated while it was on the stack: each sample once, however often the function
    /// stands on its stack.
    pub total: Values,
    /// In how many contexts it appears.
    pub contexts: u32,
}
