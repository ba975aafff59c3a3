//! V8's flags, each set in a process of its own: flags freeze when V8 starts.

use v8_heap_sampler::analysis::{LeakOptions, Leaks, TopOptions};
use v8_heap_sampler::{
    Confidence, Contradiction, Error, HeapSampler, KeepDead, Profile, SampleType, SamplerOptions,
    v8_flags,
};

use crate::child;

/// A temporary and an object that is kept, made side by side by one optimised function: 56 and 40
/// bytes.
const FOLD: &str = "
    var kept = null, last = null;
    function garbageFirst(i) { const t = { a: i, b: i, c: i, d: i }; last = t; return { i, j: i }; }
    function garbageLast(i) { const o = { i, j: i }; last = { a: i, b: i, c: i, d: i }; return o; }
    function fill(f, n) {
        const out = new Array(n);
        for (let i = 0; i < n; i++) out[i] = f(i);
        last = null;
        return out;
    }
    for (let i = 0; i < 30; i++) { fill(garbageFirst, 3000); fill(garbageLast, 3000); }
    ''";

/// What 100,000 calls keep: an object each, and an array of pointers to them.
const KEPT: f64 = 100_000.0 * 40.0 + 100_000.0 * 8.0;

/// The profile of a call, once a script has run, and the bytes by which V8's used heap has grown.
fn sampled(script: &str, call: &str) -> (Profile, f64) {
    let (mut isolate, realm) = fixtures::realm();
    realm.run(&mut isolate, "script.js", script);
    isolate.low_memory_notification();
    isolate.low_memory_notification();
    let before = isolate.get_heap_statistics().used_heap_size();
    let options = SamplerOptions::new().interval_bytes(1024).keep_dead(KeepDead::Both);
    let mut sampler = HeapSampler::with_options(&mut isolate, options).unwrap();
    realm.run(&mut sampler, "call.js", call);
    sampler.low_memory_notification();
    sampler.low_memory_notification();
    let grown = sampler.get_heap_statistics().used_heap_size() as f64 - before as f64;
    (sampler.profile().unwrap(), grown)
}

/// Not a test, unless it was started by one.
#[test]
fn child_process() {
    let Some((part, flags)) = child::part() else { return };
    match &*part[0] {
        "too_late" => {
            fixtures::init();
            let error = v8_flags::set(&flags).unwrap_err();
            assert!(error.to_string().contains(&flags), "{error}");
            assert!(matches!(error, Error::V8HasStarted { .. }), "{error:?}");
        }
        "unknown" => {
            let error = v8_flags::set(&format!("--no-such {flags} --nor-such=1")).unwrap_err();
            let Error::UnknownFlags { flags } = &error else { panic!("{error:?}") };
            assert_eq!(flags, "--no-such --nor-such=1");
        }
        "known" => v8_flags::set(&flags).unwrap(),
        "fold" => {
            v8_flags::set(&flags).unwrap();
            for function in ["garbageFirst", "garbageLast"] {
                let (profile, grown) =
                    sampled(FOLD, &format!("kept = fill({function}, 100000); ''"));
                let in_use = profile.estimate(SampleType::InuseSpace).unwrap();
                let interval = in_use.interval(Confidence::P99).unwrap();
                println!("{function}: {in_use} in use, {KEPT} kept, the heap grew by {grown}");
                assert!((grown - KEPT).abs() < 0.05 * KEPT, "{grown}");
                let is_right = interval.lower <= KEPT * 1.02 && KEPT * 0.98 <= interval.upper;
                println!("{} {function}", if is_right { "right" } else { "wrong" });
            }
        }
        "inlining" => {
            v8_flags::set(&flags).unwrap();
            let script = "
                var out = [];
                function leaf(i) { return { i, j: i, k: i, l: i }; }
                function caller(n) { for (let i = 0; i < n; i++) out.push(leaf(i)); out = []; }
                for (let i = 0; i < 50; i++) caller(3000);
                ''";
            let (profile, _) = sampled(script, "for (let i = 0; i < 30; i++) caller(10000); ''");
            let top = profile.top(TopOptions::new(SampleType::AllocSpace)).unwrap();
            let of = |name: &str| -> f64 {
                let rows = top.rows.iter().filter(|row| row.name.starts_with(name));
                rows.map(|row| row.own.value()).sum()
            };
            let (leaf, caller) = (of("leaf "), of("caller "));
            println!("leaf {leaf:.0}, caller {caller:.0}");
            println!("{}", if leaf > caller { "under its own name" } else { "under the caller" });
        }
        part => panic!("{part}"),
    }
}

fn run(part: &str, flags: &str) -> String {
    let output = child::run("v8_flags::child_process", &[part], flags);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{part} {flags}\n{said}\n{}", child::stderr(&output));
    println!("{flags}\n{said}");
    said
}

#[test]
fn this_v8_knows_each_flag() {
    for flags in [
        v8_flags::NO_ALLOCATION_FOLDING,
        v8_flags::NO_INLINING,
        v8_flags::NO_ESCAPE_ANALYSIS,
        v8_flags::STABLE,
        v8_flags::STABLE_OPTIMIZED,
    ] {
        run("known", flags);
    }
    run("unknown", v8_flags::STABLE);
}

#[test]
fn flags_that_come_too_late_are_an_error() {
    run("too_late", v8_flags::NO_ALLOCATION_FOLDING);
}

#[test]
fn without_allocation_folding_each_object_lives_by_itself() {
    // On one thread, as code that is optimised late has made literals with something behind each.
    let said = run("fold", &format!("{} --single-threaded", v8_flags::NO_ALLOCATION_FOLDING));
    assert!(said.contains("right garbageFirst") && said.contains("right garbageLast"), "{said}");
    // With it, what comes first decides: were it otherwise, nobody would need the flags.
    let said = run("fold", "--single-threaded");
    assert!(said.contains("wrong garbageLast"), "{said}");
}

/// A leak of objects that optimised code makes just after a temporary one.
const FOLDED_LEAK: &str = "
    var sessions = new Array(1000000), count = 0, last = null;
    function handle(i) {
        const request = { id: i, a: i, b: i, c: i };
        last = request;
        return { i, seen: i };
    }
    function serve(n, keep) {
        for (let i = 0; i < n; i++) { const s = handle(i); if (keep) sessions[count++] = s; }
    }
    for (let i = 0; i < 50; i++) serve(3000, false);
    for (let i = 0; i < 5; i++) serve(3000, true);
    count = 0; sessions.fill(0); ''";

/// `FOLDED_LEAKS` says how often.
#[test]
fn a_leak_that_folding_hides_is_found_or_reported() {
    let times = std::env::var("FOLDED_LEAKS").map_or(2, |times| times.parse().unwrap());
    let (mut found, mut reported) = (0, 0);
    for _ in 0..times {
        let (mut isolate, realm) = fixtures::realm();
        realm.run(&mut isolate, "server.js", FOLDED_LEAK);
        let options = SamplerOptions::live_heap().interval_bytes(4096).force_gc(true);
        let mut sampler = HeapSampler::with_options(&mut isolate, options).unwrap();
        let snapshots: Vec<Profile> = (0..8)
            .map(|_| {
                realm.run(&mut sampler, "tick.js", "serve(20000, true); ''");
                sampler.profile().unwrap()
            })
            .collect();
        let leaks = Leaks::find(&snapshots, LeakOptions::new()).unwrap();
        println!("{leaks}");
        let check = snapshots[7].heap_check().unwrap();
        let is_found = leaks.rows.iter().any(|row| row.is_leak);
        let contradicts = check.contradiction() == Some(Contradiction::TooLittle);
        assert_eq!(leaks.to_string().contains("NO_ALLOCATION_FOLDING"), contradicts);
        // Samples can miss a part by less than what V8 may have made for itself.
        let is_elsewhere = leaks.accounted_for().unwrap() < 0.5;
        assert_eq!(leaks.to_string().contains("most of it is in none of them"), is_elsewhere);
        let is_reported = contradicts || is_elsewhere;
        assert!(is_found || is_reported, "{check}\n{leaks}");
        // The counter is right in any case: 20,000 objects of 40 bytes.
        let heap = leaks.heap.expect("garbage was collected before each snapshot").value;
        let bytes = heap * leaks.duration.unwrap().as_secs_f64() / 7.0;
        assert!((bytes / 800_000.0 - 1.0).abs() < 0.5, "{bytes} a snapshot\n{leaks}");
        if contradicts {
            let options = TopOptions::new(SampleType::InuseSpace);
            let top = snapshots[7].top(&options).unwrap().to_string();
            assert!(top.contains(&check.to_string()), "{top}");
            assert!(snapshots[7].metadata.comments.contains(&check.to_string()));
            let diff = snapshots[7].diff(&snapshots[0], SampleType::InuseSpace).unwrap();
            assert!(diff.to_string().contains("after: the used heap"), "{diff}");
        }
        (found, reported) = (found + u32::from(is_found), reported + u32::from(is_reported));
    }
    println!("of {times} runs: found in {found}, reported in {reported}");
}

#[test]
fn without_inlining_a_function_s_bytes_are_under_its_own_name() {
    assert!(run("inlining", v8_flags::NO_INLINING).contains("under its own name"));
    assert!(run("inlining", "--single-threaded").contains("under the caller"));
}
