//! Sampling leaves nothing behind: tens of thousands of sessions in one process, which must not grow.
//!
//! `cargo test --test memory -- --nocapture` prints the figures.
//!
//! Resident memory belongs to the process, so this test has one of its own.

#![cfg(any(feature = "v8-150", feature = "v8-152"))]

use v8_heap_sampler::{HeapSampler, SampleType};

const ROUNDS: usize = 40_000;
/// Resident memory is looked at once per so many rounds, right after a full GC.
const STEP: usize = 2_000;
/// Until here the allocator and V8's heap find their size.
const WARM_UP: usize = 10_000;
/// 10 bytes a round from the warm-up on, less than any block that could leak in each.
const ALLOWED_GROWTH: usize = 10 * (ROUNDS - WARM_UP);

#[test]
fn sessions_leave_nothing_behind() {
    let (mut isolate, realm) = fixtures::realm();
    realm.run(
        &mut isolate,
        "make.js",
        "function make(n) { return n ? [make(n - 1), { n }] : Array.from({ length: 50 }, (_, i) => ({ i })); }",
    );
    let mut seen = Vec::new();
    for round in 1..=ROUNDS {
        let mut sampler = HeapSampler::new(&mut isolate, 64, 32).unwrap();
        realm.run(&mut sampler, "round.js", "globalThis.kept = make(10); ''");
        let nodes = sampler.collect_nodes().unwrap();
        assert!(nodes.len() > 10);
        if round % 2 == 0 {
            let profile = sampler.profile().unwrap();
            let graph = profile.callgraph(SampleType::InuseSpace).unwrap();
            assert!(graph.graph().edge_count() > 0);
            sampler.stop().unwrap();
        }
        drop(sampler);
        if round % STEP == 0 {
            realm.run(&mut isolate, "gc.js", "gc(); gc()");
            let resident = fixtures::resident_memory();
            println!("after {round:5} rounds: {:.2} MiB resident", resident as f64 / 1048576.0);
            seen.push((round, resident));
        }
    }
    let at = |round| seen.iter().find(|seen| seen.0 == round).expect("a multiple of STEP").1;
    let grown = at(ROUNDS).saturating_sub(at(WARM_UP));
    println!("grew by {grown} bytes in {} rounds", ROUNDS - WARM_UP);
    assert!(grown <= ALLOWED_GROWTH, "grew by {grown} bytes in {} rounds", ROUNDS - WARM_UP);
}
