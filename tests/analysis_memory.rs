//! How much memory answers take beside the profile, by an allocator that counts: a process of its
//! own.

use v8_heap_sampler::analysis::{
    DiffOptions, GroupBy, LeakOptions, Leaks, Query, Recursion, TopOptions, TreeOptions,
};
use v8_heap_sampler::{Allocation, Bytes, Counted, Profile, SampleType};

mod counting;
#[path = "../benches/support/random_nodes.rs"]
mod random_nodes;

use counting::measure;
use random_nodes::random_nodes;

/// A profile of which every other context has values.
fn profile(nodes: usize, seed: u64) -> Profile {
    let mut nodes = random_nodes(nodes, seed);
    for (at, node) in nodes.iter_mut().enumerate().filter(|(at, _)| at % 2 == 0) {
        let size = 16 + 8 * (at as u64 % 50);
        node.allocations = [Allocation { count: 1 + at as u64 % 7, size }].into_iter().collect();
    }
    let mut profile = Profile::from_nodes(&nodes, Counted::InUse).expect("it is a tree");
    profile.metadata.interval = Some(Bytes(4096));
    profile
}

#[test]
fn answers_take_less_than_three_times_the_profile() {
    const NODES: usize = 1_000_000;
    let value = SampleType::InuseSpace;
    let (profile, _, held) = measure(|| profile(NODES, 1));
    let check = |what: &str, held: usize, peak: usize| {
        let times = peak as f64 / held as f64;
        println!("{what}: {:.1} MB beside {:.1} MB, {times:.2} times", mb(peak), mb(held));
        assert!(times < 3.0, "{what}: {times}");
    };
    for by in [GroupBy::Function, GroupBy::Script, GroupBy::Package] {
        let options = TopOptions::new(value).by(by.clone());
        let (_, peak, _) = measure(|| profile.top(&options).unwrap());
        check(&format!("top by {by:?}"), held, peak);
    }
    let options = TreeOptions::new(value);
    let (_, peak, _) = measure(|| profile.top_down(&options).unwrap());
    check("top-down", held, peak);
    let (_, peak, _) = measure(|| profile.bottom_up(&options).unwrap());
    check("bottom-up", held, peak);
    let query = Query::new().collapse_recursion(Recursion::All).prune_below(value, 1e-4);
    let (_, peak, _) = measure(|| profile.query(&query).unwrap());
    check("a query, with its answer", held, peak);
    let (_, peak, _) = measure(|| profile.dominators(value).unwrap());
    check("dominators", held, peak);

    let (after, _, held_after) = measure(|| self::profile(NODES, 2));
    let both = held + held_after;
    for by in [GroupBy::Function, GroupBy::Stack] {
        let options = DiffOptions::new(value).by(by.clone()).limit(50);
        let (_, peak, _) = measure(|| after.diff(&profile, &options).unwrap());
        check(&format!("diff by {by:?}"), both, peak);
    }
    let snapshots = [&profile, &after, &profile, &after];
    let (_, peak, _) = measure(|| Leaks::find(snapshots, LeakOptions::new()).unwrap());
    check("leaks", 2 * both, peak);
}

fn mb(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}
