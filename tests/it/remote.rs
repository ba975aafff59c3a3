//! Sampling from other threads: busy isolates, idle ones, stuck ones and gone ones.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use fixtures::Realm;
use v8_heap_sampler::{
    Error, KeepDead, Label, Profile, SampleType, SamplerOptions, SamplerRegistry, SamplerRemote,
    SamplingSession,
};

/// Longer than anything takes on a busy machine.
const LONG: Duration = Duration::from_secs(120);
const SHORT: Duration = Duration::from_millis(20);

fn options() -> SamplerOptions {
    SamplerOptions::new().interval_bytes(1024)
}

fn has(profile: &Profile, name: &str) -> bool {
    profile.functions().iter().any(|function| function.name == name)
}

/// An isolate on a thread of its own that runs a script without end.
struct Busy {
    remote: SamplerRemote,
    handle: v8::IsolateHandle,
    thread: JoinHandle<String>,
}

impl Busy {
    fn new(source: &'static str) -> Self {
        Self::prepared(source, |_| ())
    }

    fn prepared(source: &'static str, prepare: fn(&mut v8::Isolate)) -> Self {
        fixtures::init();
        let (send, receive) = mpsc::channel();
        let thread = thread::spawn(move || {
            let (mut isolate, realm) = fixtures::realm();
            prepare(&mut isolate);
            send.send((SamplerRemote::of(&mut isolate), isolate.thread_safe_handle())).unwrap();
            realm.try_run(&mut isolate, "busy.js", source).unwrap_err().message
        });
        let (remote, handle) = receive.recv().unwrap();
        Self { remote, handle, thread }
    }

    /// Ends the script and the isolate.
    fn end(self) {
        self.handle.terminate_execution();
        assert_eq!(self.thread.join().unwrap(), "execution was terminated");
    }
}

const SPIN: &str = "function spin() { for (;;) globalThis.last = [globalThis.n++]; }
    globalThis.n = 0; spin()";

#[test]
fn a_busy_isolate_is_sampled_from_outside() {
    let busy = Busy::new(SPIN);
    assert!(busy.remote.state(LONG).wait().unwrap().is_none());
    assert!(matches!(busy.remote.profile(LONG).wait(), Err(Error::NotSampling)));
    assert!(matches!(busy.remote.stop(LONG).wait(), Err(Error::NotSampling)));

    let both = options().keep_dead(KeepDead::Both);
    busy.remote.start(both.clone(), LONG).wait().unwrap();
    let again = busy.remote.start(options(), LONG).wait();
    assert!(matches!(again, Err(Error::AlreadySampling)));
    assert_eq!(busy.remote.state(LONG).wait().unwrap(), Some(both));

    busy.remote.add_label(Label::text("tenant", "42"));
    let mut allocated = 0.0;
    // It goes on in between.
    for _ in 0..3 {
        while !has(&busy.remote.profile(LONG).wait().unwrap(), "spin") {}
        let window = busy.remote.take_window(LONG).wait().unwrap();
        assert!(has(&window, "spin"));
        assert!(window.label_sets().all(|set| set == [Label::text("tenant", "42")]));
        allocated += window.total(SampleType::AllocSpace).unwrap();
    }
    assert!(allocated > 0.0);
    busy.remote.stop(LONG).wait().unwrap();
    assert!(busy.remote.state(LONG).wait().unwrap().is_none());
    let refused = busy.remote.start(options().interval_bytes(0), LONG).wait();
    assert!(matches!(refused, Err(Error::Interval { interval_bytes: 0 })));

    let remote = busy.remote.clone();
    busy.end();
    assert!(remote.is_closed());
    assert!(matches!(remote.profile(LONG).wait(), Err(Error::IsolateGone)));
    assert!(format!("{remote:?}").contains("is_closed: true"));
}

#[test]
fn interrupts_come_wherever_javascript_looks_for_them() {
    let optimised =
        "function sum(n) { let sum = 0; for (let i = 0; i < n; i++) sum += i & 3; return sum; }
        for (let i = 0; i < 2000; i++) sum(2000);
        for (;;) globalThis.last = [sum(1e6)];";
    let sorting = "const numbers = Array.from({ length: 5000 }, (_, i) => (i * 7919) % 5000);
        for (;;) globalThis.last = [...numbers].sort((a, b) => a - b);";
    let replacing = "const text = 'ab'.repeat(20000);
        for (;;) globalThis.last = text.replace(/b/g, (b) => b + b).length;";
    let json = "const tree = Array.from({ length: 2000 }, (_, i) => ({ i, text: 'x' + i }));
        for (;;) globalThis.last = JSON.parse(JSON.stringify(tree));";
    let generators = "function* count() { for (let i = 0; ; i++) yield [i]; }
        for (const one of count()) globalThis.last = one;";
    // (module (func (export "spin") (loop br 0)))
    let wasm =
        "const code = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0,
            7, 8, 1, 4, 115, 112, 105, 110, 0, 0, 10, 9, 1, 7, 0, 3, 64, 12, 0, 11, 11]);
        const kept = Array.from({ length: 1000 }, (_, i) => [i]);
        new WebAssembly.Instance(new WebAssembly.Module(code)).exports.spin();";
    let full = "const kept = [];
        for (let i = 0; ; i++) { kept.push(new Array(100).fill(i)); if (kept.length > 20000) kept.length = 0; }";
    for source in [SPIN, optimised, sorting, replacing, json, generators, wasm, full] {
        let busy = Busy::new(source);
        for round in 0..10 {
            let force = round == 9;
            busy.remote.start(options().force_gc(force), LONG).wait().unwrap();
            let profile = busy.remote.profile(LONG).wait().unwrap();
            assert_eq!(profile.collection().unwrap().options.force_gc, force);
            busy.remote.stop(LONG).wait().unwrap();
        }
        busy.end();
    }
}

#[test]
fn an_idle_isolate_is_served_when_its_owner_polls() {
    let (mut isolate, realm) = fixtures::realm();
    let remote = SamplerRemote::of(&mut isolate);
    assert_eq!(remote.poll(&mut isolate).unwrap(), 0);
    let (wake, woken) = mpsc::channel();
    remote.set_waker(move || wake.send(()).unwrap());

    let asker = thread::spawn({
        let remote = remote.clone();
        move || {
            remote.start(options(), LONG).wait().unwrap();
            remote.profile(LONG).wait().unwrap()
        }
    });
    // An event loop.
    for _ in 0..2 {
        woken.recv().unwrap();
        realm.run(&mut isolate, "turn.js", "globalThis.kept = 1; ''");
        // What ran may have served it already, by an interrupt.
        remote.poll(&mut isolate).unwrap();
    }
    asker.join().unwrap();

    // On the isolate's own thread: ask, then serve.
    let requests = [remote.profile(LONG), remote.profile(LONG)];
    assert_eq!(remote.poll(&mut isolate).unwrap(), 2);
    requests.into_iter().for_each(|request| drop(request.wait().unwrap()));
}

#[test]
fn what_was_not_served_in_time_is_not_done_later() {
    let mut isolate = fixtures::isolate();
    let remote = SamplerRemote::of(&mut isolate);
    let late = remote.start(options(), SHORT).wait();
    match late {
        Err(Error::TimedOut { timeout }) => assert_eq!(timeout, SHORT),
        other => panic!("{other:?}"),
    }
    // Nor what nobody wants any more.
    drop(remote.start(options(), LONG));
    assert_eq!(remote.poll(&mut isolate).unwrap(), 2);
    assert!(SamplingSession::current(&mut isolate).is_none());
    // A deadline beyond all clocks is none.
    let served = remote.start(options(), Duration::MAX);
    remote.poll(&mut isolate).unwrap();
    served.wait().unwrap();
}

extern "C" fn linger(
    _: v8::UnsafeRawIsolatePtr,
    _: v8::GCType,
    _: v8::GCCallbackFlags,
    _: *mut std::ffi::c_void,
) {
    thread::sleep(Duration::from_millis(200));
}

#[test]
fn a_window_that_comes_too_late_goes_on() {
    let (mut isolate, realm) = fixtures::realm();
    let remote = SamplerRemote::of(&mut isolate);
    let started = remote.start(options().keep_dead(KeepDead::Both).force_gc(true), LONG);
    remote.poll(&mut isolate).unwrap();
    started.wait().unwrap();
    let source = "function fill() { return Array.from({ length: 2000 }, (_, i) => ({ i })); }
        globalThis.kept = fill(); ''";
    realm.run(&mut isolate, "fill.js", source);
    isolate.add_gc_epilogue_callback(linger, std::ptr::null_mut(), v8::GCType::kGCTypeAll);
    let late = remote.take_window(Duration::from_millis(100));
    let waiting = thread::spawn(move || late.wait());
    // It is begun in time, and ends too late.
    assert_eq!(remote.poll(&mut isolate).unwrap(), 1);
    assert!(matches!(waiting.join().unwrap(), Err(Error::TimedOut { .. })));
    let window = remote.take_window(LONG);
    remote.poll(&mut isolate).unwrap();
    assert!(has(&window.wait().unwrap(), "fill"));
    let next = remote.take_window(LONG);
    remote.poll(&mut isolate).unwrap();
    assert!(!has(&next.wait().unwrap(), "fill"));
}

#[test]
fn requests_that_wait_when_the_isolate_goes_are_answered() {
    let mut isolate = fixtures::isolate();
    let remote = SamplerRemote::of(&mut isolate);
    let waiting = [remote.profile(LONG), remote.profile(LONG)];
    let blocked = thread::spawn({
        let request = remote.start(options(), LONG);
        move || request.wait()
    });
    drop(isolate);
    for request in waiting {
        assert!(matches!(request.wait(), Err(Error::IsolateGone)));
    }
    assert!(matches!(blocked.join().unwrap(), Err(Error::IsolateGone)));
    // The isolate that comes to be at its address has another remote.
    let mut next = fixtures::isolate();
    let other = SamplerRemote::of(&mut next);
    assert!(remote.is_closed() && !other.is_closed());
    assert_eq!(remote.poll(&mut next).unwrap(), 0);
}

#[test]
fn an_isolate_is_polled_by_its_own_remote() {
    let mut isolate = fixtures::isolate();
    let remote = SamplerRemote::of(&mut isolate);
    let same = SamplerRemote::of(&mut isolate);
    let request = remote.start(options(), LONG);
    {
        let mut other = fixtures::isolate();
        assert!(matches!(remote.poll(&mut other), Err(Error::OtherIsolate)));
    }
    assert_eq!(same.poll(&mut isolate).unwrap(), 1);
    request.wait().unwrap();
}

#[test]
fn the_owners_session_is_profiled_and_the_remotes_ended_by_the_owner() {
    let (mut isolate, realm) = fixtures::realm();
    let remote = SamplerRemote::of(&mut isolate);
    let mut session = SamplingSession::start(&mut isolate, options()).unwrap();
    realm.run(
        &mut isolate,
        "fill.js",
        "globalThis.kept = (function fill() {
        return Array.from({ length: 9999 }, (_, i) => [i]); })(); ''",
    );
    let profile = remote.profile(LONG);
    remote.poll(&mut isolate).unwrap();
    assert!(has(&profile.wait().unwrap(), "fill"));
    session.stop(&mut isolate).unwrap();

    let started = remote.start(options(), LONG);
    remote.poll(&mut isolate).unwrap();
    started.wait().unwrap();
    SamplingSession::current(&mut isolate).unwrap().stop(&mut isolate).unwrap();
    let started = remote.start(options(), LONG);
    remote.poll(&mut isolate).unwrap();
    started.wait().unwrap();
}

/// Wakes a thread that runs a future.
struct Unpark(Thread, AtomicUsize);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.unpark();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(thread::current(), AtomicUsize::new(0))));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        thread::park();
    }
}

#[test]
fn requests_are_futures() {
    let busy = Busy::new(SPIN);
    let profile = block_on(async {
        busy.remote.start(options(), LONG).await?;
        let profile = busy.remote.profile(LONG).await?;
        busy.remote.stop(LONG).await?;
        Ok::<_, Error>(profile)
    });
    assert!(profile.is_ok());
    busy.end();

    let mut isolate = fixtures::isolate();
    let remote = SamplerRemote::of(&mut isolate);
    let before = Instant::now();
    assert!(matches!(block_on(remote.profile(SHORT)), Err(Error::TimedOut { .. })));
    assert!(before.elapsed() >= SHORT);
    let gone = remote.profile(LONG);
    drop(isolate);
    assert!(matches!(block_on(gone), Err(Error::IsolateGone)));
}

#[test]
fn a_registry_gathers_who_answers_and_names_who_does_not() {
    fixtures::init();
    let registry = SamplerRegistry::default();
    let done = AtomicBool::new(false);
    let label = |worker: &'static str| [Label::text("worker", worker)];
    thread::scope(|threads| {
        let (ready, when_ready) = mpsc::channel();
        let (registry, done) = (&registry, &done);
        for worker in ["busy 1", "busy 2", "polled 1", "polled 2", "stuck", "unsampled", "gone"] {
            let ready = ready.clone();
            threads.spawn(move || {
                let (mut isolate, realm) = fixtures::realm();
                let remote = registry.register(&mut isolate, label(worker));
                let mut session = SamplingSession::start(&mut isolate, options()).unwrap();
                let source = "globalThis.kept = Array.from({ length: 2000 }, (_, i) => [i]); ''";
                realm.run(&mut isolate, "fill.js", source);
                if worker == "unsampled" {
                    session.stop(&mut isolate).unwrap();
                }
                if worker == "gone" {
                    drop(isolate);
                    ready.send(()).unwrap();
                    return;
                }
                ready.send(()).unwrap();
                while !done.load(Ordering::Relaxed) {
                    match worker {
                        "stuck" => thread::sleep(Duration::from_millis(1)),
                        "busy 1" | "busy 2" => {
                            realm.run(
                                &mut isolate,
                                "busy.js",
                                "for (let i = 0; i < 1e4; i++) {} ''",
                            );
                        }
                        _ => {
                            remote.poll(&mut isolate).unwrap();
                            thread::sleep(Duration::from_millis(1));
                        }
                    }
                }
            });
        }
        (0..7).for_each(|_| when_ready.recv().unwrap());
        let gathered = registry.gather(Duration::from_secs(5));
        let answered: Vec<_> = gathered
            .profiles
            .iter()
            .map(|profile| {
                profile.label_sets().find(|set| !set.is_empty()).expect("labelled")[0].to_string()
            })
            .collect();
        for worker in ["busy 1", "busy 2", "polled 1", "polled 2"] {
            assert!(answered.contains(&format!("worker={worker}")), "{worker} of {gathered:?}");
        }
        assert_eq!(gathered.missing.len(), 3, "{:?}", gathered.missing);
        for (labels, error) in &gathered.missing {
            let labels: Vec<_> = labels.iter().map(ToString::to_string).collect();
            match (labels[0].as_str(), error) {
                ("worker=stuck", Error::TimedOut { .. })
                | ("worker=unsampled", Error::NotSampling)
                | ("worker=gone", Error::IsolateGone) => {}
                other => panic!("{other:?}"),
            }
        }
        // What has gone is named once.
        assert_eq!(registry.remotes().len(), 6);
        let merged = Profile::merge(&gathered.profiles).unwrap();
        let by_worker = merged.top(SampleType::InuseSpace).unwrap();
        assert!(!by_worker.rows.is_empty());
        done.store(true, Ordering::Relaxed);
    });
    let stuck = registry.remotes();
    stuck.iter().for_each(|remote| registry.remove(remote));
    assert!(registry.gather(SHORT).profiles.is_empty());
}

/// Requests of several threads race with each other, with `terminate_execution`, and with the
/// isolates' disposal: for `RACE_SECONDS`, two if that is not set.
#[test]
fn races() {
    fixtures::init();
    let seconds = std::env::var("RACE_SECONDS").map_or(2, |text| text.parse().unwrap());
    let end = Instant::now() + Duration::from_secs(seconds);
    // done, timed out, gone, refused
    let outcomes: Arc<[AtomicUsize; 4]> = Arc::default();
    let (mut lives, mut random) = (0_u64, 0x9e37_79b9_7f4a_7c15_u64);
    while Instant::now() < end {
        lives += 1;
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let life = Duration::from_micros(random % 30_000);
        let (send, receive) = mpsc::channel();
        let isolate = thread::spawn(move || {
            let (mut isolate, realm) = fixtures::realm();
            let remote = SamplerRemote::of(&mut isolate);
            send.send((remote.clone(), isolate.thread_safe_handle())).unwrap();
            let born = Instant::now();
            while born.elapsed() < life {
                // Terminated now and then.
                let _ = realm.try_run(
                    &mut isolate,
                    "work.js",
                    "for (let i = 0; i < 3000; i++)
                    (globalThis.kept ??= []).push([i]); if (kept.length > 1e5) kept = []; ''",
                );
                isolate.cancel_terminate_execution();
                remote.poll(&mut isolate).unwrap();
            }
        });
        let (remote, handle) = receive.recv().unwrap();
        let askers: Vec<_> = (0..3_u64)
            .map(|asker| {
                let (remote, outcomes, handle) =
                    (remote.clone(), Arc::clone(&outcomes), handle.clone());
                thread::spawn(move || {
                    let timeout = Duration::from_millis(1 + asker * 40);
                    for round in 0.. {
                        if round % 7 == asker {
                            handle.terminate_execution();
                        }
                        let both = options().keep_dead(KeepDead::Both);
                        let outcome = match (round + asker) % 5 {
                            0 => remote.start(both, timeout).wait(),
                            1 => block_on(remote.take_window(timeout)).map(drop),
                            2 => remote.state(timeout).wait().map(drop),
                            3 if round % 3 == 0 => remote.stop(timeout).wait(),
                            _ => remote.profile(timeout).wait().map(drop),
                        };
                        let what = match outcome {
                            Ok(()) => 0,
                            Err(Error::TimedOut { .. }) => 1,
                            Err(Error::IsolateGone) => 2,
                            Err(Error::NotSampling | Error::AlreadySampling) => 3,
                            Err(error) => panic!("{error}"),
                        };
                        outcomes[what].fetch_add(1, Ordering::Relaxed);
                        drop(remote.profile(timeout));
                        if what == 2 {
                            break;
                        }
                    }
                })
            })
            .collect();
        isolate.join().unwrap();
        askers.into_iter().for_each(|asker| asker.join().unwrap());
    }
    let outcomes = outcomes.each_ref().map(|count| count.load(Ordering::Relaxed));
    println!("{lives} isolates; done, timed out, gone, refused: {outcomes:?}");
    assert!(outcomes.iter().all(|&count| count > 0), "{outcomes:?}");
}

#[test]
fn realms_do_not_matter() {
    // An isolate without any context.
    let mut isolate = fixtures::isolate();
    let remote = SamplerRemote::of(&mut isolate);
    let started = remote.start(options(), LONG);
    let profile = remote.profile(LONG);
    remote.poll(&mut isolate).unwrap();
    started.wait().unwrap();
    profile.wait().unwrap();
    Realm::new(&mut isolate);
}
