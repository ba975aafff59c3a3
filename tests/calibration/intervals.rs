//! Whether intervals hold the truth as often as they say.

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand_distr::{Binomial, Distribution};
use v8_heap_sampler::{
    Confidence, ConfidenceInterval, Node, NodeId, Profile, Sample, SampleId, SampleType,
    SamplerOptions,
};

/// A profile of so many objects of some sizes.
fn draw(interval: u64, of: &[(u64, u64)], random: &mut StdRng) -> Profile {
    let sizes = of.iter().flat_map(|&(size, n)| {
        let p = -(-(size as f64) / interval as f64).exp_m1();
        let sampled = Binomial::new(n, p).unwrap().sample(random);
        std::iter::repeat_n(size, sampled as usize)
    });
    let samples = sizes.zip(1..).map(|(size, id)| Sample::new(NodeId(1), size, SampleId(id), true));
    let nodes = [Node::new(NodeId(1), "(root)")];
    let options = SamplerOptions::new().interval_bytes(interval);
    Profile::from_samples(&nodes, samples, &options).unwrap()
}

/// The 95 % interval of what is in use.
fn interval_of(profile: &Profile, sample_type: SampleType) -> ConfidenceInterval {
    profile.estimate(sample_type).unwrap().interval(Confidence::P95).unwrap()
}

/// How often the 95 % intervals of bytes and objects hold the truth, for objects of some sizes.
fn coverage(interval: u64, of: &[(u64, u64)], repeats: usize) -> [f64; 2] {
    let mut random = StdRng::seed_from_u64(1);
    let bytes: u64 = of.iter().map(|(size, n)| size * n).sum();
    let objects: u64 = of.iter().map(|(_, n)| n).sum();
    let mut held = [0; 2];
    for _ in 0..repeats {
        let profile = draw(interval, of, &mut random);
        let bytes_held = interval_of(&profile, SampleType::InuseSpace).contains(bytes as f64);
        let objects_held = interval_of(&profile, SampleType::InuseObjects).contains(objects as f64);
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
            let confidence = Confidence::new(0.975).unwrap();
            let (bytes_missed, objects_missed) = profile.detection_limit(confidence).unwrap();
            let space = interval_of(&profile, SampleType::InuseSpace);
            let counted = interval_of(&profile, SampleType::InuseObjects);
            held += i32::from(truth as f64 <= space.upper + bytes_missed.0 as f64);
            objects_held += i32::from(objects as f64 <= counted.upper + objects_missed.0 as f64);
            objects_in_interval += i32::from(counted.contains(objects as f64));
        }
        assert!(held > REPEATS * 94 / 100, "{held} at {interval} of {of:?}");
        assert!(objects_held > REPEATS * 94 / 100, "{objects_held} at {interval} of {of:?}");
        // Which is why the documentation of intervals says what it says of objects.
        assert!(objects_in_interval < REPEATS * 9 / 10, "{objects_in_interval}");
    }
}
