//! As the example `cli`, with the source of each allocating function below the table.

use std::io::{Write, stdout};
use std::process::ExitCode;

use clap::Parser;
use v8_heap_sampler::analysis::TopOptions;
use v8_heap_sampler::source::{ListOptions, ListedFunction, Listing, MemorySources};
use v8_heap_sampler::{HeapSampler, KeepDead, SampleType, SamplerOptions, v8_flags};

/// Runs a script in an isolate and shows which functions allocated, with their first lines
#[derive(Parser)]
struct Cli {
    /// The script to run
    #[arg(default_value = "examples/allocate.js")]
    script: String,
    /// Mean distance between two samples, in bytes allocated
    #[arg(long, value_name = "BYTES", default_value_t = 1024)]
    interval: u64,
    /// How many of the topmost JavaScript frames to keep with each sample
    #[arg(long, value_name = "FRAMES", default_value_t = 64)]
    depth: u32,
    /// Show only objects that are still alive at the end, not all that were allocated
    #[arg(long)]
    live: bool,
    /// How many functions the table shows
    #[arg(long, value_name = "ROWS", default_value_t = 20)]
    top: usize,
    /// How many lines of each function to show, from where it starts
    #[arg(long, value_name = "LINES", default_value_t = 5)]
    source_lines: usize,
}

/// Runs a script, and tells what it throws.
fn run(isolate: &mut v8::Isolate, name: &str, source: &str) -> ExitCode {
    v8::scope!(let scope, isolate);
    let context = v8::Context::new(scope, Default::default());
    let kept = v8::Global::new(scope, context);
    scope.set_slot(kept); // alive as long as the isolate
    let scope = &mut v8::ContextScope::new(scope, context);
    v8::tc_scope!(let tc, scope);
    let [at, source] = [name, source].map(|text| v8::String::new(tc, text).unwrap());
    let at = v8::ScriptOrigin::new(tc, at.into(), 0, 0, false, 0, None, false, false, false, None);
    v8::Script::compile(tc, source, Some(&at)).and_then(|script| script.run(tc));
    let Some((error, at)) = tc.exception().zip(tc.message()) else { return ExitCode::SUCCESS };
    let (line, column) = (at.get_line_number(tc).unwrap_or(0), at.get_start_column() + 1);
    eprintln!("{name}:{line}:{column}: {}", error.to_rust_string_lossy(tc));
    ExitCode::FAILURE
}

fn show(cli: &Cli) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let name = cli.script.as_str();
    let source = std::fs::read_to_string(name).map_err(|e| format!("cannot read {name}: {e}"))?;
    v8_flags::set(v8_flags::NO_ALLOCATION_FOLDING)?; // so that what is alive is right
    v8::V8::initialize_platform(v8::new_default_platform(0, false).make_shared());
    v8::V8::initialize();
    let value = if cli.live { SampleType::InuseSpace } else { SampleType::AllocSpace };
    let options = SamplerOptions::new().interval_bytes(cli.interval).stack_depth(cli.depth);
    let options = options.keep_dead(KeepDead::Both).force_gc(cli.live);
    let mut isolate = v8::Isolate::new(Default::default());
    let mut sampler = HeapSampler::with_options(&mut isolate, options)?;
    let code = run(&mut sampler, name, &source);
    let top = sampler.profile()?.top(TopOptions::new(value).limit(cli.top))?;
    write!(stdout(), "{top}")?;
    if let Some(after) = cli.source_lines.checked_sub(1) {
        let mut sources = MemorySources::new();
        sources.insert_source(name, source);
        let own = top.rows.into_iter().filter(|it| it.own.value() > 0.0);
        let listed = own.filter_map(|it| Some(ListedFunction::new(it.function?, it.own, it.total)));
        let options = ListOptions::new().before(0).after(after);
        write!(stdout(), "\n{}", Listing::new(listed, &mut sources, options))?;
    }
    Ok(code)
}

fn main() -> ExitCode {
    show(&Cli::parse()).unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::from(2)
    })
}
