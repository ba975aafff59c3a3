//! Many isolates in one process, whose profiles one call gathers:
//! `cargo run --example many`. Each runs on a thread of its own, for a tenant: one never rests, one is
//! idle and polled, and one is stuck and named as such.

use std::error::Error;
use std::thread;
use std::time::Duration;

use v8_heap_sampler::analysis::{GroupBy, TopOptions};
use v8_heap_sampler::{
    Label, Profile, SampleType, SamplerOptions, SamplerRegistry, SamplingSession, v8_flags,
};

const TENANT: &str = "
    function remember(n) { kept.push(Array.from({ length: n }, (_, i) => [i])); }
    globalThis.kept = [];
    remember(size);
    while (isBusy) globalThis.spin = [1];";

/// The life of a tenant's isolate.
fn tenant(registry: &SamplerRegistry, name: &'static str, size: u32) -> Result<(), Box<dyn Error>> {
    let isolate = &mut v8::Isolate::new(Default::default());
    let remote = registry.register(isolate, [Label::text("tenant", name)]);
    let options = SamplerOptions::live_heap().interval_bytes(16 * 1024);
    let _session = SamplingSession::start(isolate, options)?;
    v8::scope!(let scope, isolate);
    let context = v8::Context::new(scope, Default::default());
    let scope = &mut v8::ContextScope::new(scope, context);
    let (size, is_busy) = (v8::Integer::new_from_unsigned(scope, size), name == "busy");
    let is_busy = v8::Boolean::new(scope, is_busy);
    for (key, value) in [("size", size.into()), ("isBusy", is_busy.into())] {
        let key = v8::String::new(scope, key).unwrap();
        context.global(scope).set(scope, key.into(), value);
    }
    let code = v8::String::new(scope, TENANT).unwrap();
    v8::Script::compile(scope, code, None).unwrap().run(scope).ok_or("it has thrown")?;
    loop {
        if name != "stuck" {
            remote.poll(scope)?;
        }
        thread::sleep(Duration::from_millis(1));
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    v8_flags::set(v8_flags::NO_ALLOCATION_FOLDING)?; // so that what is alive is right
    v8::V8::initialize_platform(v8::new_default_platform(0, false).make_shared());
    v8::V8::initialize();
    let registry = SamplerRegistry::default();
    for (name, size) in [("busy", 20_000), ("idle", 5_000), ("stuck", 100)] {
        let registry = registry.clone();
        thread::spawn(move || tenant(&registry, name, size).expect("it goes on"));
    }
    thread::sleep(Duration::from_millis(500));
    let gathered = registry.gather(Duration::from_millis(500));
    for (labels, error) in &gathered.missing {
        println!("{}: {error}", labels[0]);
    }
    let all = Profile::merge(&gathered.profiles)?;
    let by_tenant = GroupBy::Label("tenant".into());
    println!("{}", all.top(TopOptions::new(SampleType::InuseSpace).by(by_tenant))?);
    Ok(())
}
