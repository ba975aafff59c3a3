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
use v8_heap_sampler::analysis::{Pattern, PeekedCall, Query};
use v8_heap_sampler::format::{self, WriteError, WriteOptions};
use v8_heap_sampler::{Counted, HeapSampler, KeepDead, Label, Profile, SampleType, SamplerOptions};

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
    let before = sampler.profile()?;
    realm.run(&mut sampler, "/srv/app/main.js", "round(); round(); ''");
    let mut after = sampler.profile()?;
    after.metadata.comments.push("written by the example \"formats\"".to_owned());
    after.add_label(Label::text("isolate", "example"));
    write_all(&cli.folder, &before, &after)
}

fn write_all(
    folder: &Path,
    before: &Profile,
    after: &Profile,
) -> Result<(), Box<dyn std::error::Error>> {
    let path = |name: &str| folder.join(name);
    let value = SampleType::InuseSpace;

    let pprof = WriteOptions::new();
    write(&path("before.pb.gz"), |file| before.write_pprof(file, &pprof))?;
    write(&path("after.pb.gz"), |file| after.write_pprof(file, &pprof))?;
    let sizes = pprof.object_sizes(true);
    write(&path("after.sizes.pb.gz"), |file| after.write_pprof(file, &sizes))?;
    write(&path("after.heapprofile"), |file| after.write_heapprofile(file, Counted::InUse))?;
    write(&path("after.speedscope.json"), |file| after.write_speedscope(file, "formats"))?;
    write(&path("after.folded"), |file| after.write_folded(file, value))?;
    write(&path("after.svg"), |file| after.write_flamegraph(file, value))?;
    write(&path("diff.svg"), |file| after.write_flamegraph_diff(file, before, value))?;
    write(&path("after.dot"), |file| after.write_dot(file, value))?;
    write(&path("after.firefox.json"), |file| after.write_firefox(file, "formats"))?;
    write(&path("after.nodes.json"), |file| after.write_nodes(file, Counted::InUse))?;
    write(&path("after.nested.json"), |file| after.write_nested_nodes(file, Counted::InUse))?;
    fs::write(path("after.profile.json"), serde_json::to_vec(after)?)?;

    let pprof = format::read(File::open(path("after.pb.gz"))?)?;
    let expected = expected(before, after, &pprof)?;
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
fn analysis(before: &Profile, after: &Profile) -> Result<Value, Box<dyn std::error::Error>> {
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
    let merged = Profile::merge([before, after])?;
    Ok(json!({ "tops": tops, "peeks": peeks, "merged": top(&merged)? }))
}

/// The table of all functions.
fn top(profile: &Profile) -> Result<Vec<Value>, Box<dyn std::error::Error>> {
    let top = profile.top(SampleType::InuseSpace)?;
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

/// What must be in the files: by the profiles, which know nothing of formats.
fn expected(
    before: &Profile,
    after: &Profile,
    pprof: &Profile,
) -> Result<Value, Box<dyn std::error::Error>> {
    let whole = |value: f64| value.round() as u64;
    let totals = |profile: &Profile| -> Result<BTreeMap<String, u64>, &str> {
        let totals = SampleType::ALL.into_iter().map(|value| {
            let total = profile.total(value).ok_or("dead objects were kept")?;
            Ok((value.to_string(), whole(total)))
        });
        totals.collect()
    };
    let graph = after.callgraph(SampleType::InuseSpace)?;
    let all = graph[graph.root()].total.value();
    let of_more_than = |least: f64| {
        graph.functions().filter(move |it| it.total.value() > least).map(|it| &it.function)
    };
    let root = after.root().function();
    let frames: Vec<_> =
        of_more_than(0.0).filter(|&it| it != root).map(ToString::to_string).collect();
    let large: Vec<_> =
        of_more_than(0.01 * all).filter(|&it| it != root).map(|it| it.display_name()).collect();
    let names: Vec<_> =
        of_more_than(0.0).map(|it| it.name.as_str()).filter(|name| !name.is_empty()).collect();
    let samples = after.samples().ok_or("it was sampled")?;
    Ok(json!({
        "before": totals(before)?,
        "after": totals(after)?,
        "default_sample_type": "inuse_space",
        "period": after.metadata.interval,
        "pprof_functions": by_pprof_name(after, pprof)?,
        "frames": frames,
        "heapprofile": {
            "nodes": after.len(),
            "self_size": whole(all),
            "samples": samples.iter().filter(|sample| !sample.is_dead).count(),
            "functions": names,
        },
        "dot_functions": large,
    }))
}

/// What each function allocated itself, under the name that pprof's reports go by. Whole numbers
/// are those of the file, which may differ from the estimates by as much as rounding does.
fn by_pprof_name(
    estimated: &Profile,
    read: &Profile,
) -> Result<Vec<Value>, Box<dyn std::error::Error>> {
    let by_name = |profile: &Profile| -> Option<BTreeMap<String, (f64, u32)>> {
        let mut sums: BTreeMap<_, (f64, u32)> = BTreeMap::new();
        for (context, value) in profile.contexts().zip(profile.values(SampleType::InuseSpace)?) {
            let sum = sums.entry(pprof_name(context.function())).or_default();
            *sum = (sum.0 + value, sum.1 + 1);
        }
        Some(sums)
    };
    let no_values = "no bytes in use";
    let estimated = by_name(estimated).ok_or(no_values)?;
    let mut rows = Vec::new();
    let read = by_name(read).ok_or(no_values)?;
    for (name, (value, _)) in read.into_iter().filter(|&(_, (value, _))| value > 0.0) {
        let (estimate, contexts) = estimated[&name];
        // Rounding moves less than one from each context to another.
        assert!((estimate - value).abs() <= f64::from(contexts), "{name}: {estimate}, not {value}");
        rows.push(json!({ "name": name, "inuse_space": value as u64 }));
    }
    Ok(rows)
}
