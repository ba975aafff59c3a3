//! Estimates over trees and functions, and whether intervals hold the truth as often as they say.

use std::collections::HashMap;

use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand_distr::{Binomial, Distribution};
use v8_heap_sampler::{
    CallTree, Callgraph, Confidence, Estimate, KeepDead, Node, NodeId, Profile, Sample, SampleId,
    SamplerOptions, Unit, Values,
};

use crate::random_nodes::{nodes, path};

const INTERVAL: u64 = 512;

/// A profile of a random tree with random samples.
fn profiles() -> impl Strategy<Value = Profile> {
    let samples =
        prop::collection::vec((any::<prop::sample::Index>(), 1..2000_u64, any::<bool>()), 0..80);
    let keep_dead = prop::sample::select(vec![KeepDead::None, KeepDead::MajorGc, KeepDead::Both]);
    (nodes(), samples, keep_dead).prop_map(|(nodes, samples, keep_dead)| {
        let samples = samples
            .into_iter()
            .zip(1..)
            .map(|((node, size, is_live), id)| {
                let is_live = is_live || keep_dead == KeepDead::None;
                Sample::new(nodes[node.index(nodes.len())].id, size, SampleId(id), is_live)
            })
            .collect();
        let options = SamplerOptions::new().interval_bytes(INTERVAL).keep_dead(keep_dead);
        Profile::new(nodes, samples, options)
    })
}

/// Objects, bytes, and the variance of the bytes, by the formulas for single samples.
fn sum<'s>(samples: impl Iterator<Item = &'s Sample>) -> [f64; 3] {
    samples.fold([0.0; 3], |sum, sample| {
        let size = sample.size as f64;
        let p = 1.0 - (-size / INTERVAL as f64).exp();
        [sum[0] + 1.0 / p, sum[1] + size / p, sum[2] + size * size * (1.0 - p) / (p * p)]
    })
}

fn assert_close(values: Values, profile: &Profile, which: impl Fn(&Sample) -> bool) {
    let close = |one: f64, other: f64| {
        assert!((one - other).abs() <= 1e-9 * other.abs().max(1e-3), "{one} is not {other}");
    };
    let check = |usage: v8_heap_sampler::Usage, truth: [f64; 3]| {
        close(usage.objects.value(), truth[0]);
        close(usage.space.value(), truth[1]);
        close(usage.space.variance(), truth[2]);
    };
    check(values.inuse, sum(profile.samples.iter().filter(|s| which(s) && s.is_live)));
    match values.alloc {
        Some(alloc) => check(alloc, sum(profile.samples.iter().filter(|s| which(s)))),
        None => assert!(!profile.has_all_allocations()),
    }
}

proptest! {
    #[test]
    fn sums_are_sums_over_samples(profile in profiles()) {
        let estimates = profile.estimates().unwrap();
        let tree = CallTree::from_nodes(&profile.nodes).unwrap();
        let sums = tree.estimates(&estimates);
        assert_close(estimates.total(), &profile, |_| true);
        for node in &tree {
            assert_close(estimates.of(node.id), &profile, |s| s.node_id == node.id);
            prop_assert_eq!(sums.own(node), estimates.of(node.id));
            let below: Vec<NodeId> = node.descendants().map(|node| node.id).collect();
            assert_close(sums.total(node), &profile, |s| below.contains(&s.node_id));
        }

        let functions = tree.function_estimates(&estimates);
        let paths: HashMap<NodeId, Vec<NodeId>> =
            tree.iter().map(|node| (node.id, path(&tree, node.id))).collect();
        for function in &functions {
            let is_this = |id: NodeId| *tree.get(id).unwrap().function == *function.function;
            assert_close(function.own, &profile, |s| is_this(s.node_id));
            // Each sample once, however often the function stands on its stack.
            assert_close(function.total, &profile, |s| paths[&s.node_id].iter().any(|&id| is_this(id)));
            prop_assert_eq!(function.contexts as usize, tree.iter().filter(|n| is_this(n.id)).count());
        }
        // In the order of the graph's vertices, so that these can be looked up by index.
        let graph = Callgraph::from(&tree);
        prop_assert!(graph.functions().map(|f| &f.function).eq(functions.iter().map(|f| &f.function)));
        let contexts: u32 = functions.iter().map(|function| function.contexts).sum();
        prop_assert_eq!(contexts as usize, tree.len());
    }

    #[test]
    fn intervals_hold_the_estimate_and_widen_with_confidence(profile in profiles()) {
        let total = profile.estimates().unwrap().total();
        check_intervals(&total.inuse_space());
        check_intervals(&total.inuse_objects());
    }
}

fn check_intervals<U: Unit>(estimate: &Estimate<U>) {
    let mut within = estimate.interval(Confidence::new(0.5).unwrap());
    for level in [0.8, 0.95, 0.999] {
        let wider = estimate.interval(Confidence::new(level).unwrap());
        assert!(wider.lower <= within.lower && within.upper <= wider.upper, "{wider:?} {within:?}");
        assert!(wider.contains(estimate.value()), "{wider:?} {estimate:?}");
        assert!(
            wider.lower >= estimate.seen() && wider.lower.is_finite() && wider.upper.is_finite()
        );
        within = wider;
    }
}

/// A profile of so many objects of some sizes.
fn draw(interval: u64, of: &[(u64, u64)], random: &mut StdRng) -> Profile {
    let sizes = of.iter().flat_map(|&(size, n)| {
        let p = -(-(size as f64) / interval as f64).exp_m1();
        let sampled = Binomial::new(n, p).unwrap().sample(random);
        std::iter::repeat_n(size, sampled as usize)
    });
    let samples = sizes.zip(1..).map(|(size, id)| Sample::new(NodeId(1), size, SampleId(id), true));
    let nodes = vec![Node::new(NodeId(1), "(root)")];
    Profile::new(nodes, samples.collect(), SamplerOptions::new().interval_bytes(interval))
}

/// How often the 95 % intervals of bytes and objects hold the truth, for objects of some sizes.
fn coverage(interval: u64, of: &[(u64, u64)], repeats: usize) -> [f64; 2] {
    let mut random = StdRng::seed_from_u64(1);
    let bytes: u64 = of.iter().map(|(size, n)| size * n).sum();
    let objects: u64 = of.iter().map(|(_, n)| n).sum();
    let mut held = [0; 2];
    for _ in 0..repeats {
        let total = draw(interval, of, &mut random).estimates().unwrap().total().inuse;
        let bytes_held = total.space.interval(Confidence::P95).contains(bytes as f64);
        let objects_held = total.objects.interval(Confidence::P95).contains(objects as f64);
        held = [held[0] + usize::from(bytes_held), held[1] + usize::from(objects_held)];
    }
    held.map(|held| held as f64 / repeats as f64)
}

#[test]
fn intervals_of_mixtures_hold_the_truth_as_often_as_they_say() {
    for (interval, of) in [
        // Sizes of a real heap, all far below the interval.
        (524_288, vec![(24, 90_000), (32, 50_000), (56, 120_000), (104, 9000), (4096, 700)]),
        // Around the interval, of each size a few.
        (4096, vec![(1024, 40), (2048, 30), (4096, 20), (8192, 15), (16_384, 10)]),
        // Small and large together: the large ones are nearly certain.
        (4096, vec![(56, 6000), (65_536, 20)]),
        (1024, vec![(16, 4000), (512, 60), (3000, 30)]),
        // Few samples of each of many sizes.
        (16_384, (1..40).map(|at| (at * 24, 20)).collect()),
    ] {
        let [bytes, objects] = coverage(interval, &of, 4000);
        println!("{interval} {of:?}: {bytes} {objects}");
        // The standard error is 0.35 %.
        assert!((0.94..0.995).contains(&bytes), "bytes {bytes} at {interval} of {of:?}");
        assert!((0.94..0.995).contains(&objects), "objects {objects} at {interval} of {of:?}");
    }
}

#[test]
fn an_interval_without_samples_holds_what_went_unnoticed() {
    // 1.5 samples expected: none in a fifth of the profiles.
    let [bytes, objects] = coverage(524_288, &[(64, 12_288)], 4000);
    assert!(bytes > 0.94 && objects > 0.94, "{bytes} {objects}");
}

#[test]
fn what_exceeds_the_detection_limit_has_a_sample() {
    let profile = Profile::new(vec![], vec![], SamplerOptions::new().interval_bytes(4096));
    let limit = profile.estimates().unwrap().detection_limit(Confidence::P95);
    for size in [16, 512, 4096] {
        let p = -(-(size as f64) / 4096.0_f64).exp_m1();
        let unnoticed = (1.0 - p).powf((limit.space.0 / size) as f64);
        // 5 %, but for the objects being whole.
        assert!((0.049..0.14).contains(&unnoticed), "{size}: {unnoticed}");
    }
}

#[test]
fn sizes_that_were_never_sampled_can_be_missing_but_no_more_than_the_detection_limit() {
    for (interval, of) in [
        (4096, vec![(40_960, 1000), (16, 100)]),
        (4096, vec![(8192, 20), (24, 170)]),
        (524_288, vec![(2 << 20, 20), (56, 5000)]),
    ] {
        let mut random = StdRng::seed_from_u64(1);
        let truth: u64 = of.iter().map(|(size, n)| size * n).sum();
        let objects: u64 = of.iter().map(|(_, n)| n).sum();
        let (mut held, mut objects_held, mut objects_in_interval) = (0, 0, 0);
        const REPEATS: i32 = 1500;
        for _ in 0..REPEATS {
            let profile = draw(interval, &of, &mut random);
            let estimates = profile.estimates().unwrap();
            let confidence = Confidence::new(0.975).unwrap();
            let limit = estimates.detection_limit(confidence);
            let space = estimates.total().inuse_space().interval(Confidence::P95);
            let counted = estimates.total().inuse_objects().interval(Confidence::P95);
            held += i32::from(truth as f64 <= space.upper + limit.space.0 as f64);
            objects_held += i32::from(objects as f64 <= counted.upper + limit.objects.0 as f64);
            objects_in_interval += i32::from(counted.contains(objects as f64));
        }
        assert!(held > REPEATS * 94 / 100, "{held} at {interval} of {of:?}");
        assert!(objects_held > REPEATS * 94 / 100, "{objects_held} at {interval} of {of:?}");
        // Which is why the documentation of intervals says what it says of objects.
        assert!(objects_in_interval < REPEATS * 9 / 10, "{objects_in_interval}");
    }
}
