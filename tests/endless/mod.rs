//! Files that ask for more memory than there may be, each in a way of its own, made while they are
//! read.

use std::io::{self, Read};
use std::iter;

use v8_heap_sampler::Bytes;
use v8_heap_sampler::format::ReadOptions;

use super::repeat::Repeat;

/// The bytes of pieces, the next one made when it is read.
pub(crate) struct Pieces<I> {
    pieces: I,
    ready: Vec<u8>,
    at: usize,
}

impl<I: Iterator<Item = Vec<u8>>> Pieces<I> {
    pub(crate) fn new(pieces: I) -> Self {
        Self { pieces, ready: Vec::new(), at: 0 }
    }
}

impl<I: Iterator<Item = Vec<u8>>> Read for Pieces<I> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.ready.len() {
            let Some(piece) = self.pieces.next() else { return Ok(0) };
            (self.ready, self.at) = (piece, 0);
        }
        let len = buffer.len().min(self.ready.len() - self.at);
        buffer[..len].copy_from_slice(&self.ready[self.at..self.at + len]);
        self.at += len;
        Ok(len)
    }
}

/// A field of a pprof message.
pub(crate) fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![number << 3 | 2];
    prost::encode_length_delimiter(content.len(), &mut bytes).unwrap();
    [bytes, content.to_vec()].concat()
}

fn varint(number: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    prost::encode_length_delimiter(number as usize, &mut bytes).unwrap();
    bytes
}

type File = Box<dyn Read>;

/// How many pieces the files have, which is more than is read.
const MANY: u32 = 1 << 23;

/// A text, and then one more for each number.
fn json(start: &str, each: fn(u32) -> String) -> File {
    let start = start.as_bytes().to_vec();
    let pieces = (1..MANY).map(move |number| each(number).into_bytes());
    Box::new(Pieces::new(iter::once(start).chain(pieces)))
}

/// A node of a `.heapprofile` up to its children.
fn node(name: &str, line: u32, id: u32) -> String {
    let place = format!(r#""scriptId":"0","url":"{name}","lineNumber":{line},"columnNumber":0"#);
    let frame = format!(r#"{{"functionName":"{name}",{place}}}"#);
    format!(r#"{{"callFrame":{frame},"selfSize":8,"id":{id},"children":["#)
}

/// A node of a flat list, with a comma in front.
fn flat(id: &str, others: &str) -> String {
    format!(r#",{{"id":{id},{others},"child_ids":[],"allocations":[{{"size":8,"count":1}}]}}"#)
}

/// A `.heapprofile` with as many nodes as there may be, nearly, and what is read behind them.
fn full(limit: Bytes) -> impl Fn(&'static str, &'static str) -> File {
    fn complete(nodes: u32, rest: &'static str) -> impl Read {
        let children = (0..nodes).map(|number| {
            let comma = if number == 0 { "" } else { "," };
            format!("{comma}{}]}}", node("", 0, number + 2)).into_bytes()
        });
        let head = format!(r#"{{"head":{}"#, node("(root)", 0, 1)).into_bytes();
        Pieces::new(iter::once(head).chain(children)).chain(rest.as_bytes())
    }
    let (mut fits, mut does_not) = (1, limit.0 as u32 / 64);
    while does_not - fits > fits / 50 {
        let middle = fits + (does_not - fits) / 2;
        match ReadOptions::new().memory_limit(limit).read(complete(middle, r#"]},"samples":[]}"#)) {
            Ok(_) => fits = middle,
            Err(_) => does_not = middle,
        }
    }
    move |rest, repeated| {
        Box::new(complete(fits, rest).chain(Repeat::new(repeated.as_bytes(), 1 << 26)))
    }
}

/// Fields of a pprof profile, and then more for each number below `end`.
fn pprof(start: &[&[u8]], end: u32, each: fn(u32) -> Vec<u8>) -> File {
    let types = [field(6, b""), field(6, b"space"), field(6, b"bytes"), field(1, &[8, 1, 16, 2])];
    let start = [types.concat(), start.concat()].concat();
    Box::new(Pieces::new(iter::once(start).chain((1..end).map(each))))
}

/// Files without an end, or that say much in little, by what there is too much of.
pub(crate) fn endless(limit: Bytes) -> Vec<(&'static str, File)> {
    let behind_nodes = full(limit);
    let function = field(5, &[8, 1, 16, 1]);
    let line = field(4, &[8, 1]);
    let location = field(4, &[&[8, 1], &*line].concat());
    let lines = field(4, &[&[8, 1], &*line.repeat(limit.0 as usize / 600)].concat());
    let most = limit.0 as usize / 66;
    let short = field(4, &[&[8, 1], &*field(4, b"").repeat(most)].concat());
    let sample = field(2, &[field(1, &[1]), field(2, &[1])].concat());
    let recursive = field(2, &[field(1, &[1; 1000]), field(2, &[1])].concat());
    let labels = field(2, &[field(1, &[1]), field(2, &[1]), field(3, b"").repeat(most)].concat());
    let list = r#"[{"id":0,"name":"","child_ids":[],"allocations":[]}"#;
    let texts = r#"[{"id":"0","name":"","child_ids":[],"allocations":[]}"#;
    let head = r#"{"head":{"callFrame":{"functionName":"","scriptId":"0","url":"","lineNumber":0,
        "columnNumber":0},"selfSize":0,"id":0,"children":[{"id":1000000000,"callFrame":{
        "functionName":"","scriptId":"0","url":"","lineNumber":0,"columnNumber":0},"selfSize":0}"#;
    let samples = r#"{"samples":[{"size":8,"nodeId":1,"ordinal":0}"#;
    let profile = r#"{"version":1,"nodes":[],"samples":[
        {"node_id":1,"size":1,"sample_id":0,"is_live":true}"#;
    vec![
        ("nodes within nodes", json(r#"{"head":"#, |n| node("", 0, n))),
        ("functions", json(head, |n| format!(",{}]}}", node(&n.to_string(), 0, n)))),
        ("places", json(head, |n| format!(",{}]}}", node("", n, n)))),
        ("samples", json(samples, |n| format!(r#",{{"size":8,"nodeId":1,"ordinal":{n}}}"#))),
        ("nodes", json(list, |n| flat(&n.to_string(), r#""name":"""#))),
        (
            "functions of nodes",
            json(list, |n| flat(&n.to_string(), &format!(r#""name":"{n}","script_name":"{n}""#))),
        ),
        (
            "originals",
            json(list, |n| {
                let original = format!(r#"{{"source":"{n}","name":"{n}","line_number":{n}}}"#);
                flat(&n.to_string(), &format!(r#""name":"","original":{original}"#))
            }),
        ),
        (
            "children and allocations",
            json(list, |n| {
                let allocations = r#"[{"size":8,"count":1},{"size":16,"count":1}]"#;
                let children = "[1,2,3,4,5,6,7,8,9]";
                format!(
                    r#",{{"id":{n},"name":"","child_ids":{children},"allocations":{allocations}}}"#
                )
            }),
        ),
        ("ids that are texts", json(texts, |n| flat(&format!(r#""{n}""#), r#""name":"""#))),
        (
            "nested nodes",
            json("", |n| {
                let allocations = r#"[{"size":8,"count":1},{"size":16,"count":1}]"#;
                format!(r#"{{"id":{n},"name":"{n}","allocations":{allocations},"children":["#)
            }),
        ),
        (
            "samples of a profile",
            json(profile, |n| {
                format!(r#",{{"node_id":1,"size":1,"sample_id":{n},"is_live":true}}"#)
            }),
        ),
        ("arrays that are skipped", json(r#"{"x":"#, |_| "[".to_owned())),
        ("objects that are skipped", json(r#"{"x":"#, |_| r#"{"x":"#.to_owned())),
        ("arrays behind nodes", behind_nodes(r#"]},"x":"#, "[")),
        ("a text behind nodes", behind_nodes(r#"]},"x":""#, "a")),
        ("a name behind nodes", behind_nodes(r#",{"callFrame":{"functionName":""#, r"\n\u0041")),
        ("strings", pprof(&[], MANY, |n| field(6, n.to_string().as_bytes()))),
        ("long strings", pprof(&[], MANY, |_| field(6, &[b'x'; 10_000]))),
        (
            "functions of pprof",
            pprof(&[], MANY, |n| field(5, &[&[8], &*varint(n), &[16, 1]].concat())),
        ),
        (
            "locations",
            pprof(&[], MANY, |n| field(4, &[&[8], &*varint(n), &*field(4, &[8, 1])].concat())),
        ),
        (
            "stacks",
            pprof(&[&function, &location], MANY, |n| {
                // Each is one deeper than the last, and so has a context of its own.
                field(2, &[field(1, &vec![1; n as usize % 10_000]), field(2, &[1])].concat())
            }),
        ),
        // What is large comes of a single sample: each line, and each label, has two bytes.
        (
            "a location of short lines",
            pprof(&[&field(5, &[16, 1]), &short, &sample], 0, |_| Vec::new()),
        ),
        ("a location of many lines", pprof(&[&function, &lines, &recursive], 0, |_| Vec::new())),
        ("a sample of many labels", pprof(&[&function, &location, &labels], 0, |_| Vec::new())),
        (
            "places of pprof",
            pprof(&[&function], 100, |n| {
                let line = |at: u32| field(4, &[&[8, 1, 16], &*varint(500 * n + at)].concat());
                let lines = (0..500).flat_map(line).collect();
                let location = field(4, &[vec![8], varint(n), lines].concat());
                let sample = field(2, &[field(1, &varint(n)), field(2, &[1])].concat());
                [location, sample].concat()
            }),
        ),
        (
            "samples of pprof",
            pprof(&[], MANY, |_| field(2, &[field(1, &[1]), field(2, &[1])].concat())),
        ),
        (
            "labels",
            pprof(&[&function, &location], MANY, |n| {
                let label = field(3, &[&[8, 1, 24], &*varint(n)].concat());
                field(2, &[field(1, &[1]), field(2, &[1]), label].concat())
            }),
        ),
        ("numbers", pprof(&[], MANY, |_| vec![12 << 3, 1])),
        ("comments", pprof(&[], MANY, |_| field(13, &[1; 100]))),
    ]
}
