//! What V8's flags cost programs: libraries and kernels with allocation folding off, and with
//! inlining off, against the default, each with the sampler off and at 512 KiB. Flags are the
//! process's: each run is one of its own, all of a program in turn. What is compared is the time on
//! processors, of V8's own threads too.
//!
//! `bash .ci/fixtures` first, for the libraries; then `cargo bench --bench flags`. The name of a
//! program after `--` runs it alone.

use std::process::Command;
use std::time::{Duration, Instant};

use fixtures::processor_time;
use v8_heap_sampler::{SamplerOptions, SamplingSession, v8_flags};

const FLAGS: [(&str, &str); 3] = [
    ("default", ""),
    ("folding off", v8_flags::NO_ALLOCATION_FOLDING),
    ("inlining off", v8_flags::NO_INLINING),
];

/// How often each is run, with each flags.
const TURNS: usize = 9;

/// How long a program is warmed up, and then counted, in each run.
const WARM_UP: Duration = Duration::from_millis(500);
const COUNTED: Duration = Duration::from_millis(500);

/// A name, the library that it needs, what prepares it, and what is run.
type Program = (&'static str, Option<fn() -> Result<String, String>>, &'static str);

/// Each defines `work`.
const PROGRAMS: [Program; 9] = [
    ("acorn", Some(fixtures::npm::acorn), "
        function work() { return acorn.parse(source, { ecmaVersion: 2022 }).body.length; }"),
    ("handlebars", Some(fixtures::npm::handlebars), "
        const template = Handlebars.compile(
            '{{#each rows}}<li class=\"{{kind}}\">{{#if name}}{{name}}{{else}}-{{/if}}</li>{{/each}}');
        const rows = Array.from({ length: 500 }, (_, i) => ({ kind: 'k' + i % 3, name: i % 2 && 'n' + i }));
        function work() { return template({ rows }).length; }"),
    ("marked", Some(fixtures::npm::marked), "
        const text = Array.from({ length: 100 }, (_, i) =>
            `# Title ${i}\\n\\nSome *text* with a [link](/${i}) and \\`code\\`.\\n\\n- one\\n- two\\n`).join('\\n');
        function work() { return marked.parse(text).length; }"),
    ("typescript", Some(fixtures::npm::typescript), "
        const text = source.slice(0, 100000);
        function work() {
            return ts.transpileModule(text, { compilerOptions: { target: ts.ScriptTarget.ES5 } })
                .outputText.length;
        }"),
    ("kernel: objects", None, include_str!("support/objects.js")),
    ("kernel: small vectors", None, "
        class V {
            constructor(x, y, z) { this.x = x; this.y = y; this.z = z; }
            plus(o) { return new V(this.x + o.x, this.y + o.y, this.z + o.z); }
            times(k) { return new V(this.x * k, this.y * k, this.z * k); }
        }
        const kept = [];
        function work() {
            let at = new V(0, 0, 0), step = new V(1, 2, 3);
            for (let i = 0; i < 50000; i++) kept[i & 255] = at = at.plus(step.times(0.5));
            return at.x;
        }"),
    ("kernel: numbers", None, "
        class Complex {
            re(z) { return z; }
            square(a, b) { return a * a - b * b; }
            norm(a, b) { return a * a + b * b; }
        }
        const c = new Complex();
        function work() {
            let inside = 0;
            for (let y = 0; y < 100; y++) for (let x = 0; x < 100; x++) {
                const p = c.re(x / 50 - 1.5), q = c.re(y / 50 - 1);
                let a = 0, b = 0, n = 0;
                for (; n < 50 && c.norm(a, b) < 4; n++) {
                    const next = c.square(a, b) + p;
                    b = 2 * a * b + q;
                    a = next;
                }
                inside += n === 50;
            }
            return inside;
        }"),
    ("kernel: iterators", None, "
        function* numbers(n) { for (let i = 0; i < n; i++) yield i; }
        function work() {
            let sum = 0;
            const map = new Map([...numbers(2000)].map((i) => [i, { i }]));
            for (const [key, { i }] of map.entries()) sum += key + i;
            return sum + [...map.values()].filter(({ i }) => i % 2).length;
        }"),
    ("kernel: dispatch", None, "
        class Square { constructor(a) { this.a = a; } area() { return this.a * this.a; } }
        class Circle { constructor(r) { this.r = r; } area() { return 3 * this.r * this.r; } }
        class Line { constructor(l) { this.l = l; } area() { return 0 * this.l; } }
        const shapes = Array.from({ length: 1000 }, (_, i) => new [Square, Circle, Line][i % 3](i));
        function work() {
            let sum = 0;
            for (let i = 0; i < 50; i++) for (const shape of shapes) sum += shape.area();
            return sum;
        }"),
];

/// What one process does: prints the nanoseconds that a run of a program takes.
fn child(name: &str, flags: &str, is_sampled: bool) {
    v8_flags::set(flags).unwrap();
    let (_, library, prepare) = PROGRAMS.iter().find(|program| program.0 == name).unwrap();
    let (mut isolate, realm) = fixtures::realm();
    if let Some(library) = library {
        let library = library().unwrap();
        realm.set_string(&mut isolate, "source", &library);
        realm.run(&mut isolate, "library.js", &library);
    }
    realm.run(&mut isolate, "prepare.js", prepare);
    let work = realm.function(&mut isolate, "work");
    let options = SamplerOptions::allocation_windows();
    let session = is_sampled.then(|| SamplingSession::start(&mut isolate, options).unwrap());
    let mut run = |time: Duration| {
        let mut runs = 0;
        let took = processor_time(|| {
            let start = Instant::now();
            while start.elapsed() < time {
                realm.call(&mut isolate, &work);
                runs += 1;
            }
        });
        took.as_nanos() / runs
    };
    run(WARM_UP);
    println!("took {}", run(COUNTED));
    drop(session);
}

/// The nanoseconds that a run of a program takes in a process of its own.
fn in_process(name: &str, flags: &str, is_sampled: bool) -> f64 {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--child", name, flags, if is_sampled { "sampled" } else { "" }])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let took = said.lines().find_map(|line| line.strip_prefix("took "));
    took.unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&output.stderr))).parse().unwrap()
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [option, name, flags, sampled] = &arguments[..]
        && option == "--child"
    {
        return child(name, flags, sampled == "sampled");
    }
    let only = arguments.iter().find(|argument| !argument.starts_with("--"));
    let ways: Vec<(String, &str, bool)> = [(false, "off"), (true, "512 KiB")]
        .into_iter()
        .flat_map(|(is_sampled, sampler)| {
            FLAGS.map(|(name, flags)| (format!("{name}, {sampler}"), flags, is_sampled))
        })
        .collect();
    println!(
        "time a run, against default flags with the sampler off (middle half of {TURNS} turns):"
    );
    for (name, library, _) in PROGRAMS {
        if only.is_some_and(|only| !name.contains(only.as_str())) {
            continue;
        }
        if let Some(Err(missing)) = library.map(|library| library()) {
            eprintln!("{name} is left out: {missing}");
            continue;
        }
        let mut ratios = vec![Vec::new(); ways.len()];
        for _ in 0..TURNS {
            let took: Vec<f64> =
                ways.iter().map(|(_, flags, sampled)| in_process(name, flags, *sampled)).collect();
            ratios.iter_mut().zip(&took).for_each(|(ratios, of)| ratios.push(of / took[0]));
        }
        println!("{name}");
        for ((way, ..), ratios) in ways.iter().zip(ratios).skip(1) {
            let (median, low, high) = fixtures::middle_half(ratios);
            println!("  {way:24} {median:.2} ({low:.2} to {high:.2})");
        }
    }
}
