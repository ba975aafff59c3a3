//! The TypeScript compiler at work in an isolate.

use fixtures::Inspector;
use v8_heap_sampler::{CallTree, Callgraph, HeapSampler};

use crate::oracle::assert_same;

#[test]
#[ignore = "needs the TypeScript compiler: run `bash .ci/fixtures` first"]
fn typescript_compiler() {
    let compiler = fixtures::npm::typescript().unwrap();
    let (mut isolate, realm) = fixtures::realm();
    realm.set_string(&mut isolate, "source", &compiler);
    let mut sampler = HeapSampler::new(&mut isolate, 16 * 1024, 64).unwrap();
    realm.run(&mut sampler, "typescript.js", &compiler);
    assert_eq!(realm.run(&mut sampler, "main.js", fixtures::npm::TYPESCRIPT_WORKLOAD), "true");

    let inspector = Inspector::connect(&mut sampler, &realm);
    sampler.collect_nodes().unwrap();
    let profile = inspector.sampling_profile();
    let ours = sampler.collect_profile().unwrap();
    println!("{} nodes, {} samples", ours.nodes.len(), ours.samples.len());
    assert!(ours.nodes.len() > 10_000);
    assert_same(&ours, &profile);
    let nodes = ours.nodes;

    // The graph says what the tree says: all that was allocated went through the root, and what
    // was kept by parsing went through `parseSource`.
    let tree = CallTree::from_nodes(nodes).unwrap();
    let graph = Callgraph::from(&tree);
    assert_eq!(graph[graph.root()].total, tree.root().total());
    let parse = graph.find("parseSource").next().unwrap();
    let parsed: u64 =
        tree.iter().filter(|node| node.name == "parseSource").map(|n| n.total().bytes).sum();
    assert_eq!(graph[parse].total.bytes, parsed);
    assert!(parsed > 10_000_000, "{parsed}");
    // The parser is recursive-descent: there are cycles, and without them there are none.
    assert!(graph.cycles().iter().any(|cycle| cycle.len() > 10));
    let (acyclic, removed) = graph.without_cycles();
    assert!(acyclic.cycles().is_empty());
    assert!(!removed.is_empty());
}
