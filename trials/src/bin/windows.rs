//! A server that allocates steadily, watched in windows: how much it allocates per second, and
//! whether watching leaves anything behind.
//!
//! ```text
//! cargo run --release -p v8-heap-sampler-trials --bin windows -- [--windows 600] [--every 1000]
//! ```
//!
//! The work of each window is known: so many requests, of which each allocates what a run in exact
//! mode has counted. Exits with 1 if the 95 % intervals hold the truth in too few of the windows,
//! if their mean is off, or if resident memory grows.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use fixtures::Realm;
use v8_heap_sampler::{
    Bytes, Confidence, Error, Estimate, HeapSampler, Profile, SampleType, SamplerOptions,
};

/// A server that allocates steadily, watched in windows.
#[derive(Parser, Debug)]
struct Cli {
    /// How many windows to take
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(20..))]
    windows: u32,
    /// How long each is, in milliseconds
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 1000)]
    every: u64,
    /// Mean distance between two samples, in bytes allocated
    #[arg(long, value_name = "BYTES", default_value_t = 512 * 1024)]
    interval: u64,
}

/// Objects of several sizes, most of which are dropped at once: what a request leaves is a ring of
/// sessions.
const SERVER: &str = "
    const sessions = new Array(1000).fill(undefined);
    let request = 0;
    function parse(text) { return JSON.parse(text); }
    function render(rows) { return rows.map((row) => ({ id: row.id, cell: [row.id, row.id] })); }
    const body = JSON.stringify(Array.from({ length: 200 }, (_, id) => ({ id })));
    function serve() {
        const rows = render(parse(body));
        sessions[request++ % sessions.length] = { rows: rows.slice(0, 10), page: new Array(500) };
    }
    function serveMany(times) { for (let i = 0; i < times; i++) serve(); }
    serveMany(5000);";

/// V8's heap may not be larger, so that it is as large as it will ever be after some seconds.
const HEAP_LIMIT: usize = 48 << 20;

/// Growth of resident memory that is none: the allocator's and V8's pages come and go by this much.
const NOISE: u64 = 16_000_000;

fn options(interval_bytes: u64) -> SamplerOptions {
    SamplerOptions::allocation_windows().interval_bytes(interval_bytes)
}

/// How many requests are served in one go. That is a script of its own, and so is part of the work.
const BATCH: u32 = 20;

/// The bytes of one request, counted: the mean of many.
fn bytes_per_request(isolate: &mut v8::Isolate, realm: &Realm) -> Result<f64, Error> {
    const BATCHES: u32 = 10;
    let mut sampler = HeapSampler::with_options(isolate, options(1))?;
    (0..BATCHES).for_each(|_| serve(&mut sampler, realm));
    Ok(allocated(&sampler.profile()?).value() / f64::from(BATCHES * BATCH))
}

fn serve(isolate: &mut v8::Isolate, realm: &Realm) {
    realm.run(isolate, "load.js", &format!("serveMany({BATCH}); ''"));
}

fn allocated(profile: &Profile) -> Estimate {
    profile.estimate(SampleType::AllocSpace).expect("dead objects are kept")
}

/// Whether so many of the windows' 95 % intervals may hold the truth, by chance, if they hold it in
/// 94 % or more of all windows: four standard deviations are allowed for.
fn is_plausible(held: u32, windows: u32) -> bool {
    let (n, p) = (f64::from(windows), 0.94);
    f64::from(held) >= n * p - 4.0 * (n * p * (1.0 - p)).sqrt()
}

fn watch(cli: &Cli) -> Result<Vec<String>, Error> {
    // On one thread: V8 never samples what background threads allocate.
    fixtures::init_with_flags("--single-threaded");
    let limits = || v8::CreateParams::default().heap_limits(0, HEAP_LIMIT);
    let each = {
        let mut isolate = v8::Isolate::new(limits());
        let realm = Realm::new(&mut isolate);
        realm.run(&mut isolate, "server.js", SERVER);
        bytes_per_request(&mut isolate, &realm)?
    };
    let mut isolate = v8::Isolate::new(limits());
    let realm = Realm::new(&mut isolate);
    realm.run(&mut isolate, "server.js", SERVER);
    println!("a request allocates {each:.0} bytes, counted\n");
    println!(
        "{:>6} {:>9} {:>9} {:>28} {:>13} {:>5} {:>9}",
        "window", "requests", "truth", "allocated, estimated", "per second", "", "resident"
    );

    let mut sampler = HeapSampler::with_options(&mut isolate, options(cli.interval))?;
    let (mut held, mut errors, mut resident) = (0, Vec::new(), Vec::new());
    let start = Instant::now();
    for window in 1..=cli.windows {
        let end = start + Duration::from_millis(cli.every) * window;
        let mut requests = 0;
        while requests == 0 || Instant::now() < end {
            serve(&mut sampler, &realm);
            requests += BATCH;
            // A server that is idle at times: a third of the time is spent waiting.
            let rest = end.saturating_duration_since(Instant::now());
            std::thread::sleep(rest.min(Duration::from_millis(5)));
        }
        let profile = sampler.take_window()?;
        let truth = each * f64::from(requests);
        let estimate = allocated(&profile);
        let interval = estimate.interval(Confidence::P95).expect("of samples it is known");
        let is_held = interval.contains(truth);
        held += u32::from(is_held);
        errors.push(estimate.value() / truth - 1.0);
        resident.push(fixtures::resident_memory() as u64);
        let seconds = profile.metadata.duration.expect("it was collected here").as_secs_f64();
        println!(
            "{window:>6} {requests:>9} {:>9} {:>28} {:>11}/s {:>5} {:>9}",
            Bytes(truth as u64).to_string(),
            estimate.to_string(),
            Bytes((estimate.value() / seconds) as u64).to_string(),
            if is_held { "" } else { "miss" },
            Bytes(resident[resident.len() - 1]).to_string(),
        );
    }

    let n = errors.len() as f64;
    let mean = errors.iter().sum::<f64>() / n;
    let error = (errors.iter().map(|e| (e - mean).powi(2)).sum::<f64>() / (n - 1.0) / n).sqrt();
    // The first fifth is for finding the size.
    let fifths: Vec<&[u64]> = resident.chunks(resident.len().div_ceil(5)).collect();
    let most = |of: &[u64]| of.iter().copied().max().unwrap_or(0);
    let grown = most(fifths[fifths.len() - 1]).saturating_sub(most(fifths[1]));
    println!(
        "\n{held} of {} intervals hold the truth; mean error {:+.2} % ± {:.2} (2 standard errors); \
         resident memory grew by {}",
        cli.windows,
        100.0 * mean,
        200.0 * error,
        Bytes(grown)
    );
    let mut missed = Vec::new();
    if !is_plausible(held, cli.windows) {
        missed.push(format!("{held} of {} intervals", cli.windows));
    }
    if mean.abs() > 0.01 + 2.0 * error {
        missed.push("the mean is off".to_owned());
    }
    if grown > NOISE {
        missed.push("resident memory grows".to_owned());
    }
    Ok(missed)
}

fn main() -> ExitCode {
    match watch(&Cli::parse()) {
        Ok(missed) if missed.is_empty() => ExitCode::SUCCESS,
        Ok(missed) => {
            missed.iter().for_each(|missed| println!("MISSED: {missed}"));
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}
