//! What answers cost per node, from 10,000 to 1,000,000 nodes.

use std::hint::black_box;
use std::time::Instant;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use v8_heap_sampler::analysis::{DiffOptions, GroupBy, TopOptions, TreeOptions};
use v8_heap_sampler::{Allocation, Bytes, Counted, Profile, SampleType};

#[path = "support/random_nodes.rs"]
mod random_nodes;

use random_nodes::random_nodes;

const VALUE: SampleType = SampleType::InuseSpace;

/// A profile of which every context has values, and another of the same functions.
fn profiles(nodes: usize) -> [Profile; 2] {
    [1, 2].map(|seed| {
        let mut nodes = random_nodes(nodes, seed);
        for (at, node) in nodes.iter_mut().enumerate() {
            let size = 16 + 8 * (at as u64 % 50);
            node.allocations =
                [Allocation { count: 1 + at as u64 % 7, size }].into_iter().collect();
        }
        let mut profile = Profile::from_nodes(&nodes, Counted::InUse).expect("it is a tree");
        profile.metadata.interval = Some(Bytes(4096));
        profile
    })
}

type Answer = fn(&[Profile; 2]) -> usize;

const ANSWERS: [(&str, Answer); 7] = [
    ("top by function", |[profile, _]| profile.top(TopOptions::new(VALUE)).unwrap().rows.len()),
    ("top by package", |[profile, _]| {
        profile.top(TopOptions::new(VALUE).by(GroupBy::Package)).unwrap().rows.len()
    }),
    ("top-down, from 0.5 %", |[profile, _]| {
        profile.top_down(TreeOptions::new(VALUE)).unwrap().rows.len()
    }),
    ("inversion, from 0.5 %", |[profile, _]| {
        profile.bottom_up(TreeOptions::new(VALUE)).unwrap().rows.len()
    }),
    ("inversion, six levels of all", |[profile, _]| {
        let options = TreeOptions::new(VALUE).min_share(1e-5).depth(6);
        profile.bottom_up(&options).unwrap().rows.len()
    }),
    ("diff by function", |[before, after]| {
        after.diff(before, DiffOptions::new(VALUE)).unwrap().rows.len()
    }),
    ("diff by stack", |[before, after]| {
        let options = DiffOptions::new(VALUE).by(GroupBy::Stack).limit(50);
        after.diff(before, &options).unwrap().all
    }),
];

fn analysis(c: &mut Criterion) {
    let mut group = c.benchmark_group("analysis");
    group.sample_size(10);
    for count in [10_000, 100_000, 1_000_000] {
        let profiles = profiles(count);
        group.throughput(Throughput::Elements(count as u64));
        for (name, answer) in ANSWERS {
            group.bench_with_input(BenchmarkId::new(name, count), &profiles, |b, profiles| {
                b.iter(|| answer(profiles));
            });
        }
    }
    group.finish();

    // Small and large in turn, so that both see the same machine.
    let (small, large) = (profiles(10_000), profiles(1_000_000));
    println!("\nat 1,000,000 nodes (of each profile), and per node against 10,000 nodes, in turn;");
    println!("medians (target: under 1.5 s):");
    for (name, answer) in ANSWERS {
        let time = |profiles: &[Profile; 2]| {
            let start = Instant::now();
            black_box(answer(profiles));
            start.elapsed().as_secs_f64()
        };
        let mut runs: Vec<(f64, f64)> = (0..9)
            .map(|_| {
                let small = (0..50).map(|_| time(&small)).sum::<f64>() / 50.0;
                let large = time(&large);
                (large, large / small / 100.0)
            })
            .collect();
        runs.sort_by(|one, other| one.0.total_cmp(&other.0));
        let seconds = runs[runs.len() / 2].0;
        runs.sort_by(|one, other| one.1.total_cmp(&other.1));
        let ratio = runs[runs.len() / 2].1;
        println!("  {name}: {seconds:.3} s, {ratio:.2} times per node");
    }
}

criterion_group!(benches, analysis);
criterion_main!(benches);
