//! Samples a script twice and writes what was collected in every format, for other tools to open.
//!
//! ```text
//! cargo run -p v8-heap-sampler-trials --bin formats -- FOLDER [--interval BYTES]
//! ```
//!
//! `before.*` is of the script's first round, `after.*` of all three, and `diff.svg` of what has
//! changed. `expected.json` says what a tool must find in them, and `analysis.json` what the crate
//! itself finds in the pprof profiles: `.ci/readers` has real tools look.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::Parser;
use serde_json::{Value, json};
use v8_heap_sampler::analysis::{Pattern, PeekedCall, Query, TopOptions};
use v8_heap_sampler::format::{self, DotOptions, FlamegraphOptions, PprofOptions, WriteError};
use v8_heap_sampler::{
    CallTree, Counted, HeapProfile, HeapSampler, KeepDead, Label, Profile, SampleType,
    SamplerOptions,
};

/// Samples a script twice and writes what was collected in every format.
#[derive(Parser, Debug)]
struct Cli {
    /// Where to put the files
    folder: PathBuf,
    /// Mean distance between two samples, in bytes allocated; 1 samples everything
    #[arg(long, value_name = "BYTES", default_value_t = 512)]
    interval: u64,
}

/// Functions of one name in two places, anonymous ones, recursion, and objects that die.
const SCRIPT: &str = r#"
    function innerArray(length) {
        return Array.from({ length }, (_, i) => ({ i, text: `item ${i}` }));
    }
    function nested(depth) {
        return depth > 0 ? [nested(depth - 1), innerArray(20)] : [];
    }
    const first = { get() { return new Array(100).fill(0); } };
    const second = { get() { return new Array(50).fill(1.5); } };
    function temporary(rounds) {
        let sum = 0;
        for (let i = 0; i < rounds; i++) sum += [i, i + 1].map((n) => ({ n })).length;
        return sum;
    }
    function größe(n) { return "x".repeat(n) + n; }
    globalThis.kept = [];
    function round() {
        kept.push(nested(12), first.get(), second.get(), größe(3000), temporary(2000), () => kept);
    }
    '';
"#;

fn write(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> Result<(), WriteError>,
) -> Result<(), Box<dyn std::error::Error>> {
    let mut writer = BufWriter::new(File::create(path)?);
    write(&mut writer)?;
    writer.flush()?;
    println!("{} ({} bytes)", path.display(), fs::metadata(path)?.len());
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let cli = Cli::parse();
    fs::create_dir_all(&cli.folder)?;
    let (mut isolate, realm) = fixtures::realm();
    let options =
        SamplerOptions::new().interval_bytes(cli.interval).keep_dead(KeepDead::Both).force_gc(true);
    let mut sampler = HeapSampler::with_options(&mut isolate, options)?;
    realm.run(&mut sampler, "/srv/app/allocate.js", SCRIPT);
    realm.run(&mut sampler, "/srv/app/main.js", "round(); ''");
    let before = sampler.collect_profile()?;
    realm.run(&mut sampler, "/srv/app/main.js", "round(); round(); ''");
    let after = sampler.collect_profile()?;
    write_all(&cli.folder, &before, &after)
}

fn write_all(
    folder: &Path,
    before_profile: &Profile,
    after_profile: &Profile,
) -> Result<(), Box<dyn std::error::Error>> {
    let path = |name: &str| folder.join(name);
    let before = HeapProfile::from_profile(before_profile)?;
    let mut after = HeapProfile::from_profile(after_profile)?;
    after.about.comments.push("written by the example \"formats\"".to_owned());
    after.add_label(Label::text("isolate", "example"));
    let value = SampleType::InuseSpace;

    let pprof = PprofOptions::new();
    write(&path("before.pb.gz"), |file| before.write_pprof(file, &pprof))?;
    write(&path("after.pb.gz"), |file| after.write_pprof(file, &pprof))?;
    let sizes = pprof.object_sizes(true);
    write(&path("after.sizes.pb.gz"), |file| after.write_pprof(file, &sizes))?;
    write(&path("after.heapprofile"), |file| after.write_heapprofile(file, Counted::InUse))?;
    write(&path("after.speedscope.json"), |file| after.write_speedscope(file, "formats"))?;
    write(&path("after.folded"), |file| after.write_folded(file, value))?;
    let options = FlamegraphOptions::new(value);
    write(&path("after.svg"), |file| after.write_flamegraph(file, &options))?;
    write(&path("diff.svg"), |file| after.write_flamegraph_diff(file, &before, &options))?;
    write(&path("after.dot"), |file| after.write_dot(file, &DotOptions::new(value)))?;
    write(&path("after.firefox.json"), |file| after.write_firefox(file, "formats"))?;
    write(&path("after.nodes.json"), |file| after.write_nodes(file, Counted::InUse))?;
    write(&path("after.nested.json"), |file| after.write_nested_nodes(file, Counted::InUse))?;
    fs::write(path("after.profile.json"), serde_json::to_vec(after_profile)?)?;

    let pprof = format::read(File::open(path("after.pb.gz"))?)?;
    let expected = expected(before_profile, after_profile, &after, &pprof)?;
    fs::write(path("expected.json"), serde_json::to_vec_pretty(&expected)?)?;
    let before = format::read(File::open(path("before.pb.gz"))?)?;
    let analysis = analysis(&before, &pprof)?;
    fs::write(path("analysis.json"), serde_json::to_vec_pretty(&analysis)?)?;
    Ok(())
}

/// What pprof's options ask for, each as its name and a regular expression.
const QUESTIONS: [&[(&str, &str)]; 12] = [
    &[],
    &[("focus", "nested")],
    &[("focus", "allocate\\.js")],
    &[("ignore", "temporary|get")],
    &[("hide", "nested")],
    &[("hide", "innerArray|^map$|^from$")],
    &[("show", "nested|round")],
    &[("show", "allocate\\.js")],
    &[("show_from", "nested")],
    &[("show_from", "^innerArray$")],
    &[("focus", "innerArray|get"), ("ignore", "^get$"), ("hide", "nested")],
    &[
        ("focus", "round"),
        ("ignore", "temporary"),
        ("hide", "^from$"),
        ("show", "nested|get|größe"),
    ],
];

/// The crate's answers to what can be asked of pprof as well.
fn analysis(
    before: &HeapProfile,
    after: &HeapProfile,
) -> Result<Value, Box<dyn std::error::Error>> {
    let mut tops = Vec::new();
    for question in QUESTIONS {
        let mut query = Query::new();
        for &(part, expression) in question {
            let ask = match part {
                "focus" => Query::focus,
                "ignore" => Query::ignore,
                "hide" => Query::hide,
                "show" => Query::show,
                "show_from" => Query::show_from,
                _ => unreachable!("{part}"),
            };
            query = ask(query, Pattern::regex(expression)?);
        }
        let options: Vec<_> =
            question.iter().map(|(part, expression)| format!("-{part}={expression}")).collect();
        tops.push(json!({ "options": options, "rows": top(&after.query(&query)?)? }));
    }
    let mut peeks = Vec::new();
    for name in ["nested", "innerArray", "round"] {
        let regex = format!("^{name}$");
        let peek = after.peek(SampleType::InuseSpace, &Pattern::regex(&regex)?)?;
        let calls = |calls: &[PeekedCall]| -> Vec<Value> {
            let named = calls.iter().filter_map(|call| {
                let name = pprof_name(call.function.as_ref()?);
                Some(json!({ "name": name, "total": call.total.value() }))
            });
            named.collect()
        };
        let function = peek.functions.first().ok_or("no such function")?;
        peeks.push(json!({
            "name": name,
            "options": [format!("-peek={regex}")],
            "flat": function.own.value(),
            "cum": function.total.value(),
            "callers": calls(&function.callers),
            "callees": calls(&function.callees),
        }));
    }
    let merged = HeapProfile::merge([before, after])?;
    Ok(json!({ "tops": tops, "peeks": peeks, "merged": top(&merged)? }))
}

/// The table of all functions.
fn top(profile: &HeapProfile) -> Result<Vec<Value>, Box<dyn std::error::Error>> {
    let top = profile.top(&TopOptions::new(SampleType::InuseSpace))?;
    let rows = top.rows.iter().filter_map(|row| {
        let name = pprof_name(row.function.as_ref()?);
        Some(json!({ "name": name, "flat": row.own.value(), "cum": row.total.value() }))
    });
    Ok(rows.collect())
}

/// The name that a function goes by in pprof's reports.
fn pprof_name(function: &v8_heap_sampler::Function) -> String {
    match function.name.as_str() {
        "" => function.to_string(),
        name => name.to_owned(),
    }
}

/// What must be in the files: by the estimates, which know nothing of formats.
fn expected(
    before: &Profile,
    after: &Profile,
    written: &HeapProfile,
    pprof: &HeapProfile,
) -> Result<Value, Box<dyn std::error::Error>> {
    let totals = |profile: &Profile| -> Result<Value, v8_heap_sampler::ProfileError> {
        let total = profile.estimates()?.total();
        let whole = |value: f64| value.round() as u64;
        let of_all = "dead objects were kept";
        Ok(json!({
            "alloc_objects": whole(total.alloc_objects().expect(of_all).value()),
            "alloc_space": whole(total.alloc_space().expect(of_all).value()),
            "inuse_objects": whole(total.inuse_objects().value()),
            "inuse_space": whole(total.inuse_space().value()),
        }))
    };
    let tree = CallTree::from_nodes(&after.nodes)?;
    let functions = tree.function_estimates(&after.estimates()?);
    let whole = functions[0].total.inuse_space().value();
    let frames: Vec<_> = functions
        .iter()
        .skip(1)
        .filter(|function| function.total.inuse_space().samples() > 0)
        .map(|function| function.function.to_string())
        .collect();
    let large: Vec<_> = functions
        .iter()
        .skip(1)
        .filter(|function| function.total.inuse_space().value() > 0.01 * whole)
        .map(|function| function.function.display_name())
        .collect();
    let names: Vec<_> = functions
        .iter()
        .filter(|function| function.total.inuse_space().samples() > 0)
        .map(|function| function.function.name.as_str())
        .filter(|name| !name.is_empty())
        .collect();
    let live = after.samples.iter().filter(|sample| sample.is_live).count();
    Ok(json!({
        "before": totals(before)?,
        "after": totals(after)?,
        "default_sample_type": "inuse_space",
        "period": after.options.interval_bytes,
        "pprof_functions": by_pprof_name(&functions, pprof),
        "frames": frames,
        "heapprofile": {
            "nodes": written.len(),
            "self_size": whole.round() as u64,
            "samples": live,
            "functions": names,
        },
        "dot_functions": large,
    }))
}

/// What each function allocated itself, under the name that pprof's reports go by. Whole numbers
/// are those of the file, which may differ from the estimates by as much as rounding does.
fn by_pprof_name(
    functions: &[v8_heap_sampler::FunctionEstimates],
    pprof: &HeapProfile,
) -> Vec<Value> {
    let name = pprof_name;
    let mut estimated: BTreeMap<String, (f64, u32)> = BTreeMap::new();
    for function in functions {
        let sum = estimated.entry(name(&function.function)).or_default();
        sum.0 += function.own.inuse_space().value();
        sum.1 += function.contexts;
    }
    let mut read: BTreeMap<String, f64> = BTreeMap::new();
    let values = pprof.values(SampleType::InuseSpace).unwrap_or_default();
    for context in pprof.contexts() {
        *read.entry(name(context.function())).or_default() += values[context.index()];
    }
    let mut rows = Vec::new();
    for (name, value) in read.into_iter().filter(|&(_, value)| value > 0.0) {
        let (estimate, contexts) = estimated[&name];
        // Rounding moves less than one from each context to another.
        assert!((estimate - value).abs() <= f64::from(contexts), "{name}: {estimate}, not {value}");
        rows.push(json!({ "name": name, "inuse_space": value as u64 }));
    }
    rows
}
