//! Ops with which a program samples itself: `cargo run --bin ops`. The session lives in the ops'
//! state between the two calls, and the profile goes back to JavaScript.
#![forbid(unsafe_code)]

use std::error::Error;

use deno_core::{JsRuntime, OpState, RuntimeOptions, op2, v8};
use deno_error::JsErrorBox;
use v8_heap_sampler::{KeepDead, SampleType, SamplerOptions, SamplingSession};

const PROGRAM: &str = "
    const { op_heap_profile_start, op_heap_profile_stop } = Deno.core.ops;
    function parse(lines) { return lines.map((line) => line.split(',')); }
    async function load() {
        await new Promise((done) => Deno.core.createTimer(done, 5, undefined, false, true));
        return parse(Array.from({ length: 3000 }, (_, i) => i + ',a,b'));
    }
    (async () => {
        op_heap_profile_start({ sampleInterval: 1024 });
        globalThis.rows = await load();
        const { head } = JSON.parse(op_heap_profile_stop());
        const sizes = new Map();
        (function visit({ callFrame: { functionName }, selfSize, children }) {
            sizes.set(functionName, (sizes.get(functionName) ?? 0) + selfSize);
            children.forEach(visit);
        })(head);
        for (const [name, size] of sizes) {
            if (size && !name.startsWith('(')) console.log(`${name}: ${(size / 1e3).toFixed(0)} kB`);
        }
        try { op_heap_profile_stop(); } catch (error) { console.log(error.message); }
    })();";

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Options {
    sample_interval: u64,
}

#[op2]
fn op_heap_profile_start(
    scope: &mut v8::PinScope<'_, '_>,
    state: &mut OpState,
    #[serde] options: Options,
) -> Result<(), JsErrorBox> {
    let options =
        SamplerOptions::new().keep_dead(KeepDead::Both).interval_bytes(options.sample_interval);
    state.put(SamplingSession::start(scope, options).map_err(thrown)?);
    Ok(())
}

#[op2]
#[string]
fn op_heap_profile_stop(
    scope: &mut v8::PinScope<'_, '_>,
    state: &mut OpState,
) -> Result<String, JsErrorBox> {
    let session = state.try_take::<SamplingSession>();
    let mut session = session.ok_or_else(|| JsErrorBox::generic("no heap profile was started"))?;
    let profile = session.finish(scope).map_err(thrown)?;
    let mut json = Vec::new();
    profile.write_heapprofile(&mut json, SampleType::AllocSpace).map_err(thrown)?;
    String::from_utf8(json).map_err(thrown)
}

fn thrown(error: impl Error) -> JsErrorBox {
    JsErrorBox::generic(error.to_string())
}

deno_core::extension!(heap_profile, ops = [op_heap_profile_start, op_heap_profile_stop]);

async fn run() -> Result<(), Box<dyn Error>> {
    let extensions = vec![heap_profile::init()];
    let mut runtime = JsRuntime::new(RuntimeOptions { extensions, ..Default::default() });
    runtime.execute_script("program.js", PROGRAM)?;
    Ok(runtime.run_event_loop(Default::default()).await?)
}

fn main() -> Result<(), Box<dyn Error>> {
    tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(run())
}
