//! Estimates: sums over samples, contexts and functions, and the limits around them.
//!
//! How often intervals hold the truth is counted in `tests/calibration`.

use proptest::prelude::*;
use v8_heap_sampler::{
    Confidence, ConfidenceInterval, Estimate, KeepDead, Node, NodeId, Profile, Sample, SampleId,
    SampleType, SamplerOptions,
};

use crate::support::random_nodes::path;
use crate::support::sampled::{Sampled, sampled};
use crate::support::stacks::place_of;

const OBJECTS: SampleType = SampleType::InuseObjects;
const SPACE: SampleType = SampleType::InuseSpace;

/// Checks what functions allocated against the samples, of all of the profile's values.
pub(crate) fn assert_functions(of: &Sampled) {
    let profile = &of.profile;
    // The functions on the path to each context, by place; the root is only itself.
    let paths: Vec<_> = profile
        .contexts()
        .map(|context| {
            let path = path(context);
            let functions: Vec<_> = path[1..].iter().map(|of| place_of(of.function())).collect();
            (context.id().unwrap(), functions)
        })
        .collect();
    let path_of = |sample: &Sample| {
        let (_, path) = paths.iter().find(|(id, _)| *id == sample.node_id).unwrap();
        path
    };
    for sample_type in profile.sample_types() {
        let graph = profile.callgraph(sample_type).unwrap();
        let mut contexts = 0;
        for (at, function) in graph.functions().enumerate() {
            contexts += function.contexts;
            if at == graph.root().index() {
                of.sum(sample_type, |s| path_of(s).is_empty()).assert_is(&function.own);
                of.sum(sample_type, |_| true).assert_is(&function.total);
                continue;
            }
            // In the order of the graph's vertices, so that these can be looked up by index.
            assert_eq!(graph.index_of(&function.function).map(|at| at.index()), Some(at));
            let this = place_of(&function.function);
            of.sum(sample_type, |s| path_of(s).last() == Some(&this)).assert_is(&function.own);
            // Each sample once, however often the function stands on its stack.
            of.sum(sample_type, |s| path_of(s).contains(&this)).assert_is(&function.total);
            let is_this = paths.iter().filter(|(_, path)| path.last() == Some(&this));
            assert_eq!(function.contexts as usize, is_this.count());
        }
        assert_eq!(contexts as usize, profile.len());
    }
}

/// A profile with so many samples of a node, of a size, alive or not; the nodes are 1, the root, to
/// 4.
fn profile_at(interval: u64, of: &[(u32, usize, u64, bool)], keep_dead: KeepDead) -> Profile {
    let mut nodes: Vec<Node> = (1..5).map(|id| Node::new(NodeId(id), format!("f{id}"))).collect();
    nodes[0].child_ids = vec![NodeId(2), NodeId(3), NodeId(4)];
    let samples = of
        .iter()
        .flat_map(|&(id, n, size, is_live)| std::iter::repeat_n((id, size, is_live), n))
        .zip(1..)
        .map(|((id, size, live), at)| Sample::new(NodeId(id), size, SampleId(at), live));
    let options = SamplerOptions::new().interval_bytes(interval).keep_dead(keep_dead);
    Profile::from_samples(&nodes, samples, &options).unwrap()
}

const INTERVAL: u64 = 1000;

fn profile(of: &[(u32, usize, u64, bool)], keep_dead: KeepDead) -> Profile {
    profile_at(INTERVAL, of, keep_dead)
}

fn estimate(profile: &Profile, sample_type: SampleType) -> Estimate {
    profile.estimate(sample_type).unwrap()
}

fn interval(estimate: &Estimate, confidence: Confidence) -> ConfidenceInterval {
    estimate.interval(confidence).unwrap()
}

mod values {
    use super::*;

    fn close(one: f64, other: f64) {
        assert!((one - other).abs() <= 1e-12 * one.abs().max(other.abs()), "{one} is not {other}");
    }

    /// The formulas, written down once more.
    fn truth(of: &[(f64, f64)]) -> [f64; 4] {
        let mut sums = [0.0; 4];
        for &(n, size) in of {
            let p = 1.0 - (-size / INTERVAL as f64).exp();
            sums[0] += n / p;
            sums[1] += n * size / p;
            sums[2] += n * (1.0 - p) / (p * p);
            sums[3] += n * size * size * (1.0 - p) / (p * p);
        }
        sums
    }

    /// Checks the objects and the bytes.
    fn check(objects: Estimate, space: Estimate, of: &[(f64, f64)]) {
        let [number, bytes, objects_variance, bytes_variance] = truth(of);
        close(objects.value(), number);
        close(space.value(), bytes);
        close(objects.standard_error().unwrap(), objects_variance.sqrt());
        close(space.standard_error().unwrap(), bytes_variance.sqrt());
        // What was sampled is certain.
        let seen: f64 = of.iter().map(|(n, size)| n * size).sum();
        assert!(interval(&space, Confidence::P99).lower >= seen);
        let samples = of.iter().map(|(n, _)| n).sum::<f64>();
        assert_eq!(objects.samples().map(|n| n as f64), Some(samples));
        assert_eq!(space.samples().map(|n| n as f64), Some(samples));
        assert_eq!((objects.exact(), space.exact()), (None, None));
    }

    #[test]
    fn estimates_are_horvitz_and_thompson_s() {
        let profile = profile(
            &[(2, 3, 56, true), (2, 2, 56, false), (2, 1, 1200, true), (3, 4, 8000, false)],
            KeepDead::Both,
        );
        let (alloc_objects, alloc_space) = (SampleType::AllocObjects, SampleType::AllocSpace);
        let contexts: Vec<_> = profile.contexts().collect();
        let own = |id: usize, sample_type| contexts[id - 1].own(sample_type).unwrap();
        check(own(2, OBJECTS), own(2, SPACE), &[(3.0, 56.0), (1.0, 1200.0)]);
        check(own(2, alloc_objects), own(2, alloc_space), &[(5.0, 56.0), (1.0, 1200.0)]);
        assert_eq!((own(3, SPACE).value(), own(3, SPACE).samples()), (0.0, Some(0)));
        check(own(3, alloc_objects), own(3, alloc_space), &[(4.0, 8000.0)]);
        let total = |sample_type| estimate(&profile, sample_type);
        check(total(OBJECTS), total(SPACE), &[(3.0, 56.0), (1.0, 1200.0)]);
        check(
            total(alloc_objects),
            total(alloc_space),
            &[(5.0, 56.0), (1.0, 1200.0), (4.0, 8000.0)],
        );
        assert_eq!(contexts[0].total(alloc_space), Some(total(alloc_space)));
        let mut with_rows: Vec<_> =
            profile.rows().map(|row| row.context().id().unwrap().0).collect();
        with_rows.dedup();
        assert_eq!(with_rows, [2, 3]);
        // Nothing was seen of either.
        assert_eq!(own(1, SPACE), own(4, SPACE));
        assert_eq!(own(1, SPACE).value(), 0.0);
    }

    #[test]
    fn what_was_allocated_is_unknown_unless_all_samples_were_kept() {
        for keep_dead in [KeepDead::None, KeepDead::MinorGc, KeepDead::MajorGc] {
            let profile = profile(&[(2, 3, 56, true)], keep_dead);
            assert_eq!(profile.estimate(SampleType::AllocObjects), None);
            assert_eq!(profile.estimate(SampleType::AllocSpace), None);
            let node = profile.contexts().nth(1).unwrap();
            assert_eq!(node.own(SampleType::AllocObjects), None);
            assert_eq!(node.total(SampleType::AllocSpace), None);
            assert_eq!(profile.root().own(SampleType::AllocSpace), None);
            assert_eq!(estimate(&profile, SPACE).samples(), Some(3));
        }
    }

    #[test]
    fn the_order_of_samples_changes_no_digit() {
        let of = [(2, 30, 56, true), (3, 17, 24, true), (2, 9, 1112, false), (4, 5, 72, true)];
        let one = profile(&of, KeepDead::Both);
        let mut reversed = of;
        reversed.reverse();
        let other = profile(&reversed, KeepDead::Both);
        for sample_type in SampleType::ALL {
            assert_eq!(estimate(&one, sample_type), estimate(&other, sample_type));
            assert_eq!(one.values(sample_type), other.values(sample_type));
        }
    }

    #[test]
    fn large_objects_are_certain() {
        let profile = profile(&[(2, 7, 50_000, true)], KeepDead::None);
        let bytes = estimate(&profile, SPACE);
        assert_eq!(bytes.value(), 350_000.0);
        assert_eq!(interval(&bytes, Confidence::P99).width(), 0.0);
        assert_eq!(bytes.to_string(), "350.0 kB");
        assert_eq!(estimate(&profile, OBJECTS).to_string(), "7 objects");
    }

    #[test]
    fn an_estimate_of_nothing_adds_no_doubt() {
        let profile = profile(&[(2, 7, 50_000, true)], KeepDead::None);
        let contexts: Vec<_> = profile.contexts().collect();
        for sample_type in [OBJECTS, SPACE] {
            let [nothing, node] = [2, 1].map(|at| contexts[at].own(sample_type).unwrap());
            assert_eq!(node.checked_add(&nothing), Some(node));
            assert_eq!(nothing.checked_add(&node), Some(node));
            assert_eq!(contexts[0].total(sample_type), Some(node));
        }
        let [objects, space] = [OBJECTS, SPACE].map(|of| estimate(&profile, of));
        assert_eq!(objects.checked_add(&space), None);
    }

    proptest! {
        #[test]
        fn sums_are_sums_over_samples(of in sampled(1, 1..2000, 512..513)) {
            for sample_type in of.profile.sample_types() {
                of.sum(sample_type, |_| true).assert_is(&estimate(&of.profile, sample_type));
                for context in of.profile.contexts() {
                    let this = context.id().unwrap();
                    let own = context.own(sample_type).unwrap();
                    of.sum(sample_type, |s| s.node_id == this).assert_is(&own);
                    let below: Vec<NodeId> =
                        context.descendants().map(|context| context.id().unwrap()).collect();
                    let total = context.total(sample_type).unwrap();
                    of.sum(sample_type, |s| below.contains(&s.node_id)).assert_is(&total);
                }
            }
            let has_alloc = of.profile.has(SampleType::AllocSpace);
            prop_assert_eq!(has_alloc, of.options.keep_dead == KeepDead::Both);
            assert_functions(&of);
        }
    }
}

mod intervals {
    use super::*;

    proptest! {
        #[test]
        fn intervals_hold_the_estimate_and_widen_with_confidence(
            of in sampled(1, 1..2000, 512..513),
        ) {
            let seen = |each: &dyn Fn(&Sample) -> u64| -> f64 {
                of.samples.iter().filter(|s| s.is_live).map(|s| each(s) as f64).sum()
            };
            check(&estimate(&of.profile, SPACE), seen(&|sample| sample.size));
            check(&estimate(&of.profile, OBJECTS), seen(&|_| 1));
        }
    }

    fn check(estimate: &Estimate, seen: f64) {
        let mut within = interval(estimate, Confidence::new(0.5).unwrap());
        for level in [0.8, 0.95, 0.999] {
            let wider = interval(estimate, Confidence::new(level).unwrap());
            assert!(
                wider.lower <= within.lower && within.upper <= wider.upper,
                "{wider:?} {within:?}"
            );
            assert!(wider.contains(estimate.value()), "{wider:?} {estimate:?}");
            assert!(wider.lower >= seen && wider.lower.is_finite() && wider.upper.is_finite());
            within = wider;
        }
    }

    #[test]
    fn without_a_sample_the_upper_limit_is_what_goes_unnoticed() {
        let profile = profile(&[], KeepDead::None);
        let space = interval(&estimate(&profile, SPACE), Confidence::P95);
        assert_eq!(space.lower, 0.0);
        let limit = INTERVAL as f64 * 40_f64.ln(); // 2.5 % above
        assert!((space.upper - limit).abs() <= 8.0, "{space:?}");
        let objects = interval(&estimate(&profile, OBJECTS), Confidence::P95);
        assert!((objects.upper * 8.0 - limit).abs() <= 8.0, "{objects:?}");
    }

    /// Limits of Garwood's interval for a count of 1, 5 and 50: chi-squared quantiles.
    #[test]
    fn small_objects_have_garwood_s_interval() {
        for (n, lower, upper) in
            [(1, 0.025318, 5.571643), (5, 1.623486, 11.668332), (50, 37.110879, 65.918418)]
        {
            let profile = profile_at(10_000_000, &[(2, n, 16, true)], KeepDead::None);
            let check = |of: SampleType, scale: f64| {
                let interval = interval(&estimate(&profile, of), Confidence::P95);
                assert!((interval.lower / scale / lower - 1.0).abs() < 1e-4, "{n}: {interval:?}");
                assert!((interval.upper / scale / upper - 1.0).abs() < 1e-4, "{n}: {interval:?}");
            };
            check(SPACE, 1e7);
            check(OBJECTS, 1e7 / 16.0);
        }
    }

    /// Few small objects among many large ones: what one more small one would add is of another
    /// step than the sum. Limits by scipy.stats.nbinom, of mean, variance and step added up by
    /// hand.
    #[test]
    fn small_objects_among_large_ones_have_their_limit() {
        for (interval_bytes, of, above) in [
            (4096, &[(1, 16), (100_000, 40_960)][..], 202_000.0),
            (22, &[(2, 72), (167_850, 192), (1, 80), (2, 1264)], 2054.0),
        ] {
            let of: Vec<_> = of.iter().map(|&(n, size)| (2, n, size, true)).collect();
            let sum = estimate(&profile_at(interval_bytes, &of, KeepDead::None), SPACE);
            let found = interval(&sum, Confidence::P95).upper - sum.value();
            assert!((found / above - 1.0).abs() < 0.05, "{interval_bytes}: {found}, not {above}");
        }
    }
}

mod detection_limit {
    use super::*;

    #[test]
    fn what_exceeds_the_detection_limit_has_a_sample() {
        let profile = profile_at(4096, &[], KeepDead::None);
        let (space, _) = profile.detection_limit(Confidence::P95).unwrap();
        for size in [16, 512, 4096] {
            let p = -(-(size as f64) / 4096.0_f64).exp_m1();
            let unnoticed = (1.0 - p).powf((space.0 / size) as f64);
            // 5 %, but for the objects being whole.
            assert!((0.049..0.14).contains(&unnoticed), "{size}: {unnoticed}");
        }
    }

    #[test]
    fn nothing_goes_unnoticed_at_an_interval_of_1() {
        let (space, objects) =
            profile_at(1, &[], KeepDead::None).detection_limit(Confidence::P99).unwrap();
        assert_eq!((space.0, objects.0), (0, 0));
        let nodes = [Node::new(NodeId(1), "(root)")];
        let unknown = Profile::from_nodes(&nodes, v8_heap_sampler::Counted::InUse).unwrap();
        assert_eq!(unknown.detection_limit(Confidence::P99), None);
    }
}

#[test]
fn doubt_decides_the_digits() {
    let shown = |samples: u64, size: u64, interval: u64, sample_type| {
        let nodes = [Node::new(NodeId(1), "(root)")];
        let samples = (1..=samples).map(|id| Sample::new(NodeId(1), size, SampleId(id), true));
        let options = SamplerOptions::new().interval_bytes(interval);
        let profile = Profile::from_samples(&nodes, samples, &options).unwrap();
        estimate(&profile, sample_type).to_string()
    };
    for (samples, size, interval, text) in [
        (10_000, 56, 4096, "41.2 MB ± 0.8"),
        (400, 56, 4096, "1.65 MB ± 0.17"),
        (40, 56, 4096, "165 kB ± 59"),
        (1_000_000, 56, 4096, "4.124 GB ± 0.008"),
        (1, 16, 524_288, "524.3 kB (13.3 kB to 2.9 MB)"),
        (3, 16, 1, "48 B"),
        (0, 8, 524_288, "0 B (0 B to 1.9 MB)"),
        (60, 8192, 4096, "568 kB ± 62"),
        (1000, 40_960, 4096, "40.96 MB (40.96 MB to 41.00 MB)"),
    ] {
        assert_eq!(shown(samples, size, interval, SPACE), text);
    }
    assert_eq!(shown(400, 56, 4096, OBJECTS), "29458 objects ± 3012");
    assert_eq!(shown(1, 64, 1, OBJECTS), "1 object");
}
