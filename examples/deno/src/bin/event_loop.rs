//! Modules, timers and asynchronous ops, sampled while the event loop runs:
//! `cargo run --bin event_loop`. What it takes is the two calls of `SamplingSession`.
#![forbid(unsafe_code)]

use std::error::Error;
use std::rc::Rc;
use std::time::Duration;

use deno_core::{JsRuntime, ModuleSpecifier, RuntimeOptions, StaticModuleLoader, op2};
use v8_heap_sampler::analysis::TopOptions;
use v8_heap_sampler::{SampleType, SamplerOptions, SamplingSession, v8_flags};

const MAIN: &str = "
    import { remember } from './cache.js';
    const { op_load } = Deno.core.ops;
    export async function load(id) {
        const text = await op_load(id);
        remember(id, text.split(','));
    }
    function tick() {
        globalThis.ticks = (globalThis.ticks ?? []).concat([{ at: Date.now() }]);
    }
    for (let id = 0; id < 20; id++) Deno.core.createTimer(tick, id, undefined, false, true);
    await Promise.all(Array.from({ length: 200 }, (_, id) => load(id)));";

const CACHE: &str = "
    const cache = new Map();
    export function remember(id, fields) {
        cache.set(id, fields.map((field, column) => ({ id, field, column })));
    }";

/// An asynchronous op: the event loop goes on meanwhile.
#[op2]
#[string]
async fn op_load(id: u32) -> String {
    tokio::time::sleep(Duration::from_millis(u64::from(id % 10))).await;
    (0..50).map(|field| format!("{id}/{field}")).collect::<Vec<_>>().join(",")
}

deno_core::extension!(app, ops = [op_load]);

async fn run() -> Result<(), Box<dyn Error>> {
    let [main, cache] = ["main", "cache"].map(|name| format!("file:///app/{name}.js"));
    let main = ModuleSpecifier::parse(&main)?;
    let loader =
        StaticModuleLoader::new([(main.clone(), MAIN), (ModuleSpecifier::parse(&cache)?, CACHE)]);
    let mut runtime = JsRuntime::new(RuntimeOptions {
        module_loader: Some(Rc::new(loader)),
        extensions: vec![app::init()],
        ..Default::default()
    });

    let options = SamplerOptions::live_heap().interval_bytes(1024);
    let mut session = SamplingSession::start(runtime.v8_isolate(), options)?;
    let module = runtime.load_main_es_module(&main).await?;
    let done = runtime.mod_evaluate(module);
    runtime.run_event_loop(Default::default()).await?;
    done.await?;
    let profile = session.finish(runtime.v8_isolate())?;

    print!("{}", profile.top(TopOptions::new(SampleType::InuseSpace).limit(8))?);
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    v8_flags::set(v8_flags::NO_ALLOCATION_FOLDING)?; // so that what is alive is right
    tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(run())
}
