//! What is written comes back, from every format that can be read, with what it can carry.

use std::io::{self, Read, Write};
use std::num::NonZeroU32;
use std::time::{Duration, UNIX_EPOCH};

use proptest::prelude::*;
use prost::Message;
use serde_json::Value;
use v8_heap_sampler::analysis::TopOptions;
use v8_heap_sampler::format::{self, ReadOptions, WriteError, WriteOptions};
use v8_heap_sampler::{
    Allocation, Bytes, Counted, KeepDead, Label, Node, NodeId, Original, Profile, ProfileError,
    Sample, SampleId, SampleType, SamplerOptions, ScriptId,
};

use crate::support::pprof_messages::{self, Line, Location, of_samples};
use crate::support::random_nodes::{allocated, nodes};
use crate::support::sampled::{Sampled, sampled};

mod bad_files;
mod corpus;
mod foreign;
mod limits;
mod read_values;

fn profiles() -> impl Strategy<Value = Sampled> {
    sampled(16, 1..9, 1..200)
}

fn read(bytes: &[u8]) -> Profile {
    format::read(bytes).unwrap()
}

fn written(write: impl FnOnce(&mut Vec<u8>) -> Result<(), WriteError>) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(&mut bytes).unwrap();
    bytes
}

fn pprof(profile: &Profile, object_sizes: bool) -> Vec<u8> {
    let options = WriteOptions::new().object_sizes(object_sizes);
    written(|bytes| profile.write_pprof(bytes, &options))
}

fn totals(profile: &Profile) -> Vec<(SampleType, f64)> {
    profile.sample_types().map(|of| (of, profile.total(of).unwrap())).collect()
}

/// The totals as whole numbers must be written.
fn rounded(profile: &Profile) -> Vec<(SampleType, f64)> {
    totals(profile).into_iter().map(|(of, total)| (of, total.round())).collect()
}

/// What does not depend on the order of contexts: frames and values of each stack.
fn folded(profile: &Profile, sample_type: SampleType) -> Vec<String> {
    let bytes = written(|bytes| profile.write_folded(bytes, sample_type));
    let mut lines: Vec<_> = String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

proptest! {
    #[test]
    fn pprof_comes_back(sampled in profiles(), sizes in any::<bool>()) {
        let original = sampled.profile;
        let once = read(&pprof(&original, sizes));
        prop_assert_eq!(totals(&once), rounded(&original));
        prop_assert_eq!(once.metadata.interval, original.metadata.interval);
        // None is what a duration of no time looks like there.
        let duration = original.metadata.duration.filter(|duration| !duration.is_zero());
        prop_assert_eq!(once.metadata.duration, duration);
        prop_assert_eq!(&read(&pprof(&once, sizes)), &once);
    }

    #[test]
    fn firefox_totals_are_off_by_rounding_once(sampled in profiles()) {
        let profile = sampled.profile;
        let json = written(|bytes| profile.write_firefox(bytes, "test"));
        let (allocated, retained) = firefox_totals(&serde_json::from_slice(&json).unwrap());
        let retains = profile.total(SampleType::InuseSpace).unwrap();
        let allocates = profile.total(SampleType::AllocSpace).unwrap_or(retains);
        // What has no deaths is not freed.
        prop_assert!((allocated as f64 - allocates).abs() < 0.501, "{allocated} {allocates}");
        if profile.has(SampleType::AllocSpace) {
            prop_assert!((retained as f64 - retains).abs() < 0.501, "{retained} {retains}");
        }
    }

    #[test]
    fn heapprofiles_come_back(sampled in profiles()) {
        let original = sampled.profile;
        let write =
            |profile: &Profile| written(|bytes| profile.write_heapprofile(bytes, Counted::InUse));
        let once = read(&write(&original));
        let total = original.total(SampleType::InuseSpace).unwrap().round();
        prop_assert_eq!(totals(&once), [(SampleType::InuseSpace, total)]);
        prop_assert_eq!(once.len(), original.len());
        let ids = |profile: &Profile| profile.contexts().map(|c| c.id()).collect::<Vec<_>>();
        prop_assert_eq!(ids(&once), ids(&original));
        prop_assert_eq!(&read(&write(&once)), &once);
    }

    #[test]
    fn nodes_come_back(nodes in nodes()) {
        let flat = serde_json::to_vec(&nodes).unwrap();
        let original = Profile::from_nodes(&nodes, Counted::InUse).unwrap();
        let nested = written(|bytes| original.write_nested_nodes(bytes, Counted::InUse));
        let once = read(&flat);
        prop_assert_eq!(&once, &original);
        prop_assert_eq!(&read(&nested), &once);
        let [objects, space] = allocated(&nodes);
        let expected = [(SampleType::InuseObjects, objects), (SampleType::InuseSpace, space)];
        prop_assert_eq!(totals(&once), expected);
        // As the core writes them, allocations of no object and repeated sizes apart.
        let write = |counted| written(|bytes| once.write_nodes(bytes, counted));
        prop_assert_eq!(
            &read(&write(Counted::InUse)).values(SampleType::InuseSpace),
            &once.values(SampleType::InuseSpace)
        );
        let nested = written(|bytes| once.write_nested_nodes(bytes, Counted::InUse));
        prop_assert_eq!(&read(&nested), &read(&write(Counted::InUse)));
    }

    #[test]
    fn whole_profiles_are_read(sampled in profiles()) {
        let json = serde_json::to_vec(&sampled.profile).unwrap();
        prop_assert_eq!(&read(&json), &sampled.profile);
        // Nodes in whatever order, and samples too.
        let mut json: Value = serde_json::from_slice(&json).unwrap();
        json["nodes"] = serde_json::to_value(&sampled.nodes).unwrap();
        json["samples"].as_array_mut().unwrap().reverse();
        prop_assert_eq!(&read(json.to_string().as_bytes()), &sampled.profile);
        prop_assert_eq!(&serde_json::from_value::<Profile>(json).unwrap(), &sampled.profile);
    }

    #[test]
    fn values_by_stack_are_the_same_in_every_format(sampled in profiles()) {
        let Sampled { mut nodes, samples, options, .. } = sampled;
        for node in &mut nodes {
            // Not in pprof.
            node.script_id = None;
            node.start_position = None;
        }
        // Counted, so that nothing is rounded.
        let original = Sampled::new(nodes, samples, options.interval_bytes(1)).profile;
        let expected = folded(&original, SampleType::InuseSpace);
        let merged = merge_lines(&expected);
        prop_assert_eq!(
            &merge_lines(&folded(&read(&pprof(&original, true)), SampleType::InuseSpace)),
            &merged
        );
        let json = written(|bytes| original.write_heapprofile(bytes, Counted::InUse));
        prop_assert_eq!(&folded(&read(&json), SampleType::InuseSpace), &expected);
        let json = written(|bytes| original.write_speedscope(bytes, "test"));
        prop_assert_eq!(&merge_lines(&speedscope_stacks(&json)), &merged);
    }
}

/// Adds up the values of lines with equal stacks: contexts whose functions differ by script only.
fn merge_lines(lines: &[String]) -> Vec<(String, u64)> {
    let mut sums = std::collections::BTreeMap::new();
    for line in lines {
        let (stack, value) = line.rsplit_once(' ').unwrap();
        *sums.entry(stack.to_owned()).or_insert(0) += value.parse::<u64>().unwrap();
    }
    sums.into_iter().collect()
}

/// The profile `inuse_space` of a speedscope file as folded stacks.
fn speedscope_stacks(json: &[u8]) -> Vec<String> {
    let json: Value = serde_json::from_slice(json).unwrap();
    let frames: Vec<String> = json["shared"]["frames"]
        .as_array()
        .unwrap()
        .iter()
        .map(|frame| frame["name"].as_str().unwrap().to_owned())
        .collect();
    let profiles = json["profiles"].as_array().unwrap();
    let profile = profiles.iter().find(|profile| profile["name"] == "inuse_space").unwrap();
    let (stacks, weights) = (&profile["samples"], &profile["weights"]);
    let (stacks, weights) = (stacks.as_array().unwrap(), weights.as_array().unwrap());
    assert_eq!(stacks.len(), weights.len());
    let total: u64 = weights.iter().map(|weight| weight.as_u64().unwrap()).sum();
    assert_eq!(profile["endValue"].as_u64().unwrap(), total);
    let line = |(stack, weight): (&Value, &Value)| {
        let stack: Vec<_> = stack
            .as_array()
            .unwrap()
            .iter()
            .map(|frame| frames[frame.as_u64().unwrap() as usize].as_str())
            .collect();
        format!("{} {weight}", stack.join(";"))
    };
    stacks.iter().zip(weights).map(line).collect()
}

/// (root) -> main app.js:3:7 -> (anonymous) app.js:9:1, and (V8 API); dead and alive.
pub(crate) fn small() -> Profile {
    let mut nodes: Vec<_> = ["(root)", "main", "", "(V8 API)"]
        .into_iter()
        .zip(1..)
        .map(|(name, id)| Node::new(NodeId(id), name))
        .collect();
    nodes[0].child_ids = [NodeId(2), NodeId(4)].into();
    nodes[1].child_ids = [NodeId(3)].into();
    for (node, line, column) in [(1, 3, 7), (2, 9, 1)] {
        nodes[node].script_id = ScriptId::new(5);
        nodes[node].script_name = "app.js".into();
        nodes[node].line_number = NonZeroU32::new(line);
        nodes[node].column_number = NonZeroU32::new(column);
    }
    let sample = |node, size, id, is_live| Sample::new(NodeId(node), size, SampleId(id), is_live);
    let samples = vec![
        sample(2, 64, 1, true),
        sample(3, 100, 2, true),
        sample(3, 100, 3, false),
        sample(3, 1000, 4, true),
        sample(4, 32, 5, false),
    ];
    let options = SamplerOptions::exact().keep_dead(KeepDead::Both);
    let mut profile = Profile::from_samples(&nodes, samples, &options).unwrap();
    profile.metadata.started = Some(UNIX_EPOCH + Duration::from_secs(1_700_000_000));
    profile.metadata.duration = Some(Duration::from_millis(250));
    profile
}

#[test]
fn every_format_carries_what_it_can() {
    let profile = small();
    let expected = [
        (SampleType::AllocObjects, 5.0),
        (SampleType::AllocSpace, 1296.0),
        (SampleType::InuseObjects, 3.0),
        (SampleType::InuseSpace, 1164.0),
    ];
    assert_eq!(rounded(&profile), expected);

    let read_pprof = read(&pprof(&profile, true));
    assert_eq!(totals(&read_pprof), expected);
    assert_eq!(read_pprof.metadata.interval, Some(Bytes(1)));
    assert_eq!(read_pprof.metadata.duration, Some(Duration::from_millis(250)));
    assert_eq!(read_pprof.metadata.started, profile.metadata.started);
    assert_eq!(read_pprof.metadata.default_sample_type, Some(SampleType::InuseSpace));
    // With sizes it can be made nodes again, without it cannot.
    let nodes = written(|bytes| read_pprof.write_nodes(bytes, Counted::Allocated));
    let nodes: Vec<Node> = serde_json::from_slice(&nodes).unwrap();
    assert_eq!(nodes[2].name, ""); // and the anonymous function is anonymous again
    let sizes: Vec<_> = nodes[2].allocations.iter().map(|a| (a.size, a.count)).collect();
    assert_eq!(sizes, [(100, 2), (1000, 1)]);
    let error = read(&pprof(&profile, false)).write_nodes(io::sink(), Counted::InUse).unwrap_err();
    assert!(matches!(error, WriteError::NoSizes), "{error}");

    // One number of bytes, whichever is asked for; those of the dead only among the allocated.
    for (counted, sum, samples) in [(Counted::InUse, 1164.0, 3), (Counted::Allocated, 1296.0, 5)] {
        let json = written(|bytes| profile.write_heapprofile(bytes, counted));
        let parsed: Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(parsed["samples"].as_array().unwrap().len(), samples);
        let frame = &parsed["head"]["children"][0]["callFrame"];
        let place = ["lineNumber", "columnNumber"].map(|key| frame[key].as_i64().unwrap());
        assert_eq!(place, [2, 6]); // from 0 there
        let root = &parsed["head"]["callFrame"];
        assert_eq!((&root["lineNumber"], &root["scriptId"]), (&(-1).into(), &"0".into()));
        let read = ReadOptions::new().unnamed(counted).read(&json[..]).unwrap();
        let (objects, space) = (counted.objects(), counted.space());
        assert_eq!(totals(&read), [(space, sum)]);
        assert_eq!(read.total(objects), None); // absent, not zero
        assert_eq!(read.metadata.interval, None);
        let error = read.write_nodes(io::sink(), counted).unwrap_err();
        assert!(matches!(error, WriteError::NoSizes), "{error}");
        let error = read.write_folded(io::sink(), objects).unwrap_err().to_string();
        assert_eq!(error, format!("the profile has no {objects}: it has {space}"));
    }
    assert_eq!(
        folded(&profile, SampleType::AllocSpace),
        ["(V8 API) 32", "main app.js:3:7 64", "main app.js:3:7;(anonymous) app.js:9:1 1200"]
    );
}

#[test]
fn flame_graphs_show_frames_and_growth() {
    let profile = small();
    let options = WriteOptions::from(SampleType::AllocSpace).title("what & where");
    let svg = String::from_utf8(written(|b| profile.write_flamegraph(b, &options))).unwrap();
    assert!(svg.contains("what &amp; where"));
    assert!(svg.contains("<title>(anonymous) app.js:9:1 (1,200 bytes, 92.59%)</title>"), "{svg}");

    // Twice as many bytes in `main` itself as before.
    let mut before: Vec<Node> =
        serde_json::from_slice(&written(|b| profile.write_nodes(b, Counted::Allocated))).unwrap();
    before[1].allocations[0].size /= 2;
    let before = Profile::from_nodes(&before, Counted::Allocated).unwrap();
    let svg = String::from_utf8(written(|b| profile.write_flamegraph_diff(b, &before, &options)));
    assert!(
        svg.as_ref().unwrap().contains("main app.js:3:7 (1,264 bytes, 97.53%; +2.47%)"),
        "{svg:?}"
    );

    let options = WriteOptions::from(SampleType::InuseObjects);
    let svg = String::from_utf8(written(|b| profile.write_flamegraph(b, &options))).unwrap();
    assert!(svg.contains("(2 objects, 66.67%)"), "{svg}");

    // Nothing to draw is a picture, not an error.
    let empty = Profile::from_nodes(&[Node::new(NodeId(1), "(root)")], Counted::InUse).unwrap();
    let options = WriteOptions::from(SampleType::InuseSpace);
    let svg = String::from_utf8(written(|b| empty.write_flamegraph(b, &options))).unwrap();
    assert!(svg.contains("<svg"), "{svg}");
}

/// A profile of stacks of functions, by name, with bytes in objects of one.
fn of_stacks(stacks: &[(&[&str], u64)]) -> Profile {
    let mut nodes = vec![Node::new(NodeId(1), "(root)")];
    for (stack, bytes) in stacks {
        let mut at = 0;
        for name in *stack {
            let children = nodes[at].child_ids.clone();
            let known =
                children.iter().map(|id| id.0 as usize - 1).find(|&c| nodes[c].name == *name);
            at = known.unwrap_or_else(|| {
                let id = NodeId(nodes.len() as u32 + 1);
                nodes[at].child_ids.push(id);
                nodes.push(Node::new(id, *name));
                nodes.len() - 1
            });
        }
        nodes[at].allocations.push(v8_heap_sampler::Allocation { count: *bytes, size: 1 });
    }
    Profile::from_nodes(&nodes, Counted::InUse).unwrap()
}

#[test]
fn flame_graphs_keep_contexts_whole() {
    // By their bytes, the line of `f1` stands between those of `f` and `f;g`.
    let profile = of_stacks(&[(&["f"], 64), (&["f", "g"], 5), (&["f1"], 7), (&["f1", "g"], 1)]);
    let options = WriteOptions::from(SampleType::InuseSpace);
    let titles = |svg: Vec<u8>| -> Vec<String> {
        let svg = String::from_utf8(svg).unwrap();
        let titles = svg.split("<title>").skip(1);
        titles.map(|rest| rest.split(" bytes").next().unwrap().to_owned()).collect()
    };
    let drawn = titles(written(|b| profile.write_flamegraph(b, &options)));
    for expected in ["f (69", "g (5", "f1 (8", "g (1", "all (77"] {
        assert_eq!(drawn.iter().filter(|title| *title == expected).count(), 1, "{drawn:?}");
    }
    assert_eq!(drawn.len(), 5, "{drawn:?}");
    let drawn = titles(written(|b| profile.write_flamegraph_diff(b, &profile, &options)));
    assert_eq!(drawn.len(), 5, "{drawn:?}");

    // Numbers at the end of a name are no values, and what is no text is none in XML.
    let profile = of_stacks(&[(&["item 12"], 10), (&["a\u{1}b;c\nd\u{fffe}"], 10)]);
    let svg = String::from_utf8(written(|b| profile.write_flamegraph(b, &options))).unwrap();
    assert!(svg.contains("<title>item_12 (10 bytes, 50.00%)</title>"), "{svg}");
    assert!(svg.contains("<title>a b:c d (10 bytes, 50.00%)</title>"), "{svg}");
    assert_eq!(folded(&profile, SampleType::InuseSpace), ["a b:c d 10", "item_12 10"]);

    // All gone: a picture that says so.
    let empty = of_stacks(&[]);
    let svg = written(|b| empty.write_flamegraph_diff(b, &profile, &options));
    assert!(String::from_utf8(svg).unwrap().contains("<svg"));
}

#[test]
fn call_graphs_are_pruned_and_escaped() {
    let mut nodes = vec![Node::new(NodeId(1), "(root)")];
    for id in 2..=200 {
        let name = if id == 2 { "a \"b\" \\ c\nd" } else { "f" };
        let mut node = Node::new(NodeId(id), name);
        node.line_number = NonZeroU32::new(id);
        node.script_name = "x.js".into();
        let count = if id == 2 { 1000 } else { 1 };
        node.allocations.push(v8_heap_sampler::Allocation { count, size: 8 });
        nodes[0].child_ids.push(NodeId(id));
        nodes.push(node);
    }
    let profile = Profile::from_nodes(&nodes, Counted::InUse).unwrap();
    let dot = |options: &WriteOptions| {
        String::from_utf8(written(|bytes| profile.write_dot(bytes, options))).unwrap()
    };
    let shown = |dot: &str| dot.lines().filter(|line| line.contains("fontsize")).count();
    let options = WriteOptions::from(SampleType::InuseSpace);
    let pruned = dot(&options);
    assert_eq!(shown(&pruned), 1, "{pruned}");
    assert!(pruned.contains(r#"label="a \"b\" \\ c d\nx.js:2\n8.0 kB (83.5 %)""#), "{pruned}");
    assert!(pruned.contains("1 of 199 functions shown"), "{pruned}");
    assert_eq!(shown(&dot(&options.clone().min_share(0.0))), 80);
    assert_eq!(shown(&dot(&options.min_share(0.0).most_functions(500))), 199);
}

/// What a Firefox profile says was allocated, and what is retained of it.
fn firefox_totals(json: &Value) -> (i64, i64) {
    let weights = json["threads"][0]["nativeAllocations"]["weight"].as_array();
    let weights = || weights.into_iter().flatten().map(|weight| weight.as_i64().unwrap());
    (weights().filter(|&weight| weight > 0).sum(), weights().sum())
}

#[test]
fn firefox_keeps_what_is_retained_and_what_was_allocated_apart() {
    let json = written(|bytes| small().write_firefox(bytes, "test"));
    let json: Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(firefox_totals(&json), (1296, 1164));
    let strings = json.to_string();
    assert!(strings.contains("(anonymous) app.js:9:1"), "{strings}");
}

#[test]
fn labels_and_comments_survive_pprof() {
    let mut profile = small();
    profile.metadata.comments = vec!["one".to_owned(), "after the third request".to_owned()];
    profile.metadata.default_sample_type = Some(SampleType::AllocObjects);
    profile.add_label(Label::text("isolate", "worker 3"));
    profile.add_label(Label::number("shard", 17, "count"));
    profile.add_label(Label::text("isolate", "worker 4")); // instead
    let again = read(&pprof(&profile, true));
    assert_eq!(again.metadata.comments, profile.metadata.comments);
    assert_eq!(again.default_sample_type(), SampleType::AllocObjects);
    let expected = [Label::text("isolate", "worker 4"), Label::number("shard", 17, "count")];
    assert_eq!(again.label_sets().last().unwrap(), expected);
    assert_eq!(read(&pprof(&again, true)), again);
}

#[test]
fn labels_are_sets() {
    // Two label sets of one context, that one label makes the same.
    let mut labelled = small();
    labelled.add_label(Label::text("request", "1"));
    let rows: Vec<_> = labelled.rows().map(|row| row.labels().to_vec()).collect();
    assert!(rows.iter().all(|labels| *labels == [Label::text("request", "1")]));
    assert_eq!(labelled.label_sets().len(), 1);
    labelled.add_label(Label::text("request", "2"));
    assert_eq!(labelled.label_sets().next().unwrap(), [Label::text("request", "2")]);
    labelled.add_label(Label::number("zone", 3, ""));
    labelled.add_label(Label::text("area", "north"));
    let keys: Vec<_> =
        labelled.label_sets().next().unwrap().iter().map(|l| l.key.clone()).collect();
    assert_eq!(keys, ["area", "request", "zone"]);
    // What pprof has no room for is not there afterwards, and nothing stands in for it.
    labelled.add_label(Label::text("nothing", ""));
    labelled.add_label(Label::number("bytes", 7, "bytes"));
    let again = read(&pprof(&labelled, true));
    assert!(again.label_sets().flatten().all(|label| label.key != "nothing"));
    let sizes = |profile: &Profile| profile.rows().map(|row| row.size()).collect::<Vec<_>>();
    assert_eq!(sizes(&again), sizes(&labelled));
    assert_eq!(totals(&again), rounded(&labelled));
}

#[test]
fn rows_and_samples_can_be_looked_at() {
    let profile = small();
    let rows: Vec<_> = profile
        .rows()
        .map(|row| {
            let value = row.value(SampleType::AllocSpace).unwrap().round();
            (row.context().function().to_string(), row.size().unwrap().0, value)
        })
        .collect();
    let anonymous = "(anonymous) app.js:9:1".to_owned();
    let expected = [
        ("main app.js:3:7".to_owned(), 64, 64.0),
        (anonymous.clone(), 100, 200.0),
        (anonymous, 1000, 1000.0),
        ("(V8 API)".to_owned(), 32, 32.0),
    ];
    assert_eq!(rows, expected);
    let samples = profile.samples().unwrap();
    let dead: Vec<_> = samples.iter().filter(|s| s.is_dead).map(|s| s.ordinal).collect();
    assert_eq!(dead, [3, 5]);
    assert_eq!(read(&pprof(&profile, true)).samples(), None);
}

#[test]
fn sums_beyond_whole_numbers_are_refused() {
    let nodes = vec![Node::new(NodeId(1), "(root)")];
    let samples = (1..=2048).map(|id| Sample::new(NodeId(1), 1 << 53, SampleId(id), true));
    let error = Profile::from_samples(&nodes, samples, &SamplerOptions::exact()).unwrap_err();
    assert_eq!(error, ProfileError::TooMuch);
    assert_eq!(error.to_string(), "the samples stand for more than 2^53 bytes in all");
}

#[test]
fn nothing_is_zero_and_not_less() {
    let profile = of_stacks(&[]);
    let total = profile.total(SampleType::InuseSpace).unwrap();
    assert_eq!(format!("{total}"), "0");
}

#[test]
fn profiles_are_read_with_their_fields_in_any_order() {
    let text = include_str!("../../fuzz/corpus/profile/profile.json");
    let expected: Profile = serde_json::from_str(text).unwrap();
    // As many tools write objects: sorted by key.
    let sorted: Value = serde_json::from_str(text).unwrap();
    let sorted = serde_json::to_string(&sorted).unwrap();
    assert!(sorted.starts_with("{\"collected\""));
    assert_eq!(read(text.as_bytes()), expected);
    assert_eq!(read(sorted.as_bytes()), expected);
    let mut labelled = expected.clone();
    labelled.metadata.comments.push("after the third request".to_owned());
    labelled.add_label(v8_heap_sampler::Label::text("isolate", "3"));
    assert_eq!(read(&serde_json::to_vec(&labelled).unwrap()), labelled);
    // And with what some programs begin a text with.
    assert_eq!(read(format!("\u{feff}{sorted}").as_bytes()), expected);
}

#[test]
fn what_sample_heap_allocations_wrote_is_read() {
    let flat = include_str!("../../fuzz/corpus/nodes/sample-heap-allocations.json");
    let profile = read(flat.as_bytes());
    // Contexts that share an id are told apart by their order.
    assert_eq!(
        folded(&profile, SampleType::InuseObjects),
        [
            "flatArray /app/example/allocate.js:10:10 2",
            "flatArray /app/example/allocate.js:10:10;innerArray /app/example/allocate.js:3:20 6",
            "nestedArray /app/example/allocate.js:12:19;innerArray /app/example/allocate.js:3:20 7",
        ]
    );
    assert_eq!(profile.root().children().next().unwrap().id(), None);
    let nested = include_str!("../../fuzz/corpus/nodes/sample-heap-allocations-nested.json");
    assert_eq!(read(nested.as_bytes()).total(SampleType::InuseSpace), Some(12112.0));
}

#[test]
fn profiles_of_other_programs_are_read() {
    let node = read(include_bytes!("../../fuzz/corpus/heapprofile/node-heap-prof.heapprofile"));
    assert_eq!(totals(&node), [(SampleType::InuseSpace, 66560.0)]);
    let go = read(include_bytes!("../../fuzz/corpus/pprof/go.pb"));
    let expected = [
        (SampleType::AllocObjects, 122_076.0),
        (SampleType::AllocSpace, 8_162_698.0),
        (SampleType::InuseObjects, 29_802.0),
        (SampleType::InuseSpace, 2_332_838.0),
    ];
    assert_eq!(totals(&go), expected);
    assert_eq!(go.metadata.interval, Some(Bytes(4096)));
    let datadog = read(include_bytes!("../../fuzz/corpus/pprof/datadog.pb"));
    let expected = [(SampleType::InuseObjects, 6263.0), (SampleType::InuseSpace, 4_643_938.0)];
    assert_eq!(totals(&datadog), expected);
    assert_eq!(datadog.metadata.interval, Some(Bytes(32768)));
    for profile in [node, go, datadog] {
        assert_eq!(totals(&read(&pprof(&profile, true))), totals(&profile));
    }
}

/// A `.heapprofile` of one function below the root.
fn of_function(name: &str) -> String {
    let frame = r#""scriptId":"1","url":"a.js","lineNumber":1,"columnNumber":1"#;
    format!(
        r#"{{"head":{{"callFrame":{{"functionName":"(root)",{frame}}},"selfSize":0,"children":[{{"callFrame":{{"functionName":"{name}",{frame}}},"selfSize":4096,"children":[]}}]}}}}"#
    )
}

/// The name of the one function below the root.
fn name_in(file: &[u8]) -> String {
    let profile = read(file);
    profile.root().children().next().unwrap().function().name.to_string()
}

#[test]
fn lone_surrogates_are_replaced() {
    for (escapes, expected) in [
        (r"\ud83d", "\u{fffd}"),
        (r"\uDE00", "\u{fffd}"),
        (r"\ud83d\ude00", "\u{1f600}"),
        (r"\ud83d\ud83d\ude00x", "\u{fffd}\u{1f600}x"),
        (r"\ude00\ud83d", "\u{fffd}\u{fffd}"),
        (r"\ud83d\n", "\u{fffd}\n"),
        (r"\\ud83d", r"\ud83d"),
        (r"\\\ud83d\u0041", "\\\u{fffd}A"),
    ] {
        assert_eq!(name_in(of_function(escapes).as_bytes()), expected, "{escapes}");
    }
    // Wherever the part of the text that is held ends.
    for room in 0..16 {
        let padding = "x".repeat(256 * 1024 - 200 - room);
        let escapes = format!(r"{padding}{}", r"\ud83d\ude00\ud83d".repeat(20));
        let expected = padding + &"\u{1f600}\u{fffd}".repeat(20);
        assert!(name_in(of_function(&escapes).as_bytes()) == expected, "{room}");
    }
}

#[test]
fn frames_in_the_nodes_themselves_are_read() {
    // As the npm module `heap-profile` writes them: places count from 1.
    let file = r#"{"head":{"functionName":"(root)","scriptId":0,"lineNumber":0,"columnNumber":0,"url":"","selfSize":0,"children":[{"functionName":"grow","scriptId":7,"lineNumber":5,"columnNumber":12,"url":"/srv/app/a.js","selfSize":4096,"children":[]}]}}"#;
    let profile = read(file.as_bytes());
    assert_eq!(folded(&profile, SampleType::InuseSpace), ["grow /srv/app/a.js:5:12 4096"]);
    let function = profile.root().children().next().unwrap().function();
    assert_eq!(function.script_id, ScriptId::new(7));
    assert_eq!(profile.root().function().line_number, None);
}

#[test]
fn replies_of_the_protocol_are_read() {
    let profile = of_function("f");
    for reply in [
        format!(r#"{{"profile":{profile}}}"#),
        format!(r#"{{"id":7,"result":{{"profile":{profile}}},"sessionId":"x"}}"#),
        format!(r#"{{"result":{{"profile":{profile},"more":[1]}},"id":7}}"#),
    ] {
        assert_eq!(read(reply.as_bytes()), read(profile.as_bytes()));
        assert!(format::read(&reply.as_bytes()[..reply.len() - 1]).is_err());
        assert!(format::read(format!("{reply}x").as_bytes()).is_err());
    }
}

#[test]
fn long_names_come_back_from_every_format() {
    // Node writes such: V8 does not cut the names of functions.
    let file = format!(
        r#"[{{"id":1,"name":"(root)","child_ids":[2]}},{{"id":2,"name":"{}","allocations":[{{"size":8,"count":1}}],"child_ids":[]}}]"#,
        "n".repeat(200_000)
    );
    let profile = read(file.as_bytes());
    let heapprofile = written(|bytes| profile.write_heapprofile(bytes, Counted::InUse));
    let nodes = written(|bytes| profile.write_nodes(bytes, Counted::InUse));
    let nested = written(|bytes| profile.write_nested_nodes(bytes, Counted::InUse));
    for file in [heapprofile, nodes, nested, pprof(&profile, false)] {
        assert_eq!(name_in(&file).len(), 200_000);
    }
}

#[test]
fn anonymous_functions_of_scripts_without_names_come_back_from_pprof() {
    let root = r#""callFrame":{"functionName":"(root)","scriptId":"0","url":"","lineNumber":-1,"columnNumber":-1},"selfSize":0"#;
    let child = |id: u32| {
        format!(
            r#"{{"callFrame":{{"functionName":"","scriptId":"{id}","url":"","lineNumber":11,"columnNumber":1}},"selfSize":1000,"children":[]}}"#
        )
    };
    let file = format!(r#"{{"head":{{{root},"children":[{},{}]}}}}"#, child(16), child(17));
    let profile = read(file.as_bytes());
    let again = read(&pprof(&profile, false));
    let functions = |profile: &Profile| -> Vec<String> {
        profile.root().children().map(|c| format!("{:?}", c.function())).collect()
    };
    assert_eq!(functions(&again), functions(&profile));
    assert_eq!(again.root().children().next().unwrap().function().name, "");
}

#[test]
fn utf_16_is_seen_by_its_mark() {
    let name = "gr\u{f6}\u{df}e \u{1f600}";
    let json = of_function(name);
    let units: Vec<u16> = "\u{feff}".encode_utf16().chain(json.encode_utf16()).collect();
    let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
    let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
    for text in [&little, &big] {
        assert_eq!(read(text), read(json.as_bytes()));
        assert_eq!(name_in(text), name);
        assert!(format::read(&text[..text.len() - 1]).is_err());
    }
    // A surrogate alone: the start of a pair, without its end.
    let x = little.windows(2).position(|unit| unit == 0xd83d_u16.to_le_bytes()).unwrap();
    let alone = [&little[..x + 2], &little[x + 4..]].concat();
    assert_eq!(name_in(&alone), "gr\u{f6}\u{df}e \u{fffd}");
}

#[test]
fn gzip_is_seen_by_content() {
    let json = written(|bytes| small().write_heapprofile(bytes, Counted::InUse));
    let compress = |bytes: &[u8]| {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(bytes).unwrap();
        gzip.finish().unwrap()
    };
    assert_eq!(read(&compress(&json)), read(&json));
    // In two parts, as `cat a.gz b.gz` makes it.
    let (one, other) = json.split_at(json.len() / 2);
    assert_eq!(read(&[compress(one), compress(other)].concat()), read(&json));
    // With the padding of a tape, also one that fills what is held at a time.
    for zeros in [1, 512, 200_000] {
        assert_eq!(read(&[compress(&json), vec![0; zeros]].concat()), read(&json));
    }
    let padded = [compress(one), vec![0; 512], compress(other)].concat();
    assert_eq!(read(&padded), read(&json));
    assert!(format::read(&[compress(&json), vec![0, 1]].concat()[..]).is_err());
    // And pprof that is not compressed.
    let mut plain = Vec::new();
    let compressed = pprof(&small(), false);
    flate2::read::GzDecoder::new(&compressed[..]).read_to_end(&mut plain).unwrap();
    assert_eq!(read(&plain), read(&compressed));
}

/// Hands out a byte at a time.
struct Trickle<'b>(&'b [u8]);

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some((&first, rest)) = self.0.split_first() else { return Ok(0) };
        buffer[0] = first;
        self.0 = rest;
        Ok(1)
    }
}

#[test]
fn readers_need_not_be_buffered() {
    let json = written(|bytes| small().write_heapprofile(bytes, Counted::InUse));
    assert_eq!(format::read(Trickle(&json)).unwrap(), read(&json));
    let compressed = pprof(&small(), true);
    assert_eq!(format::read(Trickle(&compressed)).unwrap(), read(&compressed));
}

/// Takes so many bytes, and fails then.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0 == 0 {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        let taken = bytes.len().min(self.0);
        self.0 -= taken;
        Ok(taken)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_writer_that_fails_is_an_error_and_loses_nothing() {
    let profile = small();
    let before = profile.clone();
    // Buffered, as they ask for: what is left in the buffer must come out.
    type Write<'w> = &'w dyn Fn(&Profile, usize) -> Result<(), WriteError>;
    fn full(room: usize) -> io::BufWriter<Full> {
        io::BufWriter::new(Full(room))
    }
    let space = SampleType::InuseSpace;
    let writers: [Write<'_>; 10] = [
        &|profile, room| profile.write_heapprofile(full(room), Counted::InUse),
        &|profile, room| profile.write_pprof(full(room), WriteOptions::new()),
        &|profile, room| profile.write_folded(full(room), space),
        &|profile, room| profile.write_speedscope(full(room), "x"),
        &|profile, room| profile.write_dot(full(room), space),
        &|profile, room| profile.write_flamegraph(full(room), space),
        &|profile, room| profile.write_flamegraph_diff(full(room), profile, space),
        &|profile, room| profile.write_firefox(full(room), "x"),
        &|profile, room| profile.write_nodes(full(room), Counted::InUse),
        &|profile, room| profile.write_nested_nodes(full(room), Counted::InUse),
    ];
    for (number, write) in writers.into_iter().enumerate() {
        for room in [0, 1, 30] {
            match write(&profile, room) {
                Err(WriteError::Io(error)) => {
                    assert_eq!(error.kind(), io::ErrorKind::StorageFull, "writer {number}");
                }
                other => panic!("writer {number}: {other:?}"),
            }
        }
        write(&profile, usize::MAX).unwrap();
    }
    assert_eq!(profile, before);
}

#[test]
fn a_hundred_thousand_levels_are_read_and_written() {
    let levels = 100_000;
    let mut json = String::from("{\"head\":");
    for level in 1..=levels {
        json += &format!(
            "{{\"callFrame\":{{\"functionName\":\"f{}\",\"scriptId\":\"1\",\"url\":\"a.js\",\
             \"lineNumber\":1,\"columnNumber\":1}},\"selfSize\":1,\"id\":{level},\"children\":[",
            level % 7
        );
    }
    json += &"]}".repeat(levels);
    json += "}";
    let profile = read(json.as_bytes());
    assert_eq!(profile.len(), levels);
    assert_eq!(profile.totals(SampleType::InuseSpace).unwrap()[0], levels as f64);
    assert_eq!(profile.contexts().last().unwrap().depth(), levels - 1);
    let again = written(|bytes| profile.write_heapprofile(bytes, Counted::InUse));
    assert_eq!(read(&again), profile);
    profile.write_dot(io::sink(), SampleType::InuseSpace).unwrap();
    profile.write_firefox(io::sink(), "deep").unwrap();
}

#[test]
fn functions_of_binaries_are_one_unless_lines_are_asked_for() {
    // `grow` allocates on two lines, called from two lines of `main`; all have the same name and
    // file.
    let mut binary = of_samples(&[
        (&[1, 2], [1, 100, 1, 100]),
        (&[3, 2], [1, 20, 1, 20]),
        (&[3, 4], [1, 3, 1, 3]),
    ]);
    for (id, function_id, line) in [(3, 1, 6), (4, 2, 10)] {
        let line = vec![Line { function_id, line, column: 0 }];
        binary.location.push(Location { id, mapping_id: 0, address: 0, line });
    }
    binary.function.iter_mut().for_each(|function| function.start_line = 0);
    let rows = |profile: &pprof_messages::Profile, options: ReadOptions| -> Vec<(String, f64)> {
        let profile = options.read(&profile.encode_to_vec()[..]).unwrap();
        let top = profile.top(TopOptions::new(SampleType::InuseSpace)).unwrap();
        top.rows.into_iter().map(|row| (row.name, row.own.value())).collect()
    };
    let row = |name: &str, value: f64| (name.to_owned(), value);
    let by_line = [
        row("grow /a.js:5", 100.0),
        row("grow /a.js:6", 23.0),
        row("main /a.js:10", 0.0),
        row("main /a.js:9", 0.0),
    ];
    let lines = ReadOptions::new().call_lines(true);
    let names = |mut rows: Vec<(String, f64)>| {
        rows.sort_by(|one, other| one.0.cmp(&other.0));
        rows
    };
    // Where there is no address, it is V8 that tells where functions start.
    assert_eq!(names(rows(&binary, ReadOptions::new())), by_line);
    let with_columns = {
        let mut profile = binary.clone();
        profile.location[0].line[0].column = 7;
        rows(&profile, ReadOptions::new())
    };
    assert_eq!(with_columns[0], row("grow /a.js:5:7", 100.0));
    let with_packed_columns = {
        let mut profile = binary.clone();
        profile.location[0].line[0].line = 7 << 32 | 5;
        rows(&profile, ReadOptions::new())
    };
    assert_eq!(with_packed_columns, with_columns);

    // Where there is one, or a mapping, lines are those of calls.
    for mapping_id in [0, 1] {
        for (at, location) in binary.location.iter_mut().enumerate() {
            location.mapping_id = mapping_id;
            location.address = if mapping_id == 0 { 0x40_1000 + at as u64 } else { 0 };
        }
        let functions = [row("grow /a.js", 123.0), row("main /a.js", 0.0)];
        assert_eq!(rows(&binary, ReadOptions::new()), functions);
        assert_eq!(names(rows(&binary, lines.clone())), by_line);
    }
    // Stacks that differ in lines alone are one.
    let profile = read(&binary.encode_to_vec());
    assert_eq!(profile.len(), 3);

    // Where functions start is known: the line where they do, whatever it calls from.
    binary.function[0].start_line = 2;
    binary.location[3].line[0].line = 0;
    let functions = [row("grow /a.js:2", 123.0), row("main /a.js", 0.0)];
    assert_eq!(rows(&binary, ReadOptions::new()), functions);
    let found = names(rows(&binary, lines));
    assert_eq!(found[..2], by_line[..2]);
    assert_eq!(found[2].0, "main /a.js");
}

#[test]
fn generated_names_survive_pprof() {
    for (script_name, name) in
        [("a.js", "f"), ("", ""), (r#"C:\a "b":1:2 c\"#, "get x \" y"), ("scr\u{2028}\0", " ")]
    {
        for place in [None, NonZeroU32::new(1), NonZeroU32::new(u32::MAX)] {
            let mut nodes = [Node::new(NodeId(1), "(root)"), Node::new(NodeId(2), name)];
            nodes[0].child_ids.push(NodeId(2));
            nodes[1].script_name = script_name.into();
            (nodes[1].line_number, nodes[1].column_number) = (place, place);
            nodes[1].original = Some(Original::new("src/a.ts").into());
            nodes[1].allocations.push(Allocation { count: 1, size: 64 });
            let profile = Profile::from_nodes(&nodes, Counted::InUse).unwrap();
            assert_eq!(*read(&pprof(&profile, false)).functions()[1], *nodes[1].function);
        }
    }
    for other in [
        "",
        "main.main",
        "generated",
        "generated \"",
        "generated \"a\"",
        "generated \"a\":1:2",
        "generated \"a\":1:-2 f",
        "generated \"a\":4294967296:2 f",
        "generated \"a\\",
    ] {
        let mut binary = of_samples(&[(&[1], [1, 100, 1, 100])]);
        binary.function[0].system_name = binary.string_table.len() as i64;
        binary.string_table.push(other.to_owned());
        let profile = read(&binary.encode_to_vec());
        assert_eq!(profile.functions()[1].name, "grow", "{other}");
        assert_eq!(profile.functions()[1].original, None, "{other}");
    }
}

#[test]
fn without_a_default_the_last_values_of_a_pprof_file_are_shown_first() {
    let mut file = of_samples(&[(&[1, 2], [1, 64, 1, 64])]);
    assert_eq!(read(&file.encode_to_vec()).default_sample_type(), SampleType::InuseSpace);
    assert_eq!(read(&file.encode_to_vec()).metadata.default_sample_type, None);
    // As `@datadog/pprof` has them: what is in use, then what was allocated.
    file.sample_type.rotate_left(2);
    let profile = read(&file.encode_to_vec());
    assert_eq!(profile.default_sample_type(), SampleType::AllocSpace);
    let again = read(&written(|bytes| profile.write_pprof(bytes, WriteOptions::new())));
    assert_eq!(again.default_sample_type(), SampleType::AllocSpace);
}

#[test]
fn an_interval_that_was_seen_is_kept_in_pprof() {
    let nodes = [Node::new(NodeId(1), "(root)")];
    let samples = (1..=50).map(|id| Sample::new(NodeId(1), 64, SampleId(id), true));
    let options = SamplerOptions::new().interval_bytes(4096);
    let profile = Profile::from_samples(&nodes, samples, &options).unwrap();
    // The format has no place for it.
    let seen = read(&written(|bytes| profile.write_heapprofile(bytes, Counted::InUse)));
    assert_eq!(seen.metadata.interval, None);
    let total = seen.estimate(SampleType::InuseSpace).unwrap();
    assert!(total.to_string().contains(" ± "), "{total}");
    let kept = read(&written(|bytes| seen.write_pprof(bytes, WriteOptions::new())));
    let Bytes(interval) = kept.metadata.interval.unwrap();
    // Each sample stands for the interval and half of itself.
    assert!((4096..4096 + 64).contains(&interval), "{interval}");
    assert!(kept.metadata.comments.iter().any(|comment| comment.contains("seen in the samples")));
    let total = kept.estimate(SampleType::InuseSpace).unwrap();
    assert!(total.to_string().contains(" ± "), "{total}");
}
