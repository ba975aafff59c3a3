//! The graph of functions: what it says of known nodes, and what holds for any.

use petgraph::algo::is_cyclic_directed;
use v8_heap_sampler::petgraph::graph::{EdgeIndex, NodeIndex};
use v8_heap_sampler::{
    Allocation, Callgraph, Counted, Estimate, Function, Node, NodeId, Profile, SampleType,
};

/// A node with children, and one object of `size` bytes if that is not 0.
pub(crate) fn node(id: u32, name: &str, size: u64, children: &[u32]) -> Node {
    let mut node = Node::new(NodeId(id), name);
    if size > 0 {
        node.allocations.push(Allocation { count: 1, size });
    }
    node.child_ids = children.iter().copied().map(NodeId).collect();
    node
}

/// ```text
/// (root)
/// ├── main               1
/// │   ├── parse         10
/// │   │   └── node      20
/// │   │       └── parse 40
/// │   └── node          80
/// └── (V8 API)         160
/// ```
pub(crate) fn sample() -> Vec<Node> {
    vec![
        node(1, "(root)", 0, &[2, 7]),
        node(2, "main", 1, &[3, 6]),
        node(3, "parse", 10, &[4]),
        node(4, "node", 20, &[5]),
        node(5, "parse", 40, &[]),
        node(6, "node", 80, &[]),
        node(7, "(V8 API)", 160, &[]),
    ]
}

/// The graphs of objects and of bytes.
pub(crate) fn graphs(nodes: &[Node]) -> [Callgraph; 2] {
    let profile = Profile::from_nodes(nodes, Counted::InUse).unwrap();
    let graphs = [SampleType::InuseObjects, SampleType::InuseSpace]
        .map(|sample_type| profile.callgraph(sample_type).unwrap());
    assert_eq!(Callgraph::from_nodes(nodes).unwrap(), graphs[1]);
    graphs
}

mod weights {
    use super::*;

    type Of = fn(&Callgraph, NodeIndex) -> f64;
    const OWN: Of = |graph, function| graph[function].own.value();
    const TOTAL: Of = |graph, function| graph[function].total.value();

    #[test]
    fn the_graph_counts_each_sample_once_per_function_and_call() {
        let graphs = graphs(&sample());
        let [objects, graph] = &graphs;
        let of = |which: Of, function| [which(graph, function), which(objects, function)];
        let names: Vec<&str> = graph.functions().map(|f| f.function.name.as_str()).collect();
        assert_eq!(names, ["(root)", "main", "parse", "node", "(V8 API)"]);
        let find = |name: &str| graph.find(name).next().unwrap();
        let (main, parse, node) = (find("main"), find("parse"), find("node"));

        // parse: itself 10 and 40; on the stack of 10, 20 and 40.
        assert_eq!(of(OWN, parse), [50.0, 2.0]);
        assert_eq!(of(TOTAL, parse), [70.0, 3.0]);
        assert_eq!(graph[parse].contexts, 2);
        assert_eq!(of(TOTAL, node), [140.0, 3.0]);
        assert_eq!(of(TOTAL, graph.root()), [311.0, 6.0]);
        assert_eq!(graph.root(), find("(root)"));
        assert_eq!(graph.index_of(&Function::named("parse")), Some(parse));
        assert_eq!(graph.index_of(&Function::named("other")), None);

        let calls = |of: &dyn Fn(&Callgraph) -> Vec<(String, f64)>| graphs.each_ref().map(of);
        let shown = |graph: &Callgraph, calls: Vec<(NodeIndex, Estimate)>| -> Vec<(String, f64)> {
            let call = |(at, total): (NodeIndex, Estimate)| {
                (graph[at].function.name.to_string(), total.value())
            };
            calls.into_iter().map(call).collect()
        };
        let row = |name: &str, value: f64| (name.to_owned(), value);
        // The heaviest first.
        assert_eq!(
            calls(&|graph| shown(graph, graph.callees(main))),
            [[row("parse", 3.0), row("node", 1.0)], [row("node", 80.0), row("parse", 70.0)]]
        );
        assert_eq!(
            calls(&|graph| shown(graph, graph.callers(parse))),
            [[row("main", 3.0), row("node", 1.0)], [row("main", 70.0), row("node", 40.0)]]
        );
        assert_eq!(graph.callers(graph.root()).len(), 0);
        assert_eq!(graph.graph().edge_count(), 6);
    }

    #[test]
    fn equal_sizes_are_merged() {
        let mut nodes = sample();
        nodes[5] = node(6, "node", 20, &[]);
        nodes[5].allocations.push(Allocation { count: 3, size: 20 });
        let [objects, bytes] = graphs(&nodes);
        let node = objects.find("node").next().unwrap();
        assert_eq!((OWN(&objects, node), OWN(&bytes, node)), (5.0, 100.0));
        let profile = Profile::from_nodes(&nodes, Counted::InUse).unwrap();
        let of_node = profile.rows().filter(|row| row.context().id() == Some(NodeId(6)));
        let of_node: Vec<_> = of_node
            .map(|row| (row.size().unwrap().0, row.value(SampleType::InuseObjects)))
            .collect();
        assert_eq!(of_node, [(20, Some(4.0))]);
    }

    #[test]
    fn functions_differ_by_name_and_place() {
        let mut nodes: Vec<_> = (2..8).map(|id| node(id, "same", 8, &[])).collect();
        nodes[1].script_name = "a.js".into();
        nodes[2].script_id = v8_heap_sampler::ScriptId::new(3);
        nodes[3].line_number = std::num::NonZeroU32::new(3);
        nodes[4].column_number = std::num::NonZeroU32::new(3);
        // Of the first of them, whose script was changed and loaded again.
        nodes[5].start_position = Some(3);
        let mut again = node(8, "same", 8, &[]);
        again.script_name = "a.js".into();
        again.script_id = v8_heap_sampler::ScriptId::new(9);
        nodes.push(again);
        nodes.push(node(1, "(root)", 0, &[2, 3, 4, 5, 6, 7, 8]));
        let graph = Callgraph::from_nodes(&nodes).unwrap();
        assert_eq!(graph.find("same").count(), 5);
        let contexts: Vec<u32> = graph.find("same").map(|at| graph[at].contexts).collect();
        assert_eq!(contexts, [2, 2, 1, 1, 1]);
        // The profile itself keeps them apart.
        let profile = Profile::from_nodes(&nodes, Counted::InUse).unwrap();
        assert_eq!(profile.functions().len(), 8);
    }
}

mod cycles {
    use super::*;

    #[test]
    fn cycles_are_found_and_cut() {
        let [objects, graph] = graphs(&sample());
        let find = |name: &str| graph.find(name).next().unwrap();
        assert_eq!(graph.cycles(), [[find("parse"), find("node")]]);
        assert!(is_cyclic_directed(graph.graph()));

        let (acyclic, removed) = graph.without_cycles();
        assert!(!is_cyclic_directed(acyclic.graph()));
        assert!(acyclic.cycles().is_empty());
        // From the root: main, parse, node, and then back to parse.
        assert_eq!(removed.len(), 1);
        let ends = graph.graph().edge_endpoints(removed[0]);
        assert_eq!(ends, Some((find("node"), find("parse"))));
        assert_eq!(graph.graph()[removed[0]].value(), 40.0);
        assert_eq!(objects.graph()[objects.without_cycles().1[0]].value(), 1.0);
        assert!(acyclic.functions().eq(graph.functions()));
        assert_eq!(acyclic.index_of(&Function::named("node")), Some(find("node")));
        assert_eq!(acyclic.without_cycles(), (acyclic.clone(), vec![]));
    }

    #[test]
    fn a_function_that_calls_itself_is_a_cycle() {
        let nodes = [node(1, "(root)", 0, &[2]), node(2, "f", 8, &[3]), node(3, "f", 8, &[])];
        let [objects, graph] = graphs(&nodes);
        let f = graph.find("f").next().unwrap();
        assert_eq!(graph.cycles(), [[f]]);
        assert_eq!((graph[f].total.value(), objects[f].total.value()), (16.0, 2.0));
        let (acyclic, removed) = graph.without_cycles();
        assert_eq!(graph.graph().edge_endpoints(removed[0]), Some((f, f)));
        assert!(acyclic.cycles().is_empty());
    }

    #[test]
    fn a_long_chain_overflows_no_stack() {
        // Recursion would overflow a test's 2 MiB with 21 bytes a level.
        const LENGTH: u32 = 100_000;
        let mut nodes: Vec<_> = (1..=LENGTH)
            .map(|id| node(id, if id % 2 == 0 { "even" } else { "odd" }, 8, &[id + 1]))
            .collect();
        nodes.last_mut().unwrap().child_ids.clear();
        let graph = Callgraph::from_nodes(&nodes).unwrap();
        assert_eq!(graph.graph().node_count(), 3); // the root, which is as odd, apart
        assert_eq!(graph.cycles().len(), 1);

        // Every function another: a graph as deep as the tree.
        for node in &mut nodes {
            let id = node.id;
            node.name = format!("f{id}").into();
        }
        let graph = Callgraph::from_nodes(&nodes).unwrap();
        assert_eq!(graph.graph().node_count(), LENGTH as usize);
        assert!(graph.cycles().is_empty());
        assert!(graph.without_cycles().1.is_empty());
    }
}

/// Of any nodes.
mod random {
    use std::collections::{HashMap, HashSet};

    use petgraph::visit::EdgeRef;
    use proptest::prelude::*;

    use super::*;
    use crate::support::random_nodes::{allocated, nodes, path};

    proptest! {
        #[test]
        fn totals_are_conserved(nodes in nodes()) {
            for (graph, whole) in graphs(&nodes).iter().zip(allocated(&nodes)) {
                prop_assert_eq!(graph[graph.root()].total.value(), whole);
                let own: f64 = graph.functions().map(|function| function.own.value()).sum();
                prop_assert_eq!(own, whole);
            }
        }

        /// Against the definition: a function's (a call's) total is the sum over the nodes on whose
        /// path from the root it stands.
        #[test]
        fn functions_and_calls_count_each_node_once(nodes in nodes()) {
            let profile = Profile::from_nodes(&nodes, Counted::InUse).unwrap();
            let by_id: HashMap<_, _> =
                profile.contexts().map(|of| (of.id().unwrap(), of)).collect();
            for (which, graph) in graphs(&nodes).iter().enumerate() {
                let mut own: HashMap<_, f64> = HashMap::new();
                let mut functions: HashMap<_, f64> = HashMap::new();
                let mut calls: HashMap<_, f64> = HashMap::new();
                let mut contexts: HashMap<_, u32> = HashMap::new();
                for node in &nodes {
                    let value = allocated([node])[which];
                    let path: Vec<NodeIndex> = path(by_id[&node.id])
                        .iter()
                        .map(|context| match context.parent() {
                            None => graph.root(),
                            Some(_) => graph.index_of(context.function()).unwrap(),
                        })
                        .collect();
                    let this = *path.last().unwrap();
                    *own.entry(this).or_default() += value;
                    *contexts.entry(this).or_default() += 1;
                    for function in path.iter().copied().collect::<HashSet<_>>() {
                        *functions.entry(function).or_default() += value;
                    }
                    for call in path.windows(2).map(|w| (w[0], w[1])).collect::<HashSet<_>>() {
                        *calls.entry(call).or_default() += value;
                    }
                }
                prop_assert_eq!(functions.len(), graph.graph().node_count());
                for (function, total) in functions {
                    prop_assert_eq!(graph[function].total.value(), total);
                    prop_assert_eq!(graph[function].own.value(), own[&function]);
                    prop_assert_eq!(graph[function].contexts, contexts[&function]);
                }
                prop_assert_eq!(calls.len(), graph.graph().edge_count());
                for edge in graph.graph().edge_references() {
                    let total = calls[&(edge.source(), edge.target())];
                    prop_assert_eq!(edge.weight().value(), total);
                }
            }
        }

        #[test]
        fn the_order_of_nodes_does_not_matter(nodes in nodes()) {
            let mut sorted = nodes.clone();
            sorted.sort_by_key(|node| node.id);
            prop_assert_eq!(graphs(&sorted), graphs(&nodes));
        }

        #[test]
        fn cutting_back_edges_leaves_no_cycle_and_loses_nothing_else(nodes in nodes()) {
            let graph = Callgraph::from_nodes(&nodes).unwrap();
            let (acyclic, removed) = graph.without_cycles();
            prop_assert!(!petgraph::algo::is_cyclic_directed(acyclic.graph()));
            prop_assert_eq!(removed.is_empty(), graph.cycles().is_empty());
            let edges = graph.graph().edge_count();
            prop_assert_eq!(acyclic.graph().edge_count() + removed.len(), edges);
            prop_assert!(acyclic.functions().eq(graph.functions()));
            let mut walk = petgraph::visit::Dfs::new(acyclic.graph(), acyclic.root());
            let reached = std::iter::from_fn(|| walk.next(acyclic.graph())).count();
            prop_assert_eq!(reached, graph.graph().node_count());
            // All others are there as they were.
            let calls = |graph: &Callgraph, without: &[EdgeIndex]| -> Vec<_> {
                let calls = graph.graph().edge_references();
                let calls = calls.filter(|call| !without.contains(&call.id()));
                calls.map(|call| (call.source(), call.target(), *call.weight())).collect()
            };
            prop_assert_eq!(calls(&graph, &removed), calls(&acyclic, &[]));
        }
    }
}
