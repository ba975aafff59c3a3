//! A runtime with a limit of memory: `cargo run --bin heap_limit`. A program that leaks from timer
//! to timer is ended, the host says which function it was, and the same runtime goes on.
#![forbid(unsafe_code)]

use std::error::Error;

use deno_core::{JsRuntime, RuntimeOptions, v8};
use v8_heap_sampler::heap_limit::{AtLimit, HeapLimitMonitor, HeapLimitOptions};
use v8_heap_sampler::{SampleType, SamplerOptions, SamplingSession, v8_flags};

const LEAKS: &str = "
    const sessions = new Map();
    let next = 0;
    function remember() {
        for (let i = 0; i < 1000; i++, next++) sessions.set(next, { id: next, seen: [i, i + 1] });
        Deno.core.createTimer(remember, 1, undefined, false, true);
    }
    remember();";

async fn run() -> Result<(), Box<dyn Error>> {
    let limits = v8::CreateParams::default().heap_limits(0, 64 << 20);
    let mut runtime =
        JsRuntime::new(RuntimeOptions { create_params: Some(limits), ..Default::default() });
    // Goes on working: V8 calls it once the monitor has acted, if its ceiling is not enough.
    runtime.add_near_heap_limit_callback(|current, _| 2 * current);
    let file = std::env::temp_dir().join(format!("heap_limit.{}.folded", std::process::id()));
    let _session = SamplingSession::start(runtime.v8_isolate(), SamplerOptions::live_heap())?;
    let options = HeapLimitOptions::new()
        .at_limit(AtLimit::Terminate)
        .write_to(&file, |profile, out| profile.write_folded(out, SampleType::InuseSpace));
    let monitor = HeapLimitMonitor::install(runtime.v8_isolate(), options)?;

    runtime.execute_script("leaks.js", LEAKS)?;
    let ended = runtime.run_event_loop(Default::default()).await;
    let report = monitor.take_report().ok_or("it has not come to its limit")?;
    println!("{}\n{report}", ended.err().ok_or("it was not terminated")?);

    runtime.v8_isolate().cancel_terminate_execution();
    runtime.execute_script("after.js", "console.log('the runtime goes on')")?;
    let stacks = std::fs::read_to_string(&file)?;
    println!("{} stacks in {}", stacks.lines().count(), file.display());
    Ok(std::fs::remove_file(&file)?)
}

fn main() -> Result<(), Box<dyn Error>> {
    v8_flags::set(v8_flags::NO_ALLOCATION_FOLDING)?; // so that what is alive is right
    tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(run())
}
