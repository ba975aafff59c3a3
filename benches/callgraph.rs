//! What rebuilding costs per node, from 1,000 to 1,000,000 nodes.

use std::collections::{BTreeMap, HashMap};
use std::hint::black_box;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Instant;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use v8_heap_sampler::{Allocation, CallTree, Callgraph, Function, Node, NodeId, ScriptId};

const FUNCTIONS: u32 = 1000;

/// A profile as V8 would make it of random stacks of 1,000 functions that call ten others each:
/// nodes numbered in the order in which stacks were sampled, listed in preorder, siblings ordered
/// by place.
fn profile(count: usize) -> Vec<Node> {
    let functions: Vec<Arc<Function>> = (0..FUNCTIONS)
        .map(|at| {
            let mut function = Function::named(format!("function{at}"));
            function.script_id = ScriptId::new(1 + at % 7);
            function.script_name = format!("file:///script{}.js", at % 7).into();
            function.line_number = NonZeroU32::new(1 + at * 10);
            function.column_number = NonZeroU32::new(5);
            function.start_position = Some(at * 300);
            Arc::new(function)
        })
        .collect();
    let mut children: Vec<BTreeMap<u32, u32>> = vec![BTreeMap::new()];
    let mut allocations: HashMap<u32, Allocation> = HashMap::new();
    let mut seed = 1_u64;
    let mut random = move |below: u32| {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (seed >> 33) as u32 % below
    };
    let mut function_of = vec![0];
    while children.len() < count {
        let (mut at, mut function) = (0, 0);
        for depth in 0..20 + random(30) {
            let call = random(if depth < 8 { 3 } else { 10 });
            function = (function * 31 + call * 97 + 1) % FUNCTIONS;
            let next = children.len() as u32;
            let child = *children[at as usize].entry(function).or_insert(next);
            if child == next {
                children.push(BTreeMap::new());
                function_of.push(function);
            }
            at = child;
        }
        let size = u64::from(16 + 8 * random(20));
        allocations.entry(at).or_insert(Allocation { count: 0, size }).count += 1;
    }

    let mut nodes = Vec::with_capacity(children.len());
    let mut pending = vec![0_u32];
    while let Some(at) = pending.pop() {
        let id = NodeId(at + 1);
        let mut node = match at {
            0 => Node::new(id, "(root)"),
            _ => Node::of(id, Arc::clone(&functions[function_of[at as usize] as usize])),
        };
        node.allocations.extend(allocations.get(&at).copied());
        node.child_ids = children[at as usize].values().map(|child| NodeId(child + 1)).collect();
        pending.extend(children[at as usize].values().rev());
        nodes.push(node);
    }
    nodes
}

fn callgraph(c: &mut Criterion) {
    let mut group = c.benchmark_group("callgraph");
    group.sample_size(20);
    for count in [1_000, 10_000, 100_000, 1_000_000] {
        let nodes = profile(count);
        group.throughput(Throughput::Elements(nodes.len() as u64));
        group.bench_with_input(BenchmarkId::new("CallTree", count), &nodes, |b, nodes| {
            let take = |nodes: Vec<Node>| CallTree::from_nodes(nodes).unwrap();
            b.iter_batched(|| nodes.clone(), take, BatchSize::LargeInput);
        });
        group.bench_with_input(BenchmarkId::new("Callgraph", count), &nodes, |b, nodes| {
            b.iter_with_large_drop(|| Callgraph::from_nodes(nodes).unwrap());
        });
    }
    group.finish();

    // Small and large in turn, so that both see the same machine.
    let (small, large) = (profile(10_000), profile(1_000_000));
    println!("\nper node at 1,000,000 nodes against 10,000, in turn (target: at most 2 times; the");
    println!("tree under 250 ns a node):");
    let tree = |nodes: &[Node]| {
        let nodes = nodes.to_vec();
        per_node(nodes.len(), || CallTree::from_nodes(nodes).unwrap())
    };
    let graph = |nodes: &[Node]| per_node(nodes.len(), || Callgraph::from_nodes(nodes).unwrap());
    report("CallTree::from_nodes", &small, &large, &tree);
    report("Callgraph::from_nodes", &small, &large, &graph);
}

/// Nanoseconds per node that `build` takes.
fn per_node<T>(nodes: usize, build: impl FnOnce() -> T) -> f64 {
    let start = Instant::now();
    let built = black_box(build());
    let elapsed = start.elapsed();
    drop(built);
    elapsed.as_secs_f64() * 1e9 / nodes as f64
}

fn report(what: &str, small: &[Node], large: &[Node], build: &dyn Fn(&[Node]) -> f64) {
    let mut runs: Vec<(f64, f64, f64)> = (0..15)
        .map(|_| {
            // As much work on either side: a hundred small ones to one large one.
            let small = (0..100).map(|_| build(small)).sum::<f64>() / 100.0;
            let large = build(large);
            (large / small, small, large)
        })
        .collect();
    runs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (ratio, small, large) = runs[runs.len() / 2];
    println!("  {what}: {ratio:.2} times ({large:.0} ns and {small:.0} ns a node)");
}

criterion_group!(benches, callgraph);
criterion_main!(benches);
