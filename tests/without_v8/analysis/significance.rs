//! How likely sampling alone explains a change.

use v8_heap_sampler::analysis::{DiffOptions, Sessions};
use v8_heap_sampler::{Node, NodeId, Profile, Sample, SampleId, SampleType, SamplerOptions};

/// A profile of so many samples of objects of one size.
fn of(samples: u64, size: u64, interval: u64) -> Profile {
    let nodes = [Node::new(NodeId(1), "(root)")];
    let samples = (1..=samples).map(|id| Sample::new(NodeId(1), size, SampleId(id), true));
    let options = SamplerOptions::new().interval_bytes(interval);
    Profile::from_samples(&nodes, samples, &options).unwrap()
}

fn p_value(before: &Profile, after: &Profile) -> f64 {
    let options = DiffOptions::new(SampleType::InuseSpace).sessions(Sessions::Independent);
    after.diff(before, options).unwrap().total.p_value().unwrap()
}

/// So many samples of small objects, each of which stands for a million bytes.
fn small(samples: u64) -> Profile {
    of(samples, 8, 1_000_000)
}

#[test]
fn few_samples_have_the_binomial_test() {
    // scipy.stats.binomtest(k, n).pvalue
    for (before, after, p) in [
        (0, 1, 1.0),
        (0, 3, 0.25),
        (0, 6, 0.03125),
        (2, 9, 0.06542968750000003),
        (10, 20, 0.09873714670538905),
        (20, 10, 0.09873714670538905),
        (5, 5, 1.0),
    ] {
        let found = p_value(&small(before), &small(after));
        assert!((found - p).abs() < 1e-3, "{before} {after}: {found}, not {p}");
    }
}

#[test]
fn many_samples_have_the_normal_test() {
    // 2 * scipy.stats.norm.sf(3)
    let n = 1_000_000.0_f64;
    let after = (n + 3.0 * (2.0 * n).sqrt()) as u64;
    let found = p_value(&small(n as u64), &small(after));
    assert!((found / 0.0027 - 1.0).abs() < 0.02, "{found}");
    // Where the two ways meet.
    let at = |n: u64| p_value(&small(n / 2 - 400), &small(n / 2 + 400));
    let (exact, normal) = (at(99_900), at(100_200));
    assert!((exact / normal - 1.0).abs() < 0.03, "{exact} {normal}");
}

#[test]
fn different_intervals_are_allowed_for() {
    // Twice as many samples at half the interval are the same, but for what rounding makes of it.
    assert!(p_value(&of(40, 8, 1_000_000), &of(80, 8, 500_000)) > 0.999);
    // scipy.stats.binomtest(30, 30 + 20, 2 / 3).pvalue / 1, both tails doubled: 0.393
    let found = p_value(&small(20), &of(30, 8, 500_000));
    assert!((found - 0.393).abs() < 0.01, "{found}");
}

#[test]
fn what_is_certain_has_changed_if_it_differs() {
    let large = |samples| of(samples, 1_000_000, 1000);
    assert_eq!(p_value(&large(3), &large(4)), 0.0);
    assert_eq!(p_value(&large(3), &large(3)), 1.0);
    // One object of three times the interval is missed once in twenty times.
    let found = p_value(&of(0, 3000, 1000), &of(1, 3000, 1000));
    assert!((found - 0.1).abs() < 0.02, "{found}");
    assert_eq!(p_value(&of(0, 8, 1000), &of(0, 8, 1000)), 1.0);
}
