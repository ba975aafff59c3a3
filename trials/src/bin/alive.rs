//! How right what is in use is: by samples, by V8's tracker, and by V8's own counters.
//!
//! ```text
//! bash .ci/fixtures
//! cargo run --release -p v8-heap-sampler-trials --bin alive -- [--repeats 10] [--only NAME]
//! ```
//!
//! Three kinds of rows:
//!
//! - **Libraries** from npm that load and do some work, their clock frozen: what is in use by samples
//!   and by the tracker, against the growth of V8's used heap, with a full garbage collection on
//!   both sides.
//! - **Two fates** in one optimised function, a temporary and an object that is kept, in both
//!   orders, of several kinds: what is in use under the function, against the tracker.
//! - **Literals** that live on, made by code that is not optimised, and objects that shrink.
//!
//! Each with several of V8's flags, which belong to a process: each set runs in processes of its
//! own. Exits with 1 if a target is missed.

use std::process::{Command, ExitCode};

use clap::Parser;
use fixtures::Realm;
use serde::{Deserialize, Serialize};
use v8_heap_sampler::{
    Contradiction, HeapSampler, HeapTracker, Profile, SampleType, SamplerOptions, v8_flags,
};

/// How right what is in use is: by samples, by V8's tracker, and by V8's own counters.
#[derive(Parser, Debug)]
struct Cli {
    /// How often each row is sampled
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(2..))]
    repeats: u32,
    /// From which the seeds of all isolates are drawn; on one thread the same seed gives the same
    /// samples
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The rows to run alone, by a part of their names
    #[arg(long)]
    only: Option<String>,
    /// Do the work of a row, and print it as JSON
    #[arg(long, hide = true, num_args = 3, value_names = ["ROW", "FLAGS", "HOW"])]
    worker: Option<Vec<String>>,
}

/// The mean distance of samples.
const INTERVAL: u64 = 1024;

const ONE_THREAD: &str = "--single-threaded";

struct Library {
    name: &'static str,
    /// Files below the folder of npm's packages.
    files: &'static [&'static str],
    work: &'static str,
}

const LIBRARIES: &[Library] = &[
    Library {
        name: "acorn",
        files: &["acorn/dist/acorn.js"],
        work: "globalThis.kept = acorn.parse(source[0], { ecmaVersion: 2022 });",
    },
    Library {
        name: "ajv",
        files: &["ajv-dist/dist/ajv7.min.js"],
        work: "
            const ajv = new ajv7({ code: { source: false } });
            globalThis.kept = Array.from({ length: 60 }, (_, i) => ajv.compile({
                type: 'object', required: ['id', 'p' + i], properties: {
                    id: { type: 'integer', minimum: i }, ['p' + i]: { type: 'string', maxLength: 9 },
                    list: { type: 'array', items: { enum: [i, i + 1, 'x'] } } } }));
            for (const validate of kept) for (let j = 0; j < 50; j++) validate({ id: j, list: [j] });",
    },
    Library {
        name: "handlebars",
        files: &["handlebars/dist/handlebars.js"],
        work: "
            const rows = Array.from({ length: 500 }, (_, i) => ({ kind: 'k' + i % 3, name: 'n' + i }));
            globalThis.kept = Array.from({ length: 40 }, (_, i) => Handlebars.compile(
                `{{#each rows}}<li class=\"{{kind}} ${i}\">{{#if name}}{{name}}{{/if}}</li>{{/each}}`));
            kept.push(kept.map((template) => template({ rows })));",
    },
    Library {
        name: "lodash",
        files: &["lodash/lodash.min.js"],
        work: "
            const rows = Array.from({ length: 5000 }, (_, i) => ({ id: i, kind: 'k' + i % 9, at: i % 7 }));
            globalThis.kept = [];
            for (let i = 0; i < 10; i++) kept.push(_.chain(rows).filter((r) => r.at > 1).groupBy('kind')
                .mapValues((g) => _.sortBy(g, 'at').map((r) => _.pick(r, ['id', 'at']))).value());",
    },
    Library {
        name: "marked",
        files: &["marked/lib/marked.umd.js"],
        work: "
            const text = Array.from({ length: 1000 }, (_, i) => `# Title ${i}\\n\\nSome *text* with a ` +
                `[link](/${i}) and \\`code\\`.\\n\\n- one\\n- two\\n`).join('\\n');
            globalThis.kept = [marked.lexer(text), marked.parse(text)];",
    },
    Library {
        name: "prettier",
        files: &["prettier/standalone.js", "prettier/plugins/babel.js", "prettier/plugins/estree.js"],
        work: "
            globalThis.kept = [];
            const text = source[0].slice(0, 60000).replace(/[^\\n]*$/, '');
            prettier.__debug.parse('x = [' + JSON.stringify(text.split('\\n')) + ']',
                { parser: 'babel', plugins: Object.values(prettierPlugins) }).then((r) => kept.push(r));",
    },
    Library {
        name: "typescript",
        files: &["typescript/lib/typescript.js"],
        work: "globalThis.kept = ts.createSourceFile('a.js', source[0].slice(0, 1500000),
                ts.ScriptTarget.Latest, true, ts.ScriptKind.JS);",
    },
    Library {
        name: "vue",
        files: &["@vue/compiler-dom/dist/compiler-dom.global.prod.js"],
        work: "
            const part = (i) => `<li v-for=\"a in list${i}\" :key=\"a.id\" @click=\"f(a, ${i})\">` +
                `<b v-if=\"a.ok\">{{ a.name + ${i} }}</b><i v-else>-</i></li>`;
            globalThis.kept = Array.from({ length: 60 }, (_, i) =>
                VueCompilerDOM.compile(Array.from({ length: 20 }, (_, j) => part(i + j)).join('')));",
    },
];

/// What one function makes, of which one lives on: the temporary, and what is kept.
const FATES: &[(&str, &str, &str)] = &[
    ("objects", "{ a: i, b: i, c: i, d: i }", "{ i, j: i }"),
    ("arrays", "[i, i, i, i]", "[i, i]"),
    ("closures", "((n) => () => n + 1)(i)", "((n) => () => n)(i)"),
    ("instances", "new Temporary(i)", "new Kept(i)"),
    ("strings", "text + i", "text + -i"),
];

const FATE_TIMES: u32 = 20_000;

/// Names, and the functions that make them in code that is not optimised.
const LITERALS: &[(&str, &str)] = &[
    ("{x, y}", "(i) => ({ x: i, y: i })"),
    ("{}", "(i) => ({})"),
    ("[i, i]", "(i) => [i, i]"),
    ("[]", "(i) => []"),
    ("[1.5, i]", "(i) => [1.5, i]"),
    ("{i, cells: [i, i]}", "(i) => ({ i, cells: [i, i] })"),
    ("[...array]", "(i) => [...three]"),
    ("{...object}", "(i) => ({ ...object })"),
    ("new Class", "(i) => new Class(i)"),
    ("function", "(i) => () => i"),
    ("`template ${i}`", "(i) => `template of some length ${i}`"),
    ("/regexp/", "(i) => /a+/g"),
    ("new Map", "(i) => new Map([[i, i]])"),
    (
        "array that shrinks",
        "(i) => { const a = []; for (let j = 0; j < 40; j++) a.push(j); a.length = 5; return a; }",
    ),
    ("JSON.parse", "(i) => JSON.parse('{\"a\":[1,2,3],\"b\":\"' + i + '\"}')"),
];

const LITERAL_TIMES: u32 = 5000;

/// What samples say too much of a library on one thread, in percent, at most; and why, where it is
/// more than 1.
const EXCEPTIONS: &[(&str, f64, &str)] = &[(
    "vue",
    8.0,
    "its syntax trees are literals of code that is not optimised yet, each with 16 bytes behind it",
)];

/// What a worker has seen, once for each repeat.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Seen {
    /// The growth of the used heap, and of compiled code in it.
    grown: f64,
    code: f64,
    /// What is in use: in all, or under the function.
    in_use: f64,
    /// Whether samples and counters contradict each other.
    too_little: bool,
    too_much: bool,
}

enum Row {
    Library(&'static Library),
    /// The kind, and whether the temporary comes first.
    Fate(&'static (&'static str, &'static str, &'static str), bool),
    Literal(&'static (&'static str, &'static str)),
}

impl Row {
    fn all() -> Vec<Self> {
        let fates = FATES.iter().flat_map(|of| [Self::Fate(of, true), Self::Fate(of, false)]);
        let libraries = LIBRARIES.iter().map(Self::Library);
        libraries.chain(fates).chain(LITERALS.iter().map(Self::Literal)).collect()
    }

    fn name(&self) -> String {
        match self {
            Self::Library(library) => library.name.to_owned(),
            Self::Fate((kind, ..), true) => format!("{kind}, temporary first"),
            Self::Fate((kind, ..), false) => format!("{kind}, temporary last"),
            Self::Literal((name, _)) => (*name).to_owned(),
        }
    }

    /// Prepares an isolate; `None` if all is to be measured.
    fn prepare(&self, isolate: &mut v8::Isolate, realm: &Realm) {
        match self {
            Self::Library(_) => {
                realm.run(isolate, "clock.js", "Date.now = () => 0; var source = []; ''");
            }
            Self::Fate((_, temporary, kept), is_first) => {
                let (first, second) = if *is_first { (temporary, kept) } else { (kept, temporary) };
                let [one, other] = if *is_first { ["last", "o"] } else { ["o", "last"] };
                let script = format!(
                    "class Temporary {{ constructor(i) {{ this.a = this.b = this.c = i; }} }}
                     class Kept {{ constructor(i) {{ this.i = i; this.j = i; }} }}
                     var text = 'a text of some length, '.repeat(2), last = null, o, kept = null;
                     function make(i) {{ {one} = {first}; {other} = {second}; return o; }}
                     function fill(n) {{
                         const out = new Array(n);
                         for (let i = 0; i < n; i++) out[i] = make(i);
                         last = o = null;
                         return out;
                     }}
                     for (let i = 0; i < 60; i++) fill(3000);
                     ''"
                );
                realm.run(isolate, "fate.js", &script);
            }
            Self::Literal((_, make)) => {
                let script = format!(
                    "const three = [1, 2, 3], object = {{ a: 1, b: 2 }};
                     class Class {{ constructor(i) {{ this.i = i; this.j = i; }} }}
                     const make = {make};
                     const kept = new Array({LITERAL_TIMES});
                     function fill() {{ for (let i = 0; i < {LITERAL_TIMES}; i++) kept[i] = make(i); }}
                     for (let i = 0; i < 20; i++) {{ fill(); kept.fill(0); }}
                     ''"
                );
                realm.run(isolate, "literal.js", &script);
            }
        }
    }

    fn work(&self, isolate: &mut v8::Isolate, realm: &Realm) {
        match self {
            Self::Library(library) => {
                for file in library.files {
                    let text = fixtures::npm::script(file).expect("npm's packages are there");
                    realm.set_string(isolate, "text", &text);
                    realm.run(isolate, "source.js", "source.push(text); ''");
                    realm.run(isolate, file, &text);
                }
                realm.run(isolate, "work.js", &format!("{}; ''", library.work));
            }
            Self::Fate(..) => {
                realm.run(isolate, "call.js", &format!("kept = fill({FATE_TIMES}); ''"));
            }
            Self::Literal(_) => {
                realm.run(isolate, "call.js", "fill(); ''");
            }
        }
    }

    /// The bytes of the profile that the row is about.
    fn in_use(&self, profile: &Profile) -> f64 {
        match self {
            Self::Fate(..) => {
                let is_make = |name: &str| matches!(name, "make" | "fill");
                let rows = profile.rows().filter(|row| {
                    let mut stack = std::iter::successors(Some(row.context()), |c| c.parent());
                    stack.any(|context| is_make(&context.function().name))
                });
                rows.filter_map(|row| row.value(SampleType::InuseSpace)).sum()
            }
            _ => profile.total(SampleType::InuseSpace).unwrap_or_default(),
        }
    }

    fn see(&self, tracked: bool) -> Seen {
        let (mut isolate, realm) = fixtures::realm();
        self.prepare(&mut isolate, &realm);
        if tracked {
            let mut tracker = HeapTracker::new(&mut isolate).expect("starts");
            self.work(&mut tracker, &realm);
            let profile = tracker.finish().expect("collects");
            let of = profile.collection().expect("it was collected here");
            let grown = of.heap.used.0 as f64 - of.heap_at_start.used.0 as f64;
            let in_use = self.in_use(&profile);
            return Seen { grown, code: 0.0, in_use, too_little: false, too_much: false };
        }
        let options = SamplerOptions::live_heap().interval_bytes(INTERVAL).force_gc(true);
        let mut sampler = HeapSampler::with_options(&mut isolate, options).expect("starts");
        self.work(&mut sampler, &realm);
        let profile = sampler.profile().expect("collects");
        let check = profile.heap_check().expect("garbage was collected");
        let contradiction = check.contradiction();
        Seen {
            grown: check.growth.used as f64,
            code: check.growth.compiled_code as f64,
            in_use: self.in_use(&profile),
            too_little: contradiction == Some(Contradiction::TooLittle),
            too_much: contradiction == Some(Contradiction::TooMuch),
        }
    }
}

/// Runs a row in a process of its own.
fn run(row: &Row, flags: &str, how: &str, cli: &Cli, repeats: u32) -> Result<Vec<Seen>, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new(program)
        .args(["--repeats", &repeats.to_string(), "--seed", &cli.seed.to_string()])
        // Flags begin with a dash.
        .args(["--worker", &row.name(), &format!(" {flags}"), how])
        .output()
        .map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())
}

/// The mean of a ratio to 1, in percent, and its standard error.
fn percent(ratios: impl Iterator<Item = f64>) -> (f64, f64) {
    let ratios: Vec<f64> = ratios.map(|ratio| (ratio - 1.0) * 100.0).collect();
    let n = ratios.len() as f64;
    let mean = ratios.iter().sum::<f64>() / n;
    let variance =
        ratios.iter().map(|ratio| (ratio - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    (mean, (variance / n).sqrt())
}

fn mean(seen: &[Seen], of: impl Fn(&Seen) -> f64) -> f64 {
    seen.iter().map(of).sum::<f64>() / seen.len() as f64
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Some(worker) = &cli.worker {
        let [name, flags, how] = &worker[..] else { unreachable!("clap counts them") };
        fixtures::init_seeded(flags.trim());
        let rows = Row::all();
        let row = rows.iter().find(|row| row.name() == *name).expect("a row");
        let see = |repeat: u32| {
            fixtures::reseed(cli.seed.wrapping_add(repeat.into()));
            row.see(how == "tracked")
        };
        let seen: Vec<Seen> = (0..cli.repeats).map(see).collect();
        println!("{}", serde_json::to_string(&seen).expect("numbers"));
        return ExitCode::SUCCESS;
    }
    let mut missed = Vec::new();
    let mut spoken = (0, 0);
    println!(
        "| what | the heap grows by | compiled code | by the tracker | folding off, one thread | \
         one thread | default flags | these, without code |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    for row in Row::all() {
        let name = row.name();
        if cli.only.as_ref().is_none_or(|only| name.contains(only.as_str()))
            && let Err(problem) = row.hold(&cli, &mut spoken, &mut missed)
        {
            missed.push(format!("{name}: {problem}"));
        }
    }
    println!(
        "\nThe counters contradict the samples of libraries in {} of {} runs.",
        spoken.0, spoken.1
    );
    if spoken.0 * 20 > spoken.1 {
        missed.push("they should do so in 5 % of them at most".to_owned());
    }
    for (name, _, why) in EXCEPTIONS {
        println!("{name} may be off by more than 1 %: {why}.");
    }
    missed.iter().for_each(|missed| eprintln!("MISSED {missed}"));
    if missed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

impl Row {
    /// Prints the row, and notes what is not as it should be.
    fn hold(
        &self,
        cli: &Cli,
        spoken: &mut (usize, usize),
        missed: &mut Vec<String>,
    ) -> Result<(), String> {
        let name = self.name();
        let not_optimised = match self {
            Self::Literal(_) => "--disable-optimizing-compilers",
            _ => "",
        };
        let (folding_off, safe) = (v8_flags::NO_ALLOCATION_FOLDING, v8_flags::NO_ESCAPE_ANALYSIS);
        let sampled = |flags: &str| {
            run(self, &format!("{flags} {not_optimised}"), "sampled", cli, cli.repeats)
        };
        let tracked =
            run(self, &format!("{ONE_THREAD} {safe} {not_optimised}"), "tracked", cli, 2)?;
        let unfolded = sampled(&format!("{ONE_THREAD} {folding_off}"))?;
        // Without optimisers the rest would be the same.
        let optimised = not_optimised.is_empty();
        let [one, default] = [ONE_THREAD, ""]
            .map(|flags| if optimised { sampled(flags) } else { Ok(unfolded.clone()) });
        let (one, default) = (one?, default?);

        // Of a function the tracker tells; of all V8's counter does.
        let is_fate = matches!(self, Self::Fate(..));
        let truth = mean(&tracked, |seen| seen.in_use);
        let off = |seen: &[Seen], without_code: f64| {
            percent(seen.iter().map(|seen| {
                let grown = seen.grown - without_code * seen.code;
                seen.in_use / if is_fate { truth } else { grown }
            }))
        };
        let by_tracker = percent(tracked.iter().map(|seen| seen.in_use / seen.grown)).0;
        let cell = |(mean, error): (f64, f64)| format!("{mean:+.1} ± {error:.1} %");
        let by_samples = off(&unfolded, 0.0);
        println!(
            "| {name} | {:.2} MB | {:.2} MB | {by_tracker:+.3} % | {} | {} | {} | {} |",
            mean(&one, |seen| seen.grown) / 1e6,
            mean(&default, |seen| seen.code) / 1e6,
            cell(by_samples),
            cell(off(&one, 0.0)),
            cell(off(&default, 0.0)),
            cell(off(&default, 1.0)),
        );

        let contradicted = |seen: &&Seen| seen.too_little || seen.too_much;
        let mut expect = |holds: bool, what: &str| {
            if !holds {
                missed.push(format!("{name}: {what}"));
            }
        };
        let is_within = |most: f64| by_samples.0.abs() <= most + 3.0 * by_samples.1;
        match self {
            Self::Library(_) => {
                let runs = [&unfolded, &one, &default];
                spoken.0 += runs.iter().flat_map(|seen| seen.iter().filter(contradicted)).count();
                spoken.1 += runs.iter().map(|seen| seen.len()).sum::<usize>();
                let exception = EXCEPTIONS.iter().find(|(of, ..)| *of == name);
                let most = exception.map_or(1.0, |&(_, most, _)| most);
                expect(is_within(most), &format!("samples on one thread within {most} %"));
                expect(
                    by_tracker.abs() <= 0.1,
                    "tracked objects within 0.1 % of the heap's growth",
                );
            }
            Self::Fate((kind, ..), is_first) => {
                expect(is_within(1.0), "samples without folding within 1 % of the tracker");
                // A few functions are compiled anew, and what they had before goes.
                expect(by_tracker.abs() <= 0.5, "tracked objects within 0.5 % of the growth");
                // Where most is missing, the counters say so.
                if *is_first && matches!(*kind, "objects" | "arrays" | "closures") {
                    let all = [&one, &default].into_iter().flatten();
                    expect(all.clone().all(|seen| seen.too_little), "the counters contradict");
                }
            }
            Self::Literal(_) => {
                expect(
                    by_tracker.abs() <= 0.1,
                    "tracked objects within 0.1 % of the heap's growth",
                );
            }
        }
        Ok(())
    }
}
