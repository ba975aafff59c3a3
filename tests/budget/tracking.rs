//! Tracked objects against the heap: what is alive, to the byte.

use v8_heap_sampler::analysis::{GroupBy, TopOptions};
use v8_heap_sampler::budget::MeasureOptions;
use v8_heap_sampler::{Error, HeapTracker, Profile, SampleType, TrackingSession};

use super::{init, number};

/// Functions that keep 10,000 things of a kind each.
const KINDS: &str = "
    const out = new Array(10000);
    function point(i) { return { x: i, y: i }; }
    function pair(i) { return [i, i]; }
    function renderRow(i) { return { i, cells: [i, i] }; }
    class P { constructor(i) { this.x = i; this.y = i; } }
    function points() { for (let i = 0; i < 10000; i++) out[i] = point(i); }
    function pairs() { for (let i = 0; i < 10000; i++) out[i] = pair(i); }
    function rows() { for (let i = 0; i < 10000; i++) out[i] = renderRow(i); }
    function classes() { for (let i = 0; i < 10000; i++) out[i] = new P(i); }
    function closures() { for (let i = 0; i < 10000; i++) out[i] = () => i; }
    function strings() { for (let i = 0; i < 10000; i++) out[i] = 'abcdefghijklmnopqrst' + i; }
    function maps() { for (let i = 0; i < 1000; i++) out[i] = new Map([[i, i]]); }
    function dates() { for (let i = 0; i < 10000; i++) out[i] = new Date(i); }
    function shrunk() { for (let i = 0; i < 1000; i++) { const a = [1, 2, 3]; for (let j = 0; j < 50; j++) a.push(j); a.length = 5; out[i] = a; } }
    function parsed() { out[0] = JSON.parse(JSON.stringify(Array.from({ length: 1000 }, (_, i) => ({ i, s: 's' + i })))); }
    function clear() { out.fill(0); }
    for (let i = 0; i < 30; i++) { points(); pairs(); rows(); classes(); closures(); strings(); maps(); dates(); shrunk(); parsed(); clear(); }
    ''";

const NAMES: [&str; 10] = [
    "points", "pairs", "rows", "classes", "closures", "strings", "maps", "dates", "shrunk", "parsed",
];

#[test]
fn what_is_retained_is_what_the_heap_has_grown_by() {
    init();
    let (mut isolate, realm) = fixtures::realm();
    realm.run(&mut isolate, "kinds.js", KINDS);
    let clear = realm.function(&mut isolate, "clear");
    let used = |isolate: &mut v8::Isolate| {
        isolate.low_memory_notification();
        isolate.low_memory_notification();
        isolate.get_heap_statistics().used_heap_size() as i64
    };
    for name in NAMES {
        let work = realm.function(&mut isolate, name);
        realm.call(&mut isolate, &clear);
        let before = used(&mut isolate);
        realm.call(&mut isolate, &work);
        let grown = used(&mut isolate) - before;
        realm.call(&mut isolate, &clear);
        let (_, measured) = MeasureOptions::exact()
            .measure(&mut isolate, |isolate| realm.call(isolate, &work))
            .unwrap();
        let retained = number(measured.total().retained_bytes) as i64;
        println!("{name:9} heap grew by {grown:8}, retained {retained:8}, {} objects", number(measured.total().retained_objects));
        println!("{}", measured.profile().top(TopOptions::new(SampleType::InuseSpace)).unwrap());
    }
}
