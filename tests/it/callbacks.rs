//! What the embedder's callbacks do while garbage is collected and profiles are taken.

use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::rc::Rc;

use fixtures::{Inspector, Realm};
use v8_heap_sampler::budget::{MeasureOptions, Measurement};
use v8_heap_sampler::{CollectOptions, Error, HeapSampler, Objects, SamplerOptions};

const ALLOCATE: &str = "function fill() { return Array.from({ length: 2000 }, (_, i) => ({ i })); }
    globalThis.kept = fill(); 'filled'";

fn measure<R>(
    isolate: &mut v8::Isolate,
    work: impl FnMut(&mut v8::Isolate) -> R,
) -> Result<(R, Measurement), Error> {
    MeasureOptions::exact().measure(isolate, work)
}

/// Has `finalizer` run when the next collection finds its object dead.
fn on_next_gc(
    isolate: &mut v8::Isolate,
    realm: &Realm,
    finalizer: impl FnOnce(&mut v8::Isolate) + 'static,
) -> v8::Weak<v8::Object> {
    v8::scope!(let scope, isolate);
    let context = v8::Local::new(scope, realm.context());
    let scope = &mut v8::ContextScope::new(scope, context);
    v8::scope!(let scope, scope);
    let object = v8::Object::new(scope);
    v8::Weak::with_finalizer(scope, object, Box::new(finalizer))
}

fn keep_a_handle(isolate: &mut v8::Isolate) {
    v8::scope!(let scope, isolate);
    let undefined = v8::undefined(scope);
    std::mem::forget(v8::Global::new(scope, undefined));
}

/// The isolate of a sampler that callbacks reach through `SAMPLER`, to run JavaScript in.
fn isolate_of_sampler() -> v8::Isolate {
    let raw = SAMPLER.with_borrow_mut(|sampler| {
        // SAFETY: the isolate is leaked, and used by one reference at a time.
        unsafe { sampler.as_mut().unwrap().as_raw_isolate_ptr() }
    });
    // SAFETY: as above.
    unsafe { v8::Isolate::from_raw_isolate_ptr(raw) }
}

/// An isolate that is never disposed, which is what makes a guard `'static` in safe code.
fn leaked_realm() -> (&'static mut v8::Isolate, Realm) {
    let isolate = Box::leak(Box::new(fixtures::isolate()));
    let realm = Realm::new(isolate);
    (isolate, realm)
}

fn gc(isolate: &mut v8::Isolate, realm: &Realm) {
    realm.run(isolate, "gc.js", "gc(); ''");
}

#[test]
fn a_finalizer_that_stops_the_sampler_ends_the_session() {
    thread_local!(static INSPECTOR: RefCell<Option<Inspector>> = const { RefCell::new(None) });
    let (mut isolate, realm) = fixtures::realm();
    INSPECTOR.set(Some(Inspector::connect(&mut isolate, &realm)));
    let options = SamplerOptions::new().interval_bytes(256).force_gc(true);
    let mut sampler = HeapSampler::with_options(&mut isolate, options).unwrap();
    realm.run(&mut sampler, "fill.js", ALLOCATE);
    let weak = on_next_gc(&mut sampler, &realm, |_| {
        INSPECTOR.with_borrow(|inspector| {
            inspector.as_ref().unwrap().dispatch("HeapProfiler.stopSampling", "{}");
        });
    });
    assert!(matches!(sampler.collect_nodes(), Err(Error::NotSampling)));
    assert!(weak.is_empty(), "the finalizer was not run");
    drop(sampler);
    INSPECTOR.take();
}

#[test]
fn handles_that_finalizers_keep_do_not_hide_the_program_s_samples() {
    let (mut isolate, realm) = fixtures::realm();
    let options = SamplerOptions::new().interval_bytes(4096).force_gc(true);
    let mut sampler = HeapSampler::with_options(&mut isolate, options).unwrap();
    realm.run(&mut sampler, "fill.js", ALLOCATE);
    let before = sampler.profile().unwrap();
    let weak: Vec<_> = (0..300).map(|_| on_next_gc(&mut sampler, &realm, keep_a_handle)).collect();
    let after = sampler.profile().unwrap();
    assert!(weak.iter().all(v8::Weak::is_empty), "the finalizers were not run");
    // 300 weak objects more are sampled, if at all, and none of the program's is gone.
    assert!(after.samples().unwrap().len() >= before.samples().unwrap().len());
    let [before, after] = [before, after].map(|profile| profile.collection().unwrap().own_work);
    assert!(after.samples.0 <= before.samples.0 + 1, "{after:?}");
    assert_eq!(after.in_doubt, Objects(0));
}

#[test]
fn a_budget_for_an_isolate_that_is_not_the_current_one() {
    let (mut ours, realm) = fixtures::realm();
    realm.run(&mut ours, "fill.js", ALLOCATE);
    let _current = fixtures::isolate();
    for _ in 0..5 {
        let ((), measurement) = measure(&mut ours, |_| ()).unwrap();
        assert_eq!(measurement.total().allocated_objects, Objects(0));
    }
}

#[test]
fn a_budget_for_work_that_leaves_another_isolate_entered() {
    let (mut ours, realm) = fixtures::realm();
    let (inner, measurement) = measure(&mut ours, |isolate| {
        realm.run(isolate, "fill.js", ALLOCATE);
        fixtures::isolate()
    })
    .unwrap();
    assert!(measurement.total().allocated_objects.exact() >= Some(2000));
    drop(inner);
}

#[cfg(feature = "v8-152")] // handles of older ones are not `Send`
#[test]
fn handles_dropped_on_another_thread_retain_nothing() {
    let (mut isolate, realm) = fixtures::realm();
    let ((), measurement) = measure(&mut isolate, |isolate| {
        let globals: Vec<_> = {
            v8::scope!(let scope, isolate);
            let context = v8::Local::new(scope, realm.context());
            let scope = &mut v8::ContextScope::new(scope, context);
            (0..100)
                .map(|_| {
                    let object = v8::Object::new(scope);
                    v8::Global::new(scope, object)
                })
                .collect()
        };
        std::thread::spawn(move || drop(globals)).join().unwrap();
        assert!(
            HeapSampler::new(isolate, 1024, 16).is_err_and(|e| matches!(e, Error::AlreadySampling))
        );
    })
    .unwrap();
    assert_eq!(measurement.total().allocated_objects, Objects(100));
    assert_eq!(measurement.total().retained_objects, Objects(0));
    assert!(HeapSampler::new(&mut isolate, 1024, 16).is_ok());
}

thread_local! {
    static SAMPLER: RefCell<Option<HeapSampler<'static>>> = const { RefCell::new(None) };
    static COLLECTED: Cell<u32> = const { Cell::new(0) };
    static REFUSED: Cell<u32> = const { Cell::new(0) };
}

/// Collects, as a guard in a thread's own storage lets safe code do, and counts the outcomes.
extern "C" fn collect(
    _: v8::UnsafeRawIsolatePtr,
    _: v8::GCType,
    _: v8::GCCallbackFlags,
    _: *mut c_void,
) {
    SAMPLER.with(|sampler| {
        let Ok(mut sampler) = sampler.try_borrow_mut() else { return };
        let Some(sampler) = sampler.as_mut() else { return };
        match sampler.collect_nodes() {
            Ok(nodes) => {
                assert!(nodes.iter().any(|node| node.name == "fill"));
                COLLECTED.set(COLLECTED.get() + 1);
            }
            Err(Error::InGarbageCollection) => {
                assert!(matches!(sampler.stop(), Err(Error::InGarbageCollection)));
                assert!(matches!(sampler.take_window(), Err(Error::InGarbageCollection)));
                let again = HeapSampler::new(sampler, 64, 16).map(drop);
                assert!(matches!(again, Err(Error::InGarbageCollection)));
                REFUSED.set(REFUSED.get() + 1);
            }
            Err(error) => panic!("{error}"),
        }
    });
}

#[test]
fn a_callback_around_a_collection_is_refused_or_harmless() {
    let (isolate, realm) = leaked_realm();
    for number in 0..4 {
        let data = number as *mut c_void;
        isolate.add_gc_prologue_callback(collect, data, v8::GCType::kGCTypeAll);
        isolate.add_gc_epilogue_callback(collect, data, v8::GCType::kGCTypeAll);
    }
    let mut sampler = HeapSampler::new(isolate, 64, 16).unwrap();
    realm.run(&mut sampler, "fill.js", ALLOCATE);
    SAMPLER.set(Some(sampler));
    // Callbacks that were there first come before those that notice a collection, too early for
    // an error, and too early for anything to be wrong.
    gc(&mut isolate_of_sampler(), &realm);
    assert!(COLLECTED.get() >= 4, "{}", COLLECTED.get());
    assert!(REFUSED.get() >= 4, "{}", REFUSED.get());
    let mut sampler = SAMPLER.take().unwrap();
    assert!(sampler.collect_nodes().is_ok());
    sampler.stop().unwrap();
}

#[test]
fn callbacks_that_come_after_an_isolate_s_first_guard_are_refused() {
    let (isolate, realm) = leaked_realm();
    drop(HeapSampler::new(isolate, 64, 16).unwrap());
    let kind = v8::GCType::kGCTypeMarkSweepCompact;
    isolate.add_gc_prologue_callback(collect, std::ptr::null_mut(), kind);
    let mut sampler = HeapSampler::new(isolate, 64, 16).unwrap();
    realm.run(&mut sampler, "fill.js", ALLOCATE);
    SAMPLER.set(Some(sampler));
    gc(&mut isolate_of_sampler(), &realm);
    assert_eq!((COLLECTED.get(), REFUSED.get()), (0, 1));
    SAMPLER.take().unwrap().stop().unwrap();
}

/// Drops the guard, and so ends the session, in the middle of a collection.
extern "C" fn drop_the_guard(
    _: v8::UnsafeRawIsolatePtr,
    _: v8::GCType,
    _: v8::GCCallbackFlags,
    _: *mut c_void,
) {
    drop(SAMPLER.take());
}

extern "C" fn count_call(
    _: v8::UnsafeRawIsolatePtr,
    _: v8::GCType,
    _: v8::GCCallbackFlags,
    calls: *mut c_void,
) {
    // SAFETY: the test passes the address of a counter that it leaks.
    let calls = unsafe { &*calls.cast::<Cell<u32>>() };
    calls.set(calls.get() + 1);
}

#[test]
fn a_callback_that_drops_the_guard_leaves_the_other_callbacks_alone() {
    let (isolate, realm) = leaked_realm();
    let before = v8::GCType::kGCTypeMarkSweepCompact;
    isolate.add_gc_prologue_callback(drop_the_guard, std::ptr::null_mut(), before);
    let mut sampler = HeapSampler::new(isolate, 64, 16).unwrap();
    let calls = [(); 2].map(|()| &*Box::leak(Box::new(Cell::new(0_u32))));
    for calls in calls {
        let data = std::ptr::from_ref(calls).cast_mut().cast();
        sampler.add_gc_prologue_callback(count_call, data, before);
    }
    SAMPLER.set(Some(sampler));
    let mut isolate = isolate_of_sampler();
    gc(&mut isolate, &realm);
    assert!(SAMPLER.take().is_none(), "the guard was not dropped");
    assert_eq!(calls.map(Cell::get), [1, 1]);
    // The session has ended, and others can begin.
    assert!(HeapSampler::new(&mut isolate, 64, 16).is_ok());
    gc(&mut isolate, &realm);
    assert_eq!(calls.map(Cell::get), [2, 2]);
}

#[test]
fn a_finalizer_collects_but_does_not_stop() {
    let (isolate, realm) = leaked_realm();
    let mut sampler = HeapSampler::new(isolate, 64, 16).unwrap();
    realm.run(&mut sampler, "fill.js", ALLOCATE);
    let weak = on_next_gc(&mut sampler, &realm, |isolate| {
        SAMPLER.with_borrow_mut(|sampler| {
            let sampler = sampler.as_mut().unwrap();
            assert!(sampler.collect_nodes().unwrap().iter().any(|node| node.name == "fill"));
            assert!(matches!(sampler.take_window(), Err(Error::InGarbageCollection)));
            assert!(matches!(sampler.stop(), Err(Error::InGarbageCollection)));
            let graph = sampler.collect_allocations(CollectOptions::default());
            assert!(matches!(graph, Err(Error::InGarbageCollection)));
        });
        let again = HeapSampler::new(isolate, 64, 16).map(drop);
        assert!(matches!(again, Err(Error::AlreadySampling)));
        assert!(matches!(measure(isolate, |_| ()), Err(Error::InGarbageCollection)));
    });
    SAMPLER.set(Some(sampler));
    gc(&mut isolate_of_sampler(), &realm);
    assert!(weak.is_empty(), "the finalizer was not run");
    let mut sampler = SAMPLER.take().unwrap();
    let window = sampler.take_window().unwrap();
    assert!(window.functions().iter().any(|function| function.name == "fill"));
    sampler.stop().unwrap();
}

#[test]
fn a_guard_that_a_finalizer_drops_while_devtools_has_the_profile_built() {
    fixtures::init();
    // A small heap: V8 collects garbage while it makes the names and line ends of many scripts.
    let small = v8::CreateParams::default().heap_limits(16 << 20, 1 << 30);
    let isolate = Box::leak(Box::new(v8::Isolate::new(small)));
    let realm = Realm::new(isolate);
    let inspector = Inspector::connect(isolate, &realm);
    let mut sampler = HeapSampler::new(isolate, 64, 64).unwrap();
    let code = r"const kept = [];
        for (let i = 0; i < 600; i++) {
            const name = 'f' + i + '_' + 'x'.repeat(200);
            const f = (0, eval)(`(function ${name}(n) { return n ? [${name}(n - 1), { n }] : []; })`
                + '\n'.repeat(20000));
            kept.push(f(5));
            f(50);
        }
        globalThis.kept = kept;
        function churn() { for (let i = 0; i < 2000; i++) globalThis.last = [i]; } ''";
    realm.run(&mut sampler, "many.js", code);
    let churn = realm.function(&mut sampler, "churn");
    let _weak = loop {
        let was_run = Rc::new(Cell::new(false));
        let weak = on_next_gc(&mut sampler, &realm, {
            let was_run = Rc::clone(&was_run);
            move |_| {
                was_run.set(true);
                drop(SAMPLER.take());
            }
        });
        // A collection that V8 makes of itself leaves finalizers to the next one, which must be
        // that for the profile, not a second one of these.
        while !weak.is_empty() {
            realm.call(&mut sampler, &churn);
        }
        if !was_run.get() {
            break weak;
        }
    };
    SAMPLER.set(Some(sampler));
    let mut isolate = isolate_of_sampler();
    let _profile = inspector.sampling_profile();
    assert!(SAMPLER.take().is_none(), "the finalizer was not run");
    // The next guard ends what the dropped one has left.
    HeapSampler::new(&mut isolate, 64, 64).unwrap().stop().unwrap();
}

#[test]
fn a_finalizer_makes_the_first_guard_and_leaks_it() {
    let (mut isolate, realm) = fixtures::realm();
    let weak = on_next_gc(&mut isolate, &realm, |isolate| {
        let mut sampler = HeapSampler::new(isolate, 64, 16).unwrap();
        // Ours cannot be put into the list of callbacks that V8 may be going through.
        assert!(matches!(sampler.collect_nodes(), Err(Error::InGarbageCollection)));
        std::mem::forget(sampler);
    });
    gc(&mut isolate, &realm);
    assert!(weak.is_empty(), "the finalizer was not run");
    gc(&mut isolate, &realm);
    assert!(matches!(HeapSampler::new(&mut isolate, 64, 16), Err(Error::AlreadySampling)));
}

#[test]
fn a_guard_that_a_finalizer_made_collects_later() {
    let (isolate, realm) = leaked_realm();
    let raw = {
        // SAFETY: the isolate is leaked, and used by one reference at a time.
        unsafe { isolate.as_raw_isolate_ptr() }
    };
    let weak = on_next_gc(isolate, &realm, move |_| {
        // SAFETY: as above.
        let isolate = unsafe { v8::Isolate::from_raw_isolate_ptr(raw) };
        let sampler = HeapSampler::new(Box::leak(Box::new(isolate)), 64, 16).unwrap();
        SAMPLER.set(Some(sampler));
    });
    gc(isolate, &realm);
    assert!(weak.is_empty(), "the finalizer was not run");
    realm.run(&mut isolate_of_sampler(), "fill.js", ALLOCATE);
    let mut sampler = SAMPLER.take().unwrap();
    assert!(sampler.collect_nodes().unwrap().iter().any(|node| node.name == "fill"));
    sampler.stop().unwrap();
}

/// Makes the isolate's first guard, whose own callbacks would change the list that V8 goes through.
extern "C" fn make_a_guard(
    raw: v8::UnsafeRawIsolatePtr,
    _: v8::GCType,
    _: v8::GCCallbackFlags,
    _: *mut c_void,
) {
    // SAFETY: V8 passes the live isolate that collects garbage, to the thread that uses it.
    let mut isolate = unsafe { v8::Isolate::from_raw_isolate_ptr(raw) };
    match HeapSampler::new(&mut isolate, 64, 16) {
        Ok(mut guard) => {
            assert!(matches!(guard.collect_nodes(), Err(Error::InGarbageCollection)));
            COLLECTED.set(COLLECTED.get() + 1);
        }
        // What the dropped one has left cannot be stopped here.
        Err(Error::InGarbageCollection) => REFUSED.set(REFUSED.get() + 1),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn the_first_guard_in_a_gc_callback_leaves_the_list_of_callbacks_alone() {
    let (mut isolate, realm) = fixtures::realm();
    let kind = v8::GCType::kGCTypeMarkSweepCompact;
    isolate.add_gc_prologue_callback(make_a_guard, std::ptr::null_mut(), kind);
    isolate.add_gc_epilogue_callback(make_a_guard, std::ptr::null_mut(), kind);
    gc(&mut isolate, &realm);
    assert_eq!((COLLECTED.get(), REFUSED.get()), (1, 1));
    isolate.remove_gc_prologue_callback(make_a_guard, std::ptr::null_mut());
    isolate.remove_gc_epilogue_callback(make_a_guard, std::ptr::null_mut());
    assert!(HeapSampler::new(&mut isolate, 64, 16).is_ok());
}

/// Collects, then raises the limit.
extern "C" fn near_heap_limit(_: *mut c_void, current: usize, _: usize) -> usize {
    SAMPLER.with(|sampler| {
        // V8 calls this again for what collecting itself allocates.
        if let Ok(mut sampler) = sampler.try_borrow_mut()
            && let Some(sampler) = sampler.as_mut()
        {
            assert!(sampler.collect_nodes().unwrap().iter().any(|node| node.name == "grow"));
            COLLECTED.set(COLLECTED.get() + 1);
        }
    });
    current + (64 << 20)
}

#[test]
fn a_callback_near_the_heap_limit_collects() {
    fixtures::init();
    let limits = v8::CreateParams::default().heap_limits(0, 32 << 20);
    let isolate = Box::leak(Box::new(v8::Isolate::new(limits)));
    let realm = Realm::new(isolate);
    isolate.add_near_heap_limit_callback(near_heap_limit, std::ptr::null_mut());
    SAMPLER.set(Some(HeapSampler::new(isolate, 4096, 16).unwrap()));
    let code = "function grow(n) { return Array.from({ length: n }, (_, i) => [i, i, i]); }
        globalThis.kept = grow(400000); ''";
    realm.run(&mut isolate_of_sampler(), "grow.js", code);
    assert!(COLLECTED.get() >= 1);
    SAMPLER.take().unwrap().stop().unwrap();
}

thread_local!(static LEFT: RefCell<Vec<v8::OwnedIsolate>> = const { RefCell::new(Vec::new()) });

fn leave_an_isolate_entered(_: &mut v8::Isolate) {
    LEFT.with_borrow_mut(|left| left.push(fixtures::isolate()));
}

#[test]
fn finalizers_that_leave_isolates_entered() {
    for ours_is_current in [true, false] {
        let (mut ours, realm) = fixtures::realm();
        let options = SamplerOptions::new().interval_bytes(64).force_gc(true);
        let mut sampler = HeapSampler::with_options(&mut ours, options).unwrap();
        realm.run(&mut sampler, "fill.js", ALLOCATE);
        let weak = [(); 2].map(|()| on_next_gc(&mut sampler, &realm, leave_an_isolate_entered));
        let current = (!ours_is_current).then(fixtures::isolate);
        let nodes = sampler.collect_nodes().unwrap();
        assert!(weak.iter().all(v8::Weak::is_empty), "the finalizers were not run");
        assert!(nodes.iter().any(|node| node.name == "fill"));
        // They are entered as they were left: dropping one that is not current panics.
        while let Some(left) = LEFT.with_borrow_mut(Vec::pop) {
            drop(left);
        }
        drop(current);
        realm.run(&mut sampler, "fill.js", ALLOCATE);
    }
}

#[test]
fn a_budget_where_a_finalizer_leaves_an_isolate_entered() {
    let (mut ours, realm) = fixtures::realm();
    let weak = on_next_gc(&mut ours, &realm, leave_an_isolate_entered);
    let current = fixtures::isolate();
    let ((), measurement) = measure(&mut ours, |ours| {
        assert!(weak.is_empty(), "the finalizer was not run");
        drop(LEFT.with_borrow_mut(Vec::pop));
        v8::scope!(let scope, ours);
        for _ in 0..100 {
            v8::String::new(scope, "a new string, neither interned nor empty").unwrap();
        }
    })
    .unwrap();
    assert_eq!(measurement.total().allocated_objects, Objects(100));
    drop(current);
    realm.run(&mut ours, "fill.js", ALLOCATE);
}
