//! Which single function everything passes through.

use std::collections::HashSet;
use std::sync::Arc;

use petgraph::algo::dominators::simple_fast;
use petgraph::graph::NodeIndex;

use super::answer::fraction;
use super::group::{self, GroupBy};
use super::pattern::Pattern;
use super::tree::{Shown, Tree, TreeKind, TreeOptions, TreeRow};
use crate::estimate::Sum;
use crate::model::{AnalysisError, Function, SampleType};
use crate::profile::{Evidence, Profile};
use crate::tree::NONE;

impl Profile {
    /// The dominator tree of the call graph: below each function those that every way from the root
    /// reaches through it, and that would go with it.
    ///
    /// By `petgraph::algo::dominators::simple_fast` (Cooper, Harvey and Kennedy), which is
    /// quadratic in functions at worst and linear in practice. The graph has merged the contexts of
    /// each function, so some of its ways were never walked: a function that dominates another does
    /// stand on all of its stacks; one that does not may still.
    ///
    /// ```
    /// # use v8_heap_sampler::{Node, NodeId, Profile, Sample, SampleId, SampleType,
    /// #     SamplerOptions};
    /// # let mut nodes: Vec<_> = ["(root)", "main", "map", "parse", "render", "parse"].into_iter()
    /// #     .zip(1..).map(|(name, id)| Node::new(NodeId(id), name)).collect();
    /// # for (caller, callee) in [(0, 2), (1, 3), (2, 4), (1, 5), (4, 6)] {
    /// #     nodes[caller].child_ids.push(NodeId(callee));
    /// # }
    /// # let samples = (3..=6).map(|id| Sample::new(NodeId(id), 64, SampleId(id as u64), true));
    /// // main calls map and render, and both call parse.
    /// let profile = Profile::from_samples(&nodes, samples, &SamplerOptions::exact())?;
    /// let tree = profile.dominators(SampleType::InuseSpace)?;
    /// assert_eq!(tree.to_string(), "\
    /// inuse_space: 256 B (a count: all 4 objects were sampled)
    /// dominated  dominated%   self  function, and below it what it dominates
    ///     256 B      100.0%      0  (root)
    ///     256 B      100.0%      0    main
    ///     128 B       50.0%  128 B      parse
    ///      64 B       25.0%   64 B      map
    ///      64 B       25.0%   64 B      render
    /// ");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`AnalysisError::NoSuchValues`] if the profile does not have the sample type.
    pub fn dominators(&self, options: impl Into<TreeOptions>) -> Result<Tree, AnalysisError> {
        let options = options.into();
        let evidence = Evidence::new(self, options.sample_type)?;
        let callgraph = self.callgraph(options.sample_type)?;
        let (graph, root) = (callgraph.graph(), callgraph.root());
        let dominators = simple_fast(graph, root);
        let mut below: Vec<Vec<u32>> = vec![Vec::new(); graph.node_count()];
        for vertex in graph.node_indices() {
            if let Some(dominator) = dominators.immediate_dominator(vertex) {
                below[dominator.index()].push(vertex.index() as u32);
            }
        }
        // Each in front of those that it dominates; their sums come up from the end.
        let mut order = vec![root.index()];
        let mut next = 0;
        while let Some(&vertex) = order.get(next) {
            order.extend(below[vertex].iter().map(|&vertex| vertex as usize));
            next += 1;
        }
        let of_vertex = callgraph.functions().map(|of| (*of.own.sum(), of.own.magnitude()));
        let mut dominated: Vec<(Sum, f64)> = of_vertex.collect();
        for vertex in order.into_iter().rev() {
            for &child in &below[vertex] {
                let (sum, magnitude) = dominated[child as usize];
                dominated[vertex].0 += sum;
                dominated[vertex].1 += magnitude;
            }
        }
        let least = fraction(options.min_share) * dominated[root.index()].1;
        let shown = Shown::of(
            |vertex| below[vertex as usize].iter().copied(),
            |vertex| dominated[vertex as usize].0.value().abs(),
            |vertex| dominated[vertex as usize].1 >= least,
            options.depth.unwrap_or(usize::MAX),
        );
        let rows = shown.into_iter().map(|Shown { number, depth, left_out }| {
            let of = &graph[NodeIndex::new(number as usize)];
            let total = evidence.estimate(dominated[number as usize].0);
            let (function, own) = (Arc::clone(&of.function), Some(of.own));
            TreeRow { depth, function, context: None, own, total, left_out }
        });
        Ok(Tree::new(TreeKind::Dominators, &evidence, callgraph[root].total, rows.collect()))
    }

    /// The single function that all values of the stacks on which a function matches pass through
    /// before it: the innermost one that stands outside the first match on each of them. `None` if
    /// there is none but the root, or nothing matches.
    ///
    /// Unlike [`dominators`](Self::dominators), which knows the merged graph alone, this looks at
    /// the stacks. Linear in the contexts, and in the longest stack for each match.
    pub fn common_caller(
        &self,
        sample_type: SampleType,
        functions: impl Into<Pattern>,
    ) -> Option<Arc<Function>> {
        let functions = functions.into();
        let magnitudes = self.magnitudes(sample_type)?;
        // A script that was loaded again has the same functions.
        let (groups, group_of) = group::of_functions(self, &GroupBy::Function);
        let is_match: Vec<bool> =
            self.functions().iter().map(|function| functions.matches(function)).collect();
        // The groups of the functions that stand on all stacks so far, the outermost first.
        let mut common: Option<Vec<u32>> = None;
        let mut rank = 1;
        while rank < self.len() {
            let number = self.function_numbers()[rank];
            if !is_match[number as usize] || magnitudes[rank] == 0.0 {
                rank += 1;
                continue;
            }
            let callers = std::iter::successors(Some(self.parents()[rank]), |&at| {
                let parent = self.parents()[at as usize];
                (parent != NONE).then_some(parent)
            });
            let mut stack: Vec<u32> = callers
                .filter(|&at| at != 0)
                .map(|at| group_of[self.function_numbers()[at as usize] as usize])
                .collect();
            stack.reverse();
            match &mut common {
                None => common = Some(stack),
                Some(common) => {
                    let on_stack: HashSet<u32> = stack.into_iter().collect();
                    common.retain(|function| on_stack.contains(function));
                }
            }
            // What is below is on the same stack.
            rank = self.ends()[rank] as usize;
        }
        let innermost = *common?.last()?;
        groups.get(innermost as usize)?.function.clone()
    }
}
