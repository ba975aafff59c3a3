//! What keeping more frames of each stack costs, on programs with deep stacks: time a sample, contexts,
//! memory, and the part of the bytes that is on stacks that were cut.
//!
//! `bash .ci/fixtures` first, for the compiler; then `cargo bench --bench depth`.

use fixtures::{Realm, middle_half, processor_time, resident_memory};
use v8_heap_sampler::{HeapSampler, KeepDead, SampleType, SamplerOptions};

const DEPTHS: [u32; 5] = [64, 128, 255, 1024, 2048];
const INTERVAL: u64 = 4096;
const TURNS: usize = 15;

fn measure(name: &str, isolate: &mut v8::Isolate, realm: &Realm) {
    let work = realm.function(isolate, "work");
    let took =
        |isolate: &mut v8::Isolate| processor_time(|| realm.call(isolate, &work)).as_secs_f64();
    for _ in 0..5 {
        took(isolate);
    }
    println!("{name}");
    for depth in DEPTHS {
        let (mut costs, mut said, mut grown) = (Vec::new(), String::new(), Vec::new());
        for _ in 0..TURNS {
            let plain = took(isolate);
            let options = SamplerOptions::new()
                .interval_bytes(INTERVAL)
                .keep_dead(KeepDead::Both)
                .stack_depth(depth);
            let mut sampler = HeapSampler::with_options(isolate, options).unwrap();
            let before = resident_memory();
            let sampled = took(&mut sampler);
            grown.push(resident_memory().saturating_sub(before) as f64 / 1e6);
            let profile = sampler.profile().unwrap();
            let samples = profile.samples().unwrap().len();
            costs.push((sampled - plain) * 1e6 / samples as f64);
            let cut = profile.cut_stacks().and_then(|cut| cut.total(SampleType::AllocSpace));
            let total = profile.estimate(SampleType::AllocSpace).unwrap();
            let share = cut.map_or(0.0, |cut| 100.0 * cut.value() / total.value());
            said = format!("{samples} samples, {} contexts, {share:.1} % cut", profile.len());
        }
        let (median, low, high) = middle_half(costs);
        let (memory, ..) = middle_half(grown);
        println!(
            "  {depth:4} frames: {median:5.1} µs a sample ({low:.1} to {high:.1}), {memory:.1} MB; {said}"
        );
    }
}

fn main() {
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    for (name, source) in [
        ("rendering of nested components", include_str!("support/ssr.js")),
        ("recursive descent", include_str!("support/descent.js")),
    ] {
        let (mut isolate, realm) = fixtures::realm();
        realm.run(&mut isolate, "work.js", &format!("{source}\n''"));
        measure(name, &mut isolate, &realm);
    }
    match fixtures::npm::typescript() {
        Ok(compiler) => {
            let (mut isolate, realm) = fixtures::realm();
            realm.set_string(&mut isolate, "source", &compiler);
            realm.run(&mut isolate, "typescript.js", &compiler);
            realm.run(&mut isolate, "work.js", "
                const text = source.slice(0, 400000);
                function work() {
                    return ts.transpileModule(text, { compilerOptions: { target: ts.ScriptTarget.ES5 } })
                        .outputText.length;
                }
                ''");
            measure("TypeScript", &mut isolate, &realm);
        }
        Err(missing) => eprintln!("the compiler is left out: {missing}"),
    }
}
