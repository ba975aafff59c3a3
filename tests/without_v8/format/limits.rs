//! Bounds of writers: in some formats each stack stands in full, so that depth counts twice.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use serde_json::Value;
use v8_heap_sampler::format::{WriteError, WriteOptions};
use v8_heap_sampler::{Allocation, Bytes, Counted, Node, NodeId, Profile, SampleType};

const SPACE: SampleType = SampleType::InuseSpace;

/// Functions that call each other so deep, each with an object of its own, and a leaf that each
/// calls.
fn comb(levels: u32) -> Profile {
    let mut nodes = vec![Node::new(NodeId(1), "(root)")];
    nodes[0].child_ids.push(NodeId(2));
    for level in 1..=levels {
        let mut node = Node::new(NodeId(2 * level), format!("f{}", level % 7));
        node.allocations.push(Allocation { count: 1, size: 8 });
        node.child_ids.push(NodeId(2 * level + 1));
        if level < levels {
            node.child_ids.push(NodeId(2 * level + 2));
        }
        let mut leaf = Node::new(NodeId(2 * level + 1), "leaf");
        leaf.allocations.push(Allocation { count: u64::from(level), size: 16 });
        nodes.extend([node, leaf]);
    }
    Profile::from_nodes(&nodes, Counted::InUse).unwrap()
}

/// A writer that nothing may be written to.
struct Untouched;

impl Write for Untouched {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        panic!("{} bytes were written", bytes.len());
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How much is needed, and the text of the error.
fn refused(written: Result<(), WriteError>) -> (Bytes, String) {
    let error = written.unwrap_err();
    let text = error.to_string();
    match error {
        WriteError::TooLarge { needed, .. } => (needed, text),
        other => panic!("{other}"),
    }
}

#[test]
fn folded_stacks_know_their_size_beforehand() {
    for profile in [comb(1), comb(9), comb(200)] {
        let mut folded = Vec::new();
        profile.write_folded(&mut folded, SPACE).unwrap();
        let len = folded.len() as u64;
        let options = WriteOptions::from(SPACE);
        let limit = |bytes| options.clone().limit(Bytes(bytes));
        profile.write_folded(io::sink(), limit(len)).unwrap();
        let (needed, text) = refused(profile.write_folded(Untouched, limit(len - 1)));
        assert_eq!(needed.0, len);
        assert!(text.contains("or raise the limit (WriteOptions::limit)"), "{text}");
    }
}

#[test]
fn what_is_too_large_is_refused_before_it_is_written() {
    let profile = comb(2000);
    let limit = Bytes(100_000);
    let options = WriteOptions::new().limit(limit);
    let (needed, text) = refused(profile.write_pprof(Untouched, &options));
    assert!(
        text.starts_with("pprof: that would take 4.0 MB or more, and the limit is 100.0 kB: make "),
        "{text}"
    );
    // As large as it is said to be, but for what each sample has beside its stack.
    let mut pprof = Vec::new();
    profile.write_pprof(&mut pprof, WriteOptions::new()).unwrap();
    let unpacked =
        io::copy(&mut flate2::read::GzDecoder::new(&pprof[..]).by_ref(), &mut io::sink());
    let beside = unpacked.unwrap() - needed.0;
    assert!(beside < 4001 * 40, "{beside}");
    refused(profile.write_pprof_diff(Untouched, &profile, &options));

    let options = WriteOptions::from(SPACE).limit(limit);
    let (_, text) = refused(profile.write_flamegraph(Untouched, &options));
    assert!(text.contains("WriteOptions::limit"), "{text}");
    refused(profile.write_flamegraph_diff(Untouched, &profile, &options));

    let (_, text) =
        refused(profile.write_firefox(Untouched, WriteOptions::from("deep").limit(limit)));
    assert!(text.contains("WriteOptions::limit"), "{text}");
}

#[test]
fn labels_count_as_samples_repeat_them() {
    let mut profile = comb(1000);
    for number in 0..500 {
        profile.add_label(v8_heap_sampler::Label::number(format!("key{number}"), 1, ""));
    }
    let options = WriteOptions::new().limit(Bytes(4_000_000));
    let (needed, _) = refused(profile.write_pprof(Untouched, &options));
    let mut pprof = Vec::new();
    profile.write_pprof(&mut pprof, WriteOptions::new()).unwrap();
    let unpacked =
        io::copy(&mut flate2::read::GzDecoder::new(&pprof[..]).by_ref(), &mut io::sink()).unwrap();
    assert!(needed.0 <= unpacked && needed.0 > unpacked / 2, "{needed:?} of {unpacked}");
}

/// The stacks of speedscope's events, with their values.
fn stacks_of_events(profile: &Value, frames: &[&str]) -> BTreeMap<String, u64> {
    let (mut open, mut last, mut stacks) = (Vec::new(), 0, BTreeMap::new());
    for event in profile["events"].as_array().unwrap() {
        let at = event["at"].as_u64().unwrap();
        if at > last {
            *stacks.entry(open.join(";")).or_insert(0) += at - last;
            last = at;
        }
        let frame = frames[event["frame"].as_u64().unwrap() as usize];
        match event["type"].as_str().unwrap() {
            "O" => open.push(frame),
            _ => assert_eq!(open.pop(), Some(frame)),
        }
    }
    assert!(open.is_empty());
    assert_eq!(profile["endValue"].as_u64().unwrap(), last);
    stacks
}

#[test]
fn speedscope_does_not_grow_with_the_depth() {
    let json = |profile: &Profile| {
        let mut json = Vec::new();
        profile.write_speedscope(&mut json, "comb").unwrap();
        json
    };
    let profile = comb(300);
    let text = json(&profile);
    let parsed: Value = serde_json::from_slice(&text).unwrap();
    let frames = parsed["shared"]["frames"].as_array().unwrap();
    let frames: Vec<_> = frames.iter().map(|frame| frame["name"].as_str().unwrap()).collect();
    let in_use = &parsed["profiles"][1];
    assert_eq!((&in_use["name"], &in_use["type"]), (&"inuse_space".into(), &"evented".into()));
    let mut folded = Vec::new();
    profile.write_folded(&mut folded, SPACE).unwrap();
    let lines = str::from_utf8(&folded).unwrap().lines().map(|line| {
        let (stack, value) = line.rsplit_once(' ').unwrap();
        (stack.to_owned(), value.parse().unwrap())
    });
    assert_eq!(stacks_of_events(in_use, &frames), lines.collect());
    // Ten times as deep is ten times as large, with longer numbers.
    let deeper = json(&comb(3000)).len();
    assert!(deeper < 13 * text.len(), "{deeper}, and {}", text.len());
    // What is not deep stands in samples.
    let shallow: Value = serde_json::from_slice(&json(&comb(9))).unwrap();
    assert_eq!(shallow["profiles"][1]["type"], "sampled");
}

#[test]
fn what_is_linear_in_contexts_is_written_however_deep_it_is() {
    type Write = fn(&Profile, &mut Vec<u8>) -> Result<(), WriteError>;
    let linear: [(&str, Write); 6] = [
        (".heapprofile", |profile, bytes| profile.write_heapprofile(bytes, Counted::InUse)),
        ("nodes", |profile, bytes| profile.write_nodes(bytes, Counted::InUse)),
        ("nested nodes", |profile, bytes| profile.write_nested_nodes(bytes, Counted::InUse)),
        ("speedscope", |profile, bytes| profile.write_speedscope(bytes, "x")),
        ("Firefox", |profile, bytes| profile.write_firefox(bytes, "x")),
        ("DOT", |profile, bytes| profile.write_dot(bytes, SPACE)),
    ];
    let of = move |levels: u32| {
        let profile = comb(levels);
        linear.map(|(what, write)| {
            let mut bytes = Vec::new();
            write(&profile, &mut bytes).unwrap_or_else(|error| panic!("{what}: {error}"));
            (what, bytes.len())
        })
    };
    // Recursion would overflow this.
    let small = std::thread::Builder::new().stack_size(256 << 10);
    let (one, ten) = small
        .spawn(move || {
            let profile = comb(100_000);
            refused(profile.write_folded(Untouched, SPACE));
            refused(profile.write_pprof(Untouched, WriteOptions::new()));
            refused(profile.write_flamegraph(Untouched, SPACE));
            (of(10_000), of(100_000))
        })
        .unwrap()
        .join()
        .unwrap();
    for ((what, one), (_, ten)) in one.into_iter().zip(ten) {
        // Numbers are a digit longer.
        assert!(ten < 12 * one, "{what}: {one}, {ten}");
    }
}

/// The boxes of a flame graph: what their titles say.
fn titles(svg: Vec<u8>) -> Vec<String> {
    let svg = String::from_utf8(svg).unwrap();
    let titles = svg.split("<title>").skip(1).map(|rest| rest.split("</title>").next().unwrap());
    titles.map(str::to_owned).collect()
}

#[test]
fn what_is_too_narrow_to_be_seen_is_part_of_its_caller() {
    // A function that calls very many, and one more, and one that is called from the root.
    let mut nodes = ["(root)", "many", "large", "tiny"]
        .iter()
        .zip(1..)
        .map(|(name, id)| Node::new(NodeId(id), *name))
        .collect::<Vec<_>>();
    nodes[0].child_ids = [NodeId(2), NodeId(4)].into();
    nodes[1].child_ids.push(NodeId(3));
    nodes[2].allocations.push(Allocation { count: 1, size: 100_000 });
    nodes[3].allocations.push(Allocation { count: 1, size: 1 });
    for id in 5..100_005 {
        let mut node = Node::new(NodeId(id), format!("part{id}"));
        node.allocations.push(Allocation { count: 1, size: 1 });
        nodes[1].child_ids.push(node.id);
        nodes.push(node);
    }
    let profile = Profile::from_nodes(&nodes, Counted::InUse).unwrap();
    let mut svg = Vec::new();
    let options = WriteOptions::from(SPACE).limit(Bytes(30_000_000));
    profile.write_flamegraph(&mut svg, &options).unwrap();
    let drawn = titles(svg);
    for expected in [
        "large (100,000 bytes, 50.00%)",
        "many (200,000 bytes, 100.00%)",
        "all (200,001 bytes, 100%)",
    ] {
        assert!(drawn.iter().any(|title| title == expected), "{drawn:?}");
    }
    assert_eq!(drawn.len(), 3, "{drawn:?}");
}

#[test]
fn colours_are_relative_to_the_largest_change_though_it_is_not_seen() {
    let profile = |grown: u64, gone: u64| {
        let mut nodes: Vec<Node> = ["(root)", "main", "grown", "gone"]
            .iter()
            .zip(1..)
            .map(|(name, id)| Node::new(NodeId(id), *name))
            .collect();
        nodes[0].child_ids.push(NodeId(2));
        nodes[1].child_ids = [NodeId(3), NodeId(4)].into();
        nodes[2].allocations.push(Allocation { count: grown, size: 1 });
        nodes[3].allocations.push(Allocation { count: gone, size: 1 });
        Profile::from_nodes(&nodes, Counted::InUse).unwrap()
    };
    let drawn = |before: &Profile| {
        let mut svg = Vec::new();
        let options = WriteOptions::from(SPACE);
        profile(20, 0).write_flamegraph_diff(&mut svg, before, &options).unwrap();
        let svg = String::from_utf8(svg).unwrap();
        let at = svg.find("<title>grown (20 bytes, 100.00%; +50.00%)").expect(&svg);
        let fill = svg[at..].split("fill=\"").nth(1).unwrap();
        fill.split('"').next().unwrap().to_owned()
    };
    assert_ne!(drawn(&profile(10, 0)), drawn(&profile(10, 1_000_000)));
}

#[test]
fn names_that_graphviz_cannot_read_are_cut() {
    for letter in ["n", "é", "\"", "\\", "😀"] {
        let mut node = Node::new(NodeId(2), letter.repeat(200_000));
        node.script_name = format!("data:{}", letter.repeat(100_000)).into();
        node.allocations.push(Allocation { count: 1, size: 8 });
        let mut root = Node::new(NodeId(1), "(root)");
        root.child_ids.push(NodeId(2));
        let profile = Profile::from_nodes(&[root, node], Counted::InUse).unwrap();
        let mut dot = Vec::new();
        profile.write_dot(&mut dot, SPACE).unwrap();
        let dot = String::from_utf8(dot).unwrap();
        let label = dot.lines().find(|line| line.contains("fontsize=")).unwrap();
        let end = |of: &str| label.find(of).unwrap_or_else(|| panic!("{letter}: no {of}"));
        let ends = [end("… (200000 characters)\\n"), end("… (100005 characters)\\n8 B")];
        assert!(label.len() < 16384, "{letter}: {}", label.len());
        // No escape is cut in two.
        let written = letter.replace('\\', "\\\\").replace('"', "\\\"");
        for end in ends {
            assert!(label[..end].ends_with(&written.repeat(2)), "{letter}");
        }
    }
}
