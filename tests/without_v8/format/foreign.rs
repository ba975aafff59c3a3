//! Profiles that other programs wrote, of real programs, against what other readers find in them.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use v8_heap_sampler::format::{self, WriteOptions};
use v8_heap_sampler::{Counted, Profile, SampleType};

use crate::support::answers;

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

fn again(profile: &Profile, write: impl Fn(&Profile, &mut Vec<u8>)) -> Profile {
    let mut bytes = Vec::new();
    write(profile, &mut bytes);
    format::read(&bytes[..]).unwrap()
}

fn heapprofile(profile: &Profile, bytes: &mut Vec<u8>) {
    profile.write_heapprofile(bytes, Counted::InUse).unwrap();
}

fn pprof(profile: &Profile, bytes: &mut Vec<u8>) {
    profile.write_pprof(bytes, WriteOptions::new().object_sizes(true)).unwrap();
}

#[test]
#[ignore = "needs `bash .ci/foreign tests/foreign`"]
fn heapprofiles_of_node_deno_and_chrome() {
    for name in ["node", "node-inspector", "deno", "chrome"] {
        let profile = format::read(&file(&format!("{name}.heapprofile"))[..]).unwrap();
        let expected = expected(name);
        let [nodes, functions, max_depth] =
            ["nodes", "functions", "max_depth"].map(|number| expected[number].as_u64().unwrap());
        // Node and Chrome keep 128 frames. What stacks that were cut have in common with others is
        // twice there.
        let is_cut = profile.cut_stacks().is_some();
        assert_eq!(is_cut, max_depth == 128);
        let most = if is_cut { nodes * 11 / 10 } else { nodes };
        assert!((nodes..=most).contains(&(profile.len() as u64)), "{} {nodes}", profile.len());
        assert_eq!(profile.total(SampleType::InuseSpace), expected["self_size"].as_f64());
        assert_eq!(profile.functions().len() as u64, functions + u64::from(is_cut));
        let depth = profile.contexts().map(|context| context.depth()).max().unwrap();
        assert_eq!(depth as u64, max_depth + u64::from(is_cut));
        // Each sample is there, but for those of nodes that are not.
        let mut json = Vec::new();
        heapprofile(&profile, &mut json);
        let samples = String::from_utf8(json).unwrap().matches("\"ordinal\"").count() as u64;
        assert_eq!(samples + profile.metadata.unattributed_samples, expected["samples"]);

        let mut once = again(&profile, heapprofile);
        // They are left out the first time.
        once.metadata.unattributed_samples = profile.metadata.unattributed_samples;
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
        assert_eq!(profile.metadata.interval.unwrap().0, expected["period"]);
        assert_eq!(again(&profile, pprof), profile);
    }
}

#[test]
#[ignore = "needs `bash .ci/foreign tests/foreign`"]
fn all_answers_to_all_of_them() {
    for name in ["node", "node-inspector", "deno", "chrome"] {
        let profile = format::read(&file(&format!("{name}.heapprofile"))[..]).unwrap();
        answers::check(&profile, SampleType::InuseSpace);
    }
    for name in ["datadog", "go"] {
        let profile = format::read(&file(&format!("{name}.pb.gz"))[..]).unwrap();
        for sample_type in profile.sample_types() {
            answers::check(&profile, sample_type);
        }
    }
}
