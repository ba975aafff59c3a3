//! Files that are cut, damaged or made to hurt: typed errors that say where, in bounded memory.

use std::io::{self, Read, Write};

use proptest::prelude::*;
use prost::Message;
use v8_heap_sampler::budget::Measurement;
use v8_heap_sampler::format::{self, ReadError, ReadOptions, WriteOptions};
use v8_heap_sampler::{Bytes, Counted, ProfileError, SampleType};

use crate::format::small;
use crate::support::pprof_messages::{Function, Line, Location, Profile, Sample, ValueType};
use crate::support::repeat::Repeat;

fn error(bytes: &[u8]) -> ReadError {
    format::read(bytes).unwrap_err()
}

fn message(bytes: impl AsRef<[u8]>) -> String {
    error(bytes.as_ref()).to_string()
}

/// Holds that a file is refused, and why, once a part of it is replaced.
fn assert_refused(file: &str, from: &str, to: &str, expected: &str) {
    assert!(file.contains(from), "{from}");
    let message = message(file.replacen(from, to, 1));
    assert!(message.contains(expected), "{to}: {message}");
}

/// A `.heapprofile` of one node, with some of its fields replaced.
fn node(self_size: &str, id: &str, children: &str) -> String {
    format!(
        r#"{{"callFrame":{{"functionName":"f","scriptId":"1","url":"a.js","lineNumber":1,"columnNumber":1}},"selfSize":{self_size},"id":{id},"children":[{children}]}}"#
    )
}

fn heapprofile(head: &str, samples: &str) -> String {
    format!(r#"{{"head":{head},"samples":[{samples}]}}"#)
}

#[test]
fn bad_heapprofiles() {
    let sample = r#"{"size":8,"nodeId":1,"ordinal":1}"#;
    assert!(format::read(heapprofile(&node("1", "1", ""), sample).as_bytes()).is_ok());
    for (file, expected) in [
        (heapprofile(&node("-1", "1", ""), ""), "byte 113: selfSize: -1 is not from 0 to 2^53"),
        (heapprofile(&node("1e300", "1", ""), ""), "selfSize: 1000000000000000"),
        (heapprofile(&node("99999999999999999999", "1", ""), ""), "selfSize: the number is out of"),
        (heapprofile(&node("1e400", "1", ""), ""), "byte 113: "),
        (heapprofile(&node("NaN", "1", ""), ""), "byte 113: expected value"),
        (heapprofile(&node("\"7\"", "1", ""), ""), "selfSize: expected int but found string"),
        (heapprofile(&node("1", "1.5", ""), ""), "byte 120: id: expected int but found float"),
        (heapprofile(&node("1", "-1", ""), ""), "id: -1 is not from 0 to 4294967295"),
        (heapprofile(&node("1", "4294967296", ""), ""), "id: 4294967296 is not from 0"),
        (
            heapprofile(&node("1", "1", &format!("{0},{0}", node("1", "2", ""))), ""),
            "node id 2 is used twice",
        ),
        (
            heapprofile(&node("9000000000000000", "1", &node("9000000000000000", "2", "")), ""),
            "add up to 18.0 PB",
        ),
        (
            heapprofile(&node("1", "1", ""), r#"{"size":8,"nodeId":7,"ordinal":1}"#),
            "samples: 1 of 1 name nodes that are not there",
        ),
        (heapprofile(&node("1", "1", ""), r#"{"size":8,"nodeId":1}"#), "samples.ordinal: the samp"),
        (heapprofile(&node("1", "1", ""), r#"{"size":-8}"#), "samples.size: -8 is not from 0"),
        (heapprofile("[]", ""), "byte 8: node: expected object but found array"),
        (heapprofile("{}", ""), "callFrame: the node that ends here lacks it"),
        (heapprofile(&node("1", "1", "7"), ""), "node: expected object but found int"),
        (
            heapprofile(&node("1", "1", "").replace("\"f\"", "7"), ""),
            "callFrame.functionName: expected string but found int",
        ),
        (
            heapprofile(&node("1", "1", "").replace(r#""lineNumber":1"#, r#""lineNumber":-2"#), ""),
            "callFrame.lineNumber: -2 is not from -1",
        ),
        (heapprofile(&node("1,\"selfSize\":1", "1", ""), ""), "node: the node has the field twice"),
        (
            heapprofile(&node("1", "1", "").replace("f\"", "f\",\"functionName\":\"g\""), ""),
            "callFrame: the object has a field twice",
        ),
        (
            heapprofile(&node("8", "1", ""), r#"{"size":8,"nodeId":1,"ordinal":1,"size":9}"#),
            "samples: the object has a field twice",
        ),
        (
            heapprofile(&node("16", "1", ""), &format!("{sample},{sample}")),
            "samples.ordinal: 1 is there twice",
        ),
        (
            heapprofile(&node("4096", "1", ""), r#"{"size":8388608,"nodeId":1,"ordinal":1}"#),
            "samples: they come to 8.4 MB, and their nodes to 4.1 kB",
        ),
        (r#"{"samples":[]}"#.to_owned(), "head: the profile lacks it"),
        (format!("{}x", heapprofile(&node("1", "1", ""), "")), "trailing characters"),
        (
            heapprofile(&node("1", "1", "").replace("f\"", "\\ud80\""), ""),
            "byte 43: invalid escape",
        ),
    ] {
        let message = message(&file);
        assert!(message.contains(expected), "{file}\n{message}");
    }
}

#[test]
fn bad_nodes_and_profiles() {
    let node = r#"{"id":1,"name":"(root)","allocations":[],"child_ids":[]}"#;
    for (file, expected) in [
        ("[]".to_owned(), "no root: the list of nodes is empty"),
        (format!("[{node},{node}]"), "node id 1 is used twice"),
        (format!("[{}]", node.replace(":[]}", ":[7]}")), "node 1 has child 7, which is not in"),
        (format!("[{}]", node.replace(":[]}", ":[1]}")), "form a cycle"),
        (format!("[{}]", node.replace("\"id\":1,", "")), "id: the node that ends here lacks it"),
        (format!("[{}]", node.replace(":[]}", ":[\"x\"]}")), "all numbers or all texts"),
        (
            format!("[{}]", node.replace(":[]}", ":[],\"original\":5}")),
            "original: expected object but found int",
        ),
        (
            format!("[{}]", node.replace(":[]}", ":[],\"original\":{\"line_number\":-1}}")),
            "original.line_number: -1 is not from 0",
        ),
        (
            format!("[{}]", node.replace(":[],", ":[{\"size\":-8,\"count\":1}],")),
            "allocations.size: -8 is not from 1",
        ),
        (
            format!("[{}]", node.replace(":[],", ":[{\"size\":8,\"count\":1,\"size\":8}],")),
            "allocations: the object has a field twice",
        ),
        (
            format!("[{}]", node.replace(":[],", ":[{\"size\":8}],")),
            "allocations.count: the allocation that ends here lacks it",
        ),
        (
            format!(
                "[{}]",
                node.replace(":[],", ":[{\"size\":9007199254740992,\"count\":9007199254740992}],")
            ),
            "add up to",
        ),
        (
            // Shared ids, and an order that is not that of collection.
            r#"[{"id":"a","name":"(root)","child_ids":["b","c"]},{"id":"c","name":"c","child_ids":[]},{"id":"b","name":"b","child_ids":[]}]"#
                .to_owned(),
            "node 1 of the list (from 0) is not the child that its parent names next",
        ),
        (
            r#"[{"id":"a","name":"(root)","child_ids":["b"]}]"#.to_owned(),
            "node 1 of the list (from 0) is not",
        ),
        (r#"{"id":1,"children":[]}"#.to_owned(), "name: the node that ends here lacks it"),
        (
            r#"{"id":1,"name":"a","children":[{"id":1,"name":"b","children":[]}]}"#.to_owned(),
            "node id 1 is used twice",
        ),
        (
            r#"{"id":1,"name":"a","children":[{"id":2,"name":"b","children":[]}],"script_name":"x.js"}"#
                .to_owned(),
            "what names its function stands on both sides of the children",
        ),
        (r#"{"name":"x","dependencies":{"a":"1"}}"#.to_owned(), "without the other fields of a node"),
        (r#"[{"id":7,"login":"x"}]"#.to_owned(), "name: the node that ends here lacks it"),
        (r#"{"version":3}"#.to_owned(), "a profile of version 3"),
        (r#"{"version":1,"nodes":[]}"#.to_owned(), "samples: the profile lacks it"),
        (r#"{"version":1,"options":{}}"#.to_owned(), "options: missing field `interval_bytes`"),
        (
            r#"{"nodes":[{"id":1,"callFrame":{"functionName":"f"},"hitCount":1,"children":[2]}]}"#
                .to_owned(),
            "a CPU profile (.cpuprofile), not one of a heap",
        ),
        (r#"{"$schema":"x","shared":{}}"#.to_owned(), "\"$schema\", \"shared\""),
        ("{}".to_owned(), "an empty JSON object"),
        (String::new(), "an empty file"),
        ("7".to_owned(), "a text that begins with \"7\""),
        ("heap profile: 3: 1200".to_owned(), "a text that begins with \"heap profile: 3:\""),
    ] {
        let message = message(&file);
        assert!(message.contains(expected), "{file}\n{message}");
    }
    let profile = include_str!("../../../fuzz/corpus/profile/profile.json");
    let twice = format!("{},\"samples\":[]}}", profile.trim_end().strip_suffix('}').unwrap());
    assert!(message(twice).contains("samples: it is there twice"));
    for (from, to, expected) in [
        ("\"interval_bytes\":8192", "\"interval_bytes\":0", "interval is 0"),
        ("\"is_live\":true", "\"is_live\":1", "samples.is_live: expected bool"),
        ("\"sample_id\":2,", "\"sample_id\":1,", "two samples have the number 1"),
    ] {
        assert_refused(profile, from, to, expected);
    }
}

#[test]
fn counts_of_objects_come_back() {
    let json = include_str!("../../../fuzz/corpus/profile/counted.json");
    let profile = format::read(json.as_bytes()).unwrap();
    assert_eq!(serde_json::from_str::<v8_heap_sampler::Profile>(json).unwrap(), profile);
    let written = serde_json::to_string(&profile).unwrap();
    assert_eq!(format::read(written.as_bytes()).unwrap(), profile);
    let of = |what: SampleType| profile.estimate(what).unwrap().exact();
    let all = SampleType::ALL.map(of);
    assert_eq!(all, [Some(10), Some(560), Some(9), Some(360)]);
    let growth = profile.collection().unwrap().growth.unwrap();
    assert_eq!((growth.used, growth.compiled_code), (648, 0));
    let measurement = Measurement::new(profile).unwrap();
    assert!(measurement.is_tracked() && measurement.has_cut_stacks());
    for (from, to, expected) in [
        ("\"interval_bytes\":1,", "\"interval_bytes\":512,", "interval is"),
        ("\"labels\":1", "\"labels\":2", "counts of node 2"),
        ("\"size\":40", "\"size\":0", "counts of node 2"),
        ("[0,0,9,360]", "[0,0,9]", "counts of node 2"),
        ("[0,0,9,360]", "[0,0,9,-360]", "rows"),
        ("[0,0,9,360]", "[0,0,9,9007199254740993]", "more than 2^53"),
        ("{\"node_id\":2,\"labels\":1", "{\"node_id\":3,\"labels\":1", "counts of node 3"),
    ] {
        assert_refused(json, from, to, expected);
    }
}

/// One sample of `outer` calling `inner`, which is inlined.
fn pprof() -> Profile {
    let strings = ["", "space", "bytes", "inner", "outer"];
    let space = ValueType { kind: 1, unit: 2 };
    Profile {
        sample_type: vec![space.clone()],
        sample: vec![Sample { location_id: vec![3], value: vec![64], label: vec![] }],
        location: vec![Location {
            id: 3,
            mapping_id: 0,
            address: 0,
            line: vec![
                Line { function_id: 1, line: 7, column: 0 },
                Line { function_id: 2, line: 9, column: 0 },
            ],
        }],
        function: vec![
            Function { id: 1, name: 3, system_name: 3, filename: 0, start_line: 5 },
            Function { id: 2, name: 4, system_name: 0, filename: 0, start_line: 0 },
        ],
        string_table: strings.map(str::to_owned).into(),
        period_type: Some(space),
        period: 512,
        comment: vec![],
    }
}

#[test]
fn bad_pprof() {
    let profile = format::read(&pprof().encode_to_vec()[..]).unwrap();
    let stack: Vec<_> = profile.contexts().map(|c| c.function().to_string()).collect();
    // Inlined frames are frames; where a function starts is known, or the line stands in.
    assert_eq!(stack, ["(root)", "outer", "inner"]);
    assert_eq!(profile.functions()[2].line_number.unwrap().get(), 5);

    type Damage = fn(&mut Profile);
    let cases: [(Damage, &str); 21] = [
        (
            |p| p.sample[0].value[0] = i64::MIN,
            "value[0]: -9223372036854775808 is not from -2^53 to",
        ),
        (|p| p.sample[0].value[0] = i64::MAX, "sample[0].value[0]: 9223372036854775807 is not"),
        (|p| p.sample[0].value.push(1), "sample[0].value: there are 2 values for 1 sample types"),
        (|p| p.sample[0].location_id[0] = 9, "sample[0].location_id[0]: location 9 is not there"),
        (|p| p.location[0].line[1].function_id = 9, "line.function_id: function 9 is not there"),
        (|p| p.function[0].name = 99, "function with id 1, name: string 99, but the table has 5"),
        (|p| p.function[0].name = -1, "function with id 1, name: string -1"),
        (|p| p.function[0].system_name = 99, "function with id 1, system_name: string 99, but"),
        (
            |p| {
                p.string_table
                    .push(format!("generated \"a.js\":1:1 {}", "x".repeat((1 << 24) + 1)));
                p.function[0].system_name = 5;
            },
            "function with id 1, system_name: 16777217 bytes, and 16777216 are supported",
        ),
        (|p| p.function[0].start_line = -4, "start_line: -4 is not from 0 to 4294967295"),
        (|p| p.location[0].line[1].line = -4, "line.line: -4 is not from 0 to 4294967295"),
        (|p| p.function[1].id = 1, "function[1].id: 1 is used twice"),
        (|p| p.location.push(p.location[0].clone()), "location[1].id: 3 is used twice"),
        (|p| p.sample_type[0].kind = 7, "sample_type[0].type: string 7, but the table has 5"),
        (|p| p.sample_type[0].unit = 1, "space is in \"space\", where \"bytes\" is supported"),
        (|p| p.sample_type.push(p.sample_type[0].clone()), "inuse_space is there twice"),
        (|p| p.sample_type[0].kind = 3, "a pprof profile of inner/bytes, not of a heap"),
        (|p| p.period = -3, "period: -3 is negative"),
        (|p| p.comment.push(17), "comment[0]: string 17"),
        (
            |p| p.sample[0].label.push(ValueType { kind: 77, unit: 1 }),
            "sample[0].label[0].key: string 77",
        ),
        (
            |p| {
                let mut most = p.sample[0].clone();
                most.value[0] = 1 << 53;
                p.sample.push(most);
            },
            "add up to",
        ),
    ];
    for (damage, expected) in cases {
        let mut profile = pprof();
        damage(&mut profile);
        let message = message(profile.encode_to_vec());
        assert!(message.contains(expected), "{expected}: {message}");
    }
    let whole = pprof().encode_to_vec();
    let cut = message(&whole[..whole.len() - 6]);
    assert!(cut.contains("the profile is cut off here"), "{cut}");
    // A length that is wrong is no matter of memory.
    let lie = [&whole[..], b"\x12\xff\xff\xff\xff\x0f"].concat();
    assert!(message(&lie).ends_with("is cut off here, in field 2 of 4294967295 bytes"));
    // What begins with no field.
    assert!(message(b"\x07\xb5\x2f\xfd\x04\x00").contains("neither JSON nor a pprof profile"));
    // A number of eleven bytes, and a string that is none.
    assert!(message([b"\x0a\x80".as_slice(), &[0x80; 12]].concat()).contains("byte 11"));
    assert!(message(b"\x32\x01\xff").contains("string_table[0]: invalid utf-8"));
}

#[test]
fn other_files_are_called_by_name() {
    for (file, expected) in [
        (r#"{"snapshot":{"meta":{}},"nodes":[0],"edges":[],"strings":["a"]}"#, "a heap snapshot"),
        (r#"{"nodes":[0],"edges":[],"strings":["a"],"snapshot":{}}"#, "a heap snapshot"),
        (r#"{"traceEvents":[{"pid":1,"ts":1,"ph":"M","name":"x"}]}"#, "trace events"),
        (r#"{"metadata":{},"traceEvents":[]}"#, "trace events"),
        (r#"[{"name":"x","pid":1,"tid":1,"ts":1,"ph":"M"}]"#, "trace events"),
        (
            r#"{"head":{"functionName":"(root)","hitCount":0,"children":[{"functionName":"f","hitCount":1,"children":[]}]},"startTime":1}"#,
            "a CPU profile (.cpuprofile)",
        ),
        (r#"{"startTime":1,"nodes":[],"endTime":2}"#, "a CPU profile (.cpuprofile)"),
        (r#"{"result":{"profile":{"nodes":[],"startTime":1}},"id":1}"#, "a CPU profile"),
        (
            r#"{"version":1.2,"mode":"object","interval":1,"gc_samples":0,"frames":{}}"#,
            "a profile of stackprof",
        ),
    ] {
        let message = message(file);
        assert!(message.contains(expected), "{file}\n{message}");
        assert!(message.contains("take a"), "{message}");
    }
    // Where what tells it comes late.
    let numbers = format!("[{}0]", "1,".repeat(300_000));
    for file in [
        format!(r#"{{"nodes":{numbers},"edges":[],"snapshot":{{}}}}"#),
        format!(r#"{{"edges":{numbers},"locations":[],"nodes":[1,2],"snapshot":{{}}}}"#),
        format!(r#"{{"strings":{numbers},"snapshot":{{}},"nodes":[1]}}"#),
        format!(r#"{{"samples":[],"strings":{numbers},"nodes":[1],"snapshot":{{}}}}"#),
    ] {
        let message = message(&file);
        assert!(message.contains("a heap snapshot"), "{}: {message}", &file[..20]);
    }
    for (reply, said) in [
        (
            r#"{"id":1,"error":{"code":-32000,"message":"Sampling was \u001b[1mnot started"}}"#,
            "that is an error -32000: Sampling was  [1mnot started",
        ),
        (
            r#"{"jsonrpc":"2.0","error":{"data":[{}],"message":"no method","code":-32601},"id":7}"#,
            "that is an error -32601: no method",
        ),
        (r#"{"error":"not found"}"#, "that is an error: not found"),
        (r#"{"sessionId":"A","id":1,"error":{}}"#, "that is an error: "),
    ] {
        assert_eq!(
            message(reply),
            format!("not a profile that can be read: a reply of the DevTools protocol {said}")
        );
    }
    let long = format!(r#"{{"error":"{}"}}"#, "é".repeat(10_000));
    assert!(message(&long).ends_with("é ...") && message(&long).len() < 1200);
    for (file, expected) in [
        (b"\xfd7zXZ\0\0".as_slice(), "decompress it first, with `xz -d`"),
        (b"PK\x03\x04\x14\0", "extract the profile first, with `unzip`"),
        (b"\x28\xb5\x2f\xfd\x04\0", "`zstd -d`"),
        (b"BZh91AY&SY", "`bzip2 -d`"),
        (&[0; 4096], "a file that begins with zeros"),
    ] {
        assert!(message(file).contains(expected), "{}", message(file));
    }
}

#[test]
fn names_have_one_limit() {
    let long = "x".repeat((1 << 24) + 1);
    let mut pprof = pprof();
    pprof.string_table[3] = long.clone();
    let node = format!(r#"{{"id":1,"name":"{long}","allocations":[],"child_ids":[]}}"#);
    for file in [
        pprof.encode_to_vec(),
        heapprofile(&self::node("1", "1", "").replace("\"f\"", &format!("\"{long}\"")), "").into(),
        format!("[{node}]").into(),
        node.into(),
    ] {
        assert!(message(file).ends_with("16777217 bytes, and 16777216 are supported"));
    }
}

#[test]
fn a_long_name_that_many_share_takes_no_time() {
    let mut pprof = pprof();
    pprof.string_table[3] = "x".repeat(1 << 24);
    for id in 3..400 {
        pprof.function.push(Function {
            id,
            name: 3,
            system_name: 0,
            filename: 0,
            start_line: id as i64,
        });
        pprof.location[0].line.push(Line { function_id: id, line: 1, column: 0 });
    }
    assert!(message(pprof.encode_to_vec()).contains("the names so far come to"));
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

#[test]
fn damaged_gzip_is_an_error_of_reading() {
    let whole = gzip(&pprof().encode_to_vec());
    for bytes in [&whole[..whole.len() / 2], &whole[..whole.len() - 3], &whole[..5]] {
        assert!(matches!(error(bytes), ReadError::Io(_)), "{}", bytes.len());
    }
    // What is wrong in the content may be the damage.
    let mut pprof = pprof();
    pprof.sample[0].value[0] = i64::MAX;
    let mut content = gzip(&pprof.encode_to_vec());
    assert!(matches!(error(&content), ReadError::Pprof { .. }));
    let at = content.len() - 8;
    content[at] ^= 1;
    assert!(matches!(error(&content), ReadError::Io(_)));
    let mut checksum = whole.clone();
    let at = checksum.len() - 8;
    checksum[at] ^= 1;
    assert!(matches!(error(&checksum), ReadError::Io(_)));
    assert!(message(gzip(&whole)).contains("compressed twice"));
}

#[test]
fn files_made_to_fill_memory_meet_the_limit() {
    let limit = ReadOptions::new().memory_limit(Bytes(8 << 20));
    let meets_it = |reader: &mut dyn Read, what: &str| match limit.read(reader) {
        Err(ReadError::MemoryLimit { limit: Bytes(8_388_608) }) => {}
        other => panic!("{what}: {other:?}"),
    };
    let children = r#"{"callFrame":{},"selfSize":0,"children":["#;
    let endless =
        |start: &'static [u8], again: &'static [u8]| start.chain(Repeat::new(again, 1 << 30));
    meets_it(&mut endless(br#"{"head":"#, children.as_bytes()), "nesting");
    meets_it(&mut endless(br#"{"head":{"x":""#, b"a"), "a string");
    meets_it(&mut endless(br#"{"x":""#, b"a"), "a string that is skipped");
    meets_it(&mut endless(br#"{"samples":["#, br#"{"size":1,"nodeId":1,"ordinal":1},"#), "samples");
    meets_it(&mut endless(b"[", br#"{"id":1,"name":"","child_ids":[]},"#), "nodes");
    meets_it(&mut endless(br#"{"id":1,"child_ids":["#, b"1,"), "ids");
    meets_it(
        &mut endless(br#"{"id":1,"children":["#, br#"{"name":"","children":["#),
        "nodes in nodes",
    );
    let samples = br#"{"node_id":1,"size":1,"sample_id":1,"is_live":true},"#;
    meets_it(&mut endless(br#"{"version":1,"samples":["#, samples), "samples of a profile");
    // pprof: empty strings, functions, locations and samples, in two bytes each.
    for field in [b"\x32\x00", b"\x12\x00", b"\x0a\x00", b"\x6a\x00"] {
        meets_it(&mut endless(b"", field), "an empty field");
    }
    // A message that is as long as it says.
    meets_it(&mut endless(b"\x12\xff\xff\xff\xff\x0f", b"\0"), "a length");
    // Compressed to a thousandth.
    let bomb = gzip(&[br#"{"head":{"x":""#.as_slice(), &vec![b'a'; 64 << 20]].concat());
    assert!(bomb.len() < 100_000);
    meets_it(&mut &bomb[..], "a gzip bomb");
    // What is skipped may be as deep and as large as it likes.
    let skipped = format!("{{\"x\":{}", "[".repeat(100_000));
    assert!(message(skipped).contains("byte 100005: EOF"));
    let deep = "[".repeat(100_000);
    assert!(message(deep).contains("expected object but found array"));
}

#[test]
fn the_limit_can_be_raised() {
    let mut json = Vec::new();
    small().write_heapprofile(&mut json, Counted::InUse).unwrap();
    let low = ReadOptions::new().memory_limit(Bytes(1000)).read(&json[..]).unwrap_err();
    assert!(
        low.to_string().contains("needs more than the limit of 1.0 kB: raise it with"),
        "{low}"
    );
    assert!(ReadOptions::new().memory_limit(Bytes(1 << 20)).read(&json[..]).is_ok());
}

#[test]
fn errors_show_text_of_files_plainly() {
    let mut profile = pprof();
    profile.string_table[3] = "\u{1b}]0;title\u{7}\n\u{2028}\u{202e}".to_owned();
    profile.sample_type[0].kind = 3;
    let error = error(&profile.encode_to_vec());
    assert!(error.to_string().contains("a pprof profile of  ]0;title    /bytes"), "{error}");
    assert_eq!(format::plain_text(&error.to_string()), error.to_string());
    assert!(matches!(error, ReadError::UnknownFormat { found } if found.contains('\u{1b}')));
}

#[test]
fn errors_keep_their_kind() {
    let file = heapprofile(&node("1", "1", &node("1", "1", "")), "");
    assert!(matches!(error(file.as_bytes()), ReadError::Profile(ProfileError::DuplicateId { .. })));
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::PermissionDenied.into())
        }
    }
    match format::read(Broken).unwrap_err() {
        ReadError::Io(error) => assert_eq!(error.kind(), io::ErrorKind::PermissionDenied),
        other => panic!("{other}"),
    }
    match format::read((&b"{\"head\":"[..]).chain(Broken)).unwrap_err() {
        ReadError::Io(error) => assert_eq!(error.kind(), io::ErrorKind::PermissionDenied),
        other => panic!("{other}"),
    }
}

/// Every format as a file.
fn files() -> Vec<Vec<u8>> {
    let [mut heapprofile, mut pprof, mut nodes, mut nested] = [const { Vec::new() }; 4];
    let profile = small();
    profile.write_heapprofile(&mut heapprofile, Counted::InUse).unwrap();
    profile.write_pprof(&mut pprof, WriteOptions::new().object_sizes(true)).unwrap();
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(&pprof[..]).read_to_end(&mut plain).unwrap();
    profile.write_nodes(&mut nodes, Counted::InUse).unwrap();
    profile.write_nested_nodes(&mut nested, Counted::InUse).unwrap();
    let other = include_bytes!("../../../fuzz/corpus/profile/profile.json").to_vec();
    vec![heapprofile, pprof, plain, nodes, nested, other]
}

#[test]
fn what_is_cut_anywhere_is_an_error() {
    for (number, file) in files().into_iter().enumerate() {
        format::read(&file[..]).unwrap();
        for end in 0..file.len() {
            // A pprof profile whose last fields are whole samples less is a profile.
            let cut = format::read(&file[..end]);
            assert!(cut.is_err() || number == 2, "format {number} cut at {end}");
        }
    }
}

proptest! {
    #[test]
    fn nothing_panics(
        file in 0..6_usize,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = files().swap_remove(file);
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(profile) = format::read(&bytes[..]) {
            // Whatever it reads is sound.
            for sample_type in profile.sample_types() {
                let total = profile.total(sample_type).unwrap();
                let totals = profile.totals(sample_type).unwrap();
                prop_assert!((total - totals[0]).abs() <= 1e-9 * total, "{total} {}", totals[0]);
            }
        }
    }
}
