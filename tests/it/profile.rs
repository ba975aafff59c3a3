//! Whole profiles: V8's own work, windows, times, and the heap as a whole.

use std::collections::HashSet;

use v8_heap_sampler::analysis::{GroupBy, Pattern, Query, TopOptions};
use v8_heap_sampler::{
    Bytes, Collection, Context, Error, HeapSampler, KeepDead, Objects, OrdinalSample, OwnWork,
    Profile, SampleType, SamplerOptions,
};

fn exact(keep_dead: KeepDead) -> SamplerOptions {
    SamplerOptions::exact().keep_dead(keep_dead)
}

/// A script of many functions and lines under names that nobody has interned yet.
fn many_functions(prefix: &str) -> String {
    let functions: Vec<_> =
        (0..200).map(|i| format!("function {prefix}{i}() {{ return [{i}];\n}}\n")).collect();
    let calls: Vec<_> = (0..200).map(|i| format!("{prefix}{i}()")).collect();
    format!("{}\n(globalThis.kept ??= []).push({}); ''", functions.concat(), calls.join(","))
}

/// The bytes, counted, of the functions with a name.
fn bytes_of(profile: &Profile, name: &str) -> u64 {
    let all = profile.values(SampleType::AllocSpace);
    let values = all.or_else(|| profile.values(SampleType::InuseSpace)).unwrap();
    named(profile, name).map(|context| values[context.index()] as u64).sum()
}

/// The contexts of the functions with a name.
fn named<'p>(profile: &'p Profile, name: &str) -> impl Iterator<Item = Context<'p>> {
    profile.contexts().filter(move |context| context.function().name == *name)
}

fn collection(profile: &Profile) -> &Collection {
    profile.collection().unwrap()
}

fn own_work(profile: &Profile) -> OwnWork {
    collection(profile).own_work
}

fn samples(profile: &Profile) -> &[OrdinalSample] {
    profile.samples().unwrap()
}

/// Samples and contexts of a profile tell the same, and the contexts are a tree without empty
/// leaves.
fn assert_consistent(profile: &Profile) {
    let sampled: HashSet<usize> =
        samples(profile).iter().map(|sample| sample.context as usize).collect();
    let with_rows: HashSet<usize> = profile.rows().map(|row| row.context().index()).collect();
    let has_all = profile.has(SampleType::AllocSpace);
    assert!(if has_all { with_rows == sampled } else { with_rows.is_subset(&sampled) });
    for context in profile.contexts() {
        assert!(
            context.children().next().is_some()
                || sampled.contains(&context.index())
                || context.depth() == 0
        );
        assert!(context.children().all(|child| child.parent() == Some(context)));
    }
    assert!(samples(profile).is_sorted_by(|one, other| one.ordinal < other.ordinal));
}

#[test]
fn a_collection_leaves_no_trace_in_the_next() {
    for keep_dead in [KeepDead::None, KeepDead::Both] {
        let (mut isolate, realm) = fixtures::realm();
        let mut sampler = HeapSampler::with_options(&mut isolate, exact(keep_dead)).unwrap();
        realm.run(&mut sampler, "first.js", &many_functions("first"));
        let first = sampler.profile().unwrap();
        assert_consistent(&first);
        // The lines of the script were found for the first time.
        assert!(own_work(&first).samples > Objects(0), "{:?}", own_work(&first));
        assert!(own_work(&first).bytes > Bytes(8 * 400), "{:?}", own_work(&first));

        let second = sampler.profile().unwrap();
        assert_eq!(second.samples(), first.samples());
        assert!(second.rows().map(|row| row.size()).eq(first.rows().map(|row| row.size())));
        let contexts = |profile: &Profile| -> Vec<_> {
            let contexts = profile.contexts();
            contexts.map(|context| (context.id().unwrap(), context.function().clone())).collect()
        };
        assert_eq!(contexts(&second), contexts(&first));
        let nodes = sampler.collect_nodes().unwrap();
        let nodes: Vec<_> = nodes.into_iter().map(|node| (node.id, node.function)).collect();
        assert_eq!(nodes, contexts(&first));

        // What the program allocates in between is all that is new.
        realm.run(&mut sampler, "second.js", &many_functions("second"));
        let third = sampler.profile().unwrap();
        assert_consistent(&third);
        let new = |sample: &&OrdinalSample| Some(sample.ordinal) > second.last_sample();
        let by_index: Vec<_> = third.contexts().collect();
        for sample in samples(&third).iter().filter(new) {
            let context = by_index[sample.context as usize];
            assert!(!context.function().name.starts_with("first"), "{context:?}");
        }
        assert!(own_work(&third).samples > own_work(&second).samples);
    }
}

#[test]
fn a_collection_in_a_callback_does_not_charge_the_caller() {
    for force_gc in [false, true] {
        let (mut isolate, realm) = fixtures::realm();
        realm.set_function(
            &mut isolate,
            "sample",
            |scope: &mut v8::PinScope<'_, '_>,
             arguments: v8::FunctionCallbackArguments<'_>,
             _: v8::ReturnValue<'_, v8::Value>| {
                let work = v8::Local::<v8::Function>::try_from(arguments.get(0)).unwrap();
                let force_gc = arguments.get(1).is_true();
                let work = v8::Global::new(scope, work);
                let context = v8::Global::new(scope, scope.get_current_context());
                let options = SamplerOptions::exact().force_gc(force_gc);
                let mut sampler = HeapSampler::with_options(scope, options).unwrap();
                let call = |isolate: &mut v8::Isolate| {
                    v8::scope!(let scope, isolate);
                    let context = v8::Local::new(scope, &context);
                    let scope = &mut v8::ContextScope::new(scope, context);
                    let receiver = v8::undefined(scope).into();
                    v8::Local::new(scope, &work).call(scope, receiver, &[]).unwrap();
                };
                call(&mut sampler);
                let first = sampler.profile();
                call(&mut sampler);
                let second = sampler.profile();
                drop(sampler);
                // A panic could not get out of here.
                scope.set_slot((first, second));
            },
        );
        let script = format!(
            "function inner() {{ globalThis.kept = new Array(1000).fill(0); }}
             (function outer() {{ sample(inner, {force_gc}); }})(); 'done'"
        );
        // Lines to be found, which would be a large array of V8's own.
        let script = script + &"\n".repeat(20_000);
        assert_eq!(realm.run(&mut isolate, "callback.js", &script), "done");

        type Collected = (Result<Profile, Error>, Result<Profile, Error>);
        let (first, second) = isolate.remove_slot::<Collected>().unwrap();
        let (first, second) = (first.unwrap(), second.unwrap());
        assert_consistent(&first);
        assert_consistent(&second);
        // The ends of 20,000 lines. V8 sampled that under `outer`, which itself makes V8 compile
        // `inner`, and nothing else.
        assert!(own_work(&first).bytes > Bytes(8 * 20_000), "{:?}", own_work(&first));
        assert!(bytes_of(&first, "outer") < 1000, "{first:?}");
        assert!(bytes_of(&second, "outer") < 1000, "{second:?}");
        assert!(bytes_of(&first, "inner") > 8 * 1000);
    }
}

#[test]
fn a_gc_in_the_collection_does_not_confuse_what_is_whose() {
    let (mut isolate, realm) = fixtures::realm();
    let options = exact(KeepDead::Both).force_gc(true);
    let mut sampler = HeapSampler::with_options(&mut isolate, options).unwrap();
    realm.run(
        &mut sampler,
        "garbage.js",
        "function garbage() { for (let i = 0; i < 5000; i++) globalThis.last = [i]; }
         garbage(); globalThis.last = 0; ''",
    );
    let first = sampler.profile().unwrap();
    assert_consistent(&first);
    let of_garbage = |profile: &Profile| {
        let context = named(profile, "garbage").next().unwrap();
        [SampleType::AllocSpace, SampleType::InuseSpace]
            .map(|sample_type| context.own(sample_type).unwrap().exact().unwrap())
    };
    let [allocated, alive] = of_garbage(&first);
    assert!(allocated > 5000 * 32);
    // All of it is dead, but for what the function itself consists of.
    assert!(alive < 2000, "{alive}");
    let second = sampler.profile().unwrap();
    let [allocated_again, alive_again] = of_garbage(&second);
    assert_eq!(allocated_again, allocated);
    // V8 may let go of the function's code, and when is its own affair.
    assert!(alive_again <= alive, "{alive_again}");
    assert_eq!(samples(&second).len(), samples(&first).len());
}

/// The samples of a function that makes 5000 arrays and keeps them, in a profile that is collected
/// while `during` is at work.
fn with_gcs_in_the_collection(options: SamplerOptions, during: impl FnOnce(&mut v8::Isolate)) {
    // A small heap, and a script of so many lines that V8 cannot note their ends without a GC.
    let parameters = v8::CreateParams::default().heap_limits(0, 64 << 20);
    fixtures::init();
    let mut isolate = v8::Isolate::new(parameters);
    let realm = fixtures::Realm::new(&mut isolate);
    let gcs = Box::leak(Box::new(std::sync::atomic::AtomicU32::new(0)));
    unsafe extern "C" fn count(
        _: v8::UnsafeRawIsolatePtr,
        _: v8::GCType,
        _: v8::GCCallbackFlags,
        data: *mut std::ffi::c_void,
    ) {
        // SAFETY: the leaked counter.
        let gcs = unsafe { &*data.cast::<std::sync::atomic::AtomicU32>() };
        gcs.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
    let data = std::ptr::from_ref(gcs).cast_mut().cast();
    isolate.add_gc_epilogue_callback(count, data, v8::GCType::kGCTypeAll);

    let mut sampler = HeapSampler::with_options(&mut isolate, options).unwrap();
    let script = "function arrays() { const all = []; for (let i = 0; i < 5000; i++) all.push([i]); return all; }
        globalThis.kept = arrays(); globalThis.big = new Array(3_000_000).fill(1.5); globalThis.big = 0; ''"
        .to_owned()
        + &"\n".repeat(2_000_000);
    realm.run(&mut sampler, "lines.js", &script);
    during(&mut sampler);
    let before = gcs.load(std::sync::atomic::Ordering::Relaxed);
    let first = sampler.profile().unwrap();
    let during = gcs.load(std::sync::atomic::Ordering::Relaxed) - before;
    assert!(during > 0, "no GC in the collection");
    assert_consistent(&first);
    // The ends of the lines are V8's own, and only they and some names are.
    assert!(own_work(&first).bytes > Bytes(8 * 2_000_000), "{:?}", own_work(&first));
    assert!(own_work(&first).samples < Objects(50), "{:?}", own_work(&first));
    let of_arrays = |profile: &Profile| {
        let context = named(profile, "arrays").next().unwrap().index();
        let is_of = |sample: &&OrdinalSample| sample.context as usize == context && !sample.is_dead;
        samples(profile).iter().filter(is_of).count()
    };
    assert!(of_arrays(&first) >= 5000);
    let second = sampler.profile().unwrap();
    assert_eq!(of_arrays(&second), of_arrays(&first));
    assert!(own_work(&second).samples >= own_work(&first).samples);
}

#[test]
fn gcs_in_the_collection_do_not_hide_v8_s_own_work() {
    for keep_dead in [KeepDead::None, KeepDead::Both] {
        with_gcs_in_the_collection(exact(keep_dead), |_| ());
    }
}

#[test]
fn handles_that_callbacks_make_are_no_samples() {
    with_gcs_in_the_collection(exact(KeepDead::None).force_gc(true), |isolate| {
        // A finalizer that makes a thousand handles, when the GC in the collection calls it.
        v8::scope!(let scope, isolate);
        let context = v8::Context::new(scope, v8::ContextOptions::default());
        let scope = &mut v8::ContextScope::new(scope, context);
        let object = v8::Object::new(scope);
        let finalizer = Box::new(|isolate: &mut v8::Isolate| {
            v8::scope!(let scope, isolate);
            let undefined = v8::undefined(scope);
            let handles: Vec<_> = (0..1000).map(|_| v8::Global::new(scope, undefined)).collect();
            std::mem::forget(handles);
        });
        std::mem::forget(v8::Weak::with_finalizer(scope, object, finalizer));
    });
}

#[test]
fn a_window_reports_what_happened_in_it_and_once() {
    for keep_dead in [KeepDead::None, KeepDead::Both] {
        let (mut isolate, realm) = fixtures::realm();
        let mut sampler = HeapSampler::with_options(&mut isolate, exact(keep_dead)).unwrap();
        let keep = |isolate: &mut v8::Isolate, name: &str| {
            let script = format!(
                "function {name}() {{ return new Array(1000).fill(0); }}
                 globalThis.{name}Kept = {name}(); ''"
            );
            realm.run(isolate, &format!("{name}.js"), &script);
        };
        keep(&mut sampler, "first");
        let first = sampler.take_window().unwrap();
        keep(&mut sampler, "second");
        let second = sampler.take_window().unwrap();
        let third = sampler.take_window().unwrap();
        for window in [&first, &second, &third] {
            assert_consistent(window);
            let Collection { started, collected, options, .. } = collection(window);
            assert!(collected.monotonic >= started.monotonic);
            assert_eq!(options, sampler.options());
            assert!(window.root().function().name == "(root)");
        }
        assert!(bytes_of(&first, "first") >= 8016);
        // What the first window left alive is in no later one.
        assert_eq!(bytes_of(&second, "first"), 0);
        assert!(bytes_of(&second, "second") >= 8016);
        assert_eq!(samples(&second)[0].ordinal, 1);
        assert_eq!(samples(&third), []);
        assert_eq!(third.len(), 1);
        // The windows follow on each other.
        let [first, second] = [&first, &second].map(collection);
        assert!(second.started.monotonic >= first.collected.monotonic);
        assert!(second.heap_at_start.allocated_so_far >= first.heap.allocated_so_far);
        // And sampling goes on.
        keep(&mut sampler, "fourth");
        let rest = sampler.profile().unwrap();
        assert!(bytes_of(&rest, "fourth") >= 8016);
        assert_eq!(bytes_of(&rest, "second"), 0);
        sampler.stop().unwrap();
        assert!(matches!(sampler.take_window(), Err(Error::NotSampling)));
        drop(sampler);
        HeapSampler::new(&mut isolate, 1024, 16).unwrap();
    }
}

#[test]
fn a_window_of_a_session_that_somebody_stopped_is_an_error() {
    let (mut isolate, realm) = fixtures::realm();
    let inspector = fixtures::Inspector::connect(&mut isolate, &realm);
    let mut sampler = HeapSampler::new(&mut isolate, 1024, 16).unwrap();
    sampler.take_window().unwrap();
    inspector.dispatch("HeapProfiler.stopSampling", "{}");
    assert!(matches!(sampler.take_window(), Err(Error::NotSampling)));
}

#[test]
fn a_leaked_guard_after_a_window_does_not_matter() {
    let (mut isolate, _realm) = fixtures::realm();
    let mut sampler = HeapSampler::new(&mut isolate, 1024, 16).unwrap();
    sampler.take_window().unwrap();
    std::mem::forget(sampler);
    // V8 would abort the process here if the window's session ran on.
    drop(isolate);
}

#[test]
fn the_heap_as_a_whole_stands_beside_the_samples() {
    let (mut isolate, realm) = fixtures::realm();
    let mut sampler = HeapSampler::with_options(&mut isolate, exact(KeepDead::None)).unwrap();
    realm.run(
        &mut sampler,
        "buffers.js",
        "function buffers() { return [new ArrayBuffer(3_000_000), new Uint8Array(1_000_000)]; }
         globalThis.kept = buffers(); ''",
    );
    let profile = sampler.profile().unwrap();
    let Collection { heap, heap_at_start, .. } = collection(&profile);
    assert_eq!(heap.external.0 - heap_at_start.external.0, 4_000_000);
    assert!(heap.off_heap() >= Bytes(4_000_000));
    // No function has them, which tables and files say.
    let note = " MB are off the heap, in array buffers and external strings, by no function";
    assert!(profile.top(SampleType::InuseSpace).unwrap().to_string().contains(note));
    assert!(profile.metadata.comments.iter().any(|comment| comment.contains(note)));
    assert!(!profile.top(SampleType::InuseObjects).unwrap().to_string().contains(note));
    let total = profile.estimate(SampleType::InuseSpace).unwrap().value();
    assert!(total < 100_000.0, "{total}");
    assert!(bytes_of(&profile, "buffers") > 0);

    assert!(heap.used <= heap.total && heap.total <= heap.limit);
    assert!(Bytes(total as u64) < heap.used);
    assert!(heap.native_contexts >= 1);
    assert!(heap.used_global_handles <= heap.total_global_handles);
    assert!(collection(&profile).allocated().0 as f64 + 1.0 >= total);
}

#[test]
fn profiles_come_back_from_json_and_say_the_same() {
    let (mut isolate, realm) = fixtures::realm();
    let options = SamplerOptions::new().interval_bytes(512).keep_dead(KeepDead::Both);
    let mut sampler = HeapSampler::with_options(&mut isolate, options).unwrap();
    realm.run(&mut sampler, "first.js", &many_functions("json"));
    let profile = sampler.profile().unwrap();
    let json = serde_json::to_vec(&profile).unwrap();
    let back: Profile = serde_json::from_slice(&json).unwrap();
    assert_eq!(back, profile);
    for sample_type in SampleType::ALL {
        assert_eq!(back.estimate(sample_type), profile.estimate(sample_type));
    }
}

#[test]
fn what_background_threads_allocate_is_in_v8_s_counter_only() {
    let (mut isolate, realm) = fixtures::realm();
    let mut sampler = HeapSampler::with_options(&mut isolate, exact(KeepDead::Both)).unwrap();
    // Hot functions are optimised on a background thread, sooner or later.
    for round in 0..2000 {
        if round > 20 {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let script = format!(
            "function hot{round}(n) {{ let sum = 0; for (let i = 0; i < n; i++) sum += i % 7; return sum; }}
             for (let i = 0; i < 100; i++) hot{round}(1000); ''"
        );
        realm.run(&mut sampler, "hot.js", &script);
        let profile = sampler.profile().unwrap();
        let sampled = profile.estimate(SampleType::AllocSpace).unwrap().value();
        // V8's own work for earlier collections is in the counter, too.
        let counted = collection(&profile).allocated().0 as f64;
        assert!(sampled <= counted + 1.0, "{sampled} {counted}");
        if counted - sampled - own_work(&profile).bytes.0 as f64 > 100_000.0 {
            return;
        }
    }
    panic!("no background thread allocated anything");
}

#[test]
fn what_was_allocated_is_what_the_heap_grew_by_between_collections() {
    // Arrays of 1,000 elements: 8,016 bytes, and 32 each; most of them die.
    const COUNT: u64 = 5000;
    const ALLOCATED: u64 = COUNT * (8016 + 32);
    let (mut isolate, realm) = fixtures::realm();
    let source = "function fill(n) {
            for (let i = 0; i < n; i++) { const made = new Array(1000); if (i % 100 === 0) kept.push(made); }
        }
        globalThis.kept = []; fill(1); ''";
    realm.run(&mut isolate, "fill.js", source);
    let mut sampler = HeapSampler::with_options(&mut isolate, SamplerOptions::new()).unwrap();
    let run = |sampler: &mut HeapSampler<'_>| {
        realm.run(sampler, "run.js", &format!("fill({COUNT}); ''"));
    };
    let allocated = |profile: &Profile| collection(profile).allocated().0;
    let is_near = |bytes: u64| (ALLOCATED..ALLOCATED + ALLOCATED / 50 + 300_000).contains(&bytes);
    run(&mut sampler);
    let profile = sampler.profile().unwrap();
    let counter = collection(&profile).heap.allocated_so_far.0
        - collection(&profile).heap_at_start.allocated_so_far.0;
    println!("{ALLOCATED} bytes: {} counted here, {counter} by V8", allocated(&profile));
    assert!(is_near(allocated(&profile)), "{}", allocated(&profile));
    // What V8 allocates for a profile is not the program's; a full collection changes nothing.
    sampler.low_memory_notification();
    for _ in 0..20 {
        sampler.profile().unwrap();
    }
    assert!(is_near(allocated(&sampler.profile().unwrap())));
    // And of a window, what was allocated in it.
    run(&mut sampler);
    let both = allocated(&sampler.take_window().unwrap());
    assert!((2 * ALLOCATED..2 * ALLOCATED + ALLOCATED / 25 + 600_000).contains(&both), "{both}");
    run(&mut sampler);
    assert!(is_near(allocated(&sampler.take_window().unwrap())));
}

#[test]
fn scripts_of_one_name_are_told_to_be_several() {
    let (mut isolate, realm) = fixtures::realm();
    let other = fixtures::Realm::new(&mut isolate);
    let mut sampler = HeapSampler::with_options(&mut isolate, exact(KeepDead::None)).unwrap();
    for (tenant, length) in [(&realm, 1000), (&other, 30000)] {
        let source = format!(
            "function rule() {{ return new Array({length}).fill(0); }}
             var kept = [1, 2, 3].map(rule); ''"
        );
        tenant.run(&mut sampler, "rule.js", &source);
    }
    let profile = sampler.profile().unwrap();
    let row = |by: GroupBy, name: &str| {
        let top = profile.top(TopOptions::new(SampleType::InuseSpace).by(by)).unwrap();
        let shown = top.to_string();
        let row = top.rows.into_iter().find(|row| row.name.starts_with(name)).unwrap();
        assert!(shown.contains(&format!("  {} (2 scripts)\n", row.name)), "{shown}");
        row
    };
    let rule = row(GroupBy::Function, "rule rule.js:1:");
    assert_eq!(rule.scripts, 2);
    let alone: f64 = 3.0 * 8.0 * 31_000.0;
    assert!((alone..alone * 1.01).contains(&rule.own.value()), "{rule:?}");
    assert_eq!(row(GroupBy::Script, "rule.js").scripts, 2);

    // What `map` allocates has no script, but its callers' if it is hidden.
    let named = |profile: &Profile, name: &str| {
        let top = profile.top(TopOptions::new(SampleType::InuseSpace).by(GroupBy::Script)).unwrap();
        top.rows.into_iter().find(|row| row.name == name).map_or(0.0, |row| row.own.value())
    };
    let hidden = profile.query(&Query::new().hide(Pattern::builtin())).unwrap();
    let moved = named(&profile, "(no script)") - named(&hidden, "(no script)");
    assert!(moved > 0.0);
    assert_eq!(named(&hidden, "rule.js") - named(&profile, "rule.js"), moved);
}

#[test]
fn functions_of_scripts_that_are_gone_keep_their_places() {
    let (mut isolate, store) = fixtures::realm();
    let mut sampler = HeapSampler::with_options(&mut isolate, exact(KeepDead::Both)).unwrap();
    store.run(&mut sampler, "store.js", "''");
    let serve = |sampler: &mut HeapSampler<'_>, name: &str| {
        let tenant = fixtures::Realm::new(sampler);
        let load = format!("function {name}() {{ return new Array(1000).fill(0); }} {name}(); ''");
        tenant.run(sampler, "tenant.js", &load);
        tenant
    };
    let row = |profile: &Profile, name: &str| {
        let top = profile.top(SampleType::AllocSpace).unwrap();
        top.rows.into_iter().find(|row| row.name.starts_with(name)).map(|row| row.name)
    };
    let collect = |sampler: &mut HeapSampler<'_>| {
        for _ in 0..3 {
            sampler.low_memory_notification();
        }
        sampler.profile().unwrap()
    };
    let tenant = serve(&mut sampler, "seen");
    assert_eq!(row(&sampler.profile().unwrap(), "seen").unwrap(), "seen tenant.js:1:14");
    drop(tenant);
    drop(serve(&mut sampler, "unseen"));
    let profile = collect(&mut sampler);
    // V8 has forgotten both.
    assert!(row(&profile, "unseen").unwrap().starts_with("unseen (script "));
    assert_eq!(row(&profile, "seen").unwrap(), "seen tenant.js:1:14");
    let nodes = sampler.collect_nodes().unwrap();
    let seen = nodes.iter().find(|node| node.name == "seen").unwrap();
    assert_eq!(seen.script_name, "tenant.js");

    // Whoever has short contexts notes their scripts before they go; and windows do.
    let tenant = serve(&mut sampler, "windowed");
    sampler.take_window().unwrap();
    drop(tenant);
    let tenant = serve(&mut sampler, "noted");
    sampler.note_scripts().unwrap();
    drop(tenant);
    let profile = collect(&mut sampler);
    assert_eq!(row(&profile, "noted").unwrap(), "noted tenant.js:1:15");
}
