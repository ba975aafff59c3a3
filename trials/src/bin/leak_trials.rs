//! How well leaks are found: programs with a leak sown into them, and programs without one, each
//! watched in many isolates.
//!
//! ```text
//! cargo run --release -p v8-heap-sampler-trials --bin leak_trials -- [--runs 100] [--seed 1]
//! ```
//!
//! Each run serves requests in a new isolate, with a seed of its own, and takes a snapshot of the
//! live heap after every 200 of them: every other run with a garbage collection before each
//! snapshot, the rest with one at some moment in every three rounds, so that what is dead but not
//! collected comes and goes. A leak is found if the first row of `leaks` is called one and is a
//! function that leaks. A false alarm is a run of a program that does not leak in which any
//! function is called a leak.
//!
//! Beside it: what is found by the trend alone, as of files without single samples; and how often
//! the function that has grown most from the first snapshot to the last is the one that leaks,
//! which is how two snapshots are compared by hand.
//!
//! Exits with 1 if fewer than 95 % of the leaks are found, of each program, or more than 5 % of the
//! runs without a leak are false alarms.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Parser;
use fixtures::Realm;
use v8_heap_sampler::analysis::{LeakOptions, Leaks, Sessions};
use v8_heap_sampler::{HeapSampler, SamplerOptions, v8_flags};

/// How well leaks are found.
#[derive(Parser, Debug)]
struct Cli {
    /// How often each program is run
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(10..))]
    runs: u32,
    /// From which the seeds of all runs are drawn
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many snapshots are taken in each run
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u32).range(3..100))]
    snapshots: u32,
    /// Mean distance between two samples, in bytes allocated
    #[arg(long, value_name = "BYTES", default_value_t = 512)]
    interval: u64,
    /// How many requests are served before the first snapshot, so that functions are optimised
    #[arg(long, value_name = "REQUESTS", default_value_t = 2000)]
    warm_up: u32,
    /// Let V8 inline functions: it charges what they allocate to the function that they are part of
    /// then, which counts as right
    #[arg(long)]
    inlining: bool,
    /// Only programs whose name contains this; prints what was found in each run
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
}

struct Program {
    name: &'static str,
    /// The functions that leak; none if it does not.
    leaking: &'static [&'static str],
    /// Defines `request(id)`.
    source: &'static str,
}

/// What all programs do besides: parse, render, remember the last sessions and some compiled
/// templates.
const SERVER: &str = "
    const sessions = new Array(100);
    const templates = new Map();
    function template(key) {
        let found = templates.get(key);
        if (!found) { found = compileTemplate(key); templates.set(key, found); }
        return found;
    }
    function compileTemplate(key) {
        return { key, parts: Array.from({ length: 10 }, (_, at) => ({ at, text: key + at })) };
    }
    const body = JSON.stringify(Array.from({ length: 40 }, (_, id) => ({ id, name: 'n' + id })));
    function parse(text) { return JSON.parse(text); }
    function render(rows) { return rows.map((row) => ({ id: row.id, cells: [row.id, row.name] })); }
    function openSession(id, rows) {
        return { id, rows: rows.slice(0, 4), seen: { at: id } };
    }
    function serve(id) {
        const rows = render(parse(body));
        sessions[id % sessions.length] = openSession(id, rows);
        template('t' + Math.floor(Math.random() * 20));
        request(id, rows);
    }
    let served = 0;
    function serveMany(times) { for (let i = 0; i < times; i++) serve(served++); }
    // A major collection at a random moment of every three rounds.
    let collectIn = 0;
    function serveAndCollect(times) {
        if (collectIn <= 0) collectIn += Math.floor(Math.random() * 3 * times) + 1;
        const before = Math.min(collectIn, times);
        serveMany(before);
        if (collectIn <= times) { gc(); collectIn += 3 * times; }
        collectIn -= times;
        serveMany(times - before);
    }";

const PROGRAMS: [Program; 15] = [
    Program {
        name: "listener never removed",
        leaking: &["subscribe", "on"],
        source: "
            const listeners = { tick: [] };
            function on(event, listener) { listeners[event].push({ listener, once: false }); }
            function subscribe(id) { on('tick', () => id); }
            function request(id) { subscribe(id); }",
    },
    Program {
        name: "cache without a bound",
        leaking: &["remember"],
        source: "
            const cache = new Map();
            function remember(key, value) { cache.set(key, { key, value, hits: 0 }); }
            function request(id) { remember('request ' + id, id); }",
    },
    Program {
        name: "closures in a timer",
        leaking: &["poll", "setInterval"],
        source: "
            const timers = new Map();
            let nextTimer = 1;
            function setInterval(callback, ms) {
                timers.set(nextTimer, { callback, ms });
                return nextTimer++;
            }
            function poll(id) {
                let state = { id, tries: 0 };
                return setInterval(() => { state.tries++; }, 1000);
            }
            function request(id) {
                poll(id);
                for (const timer of timers.values()) { timer.callback(); break; }
            }",
    },
    Program {
        name: "array of the module grows",
        leaking: &["log"],
        source: "
            const entries = [];
            function log(level, id) { entries.push({ level, id, tags: [level] }); }
            function request(id) { log('info', id); }",
    },
    Program {
        name: "detached trees",
        leaking: &["createNode", "buildTree"],
        source: "
            const document = { children: [] };
            const observed = new Set();
            function createNode(name, parent) {
                const node = { name, parent, children: [], attributes: { name } };
                if (parent) parent.children.push(node);
                return node;
            }
            function buildTree(id) {
                const root = createNode('div', null);
                for (let i = 0; i < 3; i++) createNode('span', root);
                return root;
            }
            function request(id) {
                const tree = buildTree(id);
                document.children.push(tree);
                observed.add(tree.children[0]);
                document.children.pop();
            }",
    },
    Program {
        name: "1 % of heavy churn is kept",
        leaking: &["makeRecord"],
        source: "
            const kept = [];
            function makeRecord(id, i) { return { id, i, data: [id, i], next: null }; }
            function request(id) {
                let last = null;
                for (let i = 0; i < 100; i++) {
                    const record = makeRecord(id, i);
                    record.next = last;
                    last = record;
                    if (i % 10 == 9) last = null;
                }
                kept.push(makeRecord(id, 0));
            }",
    },
    Program {
        name: "1 % of a parser's nodes are kept",
        leaking: &["parseNode"],
        source: "
            const kept = [];
            function parseNode(depth) {
                return depth == 0 ? { type: 'leaf', value: depth, raw: [depth] }
                    : { type: 'node', left: parseNode(depth - 1), right: parseNode(depth - 1) };
            }
            function request(id) {
                const tree = parseNode(6);
                let node = tree;
                while (node.left) node = node.left;
                kept.push(node);
            }",
    },
    Program {
        name: "no leak: churn alone",
        leaking: &[],
        source: "
            function makeRecord(id, i) { return { id, i, data: [id, i] }; }
            function request(id) { for (let i = 0; i < 100; i++) makeRecord(id, i); }",
    },
    Program {
        name: "no leak: a cache that fills",
        leaking: &[],
        source: "
            const cache = new Map();
            function load(key) { return { key, value: [key, key], meta: { hits: 0 } }; }
            function request(id) {
                for (let i = 0; i < 3; i++) {
                    const key = (id * 3 + i) % 1500;
                    if (!cache.has(key)) cache.set(key, load(key));
                }
            }",
    },
    Program {
        name: "no leak: a cache that fills at random",
        leaking: &[],
        source: "
            const cache = new Map();
            function load(key) { return { key, value: [key, key], meta: { hits: 0 } }; }
            function request(id) {
                for (let i = 0; i < 10; i++) {
                    const key = Math.floor(Math.random() * 3000);
                    if (!cache.has(key)) cache.set(key, load(key));
                }
            }",
    },
    Program {
        name: "no leak: a cache that drops the oldest",
        leaking: &[],
        source: "
            const cache = new Map();
            function load(key) { return { key, value: [key, key], meta: { hits: 0 } }; }
            function request(id) {
                cache.set(id, load(id));
                if (cache.size > 500) cache.delete(cache.keys().next().value);
            }",
    },
    Program {
        name: "no leak: a large one, slowly renewed",
        leaking: &[],
        source: "
            const cache = new Map();
            function load(key) { return { key, value: [key, key], meta: { hits: 0 } }; }
            function request(id) {
                cache.set(id, load(id));
                if (cache.size > 1500) cache.delete(cache.keys().next().value);
            }",
    },
    Program {
        name: "no leak: a cache that drops any",
        leaking: &[],
        source: "
            const cache = new Array(1000).fill(null);
            function load(key) { return { key, value: [key, key], meta: { hits: 0 } }; }
            function request(id) { cache[Math.floor(Math.random() * cache.length)] = load(id); }",
    },
    Program {
        name: "no leak: a queue that is flushed",
        leaking: &[],
        source: "
            let queue = [];
            function enqueue(id) { queue.push({ id, payload: [id, id, id] }); }
            function request(id) { enqueue(id); if (queue.length >= 700) queue = []; }",
    },
    Program {
        name: "no leak: a pool that warms up",
        leaking: &[],
        source: "
            const pool = [];
            function createBuffer(id) { return { id, slots: new Array(20).fill(id) }; }
            function request(id) {
                if (id < 600) pool.push(createBuffer(id));
                pool[id % pool.length].slots[id % 20] = id;
            }",
    },
];

/// Whether V8 may inline functions.
static INLINING: AtomicBool = AtomicBool::new(false);

/// What one run showed.
struct Run {
    found: Leaks,
    by_trend: Leaks,
}

impl Program {
    fn run(&self, cli: &Cli, run: u32) -> Result<Run, Box<dyn std::error::Error>> {
        let mut isolate = v8::Isolate::new(v8::CreateParams::default());
        let realm = Realm::new(&mut isolate);
        realm.run(&mut isolate, "server.js", SERVER);
        realm.run(&mut isolate, "app.js", self.source);
        let warm_up = format!("serveMany({}); ''", cli.warm_up);
        realm.run(&mut isolate, "load.js", &warm_up);
        let options = SamplerOptions::live_heap()
            .interval_bytes(cli.interval)
            .force_gc(run.is_multiple_of(2));
        let mut sampler = HeapSampler::with_options(&mut isolate, options)?;
        let mut snapshots = Vec::new();
        // One script, compiled once.
        let load =
            if run.is_multiple_of(2) { "serveMany(200); ''" } else { "serveAndCollect(200); ''" };
        for _ in 0..cli.snapshots {
            realm.run(&mut sampler, "load.js", load);
            snapshots.push(sampler.profile()?);
        }
        let options = LeakOptions::new();
        Ok(Run {
            found: Leaks::find(&snapshots, &options)?,
            by_trend: Leaks::find(&snapshots, options.sessions(Sessions::Independent))?,
        })
    }

    fn is_found(&self, leaks: &Leaks) -> bool {
        leaks.rows.first().is_some_and(|row| row.is_leak && self.is_leaking(&row.name))
    }

    fn is_leaking(&self, name: &str) -> bool {
        let callers = ["request", "serve", "serveMany"];
        let callers = callers.iter().filter(|_| INLINING.load(Ordering::Relaxed));
        let mut leaking = self.leaking.iter().chain(callers);
        leaking.any(|leaking| name.starts_with(&format!("{leaking} ")))
    }

    /// Whether what has grown most, from the first snapshot to the last, is what leaks.
    fn has_grown_most(&self, leaks: &Leaks) -> bool {
        let growth = |row: &v8_heap_sampler::analysis::Leak| {
            let levels = row.levels.first().zip(row.levels.last());
            levels.map_or(0.0, |(first, last)| last.value() - first.value())
        };
        let most = leaks.rows.iter().max_by(|one, other| growth(one).total_cmp(&growth(other)));
        most.is_some_and(|row| self.is_leaking(&row.name))
    }
}

fn trials(cli: &Cli) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let flags = if cli.inlining { "" } else { v8_flags::NO_INLINING };
    fixtures::init_seeded(&format!("--single-threaded --max-semi-space-size=1 {flags}"));
    INLINING.store(cli.inlining, Ordering::Relaxed);
    let mut missed = Vec::new();
    println!(
        "{:<40} {:>5} {:>8} {:>14} {:>21}",
        "", "runs", "", "by trend alone", "by first against last"
    );
    let wanted = cli.only.clone().unwrap_or_default();
    let (mut alarms, mut without) = (0, 0);
    for (at, program) in PROGRAMS.iter().enumerate().filter(|(_, it)| it.name.contains(&wanted)) {
        let (mut right, mut by_trend, mut by_hand) = (0, 0, 0);
        let is_leaking = !program.leaking.is_empty();
        for run in 0..cli.runs {
            let seed = fixtures::mix(fixtures::mix(cli.seed) ^ at as u64) ^ u64::from(run);
            fixtures::reseed(seed);
            let Run { found, by_trend: trend } = program.run(cli, run)?;
            if is_leaking {
                right += u32::from(program.is_found(&found));
                by_trend += u32::from(program.is_found(&trend));
                by_hand += u32::from(program.has_grown_most(&found));
            } else {
                right += u32::from(found.leaks > 0);
                by_trend += u32::from(trend.leaks > 0);
            }
            if cli.only.is_some() {
                println!("run {run}\n{found}\nby trend alone\n{trend}");
            }
        }
        let share = |count: u32| 100.0 * f64::from(count) / f64::from(cli.runs);
        let percent = |count: u32| format!("{:.0} %", share(count));
        let by_hand = if is_leaking { percent(by_hand) } else { String::new() };
        println!(
            "{:<40} {:>5} {:>8} {:>14} {by_hand:>21}",
            program.name,
            cli.runs,
            percent(right),
            percent(by_trend)
        );
        if is_leaking && share(right) < 95.0 {
            missed.push(format!("{}: found in {} of the runs", program.name, percent(right)));
        }
        if !is_leaking {
            alarms += right;
            without += cli.runs;
        }
    }
    if without > 0 {
        let share = 100.0 * f64::from(alarms) / f64::from(without);
        println!("\nfalse alarms in {alarms} of {without} runs without a leak: {share:.1} %");
        if share > 5.0 {
            missed.push(format!("false alarms in {share:.1} % of the runs without a leak"));
        }
    }
    Ok(missed)
}

fn main() -> ExitCode {
    match trials(&Cli::parse()) {
        Ok(missed) if missed.is_empty() => {
            println!("all targets are met: 95 % of the leaks found, 5 % false alarms");
            ExitCode::SUCCESS
        }
        Ok(missed) => {
            missed.iter().for_each(|target| eprintln!("missed: {target}"));
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
