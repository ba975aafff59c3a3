//! What rebuilding costs per node, from 1,000 to 1,000,000 nodes, and merging, from 10 profiles to
//! 1,000.

use std::hint::black_box;
use std::time::Instant;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use v8_heap_sampler::{Callgraph, Counted, Node, Profile, ProfileMerger};

#[path = "support/random_nodes.rs"]
mod random_nodes;

use random_nodes::random_nodes;

fn callgraph(c: &mut Criterion) {
    let mut group = c.benchmark_group("callgraph");
    group.sample_size(20);
    for count in [1_000, 10_000, 100_000, 1_000_000] {
        let nodes = random_nodes(count, 1);
        group.throughput(Throughput::Elements(nodes.len() as u64));
        group.bench_with_input(BenchmarkId::new("Profile", count), &nodes, |b, nodes| {
            b.iter_with_large_drop(|| profile(nodes));
        });
        group.bench_with_input(BenchmarkId::new("Callgraph", count), &nodes, |b, nodes| {
            b.iter_with_large_drop(|| Callgraph::from_nodes(nodes).unwrap());
        });
    }
    group.finish();

    // Small and large in turn, so that both see the same machine.
    let (small, large) = (random_nodes(10_000, 1), random_nodes(1_000_000, 1));
    println!("\nper node at 1,000,000 nodes against 10,000, in turn (target: at most 2 times; the");
    println!("tree under 250 ns a node):");
    let tree = |nodes: &[Node]| per_node(nodes.len(), || profile(nodes));
    let graph = |nodes: &[Node]| per_node(nodes.len(), || Callgraph::from_nodes(nodes).unwrap());
    report("Profile::from_nodes", "a node", 15, 100, || tree(&small), || tree(&large));
    report("Callgraph::from_nodes", "a node", 15, 100, || graph(&small), || graph(&large));
}

fn merge(c: &mut Criterion) {
    // Ten kinds of work: however many profiles, their sum has as many contexts.
    let kinds: Vec<Profile> = (1..=10).map(|seed| profile(&random_nodes(10_000, seed))).collect();
    let sum = |profiles: usize| {
        let mut merger = ProfileMerger::new();
        for profile in kinds.iter().cycle().take(profiles) {
            merger.add(profile).unwrap();
        }
        merger.finish().unwrap()
    };
    let mut group = c.benchmark_group("merge");
    group.sample_size(10);
    group.throughput(Throughput::Elements(10 * 10_000));
    group.bench_function("10 profiles of 10,000 contexts", |b| {
        b.iter_with_large_drop(|| sum(10));
    });
    group.finish();

    println!(
        "\nper context of what is merged, in turn (target: no more for many profiles than for few):"
    );
    // Against 100, as the first of each kind are slower: they make the contexts of the sum.
    for (many, few) in [(100, 10), (1_000, 10), (1_000, 100)] {
        let per_context = |profiles: usize| per_node(profiles * 10_000, || sum(profiles));
        let what = format!("{many} against {few}");
        report(&what, "a context", 5, many / few, || per_context(few), || per_context(many));
    }
}

fn profile(nodes: &[Node]) -> Profile {
    Profile::from_nodes(nodes, Counted::InUse).unwrap()
}

/// Nanoseconds per node that `build` takes.
fn per_node<T>(nodes: usize, build: impl FnOnce() -> T) -> f64 {
    let start = Instant::now();
    let built = black_box(build());
    let elapsed = start.elapsed();
    drop(built);
    elapsed.as_secs_f64() * 1e9 / nodes as f64
}

/// Prints how many times as much large work takes as small, by the median of some turns: as much
/// work on either side, `times` small ones to one large one.
fn report(
    what: &str,
    each: &str,
    turns: usize,
    times: usize,
    small: impl Fn() -> f64,
    large: impl Fn() -> f64,
) {
    let mut runs: Vec<(f64, f64, f64)> = (0..turns)
        .map(|_| {
            let small = (0..times).map(|_| small()).sum::<f64>() / times as f64;
            let large = large();
            (large / small, small, large)
        })
        .collect();
    runs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (ratio, small, large) = runs[runs.len() / 2];
    println!("  {what}: {ratio:.2} times ({large:.0} ns and {small:.0} ns {each})");
}

criterion_group!(benches, callgraph, merge);
criterion_main!(benches);
