//! Sessions that borrow no isolate: who may pass which isolate when, and what becomes of sessions
//! and isolates that go away.

use fixtures::{Inspector, Realm};
use v8_heap_sampler::budget::{Budget, MeasureOptions};
use v8_heap_sampler::{
    Error, HeapSampler, KeepDead, Label, Profile, SampleType, SamplerOptions, SamplingSession,
};

const ALLOCATE: &str = "function fill() { return Array.from({ length: 2000 }, (_, i) => ({ i })); }
    globalThis.kept = fill(); 'filled'";

fn options() -> SamplerOptions {
    SamplerOptions::new().interval_bytes(512)
}

fn has(profile: &Profile, name: &str) -> bool {
    profile.functions().iter().any(|function| function.name == name)
}

/// Whether V8 samples the isolate, asked without the crate, which would stop what is abandoned.
fn is_sampled(inspector: &Inspector) -> bool {
    inspector.dispatch("HeapProfiler.getSamplingProfile", "{}").contains("selfSize")
}

#[test]
fn samples_while_others_drive_the_isolate() {
    struct Engine {
        isolate: v8::OwnedIsolate,
        realm: Realm,
        session: Option<SamplingSession>,
    }
    impl Engine {
        fn run(&mut self) {
            self.realm.run(&mut self.isolate, "fill.js", ALLOCATE);
        }
    }
    let (isolate, realm) = fixtures::realm();
    let mut engine = Engine { isolate, realm, session: None };
    for round in 0..5 {
        if round % 2 == 0 {
            engine.session = Some(SamplingSession::start(&mut engine.isolate, options()).unwrap());
        }
        engine.run();
        if let Some(mut session) = engine.session.take() {
            assert!(has(&session.profile(&mut engine.isolate).unwrap(), "fill"));
            let nodes = session.collect_nodes(&mut engine.isolate).unwrap();
            assert!(nodes.iter().any(|node| node.name == "fill"));
            session.finish(&mut engine.isolate).unwrap();
        }
    }
}

/// A session in a slot of the isolate, for callbacks to find.
struct Slot(Option<SamplingSession>);

fn start(
    scope: &mut v8::PinScope<'_, '_>,
    _: v8::FunctionCallbackArguments<'_>,
    _: v8::ReturnValue<'_>,
) {
    let session = SamplingSession::start(scope, options()).unwrap();
    scope.set_slot(Slot(Some(session)));
}

fn stop(
    scope: &mut v8::PinScope<'_, '_>,
    _: v8::FunctionCallbackArguments<'_>,
    mut result: v8::ReturnValue<'_>,
) {
    let mut session = scope.remove_slot::<Slot>().and_then(|slot| slot.0).expect("started");
    // In a nested scope, whose handles go again.
    let profile = {
        v8::scope!(let scope, scope);
        session.finish(scope).unwrap()
    };
    let bytes = profile.total(SampleType::InuseSpace).unwrap();
    result.set_double(if has(&profile, "fill") { bytes } else { 0.0 });
}

#[test]
fn is_started_by_one_callback_and_stopped_by_another() {
    let (mut isolate, realm) = fixtures::realm();
    realm.set_function(&mut isolate, "start", start);
    realm.set_function(&mut isolate, "stop", stop);
    for _ in 0..3 {
        let source = format!("start(); {ALLOCATE}; stop() > 50000");
        assert_eq!(realm.run(&mut isolate, "toggle.js", &source), "true");
    }
    // Left running, in its slot: disposal stops it.
    realm.run(&mut isolate, "leave.js", "start()");
}

#[test]
fn goes_on_between_microtasks() {
    let (mut isolate, realm) = fixtures::realm();
    let mut session = SamplingSession::start(&mut isolate, options()).unwrap();
    let source = "globalThis.kept = [];
        async function later() { await 0; kept.push(Array.from({ length: 9000 }, (_, i) => [i])); }
        later(); ''";
    realm.run(&mut isolate, "async.js", source);
    assert!(has(&session.profile(&mut isolate).unwrap(), "later"));
}

#[test]
fn another_isolate_is_refused_and_left_alone() {
    let (mut ours, realm) = fixtures::realm();
    let mut session = SamplingSession::start(&mut ours, options()).unwrap();
    {
        let mut theirs = fixtures::isolate();
        let mut foreign = SamplingSession::start(&mut theirs, options()).unwrap();
        assert!(matches!(session.profile(&mut theirs), Err(Error::OtherIsolate)));
        assert!(matches!(session.collect_nodes(&mut theirs), Err(Error::OtherIsolate)));
        assert!(matches!(session.take_window(&mut theirs), Err(Error::OtherIsolate)));
        assert!(matches!(session.finish(&mut theirs), Err(Error::OtherIsolate)));
        assert!(matches!(session.restart(&mut theirs, options()), Err(Error::OtherIsolate)));
        assert!(matches!(session.stop(&mut theirs), Err(Error::OtherIsolate)));
        foreign.profile(&mut theirs).unwrap();
    }
    realm.run(&mut ours, "fill.js", ALLOCATE);
    assert!(has(&session.finish(&mut ours).unwrap(), "fill"));
}

#[test]
fn outlives_its_isolate() {
    let mut sessions = Vec::new();
    // V8's allocator gives the next isolate the same address more often than not.
    for _ in 0..8 {
        let mut isolate = fixtures::isolate();
        for session in &mut sessions {
            let session: &mut SamplingSession = session;
            for result in [
                session.profile(&mut isolate).map(drop),
                session.take_window(&mut isolate).map(drop),
                session.stop(&mut isolate),
            ] {
                assert!(
                    matches!(result, Err(Error::OtherIsolate | Error::NotSampling)),
                    "{result:?}"
                );
            }
        }
        let mut session = SamplingSession::start(&mut isolate, options()).unwrap();
        session.profile(&mut isolate).unwrap();
        sessions.push(session);
    }
}

#[test]
fn one_that_was_dropped_ends_when_the_isolate_comes_by_next() {
    let (mut isolate, realm) = fixtures::realm();
    let inspector = Inspector::connect(&mut isolate, &realm);
    let mut stopped = SamplingSession::start(&mut isolate, options()).unwrap();
    stopped.stop(&mut isolate).unwrap();

    drop(SamplingSession::start(&mut isolate, options()).unwrap());
    assert!(is_sampled(&inspector), "nobody could stop it yet");
    // A call of another session's.
    assert!(matches!(stopped.profile(&mut isolate), Err(Error::NotSampling)));
    assert!(!is_sampled(&inspector));

    // The next start takes over.
    drop(SamplingSession::start(&mut isolate, options()).unwrap());
    let mut next = SamplingSession::start(&mut isolate, options()).unwrap();
    realm.run(&mut isolate, "fill.js", ALLOCATE);
    assert!(has(&next.finish(&mut isolate).unwrap(), "fill"));
    assert!(!is_sampled(&inspector));

    // A measurement that was begun and never ended.
    drop(MeasureOptions::sampled(512).begin(&mut isolate).unwrap());
    assert!(is_sampled(&inspector));
    MeasureOptions::sampled(512).measure(&mut isolate, |_| ()).unwrap();
    assert!(!is_sampled(&inspector));

    // And one that is left to disposal.
    drop(SamplingSession::start(&mut isolate, options()).unwrap());
}

#[test]
fn one_that_is_kept_is_not_taken_over() {
    let mut isolate = fixtures::isolate();
    let mut session = SamplingSession::start(&mut isolate, options()).unwrap();
    let second = SamplingSession::start(&mut isolate, options());
    assert!(matches!(second, Err(Error::AlreadySampling)));
    session.profile(&mut isolate).unwrap();
    // Nor is one of DevTools', by a session that it ended.
    let (mut isolate, realm) = fixtures::realm();
    let inspector = Inspector::connect(&mut isolate, &realm);
    let mut session = SamplingSession::start(&mut isolate, options()).unwrap();
    inspector.dispatch("HeapProfiler.stopSampling", "{}");
    assert!(matches!(session.profile(&mut isolate), Err(Error::NotSampling)));
    inspector.dispatch("HeapProfiler.startSampling", r#"{"samplingInterval":512}"#);
    let refused = session.restart(&mut isolate, options());
    assert!(matches!(refused, Err(Error::AlreadySampling)));
    drop(session);
    assert!(is_sampled(&inspector));
}

#[test]
fn has_as_many_handles_as_are_wanted() {
    let (mut isolate, realm) = fixtures::realm();
    let inspector = Inspector::connect(&mut isolate, &realm);
    assert!(SamplingSession::current(&mut isolate).is_none());
    let both = options().keep_dead(KeepDead::Both);
    let mut first = SamplingSession::start(&mut isolate, both.clone()).unwrap();
    first.add_label(Label::text("of", "the first"));
    let mut second = SamplingSession::current(&mut isolate).unwrap();
    assert_eq!(second.options(), &both);
    realm.run(&mut isolate, "fill.js", ALLOCATE);
    let [one, other] = [&mut first, &mut second].map(|of| of.profile(&mut isolate).unwrap());
    assert_eq!(one.total(SampleType::AllocSpace), other.total(SampleType::AllocSpace));
    assert_eq!(other.label_sets().next().unwrap(), []);
    // One's window is the other's.
    second.take_window(&mut isolate).unwrap();
    let next = first.profile(&mut isolate).unwrap();
    assert!(!has(&next, "fill"));
    let allocated = |profile: &Profile| profile.collection().unwrap().allocated();
    assert!(allocated(&next) < allocated(&other), "the window began anew");

    // It goes on for as long as one is left.
    drop(first);
    assert!(second.profile(&mut isolate).is_ok());
    assert!(SamplingSession::start(&mut isolate, options()).is_err());
    drop(second);
    assert!(is_sampled(&inspector));
    assert!(SamplingSession::current(&mut isolate).is_none());
    assert!(!is_sampled(&inspector));
    // Nor is there a handle to DevTools' session.
    inspector.dispatch("HeapProfiler.startSampling", r#"{"samplingInterval":512}"#);
    assert!(SamplingSession::current(&mut isolate).is_none());
    assert!(is_sampled(&inspector));
}

#[test]
fn is_stopped_and_restarted() {
    let (mut isolate, realm) = fixtures::realm();
    let mut session = SamplingSession::start(&mut isolate, options()).unwrap();
    realm.run(&mut isolate, "fill.js", ALLOCATE);
    // What is refused changes nothing.
    let refused = session.restart(&mut isolate, options().interval_bytes(0));
    assert!(matches!(refused, Err(Error::Interval { interval_bytes: 0 })));
    assert!(has(&session.profile(&mut isolate).unwrap(), "fill"));

    session.restart(&mut isolate, options().interval_bytes(256)).unwrap();
    assert_eq!(session.options().interval_bytes, 256);
    assert!(!has(&session.profile(&mut isolate).unwrap(), "fill"));
    session.stop(&mut isolate).unwrap();
    assert!(matches!(session.profile(&mut isolate), Err(Error::NotSampling)));
    assert!(matches!(session.stop(&mut isolate), Err(Error::NotSampling)));
    session.restart(&mut isolate, options()).unwrap();
    realm.run(&mut isolate, "fill.js", ALLOCATE);
    assert!(has(&session.finish(&mut isolate).unwrap(), "fill"));
}

#[test]
fn a_guard_gives_its_isolate_back() {
    fn sampled(isolate: &mut v8::Isolate) -> (Profile, &mut v8::Isolate) {
        let mut sampler = match HeapSampler::try_start(isolate, options().stack_depth(0)) {
            Ok(_) => panic!("no frames"),
            Err((Error::StackDepth { .. }, isolate)) => {
                HeapSampler::try_start(isolate, options()).unwrap()
            }
            Err((error, _)) => panic!("{error}"),
        };
        sampler.restart(options().stack_depth(2)).unwrap();
        (sampler.profile().unwrap(), sampler.into_isolate())
    }
    let mut isolate = fixtures::isolate();
    let (profile, isolate) = sampled(&mut isolate);
    assert_eq!(profile.collection().unwrap().options.stack_depth, 2);
    // It has been stopped.
    SamplingSession::start(isolate, options()).unwrap().stop(isolate).unwrap();
}

// The older crate cannot lock isolates.
#[cfg(feature = "v8-152")]
#[test]
fn crosses_threads_with_an_isolate_that_is_shared() {
    std::thread::spawn(|| {
        let isolate = fixtures::isolate();
        // SAFETY: nothing is in the isolate yet, but what the crate puts there.
        let isolate = unsafe { isolate.try_into_shared() }.unwrap();
        let mut session = SamplingSession::start(&mut isolate.lock(), options()).unwrap();
        std::thread::scope(|threads| {
            threads.spawn(|| {
                let realm = Realm::new(&mut isolate.lock());
                realm.run(&mut isolate.lock(), "fill.js", ALLOCATE);
                assert!(has(&session.profile(&mut isolate.lock()).unwrap(), "fill"));
            });
        });
        session.finish(&mut isolate.lock()).unwrap();
    })
    .join()
    .unwrap();
}

#[test]
fn used_on_another_thread_without_the_isolate_it_is_refused() {
    let mut isolate = fixtures::isolate();
    let session = SamplingSession::start(&mut isolate, options()).unwrap();
    std::thread::spawn(|| {
        let mut session = session;
        let mut isolate = fixtures::isolate();
        assert!(matches!(session.profile(&mut isolate), Err(Error::OtherIsolate)));
    })
    .join()
    .unwrap();
    SamplingSession::start(&mut isolate, options()).unwrap().profile(&mut isolate).unwrap();
}

#[test]
fn an_isolate_need_not_be_entered() {
    let (mut isolate, realm) = fixtures::realm();
    let other = fixtures::isolate();
    // `other` is the current one now.
    let mut session = SamplingSession::start(&mut isolate, options()).unwrap();
    session.profile(&mut isolate).unwrap();
    session.take_window(&mut isolate).unwrap();
    session.finish(&mut isolate).unwrap();
    let measuring = MeasureOptions::exact().begin(&mut isolate).unwrap();
    measuring.end(&mut isolate).unwrap();
    drop(other);
    realm.run(&mut isolate, "fill.js", ALLOCATE);
}

extern "C" fn profile_in_interrupt(isolate: v8::UnsafeRawIsolatePtr, data: *mut std::ffi::c_void) {
    // SAFETY: V8 passes the isolate that it interrupts, on its thread.
    let isolate = &mut unsafe { v8::Isolate::from_raw_isolate_ptr(isolate) };
    // SAFETY: the test's list, which waits in JavaScript for this to return.
    let profiles = unsafe { &mut *data.cast::<Vec<Profile>>() };
    let mut session = SamplingSession::start(isolate, options()).unwrap();
    profiles.push(session.profile(isolate).unwrap());
    session.stop(isolate).unwrap();
}

#[test]
fn works_inside_an_interrupt() {
    let (mut isolate, realm) = fixtures::realm();
    let mut profiles: Vec<Profile> = Vec::new();
    let data = (&raw mut profiles).cast();
    isolate.thread_safe_handle().request_interrupt(profile_in_interrupt, data);
    realm.run(&mut isolate, "loop.js", "let n = 0; for (let i = 0; i < 1e5; i++) n += i; n");
    assert_eq!(profiles.len(), 1);
}

#[test]
fn labels_are_on_every_profile() {
    let (mut isolate, realm) = fixtures::realm();
    let labels = [Label::number("shard", 3, ""), Label::text("tenant", "42")];
    let mut session =
        SamplingSession::start(&mut isolate, options().keep_dead(KeepDead::Both)).unwrap();
    session.add_label(Label::text("tenant", "none yet"));
    labels.iter().for_each(|label| session.add_label(label.clone()));
    let mut profiles = Vec::new();
    for how in 0..3 {
        realm.run(&mut isolate, "fill.js", ALLOCATE);
        profiles.push(match how {
            0 => session.take_window(&mut isolate).unwrap(),
            1 => session.profile(&mut isolate).unwrap(),
            _ => session.finish(&mut isolate).unwrap(),
        });
        if how == 1 {
            session.restart(&mut isolate, options()).unwrap();
        }
    }
    for profile in &profiles {
        assert!(profile.label_sets().all(|set| set == labels), "{profile:?}");
    }
}

#[test]
fn a_measurement_spans_turns_of_an_event_loop() {
    let (mut isolate, realm) = fixtures::realm();
    let source = "var kept, waiting;
        async function work() {
            const temporary = Array.from({ length: 100 }, (_, i) => [i]);
            await new Promise((resolve) => waiting = resolve);
            kept = Array.from({ length: 500 }, (_, i) => ({ i }));
            return temporary.length;
        }";
    realm.run(&mut isolate, "work.js", source);
    for _ in 0..20 {
        realm.run(&mut isolate, "turn.js", "work(); ''");
        realm.run(&mut isolate, "turn.js", "waiting(); ''");
    }
    let measuring = MeasureOptions::exact().begin(&mut isolate).unwrap();
    realm.run(&mut isolate, "turn.js", "work(); ''");
    realm.run(&mut isolate, "turn.js", "waiting(); ''");
    let measurement = measuring.end(&mut isolate).unwrap();
    assert!(measurement.is_exact());
    measurement.assert([
        Budget::total("work").retained_objects(1000),
        Budget::total("work").allocated_objects(2000),
    ]);
    let over = measurement.check(Budget::total("work").retained_objects(400)).unwrap_err();
    assert!(over.to_string().contains("work"), "{over}");

    // The wrong isolate, and one that somebody else samples.
    let mut other = fixtures::isolate();
    let measuring = MeasureOptions::exact().begin(&mut isolate).unwrap();
    assert!(matches!(measuring.end(&mut other), Err(Error::OtherIsolate)));
    let _session = SamplingSession::start(&mut other, options()).unwrap();
    let refused = MeasureOptions::exact().begin(&mut other);
    assert!(matches!(refused, Err(Error::AlreadySampling)));
}
