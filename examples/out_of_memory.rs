//! Scripts with a limit, of which one runs out: `cargo run --example out_of_memory`. The host says
//! which function it was, keeps the profile in a file, and goes on with the next script.

use std::error::Error;

use v8_heap_sampler::heap_limit::{AtLimit, HeapLimitMonitor, HeapLimitOptions};
use v8_heap_sampler::{Label, SampleType, SamplerOptions, SamplingSession, v8_flags};

const LEAKS: &str = "
    const sessions = new Map();
    function render(id) { return Array.from({ length: 50 }, (_, i) => `<li>${id} ${i}</li>`).join(''); }
    (function serve() {
        for (let id = 0; ; id++) {
            sessions.set(id, { id, seen: [id, id + 1], at: new Date(id) });
            render(id);
        }
    })()";

const BEHAVES: &str = "Array.from({ length: 1000 }, (_, i) => i * i).length";

/// The script's value, or none if it did not end by itself.
fn run(isolate: &mut v8::Isolate, name: &str, source: &str) -> Option<String> {
    v8::scope!(let scope, isolate);
    let context = v8::Context::new(scope, Default::default());
    let scope = &mut v8::ContextScope::new(scope, context);
    let name = v8::String::new(scope, name)?.into();
    let origin =
        v8::ScriptOrigin::new(scope, name, 0, 0, false, 0, None, false, false, false, None);
    let source = v8::String::new(scope, source)?;
    let value = v8::Script::compile(scope, source, Some(&origin))?.run(scope)?;
    Some(value.to_rust_string_lossy(scope))
}

fn main() -> Result<(), Box<dyn Error>> {
    v8_flags::set(v8_flags::NO_ALLOCATION_FOLDING)?; // so that what is alive is right
    v8::V8::initialize_platform(v8::new_default_platform(0, false).make_shared());
    v8::V8::initialize();
    let limits = v8::CreateParams::default().heap_limits(0, 64 << 20);
    let isolate = &mut v8::Isolate::new(limits);
    let file = std::env::temp_dir().join(format!("out_of_memory.{}.folded", std::process::id()));

    let _session = SamplingSession::start(isolate, SamplerOptions::live_heap())?;
    let options = HeapLimitOptions::new()
        .at_limit(AtLimit::Terminate)
        .label(Label::text("tenant", "42"))
        .write_to(&file, |profile, out| profile.write_folded(out, SampleType::InuseSpace));
    let monitor = HeapLimitMonitor::install(isolate, options)?;

    for (name, source) in [("leaks.js", LEAKS), ("behaves.js", BEHAVES)] {
        match (run(isolate, name, source), monitor.take_report()) {
            (Some(value), None) => println!("{name}: {value}"),
            (None, Some(report)) => {
                isolate.cancel_terminate_execution();
                println!("{name}: {report}");
            }
            (value, report) => println!("{name}: {value:?}, {report:?}"),
        }
    }
    let stacks = std::fs::read_to_string(&file)?;
    println!("{}: {} stacks", file.display(), stacks.lines().count());
    Ok(std::fs::remove_file(&file)?)
}
