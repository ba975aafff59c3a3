//! What the fuzz targets share: whatever is read must be sound, and come back from every format that
//! carries it.

use v8_heap_sampler::format::{self, DotOptions, PprofOptions, ReadOptions};
use v8_heap_sampler::{Bytes, Counted, HeapProfile, SampleType};

/// Reads within a small bound.
pub fn read(data: &[u8]) -> Option<HeapProfile> {
    ReadOptions::new().memory_limit(Bytes(64 << 20)).read(data).ok()
}

/// Writes in every format, and reads again what can be read.
pub fn check(profile: &HeapProfile) {
    assert_eq!(profile.contexts().count(), profile.len());
    for sample_type in SampleType::ALL {
        assert_eq!(profile.total(sample_type).is_some(), profile.has(sample_type));
        if let Some(totals) = profile.totals(sample_type) {
            let total = profile.total(sample_type).unwrap();
            assert!((totals[0] - total).abs() <= 1e-6 * total, "{} {total}", totals[0]);
            profile.write_folded(std::io::sink(), sample_type).unwrap();
            profile.write_dot(std::io::sink(), &DotOptions::new(sample_type)).unwrap();
            let graph = profile.callgraph(sample_type).unwrap();
            assert!(graph.graph().node_count() <= profile.len());
        }
    }
    profile.write_speedscope(std::io::sink(), "fuzzed").unwrap();

    let mut pprof = Vec::new();
    profile.write_pprof(&mut pprof, &PprofOptions::new().object_sizes(true)).unwrap();
    let once = format::read(&pprof[..]).unwrap();
    pprof.clear();
    once.write_pprof(&mut pprof, &PprofOptions::new().object_sizes(true)).unwrap();
    let twice = format::read(&pprof[..]).unwrap();
    assert!(once == twice);

    for counted in [Counted::InUse, Counted::Allocated] {
        let options = ReadOptions::new().unnamed(counted);
        let mut json = Vec::new();
        if profile.write_heapprofile(&mut json, counted).is_ok() {
            let once = options.read(&json[..]).unwrap();
            json.clear();
            once.write_heapprofile(&mut json, counted).unwrap();
            assert!(options.read(&json[..]).unwrap() == once);
        }
        json.clear();
        if profile.write_nodes(&mut json, counted).is_ok() {
            let once = options.read(&json[..]).unwrap();
            json.clear();
            once.write_nested_nodes(&mut json, counted).unwrap();
            assert!(options.read(&json[..]).unwrap() == once);
        }
    }
}
