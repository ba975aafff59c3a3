//! What the fuzz targets share: whatever is read must be sound, and come back from every format
//! that carries it.

use std::num::NonZeroU32;

use v8_heap_sampler::analysis::Pattern;
use v8_heap_sampler::format::{self, ReadOptions, WriteError, WriteOptions};
use v8_heap_sampler::source::{ListOptions, MemorySources};
use v8_heap_sampler::{Allocation, Bytes, Counted, Node, NodeId, Profile, SampleType};

#[path = "../../tests/without_v8/support/answers.rs"]
mod answers;

/// Reads within a small bound.
pub fn read(data: &[u8]) -> Option<Profile> {
    ReadOptions::new().memory_limit(Bytes(64 << 20)).read(data).ok()
}

/// Asks everything, of each value.
pub fn answers(profile: &Profile) {
    // Deep stacks of many contexts take seconds: nothing new is in them.
    if profile.len() < 20_000 {
        profile.sample_types().for_each(|of| answers::check(profile, of));
    }
}

/// Maps functions at all places of a script where one may start, and lists what they allocated.
pub fn map(text: &str, map: &[u8]) {
    const SCRIPT: &str = "/srv/dist/app.js";
    const CHARACTERS: &[u8; 64] =
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789,;";
    let map = match map {
        [b'{' | b')', ..] => map.to_owned(),
        _ => {
            let mappings = map.iter().map(|&byte| CHARACTERS[usize::from(byte) % 64]);
            let mappings = String::from_utf8(mappings.collect()).unwrap();
            let original = "function original(a) { return a; }\n".repeat(4);
            serde_json::to_vec(&serde_json::json!({
                "version": 3, "sources": ["../a.ts", null, "b.ts"], "names": ["original", "", "a"],
                "sourcesContent": [original, null], "mappings": mappings,
            }))
            .unwrap()
        }
    };
    let mut nodes = vec![Node::new(NodeId(1), "(root)")];
    let (mut line, mut column, mut name) = (1, 1, String::new());
    for character in text.chars() {
        if matches!(character, '(' | '=' | '\\') || nodes.len() < 4 {
            let id = NodeId(1 + nodes.len() as u32);
            let mut node = Node::new(id, name.as_str());
            node.script_name = SCRIPT.into();
            node.line_number = NonZeroU32::new(line);
            node.column_number = NonZeroU32::new(column);
            node.allocations.push(Allocation { count: 1, size: 16 });
            nodes[0].child_ids.push(id);
            nodes.push(node);
        }
        match character {
            '\n' => (line, column) = (line + 1, 1),
            _ => column += character.len_utf16() as u32,
        }
        match character.is_alphanumeric() {
            true => name.push(character),
            false => name.clear(),
        }
        if nodes.len() > 100 {
            break;
        }
    }
    let mut profile = Profile::from_nodes(&nodes, Counted::InUse).unwrap();
    let (of, before) = (SampleType::InuseSpace, profile.clone());
    let mut sources = MemorySources::new();
    sources.insert_source(SCRIPT, text);
    sources.insert_map(format!("{SCRIPT}.map"), &map);
    let report = profile.map_sources(&mut sources);
    assert!(report.mapped() <= report.functions());
    assert_eq!(report.to_string().lines().count(), report.scripts.len());
    assert_eq!(profile.total(of), before.total(of));
    let mapped = profile.functions().iter().filter(|function| function.original.is_some());
    assert!(mapped.count() <= report.mapped());
    // What is mapped stays so, and nothing else comes to it.
    let once = profile.clone();
    profile.map_sources(&mut sources);
    assert!(profile == once);

    let options = ListOptions::new().callers(true);
    let mut texts = (report.originals, sources);
    for profile in [&before, &profile] {
        let listing = profile.listing(of, Pattern::all(), &mut texts, &options).unwrap();
        assert!(!listing.to_string().is_empty());
        serde_json::to_value(&listing).unwrap();
    }
}

/// Whether the format has no negative values; fails if writing failed otherwise.
fn is_difference(written: &Result<(), WriteError>) -> bool {
    match written {
        Ok(()) => false,
        Err(WriteError::Difference { .. }) => true,
        Err(error) => panic!("{error}"),
    }
}

/// What may be written of a file, which may be small and deep.
const LARGEST: Bytes = Bytes(64 << 20);

/// Whether what is written is within the limit; fails if writing failed otherwise.
fn fits(written: &Result<(), WriteError>) -> bool {
    match written {
        Ok(()) => true,
        Err(WriteError::TooLarge { needed, limit, .. }) => {
            assert!(needed > limit);
            false
        }
        Err(error) => panic!("{error}"),
    }
}

/// Writes in every format, and reads again what can be read.
pub fn check(profile: &Profile) {
    assert_eq!(profile.contexts().count(), profile.len());
    for sample_type in SampleType::ALL {
        assert_eq!(profile.total(sample_type).is_some(), profile.has(sample_type));
        if let Some(totals) = profile.totals(sample_type) {
            let total = profile.total(sample_type).unwrap();
            let values = profile.values(sample_type).unwrap();
            let magnitude: f64 = values.iter().map(|value| value.abs()).sum();
            assert!((totals[0] - total).abs() <= 1e-6 * magnitude, "{} {total}", totals[0]);
            let folded = WriteOptions::from(sample_type).limit(LARGEST);
            let folded = profile.write_folded(std::io::sink(), folded);
            match profile.is_difference(sample_type) {
                true => assert!(is_difference(&folded)),
                false => _ = fits(&folded),
            }
            let flamegraph = WriteOptions::from(sample_type).limit(LARGEST);
            fits(&profile.write_flamegraph(std::io::sink(), &flamegraph));
            profile.write_dot(std::io::sink(), sample_type).unwrap();
            let graph = profile.callgraph(sample_type).unwrap();
            assert!(graph.graph().node_count() <= profile.len());
        }
    }
    let speedscope = profile.write_speedscope(std::io::sink(), "fuzzed");
    let mut types = profile.sample_types();
    assert_eq!(is_difference(&speedscope), types.any(|of| profile.is_difference(of)));
    let mut difference = Vec::new();
    // Both sides together may be more than numbers can say.
    if profile.write_pprof_diff(&mut difference, profile, &WriteOptions::new()).is_ok() {
        let difference = format::read(&difference[..]).unwrap();
        assert!(profile.sample_types().all(|of| difference.total(of) == Some(0.0)));
    }

    let mut pprof = Vec::new();
    let options = WriteOptions::new().object_sizes(true).limit(LARGEST);
    if fits(&profile.write_pprof(&mut pprof, &options)) {
        let once = format::read(&pprof[..]).unwrap();
        pprof.clear();
        once.write_pprof(&mut pprof, &WriteOptions::new().object_sizes(true)).unwrap();
        let twice = format::read(&pprof[..]).unwrap();
        assert!(once == twice);
    }

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
