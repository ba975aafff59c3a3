//! Profiles that other programs wrote, of real programs, against what other readers find in them.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use v8_heap_sampler::analysis::{
    DiffBy, DiffOptions, GroupBy, LeakOptions, Measure, Pattern, Query, Recursion, TopOptions,
    TreeOptions, Uncertainty, diff, leaks,
};
use v8_heap_sampler::format::{self, PprofOptions};
use v8_heap_sampler::{Counted, HeapProfile, SampleType};

/// A file in the folder that `bash .ci/foreign tests/foreign` fills.
fn file(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/foreign").join(name);
    fs::read(&path).unwrap_or_else(|error| {
        panic!("{}: {error}; run `bash .ci/foreign tests/foreign` first", path.display())
    })
}

fn expected(name: &str) -> Value {
    serde_json::from_slice(&file(&format!("{name}.expected.json"))).unwrap()
}

fn again(profile: &HeapProfile, write: impl Fn(&HeapProfile, &mut Vec<u8>)) -> HeapProfile {
    let mut bytes = Vec::new();
    write(profile, &mut bytes);
    format::read(&bytes[..]).unwrap()
}

fn heapprofile(profile: &HeapProfile, bytes: &mut Vec<u8>) {
    profile.write_heapprofile(bytes, Counted::InUse).unwrap();
}

fn pprof(profile: &HeapProfile, bytes: &mut Vec<u8>) {
    profile.write_pprof(bytes, &PprofOptions::new().object_sizes(true)).unwrap();
}

#[test]
#[ignore = "needs `bash .ci/foreign tests/foreign`"]
fn heapprofiles_of_node_deno_and_chrome() {
    for name in ["node", "node-inspector", "deno", "chrome"] {
        let profile = format::read(&file(&format!("{name}.heapprofile"))[..]).unwrap();
        let expected = expected(name);
        assert_eq!(profile.len() as u64, expected["nodes"]);
        assert_eq!(profile.total(SampleType::InuseSpace), expected["self_size"].as_f64());
        assert_eq!(profile.functions().len() as u64, expected["functions"]);
        let depth = profile.contexts().map(|context| context.depth()).max().unwrap();
        assert_eq!(depth as u64, expected["max_depth"]);
        // Each sample is there, but for those of nodes that are not.
        let mut json = Vec::new();
        heapprofile(&profile, &mut json);
        let samples = String::from_utf8(json).unwrap().matches("\"ordinal\"").count() as u64;
        assert_eq!(samples + profile.about.unattributed_samples, expected["samples"]);

        let mut once = again(&profile, heapprofile);
        // They are left out the first time.
        once.about.unattributed_samples = profile.about.unattributed_samples;
        assert_eq!(once, profile);
        let once = again(&profile, pprof);
        assert_eq!(once.total(SampleType::InuseSpace), profile.total(SampleType::InuseSpace));
        assert_eq!(again(&once, pprof), once);
    }
}

#[test]
#[ignore = "needs `bash .ci/foreign tests/foreign`"]
fn pprof_of_datadog_and_go() {
    for name in ["datadog", "go"] {
        let profile = format::read(&file(&format!("{name}.pb.gz"))[..]).unwrap();
        let expected = expected(name);
        let types = expected["sample_types"].as_array().unwrap();
        assert_eq!(profile.sample_types().count(), types.len());
        for (sample_type, total) in types.iter().zip(expected["totals"].as_array().unwrap()) {
            let sample_type = sample_type[0].as_str().unwrap().parse().unwrap();
            assert_eq!(profile.total(sample_type), total.as_f64(), "{sample_type}");
        }
        assert_eq!(profile.about.interval.unwrap().0, expected["period"]);
        assert_eq!(again(&profile, pprof), profile);
    }
}

/// Text and JSON of an answer, the JSON without a number that is none.
fn shown<T: std::fmt::Display + serde::Serialize>(answer: &T, is_known: bool) -> String {
    fn check(json: &Value, is_known: bool) {
        match json {
            Value::Array(items) => items.iter().for_each(|item| check(item, is_known)),
            Value::Object(fields) => {
                for name in ["value", "change"] {
                    assert!(fields.get(name).is_none_or(Value::is_number), "{json}");
                }
                if let Some(error) = fields.get("standard_error") {
                    assert_eq!(error.is_number(), is_known, "{json}");
                }
                fields.values().for_each(|field| check(field, is_known));
            }
            _ => {}
        }
    }
    check(&serde_json::to_value(answer).unwrap(), is_known);
    let text = answer.to_string();
    assert!(!text.contains("NaN") && !text.contains("inf "), "{text}");
    text
}

/// What holds for all answers to any profile.
fn check_answers(profile: &HeapProfile, of: SampleType) {
    let whole = profile.total(of).unwrap();
    let is_close = |one: f64, other: f64| (one - other).abs() <= 1e-6 * whole.max(1.0);
    let is_known_of = |profile: &HeapProfile| profile.uncertainty(of) != Some(Uncertainty::Unknown);
    let is_known = is_known_of(profile);
    let root = profile.values(of).unwrap()[0];
    for by in ["function", "name", "script", "directory", "package", "label:bytes"] {
        let by: GroupBy = by.parse().unwrap();
        let is_label = matches!(by, GroupBy::Label(_));
        let top = profile.top(&TopOptions::new(of).by(by.clone()).sort(Measure::Total)).unwrap();
        shown(&top, is_known);
        let own: f64 = top.rows.iter().map(|row| row.own.value()).sum();
        assert!(is_close(own + if is_label { 0.0 } else { root }, whole), "{own} of {whole}");
        for row in &top.rows {
            let (own, total) = (row.own.value(), row.total.value());
            assert!(own <= total * (1.0 + 1e-9) && total <= whole * (1.0 + 1e-9), "{row:?}");
        }
        let same = diff(profile, profile, &DiffOptions::new(of).by(by)).unwrap();
        shown(&same, is_known);
        assert_eq!((same.significant, same.total.value()), (0, 0.0));
    }
    for share in [0.0, 0.005] {
        let options = TreeOptions::new(of).least_share(share);
        let (down, up) =
            (profile.top_down(&options).unwrap(), profile.bottom_up(&options).unwrap());
        if share > 0.0 {
            shown(&down, is_known);
            shown(&up, is_known);
        }
        assert!(is_close(down.rows[0].total.value(), whole));
        if share == 0.0 {
            let first = up.rows.iter().filter(|row| row.depth == 0);
            assert!(is_close(first.map(|row| row.total.value()).sum::<f64>() + root, whole));
        }
    }
    let every = Pattern::new("all", |_| true);
    let peek = profile.peek(of, &every).unwrap();
    shown(&peek, is_known);
    let from_root = peek.functions.iter().flat_map(|function| &function.callers);
    let from_root = from_root.filter(|call| call.function.is_none());
    assert!(is_close(from_root.map(|call| call.total.value()).sum::<f64>() + root, whole));
    shown(&profile.cycles(of).unwrap(), is_known);
    let dominators = profile.dominators(of).unwrap();
    shown(&dominators, is_known);
    let outermost = dominators.functions.iter().filter(|row| row.immediate_dominator.is_none());
    assert!(is_close(outermost.map(|row| row.dominated.value()).sum::<f64>() + root, whole));
    let path = profile.hot_path(of).unwrap();
    shown(&path, is_known);
    assert!(path.steps.is_sorted_by(|one, other| one.total.value() >= other.total.value()));

    let hottest = path.steps.last().unwrap().function.name.to_string();
    let hottest = Pattern::new("the hottest", move |function| function.name == *hottest);
    let common = profile.common_caller(of, &hottest);
    let is_on_path = |function: &v8_heap_sampler::Function| {
        path.steps.iter().any(|step| *step.function == *function)
    };
    assert!(common.is_none_or(|function| is_on_path(&function)));
    let keep_all = [
        Query::new(),
        Query::new().trim(Pattern::embedder().or(Pattern::builtin())),
        Query::new().collapse_recursion(Recursion::Direct),
        Query::new().collapse_recursion(Recursion::All),
        Query::new().prune_below(of, 0.01),
    ];
    for query in keep_all {
        let answer = profile.query(&query).unwrap();
        assert!(is_close(answer.total(of).unwrap(), whole), "{query:?}");
        shown(&answer.top(&TopOptions::new(of)).unwrap(), is_known_of(&answer));
    }
    let [focused, ignored] =
        [Query::new().focus(hottest.clone()), Query::new().ignore(hottest.clone())]
            .map(|query| profile.query(&query).unwrap().total(of).unwrap());
    assert!(focused > 0.0 && is_close(focused + ignored, whole));
    for query in [
        Query::new().hide(Pattern::builtin()),
        Query::new().hide(Pattern::embedder()),
        Query::new().show(hottest.clone()),
        Query::new().show_from(hottest),
    ] {
        let answer = profile.query(&query).unwrap();
        assert!(answer.total(of).unwrap() <= whole * (1.0 + 1e-9), "{query:?}");
        // Few samples do not tell at which interval they were taken.
        shown(&answer.top_down(&TreeOptions::new(of)).unwrap(), is_known_of(&answer));
    }

    let twice = HeapProfile::merge([profile, profile]).unwrap();
    assert!(is_close(twice.total(of).unwrap(), 2.0 * whole));
    let grown = diff(profile, &twice, &DiffOptions::new(of).by(DiffBy::Stack)).unwrap();
    assert!(is_close(grown.rows.iter().map(|row| row.own.value()).sum(), whole));
    let options = LeakOptions::new().sample_type(of);
    assert_eq!(leaks([profile, profile, profile, profile], &options).unwrap().leaks, 0);
}

#[test]
#[ignore = "needs `bash .ci/foreign tests/foreign`"]
fn all_answers_to_all_of_them() {
    for name in ["node", "node-inspector", "deno", "chrome"] {
        let profile = format::read(&file(&format!("{name}.heapprofile"))[..]).unwrap();
        check_answers(&profile, SampleType::InuseSpace);
    }
    for name in ["datadog", "go"] {
        let profile = format::read(&file(&format!("{name}.pb.gz"))[..]).unwrap();
        for sample_type in profile.sample_types() {
            check_answers(&profile, sample_type);
        }
    }
}
