//! A heap test of asynchronous work: `cargo run --bin budget`. Measuring begins before the work is
//! started, and ends when the event loop has done it.
#![forbid(unsafe_code)]

use std::error::Error;

use deno_core::{JsRuntime, RuntimeOptions};
use v8_heap_sampler::budget::{Budget, MeasureOptions};
use v8_heap_sampler::v8_flags;

const HANDLER: &str = "
    const log = [];
    const later = (ms) =>
        new Promise((done) => Deno.core.createTimer(done, ms, undefined, false, true));
    async function authorise(request) {
        await later(1);
        log.push({ request, at: new Array(20).fill(request.id) });
    }
    async function handle(id) {
        await authorise({ id });
        await later(1);
        return Array.from({ length: 100 }, (_, row) => [id, row]).length;
    }
    async function serve() { for (let id = 0; id < 20; id++) await handle(id); }";

async fn serve(runtime: &mut JsRuntime) -> Result<(), Box<dyn Error>> {
    runtime.execute_script("serve.js", "serve(); undefined")?;
    Ok(runtime.run_event_loop(Default::default()).await?)
}

async fn run() -> Result<(), Box<dyn Error>> {
    let mut runtime = JsRuntime::new(RuntimeOptions::default());
    runtime.execute_script("handler.js", HANDLER)?;
    // What is made once, such as lists of timers, is no work's own.
    serve(&mut runtime).await?;

    let measuring = MeasureOptions::exact().begin(runtime.v8_isolate())?;
    serve(&mut runtime).await?;
    let measurement = measuring.end(runtime.v8_isolate())?;

    println!("{measurement}\n");
    // In a test: `measurement.assert(budgets)`, which panics with this message.
    let budgets = [Budget::all().allocated_bytes(1_000_000), Budget::all().retained_bytes(1_000)];
    match measurement.check(budgets) {
        Ok(()) => println!("within budget"),
        Err(over) => println!("{over}"),
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    // In a test binary of its own: flags are the process's, and must be set before V8 starts.
    v8_flags::set(v8_flags::STABLE)?;
    tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(run())
}
