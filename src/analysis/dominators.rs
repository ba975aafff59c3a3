//! Which single function everything passes through.

use std::fmt;
use std::sync::Arc;

use petgraph::algo::dominators::simple_fast;
use petgraph::graph::NodeIndex;
use serde::Serialize;

use super::group::{self, GroupBy, ROOT};
use super::pattern::Pattern;
use super::share::{percent, share};
use super::table::Table;
use crate::estimate::{Estimate, Sum};
use crate::model::{AnalysisError, Function, SampleType};
use crate::profile::{Evidence, Profile};
use crate::tree::NONE;

/// The dominators of the call graph: see [`Profile::dominators`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Dominators {
    /// The values that the answer is about.
    pub sample_type: SampleType,
    /// The whole profile.
    pub total: Estimate,
    /// The amount that was allocated on the empty stack: a part of the total that no function has.
    pub on_empty_stack: Estimate,
    /// The functions, the one that dominates most first; the root is not among them.
    pub functions: Vec<Dominator>,
    #[serde(skip)]
    heading: String,
}

/// A function in the dominator tree of the call graph.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Dominator {
    /// The function.
    pub function: Arc<Function>,
    /// The immediate dominator: the last function that every way from the root to it passes
    /// through. `None` if that is the root: no single function.
    pub immediate_dominator: Option<Arc<Function>>,
    /// The amount that it allocated itself.
    pub own: Estimate,
    /// The amount that it and the functions that it dominates allocated themselves: without it,
    /// none of them would be reached.
    pub dominated: Estimate,
    /// The number of functions that it dominates, itself among them.
    pub functions: usize,
}

impl Profile {
    /// The immediate dominators of the call graph's functions: which single function all ways from
    /// the root to a function pass through, and what would go with it.
    ///
    /// By `petgraph::algo::dominators::simple_fast` (Cooper, Harvey and Kennedy), which is
    /// quadratic in functions at worst and linear in practice. The graph has merged the contexts of
    /// each function, so some of its ways were never walked: a function that dominates another does
    /// stand on all of its stacks; one that does not may still.
    ///
    /// # Errors
    ///
    /// [`AnalysisError::NoSuchValues`] if the profile does not have the sample type.
    pub fn dominators(&self, sample_type: SampleType) -> Result<Dominators, AnalysisError> {
        let evidence = Evidence::new(self, sample_type)?;
        let callgraph = self.callgraph(sample_type)?;
        let (graph, root) = (callgraph.graph(), callgraph.root());
        let vertices = graph.node_count();
        let (_, place_of) = self.places();
        let mut own = vec![Sum::default(); vertices];
        for (at, row) in self.row_data().iter().enumerate() {
            let place = place_of[self.function_numbers()[row.context as usize] as usize];
            let vertex = if place == NONE { root.index() } else { place as usize + 1 };
            own[vertex] += evidence.of_row(at);
        }
        let dominators = simple_fast(graph, root);
        let immediate: Vec<u32> = (0..vertices)
            .map(|vertex| {
                let dominator = dominators.immediate_dominator(NodeIndex::new(vertex));
                dominator.map_or(NONE, |dominator| dominator.index() as u32)
            })
            .collect();
        // Sums over the dominator tree, from the leaves up, without recursion.
        let mut waiting = vec![0_u32; vertices];
        immediate.iter().filter(|&&of| of != NONE).for_each(|&of| waiting[of as usize] += 1);
        let mut dominated: Vec<(Sum, usize)> = own.iter().map(|&own| (own, 1)).collect();
        let mut done: Vec<usize> = (0..vertices).filter(|&at| waiting[at] == 0).collect();
        while let Some(at) = done.pop() {
            let of = immediate[at];
            if of != NONE {
                let (sum, count) = dominated[at];
                let into = &mut dominated[of as usize];
                *into = (into.0.plus(&sum), into.1 + count);
                waiting[of as usize] -= 1;
                if waiting[of as usize] == 0 {
                    done.push(of as usize);
                }
            }
        }
        let function = |vertex: usize| {
            (vertex != root.index()).then(|| Arc::clone(&graph[NodeIndex::new(vertex)].function))
        };
        // One that nothing leads to is there only as the root's own values.
        let is_called = |at: &usize| immediate[*at] != NONE;
        let mut found: Vec<Dominator> = (0..vertices)
            .filter(is_called)
            .filter_map(|at| {
                Some(Dominator {
                    function: function(at)?,
                    immediate_dominator: function(immediate[at] as usize),
                    own: evidence.estimate(own[at]),
                    dominated: evidence.estimate(dominated[at].0),
                    functions: dominated[at].1,
                })
            })
            .collect();
        found.sort_by(|one, other| {
            let by_value = other.dominated.magnitude().total_cmp(&one.dominated.magnitude());
            by_value.then(other.functions.cmp(&one.functions))
        });
        let total = evidence.total();
        let on_empty_stack = evidence.on_empty_stack();
        let heading = evidence.heading(&total);
        Ok(Dominators { sample_type, total, on_empty_stack, functions: found, heading })
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
                    let on_stack: std::collections::HashSet<u32> = stack.into_iter().collect();
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

impl fmt::Display for Dominators {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.heading)?;
        if self.on_empty_stack.value() != 0.0 {
            writeln!(f, "{ROOT}, on the empty stack: {}", self.on_empty_stack)?;
        }
        let mut table = Table::of(
            &self.total,
            ["dominated", "share", "self", "functions", "function, and what dominates it"],
        );
        for row in &self.functions {
            let by = match &row.immediate_dominator {
                Some(function) => function.to_string(),
                None => ROOT.to_owned(),
            };
            table.push([
                row.dominated.short(),
                percent(share(row.dominated.value(), self.total.value())),
                row.own.short(),
                row.functions.to_string(),
                format!("{} < {by}", row.function),
            ]);
        }
        write!(f, "{table}")
    }
}
