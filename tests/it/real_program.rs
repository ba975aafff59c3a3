//! The TypeScript compiler at work in an isolate.

use fixtures::Inspector;
use v8_heap_sampler::{HeapSampler, SampleType};

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
    let ours = sampler.profile().unwrap();
    let nodes = sampler.collect_nodes().unwrap();
    println!("{} contexts, {} samples", ours.len(), ours.samples().unwrap().len());
    assert!(ours.len() > 10_000);
    assert_same(&ours, &nodes, &profile);

    // The graph says what the tree says: all that was allocated went through the root, and what
    // was kept by parsing went through `parseSource`.
    let graph = ours.callgraph(SampleType::InuseSpace).unwrap();
    let close = |one: f64, other: f64| assert!((one / other - 1.0).abs() < 1e-9, "{one} {other}");
    let totals = ours.totals(SampleType::InuseSpace).unwrap();
    close(graph[graph.root()].total.value(), totals[0]);
    let parse = graph.find("parseSource").next().unwrap();
    let is_parse =
        |context: &v8_heap_sampler::Context<'_>| context.function().name == "parseSource";
    let parsed: f64 = ours.contexts().filter(is_parse).map(|context| totals[context.index()]).sum();
    close(graph[parse].total.value(), parsed);
    assert!(parsed > 1e7, "{parsed}");
    // The parser is recursive-descent: there are cycles, and without them there are none.
    assert!(graph.cycles().iter().any(|cycle| cycle.len() > 10));
    let (acyclic, removed) = graph.without_cycles();
    assert!(acyclic.cycles().is_empty());
    assert!(!removed.is_empty());
}
