//! The tree and the graph: what they say of known nodes, and which nodes they refuse.

use petgraph::algo::is_cyclic_directed;
use v8_heap_sampler::{
    Allocation, CallTree, Callgraph, Function, Node, NodeId, NodesError, V8Estimate,
};

/// A node with children, and one object of `size` bytes if that is not 0.
fn node(id: u32, name: &str, size: u64, children: &[u32]) -> Node {
    let mut node = Node::new(NodeId(id), name);
    if size > 0 {
        node.allocations.push(Allocation { count: 1, size });
    }
    node.child_ids = children.iter().copied().map(NodeId).collect();
    node
}

fn estimate(bytes: u64, objects: u64) -> V8Estimate {
    let mut estimate = V8Estimate::default();
    (estimate.bytes, estimate.objects) = (bytes, objects);
    estimate
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
fn sample() -> Vec<Node> {
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

#[test]
fn the_tree_has_totals_relatives_and_order() {
    let tree = CallTree::from_nodes(sample()).unwrap();
    assert_eq!(tree.len(), 7);
    assert_eq!(tree.root().total(), estimate(311, 6));
    let main = tree.get(NodeId(2)).unwrap();
    assert_eq!((main.self_estimate(), main.total()), (estimate(1, 1), estimate(151, 5)));
    assert_eq!(main.children().map(|child| child.id.0).collect::<Vec<_>>(), [3, 6]);
    assert_eq!(main.descendants().map(|node| node.id.0).collect::<Vec<_>>(), [2, 3, 4, 5, 6]);
    assert_eq!(tree.get(NodeId(5)).unwrap().depth(), 4);
    assert_eq!(tree.get(NodeId(5)).unwrap().parent(), tree.get(NodeId(4)));
    assert_eq!(tree.root().parent(), None);
    assert_eq!(tree.get(NodeId(99)), None);
    assert_eq!(tree.iter().next_back().unwrap().id, NodeId(7));
    assert_eq!(tree.clone().into_nodes(), sample());
}

#[test]
fn the_order_of_the_input_does_not_matter() {
    let mut shuffled = sample();
    shuffled.reverse();
    shuffled.swap(1, 4);
    let from_borrowed = CallTree::from_nodes(&shuffled).unwrap();
    let graph = Callgraph::from_nodes(&shuffled).unwrap();
    let from_owned = CallTree::from_nodes(shuffled).unwrap();
    let expected = CallTree::from_nodes(sample()).unwrap();
    assert_eq!(from_owned, expected);
    assert_eq!(from_borrowed, expected);
    assert_eq!(graph, Callgraph::from_nodes(sample()).unwrap());
    assert_eq!(graph, Callgraph::from(&expected));
    for node in sample() {
        assert_eq!(from_owned.get(node.id).unwrap().node(), &node);
    }
}

#[test]
fn the_graph_counts_each_sample_once_per_function_and_call() {
    let graph = Callgraph::from_nodes(sample()).unwrap();
    let names: Vec<&str> = graph.functions().map(|f| f.function.name.as_str()).collect();
    assert_eq!(names, ["(root)", "main", "parse", "node", "(V8 API)"]);
    let find = |name: &str| graph.find(name).next().unwrap();
    let (main, parse, node) = (find("main"), find("parse"), find("node"));

    // parse: itself 10 and 40; on the stack of 10, 20 and 40.
    assert_eq!(graph[parse].self_estimate, estimate(50, 2));
    assert_eq!(graph[parse].total, estimate(70, 3));
    assert_eq!(graph[parse].contexts, 2);
    let sizes: Vec<_> = graph[parse].allocations.iter().map(|a| (a.size, a.count)).collect();
    assert_eq!(sizes, [(10, 1), (40, 1)]);
    assert_eq!(graph[node].total, estimate(140, 3));
    assert_eq!(graph[graph.root()].total, estimate(311, 6));
    assert_eq!(graph.root(), find("(root)"));
    assert_eq!(graph.index_of(&Function::named("parse")), Some(parse));
    assert_eq!(graph.index_of(&Function::named("other")), None);

    let calls = |calls: Vec<v8_heap_sampler::NeighborCall<'_>>| {
        calls
            .iter()
            .map(|c| (c.function.function.name.to_string(), c.call.total))
            .collect::<Vec<_>>()
    };
    // The heaviest first.
    assert_eq!(
        calls(graph.callees(main)),
        [("node".to_owned(), estimate(80, 1)), ("parse".to_owned(), estimate(70, 3))]
    );
    assert_eq!(
        calls(graph.callers(parse)),
        [("main".to_owned(), estimate(70, 3)), ("node".to_owned(), estimate(40, 1))]
    );
    assert_eq!(graph.callers(graph.root()).len(), 0);
    assert_eq!(graph.graph().edge_count(), 6);
}

#[test]
fn equal_sizes_are_merged() {
    let mut nodes = sample();
    nodes[5] = node(6, "node", 20, &[]);
    let graph = Callgraph::from_nodes(nodes).unwrap();
    let node = graph.find("node").next().unwrap();
    assert_eq!(graph[node].allocations[..], [Allocation { count: 2, size: 20 }]);
}

#[test]
fn functions_differ_by_any_part_of_their_identity() {
    let mut nodes: Vec<_> = (2..8).map(|id| node(id, "same", 8, &[])).collect();
    nodes[1].script_name = "a.js".into();
    nodes[2].script_id = v8_heap_sampler::ScriptId::new(3);
    nodes[3].line_number = std::num::NonZeroU32::new(3);
    nodes[4].column_number = std::num::NonZeroU32::new(3);
    nodes[5].start_position = Some(3);
    nodes.push(node(1, "(root)", 0, &[2, 3, 4, 5, 6, 7]));
    let graph = Callgraph::from_nodes(nodes).unwrap();
    assert_eq!(graph.find("same").count(), 6);
}

#[test]
fn cycles_are_found_and_cut() {
    let graph = Callgraph::from_nodes(sample()).unwrap();
    let find = |name: &str| graph.find(name).next().unwrap();
    assert_eq!(graph.cycles(), [[find("parse"), find("node")]]);
    assert!(is_cyclic_directed(graph.graph()));

    let (acyclic, removed) = graph.without_cycles();
    assert!(!is_cyclic_directed(acyclic.graph()));
    assert!(acyclic.cycles().is_empty());
    // From the root: main, parse, node, and then back to parse.
    assert_eq!(removed.len(), 1);
    assert_eq!((removed[0].caller, removed[0].callee), (find("node"), find("parse")));
    assert_eq!(removed[0].call.total, estimate(40, 1));
    assert!(acyclic.functions().eq(graph.functions()));
    assert_eq!(acyclic.index_of(&Function::named("node")), Some(find("node")));
    assert_eq!(acyclic.without_cycles(), (acyclic.clone(), vec![]));
}

#[test]
fn a_function_that_calls_itself_is_a_cycle() {
    let nodes = vec![node(1, "(root)", 0, &[2]), node(2, "f", 8, &[3]), node(3, "f", 8, &[])];
    let graph = Callgraph::from_nodes(nodes).unwrap();
    let f = graph.find("f").next().unwrap();
    assert_eq!(graph.cycles(), [[f]]);
    assert_eq!(graph[f].total, estimate(16, 2));
    let (acyclic, removed) = graph.without_cycles();
    assert_eq!((removed[0].caller, removed[0].callee), (f, f));
    assert!(acyclic.cycles().is_empty());
}

#[test]
fn a_spanning_tree_keeps_what_functions_allocated() {
    let graph = Callgraph::from_nodes(sample()).unwrap();
    let tree = graph.spanning_tree();
    assert_eq!(tree.len(), graph.graph().node_count());
    assert_eq!(tree.root().total(), estimate(311, 6));
    for function in graph.functions() {
        let [node] =
            tree.iter().filter(|n| n.function == function.function).collect::<Vec<_>>()[..]
        else {
            panic!("{} is not there once", function.function);
        };
        assert_eq!(node.self_estimate(), function.self_estimate);
    }
    // `node` hangs under `main` (80 bytes), not under `parse` (60).
    let node = tree.iter().find(|node| node.name == "node").unwrap();
    assert_eq!(node.parent().unwrap().name, "main");
}

fn refused(nodes: Vec<Node>) -> NodesError {
    let error = CallTree::from_nodes(nodes.clone()).unwrap_err();
    assert_eq!(Callgraph::from_nodes(nodes).unwrap_err(), error);
    error
}

#[test]
fn what_is_no_tree_is_refused_by_name() {
    let ids = |ids: &[u32]| ids.iter().copied().map(NodeId).collect::<Vec<_>>();

    let error = refused(vec![]);
    assert_eq!(error, NodesError::NoRoot);
    assert_eq!(error.to_string(), "no root: the list of nodes is empty");

    let error = refused(vec![node(1, "a", 0, &[2]), node(2, "b", 0, &[1])]);
    assert!(matches!(&error, NodesError::Cycle { ids } if ids.len() == 2), "{error}");
    assert!(error.to_string().ends_with("form a cycle"));

    let error = refused(vec![node(4, "a", 0, &[]), node(5, "b", 0, &[])]);
    assert_eq!(error, NodesError::SeveralRoots { ids: ids(&[4, 5]) });
    assert_eq!(error.to_string(), "2 roots: nodes 4, 5");
    let error = refused(vec![node(4, "(root)", 0, &[]), node(5, "(root)", 0, &[])]);
    assert_eq!(error, NodesError::SeveralRoots { ids: ids(&[4, 5]) });

    let error =
        refused(vec![node(1, "(root)", 0, &[2]), node(2, "a", 0, &[]), node(2, "b", 0, &[])]);
    assert_eq!(error, NodesError::DuplicateId { id: NodeId(2) });
    assert_eq!(error.to_string(), "node id 2 is used twice");

    let error = refused(vec![node(1, "(root)", 0, &[2, 9]), node(2, "a", 0, &[])]);
    assert_eq!(error, NodesError::UnknownChild { parent: NodeId(1), child: NodeId(9) });
    assert!(error.to_string().contains("node 1 has child 9"));

    let error =
        refused(vec![node(1, "(root)", 0, &[2, 3]), node(2, "a", 0, &[3]), node(3, "b", 0, &[])]);
    let (child, first, second) = (NodeId(3), NodeId(1), NodeId(2));
    assert_eq!(error, NodesError::TwoParents { child, first, second });
    assert!(error.to_string().contains("node 3 is reachable twice"));
    let error = refused(vec![node(1, "(root)", 0, &[2, 2]), node(2, "a", 0, &[])]);
    assert!(matches!(error, NodesError::TwoParents { child: NodeId(2), .. }));

    let error =
        refused(vec![node(1, "(root)", 0, &[]), node(2, "a", 0, &[3]), node(3, "b", 0, &[])]);
    assert_eq!(error, NodesError::Unreachable { root: NodeId(1), ids: ids(&[2]) });
    assert_eq!(error.to_string(), "nodes 2 cannot be reached from root 1");

    let error = refused(vec![
        node(1, "(root)", 0, &[]),
        node(2, "a", 0, &[3]),
        node(3, "b", 0, &[4]),
        node(4, "c", 0, &[2, 5]),
        node(5, "d", 0, &[]),
    ]);
    let NodesError::Cycle { ids: mut cycle } = error else { panic!("{error}") };
    cycle.sort();
    assert_eq!(cycle, ids(&[2, 3, 4]));
    let error = refused(vec![node(1, "(root)", 0, &[]), node(2, "a", 0, &[2])]);
    assert_eq!(error.to_string(), "nodes 2 form a cycle");

    // The same with ids that are far apart.
    let far = 4_000_000_000;
    let error = refused(vec![node(far, "(root)", 0, &[7]), node(far, "a", 0, &[])]);
    assert_eq!(error, NodesError::DuplicateId { id: NodeId(far) });
    let error = refused(vec![node(far, "(root)", 0, &[7])]);
    assert_eq!(error, NodesError::UnknownChild { parent: NodeId(far), child: NodeId(7) });
}

#[test]
fn totals_beyond_64_bits_are_refused() {
    let mut nodes =
        vec![node(1, "(root)", 0, &[2, 3]), node(2, "a", u64::MAX, &[]), node(3, "b", 1, &[])];
    assert_eq!(refused(nodes.clone()), NodesError::TotalOverflow { id: NodeId(1) });
    nodes[1].allocations.push(Allocation { count: u64::MAX, size: 2 });
    assert_eq!(refused(nodes), NodesError::TotalOverflow { id: NodeId(2) });
}

#[test]
fn a_long_chain_overflows_no_stack() {
    // Recursion would overflow a test's 2 MiB with 21 bytes a level.
    const LENGTH: u32 = 100_000;
    let mut nodes: Vec<_> = (1..=LENGTH)
        .map(|id| node(id, if id % 2 == 0 { "even" } else { "odd" }, 8, &[id + 1]))
        .collect();
    nodes.last_mut().unwrap().child_ids = Default::default();
    let tree = CallTree::from_nodes(nodes).unwrap();
    assert_eq!(tree.root().total(), estimate(800_000, 100_000));
    assert_eq!(tree.iter().map(|node| node.self_estimate().bytes).sum::<u64>(), 800_000);
    assert_eq!(tree.iter().next_back().unwrap().depth(), LENGTH as usize - 1);

    let json = serde_json::to_string(&tree).unwrap();
    let again: CallTree = serde_json::from_str(&json).unwrap();
    assert_eq!(again, tree);
    let mut nested = Vec::new();
    tree.write_nested_json(&mut nested).unwrap();
    assert_eq!(nested.iter().filter(|&&byte| byte == b'{').count(), 2 * LENGTH as usize);

    let graph = Callgraph::from(&tree);
    assert_eq!(graph.graph().node_count(), 3); // the root, which is as odd, apart
    assert_eq!(graph.cycles().len(), 1);

    // Every function another: a graph as deep as the tree.
    let mut nodes = tree.into_nodes();
    for node in &mut nodes {
        let id = node.id;
        node.name = format!("f{id}").into();
    }
    let graph = Callgraph::from_nodes(nodes).unwrap();
    assert_eq!(graph.graph().node_count(), LENGTH as usize);
    assert!(graph.cycles().is_empty());
    assert!(graph.without_cycles().1.is_empty());
    assert_eq!(graph.spanning_tree().len(), LENGTH as usize);
    let json = serde_json::to_string(&graph).unwrap();
    assert_eq!(serde_json::from_str::<Callgraph>(&json).unwrap(), graph);
}

#[test]
fn nested_json_has_children_in_children() {
    let tree = CallTree::from_nodes(sample()).unwrap();
    let mut json = Vec::new();
    tree.write_nested_json(&mut json).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json["name"], "(root)");
    assert_eq!(json["child_ids"], serde_json::json!([2, 7]));
    assert_eq!(json["children"][1]["name"], "(V8 API)");
    let main = &json["children"][0];
    assert_eq!(main["children"][0]["children"][0]["children"][0]["allocations"][0]["size"], 40);
    assert_eq!(main["children"][1]["children"], serde_json::json!([]));
    // Apart from `children`, each object is the node's own JSON.
    let mut root = json.clone();
    root.as_object_mut().unwrap().remove("children");
    assert_eq!(root, serde_json::to_value(&sample()[0]).unwrap());
}

#[test]
fn a_writer_that_fails_is_reported() {
    struct Full;
    impl std::io::Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("disk full"))
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let tree = CallTree::from_nodes(sample()).unwrap();
    assert_eq!(tree.write_nested_json(Full).unwrap_err().to_string(), "disk full");
}

#[test]
fn graphs_from_outside_are_checked() {
    let graph = Callgraph::from_nodes(sample()).unwrap();
    let json = serde_json::to_value(&graph).unwrap();
    assert_eq!(serde_json::from_value::<Callgraph>(json.clone()).unwrap(), graph);
    assert_eq!(json["functions"][2]["name"], "parse");
    assert_eq!(json["functions"][2]["total"]["bytes"], 70);

    let refused = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut json = json.clone();
        change(&mut json);
        serde_json::from_value::<Callgraph>(json).unwrap_err().to_string()
    };
    let error = refused(&|json| json["root"] = 5.into());
    assert_eq!(error, "call graph: root 5 of 5 functions");
    let error = refused(&|json| json["calls"][0]["callee"] = 7.into());
    assert_eq!(error, "call graph: call 0: from function 0 to 7 of 5");
    let error = refused(&|json| json["calls"][1] = json["calls"][0].clone());
    assert_eq!(error, "call graph: call 1: from function 0 to 1 for the second time");
    let error = refused(&|json| json["functions"][1] = json["functions"][2].clone());
    assert_eq!(error, "call graph: function 2 (parse) is there twice");
    // The root is one by its position.
    let mut json_of_two = json.clone();
    for field in ["name", "script_name", "script_id", "line_number", "column_number"] {
        json_of_two["functions"][0][field] = json["functions"][2][field].clone();
    }
    json_of_two["functions"][0]["start_position"] = json["functions"][2]["start_position"].clone();
    let two = serde_json::from_value::<Callgraph>(json_of_two.clone()).unwrap();
    assert_eq!(two.find("parse").count(), 2);
    assert_eq!(two.index_of(&two[two.root()].function).map(|at| at.index()), Some(2));
    assert_eq!(serde_json::to_value(&two).unwrap(), json_of_two);
    let error = refused(&|json| json["functions"][1]["self"]["bytes"] = 2.into());
    assert_eq!(error, "call graph: function 1: `self` is not the sum of its allocations");
    let error = refused(&|json| json["functions"][1]["start_position"] = (-7).into());
    assert!(error.contains("function 1: start_position -7"), "{error}");
    let error = refused(&|json| json["functions"][2]["total"]["bytes"] = 49.into());
    assert_eq!(error, "call graph: function 2: `self` exceeds `total`");
    let error = refused(&|json| json["functions"][2]["total"]["bytes"] = 312.into());
    assert_eq!(error, "call graph: function 2: `total` exceeds the root's");
    let error = refused(&|json| json["functions"][0]["total"]["objects"] = 7.into());
    assert_eq!(error, "call graph: the root's `total` is not the sum of all `self`");
    let error = refused(&|json| json["calls"][1]["total"]["bytes"] = 200.into());
    assert_eq!(error, "call graph: call 1: more flows through it than through its functions");
    let error = refused(&|json| {
        json["functions"][2]["allocations"].as_array_mut().unwrap().reverse();
    });
    assert!(error.ends_with("its allocations are not in ascending order of size"), "{error}");
    let error = refused(&|json| json["calls"].as_array_mut().unwrap().truncate(2));
    assert!(error.contains("cannot be reached from the root"), "{error}");
    let error = refused(&|json| {
        for at in [1, 2] {
            json["functions"][at]["allocations"][0] =
                serde_json::json!({"count": 1, "size": u64::MAX});
            json["functions"][at]["allocations"].as_array_mut().unwrap().truncate(1);
            json["functions"][at]["self"] = serde_json::json!({"bytes": u64::MAX, "objects": 1});
            json["functions"][at]["total"] = json["functions"][at]["self"].clone();
        }
    });
    assert_eq!(error, "call graph: the sum up to function 2 exceeds 64 bits");
}
