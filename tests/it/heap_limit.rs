//! Heaps that come to their limits: in this process, and in children that die of it.

use std::ffi::c_void;
use std::path::Path;
use std::process::Output;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use fixtures::{Realm, ScriptError};
use v8_heap_sampler::analysis::{LeakOptions, Leaks, Pattern, Query, TopOptions};
use v8_heap_sampler::heap_limit::{
    AtLimit, HeapLimitMonitor, HeapLimitOptions, HeapLimitReport, LimitCause,
};
use v8_heap_sampler::{
    Bytes, Error, Label, Profile, SampleType, SamplerOptions, SamplingSession, v8_flags,
};

use crate::child::{self, stderr};

const MB: usize = 1 << 20;

/// Ways to exhaust a heap, each in a function of that name, beside work that keeps nothing.
const WAYS: [(&str, &str); 5] = [
    ("array", "function array() { for (let i = 0; ; i++) { kept[i] = i + 0.5; work(i); } }"),
    (
        "strings",
        "function strings() { for (let i = 0; ; i++) { kept.push('row ' + i); work(i); } }",
    ),
    ("closures", "function closures() { for (let i = 0; ; i++) { kept.push(() => i); work(i); } }"),
    (
        "recursion",
        "function run() { for (let i = 0; ; i++) { kept.push(recursion(1000)); work(i * 1000); } }
         function recursion(n) { return n && { n, row: [n, n], below: recursion(n - 1) }; }",
    ),
    (
        "maps",
        "function maps() { for (let i = 0; ; i++) { kept.push(new Map([[i, i]])); work(i); } }",
    ),
];

/// The script of a way.
fn script(way: &str) -> String {
    let (_, source) = WAYS.iter().find(|(name, _)| *name == way).expect("a way");
    let main = if way == "recursion" { "run" } else { way };
    let work = "function work(i) {
            if (i % 1000 == 0) globalThis.last = Array.from({ length: 100 }, (_, n) => ({ n, i }));
        }";
    format!("{source}\n{work}\nglobalThis.kept = []; {main}();")
}

fn isolate(mb: usize) -> (v8::OwnedIsolate, Realm) {
    fixtures::init();
    let mut isolate = v8::Isolate::new(v8::CreateParams::default().heap_limits(0, mb * MB));
    let realm = Realm::new(&mut isolate);
    (isolate, realm)
}

fn live_heap() -> SamplerOptions {
    SamplerOptions::live_heap().interval_bytes(16 * 1024)
}

fn terminate() -> HeapLimitOptions {
    HeapLimitOptions::new().at_limit(AtLimit::Terminate)
}

fn fill(isolate: &mut v8::Isolate, realm: &Realm, way: &str) -> Result<String, ScriptError> {
    realm.try_run(isolate, "way.js", &script(way))
}

fn limit(isolate: &mut v8::Isolate) -> usize {
    isolate.get_heap_statistics().heap_size_limit()
}

/// The function that has most in use, what built-in ones have made counted as their callers'.
fn culprit(profile: &Profile) -> String {
    let folded = profile.query(&Query::new().hide(Pattern::builtin())).unwrap();
    let top = folded.top(TopOptions::new(SampleType::InuseSpace)).unwrap();
    top.rows[0].name.clone()
}

fn report_of(monitor: &HeapLimitMonitor) -> HeapLimitReport {
    monitor.take_report().expect("the monitor has acted")
}

/// Runs a part of this file in a process of its own, with flags of V8's.
fn child(part: &str, arguments: &[&str], flags: &str) -> Output {
    let words: Vec<&str> = std::iter::once(part).chain(arguments.iter().copied()).collect();
    child::run("heap_limit::child_process", &words, flags)
}

/// Not a test, unless it was started by one.
#[test]
fn child_process() {
    let Some((words, flags)) = child::part() else { return };
    fixtures::init_with_flags(&flags);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["dies", way, mb, share, path] => dies(way, mb, share, path),
        ["lives", way, share] => lives(way, share),
        ["one_of_eight"] => one_of_eight(),
        ["ineffective", monitored] => ineffective(monitored == "monitored"),
        #[cfg(target_os = "linux")]
        ["needs", digits] => needs(digits.parse().unwrap()),
        _ => panic!("{words:?}"),
    }
}

/// V8 is let die at a limit; what was taken is on disk.
fn dies(way: &str, mb: &str, share: &str, path: &str) {
    let mb: usize = mb.parse().unwrap();
    let (mut isolate, realm) = isolate(mb);
    let sampling = live_heap().interval_bytes(mb as u64 * 256);
    let _session = SamplingSession::start(&mut isolate, sampling).unwrap();
    let options = HeapLimitOptions::new()
        .at_limit(AtLimit::Die)
        .share(share.parse().unwrap())
        .write_to(path, |profile, out| profile.write_heapprofile(out, ""))
        .on_report(|report| eprintln!("{report}"));
    let _monitor = HeapLimitMonitor::install(&mut isolate, options).unwrap();
    let ran = fill(&mut isolate, &realm, way);
    panic!("V8 has not died: {ran:?}");
}

/// The script is terminated, and the isolate goes on.
fn lives(way: &str, share: &str) {
    let (mut isolate, realm) = isolate(64);
    let _session = SamplingSession::start(&mut isolate, live_heap()).unwrap();
    // An array has half of its size again before it can be terminated.
    let ceiling = Bytes(if way == "array" { 48 } else { 12 } * MB as u64);
    let before = limit(&mut isolate);
    let options = terminate().share(share.parse().unwrap()).ceiling(ceiling);
    let monitor = HeapLimitMonitor::install(&mut isolate, options).unwrap();
    let error = fill(&mut isolate, &realm, way).unwrap_err();
    assert_eq!(error.message, "execution was terminated");
    let report = report_of(&monitor);
    assert_eq!(report.action, AtLimit::Terminate);
    assert!(
        culprit(report.profile.as_ref().unwrap()).starts_with(&format!("{way} way.js")),
        "{report}"
    );
    let raised = limit(&mut isolate) - before;
    // V8 has gone over the limit itself, most of all to make an array.
    let over = if way == "array" { 24 * MB } else { 8 * MB };
    assert!(raised <= ceiling.0 as usize + over, "raised by {raised}");
    assert!(share != "1" || report.cause == LimitCause::Limit && raised > 0, "{report}");

    isolate.cancel_terminate_execution();
    realm.run(&mut isolate, "after.js", "kept = undefined; last = undefined; 1 + 1");
    isolate.low_memory_notification();
    isolate.low_memory_notification();
    assert_eq!(limit(&mut isolate), before, "restored");
}

#[cfg(all(feature = "formats", unix))]
fn dies_with_a_profile(mb: &str, way: &str, share: &str) {
    use std::os::unix::process::ExitStatusExt;
    use v8_heap_sampler::format::read;

    let folder =
        std::env::temp_dir().join(format!("heap-limit-{}-{mb}-{way}-{share}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("out.heapprofile");
    let output = child("dies", &[way, mb, share, path.to_str().unwrap()], "");
    let said = stderr(&output);
    assert!(output.status.signal().is_some(), "{way} {share}: {:?}\n{said}", output.status);
    let bytes =
        std::fs::read(&path).unwrap_or_else(|error| panic!("{way} {share}: {error}\n{said}"));
    let profile = read(&bytes[..]).unwrap();
    assert!(culprit(&profile).starts_with(&format!("{way} way.js")), "{}", culprit(&profile));
    let files: Vec<_> = std::fs::read_dir(&folder).unwrap().collect();
    assert_eq!(files.len(), 1, "nothing partial is left: {files:?}");
    std::fs::remove_dir_all(folder).unwrap();
}

/// `HEAP_LIMIT_RUNS=100` for the long form.
#[cfg(all(feature = "formats", unix))]
#[test]
fn a_profile_that_names_the_culprit_first_is_on_disk_when_the_process_dies() {
    let runs = std::env::var("HEAP_LIMIT_RUNS").map_or(2, |runs| runs.parse().unwrap());
    for (way, _) in WAYS {
        for run in 0..runs {
            dies_with_a_profile("64", way, if run % 2 == 0 { "0.85" } else { "1" });
        }
    }
    println!("{} of {} processes left a profile", 5 * runs, 5 * runs);
}

#[cfg(all(feature = "formats", unix))]
#[test]
#[ignore = "takes 1 GB"]
fn so_it_is_with_a_large_heap() {
    for ((way, _), share) in WAYS.into_iter().zip(["0.85", "1", "0.85", "1", "0.85"]) {
        dies_with_a_profile("1024", way, share);
    }
}

#[test]
fn a_terminated_script_leaves_an_isolate_that_goes_on() {
    for (way, _) in WAYS {
        for share in ["0.85", "1"] {
            let output = child("lives", &[way, share], "");
            assert!(output.status.success(), "{way} {share}: {}", stderr(&output));
        }
    }
}

/// One isolate of a process comes to its limit while seven others work.
fn one_of_eight() {
    static ENDED: AtomicBool = AtomicBool::new(false);
    let work = |number: i64| {
        let (mut isolate, realm) = isolate(64);
        let _session = SamplingSession::start(&mut isolate, live_heap()).unwrap();
        let options = terminate().label(Label::number("isolate", number, ""));
        let monitor = HeapLimitMonitor::install(&mut isolate, options).unwrap();
        if number == 3 {
            fill(&mut isolate, &realm, "closures").unwrap_err();
            ENDED.store(true, Ordering::Release);
            return monitor.take_report();
        }
        let (mut before, mut after) = (0, 0);
        let work = "function sum(n) { return n && [n].concat([n]).length + sum(n - 1); } sum(1000)";
        while after < 3 {
            *(if ENDED.load(Ordering::Acquire) { &mut after } else { &mut before }) += 1;
            assert_eq!(realm.run(&mut isolate, "work.js", work), "2000");
        }
        assert!(before > 0);
        monitor.take_report()
    };
    let threads: Vec<_> = (0..8).map(|number| thread::spawn(move || work(number))).collect();
    let reports: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    for (number, report) in (0..).zip(reports) {
        let profile = report.map(|report| report.profile.unwrap());
        assert_eq!(profile.is_some(), number == 3);
        let labels = profile.as_ref().map(|profile| profile.rows().next().unwrap().labels());
        assert_eq!(labels, (number == 3).then_some(&[Label::number("isolate", 3, "")][..]));
    }
}

#[test]
fn one_isolate_of_eight_runs_out_and_seven_go_on() {
    let output = child("one_of_eight", &[], "");
    assert!(output.status.success(), "{}", stderr(&output));
}

/// V8 finds its collections ineffective long before the limit.
fn ineffective(is_monitored: bool) {
    let (mut isolate, realm) = isolate(64);
    let _session = SamplingSession::start(&mut isolate, live_heap()).unwrap();
    let monitor = is_monitored
        .then(|| HeapLimitMonitor::install(&mut isolate, terminate().share(1.0)).unwrap());
    let ran = fill(&mut isolate, &realm, "closures");
    let monitor = monitor.unwrap_or_else(|| panic!("V8 has not died: {ran:?}"));
    let report = report_of(&monitor);
    assert_eq!(report.cause, LimitCause::Limit);
    let (used, limit) = (report.old_generation_used, report.old_generation_limit);
    assert!(used.0 * 10 < limit.0 * 8, "{report}");
}

#[test]
fn ineffective_collections_do_not_end_the_process() {
    let flags = "--ineffective-gc-size-threshold=0.05 \
                 --ineffective-gc-mutator-utilization-threshold=1 --gc-global";
    let dies = child("ineffective", &["not"], flags);
    assert!(!dies.status.success());
    assert!(
        stderr(&dies).contains("Ineffective mark-compacts near heap limit"),
        "{}",
        stderr(&dies)
    );
    let lives = child("ineffective", &["monitored"], flags);
    assert!(lives.status.success(), "{}", stderr(&lives));
}

/// A part of memory that a test fills and frees, in steps that can be told apart.
const FILL: &str = "globalThis.kept = [];
    function fill(n) { for (let i = 0; i < n; i++) kept.push([i, i, i, i, i, i, i, i, i, i, i, i]); }
    ''";

/// Keeps so many megabytes more, and lets V8 know how much that is.
fn keep(isolate: &mut v8::Isolate, realm: &Realm, mb: usize) -> Result<String, ScriptError> {
    let collected = realm.try_run(isolate, "keep.js", &format!("fill({}); gc(); ''", mb * 8000));
    // Interrupts are served where JavaScript runs.
    collected.and_then(|_| realm.try_run(isolate, "go_on.js", "(function go() {})()"))
}

/// Fills the heap until the monitor acts.
fn until_it_acts(
    isolate: &mut v8::Isolate,
    realm: &Realm,
    monitor: &HeapLimitMonitor,
) -> HeapLimitReport {
    loop {
        let kept = keep(isolate, realm, 4);
        match monitor.take_report() {
            Some(report) => return report,
            None => kept.unwrap(),
        };
    }
}

#[test]
fn the_history_says_from_when_on() {
    let (mut isolate, realm) = isolate(64);
    let mut session = SamplingSession::start(&mut isolate, live_heap()).unwrap();
    let monitor = HeapLimitMonitor::install(&mut isolate, HeapLimitOptions::new()).unwrap();
    realm.run(&mut isolate, "fill.js", FILL);
    let report = until_it_acts(&mut isolate, &realm, &monitor);
    assert_eq!((report.cause, report.action), (LimitCause::Share, AtLimit::Grant));
    assert!((5..=8).contains(&report.history.len()), "{}", report.history.len());
    let totals: Vec<f64> =
        report.snapshots().map(|profile| profile.total(SampleType::InuseSpace).unwrap()).collect();
    assert!(totals.is_sorted(), "{totals:?}");
    let leaks = Leaks::find(report.snapshots(), LeakOptions::new()).unwrap();
    assert!(leaks.rows[0].is_leak && leaks.rows[0].name.starts_with("fill fill.js"), "{leaks}");
    assert!(report.to_string().contains("1 of "), "{report}");
    session.stop(&mut isolate).unwrap();
}

#[test]
fn a_limit_that_was_raised_is_restored_and_the_monitor_acts_again() {
    let (mut isolate, realm) = isolate(64);
    let _session = SamplingSession::start(&mut isolate, live_heap()).unwrap();
    let ceiling = Bytes(32 * MB as u64);
    let options = HeapLimitOptions::new().share(0.9).ceiling(ceiling);
    let monitor = HeapLimitMonitor::install(&mut isolate, options).unwrap();
    realm.run(&mut isolate, "fill.js", FILL);
    let before = limit(&mut isolate);
    for _ in 0..2 {
        let mut acted = 0;
        // Past the first limit, below the ceiling.
        while limit(&mut isolate) == before {
            keep(&mut isolate, &realm, 4).unwrap();
            acted += usize::from(monitor.take_report().is_some());
        }
        assert_eq!(acted, 1, "it acts once");
        assert_eq!(limit(&mut isolate), before + 32 * MB);
        realm.run(&mut isolate, "free.js", "kept = []; gc(); gc(); ''");
        assert_eq!(limit(&mut isolate), before);
    }
}

static CALLS: AtomicUsize = AtomicUsize::new(0);

/// An embedder's callback, which grants all that is asked for.
unsafe extern "C" fn embedder(_: *mut c_void, current: usize, _: usize) -> usize {
    CALLS.fetch_add(1, Ordering::Relaxed);
    current + 16 * MB
}

#[test]
fn callbacks_of_the_embedder_go_on_working() {
    for is_first in [true, false] {
        let (mut isolate, realm) = isolate(64);
        let _session = SamplingSession::start(&mut isolate, live_heap()).unwrap();
        let before = limit(&mut isolate);
        let install = |isolate: &mut v8::Isolate| {
            let options = HeapLimitOptions::new().share(if is_first { 1.0 } else { 0.85 });
            HeapLimitMonitor::install(isolate, options.ceiling(Bytes(8 * MB as u64))).unwrap()
        };
        let early = is_first.then(|| {
            isolate.add_near_heap_limit_callback(embedder, std::ptr::null_mut());
            install(&mut isolate)
        });
        let monitor = early.unwrap_or_else(|| {
            let monitor = install(&mut isolate);
            isolate.add_near_heap_limit_callback(embedder, std::ptr::null_mut());
            monitor
        });
        CALLS.store(0, Ordering::Relaxed);
        realm.run(&mut isolate, "fill.js", FILL);
        let report = until_it_acts(&mut isolate, &realm, &monitor);
        assert_eq!(CALLS.load(Ordering::Relaxed), 0, "the monitor comes first");
        let by_monitor = if is_first { LimitCause::Limit } else { LimitCause::Share };
        assert_eq!(report.cause, by_monitor);
        while CALLS.load(Ordering::Relaxed) < 2 {
            keep(&mut isolate, &realm, 4).unwrap();
        }
        assert!(limit(&mut isolate) >= before + 32 * MB);
        assert!(monitor.take_report().is_none());
        // The embedder's is still there to be removed, and V8 aborts if it is not.
        isolate.remove_near_heap_limit_callback(embedder, 0);
        monitor.remove(&mut isolate).unwrap();
    }
}

#[test]
fn without_a_sampler_the_history_is_what_there_is() {
    let (mut isolate, realm) = isolate(64);
    let mut session = SamplingSession::start(&mut isolate, live_heap()).unwrap();
    let folder = std::env::temp_dir().join(format!("heap-limit-{}-history", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("out.folded");
    let options = terminate()
        .write_to(&path, |profile, out| profile.write_folded(out, SampleType::InuseSpace));
    let monitor = HeapLimitMonitor::install(&mut isolate, options).unwrap();
    realm.run(&mut isolate, "fill.js", FILL);
    for _ in 0..6 {
        keep(&mut isolate, &realm, 4).unwrap();
    }
    session.stop(&mut isolate).unwrap();
    let report = until_it_acts(&mut isolate, &realm, &monitor);
    assert!(matches!(report.profile, Err(Error::NotSampling)), "{report}");
    assert!(!report.history.is_empty());
    assert_eq!(culprit(report.snapshots().next_back().unwrap()), "fill fill.js:2:18");
    assert!(report.to_string().contains("no profile of that moment"), "{report}");
    assert!(matches!(report.file, Some(Ok(()))));
    assert!(std::fs::read_to_string(&path).unwrap().contains("fill fill.js"));
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn nothing_is_lost_if_the_file_cannot_be_written_or_a_function_panics() {
    let missing = Path::new("/nowhere/at/all.folded");
    let as_told = |profile: &Profile, out: &mut dyn std::io::Write| {
        profile.write_folded(out, SampleType::InuseSpace)
    };
    let file = std::env::temp_dir().join(format!("heap-limit-{}-panic", std::process::id()));
    for options in [
        terminate().write_to(missing, as_told),
        terminate().write_to(&file, |_, _| panic!("a writer")),
    ] {
        let (mut isolate, realm) = isolate(32);
        let _session = SamplingSession::start(&mut isolate, live_heap()).unwrap();
        let options = options.on_report(|_| panic!("a handler"));
        let monitor = HeapLimitMonitor::install(&mut isolate, options).unwrap();
        fill(&mut isolate, &realm, "maps").unwrap_err();
        let report = report_of(&monitor);
        assert!(report.to_string().contains("no file: writing failed: "), "{report}");
        assert_eq!(culprit(&report.profile.unwrap()), "maps way.js:1:14");
    }
    assert!(!file.exists());
}

#[test]
fn an_isolate_has_one_monitor() {
    let (mut isolate, _realm) = isolate(64);
    for share in [0.0, -1.0, 1.1, f64::NAN] {
        let error = HeapLimitMonitor::install(&mut isolate, terminate().share(share)).unwrap_err();
        assert!(matches!(error, Error::HeapLimitShare { .. }), "{error}");
    }
    let first = HeapLimitMonitor::install(&mut isolate, terminate()).unwrap();
    let second = HeapLimitMonitor::install(&mut isolate, terminate());
    assert!(matches!(second, Err(Error::AlreadyMonitored)));
    {
        let mut other = v8::Isolate::new(v8::CreateParams::default());
        assert!(matches!(first.remove(&mut other), Err(Error::OtherIsolate)));
        assert!(matches!(first.poll(&mut other), Err(Error::OtherIsolate)));
    }
    first.remove(&mut isolate).unwrap();
    assert!(matches!(first.remove(&mut isolate), Err(Error::OtherIsolate)));
    let third = HeapLimitMonitor::install(&mut isolate, terminate()).unwrap();
    assert!(matches!(first.poll(&mut isolate), Err(Error::OtherIsolate)));
    drop((first, third));
    // It is there without its handle, and goes with the isolate.
    let fourth = HeapLimitMonitor::install(&mut isolate, terminate());
    assert!(matches!(fourth, Err(Error::AlreadyMonitored)));
}

#[test]
fn what_is_off_the_heap_has_a_limit_of_its_own() {
    let (mut isolate, realm) = isolate(64);
    let _session = SamplingSession::start(&mut isolate, live_heap()).unwrap();
    let options = terminate().external_limit(Bytes(32 * MB as u64));
    let monitor = HeapLimitMonitor::install(&mut isolate, options).unwrap();
    let buffers = "globalThis.kept = []; function buffers() {
            for (;;) { kept.push(new ArrayBuffer(1 << 20)); if (kept.length % 8 == 0) gc(); } }";
    let error = realm.try_run(&mut isolate, "b.js", &format!("{buffers} buffers()")).unwrap_err();
    assert_eq!(error.message, "execution was terminated");
    let report = report_of(&monitor);
    assert_eq!(report.cause, LimitCause::External);
    assert!((32 << 20..48 << 20).contains(&report.heap.external.0), "{report}");
    isolate.cancel_terminate_execution();

    // It has not come down: the monitor does not act again. It does when it has been.
    assert!(!monitor.poll(&mut isolate).unwrap());
    realm.run(&mut isolate, "free.js", "kept = []; gc(); gc(); ''");
    assert!(!monitor.poll(&mut isolate).unwrap());
    realm.run(
        &mut isolate,
        "more.js",
        "for (let i = 0; i < 40; i++) kept.push(new ArrayBuffer(1 << 20)); ''",
    );
    assert!(monitor.poll(&mut isolate).unwrap(), "where no JavaScript runs, it is polled");
    assert_eq!(report_of(&monitor).cause, LimitCause::External);
}

#[test]
fn a_finalizer_cannot_remove_it() {
    let (mut isolate, realm) = isolate(64);
    let monitor = HeapLimitMonitor::install(&mut isolate, terminate()).unwrap();
    let (send, receive) = mpsc::channel();
    let weak = {
        let monitor = std::sync::Arc::new(monitor);
        let of_finalizer = std::sync::Arc::clone(&monitor);
        v8::scope!(let scope, &mut *isolate);
        let context = v8::Local::new(scope, realm.context());
        let scope = &mut v8::ContextScope::new(scope, context);
        let object = v8::Object::new(scope);
        let finalizer = Box::new(move |isolate: &mut v8::Isolate| {
            send.send(of_finalizer.remove(isolate)).unwrap();
        });
        (v8::Weak::with_finalizer(scope, object, finalizer), monitor)
    };
    isolate.low_memory_notification();
    let removed = receive.recv().unwrap();
    assert!(matches!(removed, Err(Error::InGarbageCollection)), "{removed:?}");
    let (weak, monitor) = weak;
    drop(weak);
    monitor.remove(&mut isolate).unwrap();
}

/// V8 interns names while it builds a profile, which takes memory where there is none: it collects
/// garbage and calls back while the monitor is at work.
#[test]
fn a_capture_that_needs_memory_at_the_limit_gets_it_from_the_ceiling() {
    let (mut isolate, realm) = isolate(64);
    let sampling = live_heap().interval_bytes(1024);
    let _session = SamplingSession::start(&mut isolate, sampling).unwrap();
    let ceiling = Bytes(16 * MB as u64);
    let options = terminate().share(1.0).ceiling(ceiling);
    let monitor = HeapLimitMonitor::install(&mut isolate, options).unwrap();
    let before = limit(&mut isolate);
    // As many scripts, with as long names: V8 cuts them at 1024 characters. Each is kept by its
    // function, as V8 has no name for a script that was collected.
    realm.run(&mut isolate, "names.js", "globalThis.names = []; ''");
    for script in 0..3000 {
        let name = format!("{script}{}", "n".repeat(1000));
        realm.run(
            &mut isolate,
            &name,
            "(function f() { names.push(f, new Array(300).fill(0)); })(); ''",
        );
    }
    let error = fill(&mut isolate, &realm, "closures").unwrap_err();
    assert_eq!(error.message, "execution was terminated");
    let report = report_of(&monitor);
    assert_eq!(report.cause, LimitCause::Limit);
    let profile = report.profile.unwrap();
    let scripts = profile.functions().iter().filter(|f| f.script_name.len() > 1000).count();
    assert!(scripts > 2000, "{scripts}");
    assert_eq!(culprit(&profile), "closures way.js:1:18");
    let raised = limit(&mut isolate) - before;
    assert!((1..20 * MB).contains(&raised), "at most one ceiling: {raised}");
}

/// Ten functions that call each other: `10^digits` contexts, of which each has kept an object.
#[cfg(target_os = "linux")]
fn needs(digits: u32) {
    let (mut isolate, realm) = isolate(512);
    let sampling = live_heap().interval_bytes(1);
    let _session = SamplingSession::start(&mut isolate, sampling).unwrap();
    let functions: Vec<_> = (0..10)
        .map(|digit| format!("function f{digit}(n) {{ if (n) all(n - 1); else kept.push([n]); }}"))
        .collect();
    let calls: Vec<_> = (0..10).map(|digit| format!("f{digit}(n);")).collect();
    let source = format!(
        "globalThis.kept = []; {} function all(n) {{ {} }} all({}); ''",
        functions.join(" "),
        calls.join(" "),
        digits - 1,
    );
    realm.run(&mut isolate, "contexts.js", &source);
    let options = HeapLimitOptions::new().share(0.001).history(0, Bytes(0));
    let monitor = HeapLimitMonitor::install(&mut isolate, options).unwrap();
    isolate.low_memory_notification();
    let heap = isolate.get_heap_statistics().used_heap_size();
    // Has the kernel begin anew with the largest resident set (proc(5)).
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let resident = fixtures::resident_memory();
    assert!(monitor.poll(&mut isolate).unwrap());
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: usize = peak.trim().trim_end_matches(" kB").parse().unwrap();
    let heap = isolate.get_heap_statistics().used_heap_size() - heap;
    let profile = report_of(&monitor).profile.unwrap();
    let contexts = profile.len();
    println!("contexts {contexts} heap {heap} native {}", peak * 1024 - resident);
}

/// `cargo test --test it -- heap_limit::the_capture --nocapture` prints the figures.
#[cfg(target_os = "linux")]
#[test]
fn the_capture_needs_kilobytes_of_the_heap_and_some_hundred_bytes_a_context() {
    let needs = |digits: &str| {
        let output = child("needs", &[digits], v8_flags::NO_INLINING);
        assert!(output.status.success(), "{}", stderr(&output));
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = stdout.lines().find(|line| line.contains("contexts ")).expect("figures");
        println!("{line}");
        let words: Vec<_> = line.split(' ').collect();
        let number = |name| -> f64 {
            let at = words.iter().position(|word| *word == name).unwrap();
            words[at + 1].parse().unwrap()
        };
        (number("contexts"), number("heap"), number("native"))
    };
    let ((few, little, small), (many, much, large)) = (needs("4"), needs("5"));
    assert!(many > 5.0 * few, "{few} and {many} contexts");
    let a_context = (large - small) / (many - few);
    println!("{a_context:.0} bytes off the heap a context");
    assert!(a_context < 500.0);
    assert!(little.max(much) < 16.0 * 1024.0, "{little} and {much} bytes of the heap");
}
