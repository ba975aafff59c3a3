//! Leaks in made-up programs, of which it is known when each object is born and when it dies.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use v8_heap_sampler::analysis::{
    GroupBy, LeakError, LeakOptions, Leaks, RateUnit, Sessions, leaks,
};
use v8_heap_sampler::{
    HeapProfile, Node, NodeId, Profile, Sample, SampleId, SampleType, SamplerOptions,
};

const INTERVAL: u64 = 1024;
const SIZE: u64 = 64;
const ROUNDS: usize = 12;

/// A function, and the round in which an object of each round dies; it is alive in the rounds before.
type Function = (&'static str, usize, fn(usize, usize) -> usize);

/// Snapshots after each round, of one session: functions with so many objects a round.
fn snapshots(functions: &[Function], seed: u64) -> Vec<HeapProfile> {
    let mut random = StdRng::seed_from_u64(seed);
    let sampled = 1.0 - (-(SIZE as f64) / INTERVAL as f64).exp();
    let mut nodes = vec![Node::new(NodeId(1), "(root)")];
    for (id, (name, ..)) in (2..).zip(functions) {
        nodes[0].child_ids.push(NodeId(id));
        let mut node = Node::new(NodeId(id), *name);
        node.script_name = "app.js".into();
        nodes.push(node);
    }
    // Node, sample, born, dies.
    let mut objects: Vec<(NodeId, SampleId, usize, usize)> = Vec::new();
    let mut next = 0;
    for round in 0..ROUNDS {
        for (id, (_, count, dies)) in (2..).zip(functions) {
            for at in 0..*count {
                if random.random_bool(sampled) {
                    next += 1;
                    objects.push((NodeId(id), SampleId(next), round, dies(round, at)));
                }
            }
        }
    }
    let started = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let snapshots = (0..ROUNDS).map(|round| {
        let alive = objects.iter().filter(|&&(_, _, born, dies)| born <= round && round < dies);
        let samples = alive.map(|&(node, id, ..)| Sample::new(node, SIZE, id, true)).collect();
        let options = SamplerOptions::live_heap().interval_bytes(INTERVAL);
        let profile = Profile::new(nodes.clone(), samples, options);
        let mut profile = HeapProfile::from_profile(&profile).expect("it fits together");
        profile.about.started = Some(started);
        profile.about.duration = Some(Duration::from_secs(60 * (round as u64 + 1)));
        profile
    });
    snapshots.collect()
}

const NEVER: usize = usize::MAX;

/// What stays, of 500 objects a round.
const LEAK: Function = ("leak", 500, |_, _| NEVER);
/// One of a hundred stays; the rest goes by the end of the round, or is collected only by the next third.
const CHURN: Function = ("churn", 20_000, |born, at| match at % 100 {
    0 => NEVER,
    _ if at % 4 == 0 => born / 3 * 3 + 3,
    _ => born,
});
/// Filled in four rounds.
const CACHE: Function = ("cache", 1000, |born, _| if born < 4 { NEVER } else { born });
/// Each object lives for three rounds.
const RING: Function = ("ring", 1000, |born, _| born + 3);
/// Flushed every four rounds.
const QUEUE: Function = ("queue", 1000, |born, _| born / 4 * 4 + 4);
/// Comes and goes.
const GARBAGE: Function = ("garbage", 5000, |born, at| if at % 10 == 0 { born + 1 } else { born });

fn find(snapshots: &[HeapProfile], options: &LeakOptions) -> Leaks {
    leaks(snapshots, options).expect("there are enough of them")
}

fn names(found: &Leaks) -> Vec<&str> {
    let leaks = found.rows.iter().filter(|row| row.is_leak);
    leaks.map(|row| row.function.as_ref().map_or("", |function| function.name.as_str())).collect()
}

#[test]
fn leaks_are_told_from_what_levels_off_and_what_comes_and_goes() {
    for seed in 0..20 {
        let snapshots = snapshots(&[CACHE, RING, LEAK, QUEUE, GARBAGE], seed);
        let found = find(&snapshots, &LeakOptions::new());
        assert!(found.same_session);
        assert_eq!(names(&found), ["leak"], "{found}");
        // By trend alone, as of snapshots that have nothing to do with each other.
        let apart = find(&snapshots, &LeakOptions::new().sessions(Sessions::Independent));
        assert!(!apart.same_session);
        assert_eq!(names(&apart), ["leak"], "{apart}");
    }
}

#[test]
fn rates_and_shares_are_the_truth() {
    // 500 objects of 64 bytes a minute.
    let truth = 500.0 * 64.0 / 60.0;
    let (mut held, mut held_apart) = (0, 0);
    for seed in 0..100 {
        let snapshots = snapshots(&[LEAK, CACHE], seed);
        let found = find(&snapshots, &LeakOptions::new());
        let row = &found.rows[0];
        assert_eq!((row.rate.per, row.is_leak), (RateUnit::Second, true));
        held += u32::from(row.rate.lower <= truth && truth <= row.rate.upper);
        assert!((row.rate.value / truth - 1.0).abs() < 0.4, "{found}");
        assert!(row.share.is_some_and(|share| (0.5..1.3).contains(&share)), "{found}");
        assert_eq!(row.levels.len(), ROUNDS);
        assert_eq!(found.duration, Some(Duration::from_secs(60 * 11)));
        let apart = find(&snapshots, &LeakOptions::new().sessions(Sessions::Independent));
        held_apart +=
            u32::from(apart.rows[0].rate.lower <= truth && truth <= apart.rows[0].rate.upper);
    }
    assert!(held >= 90, "{held} of 100 intervals hold the rate");
    assert!(
        held_apart >= 60,
        "{held_apart} of 100 of Sen's do: points of one session are dependent"
    );
}

#[test]
fn one_per_cent_of_churn_is_found_by_its_survivors() {
    let (mut found, mut by_trend) = (0, 0);
    for seed in 0..20 {
        let snapshots = snapshots(&[CHURN, RING, CACHE], seed);
        found += u32::from(names(&find(&snapshots, &LeakOptions::new())) == ["churn"]);
        let options = LeakOptions::new().sessions(Sessions::Independent);
        by_trend += u32::from(names(&find(&snapshots, &options)) == ["churn"]);
    }
    assert!(found >= 19, "{found} of 20");
    assert!(by_trend < found, "{by_trend} of 20 by trend alone");
}

#[test]
fn where_nothing_leaks_nothing_is_called_a_leak() {
    let mut alarms = 0;
    for seed in 0..100 {
        let snapshots = snapshots(&[CACHE, RING, QUEUE, GARBAGE], seed);
        alarms += u32::from(find(&snapshots, &LeakOptions::new()).leaks > 0);
    }
    assert!(alarms <= 5, "{alarms} of 100");
}

/// As of functions that are inlined into another one halfway.
#[test]
fn growth_that_moves_is_that_of_the_whole() {
    const EARLY: Function = ("early", 2000, |born, _| if born < 5 { NEVER } else { born });
    const LATE: Function = ("late", 2000, |born, _| if born >= 5 { NEVER } else { born });
    let snapshots = snapshots(&[EARLY, LATE], 5);
    let found = find(&snapshots, &LeakOptions::new());
    assert!(names(&found).is_empty() && found.whole_leaks, "{found}");
    assert!(found.to_string().contains("all of them together do"), "{found}");
    let by_script = find(&snapshots, &LeakOptions::new().by(GroupBy::Script));
    assert!(by_script.rows[0].is_leak, "{by_script}");
}

#[test]
fn the_stacks_that_grow_are_named() {
    let snapshots = snapshots(&[LEAK, RING], 1);
    let found = find(&snapshots, &LeakOptions::new());
    let path = &found.rows[0].paths[0];
    let stack: Vec<_> = path.stack.iter().map(|function| function.name.as_str()).collect();
    assert_eq!(stack, ["leak"]);
    let grown = found.rows[0].levels[11].value() - found.rows[0].levels[0].value();
    assert!((path.change.value() - grown).abs() < 1e-6 * grown);
    assert!(found.rows[1].paths.is_empty());
    let text = found.to_string();
    assert!(text.starts_with("inuse_space, 12 snapshots in 660.0s: +"), "{text}");
    assert!(text.contains("\n1 of 2 grow and go on growing (marked *;"), "{text}");
    serde_json::to_string(&found).expect("finite numbers");
    let by_script = find(&snapshots, &LeakOptions::new().by(GroupBy::Script));
    assert_eq!(by_script.rows[0].name, "app.js");
}

#[test]
fn few_snapshots_are_enough_for_a_large_leak() {
    const LARGE: Function = ("large", 4000, |_, _| NEVER);
    let all = snapshots(&[LARGE, RING], 3);
    for count in 3..=6 {
        let found = find(&all[4..4 + count], &LeakOptions::new());
        assert_eq!(names(&found), ["large"], "{count}: {found}");
    }
}

#[test]
fn what_cannot_be_asked_is_an_error() {
    let mut all = snapshots(&[LEAK], 1);
    let options = LeakOptions::new();
    assert_eq!(leaks(&all[..2], &options).unwrap_err(), LeakError::TooFew { snapshots: 2 });
    let error = leaks([&all[0], &all[2], &all[1]], &options).unwrap_err();
    assert_eq!(error, LeakError::Order { at: 3 });
    let no_values = options.clone().sample_type(SampleType::AllocSpace);
    let error = leaks(&all, &no_values).unwrap_err();
    assert_eq!(
        error.to_string(),
        "snapshot 1: the profile has no alloc_space: it has inuse_objects, inuse_space"
    );

    // Without times it is per snapshot.
    for profile in &mut all {
        profile.about.duration = None;
    }
    let found = leaks(&all, &options).unwrap();
    assert_eq!((found.rows[0].rate.per, found.duration), (RateUnit::Snapshot, None));
    let objects = leaks(&all, &options.clone().sample_type(SampleType::InuseObjects)).unwrap();
    assert!((objects.rows[0].rate.value / 500.0 - 1.0).abs() < 0.3, "{objects}");
    // At the same moment, too.
    for profile in &mut all {
        profile.about.started = Some(SystemTime::UNIX_EPOCH);
        profile.about.duration = Some(Duration::from_secs(1));
    }
    assert_eq!(leaks(&all, &options).unwrap().rows[0].rate.per, RateUnit::Snapshot);
}
