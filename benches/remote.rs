//! What it costs to sample from elsewhere: a session against the guard, `poll` with nothing to do,
//! requests to an isolate that never rests, and the profiles of many isolates at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use fixtures::{Pairs, Realm};
use v8_heap_sampler::{
    HeapSampler, Label, SamplerOptions, SamplerRegistry, SamplerRemote, SamplingSession,
};

const LONG: Duration = Duration::from_secs(600);

/// A program of some hundred functions that keeps what it makes.
const FILL: &str = "
    var kept = [];
    for (let i = 0; i < 200; i++) {
        globalThis['f' + i] = (0, eval)(`(function f${i}(n) {
            return n ? [f${(i + 1) % 200}(n - 1), { n }] : [];
        })`);
    }
    for (let i = 0; i < 200; i++) kept.push(globalThis['f' + i](50));
    function turn() { for (let i = 0; i < 20; i++) globalThis.last = globalThis['f' + i](20); } ''";

fn session(_: &mut Criterion) {
    let (mut isolate, realm) = fixtures::realm();
    let mut sampler = HeapSampler::new(&mut isolate, 256, 64).unwrap();
    realm.run(&mut sampler, "fill.js", FILL);
    let mut session = SamplingSession::current(&mut sampler).unwrap();
    let nodes = sampler.profile().unwrap().len();
    let sampler = std::cell::RefCell::new(sampler);
    let pairs = Pairs::measure(
        1000,
        || session.profile(&mut sampler.borrow_mut()).unwrap(),
        || sampler.borrow_mut().profile().unwrap(),
    );
    let (median, low, high) = pairs.ratio();
    println!(
        "profile of {nodes} contexts, session / guard: {median:.3} (middle half {low:.3} to \
         {high:.3}; {:.1?} / {:.1?})\n",
        pairs.first(),
        pairs.second()
    );
}

fn poll(c: &mut Criterion) {
    let mut isolate = fixtures::isolate();
    let remote = SamplerRemote::of(&mut isolate);
    c.bench_function("remote/poll, nothing to do", |b| {
        b.iter(|| std::hint::black_box(&remote).poll(&mut isolate).unwrap());
    });
}

/// An isolate in a loop without end, sampled from here a thousand times.
fn busy(_: &mut Criterion) {
    fixtures::init();
    let (send, receive) = mpsc::channel();
    let isolate = thread::spawn(move || {
        let (mut isolate, realm) = fixtures::realm();
        realm.run(&mut isolate, "fill.js", FILL);
        send.send((SamplerRemote::of(&mut isolate), isolate.thread_safe_handle())).unwrap();
        realm.try_run(&mut isolate, "spin.js", "for (;;) turn()").unwrap_err();
    });
    let (remote, handle) = receive.recv().unwrap();
    let options = SamplerOptions::new();
    let mut times = [const { Vec::new() }; 3];
    for _ in 0..1000 {
        let before = Instant::now();
        remote.start(options.clone(), LONG).wait().unwrap();
        let started = Instant::now();
        remote.profile(LONG).wait().unwrap();
        let profiled = Instant::now();
        remote.stop(LONG).wait().unwrap();
        times[0].push(started - before);
        times[1].push(profiled - started);
        times[2].push(profiled.elapsed());
    }
    let [start, profile, stop] = times.map(Spread::of);
    println!("requests to a busy isolate, 1000 each, answered after");
    println!("  start {start}\n  profile, with the collection {profile}\n  stop {stop}\n");
    handle.terminate_execution();
    isolate.join().unwrap();
}

/// Isolates of several threads, under load or idle, whose profiles are gathered at once.
fn gather(isolates: usize, threads: usize, is_idle: bool) {
    fixtures::init();
    let (registry, done) = (SamplerRegistry::default(), AtomicBool::new(false));
    let (ready, when_ready) = mpsc::channel();
    let (pause, pauses) = mpsc::channel();
    thread::scope(|scope| {
        for thread in 0..threads {
            let (registry, done) = (&registry, &done);
            let (ready, pause) = (ready.clone(), pause.clone());
            scope.spawn(move || {
                let mut workers = Vec::new();
                for number in 0..isolates / threads {
                    let mut isolate = fixtures::isolate();
                    let realm = Realm::new(&mut isolate);
                    let label = Label::text("isolate", format!("{thread}.{number}"));
                    let remote = registry.register(&mut isolate, [label]);
                    let session =
                        SamplingSession::start(&mut isolate, SamplerOptions::new()).unwrap();
                    let fill = if is_idle {
                        "globalThis.kept = new Array(9999).fill(0); ''"
                    } else {
                        FILL
                    };
                    realm.run(&mut isolate, "fill.js", fill);
                    // SAFETY: it was entered as it was made, and is the current one.
                    unsafe { isolate.exit() };
                    workers.push((session, remote, realm, isolate));
                }
                ready.send(()).unwrap();
                while !done.load(Ordering::Relaxed) {
                    for (_, remote, realm, isolate) in &mut workers {
                        if !is_idle {
                            // SAFETY: it lives, and is used by this thread alone.
                            unsafe { isolate.enter() };
                            realm.run(isolate, "turn.js", "turn()");
                            // SAFETY: it is the current one.
                            unsafe { isolate.exit() };
                        }
                        remote.poll(isolate).unwrap();
                    }
                    if is_idle {
                        thread::sleep(Duration::from_millis(1));
                    }
                }
                while let Some((mut session, _, _, mut isolate)) = workers.pop() {
                    // SAFETY: it lives, and is used by this thread alone. It is exited as it is
                    // dropped.
                    unsafe { isolate.enter() };
                    let before = Instant::now();
                    session.profile(&mut isolate).unwrap();
                    pause.send(before.elapsed()).unwrap();
                }
            });
        }
        (0..threads).for_each(|_| when_ready.recv().unwrap());
        let times: Vec<_> = (0..20)
            .map(|_| {
                let before = Instant::now();
                let gathered = registry.gather(LONG);
                assert_eq!((gathered.profiles.len(), gathered.missing.len()), (isolates, 0));
                before.elapsed()
            })
            .collect();
        let how = if is_idle { "idle, polled every millisecond" } else { "under load" };
        println!("{isolates} isolates on {threads} threads, {how}: all profiles, 20 times, after");
        println!("  {}", Spread::of(times));
        done.store(true, Ordering::Relaxed);
    });
    drop(pause);
    println!("  each isolate pauses for {}\n", Spread::of(pauses.iter().collect()));
}

fn many(_: &mut Criterion) {
    gather(64, 8, false);
    gather(1000, 8, true);
}

/// The median of some times, and the longest.
struct Spread {
    median: Duration,
    longest: Duration,
}

impl Spread {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort();
        Self { median: times[times.len() / 2], longest: times[times.len() - 1] }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.2?} in the median, {:.2?} at most", self.median, self.longest)
    }
}

criterion_group!(benches, session, poll, busy, many);
criterion_main!(benches);
