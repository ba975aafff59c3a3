//! How right the estimates are: scripts that allocate what is known, sampled again and again.
//!
//! ```text
//! cargo run --release -p v8-heap-sampler-trials --bin accuracy -- [--repeats 2000] [--seed 1]
//! ```
//!
//! Each row is one kind and size of object. What its script allocates is known from the script,
//! from a run in exact mode, and from V8's own allocation counter; the three must agree. Then it is
//! sampled in many isolates, each with a seed of its own, and three ways of making an estimate are
//! compared with the truth: this crate's, V8's counts (rounded for each context and size; what
//! `HeapProfiler.getSamplingProfile`, DevTools and Node report), and V8's counts of single samples
//! added up.
//!
//! All code is compiled by the optimising compiler, once with and once without allocation folding.
//! V8's flags belong to a process, so both run in processes of their own.
//!
//! Exits with 1 if a target is missed.

use std::collections::{BTreeMap, HashSet};
use std::io::Write;
use std::process::{Child, Command, ExitCode, Stdio};

use clap::Parser;
use serde::{Deserialize, Serialize};
use v8_heap_sampler::{
    Bytes, Confidence, Context, Counted, Estimate, HeapSampler, KeepDead, Node, Profile,
    SampleType, SamplerOptions, v8_flags,
};

/// How right the estimates are: scripts that allocate what is known, sampled again and again.
#[derive(Parser, Debug)]
struct Cli {
    /// How often each row is sampled; ten times as often where few samples are expected
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(200..))]
    repeats: u32,
    /// From which the seeds of all isolates are drawn; the same seed gives the same table
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print the tables in Markdown
    #[arg(long)]
    markdown: bool,
    /// Do the work for one of the two tables, and print it as JSON
    #[arg(long, hide = true)]
    worker: Option<Folding>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Folding {
    Off,
    On,
}

impl Folding {
    fn flags(self) -> String {
        let folding = match self {
            Self::Off => v8_flags::NO_ALLOCATION_FOLDING,
            Self::On => "",
        };
        // One thread: what background threads allocate is never sampled, but V8 counts it.
        format!("--single-threaded --allow-natives-syntax {folding}")
    }
}

/// What a row allocates.
struct Workload {
    name: &'static str,
    /// Run before, outside of the measurement.
    setup: &'static str,
    /// The expression that makes the object number `i`.
    make: &'static str,
    interval_bytes: u64,
    /// How often it is evaluated.
    times: u32,
    /// How many objects each makes, as far as the script tells.
    objects_each: u32,
    /// How many bytes these are, without folding.
    bytes_each: u32,
}

/// From 1/100 of the interval to 20 times it.
const WORKLOADS: &[Workload] = &[
    Workload {
        name: "literal, few",
        setup: "",
        make: "({})",
        interval_bytes: 5600,
        times: 200,
        objects_each: 1,
        bytes_each: 56,
    },
    Workload {
        name: "literal",
        setup: "",
        make: "({})",
        interval_bytes: 5600,
        times: 6000,
        objects_each: 1,
        bytes_each: 56,
    },
    Workload {
        name: "nested literal",
        setup: "",
        make: "({ a: { b: { c: i } } })",
        interval_bytes: 640,
        times: 400,
        objects_each: 3,
        bytes_each: 96,
    },
    Workload {
        // The function, and the context that holds `n`.
        name: "closure",
        setup: "function closure(n) { return () => n; }",
        make: "closure(i)",
        interval_bytes: 2048,
        times: 1280,
        objects_each: 2,
        bytes_each: 96,
    },
    Workload {
        // The view and the buffer object. The elements are off the heap, however few, in the V8
        // that the crate `v8` links.
        name: "typed array",
        setup: "",
        make: "new Uint8Array(40)",
        interval_bytes: 2048,
        times: 600,
        objects_each: 2,
        bytes_each: 200,
    },
    Workload {
        // Optimised code allocates the elements, and the array's object, of 32 bytes.
        name: "array and elements",
        setup: "",
        make: "new Array(100)",
        interval_bytes: 4240,
        times: 330,
        objects_each: 2,
        bytes_each: 848,
    },
    Workload {
        name: "string",
        setup: "const text = 'a'.repeat(2048); /b/.test(text);",
        make: "text.toUpperCase()",
        interval_bytes: 4128,
        times: 150,
        objects_each: 1,
        bytes_each: 2064,
    },
    Workload {
        // The interpreter's built-in allocates both in one go, with a memento of 16 bytes.
        name: "array",
        setup: "function array() { return new Array(504); } %NeverOptimizeFunction(array);",
        make: "array()",
        interval_bytes: 4096,
        times: 100,
        objects_each: 1,
        bytes_each: 4096,
    },
    Workload {
        name: "string, large-object space",
        setup: "const text = 'a'.repeat(262128); /b/.test(text);",
        make: "text.toUpperCase()",
        interval_bytes: 262144,
        times: 60,
        objects_each: 1,
        bytes_each: 262144,
    },
    Workload {
        name: "string",
        setup: "const text = 'a'.repeat(4904); /b/.test(text);",
        make: "text.toUpperCase()",
        interval_bytes: 4100,
        times: 90,
        objects_each: 1,
        bytes_each: 4920,
    },
    Workload {
        // A function each, as in a real program: hardly a context has two samples of a size.
        name: "string, 64 contexts",
        setup: "const text = 'a'.repeat(4904); /b/.test(text);
                const makers = Array.from({ length: 64 }, (_, i) => {
                    const body = `return function f${i}() { return text.toUpperCase(); }`;
                    return new Function('text', body)(text);
                });
                for (const maker of makers) {
                    %PrepareFunctionForOptimization(maker);
                    for (let i = 0; i < 3; i++) maker();
                    %OptimizeFunctionOnNextCall(maker);
                    maker();
                }",
        make: "makers[i & 63]()",
        interval_bytes: 4100,
        times: 128,
        objects_each: 1,
        bytes_each: 4920,
    },
    Workload {
        name: "array",
        setup: "function array() { return new Array(1016); } %NeverOptimizeFunction(array);",
        make: "array()",
        interval_bytes: 4096,
        times: 70,
        objects_each: 1,
        bytes_each: 8192,
    },
    Workload {
        name: "string",
        setup: "const text = 'a'.repeat(20464); /b/.test(text);",
        make: "text.toUpperCase()",
        interval_bytes: 4096,
        times: 160,
        objects_each: 1,
        bytes_each: 20480,
    },
    Workload {
        name: "string",
        setup: "const text = 'a'.repeat(81904); /b/.test(text);",
        make: "text.toUpperCase()",
        interval_bytes: 4096,
        times: 30,
        objects_each: 1,
        bytes_each: 81920,
    },
    Workload {
        name: "string, large-object space",
        setup: "const text = 'a'.repeat(327664); /b/.test(text);",
        make: "text.toUpperCase()",
        interval_bytes: 16384,
        times: 30,
        objects_each: 1,
        bytes_each: 327680,
    },
];

impl Workload {
    /// The script that defines `make`, half of whose objects are dropped afterwards.
    fn definitions(&self) -> String {
        let Self { setup, make, times, .. } = self;
        format!(
            "{setup}
             const kept = [], dropped = [];
             function clear(array) {{
                 for (let i = 0; i < {times}; i++) array[i] = array;
             }}
             clear(kept);
             clear(dropped);
             function make(times) {{
                 for (let i = 0; i < times; i++) {{
                     const object = {make};
                     if (i & 1) kept[i] = object; else dropped[i] = object;
                 }}
             }}
             %PrepareFunctionForOptimization(make);
             for (let i = 0; i < 3; i++) make(8);
             gc();
             %OptimizeFunctionOnNextCall(make);
             make(8);
             clear(kept);
             clear(dropped);"
        )
    }

    /// Samples one run in an isolate of its own; half of the objects are dead at its end.
    fn sample(&self, interval_bytes: u64) -> Sampled {
        let (mut isolate, realm) = fixtures::realm();
        realm.run(&mut isolate, "setup.js", &self.definitions());
        let script = format!("make({})", self.times);
        let options =
            SamplerOptions::new().interval_bytes(interval_bytes).keep_dead(KeepDead::Both);
        let mut sampler = HeapSampler::with_options(&mut isolate, options).expect("starts");
        realm.run(&mut sampler, "run.js", &script);
        realm.run(&mut sampler, "run.js", "clear(dropped); gc({ type: 'minor' }); gc()");
        let profile = sampler.profile().expect("collects");
        Sampled { profile, nodes: sampler.collect_nodes().expect("collects") }
    }

    /// What the function `make` allocates, and what of it is alive, by a run in exact mode.
    fn truth(&self, folding: Folding) -> Result<[Truth; 2], String> {
        let sampled = self.sample(1);
        let all = sampled.profile.estimate(SampleType::AllocSpace).expect("dead objects are kept");
        let counter = sampled.profile.collection().expect("it was collected here").allocated();
        if all != counter {
            return Err(format!("{all} in exact mode, {counter} by V8's counter"));
        }
        let of_make = sampled.of_make();
        let truth = [false, true].map(|is_alive| {
            let mut truth = Truth::default();
            let samples = of_make.samples().unwrap_or_default();
            for sample in samples.iter().filter(|sample| !(is_alive && sample.is_dead)) {
                let Bytes(size) = sample.size().expect("it was collected here");
                *truth.objects_by_size.entry(size).or_default() += 1;
            }
            truth
        });
        let by_script = u64::from(self.times * self.bytes_each);
        let [allocated, alive] = truth.each_ref().map(Truth::bytes);
        // A group that was allocated in one go is alive as long as its first object is.
        if allocated != by_script || folding == Folding::Off && alive * 2 != by_script {
            return Err(format!(
                "{allocated} bytes in exact mode and {alive} of them alive, {by_script} and half \
                 of that by the script"
            ));
        }
        Ok(truth)
    }
}

/// What was allocated, counted.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Truth {
    objects_by_size: BTreeMap<u64, u64>,
}

impl Truth {
    fn objects(&self) -> u64 {
        self.objects_by_size.values().sum()
    }

    fn bytes(&self) -> u64 {
        self.objects_by_size.iter().map(|(size, objects)| size * objects).sum()
    }

    /// How many samples of each size are expected, and how many objects of it are missed.
    fn expected(&self, interval_bytes: u64) -> impl Iterator<Item = (f64, f64)> {
        self.objects_by_size.iter().map(move |(&size, &objects)| {
            let missed = (-(size as f64) / interval_bytes as f64).exp();
            (objects as f64 * (1.0 - missed), objects as f64 * missed)
        })
    }
}

/// What was sampled of one run.
struct Sampled {
    profile: Profile,
    /// With V8's own counts.
    nodes: Vec<Node>,
}

impl Sampled {
    /// What was allocated by the function `make` and what it called.
    fn of_make(&self) -> Profile {
        let make = self.profile.contexts().filter(|context| context.function().name == "make");
        let below: HashSet<usize> =
            make.flat_map(Context::descendants).map(Context::index).collect();
        let of_make = self.profile.filter_samples(|it| below.contains(&(it.context as usize)));
        of_make.expect("it was collected here")
    }

    /// V8's counts of what `make` allocated, dead or alive.
    fn by_v8(&self) -> f64 {
        let profile = Profile::from_nodes(&self.nodes, Counted::Allocated).expect("a tree");
        let graph = profile.callgraph(SampleType::AllocSpace).expect("it was counted");
        graph.find("make").map(|make| graph[make].total.value()).sum()
    }
}

/// V8's counts of single samples, added up.
fn one_by_one(profile: &Profile, interval_bytes: u64) -> f64 {
    let samples = profile.samples().unwrap_or_default().iter();
    let bytes = samples.map(|sample| {
        let size = sample.size().expect("it was collected here").0 as f64;
        // `SamplingHeapProfiler::ScaleSample` of one sample.
        size * (1.0 / (1.0 - (-size / interval_bytes as f64).exp()) + 0.5).floor()
    });
    bytes.sum()
}

/// Values of one kind, one from each repeat, against the truth.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Trials {
    values: Vec<f64>,
    /// How many 95 % intervals held the truth.
    held: u32,
}

impl Trials {
    fn add(&mut self, estimate: Option<Estimate>, truth: f64) {
        let estimate = estimate.expect("dead objects are kept");
        let interval = estimate.interval(Confidence::P95).expect("of samples it is known");
        self.values.push(estimate.value());
        self.held += u32::from(interval.contains(truth));
    }

    fn mean(&self) -> f64 {
        self.values.iter().sum::<f64>() / self.values.len() as f64
    }

    /// The mean's distance from the truth, as a part of it.
    fn bias(&self, truth: f64) -> f64 {
        self.mean() / truth - 1.0
    }

    /// The standard deviation of the values, as a part of the truth.
    fn spread(&self, truth: f64) -> f64 {
        let mean = self.mean();
        let squares = self.values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
        (squares / (self.values.len() - 1) as f64).sqrt() / truth
    }

    fn share_held(&self) -> f64 {
        f64::from(self.held) / self.values.len() as f64
    }
}

/// What was found of one workload, dead or alive, or alive.
#[derive(Debug, Serialize, Deserialize)]
struct Row {
    workload: usize,
    is_alive: bool,
    truth: Truth,
    bytes: Trials,
    objects: Trials,
    /// V8's counts, which are of what was allocated.
    v8: Option<[Trials; 2]>,
    expected_samples: f64,
    /// How many objects are expected not to be sampled.
    expected_unseen: f64,
    /// Whether a good part of the objects is of a size of which few samples are expected: the
    /// intervals speak of the sizes that were sampled.
    has_hidden_sizes: bool,
}

impl Row {
    fn measure(at: usize, folding: Folding, seed: u64, repeats: u32) -> Result<[Self; 2], String> {
        let workload = &WORKLOADS[at];
        let truth = workload.truth(folding)?;
        let mut rows = [false, true].map(|is_alive| {
            let truth = truth[usize::from(is_alive)].clone();
            let expected: Vec<_> = truth.expected(workload.interval_bytes).collect();
            let hidden: f64 = expected
                .iter()
                .filter(|(samples, _)| expected.len() > 1 && *samples < 5.0)
                .map(|(samples, missed)| samples + missed)
                .sum();
            Self {
                workload: at,
                is_alive,
                bytes: Trials::default(),
                objects: Trials::default(),
                v8: (!is_alive).then(Default::default),
                expected_samples: expected.iter().map(|(samples, _)| samples).sum(),
                expected_unseen: expected.iter().map(|(_, missed)| missed).sum(),
                has_hidden_sizes: hidden > 0.01 * truth.objects() as f64,
                truth,
            }
        });
        // With few samples estimates are spread so widely that their mean would tell little.
        let is_sparse = rows.iter().any(|row| row.expected_samples < 5.0);
        for repeat in 0..if is_sparse { 10 * repeats } else { repeats } {
            fixtures::reseed(fixtures::mix(fixtures::mix(seed) ^ at as u64) ^ u64::from(repeat));
            let sampled = workload.sample(workload.interval_bytes);
            let of_make = sampled.of_make();
            for row in &mut rows {
                let counted = if row.is_alive { Counted::InUse } else { Counted::Allocated };
                row.bytes.add(of_make.estimate(counted.space()), row.truth.bytes() as f64);
                row.objects.add(of_make.estimate(counted.objects()), row.truth.objects() as f64);
                if let Some([by_v8, single]) = &mut row.v8 {
                    by_v8.values.push(sampled.by_v8());
                    single.values.push(one_by_one(&of_make, workload.interval_bytes));
                }
            }
        }
        Ok(rows)
    }

    /// Which targets are missed.
    fn missed(&self) -> Vec<String> {
        let mut missed = Vec::new();
        let bytes = ("bytes", &self.bytes, self.truth.bytes() as f64);
        let objects = ("objects", &self.objects, self.truth.objects() as f64);
        for (what, trials, truth) in [bytes, objects] {
            if what == "objects" && self.has_hidden_sizes {
                continue;
            }
            let error = trials.spread(truth) / (trials.values.len() as f64).sqrt();
            if trials.bias(truth).abs() > 0.01 + 2.0 * error {
                missed.push(format!("bias of {what}"));
            }
            // An interval that has closed on the truth holds it always.
            let is_certain = self.expected_unseen < 0.01;
            let most = if self.expected_samples < 5.0 || is_certain { 1.0 } else { 0.995 };
            let least = if is_certain { 0.999 } else { 0.94 };
            if !(least..=most).contains(&trials.share_held()) {
                missed.push(format!("intervals of {what}"));
            }
        }
        missed
    }

    fn cells(&self) -> [String; COLUMNS] {
        let workload = &WORKLOADS[self.workload];
        let (bytes, objects) = (self.truth.bytes() as f64, self.truth.objects() as f64);
        let percent = |part: f64| format!("{:.1} %", 100.0 * part);
        let signed = |part: f64| format!("{:+.1} %", 100.0 * part);
        let v8 =
            |at: usize| self.v8.as_ref().map_or(String::new(), |v8| signed(v8[at].bias(bytes)));
        let made = workload.times * workload.objects_each / (1 + u32::from(self.is_alive));
        let ratio = bytes / objects / workload.interval_bytes as f64;
        let star = if self.has_hidden_sizes { " *" } else { "" };
        [
            workload.name.to_owned(),
            if self.is_alive { "alive" } else { "allocated" }.to_owned(),
            if ratio < 0.095 { format!("{ratio:.2}") } else { format!("{ratio:.1}") },
            format!("{:.1}", self.expected_samples),
            format!("{bytes:.0}"),
            signed(self.bytes.bias(bytes)),
            percent(self.bytes.spread(bytes)),
            percent(self.bytes.share_held()),
            v8(0),
            v8(1),
            made.to_string(),
            format!("{objects:.0}"),
            format!("{:.1}{star}", self.objects.mean()),
            format!("{}{star}", percent(self.objects.share_held())),
        ]
    }
}

const COLUMNS: usize = 14;

const HEADER: [&str; COLUMNS] = [
    "object",
    "",
    "size/interval",
    "samples",
    "bytes",
    "bias",
    "spread",
    "held",
    "V8's counts",
    "one by one",
    "objects made",
    "allocations",
    "estimated",
    "held",
];

fn work(cli: &Cli, folding: Folding) -> ExitCode {
    fixtures::init_seeded(&folding.flags());
    for (at, workload) in WORKLOADS.iter().enumerate() {
        match Row::measure(at, folding, cli.seed, cli.repeats) {
            Ok(rows) => {
                for row in rows {
                    println!("{}", serde_json::to_string(&row).expect("numbers"));
                }
            }
            Err(error) => {
                eprintln!("{} at {}: {error}", workload.name, workload.interval_bytes);
                return ExitCode::FAILURE;
            }
        }
        eprintln!("folding {folding:?}: {} of {}", at + 1, WORKLOADS.len());
    }
    ExitCode::SUCCESS
}

fn start(cli: &Cli, folding: Folding) -> std::io::Result<Child> {
    Command::new(std::env::current_exe()?)
        .args(["--repeats", &cli.repeats.to_string(), "--seed", &cli.seed.to_string()])
        .args(["--worker", if folding == Folding::On { "on" } else { "off" }])
        .stdout(Stdio::piped())
        .spawn()
}

fn table(rows: &[Row], markdown: bool, output: &mut impl Write) -> std::io::Result<()> {
    let cells: Vec<[String; COLUMNS]> = rows.iter().map(Row::cells).collect();
    let width = |column: usize| {
        let header = HEADER[column].len();
        cells.iter().map(|row| row[column].chars().count()).max().unwrap_or(0).max(header)
    };
    let widths: Vec<usize> = (0..HEADER.len()).map(width).collect();
    let separator = if markdown { " | " } else { "  " };
    let mut line = |row: &[&str]| {
        let cells = row.iter().zip(&widths).enumerate().map(|(at, (cell, &width))| match at {
            0 | 1 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        let line = cells.collect::<Vec<_>>().join(separator);
        if markdown { writeln!(output, "| {line} |") } else { writeln!(output, "{line}") }
    };
    line(&HEADER)?;
    if markdown {
        let rules: Vec<_> =
            (0..HEADER.len()).map(|at| if at < 2 { "---" } else { "--:" }).collect();
        line(&rules)?;
    }
    cells.iter().try_for_each(|row| line(&row.each_ref().map(String::as_str)))
}

fn report(cli: &Cli) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let foldings = [Folding::Off, Folding::On];
    // Both are read from at once: a worker whose pipe is full would wait.
    let workers = foldings.map(|folding| {
        let worker = start(cli, folding);
        std::thread::spawn(|| worker?.wait_with_output())
    });
    let mut missed = Vec::new();
    for (folding, worker) in foldings.into_iter().zip(workers) {
        let result = worker.join().expect("does not panic")?;
        if !result.status.success() {
            return Err("a worker failed".into());
        }
        let rows: Vec<Row> = String::from_utf8(result.stdout)?
            .lines()
            .map(serde_json::from_str)
            .collect::<Result<_, _>>()?;
        let mut output = std::io::stdout().lock();
        let with = if folding == Folding::On { "with" } else { "without" };
        writeln!(
            output,
            "\nOptimised code {with} allocation folding, {} runs each:\n",
            cli.repeats
        )?;
        table(&rows, cli.markdown, &mut output)?;
        for row in &rows {
            let workload = &WORKLOADS[row.workload];
            missed.extend(row.missed().into_iter().map(|what| {
                let kind = if row.is_alive { "alive" } else { "allocated" };
                format!("{what}, {} {kind} at {}", workload.name, workload.interval_bytes)
            }));
        }
    }
    println!(
        "\nSamples are those expected. 'held' is the share of 95 % intervals with the truth in \
         them. 'V8's counts' and 'one by one' are the biases of bytes by V8's counts per context \
         and size, and by its counts of single samples. Allocations are what V8 makes of the objects. \
         * A size of which fewer than 5 samples are expected makes up more than 1 % of these \
         objects, and intervals speak of the sizes that were sampled: no target."
    );
    println!(
        "\nTargets: bias within 1 % and twice its standard error; the truth in 94 to 99.5 % of the \
         95 % intervals, below 5 expected samples in at least 94 %, where practically every object \
         is sampled in all."
    );
    if missed.is_empty() {
        println!("All are met.");
        return Ok(ExitCode::SUCCESS);
    }
    missed.iter().for_each(|missed| println!("MISSED: {missed}"));
    Ok(ExitCode::FAILURE)
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.worker {
        Some(folding) => work(&cli, folding),
        None => report(&cli).unwrap_or_else(|error| {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }),
    }
}
