//! The guard's life: who may sample when, who stops whom, and what is an error.

use fixtures::Inspector;
use v8_heap_sampler::{
    CollectOptions, Error, HeapSampler, KeepDead, NodeId, SampleType, SamplerOptions,
};

use crate::child;
use crate::oracle::bytes;

const ALLOCATE: &str = "function fill() { return Array.from({ length: 2000 }, (_, i) => ({ i })); }
    globalThis.kept = fill(); 'filled'";

fn names(sampler: &mut HeapSampler<'_>) -> Vec<String> {
    sampler.collect_nodes().unwrap().iter().map(|node| node.name.to_string()).collect()
}

/// Whether somebody samples the isolate: V8 then refuses to start a second session.
fn is_sampled(isolate: &mut v8::Isolate) -> bool {
    match HeapSampler::new(isolate, 1024, 16) {
        Ok(_) => false,
        Err(Error::AlreadySampling) => true,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn samples_until_dropped() {
    let (mut isolate, realm) = fixtures::realm();
    {
        let mut sampler = HeapSampler::new(&mut isolate, 512, 16).unwrap();
        assert_eq!(sampler.options().interval_bytes, 512);
        assert_eq!(realm.run(sampler.isolate(), "fill.js", ALLOCATE), "filled");
        assert!(names(&mut sampler).contains(&"fill".to_owned()));
        assert!(format!("{sampler:?}").contains("interval_bytes: 512"));
    }
    assert!(!is_sampled(&mut isolate));
}

#[test]
fn scopes_open_on_the_guard() {
    let mut isolate = fixtures::isolate();
    let mut sampler = HeapSampler::new(&mut isolate, 64, 16).unwrap();
    {
        v8::scope!(let scope, &mut *sampler);
        let context = v8::Context::new(scope, v8::ContextOptions::default());
        let scope = &mut v8::ContextScope::new(scope, context);
        let source = v8::String::new(scope, ALLOCATE).unwrap();
        v8::Script::compile(scope, source, None).unwrap().run(scope).unwrap();
    }
    assert!(names(&mut sampler).contains(&"fill".to_owned()));
}

#[test]
fn collects_again_and_again_with_stable_ids() {
    let (mut isolate, realm) = fixtures::realm();
    let mut sampler = HeapSampler::new(&mut isolate, 128, 16).unwrap();
    realm.run(&mut sampler, "fill.js", ALLOCATE);
    let first = sampler.collect_nodes().unwrap();
    realm.run(&mut sampler, "more.js", "globalThis.more = (function more() { return fill(); })()");
    let second = sampler.collect_nodes().unwrap();
    assert!(second.len() > first.len());
    assert_eq!(first[0].id, NodeId(1));
    for node in first.iter().filter(|node| !node.is_pseudo_frame()) {
        let again = second.iter().find(|other| other.id == node.id).unwrap();
        assert_eq!(again.function, node.function);
    }
    assert!(second.iter().any(|node| node.name == "more"));
}

#[test]
fn options_out_of_bounds_are_errors() {
    let mut isolate = fixtures::isolate();
    for interval_bytes in [0, SamplerOptions::MAX_INTERVAL_BYTES + 1, u64::MAX] {
        match HeapSampler::new(&mut isolate, interval_bytes, 16) {
            Err(Error::Interval { interval_bytes: named }) => {
                assert_eq!(named, interval_bytes);
            }
            other => panic!("{other:?}"),
        }
    }
    for stack_depth in [0, SamplerOptions::MAX_STACK_DEPTH + 1, u32::MAX] {
        match HeapSampler::new(&mut isolate, 1024, stack_depth) {
            Err(Error::StackDepth { stack_depth: named }) => {
                assert_eq!(named, stack_depth)
            }
            other => panic!("{other:?}"),
        }
    }
    // The bounds themselves work.
    for (interval, depth) in [
        (SamplerOptions::MIN_INTERVAL_BYTES, SamplerOptions::MIN_STACK_DEPTH),
        (SamplerOptions::MAX_INTERVAL_BYTES, SamplerOptions::MAX_STACK_DEPTH),
    ] {
        HeapSampler::new(&mut isolate, interval, depth).unwrap().finish().unwrap();
    }
}

#[test]
fn a_second_sampler_is_refused_and_the_first_goes_on() {
    let (mut isolate, realm) = fixtures::realm();
    let mut sampler = HeapSampler::new(&mut isolate, 512, 16).unwrap();
    let refused = HeapSampler::new(&mut sampler, 1024, 16);
    assert!(matches!(refused, Err(Error::AlreadySampling)), "{refused:?}");
    drop(refused);
    realm.run(&mut sampler, "fill.js", ALLOCATE);
    assert!(names(&mut sampler).contains(&"fill".to_owned()));
}

#[test]
fn devtools_session_is_left_alone() {
    let (mut isolate, realm) = fixtures::realm();
    let inspector = Inspector::connect(&mut isolate, &realm);
    let answer = inspector.dispatch("HeapProfiler.startSampling", r#"{"samplingInterval":512}"#);
    assert!(answer.contains("result"), "{answer}");
    let refused = HeapSampler::new(&mut isolate, 1024, 16);
    assert!(matches!(refused, Err(Error::AlreadySampling)), "{refused:?}");
    drop(refused);
    realm.run(&mut isolate, "fill.js", ALLOCATE);
    let profile = inspector.dispatch("HeapProfiler.stopSampling", "{}");
    assert!(profile.contains(r#""functionName":"fill""#), "{profile}");
    assert!(!is_sampled(&mut isolate));
}

#[test]
fn stopped_by_devtools() {
    let (mut isolate, realm) = fixtures::realm();
    let inspector = Inspector::connect(&mut isolate, &realm);
    let mut sampler = HeapSampler::new(&mut isolate, 512, 16).unwrap();
    inspector.dispatch("HeapProfiler.stopSampling", "{}");
    assert!(matches!(sampler.collect_nodes(), Err(Error::NotSampling)));
    // Once that is known, a session that DevTools starts later is not ours to read or stop.
    inspector.dispatch("HeapProfiler.startSampling", r#"{"samplingInterval":512}"#);
    assert!(matches!(sampler.collect_nodes(), Err(Error::NotSampling)));
    assert!(matches!(sampler.stop(), Err(Error::NotSampling)));
    drop(sampler);
    assert!(is_sampled(&mut isolate));
    inspector.dispatch("HeapProfiler.stopSampling", "{}");
    assert!(!is_sampled(&mut isolate));

    // Stopping says so, too.
    let mut sampler = HeapSampler::new(&mut isolate, 512, 16).unwrap();
    inspector.dispatch("HeapProfiler.stopSampling", "{}");
    assert!(matches!(sampler.stop(), Err(Error::NotSampling)));
    assert!(!is_sampled(&mut sampler));
}

#[test]
fn a_session_put_in_place_of_ours_is_not_taken_for_ours() {
    for (interval, clue) in [(100_000, "at an interval of 64 bytes"), (64, "other functions")] {
        let (mut isolate, realm) = fixtures::realm();
        let inspector = Inspector::connect(&mut isolate, &realm);
        let mut sampler = HeapSampler::new(&mut isolate, 64, 16).unwrap();
        realm.run(&mut sampler, "fill.js", ALLOCATE);
        sampler.collect_nodes().unwrap();
        inspector.dispatch("HeapProfiler.stopSampling", "{}");
        let start = format!(r#"{{"samplingInterval":{interval}}}"#);
        inspector.dispatch("HeapProfiler.startSampling", &start);
        let theirs = "function theirs() { return Array.from({ length: 200000 }, (_, i) => [i]); }
            globalThis.theirsKept = theirs();";
        realm.run(&mut sampler, "theirs.js", theirs);
        match sampler.collect_nodes() {
            Err(Error::ForeignSession { check }) => {
                // Ids are looked at first, where both have given some.
                assert!(check.contains(clue) || check.contains("other functions"), "{check}");
            }
            other => panic!("{:?}", other.map(|nodes| nodes.len())),
        }
        // From now on theirs is left alone.
        assert!(matches!(sampler.collect_nodes(), Err(Error::NotSampling)));
        drop(sampler);
        let profile = inspector.dispatch("HeapProfiler.stopSampling", "{}");
        assert!(profile.contains(r#""functionName":"theirs""#), "{profile}");
    }
}

#[test]
fn a_session_of_another_interval_is_noticed_at_first_sight() {
    let (mut isolate, realm) = fixtures::realm();
    let inspector = Inspector::connect(&mut isolate, &realm);
    let mut sampler = HeapSampler::new(&mut isolate, 64, 16).unwrap();
    inspector.dispatch("HeapProfiler.stopSampling", "{}");
    inspector.dispatch("HeapProfiler.startSampling", r#"{"samplingInterval":100000}"#);
    realm.run(&mut sampler, "fill.js", &ALLOCATE.replace("2000", "200000"));
    match sampler.collect_nodes() {
        Err(Error::ForeignSession { check }) => {
            assert!(check.contains("at an interval of 64 bytes"), "{check}");
        }
        other => panic!("{:?}", other.map(|nodes| nodes.len())),
    }
}

#[test]
fn an_isolate_disposed_under_a_foreign_session_does_not_abort() {
    let (mut isolate, realm) = fixtures::realm();
    let inspector = Inspector::connect(&mut isolate, &realm);
    let mut sampler = HeapSampler::new(&mut isolate, 64, 16).unwrap();
    inspector.dispatch("HeapProfiler.stopSampling", "{}");
    assert!(matches!(sampler.collect_nodes(), Err(Error::NotSampling)));
    inspector.dispatch("HeapProfiler.startSampling", r#"{"samplingInterval":64}"#);
    realm.run(&mut sampler, "fill.js", ALLOCATE);
    drop(sampler);
    drop(inspector);
    drop(isolate);
}

#[test]
fn a_guard_that_outlived_its_session_does_not_stop_the_next() {
    let (mut isolate, realm) = fixtures::realm();
    let inspector = Inspector::connect(&mut isolate, &realm);
    let mut outer = HeapSampler::new(&mut isolate, 64, 16).unwrap();
    inspector.dispatch("HeapProfiler.stopSampling", "{}");
    {
        let mut inner = HeapSampler::new(&mut outer, 128, 16).unwrap();
        realm.run(&mut inner, "fill.js", ALLOCATE);
        assert!(names(&mut inner).contains(&"fill".to_owned()));
        std::mem::forget(inner);
    }
    // The inner session runs on; the outer guard neither reads nor stops it.
    assert!(matches!(outer.collect_nodes(), Err(Error::NotSampling)));
    assert!(matches!(outer.stop(), Err(Error::NotSampling)));
    drop(outer);
    assert!(is_sampled(&mut isolate));
}

#[test]
fn stop_and_finish() {
    let (mut isolate, realm) = fixtures::realm();
    let mut sampler = HeapSampler::new(&mut isolate, 512, 16).unwrap();
    sampler.stop().unwrap();
    assert!(!is_sampled(&mut sampler));
    assert!(matches!(sampler.stop(), Err(Error::NotSampling)));
    assert!(matches!(sampler.collect_nodes(), Err(Error::NotSampling)));
    assert!(matches!(sampler.finish(), Err(Error::NotSampling)));

    let mut sampler = HeapSampler::new(&mut isolate, 512, 16).unwrap();
    realm.run(&mut sampler, "fill.js", ALLOCATE);
    let profile = sampler.finish().unwrap();
    assert!(profile.functions().iter().any(|function| function.name == "fill"));
    assert!(!is_sampled(&mut isolate));
}

#[test]
fn collect_allocations_as_of_old() {
    let (mut isolate, realm) = fixtures::realm();
    let recursive = "function walk(n) { return n ? [walk(n - 1), { n }] : []; }
        globalThis.kept = Array.from({ length: 50 }, () => walk(20)); ''";
    let mut sampler = HeapSampler::new(&mut isolate, 64, 32).unwrap();
    realm.run(&mut sampler, "walk.js", recursive);

    let keep = CollectOptions { stop_sampling: false, no_circular: false };
    let cyclic = sampler.collect_allocations(keep).unwrap();
    let walk = cyclic.find("walk").next().unwrap();
    assert_eq!(cyclic.cycles(), [[walk]]);
    assert!(is_sampled(&mut sampler));

    let acyclic = sampler.collect_allocations(CollectOptions::default()).unwrap();
    assert!(acyclic.cycles().is_empty());
    assert!(!is_sampled(&mut sampler));
    assert!(matches!(
        sampler.collect_allocations(CollectOptions::default()),
        Err(Error::NotSampling)
    ));
}

#[test]
fn isolate_replaced_under_the_guard() {
    let (mut ours, realm) = fixtures::realm();
    let mut sampler = HeapSampler::new(&mut ours, 512, 16).unwrap();
    realm.run(&mut sampler, "fill.js", ALLOCATE);
    {
        let mut theirs = fixtures::isolate();
        let mut foreign = HeapSampler::new(&mut theirs, 512, 16).unwrap();

        std::mem::swap(&mut *sampler, &mut *foreign);
        assert!(matches!(sampler.collect_nodes(), Err(Error::OtherIsolate)));
        assert!(matches!(sampler.stop(), Err(Error::OtherIsolate)));
        assert!(matches!(foreign.collect_nodes(), Err(Error::OtherIsolate)));

        // Swapped back, both are as before.
        std::mem::swap(&mut *sampler, &mut *foreign);
        assert!(names(&mut sampler).contains(&"fill".to_owned()));
        foreign.collect_nodes().unwrap();

        // Dropped while swapped, our guard stops neither: not theirs, and ours it cannot reach.
        std::mem::swap(&mut *sampler, &mut *foreign);
        drop(sampler);
        std::mem::swap(&mut *ours, &mut *foreign);
        foreign.collect_nodes().unwrap();
    }
    // Now that our isolate is at hand again, a new sampler takes over from the one left behind.
    let mut sampler = HeapSampler::new(&mut ours, 256, 16).unwrap();
    assert!(!names(&mut sampler).contains(&"fill".to_owned()));
    realm.run(&mut sampler, "fill.js", ALLOCATE);
    assert!(names(&mut sampler).contains(&"fill".to_owned()));
}

#[test]
fn a_leaked_guard_does_not_abort_the_process() {
    if child::part().is_some() {
        // Leak, sample on, collect garbage, dispose, twice.
        for _ in 0..2 {
            let (mut isolate, realm) = fixtures::realm();
            std::mem::forget(HeapSampler::new(&mut isolate, 64, 16).unwrap());
            realm.run(&mut isolate, "fill.js", ALLOCATE);
            realm.run(&mut isolate, "gc.js", "kept = null; gc()");
            assert!(is_sampled(&mut isolate));
        }
        println!("disposed");
        return;
    }
    let test = "guard::a_leaked_guard_does_not_abort_the_process";
    let child = child::run(test, &[], "");
    let output = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "{:?} {child:?}", child.status);
    assert!(output.contains("disposed"), "{output}");
}

/// Samples some objects that are made through the API, while whatever is pending stays pending.
fn sample_objects(isolate: &mut v8::Isolate) -> bool {
    let mut sampler = HeapSampler::new(isolate, 1, 16).unwrap();
    {
        v8::scope!(let scope, sampler.isolate());
        for _ in 0..100 {
            v8::String::new(scope, "a new string, neither interned nor empty").unwrap();
        }
    }
    let profile = sampler.finish().unwrap();
    profile.values(SampleType::InuseObjects).unwrap().iter().any(|&objects| objects >= 100.0)
}

#[test]
fn a_pending_exception_does_not_matter() {
    let (mut isolate, realm) = fixtures::realm();
    let mut sampled = false;
    let source = "throw new Error('on purpose')";
    let error = realm
        .try_run_with(&mut isolate, "throws.js", source, |isolate| {
            sampled = sample_objects(isolate)
        })
        .unwrap_err();
    assert!(sampled);
    assert_eq!(error.message, "Error: on purpose");
    assert_eq!(error.location.as_deref(), Some("throws.js:1:1"));
}

#[test]
fn an_exception_thrown_by_a_callback_stays_pending() {
    let (mut isolate, realm) = fixtures::realm();
    realm.set_function(
        &mut isolate,
        "throwAndSample",
        |scope: &mut v8::PinScope<'_, '_>,
         _: v8::FunctionCallbackArguments<'_>,
         _: v8::ReturnValue<'_, v8::Value>| {
            let message = v8::String::new(scope, "from the callback").unwrap();
            let exception = v8::Exception::error(scope, message);
            scope.throw_exception(exception);
            assert!(sample_objects(scope));
        },
    );
    let source = "try { throwAndSample(); 'nothing thrown' } catch (error) { error.message }";
    assert_eq!(realm.run(&mut isolate, "callback.js", source), "from the callback");
}

#[test]
fn after_a_script_that_threw() {
    let (mut isolate, realm) = fixtures::realm();
    let mut sampler = HeapSampler::new(&mut isolate, 128, 16).unwrap();
    let source = format!("{ALLOCATE}; null.x");
    let error = realm.try_run(&mut sampler, "throws.js", &source).unwrap_err();
    assert!(error.message.starts_with("TypeError"), "{error}");
    assert!(error.location.is_some_and(|location| location.starts_with("throws.js:2:")));
    assert!(names(&mut sampler).contains(&"fill".to_owned()));
}

#[test]
fn after_execution_was_terminated() {
    let (mut isolate, realm) = fixtures::realm();
    let mut sampler = HeapSampler::new(&mut isolate, 1024, 16).unwrap();
    let handle = sampler.thread_safe_handle();
    let terminator = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(50));
        handle.terminate_execution();
    });
    // Much of it stays alive: a garbage collection just before the end takes nothing away.
    let endless = "globalThis.kept = [];
        function spin() { for (;;) if (kept.length < 10000) kept.push({}); } spin()";
    let mut collected = Vec::new();
    let error = realm.try_run(&mut sampler, "endless.js", endless).unwrap_err();
    collected.push(sampler.collect_nodes());
    terminator.join().unwrap();
    assert_eq!(error.message, "execution was terminated");
    // Also while termination is still asked for.
    sampler.terminate_execution();
    collected.push(sampler.collect_nodes());
    sampler.cancel_terminate_execution();
    for nodes in collected {
        assert!(nodes.unwrap().iter().any(|node| node.name == "spin"));
    }
    assert_eq!(realm.run(&mut sampler, "fill.js", ALLOCATE), "filled");
}

#[test]
fn starts_and_collects_inside_a_callback() {
    let (mut isolate, realm) = fixtures::realm();
    realm.set_function(
        &mut isolate,
        "sampleFill",
        |scope: &mut v8::PinScope<'_, '_>,
         arguments: v8::FunctionCallbackArguments<'_>,
         mut result: v8::ReturnValue<'_, v8::Value>| {
            let fill = v8::Local::<v8::Function>::try_from(arguments.get(0)).unwrap();
            let fill = v8::Global::new(scope, fill);
            let context = scope.get_current_context();
            let context = v8::Global::new(scope, context);
            let mut sampler = HeapSampler::new(scope, 64, 16).unwrap();
            {
                v8::scope!(let scope, sampler.isolate());
                let context = v8::Local::new(scope, context);
                let scope = &mut v8::ContextScope::new(scope, context);
                let fill = v8::Local::new(scope, fill);
                let this = v8::undefined(scope).into();
                fill.call(scope, this, &[]).unwrap();
            }
            let profile = sampler.finish().unwrap();
            let found = profile.functions().iter().any(|function| function.name == "fill");
            result.set_bool(found);
        },
    );
    let source = format!("{ALLOCATE}; sampleFill(fill)");
    assert_eq!(realm.run(&mut isolate, "callback.js", &source), "true");
}

#[test]
fn an_isolate_that_is_not_the_current_one() {
    let (mut first, realm) = fixtures::realm();
    let (mut second, second_realm) = fixtures::realm();
    let mut sampler = HeapSampler::new(&mut first, 64, 16).unwrap();
    second_realm.run(
        &mut second,
        "other.js",
        "globalThis.kept = (function other() { return [1]; })()",
    );
    let nodes = sampler.collect_nodes().unwrap();
    assert!(nodes.iter().all(|node| node.name != "other"));
    drop(sampler);
    assert!(!is_sampled(&mut first));
    assert!(!is_sampled(&mut second));
    drop(second);
    let mut sampler = HeapSampler::new(&mut first, 64, 16).unwrap();
    realm.run(&mut sampler, "fill.js", ALLOCATE);
    assert!(names(&mut sampler).contains(&"fill".to_owned()));
}

#[test]
fn four_threads_sample_an_isolate_each() {
    let threads: Vec<_> = (0..4)
        .map(|number| {
            std::thread::spawn(move || {
                let (mut isolate, realm) = fixtures::realm();
                let mut sampler = HeapSampler::new(&mut isolate, 256, 32).unwrap();
                let name = format!("onThread{number}");
                let source = format!(
                    "function {name}() {{ return Array.from({{ length: 500 }}, (_, i) => [i]); }}
                     globalThis.kept = {name}();"
                );
                for _ in 0..20 {
                    realm.run(&mut sampler, "thread.js", &source);
                    let names = names(&mut sampler);
                    assert!(names.contains(&name));
                    let others = names.iter().filter(|n| n.starts_with("onThread") && **n != name);
                    assert_eq!(others.count(), 0, "{names:?}");
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

/// Bytes that the profile has for `churn`, whose objects are garbage at once, after a GC of the
/// kind that `collect_garbage` asks for.
fn churned(options: SamplerOptions, collect_garbage: &str) -> u64 {
    let (mut isolate, realm) = fixtures::realm();
    let mut sampler = HeapSampler::with_options(&mut isolate, options.interval_bytes(256)).unwrap();
    // Assigned to a global, or the optimiser would not allocate the objects at all.
    let churn =
        "function churn() { for (let i = 0; i < 5000; i++) globalThis.last = { list: [i] }; }
        churn();";
    realm.run(&mut sampler, "churn.js", churn);
    realm.run(&mut sampler, "gc.js", collect_garbage);
    let nodes = sampler.collect_nodes().unwrap();
    nodes.iter().filter(|node| node.name == "churn").map(bytes).sum()
}

#[test]
fn dead_objects_are_kept_as_asked() {
    let (minor, major) = ("gc({ type: 'minor' })", "gc()");
    let keep = |keep| SamplerOptions::new().keep_dead(keep);
    let at_least = 200_000; // of 5000 times an object and an array: 280 kB
    assert!(churned(keep(KeepDead::None), minor) < at_least / 10);
    assert!(churned(keep(KeepDead::None), major) < at_least / 10);
    assert!(churned(keep(KeepDead::MinorGc), minor) > at_least);
    assert!(churned(keep(KeepDead::MinorGc), major) < at_least / 10);
    assert!(churned(keep(KeepDead::MajorGc), minor) < at_least / 10);
    assert!(churned(keep(KeepDead::MajorGc), major) > at_least);
    assert!(churned(keep(KeepDead::Both), minor) > at_least);
    assert!(churned(keep(KeepDead::Both), major) > at_least);
}

#[test]
fn a_gc_is_forced_only_on_demand() {
    let at_least = 200_000;
    assert!(churned(SamplerOptions::new(), "") > at_least);
    assert!(churned(SamplerOptions::new().force_gc(true), "") < at_least / 10);
}

/// Runs [`ALLOCATE`] in a context of its own.
fn allocate(isolate: &mut v8::Isolate) {
    v8::scope!(let scope, isolate);
    let context = v8::Context::new(scope, v8::ContextOptions::default());
    let scope = &mut v8::ContextScope::new(scope, context);
    let source = v8::String::new(scope, ALLOCATE).unwrap();
    v8::Script::compile(scope, source, None).unwrap().run(scope).unwrap();
}

#[cfg(feature = "v8-152")] // isolates of older ones stay on their thread
#[test]
fn an_isolate_that_moves_between_threads() {
    let isolate = fixtures::isolate();
    // SAFETY: nothing is attached to the isolate but what this crate puts into its slots.
    let shared = unsafe { isolate.try_into_shared() }.map_err(|error| error.kind()).unwrap();
    let shared = std::thread::spawn(move || {
        {
            let mut locked = shared.lock();
            let mut sampler = HeapSampler::new(&mut locked, 64, 16).unwrap();
            allocate(&mut sampler);
            assert!(names(&mut sampler).contains(&"fill".to_owned()));
            // Leaked here, to be stopped wherever the isolate is dropped.
            std::mem::forget(sampler);
        }
        shared
    });
    let shared = shared.join().unwrap();
    std::thread::spawn(move || {
        assert!(is_sampled(&mut shared.lock()));
        let mut other = fixtures::isolate();
        let mut sampler = HeapSampler::new(&mut other, 64, 16).unwrap();
        drop(shared);
        allocate(&mut sampler);
        assert!(names(&mut sampler).contains(&"fill".to_owned()));
    })
    .join()
    .unwrap();
}

#[test]
fn a_snapshot_is_made_of_a_sampled_isolate() {
    for leak in [false, true] {
        fixtures::init();
        let mut creator = v8::Isolate::snapshot_creator(None, None);
        {
            v8::scope!(let scope, &mut creator);
            let context = v8::Context::new(scope, v8::ContextOptions::default());
            scope.set_default_context(context);
        }
        let mut sampler = HeapSampler::new(&mut creator, 64, 16).unwrap();
        allocate(&mut sampler);
        assert!(names(&mut sampler).contains(&"fill".to_owned()));
        if leak {
            std::mem::forget(sampler);
        } else {
            drop(sampler);
        }
        let blob = creator.create_blob(v8::FunctionCodeHandling::Keep).unwrap();
        let mut isolate = v8::Isolate::new(v8::CreateParams::default().snapshot_blob(blob));
        let mut sampler = HeapSampler::new(&mut isolate, 64, 16).unwrap();
        allocate(&mut sampler);
        assert!(names(&mut sampler).contains(&"fill".to_owned()));
    }
}
