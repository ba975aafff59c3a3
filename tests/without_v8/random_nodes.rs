//! Properties of trees and graphs that hold for any nodes.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroU32;

use petgraph::visit::EdgeRef;
use proptest::prelude::*;
use v8_heap_sampler::{Allocation, CallTree, Callgraph, Node, NodeId, ScriptId, V8Estimate};

/// A random tree as a list of nodes in random order.
///
/// Few names and scripts, so that functions recur along a path and across the tree.
pub(crate) fn nodes() -> impl Strategy<Value = Vec<Node>> {
    let node = (
        any::<prop::sample::Index>(),
        prop::sample::select(vec!["", "a", "b", "c", "(GC)"]),
        (0..3_u32, 0..3_u32, prop::option::of(0..2_u32)),
        prop::collection::vec((1..5_u64, 0..1000_u64), 0..3),
    );
    let shape = prop::collection::vec(node, 0..60);
    (shape, any::<bool>(), any::<u64>()).prop_map(|(shape, sparse_ids, seed)| {
        let id = |at: usize| {
            let at = at as u32 + 1;
            // An odd factor makes it a permutation of the 32-bit numbers.
            NodeId(if sparse_ids { at.wrapping_mul(0x9E37_79B1) } else { at })
        };
        let mut nodes = vec![Node::new(id(0), "(root)")];
        for (parent, name, (script, line, start_position), allocations) in shape {
            let parent = parent.index(nodes.len());
            let mut node = Node::new(id(nodes.len()), name);
            node.script_id = ScriptId::new(script);
            node.line_number = NonZeroU32::new(line);
            node.start_position = start_position;
            node.allocations = allocations
                .into_iter()
                .map(|(size, count)| Allocation { count, size: size * 8 })
                .collect();
            nodes[parent].child_ids.push(node.id);
            nodes.push(node);
        }
        let mut order: Vec<_> = nodes.into_iter().enumerate().collect();
        order.sort_by_key(|(at, _)| (*at as u64 ^ seed).wrapping_mul(seed | 1).rotate_left(23));
        order.into_iter().map(|(_, node)| node).collect()
    })
}

fn sum(nodes: &[Node]) -> V8Estimate {
    nodes.iter().map(|node| node.v8_estimate().unwrap()).sum()
}

/// The contexts from the root to a node, itself included.
pub(crate) fn path(tree: &CallTree, id: NodeId) -> Vec<NodeId> {
    let node = tree.get(id).unwrap();
    let mut path: Vec<_> =
        std::iter::successors(Some(node), |node| node.parent()).map(|node| node.id).collect();
    path.reverse();
    path
}

proptest! {
    #[test]
    fn the_tree_holds_every_node_under_its_parent(nodes in nodes()) {
        let tree = CallTree::from_nodes(&nodes).unwrap();
        prop_assert_eq!(tree.len(), nodes.len());
        for node in &nodes {
            let in_tree = tree.get(node.id).unwrap();
            prop_assert_eq!(in_tree.node(), node);
            let children: Vec<_> = in_tree.children().map(|child| child.id).collect();
            prop_assert_eq!(&children[..], &node.child_ids[..]);
            for child in in_tree.children() {
                prop_assert_eq!(child.parent(), Some(in_tree));
            }
        }
        // Preorder: a node's descendants are the nodes right behind it.
        let order: Vec<_> = tree.iter().collect();
        for (at, node) in order.iter().enumerate() {
            let descendants: Vec<_> = node.descendants().collect();
            prop_assert_eq!(&descendants[..], &order[at..at + descendants.len()]);
        }
    }

    #[test]
    fn totals_are_conserved(nodes in nodes()) {
        let tree = CallTree::from_nodes(&nodes).unwrap();
        prop_assert_eq!(tree.root().total(), sum(&nodes));
        for node in &tree {
            let below: V8Estimate = node.children().map(|child| child.total()).sum();
            prop_assert_eq!(node.total(), node.self_estimate() + below);
        }
        let graph = Callgraph::from(&tree);
        prop_assert_eq!(graph[graph.root()].total, sum(&nodes));
        let own: V8Estimate = graph.functions().map(|function| function.self_estimate).sum();
        prop_assert_eq!(own, sum(&nodes));
        prop_assert_eq!(graph.spanning_tree().root().total(), sum(&nodes));
    }

    /// Against the definition: a function's (a call's) total is the sum over the nodes on whose
    /// path from the root it stands.
    #[test]
    fn functions_and_calls_count_each_node_once(nodes in nodes()) {
        let tree = CallTree::from_nodes(&nodes).unwrap();
        let graph = Callgraph::from_nodes(&nodes).unwrap();
        let mut functions: HashMap<_, V8Estimate> = HashMap::new();
        let mut calls: HashMap<_, V8Estimate> = HashMap::new();
        for node in &nodes {
            let function = |id: &NodeId| graph.index_of(&tree.get(*id).unwrap().function).unwrap();
            let path: Vec<_> = path(&tree, node.id).iter().map(function).collect();
            for function in path.iter().copied().collect::<HashSet<_>>() {
                *functions.entry(function).or_default() += node.v8_estimate().unwrap();
            }
            for call in path.windows(2).map(|w| (w[0], w[1])).collect::<HashSet<_>>() {
                *calls.entry(call).or_default() += node.v8_estimate().unwrap();
            }
        }
        prop_assert_eq!(functions.len(), graph.graph().node_count());
        for (function, total) in functions {
            prop_assert_eq!(graph[function].total, total);
        }
        prop_assert_eq!(calls.len(), graph.graph().edge_count());
        for edge in graph.graph().edge_references() {
            prop_assert_eq!(edge.weight().total, calls[&(edge.source(), edge.target())]);
        }
    }

    #[test]
    fn the_order_of_nodes_does_not_matter(nodes in nodes()) {
        let mut sorted = nodes.clone();
        sorted.sort_by_key(|node| node.id);
        let tree = CallTree::from_nodes(nodes.clone()).unwrap();
        prop_assert_eq!(&CallTree::from_nodes(sorted.clone()).unwrap(), &tree);
        prop_assert_eq!(&CallTree::from_nodes(&nodes).unwrap(), &tree);
        let graph = Callgraph::from_nodes(nodes).unwrap();
        prop_assert_eq!(&Callgraph::from_nodes(sorted).unwrap(), &graph);
        prop_assert_eq!(&Callgraph::from(&tree), &graph);
        // A tree's own nodes are in order already.
        prop_assert_eq!(CallTree::from_nodes(tree.nodes()).unwrap(), tree);
    }

    #[test]
    fn cutting_back_edges_leaves_no_cycle_and_loses_nothing_else(nodes in nodes()) {
        let graph = Callgraph::from_nodes(nodes).unwrap();
        let (acyclic, removed) = graph.without_cycles();
        prop_assert!(!petgraph::algo::is_cyclic_directed(acyclic.graph()));
        prop_assert_eq!(removed.is_empty(), graph.cycles().is_empty());
        let edges = graph.graph().edge_count();
        prop_assert_eq!(acyclic.graph().edge_count() + removed.len(), edges);
        prop_assert!(acyclic.functions().eq(graph.functions()));
        let mut walk = petgraph::visit::Dfs::new(acyclic.graph(), acyclic.root());
        let reached = std::iter::from_fn(|| walk.next(acyclic.graph())).count();
        prop_assert_eq!(reached, graph.graph().node_count());
        for call in removed {
            let removed = graph.graph().find_edge(call.caller, call.callee).unwrap();
            prop_assert_eq!(graph.graph()[removed], call.call);
        }
    }

    #[test]
    fn json_and_back(nodes in nodes()) {
        let json = serde_json::to_string(&nodes).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Vec<Node>>(&json).unwrap(), &nodes);
        let tree = CallTree::from_nodes(&nodes).unwrap();
        let json = serde_json::to_string(&tree).unwrap();
        prop_assert_eq!(&serde_json::from_str::<CallTree>(&json).unwrap(), &tree);
        let graph = Callgraph::from(&tree);
        let json = serde_json::to_string(&graph).unwrap();
        prop_assert_eq!(serde_json::from_str::<Callgraph>(&json).unwrap(), graph);
    }

    /// The nested form read by a plain recursive reader gives the same nodes in the same order.
    #[test]
    fn nested_json_holds_the_tree(nodes in nodes()) {
        fn flatten(value: &serde_json::Value, into: &mut Vec<Node>) {
            into.push(serde_json::from_value(value.clone()).unwrap());
            for child in value["children"].as_array().unwrap() {
                flatten(child, into);
            }
        }
        let tree = CallTree::from_nodes(nodes).unwrap();
        let mut json = Vec::new();
        tree.write_nested_json(&mut json).unwrap();
        let mut deserializer = serde_json::Deserializer::from_slice(&json);
        deserializer.disable_recursion_limit();
        let value = serde::Deserialize::deserialize(&mut deserializer).unwrap();
        let mut flat = Vec::new();
        flatten(&value, &mut flat);
        prop_assert_eq!(&flat[..], tree.nodes());
    }

    /// Whatever the input, the answer is a tree or an error: no panic, no endless loop.
    #[test]
    fn any_list_of_nodes_is_a_tree_or_an_error(
        lists in prop::collection::vec((0..8_u32, prop::collection::vec(0..8_u32, 0..4)), 0..8)
    ) {
        let nodes: Vec<_> = lists.into_iter().map(|(id, children)| {
            let mut node = Node::new(NodeId(id), "f");
            node.child_ids = children.into_iter().map(NodeId).collect();
            node
        }).collect();
        let tree = CallTree::from_nodes(&nodes);
        let graph = Callgraph::from_nodes(&nodes);
        prop_assert_eq!(tree.is_ok(), graph.is_ok());
        if let Ok(tree) = tree {
            prop_assert_eq!(tree.len(), nodes.len());
        }
    }
}
