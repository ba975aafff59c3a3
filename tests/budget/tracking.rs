//! Tracked objects against the heap: what is alive, to the byte.

use fixtures::Inspector;
use v8_heap_sampler::analysis::{GroupBy, TopOptions};
use v8_heap_sampler::budget::{Budget, MeasureOptions, Measurement};
use v8_heap_sampler::{
    Error, HeapSampler, HeapTracker, Profile, SampleType, SamplerOptions, TrackingSession, v8_flags,
};

use super::{child, init, number};

/// Functions that keep 10,000 things of a kind each, but for a few.
const KINDS: &str = "
    const out = new Array(10000);
    function point(i) { return { x: i, y: i }; }
    function pair(i) { return [i, i]; }
    function renderRow(i) { return { i, cells: [i, i] }; }
    class P { constructor(i) { this.x = i; this.y = i; } }
    const each = (f, n = 10000) => { for (let i = 0; i < n; i++) out[i] = f(i); };
    function points() { each(point); }
    function pairs() { each(pair); }
    function rows() { each(renderRow); }
    function classes() { each((i) => new P(i)); }
    function closures() { each((i) => () => i); }
    function strings() { each((i) => 'abcdefghijklmnopqrst' + i); }
    function maps() { each((i) => new Map([[i, i]]), 1000); }
    function dates() { each((i) => new Date(i)); }
    function numbers() { each((i) => i / 3); }
    function promises() { each(async (i) => i); }
    function shrunk() {
        each((i) => { const a = []; for (let j = 0; j < 50; j++) a.push(j); a.length = 5; return a; });
    }
    function built() { each((i) => `${i}`.repeat(9).split('').map((c) => c + i).join('-')); }
    function parsed() {
        out[0] = JSON.parse(JSON.stringify(Array.from({ length: 5000 }, (_, i) => ({ i, s: 's' + i }))));
    }
    function clear() { out.fill(0); }";

const NAMES: [&str; 13] = [
    "points", "pairs", "rows", "classes", "closures", "strings", "maps", "dates", "numbers",
    "promises", "shrunk", "built", "parsed",
];

/// How far V8's used heap has grown while work was measured, and the measurement.
fn measured_with_growth(name: &str) -> (i64, Measurement) {
    let (mut isolate, realm) = fixtures::realm();
    realm.run(&mut isolate, "kinds.js", KINDS);
    let [work, clear] = [name, "clear"].map(|name| realm.function(&mut isolate, name));
    for _ in 0..20 {
        realm.call(&mut isolate, &work);
        realm.call(&mut isolate, &clear);
    }
    let used = |isolate: &mut v8::Isolate| {
        isolate.low_memory_notification();
        isolate.low_memory_notification();
        isolate.get_heap_statistics().used_heap_size() as i64
    };
    let before = used(&mut isolate);
    realm.call(&mut isolate, &work);
    let grown = used(&mut isolate) - before;
    realm.call(&mut isolate, &clear);
    let call = |isolate: &mut v8::Isolate| realm.call(isolate, &work);
    (grown, MeasureOptions::exact().measure(&mut isolate, call).unwrap().1)
}

#[test]
fn what_is_retained_is_what_the_heap_grows_by() {
    init();
    for name in NAMES {
        let (grown, measurement) = measured_with_growth(name);
        let total = measurement.total();
        let of = measurement.profile().collection().unwrap();
        let in_this_run = of.heap.used.0 as i64 - of.heap_at_start.used.0 as i64;
        println!("{name:9} the heap grows by {grown:7}, {in_this_run:7} while measured, {total}");
        let retained = number(total.retained_bytes) as i64;
        // To the byte; what takes the place of older things counts in full all the same.
        let replaced = if name == "numbers" { 10_000 * 8 + 16 } else { 0 };
        assert_eq!(retained, in_this_run + replaced, "{name}\n{measurement}");
        // And when nobody looks.
        assert!((in_this_run - grown).abs() <= grown / 50, "{name}: {grown}\n{measurement}");
        // And by the function.
        let by = measurement.function(name).unwrap().total;
        assert!(number(by.retained_bytes) as i64 >= retained - 1000, "{name}\n{measurement}");
        assert!(measurement.is_tracked() && measurement.is_exact());
        let json = serde_json::to_string(&measurement).unwrap();
        assert_eq!(serde_json::from_str::<Measurement>(&json).unwrap(), measurement);
    }
}

#[test]
fn literals_are_as_large_as_they_are() {
    init();
    let of = |name: &str| {
        let total = measured_with_growth(name).1.total();
        [total.retained_objects, total.retained_bytes].map(number)
    };
    assert_eq!(of("points"), [10_000, 400_000]);
    assert_eq!(of("pairs"), [20_000, 640_000]);
    assert_eq!(of("rows"), [30_000, 1_040_000]);
    assert_eq!(of("maps"), [2000, 184_000]);
}

fn by_class(profile: &Profile, class: &str) -> [u64; 2] {
    [SampleType::InuseObjects, SampleType::InuseSpace].map(|what| {
        let top = profile.top(TopOptions::new(what).by(GroupBy::Label("class".into()))).unwrap();
        let row = top.rows.iter().find(|row| row.name == class);
        row.map_or(0, |row| number(row.own))
    })
}

const KEEP: &str = "globalThis.Row ??= class Row { constructor(i) { this.i = i; } };
    function keep(n) { return Array.from({ length: n }, (_, i) => new Row(i)); }
    globalThis.kept ??= []; kept.push(keep(1000)); ''";

#[test]
fn tells_functions_and_classes() {
    init();
    let (mut isolate, realm) = fixtures::realm();
    realm.run(&mut isolate, "warm.js", KEEP);
    let mut tracker = HeapTracker::new(&mut isolate).unwrap();
    realm.run(&mut tracker, "app.js", KEEP);
    let profile = tracker.profile().unwrap();
    // Slots that the class does without were cut off by then.
    assert_eq!(by_class(&profile, "Row")[0], 1000, "{:?}", profile.top(SampleType::InuseObjects));
    // Who calls a constructor has V8 make the object.
    let top = profile.top(SampleType::InuseObjects).unwrap();
    assert!(top.rows[0].name.starts_with("(anonymous) app.js:2"), "{top}");
    assert!((1000..1010).contains(&number(top.rows[0].own)), "{top}");
    // Once more, after a snapshot: what it has shown is still there, and the new beside it.
    realm.run(&mut tracker, "app.js", KEEP);
    let profile = tracker.finish().unwrap();
    assert_eq!(by_class(&profile, "Row")[0], 2000);
    let json = serde_json::to_string(&profile).unwrap();
    assert_eq!(serde_json::from_str::<Profile>(&json).unwrap(), profile);
}

/// The number of functions whose allocations V8 knows: none unless somebody tracks them.
fn tracked_functions(isolate: &mut v8::Isolate) -> usize {
    let mut json = Vec::new();
    isolate.take_heap_snapshot(|chunk| {
        json.extend_from_slice(chunk);
        true
    });
    let snapshot: serde_json::Value = serde_json::from_slice(&json).unwrap_or_default();
    snapshot["snapshot"]["trace_function_count"].as_u64().unwrap() as usize
}

#[test]
fn ends_with_the_guard_or_the_isolate() {
    init();
    let (mut isolate, realm) = fixtures::realm();
    drop(HeapTracker::new(&mut isolate).unwrap());
    assert_eq!(tracked_functions(&mut isolate), 0);
    HeapTracker::new(&mut isolate).unwrap().stop().unwrap();
    assert_eq!(tracked_functions(&mut isolate), 0);
    // One that is leaked is taken over by the next, as nobody can use it any more.
    std::mem::forget(HeapTracker::new(&mut isolate).unwrap());
    assert!(tracked_functions(&mut isolate) > 0);
    assert!(matches!(HeapTracker::new(&mut isolate), Err(Error::AlreadyTracking)));
    drop(isolate);

    let (mut isolate, _) = fixtures::realm();
    drop(TrackingSession::start(&mut isolate).unwrap());
    assert!(tracked_functions(&mut isolate) > 0, "nobody could stop it yet");
    let next = TrackingSession::start(&mut isolate).unwrap();
    assert!(matches!(TrackingSession::start(&mut isolate), Err(Error::AlreadyTracking)));
    next.stop(&mut isolate).unwrap();
    assert_eq!(tracked_functions(&mut isolate), 0);
    assert!(matches!(next.profile(&mut isolate), Err(Error::NotTracking)));
    assert!(matches!(next.stop(&mut isolate), Err(Error::NotTracking)));
    let mut other = fixtures::isolate();
    assert!(matches!(next.profile(&mut other), Err(Error::OtherIsolate)));
    drop(realm);
}

#[test]
fn devtools_tracker_is_left_alone() {
    init();
    let (mut isolate, realm) = fixtures::realm();
    let inspector = Inspector::connect(&mut isolate, &realm);
    const START: [&str; 2] =
        ["HeapProfiler.startTrackingHeapObjects", r#"{"trackAllocations":true}"#];
    const STOP: [&str; 2] = ["HeapProfiler.stopTrackingHeapObjects", "{}"];
    inspector.dispatch(START[0], START[1]);
    assert!(matches!(HeapTracker::new(&mut isolate), Err(Error::AlreadyTracking)));
    let measured = MeasureOptions::exact().measure(&mut isolate, |_| ());
    assert!(matches!(measured, Err(Error::AlreadyTracking)));
    HeapSampler::new(&mut isolate, 1024, 64).unwrap().stop().unwrap();
    inspector.dispatch(STOP[0], STOP[1]);

    // Theirs in place of ours.
    let session = TrackingSession::start(&mut isolate).unwrap();
    inspector.dispatch(START[0], START[1]);
    realm.run(&mut isolate, "keep.js", KEEP);
    assert!(matches!(session.profile(&mut isolate), Err(Error::NotTracking)));
    drop(session);
    assert!(matches!(TrackingSession::start(&mut isolate), Err(Error::AlreadyTracking)));
    assert!(tracked_functions(&mut isolate) > 0);
    inspector.dispatch(STOP[0], STOP[1]);

    // Ours stopped by them.
    let session = TrackingSession::start(&mut isolate).unwrap();
    inspector.dispatch(STOP[0], STOP[1]);
    assert!(matches!(session.finish(&mut isolate), Err(Error::NotTracking)));
    let session = TrackingSession::start(&mut isolate).unwrap();
    realm.run(&mut isolate, "keep.js", KEEP);
    assert!(by_class(&session.finish(&mut isolate).unwrap(), "Row")[0] >= 1000);
}

#[test]
fn goes_together_with_samplers() {
    init();
    let (mut isolate, realm) = fixtures::realm();
    realm.run(&mut isolate, "warm.js", KEEP);
    let session = TrackingSession::start(&mut isolate).unwrap();
    let mut sampler = HeapSampler::with_options(&mut isolate, SamplerOptions::exact()).unwrap();
    realm.run(&mut sampler, "keep.js", KEEP);
    assert!(sampler.finish().unwrap().total(SampleType::InuseSpace).unwrap() > 0.0);
    assert!(by_class(&session.finish(&mut isolate).unwrap(), "Row")[0] == 1000);
    // A sampler that looks at each byte looks like a tracker.
    let mut sampler = HeapSampler::with_options(&mut isolate, SamplerOptions::exact()).unwrap();
    let refused = TrackingSession::start(&mut sampler);
    assert!(matches!(refused, Err(Error::AlreadyTracking)), "{refused:?}");
    drop(sampler);
    // And one of DevTools' refuses a measurement, which leaves nothing behind.
    let inspector = Inspector::connect(&mut isolate, &realm);
    inspector.dispatch("HeapProfiler.startSampling", r#"{"samplingInterval":4096}"#);
    let refused = MeasureOptions::exact().measure(&mut isolate, |_| ());
    assert!(matches!(refused, Err(Error::AlreadySampling)));
    assert_eq!(tracked_functions(&mut isolate), 0);
    inspector.dispatch("HeapProfiler.stopSampling", "{}");
    MeasureOptions::exact().measure(&mut isolate, |_| ()).unwrap();
}

/// What optimised code does that makes V8's tracker crash where it may elide closures.
const LEAVE_OPTIMISED_CODE: &str = "
    function outer(x, k) {
        const o = { x, y: 1 };
        const f = (v) => { const p = { o, v }; const q = v + k; return [q, p.o.x, p][1]; };
        return f(x) + 1;
    }
    for (let round = 0; round < 20; round++) {
        %PrepareFunctionForOptimization(outer);
        for (let i = 0; i < 1000; i++) outer(i, 1);
        %OptimizeFunctionOnNextCall(outer);
        outer(1, 1);
        outer(2, 'abc');
        outer({}, 2);
    }
    ''";

/// Not a test, unless it was started by one.
#[test]
fn child_process() {
    let Some((part, flags)) = child::part() else { return };
    init();
    let (mut isolate, realm) = fixtures::realm();
    match &*part[0] {
        "refused" => {
            let refused = HeapTracker::new(&mut isolate).unwrap_err();
            assert!(matches!(refused, Error::EscapeAnalysis), "{refused}");
            // What is retained is told by samples then.
            let measured = MeasureOptions::exact()
                .measure(&mut isolate, |isolate| realm.run(isolate, "keep.js", KEEP));
            let (_, measurement) = measured.unwrap();
            assert!(!measurement.is_tracked() && measurement.is_exact());
            measurement.assert(Budget::all().retained_bytes(1 << 20));
            assert!(number(measurement.total().retained_objects) >= 1000);
        }
        "safe" => {
            let mut tracker = HeapTracker::new(&mut isolate).unwrap();
            if flags.contains("natives") {
                realm.run(&mut tracker, "leave.js", LEAVE_OPTIMISED_CODE);
            }
            tracker.finish().unwrap();
        }
        other => panic!("{other}"),
    }
}

#[test]
fn is_refused_where_v8_would_crash() {
    let child = |part: &str, flags: &str| {
        let output = child::run("tracking::child_process", &[part], flags);
        assert!(output.status.success(), "{part} {flags}: {}", child::stderr(&output));
    };
    child("refused", "--no-maglev");
    child("refused", v8_flags::STABLE_OPTIMIZED);
    child("safe", v8_flags::STABLE);
    child("safe", &format!("{} --allow-natives-syntax", v8_flags::NO_ESCAPE_ANALYSIS));
    child("safe", "--jitless");
}
