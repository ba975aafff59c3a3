//! Whether built-in functions allocate the same while they are sampled: bytes an iteration, by the
//! growth of the heap when nobody looks, in exact mode, and sampled.
//!
//! ```text
//! cargo run --release -p v8-heap-sampler-trials --bin builtins -- [--flags FLAGS] [--only PART]
//! ```
//!
//! Each runs in an isolate of its own, warm, in a loop that allocates megabytes. What is true is by how
//! much V8's used heap grows in a loop in which no garbage is collected, as the young generation has
//! room for all. (V8's counter of allocated bytes counts whole allocation buffers, of which 5 % can
//! be left over.)
//!
//! With the flags that it has by default, exits with 1 if exact mode departs from the truth by more
//! than 0.5 % for another function than those that are known to, or no longer does for one of these.

use std::process::ExitCode;

use clap::Parser;
use fixtures::Realm;
use v8_heap_sampler::{Confidence, HeapSampler, KeepDead, SampleType, SamplerOptions, v8_flags};

/// Whether built-in functions allocate the same while they are sampled.
#[derive(Parser, Debug)]
struct Cli {
    /// V8's flags
    #[arg(long, default_value = v8_flags::STABLE, allow_hyphen_values = true)]
    flags: String,
    /// The rows to run alone, by a part of what they run
    #[arg(long)]
    only: Option<String>,
    /// The bytes that each loop allocates, about
    #[arg(long, default_value_t = 12_000_000)]
    bytes: u64,
}

/// What all rows may use.
const SETUP: &str = "
    const A = [5, 3, 8, 1, 9], B = [1.5, 2.5, 3.5], N = [[1, [2]], [3]], L = Array.from({ length: 40 }, (_, i) => i);
    const O = { a: 1, b: 2, c: 'x' }, K = { key: 1 }, J = '{\"a\":[1,2,{\"b\":\"text\"}],\"c\":null}';
    const S = 'the quick brown fox jumps', T = 'a,b,c,d', W = '  padded  ', R = /(?<word>[a-z]+) /g;
    const M = new Map([['a', 1], ['b', 2]]), E = new Set([1, 2, 3]), E2 = new Set([2, 3, 4]);
    const WM = new WeakMap([[K, 1]]), D = new Date(0), U = new Uint8Array(64), F64 = new Float64Array(8);
    const BUF = new ArrayBuffer(64), SYM = Symbol('s'), BIG = 12345678901234567890n;
    const gt = (x) => x > 2, id = (x) => x, add = (a, b) => a + b, cmp = (a, b) => a - b;
    function* gen() { yield 1; yield 2; }
    async function later() { return 1; }
    class C { constructor(x) { this.x = x; } }
    function args() { return arguments; }
    function rest(...all) { return all; }
    var out;";

/// What is run, by kind.
const ROWS: &[(&str, &[&str])] = &[
    (
        "array",
        &[
            "[1, 2, 3]",
            "[...A]",
            "new Array(10)",
            "Array.of(1, 2, 3)",
            "Array.from(A)",
            "Array.from(A, id)",
            "Array.from(E)",
            "Array.from({ length: 5 }, id)",
            "A.at(1)",
            "A.concat(B)",
            "A.entries()",
            "[...A.entries()]",
            "A.every(gt)",
            "A.fill.call([1, 2], 0)",
            "A.filter(gt)",
            "[1, 2, 3].filter(gt)",
            "L.filter(gt)",
            "A.find(gt)",
            "A.findLast(gt)",
            "A.flat()",
            "N.flat(2)",
            "A.flatMap((x) => [x, x])",
            "A.forEach(id)",
            "A.includes(3)",
            "A.indexOf(3)",
            "A.join()",
            "L.join('-')",
            "A.keys()",
            "A.map(id)",
            "[1, 2, 3].map(id)",
            "B.map(id)",
            "[1].pop()",
            "{ const a = []; a.push(1); out = a; }",
            "{ const a = []; a.push(1, 2, 3); out = a; }",
            "{ const a = []; for (let j = 0; j < 20; j++) a.push(j); out = a; }",
            "A.reduce(add)",
            "A.reduceRight(add)",
            "[1, 2, 3].reverse()",
            "[1, 2].shift()",
            "A.slice()",
            "A.slice(1, 3)",
            "A.some(gt)",
            "[3, 1, 2].sort()",
            "[3, 1, 2].sort(cmp)",
            "[1, 2, 3].splice(0, 1)",
            "[1, 2, 3].splice(1, 0, 9)",
            "A.toReversed()",
            "A.toSorted(cmp)",
            "A.toSpliced(1, 1)",
            "A.with(0, 7)",
            "A.toString()",
            "[1].unshift(0)",
            "A.values()",
            "[...L]",
            "rest(1, 2, 3)",
            "args(1, 2, 3)",
            "[a = 1] = A",
            "Math.max(...A)",
        ],
    ),
    (
        "object",
        &[
            "({})",
            "({ a: 1, b: 2 })",
            "({ ...O })",
            "new C(1)",
            "Object.assign({}, O)",
            "Object.create(O)",
            "Object.create(null)",
            "Object.entries(O)",
            "Object.freeze({ a: 1 })",
            "Object.fromEntries(M)",
            "Object.fromEntries([['a', 1]])",
            "Object.getOwnPropertyDescriptor(O, 'a')",
            "Object.getOwnPropertyDescriptors(O)",
            "Object.getOwnPropertyNames(O)",
            "Object.getOwnPropertySymbols(O)",
            "Object.groupBy(A, (x) => x % 2)",
            "Object.groupBy(L, (x) => x % 3)",
            "Object.keys(O)",
            "Object.values(O)",
            "Object.defineProperty({}, 'a', { value: 1 })",
            "O.toString()",
            "Reflect.ownKeys(O)",
            "Reflect.construct(C, [1])",
            "Reflect.apply(id, null, [1])",
            "new Proxy(O, {})",
            "new Proxy(O, {}).a",
            "(() => 1)",
            "id.bind(null)",
            "id.bind(null, 1, 2)",
            "function f() {}",
            "new Function.prototype.constructor('return 1')",
            "{ for (const k in O) out = k; }",
            "const { a: a1, ...others } = O",
            "Symbol('x')",
            "SYM.toString()",
            "SYM.description",
            "new Error('x')",
        ],
    ),
    (
        "map and set",
        &[
            "new Map()",
            "new Map(M)",
            "new Map([['a', 1]])",
            "M.entries()",
            "[...M]",
            "[...M.entries()]",
            "[...M.keys()]",
            "[...M.values()]",
            "M.forEach(id)",
            "for (const [k, v] of M) out = v",
            "Map.groupBy(A, (x) => x % 2)",
            "{ const m = new Map(); for (let j = 0; j < 9; j++) m.set(j, j); out = m; }",
            "new Set()",
            "new Set(E)",
            "new Set([1, 2])",
            "[...E]",
            "E.entries()",
            "E.union(E2)",
            "E.intersection(E2)",
            "E.difference(E2)",
            "E.symmetricDifference(E2)",
            "E.isSubsetOf(E2)",
            "new WeakMap()",
            "new WeakMap([[K, 1]])",
            "WM.get(K)",
            "new WeakSet([K])",
            "new WeakRef(K)",
        ],
    ),
    (
        "string and regular expression",
        &[
            "S + i % 9",
            "`${S} ${i % 9}`",
            "String(i % 9 + 0.5)",
            "S.at(1)",
            "S.charAt(1)",
            "S.concat(T)",
            "S.indexOf('fox')",
            "S.localeCompare(T)",
            "S.match(/fox/)",
            "S.match(R)",
            "[...S.matchAll(R)]",
            "S.normalize()",
            "T.padEnd(20)",
            "T.padStart(20)",
            "T.repeat(3)",
            "S.replace('fox', 'cat')",
            "S.replace(/fox/, 'cat')",
            "S.replaceAll('o', '0')",
            "S.replace(R, '$1')",
            "S.replace(R, (m) => m)",
            "S.search(/fox/)",
            "S.slice(2, 20)",
            "S.slice(2, 5)",
            "T.split(',')",
            "S.split('')",
            "S.split(/ /)",
            "S.substring(3, 20)",
            "S.toUpperCase()",
            "S.toLowerCase()",
            "W.trim()",
            "W.trimStart()",
            "[...T]",
            "String.raw`a${i % 9}b`",
            "String.fromCharCode(65, 66)",
            "String.fromCodePoint(128512)",
            "S.codePointAt(1)",
            "S.isWellFormed()",
            "S.toWellFormed()",
            "/a+/g",
            "new RegExp('a+')",
            "/(\\\\w+)/.exec(S)",
            "R.test(S)",
            "R.flags",
            "R.source",
            "encodeURIComponent(W)",
            "decodeURIComponent('%20a')",
            "escape(W)",
        ],
    ),
    (
        "iterator and generator",
        &[
            "gen()",
            "[...gen()]",
            "gen().next()",
            "for (const x of gen()) out = x",
            "gen().map(id)",
            "[...gen().map(id)]",
            "gen().filter(gt).toArray()",
            "gen().take(1).toArray()",
            "gen().drop(1).toArray()",
            "gen().flatMap((x) => [x]).toArray()",
            "gen().reduce(add)",
            "gen().forEach(id)",
            "gen().some(gt)",
            "gen().find(gt)",
            "Iterator.from(A)",
            "Iterator.from(A).toArray()",
            "A.values().next()",
            "for (const x of A) out = x",
            "M.entries().next()",
            "S[Symbol.iterator]().next()",
            "(async function* () {})()",
        ],
    ),
    (
        "promise",
        &[
            "Promise.resolve(1)",
            "new Promise(id)",
            "Promise.resolve(1).then(id)",
            "Promise.all([1, 2])",
            "Promise.allSettled([1])",
            "Promise.any([1])",
            "Promise.race([1])",
            "Promise.withResolvers()",
            "later()",
            "(async () => { await 1; })()",
            "Promise.reject(1).catch(id)",
            "Promise.resolve(1).finally(id)",
        ],
    ),
    (
        "number, date and JSON",
        &[
            "i + 0.5",
            "[i + 0.5]",
            "(i % 9 + 0.5).toFixed(2)",
            "(i % 9 + 0.5).toString()",
            "(255 + i % 9).toString(16)",
            "Number('1.5')",
            "parseFloat('2.5')",
            "new Number(1)",
            "BIG + 1n",
            "BIG * BIG",
            "BigInt(i)",
            "BIG.toString()",
            "BigInt.asUintN(64, BIG)",
            "Math.random()",
            "Math.sqrt(i)",
            "new Date()",
            "new Date(i)",
            "Date.now()",
            "D.toISOString()",
            "D.getTime()",
            "D.toString()",
            "JSON.parse(J)",
            "JSON.parse(J, (k, v) => v)",
            "JSON.stringify(O)",
            "JSON.stringify(L)",
            "JSON.stringify(O, null, 2)",
        ],
    ),
    (
        "typed array",
        &[
            "new Uint8Array(16)",
            "new Float64Array(A)",
            "new Uint8Array(BUF)",
            "new ArrayBuffer(16)",
            "new DataView(BUF)",
            "U.slice(0, 8)",
            "U.subarray(0, 8)",
            "F64.map(id)",
            "F64.filter(gt)",
            "Uint8Array.from(A)",
            "Uint8Array.of(1, 2)",
            "U.entries()",
            "[...F64]",
            "U.join()",
            "F64.toSorted()",
            "F64.with(0, 1)",
            "BUF.slice(8)",
            "F64.toReversed()",
            "U.fill(0)",
            "new DataView(BUF).getFloat64(0)",
        ],
    ),
];

/// Where exact mode has more: V8's code asks for what the longest way through it needs, which counts
/// where every request is sampled, and takes less (`MemoryLowering` in V8's compiler).
const KNOWN: &[&str] = &[
    "A.filter(gt)",
    "[1, 2, 3].filter(gt)",
    "L.filter(gt)",
    "Object.groupBy(A, (x) => x % 2)",
    "Object.groupBy(L, (x) => x % 3)",
    "Map.groupBy(A, (x) => x % 2)",
    "new Map(M)",
    "new Map([['a', 1]])",
];

/// What a row allocates.
struct Measured {
    exact: f64,
    sampled: f64,
    /// Half of the 95 % interval.
    plus_minus: f64,
    unsampled: f64,
}

/// A warm isolate with the loop of a row.
fn prepared(body: &str) -> Result<(v8::OwnedIsolate, Realm, v8::Global<v8::Function>), String> {
    let (mut isolate, realm) = fixtures::realm();
    let is_statement =
        ["{", "for ", "const ", "function "].iter().any(|start| body.starts_with(start));
    // A value that is kept is not optimised away.
    let body = if is_statement { format!("{{ {body} }}") } else { format!("out = {body};") };
    let script = format!(
        "{SETUP}\n function times(n) {{ for (let i = 0; i < n; i++) {{ {body} }} }}
         var count = 100; function work() {{ times(count); }} for (let i = 0; i < 5; i++) times(200); ''"
    );
    realm.try_run(&mut isolate, "row.js", &script).map_err(|error| error.to_string())?;
    let work = realm.function(&mut isolate, "work");
    Ok((isolate, realm, work))
}

fn measure(body: &str, bytes: u64) -> Result<Measured, String> {
    let failed = |error: v8_heap_sampler::Error| error.to_string();
    let count = |isolate: &mut v8::Isolate, realm: &Realm, count: u64| {
        realm.run(isolate, "count.js", &format!("count = {count}; ''"));
    };
    // What is queued is done within the call.
    let all = |profile: &v8_heap_sampler::Profile| {
        profile.estimate(SampleType::AllocSpace).expect("dead objects are kept")
    };
    const FEW: u64 = 2000;
    let exact = {
        let (mut isolate, realm, work) = prepared(body)?;
        count(&mut isolate, &realm, FEW);
        realm.call(&mut isolate, &work);
        let options = SamplerOptions::exact().keep_dead(KeepDead::Both);
        let mut sampler = HeapSampler::with_options(&mut isolate, options).map_err(failed)?;
        realm.call(&mut sampler, &work);
        all(&sampler.finish().map_err(failed)?).value() / FEW as f64
    };
    let many = (bytes / (exact as u64).max(16)).clamp(FEW, 400_000);
    let unsampled = {
        let (mut isolate, realm, work) = prepared(body)?;
        count(&mut isolate, &realm, many);
        realm.call(&mut isolate, &work);
        isolate.low_memory_notification();
        let used = |isolate: &mut v8::Isolate| isolate.get_heap_statistics().used_heap_size();
        let before = used(&mut isolate);
        realm.call(&mut isolate, &work);
        used(&mut isolate).saturating_sub(before) as f64 / many as f64
    };
    let (mut isolate, realm, work) = prepared(body)?;
    count(&mut isolate, &realm, many);
    realm.call(&mut isolate, &work);
    let options = SamplerOptions::new().interval_bytes(1024).keep_dead(KeepDead::Both);
    let mut sampler = HeapSampler::with_options(&mut isolate, options).map_err(failed)?;
    realm.call(&mut sampler, &work);
    let sampled = all(&sampler.finish().map_err(failed)?);
    let interval = sampled.interval(Confidence::P95).expect("its interval is known");
    Ok(Measured {
        exact,
        sampled: sampled.value() / many as f64,
        plus_minus: (interval.upper - interval.lower) / 2.0 / many as f64,
        unsampled,
    })
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    // Room for what a loop allocates, in megabytes.
    fixtures::init_with_flags(&format!(
        "{} --min-semi-space-size=64 --max-semi-space-size=64",
        cli.flags
    ));
    let mut problems = Vec::new();
    for (kind, bodies) in ROWS {
        println!("\n{kind}\n");
        println!("| loop body | exact mode | sampled at 1 KiB | no sampler | |");
        println!("| --- | --: | --: | --: | --- |");
        for body in *bodies {
            if cli.only.as_ref().is_some_and(|only| !body.contains(only.as_str())) {
                continue;
            }
            let shown = body.replace('|', "\\|");
            match measure(body, cli.bytes) {
                Ok(Measured { exact, sampled, plus_minus, unsampled }) => {
                    let departs = (exact - unsampled).abs() > 0.005 * unsampled.max(exact) + 0.5;
                    let is_known = KNOWN.contains(body);
                    println!(
                        "| `{shown}` | {exact:.1} | {sampled:.1} ± {plus_minus:.1} | {unsampled:.1} | {} |",
                        if departs { format!("{:+.1}", exact - unsampled) } else { String::new() }
                    );
                    // The list is of code that is not optimised.
                    if departs != is_known && cli.flags == v8_flags::STABLE {
                        problems.push(format!(
                            "{body}: {exact:.1} in exact mode, {unsampled:.1} without a sampler{}",
                            if is_known { ", which is known to differ" } else { "" }
                        ));
                    }
                }
                Err(error) => problems.push(format!("{body}: {error}")),
            }
        }
    }
    problems.iter().for_each(|problem| eprintln!("MISSED {problem}"));
    if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
