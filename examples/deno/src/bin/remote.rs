//! A runtime that another thread has sampled: `cargo run --bin remote`. First it is idle, and its
//! event loop is woken; then its script never rests, and is interrupted.
#![forbid(unsafe_code)]

use std::error::Error;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use deno_core::{JsRuntime, PollEventLoopOptions, RuntimeOptions, futures::task::AtomicWaker, v8};
use v8_heap_sampler::analysis::TopOptions;
use v8_heap_sampler::{SampleType, SamplerOptions, SamplerRemote};

const TIMEOUT: Duration = Duration::from_secs(10);

const SCRIPT: &str = "
    const later = (work, ms) => Deno.core.createTimer(work, ms, undefined, false, true);
    function remember() { (globalThis.kept ??= []).push(Array.from({ length: 1000 }, () => ({}))); }
    remember();
    later(function spin() { for (;;) globalThis.last = [{}]; }, 500);";

/// The other thread: a supervisor, a signal's handler, an HTTP server.
fn supervise(remote: &SamplerRemote, isolate: &v8::IsolateHandle) -> Result<(), String> {
    let sampled = || {
        let options = SamplerOptions::allocation_windows().interval_bytes(1024);
        remote.start(options, TIMEOUT).wait()?;
        println!("started");
        thread::sleep(Duration::from_secs(1));
        remote.take_window(TIMEOUT).wait()
    };
    let profile = sampled().map_err(|error| error.to_string());
    isolate.terminate_execution();
    let top = profile?.top(TopOptions::new(SampleType::AllocSpace).limit(3));
    print!("{}", top.map_err(|error| error.to_string())?);
    Ok(())
}

async fn run() -> Result<(), Box<dyn Error>> {
    let mut runtime = JsRuntime::new(RuntimeOptions::default());
    let remote = SamplerRemote::of(runtime.v8_isolate());
    let waker = Arc::new(AtomicWaker::new());
    remote.set_waker({
        let waker = Arc::clone(&waker);
        move || waker.wake()
    });
    runtime.execute_script("script.js", SCRIPT)?;
    let handle = runtime.v8_isolate().thread_safe_handle();
    let supervisor = thread::spawn({
        let remote = remote.clone();
        move || supervise(&remote, &handle)
    });

    let ended = poll_fn(|context| {
        // Before `poll`: what comes after that wakes this task.
        waker.register(context.waker());
        if let Err(error) = remote.poll(runtime.v8_isolate()) {
            return Poll::Ready(Err(error.into()));
        }
        runtime.poll_event_loop(context, PollEventLoopOptions::default()).map_err(Box::from)
    });
    let ended: Result<(), Box<dyn Error>> = ended.await;
    println!("the script has ended: {}", ended.is_err());
    Ok(supervisor.join().expect("it does not panic")?)
}

fn main() -> Result<(), Box<dyn Error>> {
    tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(run())
}
