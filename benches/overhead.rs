//! What sampling costs the script: a run with sampling off, at 512 KiB, at 32 KiB, and in exact mode;
//! and what a sample costs.

use criterion::{Criterion, criterion_group, criterion_main};
use fixtures::{Pairs, Realm, middle_half, processor_time};
use v8_heap_sampler::{HeapSampler, KeepDead, SamplerOptions};

const PREPARE: &str = include_str!("support/objects.js");

const INTERVALS: [(&str, u64); 3] = [("512 KiB", 512 * 1024), ("32 KiB", 32 * 1024), ("1 byte", 1)];

/// What is run, where it is compiled once before.
struct Program {
    name: &'static str,
    realm: Realm,
    run: &'static str,
    /// Whether what sampling costs is what samples cost, and not that V8 moves elements instead of
    /// the start of their array.
    is_of_samples: bool,
}

fn measure(c: &mut Criterion, isolate: &mut v8::Isolate, program: &Program) {
    let Program { name, realm, run, .. } = program;
    let once = |isolate: &mut v8::Isolate| realm.run(isolate, "run.js", run);
    let sampled = |isolate: &mut v8::Isolate, interval_bytes| {
        let mut sampler = HeapSampler::new(isolate, interval_bytes, 64).unwrap();
        once(&mut sampler)
    };
    let mut group = c.benchmark_group(format!("overhead/{name}"));
    group.sample_size(10);
    group.bench_function("off", |b| b.iter(|| once(isolate)));
    for (interval, interval_bytes) in INTERVALS {
        group.bench_function(interval, |b| b.iter(|| sampled(isolate, interval_bytes)));
    }
    group.finish();

    println!("\n{name}, in turn, pair by pair:");
    let isolate = std::cell::RefCell::new(isolate);
    for (interval, interval_bytes) in INTERVALS {
        let pairs = Pairs::measure(
            if interval_bytes > 1 { 40 } else { 8 },
            || sampled(&mut isolate.borrow_mut(), interval_bytes),
            || once(&mut isolate.borrow_mut()),
        );
        let (median, low, high) = pairs.ratio();
        println!(
            "  {interval} / off: {median:.3} (middle half {low:.3} to {high:.3}; {:.1?} / {:.1?})",
            pairs.first(),
            pairs.second()
        );
    }
    println!();
    if program.is_of_samples {
        cost_of_a_sample(&mut isolate.borrow_mut(), program);
    }
}

/// What each sample costs, as [`Overhead`] takes it: of runs that are sampled every 4 KiB, and not.
fn cost_of_a_sample(isolate: &mut v8::Isolate, Program { name, realm, run, .. }: &Program) {
    for keep_dead in [KeepDead::None, KeepDead::Both] {
        let mut costs = Vec::new();
        for _ in 0..40 {
            let took = |isolate: &mut v8::Isolate| {
                processor_time(|| drop(realm.run(isolate, "run.js", run))).as_secs_f64()
            };
            let plain = took(isolate);
            let options = SamplerOptions::new().interval_bytes(4096).keep_dead(keep_dead);
            let mut sampler = HeapSampler::with_options(isolate, options).unwrap();
            let sampled = took(&mut sampler);
            let profile = sampler.profile().unwrap();
            let allocated = profile.collection().unwrap().allocated();
            costs.push((sampled - plain) * 1e6 / (allocated.0 as f64 / 4096.0));
        }
        let (median, low, high) = middle_half(costs);
        println!(
            "{name}, {keep_dead:?} of the dead kept: {median:.2} µs a sample (middle half {low:.2} to \
             {high:.2})"
        );
    }
    println!();
}

fn overhead(c: &mut Criterion) {
    let (mut isolate, realm) = fixtures::realm();
    realm.run(&mut isolate, "prepare.js", PREPARE);
    measure(
        c,
        &mut isolate,
        &Program { name: "objects", realm, run: "work()", is_of_samples: true },
    );
    drop(isolate);

    let (mut isolate, realm) = fixtures::realm();
    realm.run(&mut isolate, "queue.js", include_str!("support/queue.js"));
    measure(
        c,
        &mut isolate,
        &Program { name: "queue", realm, run: "work()", is_of_samples: false },
    );
    drop(isolate);

    match fixtures::npm::typescript() {
        Ok(compiler) => {
            let (mut isolate, realm) = fixtures::realm();
            realm.set_string(&mut isolate, "source", &compiler);
            realm.run(&mut isolate, "typescript.js", &compiler);
            let run = "ts.transpileModule(source.slice(0, 100000), { compilerOptions: {
                target: ts.ScriptTarget.ES5, allowJs: true } }).outputText.length";
            measure(
                c,
                &mut isolate,
                &Program { name: "typescript", realm, run, is_of_samples: true },
            );
        }
        Err(missing) => eprintln!("the real program is left out: {missing}"),
    }
}

criterion_group!(benches, overhead);
criterion_main!(benches);
