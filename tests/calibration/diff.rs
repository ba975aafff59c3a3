//! Whether what is said of changes is right as often as it claims: sampling is simulated of
//! programs whose truth is known.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rand_distr::{Binomial, Distribution};
use v8_heap_sampler::analysis::{Diff, DiffOptions, Sessions};
use v8_heap_sampler::{
    Confidence, Node, NodeId, Profile, Sample, SampleId, SampleType, SamplerOptions,
};

const OF: SampleType = SampleType::InuseSpace;

/// Objects of one function: size and number.
type Objects = Vec<(u64, u64)>;

fn chance(size: u64, interval: u64) -> f64 {
    -(-(size as f64) / interval as f64).exp_m1()
}

/// So many objects of each size as have, of all sizes together, so many samples on average; at
/// least one of each.
fn objects(sizes: &[u64], samples: f64, interval: u64) -> Objects {
    let of_each = samples / sizes.len() as f64;
    let count = |size: u64| (of_each / chance(size, interval)).round().max(1.0) as u64;
    sizes.iter().map(|&size| (size, count(size))).collect()
}

fn bytes(objects: &Objects) -> f64 {
    objects.iter().map(|(size, count)| (size * count) as f64).sum()
}

/// A profile of functions `f0`, `f1`, ... right below the root.
fn profile(samples: Vec<Sample>, functions: usize, interval: u64) -> Profile {
    let mut nodes = vec![Node::new(NodeId(1), "(root)")];
    for at in 0..functions {
        let node = Node::new(id(at), format!("f{at}"));
        nodes[0].child_ids.push(node.id);
        nodes.push(node);
    }
    let options = SamplerOptions::new().interval_bytes(interval);
    Profile::from_samples(&nodes, samples, &options).unwrap()
}

fn id(function: usize) -> NodeId {
    NodeId(function as u32 + 2)
}

/// What is sampled of functions.
fn draw(of: &[Objects], interval: u64, random: &mut StdRng) -> Profile {
    let mut samples = Vec::new();
    for (at, objects) in of.iter().enumerate() {
        for &(size, count) in objects {
            let sampled = Binomial::new(count, chance(size, interval)).unwrap().sample(random);
            for _ in 0..sampled {
                let sample = SampleId(samples.len() as u64 + 1);
                samples.push(Sample::new(id(at), size, sample, true));
            }
        }
    }
    profile(samples, of.len(), interval)
}

fn function_of(row: &v8_heap_sampler::analysis::DiffRow) -> usize {
    row.name[1..].parse().unwrap()
}

/// How often something was so.
#[derive(Clone, Copy, Debug, Default)]
struct Share {
    times: u32,
    all: u32,
}

impl Share {
    fn add(&mut self, is_so: bool) {
        self.times += u32::from(is_so);
        self.all += 1;
    }

    fn value(self) -> f64 {
        f64::from(self.times) / f64::from(self.all)
    }

    /// The most that is to be expected of events with a chance: four standard errors above.
    fn most(self, chance: f64) -> f64 {
        chance + 4.0 * (chance * (1.0 - chance) / f64::from(self.all)).sqrt()
    }
}

/// How often changes are called unlikely, and how often their intervals hold the truth.
#[derive(Default)]
struct Rates {
    unlikely: [Share; 3],
    held: Share,
}

const LEVELS: [f64; 3] = [0.05, 0.01, 0.001];

impl Rates {
    fn add(&mut self, found: &Diff, truth: impl Fn(usize) -> f64) {
        for row in &found.rows {
            let p = row.own.p_value().unwrap();
            for (share, level) in self.unlikely.iter_mut().zip(LEVELS) {
                share.add(p <= level);
            }
            let interval = row.own.interval(Confidence::P95).unwrap();
            self.held.add(interval.contains(truth(function_of(row))));
        }
    }

    #[track_caller]
    fn assert_calibrated(&self, of: &str) {
        let shares = self.unlikely.map(Share::value);
        println!("{of}: p {shares:.4?}, held {:.4}", self.held.value());
        for (share, level) in self.unlikely.iter().zip(LEVELS) {
            assert!(share.value() <= share.most(level), "{of}: {shares:?}");
        }
    }
}

/// Rates where every function has the same objects before and after.
fn unchanged(sizes: &[u64], samples: f64, intervals: [u64; 2]) -> Rates {
    const FUNCTIONS: usize = 200;
    let trials = if samples > 200.0 { 15 } else { 60 };
    let mut random = StdRng::seed_from_u64(7);
    let mut rates = Rates::default();
    let of = vec![objects(sizes, samples, intervals[0]); FUNCTIONS];
    let options = DiffOptions::new(OF).sessions(Sessions::Independent);
    for _ in 0..trials {
        let [before, after] = intervals.map(|interval| draw(&of, interval, &mut random));
        rates.add(&after.diff(&before, &options).unwrap(), |_| 0.0);
    }
    rates
}

const MIXES: [(&str, &[u64]); 3] = [
    ("small", &[16]),
    ("many sizes", &[16, 24, 56, 104, 1024]),
    ("up to a tenth of the interval", &[16, 56, 512, 1638]),
];

const INTERVAL: u64 = 16_384;

#[test]
fn without_a_change_small_p_values_are_as_rare_as_they_say() {
    for (name, sizes) in MIXES {
        for samples in [0.5, 2.0, 5.0, 20.0, 100.0, 1000.0] {
            let rates = unchanged(sizes, samples, [INTERVAL; 2]);
            rates.assert_calibrated(&format!("{name}, {samples}"));
        }
    }
}

#[test]
fn profiles_of_different_intervals_can_be_compared() {
    for (name, sizes) in MIXES {
        for samples in [2.0, 20.0, 200.0] {
            for intervals in [[INTERVAL, INTERVAL / 4], [INTERVAL, 3 * INTERVAL]] {
                let rates = unchanged(sizes, samples, intervals);
                rates.assert_calibrated(&format!("{name}, {samples} at {intervals:?}"));
            }
        }
    }
}

#[test]
fn what_is_always_sampled_does_not_hide_the_rest_nor_make_it_certain() {
    for samples in [6.0, 15.0, 60.0, 300.0] {
        let rates = unchanged(&[16, 56, 10 * INTERVAL], samples, [INTERVAL; 2]);
        rates.assert_calibrated(&format!("small and large, {samples}"));
    }
}

#[test]
fn intervals_hold_the_true_change() {
    const FUNCTIONS: usize = 100;
    let mut random = StdRng::seed_from_u64(11);
    for (name, sizes) in MIXES {
        for (before, after) in [(5.0, 5.0), (5.0, 20.0), (50.0, 10.0), (100.0, 130.0), (0.0, 8.0)] {
            for intervals in [[INTERVAL; 2], [INTERVAL, INTERVAL / 4]] {
                let mut rates = Rates::default();
                let of = |samples| match samples {
                    0.0 => Objects::new(),
                    _ => objects(sizes, samples, INTERVAL),
                };
                let (was, is) = (vec![of(before); FUNCTIONS], vec![of(after); FUNCTIONS]);
                let truth = bytes(&is[0]) - bytes(&was[0]);
                for _ in 0..25 {
                    let before = draw(&was, intervals[0], &mut random);
                    let after = draw(&is, intervals[1], &mut random);
                    let options = DiffOptions::new(OF).sessions(Sessions::Independent);
                    rates.add(&after.diff(&before, &options).unwrap(), |_| truth);
                }
                let held = rates.held.value();
                println!("{name}, {before} to {after} at {intervals:?}: {held:.4}");
                assert!(held >= 0.935, "{name}, {before} to {after} at {intervals:?}: {held}");
            }
        }
    }
}

/// 200 functions of many sizes stay as they are, 40 change: half of them by much.
#[test]
fn of_what_is_called_significant_few_are_chance() {
    const UNCHANGED: usize = 200;
    const CHANGED: usize = 40;
    const TRIALS: u32 = 200;
    let mut random = StdRng::seed_from_u64(13);
    let sizes = MIXES[1].1;
    let mut was: Vec<Objects> = Vec::new();
    let mut is: Vec<Objects> = Vec::new();
    for at in 0..UNCHANGED {
        let samples = [1.0, 5.0, 20.0, 100.0][at % 4];
        was.push(objects(sizes, samples, INTERVAL));
        is.push(objects(sizes, samples, INTERVAL));
    }
    for at in 0..CHANGED {
        // Up and down, by a half, or to four times as many.
        let (few, many) = if at % 2 == 0 { (20.0, 80.0) } else { (20.0, 30.0) };
        let [few, many] = [few, many].map(|samples| objects(sizes, samples, INTERVAL));
        let (before, after) = if at % 4 < 2 { (few, many) } else { (many, few) };
        was.push(before);
        is.push(after);
    }
    for intervals in [[INTERVAL; 2], [INTERVAL, INTERVAL / 2]] {
        let (mut proportions, mut large) = (Vec::new(), Share::default());
        for _ in 0..TRIALS {
            let before = draw(&was, intervals[0], &mut random);
            let after = draw(&is, intervals[1], &mut random);
            let options = DiffOptions::new(OF).sessions(Sessions::Independent);
            let found = after.diff(&before, &options).unwrap();
            let called: Vec<_> = found.rows.iter().filter(|row| row.is_significant).collect();
            let wrong = called.iter().filter(|row| function_of(row) < UNCHANGED).count();
            proportions.push(wrong as f64 / called.len().max(1) as f64);
            for row in &found.rows {
                let at = function_of(row);
                if at >= UNCHANGED && (at - UNCHANGED).is_multiple_of(2) {
                    large.add(row.is_significant);
                }
            }
        }
        let mean = proportions.iter().sum::<f64>() / f64::from(TRIALS);
        let variance = proportions.iter().map(|one| (one - mean).powi(2)).sum::<f64>();
        let error = (variance / f64::from(TRIALS * (TRIALS - 1))).sqrt();
        println!("{intervals:?}: false {mean:.4} ± {error:.4}, power {:.3}", large.value());
        assert!(mean <= 0.05 + 4.0 * error, "{mean} ± {error}");
        assert!(large.value() > 0.95, "{large:?}");
    }
}

/// A session in which of some objects a part dies, and others come: what is alive before and after.
fn session(
    (kept, gone, new): (&[Objects], &[Objects], &[Objects]),
    interval: u64,
    random: &mut StdRng,
) -> [Profile; 2] {
    let mut before = Vec::new();
    let mut after = Vec::new();
    let mut next = 1;
    for (of, is_before, is_after) in [(kept, true, true), (gone, true, false), (new, false, true)] {
        for (at, objects) in of.iter().enumerate() {
            for &(size, count) in objects {
                let sampled = Binomial::new(count, chance(size, interval)).unwrap().sample(random);
                for _ in 0..sampled {
                    let sample = Sample::new(id(at), size, SampleId(next), true);
                    next += 1;
                    before.extend(is_before.then_some(sample));
                    after.extend(is_after.then_some(sample));
                }
            }
        }
    }
    let before = profile(before, kept.len(), interval);
    let mut after = profile(after, kept.len(), interval);
    after.metadata.started = before.metadata.started;
    [before, after]
}

#[test]
fn what_lives_on_in_a_session_is_no_doubt() {
    const FUNCTIONS: usize = 100;
    let mut random = StdRng::seed_from_u64(17);
    for (name, sizes) in MIXES {
        for (gone, new) in [(2.0, 2.0), (20.0, 20.0), (10.0, 30.0)] {
            let of = |samples| vec![objects(sizes, samples, INTERVAL); FUNCTIONS];
            let (kept, gone, new) = (of(1000.0), of(gone), of(new));
            let truth = bytes(&new[0]) - bytes(&gone[0]);
            let mut rates = Rates::default();
            let mut errors = [0.0; 2];
            for _ in 0..20 {
                let [before, after] = session((&kept, &gone, &new), INTERVAL, &mut random);
                let found = after.diff(&before, DiffOptions::new(OF)).unwrap();
                assert!(found.same_session);
                rates.add(&found, |_| truth);
                let options = DiffOptions::new(OF).sessions(Sessions::Independent);
                let apart = after.diff(&before, &options).unwrap();
                errors[0] += found.total.standard_error().unwrap();
                errors[1] += apart.total.standard_error().unwrap();
            }
            let held = rates.held.value();
            println!("{name}, {truth}: held {held:.4}, errors {errors:.0?}");
            assert!(held >= 0.935, "{name}, {truth}: {held}");
            assert!(errors[0] < 0.25 * errors[1], "{name}: {errors:?}");
            match truth {
                0.0 => rates.assert_calibrated(name),
                _ => assert!(rates.unlikely[0].value() > 0.7, "{name}: {:?}", rates.unlikely),
            }
        }
    }
}

/// The same functions' uncertainty, as it is known from a file.
#[cfg(feature = "formats")]
#[test]
fn files_tell_how_sure_their_values_are() {
    use v8_heap_sampler::analysis::TopOptions;
    use v8_heap_sampler::format::{self, WriteOptions};
    use v8_heap_sampler::{Counted, Uncertainty};

    let mut random = StdRng::seed_from_u64(19);
    // Without sizes of objects there are mean sizes alone, by which the doubt is too large where
    // small objects are mixed with those around the interval.
    for (sizes, by_means) in [
        (&[16][..], -0.25..0.25),
        (&[16, 24, 56, 104, 1024], -0.25..0.25),
        (&[16, 512, 8192, 16_384, 65_536], -0.05..0.6),
    ] {
        let of: Vec<Objects> = [20.0, 100.0, 1000.0]
            .iter()
            .map(|&samples| objects(sizes, samples, INTERVAL))
            .collect();
        let profile = draw(&of, INTERVAL, &mut random);
        let mut heapprofile = Vec::new();
        profile.write_heapprofile(&mut heapprofile, Counted::InUse).unwrap();
        let [pprof, with_sizes] = [false, true].map(|object_sizes| {
            let mut bytes = Vec::new();
            let options = WriteOptions::new().object_sizes(object_sizes);
            profile.write_pprof(&mut bytes, &options).unwrap();
            format::read(&bytes[..]).unwrap()
        });
        let heapprofile = format::read(&heapprofile[..]).unwrap();
        // It does not tell the interval, but what its samples stand for.
        assert_eq!(heapprofile.metadata.interval, None);
        let errors = |profile: &Profile| {
            let top = profile.top(TopOptions::new(OF)).unwrap();
            let mut rows: Vec<_> = top.rows.iter().map(|row| (row.name.clone(), row.own)).collect();
            rows.sort_by(|one, other| one.0.cmp(&other.0));
            rows
        };
        let wanted = errors(&profile);
        assert_eq!(wanted.len(), of.len());
        for (read, known, most) in [
            (&heapprofile, Uncertainty::Approximate, -0.15..0.15),
            (&pprof, Uncertainty::Approximate, by_means),
            (&with_sizes, Uncertainty::Sampled, -0.02..0.02),
        ] {
            assert_eq!(read.uncertainty(OF), Some(known));
            for ((name, found), (of, wanted)) in errors(read).into_iter().zip(&wanted) {
                assert_eq!(&name, of);
                let (found, wanted) =
                    (found.standard_error().unwrap(), wanted.standard_error().unwrap());
                let off = found / wanted - 1.0;
                println!("{sizes:?} {name}: {known:?} {off:+.3}");
                assert!(most.contains(&off), "{sizes:?} {name}: {found}, not {wanted}");
            }
        }
    }
}

/// Objects that are so large that most of them are sampled come in steps: a single one more or
/// less.
#[test]
fn few_large_objects_raise_no_false_alarm() {
    const TRIALS: u32 = 4000;
    let interval = 4096.0;
    let mut random = StdRng::seed_from_u64(9);
    for (times, count) in
        [(2.0, 1), (3.0, 1), (3.0, 2), (4.0, 5), (4.0, 10), (5.0, 10), (5.0, 30), (7.0, 100)]
    {
        let size = (times * interval) as u64;
        let sampled = 1.0 - f64::exp(-times);
        let (mut small, mut held) = ([0_u32; 3], 0_u32);
        for _ in 0..TRIALS {
            let [before, after] = [0, 1].map(|_| {
                let seen = (0..count).filter(|_| random.random_bool(sampled)).count() as u64;
                let mut nodes = vec![Node::new(NodeId(1), "(root)"), Node::new(NodeId(2), "f")];
                nodes[0].child_ids.push(NodeId(2));
                let samples = (1..=seen).map(|id| Sample::new(NodeId(2), size, SampleId(id), true));
                let options = SamplerOptions::new().interval_bytes(interval as u64);
                Profile::from_samples(&nodes, samples, &options).unwrap()
            });
            let options = DiffOptions::new(SampleType::InuseSpace).sessions(Sessions::Independent);
            let change = after.diff(&before, &options).unwrap().total;
            let p = change.p_value().unwrap();
            for (small, level) in small.iter_mut().zip([0.05, 0.01, 0.001]) {
                *small += u32::from(p <= level);
            }
            let interval = change.interval(Confidence::P95).unwrap();
            held += u32::from(interval.contains(0.0));
        }
        for (small, level) in small.iter().zip([0.05, 0.01, 0.001]) {
            let share = f64::from(*small) / f64::from(TRIALS);
            let error = (level * (1.0 - level) / f64::from(TRIALS)).sqrt();
            assert!(share <= level + 4.0 * error, "{times} x {count}: {share} at {level}");
        }
        let held = f64::from(held) / f64::from(TRIALS);
        assert!(held >= 0.935, "{times} x {count}: intervals hold no change in {held}");
    }
}
