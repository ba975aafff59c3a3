//! Sessions of made-up programs, of which it is known when each object is born and when it dies.

use std::time::{Duration, UNIX_EPOCH};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use v8_heap_sampler::analysis::{LeakOptions, Leaks};
use v8_heap_sampler::{Node, NodeId, Profile, Sample, SampleId, SamplerOptions};

const INTERVAL: u64 = 1024;
pub(crate) const SIZE: u64 = 64;
pub(crate) const ROUNDS: usize = 12;

/// A function, and the round in which an object of each round dies; it is alive in the rounds
/// before.
pub(crate) type Function = (&'static str, usize, fn(usize, usize) -> usize);

/// Snapshots after each round, of one session: functions with so many objects a round.
pub(crate) fn snapshots(functions: &[Function], seed: u64) -> Vec<Profile> {
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
        let samples = alive.map(|&(node, id, ..)| Sample::new(node, SIZE, id, true));
        let options = SamplerOptions::live_heap().interval_bytes(INTERVAL);
        let mut profile =
            Profile::from_samples(&nodes, samples, &options).expect("it fits together");
        profile.metadata.started = Some(started);
        profile.metadata.duration = Some(Duration::from_secs(60 * (round as u64 + 1)));
        profile
    });
    snapshots.collect()
}

pub(crate) const NEVER: usize = usize::MAX;

/// What stays, of 500 objects a round.
pub(crate) const LEAK: Function = ("leak", 500, |_, _| NEVER);
/// Each object lives for three rounds.
pub(crate) const RING: Function = ("ring", 1000, |born, _| born + 3);

pub(crate) fn find(snapshots: &[Profile], options: &LeakOptions) -> Leaks {
    Leaks::find(snapshots, options).expect("there are enough of them")
}

pub(crate) fn names(found: &Leaks) -> Vec<&str> {
    let leaks = found.rows.iter().filter(|row| row.is_leak);
    leaks.map(|row| row.function.as_ref().map_or("", |function| function.name.as_str())).collect()
}
