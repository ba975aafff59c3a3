//! How much memory a sum of a thousand profiles takes that come one by one, by an allocator that
//! counts: a process of its own. `cargo test --test merge_memory -- --nocapture` prints it.

use v8_heap_sampler::{Allocation, Counted, Label, Node, Profile, ProfileMerger, SampleType};

mod counting;
#[path = "../benches/support/random_nodes.rs"]
mod random_nodes;

use counting::measure;
use random_nodes::random_nodes;

const PROFILES: usize = 1_000;
const CONTEXTS: usize = 10_000;
/// Kinds of work, each with stacks of its own below those that all have.
const KINDS: usize = 20;

/// Stacks of which every other one has allocated.
fn kind(seed: u64) -> Vec<Node> {
    let mut nodes = random_nodes(CONTEXTS, seed);
    for (at, node) in nodes.iter_mut().enumerate().filter(|(at, _)| at % 2 == 0) {
        let (count, size) = (1 + at as u64 % 7, 16 + 8 * (at as u64 % 50));
        node.allocations = [Allocation { count, size }].into_iter().collect();
    }
    nodes
}

/// A worker's profile: its kind's stacks, its zone's label.
fn profile(kinds: &[Vec<Node>], worker: usize) -> Profile {
    let mut profile = Profile::from_nodes(&kinds[worker % KINDS], Counted::InUse).unwrap();
    profile.add_label(Label::number("zone", worker as i64 / KINDS as i64 % 2, ""));
    profile
}

#[test]
fn a_thousand_profiles_are_merged_in_the_memory_of_their_sum() {
    let kinds: Vec<Vec<Node>> = (1..=KINDS as u64).map(kind).collect();
    let value = SampleType::InuseSpace;
    let wanted: f64 =
        (0..PROFILES).map(|worker| profile(&kinds, worker).total(value).unwrap()).sum();
    let (_, of_one, _) = measure(|| profile(&kinds, 0));

    let merge = |profiles: usize| {
        let mut merger = ProfileMerger::new();
        for worker in 0..profiles {
            merger.add(&profile(&kinds, worker)).unwrap();
        }
        merger.finish().unwrap()
    };
    let (few, peak_of_few, _) = measure(|| merge(2 * KINDS));
    let (sum, peak, held) = measure(|| merge(PROFILES));
    println!(
        "{PROFILES} profiles of {CONTEXTS} contexts, whose sum has {}: at most {:.1} MB for a sum \
         of {:.1} MB; {} profiles with as many: {:.1} MB",
        sum.len(),
        mb(peak),
        mb(held),
        2 * KINDS,
        mb(peak_of_few),
    );
    assert_eq!(sum.total(value), Some(wanted));
    assert_eq!(sum.len(), few.len());
    assert!(sum.len() > KINDS * CONTEXTS / 2, "{}", sum.len());
    assert!(peak < 3 * held + of_one, "{peak} for a sum of {held}, and a profile of {of_one}");
    // However many they are.
    assert!(peak < peak_of_few + peak_of_few / 100, "{peak}, and {peak_of_few} of few");
}

fn mb(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}
