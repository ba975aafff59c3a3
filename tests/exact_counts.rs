//! Counts with allocation folding off: a flag of V8's, so in a process of its own.

use v8_heap_sampler::{Allocation, HeapSampler, Node};

/// Allocations of the function `name` in a script that is sampled at every byte.
fn allocations(name: &str, source: &str) -> Vec<Allocation> {
    // Both optimising compilers allocate neighbouring objects in one go, unless told not to.
    fixtures::init_with_flags("--no-turbo-allocation-folding --maglev-allocation-folding=0");
    let (mut isolate, realm) = fixtures::realm();
    let mut sampler = HeapSampler::new(&mut isolate, 1, 64).unwrap();
    realm.run(&mut sampler, "exact.js", source);
    let nodes: Vec<Node> = sampler.finish().unwrap();
    let mut found = nodes.into_iter().filter(|node| node.name == *name);
    let node = found.next().unwrap_or_else(|| panic!("{name} was not sampled"));
    assert!(found.next().is_none(), "{name} has one context");
    node.allocations.to_vec()
}

fn count(allocations: &[Allocation], size: u64) -> u64 {
    allocations.iter().find(|allocation| allocation.size == size).map_or(0, |found| found.count)
}

#[test]
fn at_an_interval_of_one_byte_counts_are_true() {
    // An empty object literal has room for four properties: 24 bytes of header and 4 of 8 each.
    let found = allocations(
        "literals",
        "function literals(n) {
             const kept = new Array(n);
             for (let i = 0; i < n; i++) kept[i] = {};
             return kept;
         }
         globalThis.kept = literals(10000);",
    );
    assert_eq!(count(&found, 56), 10_000, "{found:?}");
    // The array and its elements, which the built-in constructor allocates in one go whatever the
    // flags: 32 bytes for the array, 16 for the header of the elements, and 8 for each.
    assert_eq!(count(&found, 32 + 16 + 8 * 10_000), 1, "{found:?}");
}

#[test]
fn nested_literals_are_objects_of_their_own() {
    let found = allocations(
        "nested",
        "function nested(n) {
             const kept = new Array(n);
             for (let i = 0; i < n; i++) kept[i] = { a: { b: { c: i } } };
             return kept;
         }
         globalThis.kept = nested(10000);",
    );
    // 32 bytes each, and 16 more for some: a memento, by which V8 learns where objects come from.
    // The function's own feedback adds a few of the same size.
    let objects = count(&found, 32) + count(&found, 48);
    assert!((30_000..30_050).contains(&objects), "{objects} in {found:?}");
}
