//! Who calls whom, of functions by place.

use std::collections::HashSet;

use foldhash::fast::RandomState;
use petgraph::graph::{DiGraph, NodeIndex};

use super::group::{self, Group, GroupBy};
use crate::callgraph::NONE;
use crate::profile::Profile;

/// The graph of functions, by name and place: those of a script that was loaded twice are the same, which
/// a [`Callgraph`](crate::Callgraph) keeps apart.
pub(super) struct PlaceGraph {
    pub(super) groups: Vec<Group>,
    /// By number of a function, its group.
    pub(super) group_of: Vec<u32>,
    /// The vertices are the groups, and behind these the root.
    pub(super) graph: DiGraph<(), ()>,
    pub(super) root: NodeIndex,
}

impl PlaceGraph {
    /// Linear in the contexts.
    pub(super) fn new(profile: &Profile) -> Self {
        let (groups, group_of) = group::of_functions(profile, &GroupBy::Function);
        let mut graph = DiGraph::new();
        (0..=groups.len()).for_each(|_| {
            graph.add_node(());
        });
        let root = NodeIndex::new(groups.len());
        let vertex = |rank: u32| match rank {
            0 => root,
            _ => NodeIndex::new(
                group_of[profile.function_numbers()[rank as usize] as usize] as usize,
            ),
        };
        let mut calls: HashSet<(NodeIndex, NodeIndex), RandomState> = HashSet::default();
        for (rank, &parent) in (0..).zip(profile.parents()) {
            if parent != NONE {
                let call = (vertex(parent), vertex(rank));
                if calls.insert(call) {
                    graph.add_edge(call.0, call.1, ());
                }
            }
        }
        Self { groups, group_of, graph, root }
    }
}
