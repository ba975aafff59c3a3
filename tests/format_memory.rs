//! How much memory reading and writing take, by an allocator that counts: a process of its own.

use std::io::{self, Read, Write};

use v8_heap_sampler::format::{self, ReadError, ReadOptions, WriteOptions};
use v8_heap_sampler::{Bytes, Counted, Profile, SampleType};

mod counting;
mod endless;
#[path = "without_v8/support/repeat.rs"]
mod repeat;

use counting::measure;
use endless::{Pieces, endless, field};
use repeat::Repeat;

/// Makes the text of a `.heapprofile` of so many nodes while it is read: 1000 functions, 24 levels,
/// a value at every eighth node, and a sample for each of these.
struct Text {
    nodes: u32,
    next: u32,
    depth: usize,
    ready: Vec<u8>,
    at: usize,
    random: u64,
}

impl Text {
    fn new(nodes: u32) -> Self {
        let ready = Vec::from(*br#"{"head":"#);
        Self { nodes, next: 1, depth: 0, ready, at: 0, random: 1 }
    }

    fn random(&mut self, below: u64) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.random >> 33) % below
    }

    /// The next piece; nothing at the end.
    fn more(&mut self) {
        self.ready.clear();
        self.at = 0;
        if self.next <= self.nodes {
            let id = self.next;
            self.next += 1;
            let function = self.random(1000);
            let size = if id.is_multiple_of(8) { 8 * self.random(1000) + 8 } else { 0 };
            // Up from where the last node was, to be its sibling or an ancestor's.
            let up = if id == 1 { 0 } else { self.random(3).min(self.depth as u64 - 1) };
            let up = if self.depth >= 24 { up.max(1) } else { up };
            for _ in 0..up {
                self.ready.extend_from_slice(b"]}");
                self.depth -= 1;
            }
            if up > 0 {
                self.ready.push(b',');
            }
            write!(
                self.ready,
                r#"{{"callFrame":{{"functionName":"function{function}","scriptId":"{}","url":"file:///srv/app/node_modules/some-package/lib/module{}.js","lineNumber":{function},"columnNumber":{}}},"selfSize":{size},"id":{id},"children":["#,
                function % 90,
                function % 90,
                function % 50
            )
            .unwrap();
            self.depth += 1;
        } else if self.depth > 0 {
            for _ in 0..self.depth {
                self.ready.extend_from_slice(b"]}");
            }
            self.depth = 0;
            self.ready.extend_from_slice(br#","samples":["#);
            self.next = 8;
            self.nodes = 0;
        }
    }
}

impl Read for Text {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.ready.len() {
            self.more();
        }
        let len = buffer.len().min(self.ready.len() - self.at);
        buffer[..len].copy_from_slice(&self.ready[self.at..self.at + len]);
        self.at += len;
        Ok(len)
    }
}

/// As `Text`, with the samples behind it.
fn heapprofile(nodes: u32) -> impl Read {
    let samples = (1..=nodes / 8).map(|number| {
        let separator = if number == 1 { "" } else { "," };
        let node = 8 * number;
        format!(r#"{separator}{{"size":8,"nodeId":{node},"ordinal":{number}}}"#)
    });
    let samples = samples.chain(["]}".to_owned()]).map(String::into_bytes);
    Text::new(nodes).chain(Pieces::new(samples))
}

/// One test: others beside it would be counted as well.
#[test]
fn memory_is_bounded() {
    let text = io::copy(&mut heapprofile(500_000), &mut io::sink()).unwrap();
    assert!(text > 100_000_000, "{text}");
    let (profile, peak, held) = measure(|| format::read(heapprofile(500_000)).unwrap());
    let ratio = peak as f64 / held as f64;
    println!(
        "reading a .heapprofile of {text} bytes, {} contexts: at most {peak} bytes, {held} held \
         ({ratio:.2} times)",
        profile.len()
    );
    assert_eq!(profile.len(), 500_000);
    assert!(ratio < 2.0, "{ratio}");

    let strings: usize = profile
        .functions()
        .iter()
        .map(|function| function.name.len() + 2 * function.script_name.len() + 100)
        .sum();
    // A table of strings with its hash map, a block, and what the compressor takes.
    let bound = 2 * strings + (1 << 19);
    for (what, peak) in [
        (
            "pprof",
            writing(&profile, |profile, sink| {
                profile.write_pprof(sink, WriteOptions::new().object_sizes(true)).unwrap();
            }),
        ),
        (
            ".heapprofile",
            writing(&profile, |profile, sink| {
                profile.write_heapprofile(sink, Counted::InUse).unwrap();
            }),
        ),
        (
            "speedscope",
            writing(&profile, |profile, sink| {
                profile.write_speedscope(sink, "x").unwrap();
            }),
        ),
        (
            "folded",
            writing(&profile, |profile, sink| {
                profile.write_folded(sink, SampleType::InuseSpace).unwrap();
            }),
        ),
    ] {
        println!("writing {what}: at most {peak} bytes (bound {bound})");
        assert!(peak < bound, "{what}: {peak}, not below {bound}");
    }

    // A bomb is refused before it fills more than the limit.
    let limit = 8 << 20;
    let bomb = gzip(&mut br#"{"head":{"x":""#.chain(io::repeat(b'a').take(1 << 28)));
    assert!(bomb.len() < 3_000_000, "{}", bomb.len());
    let options = ReadOptions::new().memory_limit(Bytes(limit));
    let (read, peak, _) = measure(|| options.read(&bomb[..]));
    assert!(matches!(read, Err(ReadError::MemoryLimit { .. })), "{read:?}");
    println!("a bomb of {} bytes, limit {limit}: at most {peak} bytes", bomb.len());
    assert!(peak < limit as usize + (1 << 20), "{peak}");
    let samples = gzip(&mut Repeat::new(b"\x12\x02\x0a\x00", 1 << 26));
    let meets_limit = |what: &str, file: &[u8]| {
        let (read, peak, _) = measure(|| options.read(file));
        println!("{what} of {} bytes, limit {limit}: at most {peak} bytes", file.len());
        assert!(matches!(read, Err(ReadError::MemoryLimit { .. })), "{what}: {read:?}");
        assert!(peak < limit as usize + (1 << 20), "{what}: {peak}");
    };
    meets_limit("a bomb of samples", &samples);
    for (what, pprof) in hostile_pprof() {
        meets_limit(what, &pprof);
    }
    let ids = |start: &'static str, count: usize| {
        [start.as_bytes(), "1,".repeat(count).as_bytes(), b"1]}]"].concat()
    };
    meets_limit("ids", &ids(r#"[{"id":1,"name":"","child_ids":["#, 900_000));
    let allocations = [
        br#"{"id":1,"name":"","allocations":["#.as_slice(),
        br#"{"size":1,"count":1},"#.repeat(90_000).as_slice(),
        br#"{"size":1,"count":1}]}"#,
    ]
    .concat();
    meets_limit("allocations", &allocations);

    for (what, mut file) in endless(Bytes(limit)) {
        let (read, peak, _) = measure(|| options.read(&mut file));
        println!("{what}, limit {limit}: at most {peak} bytes");
        assert!(matches!(read, Err(ReadError::MemoryLimit { .. })), "{what}: {read:?}");
        assert!(peak < limit as usize + (1 << 18), "{what}: {peak}");
    }
}

/// Profiles of few bytes that say much: fields refer to each other.
fn hostile_pprof() -> [(&'static str, Vec<u8>); 3] {
    let strings = [field(6, b""), field(6, b"space"), field(6, b"bytes")].concat();
    let start = [strings, field(1, &[8, 1, 16, 2])].concat();
    let long = field(6, &vec![b'x'; 200_000]);

    // 5000 frames at one location, 5000 times on a stack.
    let line = field(4, &[8, 1]);
    let location = field(4, &[vec![8, 1], line.repeat(5000)].concat());
    let sample = field(2, &[field(1, &[1; 5000]), field(2, &[1])].concat());
    let stack = [start.clone(), field(5, &[8, 1, 16, 1]), location, sample].concat();

    // 2000 labels, each with a long text.
    let label = field(3, &[8, 3, 16, 3]);
    let sample = field(2, &[field(2, &[1]), label.repeat(2000)].concat());
    let labels = [start.clone(), long.clone(), sample].concat();

    // 2000 comments, each with a long text.
    let comments = [start, long, field(13, &[3; 2000])].concat();
    [("a stack", stack), ("labels", labels), ("comments", comments)]
}

fn writing(profile: &Profile, write: impl FnOnce(&Profile, io::Sink)) -> usize {
    let ((), peak, held) = measure(|| write(profile, io::sink()));
    assert_eq!(held, 0);
    peak
}

fn gzip(reader: &mut dyn Read) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    io::copy(reader, &mut gzip).unwrap();
    gzip.finish().unwrap()
}
