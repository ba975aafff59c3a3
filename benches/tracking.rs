//! What tracking costs: a program that keeps a tenth of what it makes, tracked and not; a profile of
//! what is tracked, against V8's own snapshot; and memory.
//!
//! `cargo bench --bench tracking`

use std::time::Instant;

use criterion::{Criterion, criterion_group, criterion_main};
use fixtures::{Pairs, Realm, middle_half, resident_memory};
use v8_heap_sampler::{HeapTracker, Profile, SampleType, TrackingSession, v8_flags};

/// Makes 200,000 objects and keeps 20,000 of them.
const PROGRAM: &str = "
    class Row { constructor(i) { this.i = i; this.name = 'row ' + i % 100; } }
    var kept = new Map();
    function handle(i) { const row = new Row(i); if (i % 10 === 0) kept.set(i, row); return row; }
    function work() { kept.clear(); for (let i = 0; i < 200000; i++) handle(i); }
    for (let i = 0; i < 5; i++) work(); ''";

fn prepared() -> (v8::OwnedIsolate, Realm, v8::Global<v8::Function>) {
    fixtures::init_with_flags(v8_flags::NO_ESCAPE_ANALYSIS);
    let (mut isolate, realm) = fixtures::realm();
    realm.run(&mut isolate, "program.js", PROGRAM);
    let work = realm.function(&mut isolate, "work");
    (isolate, realm, work)
}

fn slow_down(_: &mut Criterion) {
    let (mut isolate, realm, work) = prepared();
    let mut ratios = Vec::new();
    for _ in 0..20 {
        let timed = |isolate: &mut v8::Isolate| {
            let start = Instant::now();
            realm.call(isolate, &work);
            start.elapsed().as_secs_f64()
        };
        let plain = timed(&mut isolate);
        let session = TrackingSession::start(&mut isolate).unwrap();
        ratios.push(timed(&mut isolate) / plain);
        session.stop(&mut isolate).unwrap();
    }
    let (median, low, high) = middle_half(ratios);
    println!(
        "a program of 400,000 allocations, tracked / not: {median:.1} (middle half {low:.1} to \
         {high:.1})"
    );
}

fn memory(_: &mut Criterion) {
    let (mut isolate, realm, work) = prepared();
    let session = TrackingSession::start(&mut isolate).unwrap();
    let before = resident_memory();
    for _ in 0..5 {
        realm.call(&mut isolate, &work);
    }
    let grown = resident_memory().saturating_sub(before);
    println!("memory for 2,000,000 allocations: {:.1} MB more", grown as f64 / 1e6);
    session.stop(&mut isolate).unwrap();
}

fn profile(_: &mut Criterion) {
    let (mut isolate, realm, work) = prepared();
    let mut tracker = HeapTracker::new(&mut isolate).unwrap();
    realm.call(&mut tracker, &work);
    let total = |profile: &Profile| profile.estimate(SampleType::InuseObjects).unwrap();
    let objects = total(&tracker.profile().unwrap());
    let tracker = std::cell::RefCell::new(tracker);
    let bytes = std::cell::Cell::new(0);
    let pairs = Pairs::measure(
        20,
        || tracker.borrow_mut().profile().unwrap(),
        || {
            bytes.set(0);
            let mut tracker = tracker.borrow_mut();
            tracker.low_memory_notification();
            tracker.take_heap_snapshot(|chunk| {
                bytes.set(bytes.get() + chunk.len());
                true
            });
        },
    );
    let (median, low, high) = pairs.ratio();
    println!(
        "profile of {objects}, by a snapshot of {:.1} MB of JSON, against the snapshot alone that \
         nobody reads: {median:.2} (middle half {low:.2} to {high:.2}; {:.1?} / {:.1?})",
        bytes.get() as f64 / 1e6,
        pairs.first(),
        pairs.second()
    );
}

criterion_group!(benches, slow_down, memory, profile);
criterion_main!(benches);
