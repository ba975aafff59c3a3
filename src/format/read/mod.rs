//! Reading: within which bounds, as what, and which format it is.

mod error;
mod gunzip;
mod heapprofile;
mod json;
mod json_pull;
mod limit;
mod nodes;
mod profile;
mod tree;
mod utf16;

use std::io::{self, Read};

pub use error::ReadError;
use gunzip::Gunzip;
pub(super) use limit::{Limit, MOST_TO_CHECK, too_long};
use utf16::Utf16;

use crate::model::{Bytes, Counted};
use crate::profile::Profile;

/// Reads a profile of any format that the crate reads, compressed by gzip or not, from any reader.
///
/// As [`ReadOptions::read`] with the default options.
///
/// # Errors
///
/// [`ReadError`] says what is wrong and where.
///
/// ```no_run
/// let file = std::fs::File::open("Heap.20260101.heapprofile")?;
/// let profile = v8_heap_sampler::format::read(file)?;
/// println!("{} contexts of {} functions", profile.len(), profile.functions().len());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn read(reader: impl Read) -> Result<Profile, ReadError> {
    ReadOptions::new().read(reader)
}

/// Options of reading profiles.
///
/// ```
/// use v8_heap_sampler::format::{ReadError, ReadOptions};
/// use v8_heap_sampler::Bytes;
///
/// let deep = "[".repeat(10_000_000);
/// let read = ReadOptions::new().memory_limit(Bytes(1 << 20)).read(deep.as_bytes());
/// assert!(read.is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadOptions {
    memory_limit: Bytes,
    pub(super) unnamed: Counted,
    pub(super) call_lines: bool,
}

impl ReadOptions {
    /// The defaults.
    #[must_use]
    pub const fn new() -> Self {
        Self { memory_limit: Bytes(2 << 30), unnamed: Counted::InUse, call_lines: false }
    }

    /// Sets the most memory that reading may take, the profile that it results in included.
    /// Default: 2 GiB.
    ///
    /// A profile may come to four ninths of it: lists grow by a quarter, and while one moves to
    /// where it can, it is there twice. Buffers and the decompressor, half a megabyte, come on top.
    #[must_use]
    pub const fn memory_limit(mut self, limit: Bytes) -> Self {
        self.memory_limit = limit;
        self
    }

    /// Sets how to interpret values in formats that do not name them: `.heapprofile`, lists and
    /// trees of nodes. Default: live objects.
    #[must_use]
    pub const fn unnamed(mut self, counted: Counted) -> Self {
        self.unnamed = counted;
        self
    }

    /// Sets whether functions of pprof profiles are split by the line that they call or allocate
    /// from, each part at its line, as `go tool pprof -lines` does. Default: no, a function is one,
    /// at the line where it starts, or at none where the profile does not tell that. V8's profiles
    /// know no lines of calls.
    #[must_use]
    pub const fn call_lines(mut self, split: bool) -> Self {
        self.call_lines = split;
        self
    }

    pub(super) fn limit(&self) -> Limit {
        Limit::of(self.memory_limit)
    }

    /// Reads a profile of any format that the crate reads: `.heapprofile`, pprof, the JSON of
    /// [`Profile`](crate::Profile), and flat or nested JSON of [`Node`](crate::Node)s or of the
    /// Node module `sample-heap-allocations`. Which it is, and whether it is compressed by gzip, is
    /// seen by how it begins.
    ///
    /// Where many stacks end at a depth at which tools cut them, and begin with other functions there,
    /// they hang below `(cut)`, as in profiles that were
    /// [collected here](crate::Profile::cut_stacks).
    ///
    /// The reader need not be buffered.
    ///
    /// # Errors
    ///
    /// [`ReadError`] says what is wrong and where.
    pub fn read(&self, reader: impl Read) -> Result<Profile, ReadError> {
        let profile = self.read_as_is(reader)?;
        match profile.usual_depth_of_cut_stacks() {
            Some(depth) => Ok(profile.with_cut_stacks_apart(depth)?),
            None => Ok(profile),
        }
    }

    fn read_as_is(&self, mut reader: impl Read) -> Result<Profile, ReadError> {
        let start = start_of(&mut reader)?;
        if !start.starts_with(&GZIP) {
            return self.read_plain(&start, &mut reader);
        }
        let packed = start.chain(reader);
        let mut reader = Gunzip::new(io::BufReader::with_capacity(BUFFER, packed));
        let start = start_of(&mut reader)?;
        if start.starts_with(&GZIP) {
            return Err(unknown("a file that gzip has compressed twice"));
        }
        let read = self.read_plain(&start, &mut reader);
        // Damage shows in the checksum, at the end; until then it looks like a file that is wrong.
        let is_content =
            !matches!(read, Ok(_) | Err(ReadError::Io(_) | ReadError::MemoryLimit { .. }));
        if is_content {
            io::copy(&mut reader.take(MOST_TO_CHECK), &mut io::sink())?;
        }
        read
    }

    /// Reads what is not compressed, of which the start has been read.
    fn read_plain(&self, start: &[u8], reader: &mut dyn Read) -> Result<Profile, ReadError> {
        if let [0xff, 0xfe, rest @ ..] | [0xfe, 0xff, rest @ ..] = start {
            let mut text = Utf16::new(rest.chain(reader), start[0] == 0xfe);
            let start = start_of(&mut text)?;
            return self.read_plain(&start, &mut text);
        }
        if let Some(text) = start.strip_prefix(&BYTE_ORDER_MARK) {
            return json::read(text.chain(reader), self);
        }
        // JSON begins with a bracket, after white space at most; the first byte of a pprof profile
        // is the tag of a field.
        let text = start.trim_ascii_start();
        match text.first() {
            Some(b'{' | b'[') => return json::read(start.chain(reader), self),
            None if start.len() < BUFFER => return Err(unknown("an empty file")),
            _ => {}
        }
        if let Some(kind) = other_kind(start) {
            return Err(unknown(kind));
        }
        let shown = &text[..text.len().min(17)];
        let is_text = |byte: &u8| matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~');
        if shown.iter().all(is_text) {
            let text = String::from_utf8_lossy(shown);
            return Err(unknown(format!("a text that begins with {:?}", text.trim())));
        }
        super::pprof::read(start.chain(reader), self)
    }
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// Enough to see what a file is, white space at its start included.
const BUFFER: usize = 64 * 1024;

/// Reads the start of a file.
fn start_of(reader: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    reader.take(BUFFER as u64).read_to_end(&mut start)?;
    Ok(start)
}

fn unknown(found: impl Into<String>) -> ReadError {
    ReadError::UnknownFormat { found: found.into() }
}

/// How some programs begin a text in UTF-8.
const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

/// How gzip begins.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// What a file is that begins so, if it is known to be no profile.
fn other_kind(start: &[u8]) -> Option<&'static str> {
    const KINDS: [(&[u8], &str); 5] = [
        (b"\xfd7zXZ\0", "a file that xz has compressed: decompress it first, with `xz -d`"),
        (b"PK\x03\x04", "a zip archive: extract the profile first, with `unzip`"),
        (
            b"\x28\xb5\x2f\xfd",
            "a file that zstd has compressed: decompress it first, with `zstd -d`",
        ),
        (b"BZh", "a file that bzip2 has compressed: decompress it first, with `bzip2 -d`"),
        (
            &[0; 4],
            "a file that begins with zeros, as one whose writing was cut short: copy or record it \
             again",
        ),
    ];
    KINDS.into_iter().find(|(magic, _)| start.starts_with(magic)).map(|(_, kind)| kind)
}
