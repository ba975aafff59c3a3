//! Reading: which format it is, and within which bounds.

use std::io::{self, Read};

use super::read_error::ReadError;
use super::utf16::Utf16;
use crate::heap_profile::{Counted, HeapProfile};
use crate::profile::Bytes;

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
pub fn read(reader: impl Read) -> Result<HeapProfile, ReadError> {
    ReadOptions::new().read(reader)
}

/// How to read profiles.
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
#[non_exhaustive]
pub struct ReadOptions {
    /// How much memory reading may take, the profile that it results in included. Default: 2 GiB.
    ///
    /// What is held may come to four ninths of it: lists grow by a quarter, and while one moves to
    /// where it can, it is there twice. Buffers and the decompressor, half a megabyte, come on top.
    pub memory_limit: Bytes,
    /// What the values of formats are that do not name them: those of `.heapprofile`, and of lists
    /// and trees of nodes. Default: what is in use.
    pub unnamed: Counted,
    /// Splits functions of pprof profiles by the line that they call or allocate from, and puts
    /// each part at its line, as `go tool pprof -lines` does. Default: no, a function is one, at
    /// the line where it starts, or at none where the profile does not tell that. V8's profiles
    /// know no lines of calls.
    pub call_lines: bool,
}

impl ReadOptions {
    /// The defaults.
    #[must_use]
    pub const fn new() -> Self {
        Self { memory_limit: Bytes(2 << 30), unnamed: Counted::InUse, call_lines: false }
    }

    /// Sets [`memory_limit`](#structfield.memory_limit).
    #[must_use]
    pub const fn memory_limit(mut self, limit: Bytes) -> Self {
        self.memory_limit = limit;
        self
    }

    /// Sets [`unnamed`](#structfield.unnamed).
    #[must_use]
    pub const fn unnamed(mut self, unnamed: Counted) -> Self {
        self.unnamed = unnamed;
        self
    }

    /// Sets [`call_lines`](#structfield.call_lines).
    #[must_use]
    pub const fn call_lines(mut self, wanted: bool) -> Self {
        self.call_lines = wanted;
        self
    }

    pub(crate) fn limit(&self) -> Limit {
        let whole = self.memory_limit;
        Limit { bytes: usize::try_from(whole.0).unwrap_or(usize::MAX) / 9 * 4, whole }
    }

    /// Reads a profile of any format that the crate reads: `.heapprofile`, pprof, the JSON of
    /// [`Profile`](crate::Profile), and flat or nested JSON of [`Node`](crate::Node)s or of the
    /// Node module `sample-heap-allocations`. Which it is, and whether it is compressed by gzip, is
    /// seen by how it begins.
    ///
    /// The reader need not be buffered.
    ///
    /// # Errors
    ///
    /// [`ReadError`] says what is wrong and where.
    pub fn read(&self, mut reader: impl Read) -> Result<HeapProfile, ReadError> {
        let (reader, first) = peek(&mut reader)?;
        if first == GZIP {
            return self.read_gzip(reader);
        }
        self.read_plain(reader)
    }

    fn read_gzip(&self, reader: impl Read) -> Result<HeapProfile, ReadError> {
        let reader = io::BufReader::with_capacity(64 * 1024, reader);
        let mut reader = super::gunzip::Gunzip::new(reader);
        let (reader, first) = peek(&mut reader)?;
        if first == GZIP {
            let found = "a file that gzip has compressed twice".to_owned();
            return Err(ReadError::UnknownFormat { found });
        }
        let mut reader = reader;
        let read = self.read_plain(&mut reader as &mut dyn Read);
        // Damage shows in the checksum, at the end; until then it looks like a file that is wrong.
        let is_content =
            !matches!(read, Ok(_) | Err(ReadError::Io(_) | ReadError::MemoryLimit { .. }));
        if is_content {
            io::copy(&mut reader.take(MOST_TO_CHECK), &mut io::sink())?;
        }
        read
    }

    /// Reads what is not compressed.
    fn read_plain(&self, mut reader: impl Read) -> Result<HeapProfile, ReadError> {
        // JSON begins with a bracket, after white space at most (or a byte order mark); the first
        // byte of a pprof profile is the tag of a field.
        let mut skipped = Vec::new();
        let first = loop {
            let mut byte = [0];
            if read_up_to(&mut reader, &mut byte)? == 0 {
                return Err(ReadError::UnknownFormat { found: "an empty file".to_owned() });
            }
            skipped.push(byte[0]);
            if !matches!(byte[0], b' ' | b'\n' | b'\r' | b'\t') || skipped.len() > 64 * 1024 {
                break byte[0];
            }
        };
        let mut is_json = matches!(first, b'{' | b'[');
        if skipped == [0xff] || skipped == [0xfe] {
            let mut second = [0];
            let read = read_up_to(&mut reader, &mut second)?;
            skipped.extend_from_slice(&second[..read]);
            if matches!(skipped[..], [0xff, 0xfe] | [0xfe, 0xff]) {
                let is_big_endian = skipped[0] == 0xfe;
                let mut text = Utf16::new(reader, is_big_endian);
                return self.read_plain(&mut text as &mut dyn Read);
            }
        }
        if skipped == [BYTE_ORDER_MARK[0]] {
            let mut mark = [BYTE_ORDER_MARK[0], 0, 0];
            let read = 1 + read_up_to(&mut reader, &mut mark[1..])?;
            is_json = mark == BYTE_ORDER_MARK;
            skipped.truncate(0);
            if !is_json {
                skipped.extend_from_slice(&mark[..read]);
            }
        }
        if !is_json {
            let mut more = [0; 16];
            let read = read_up_to(&mut reader, &mut more)?;
            skipped.extend_from_slice(&more[..read]);
            if let Some(found) = other_kind(&skipped) {
                return Err(ReadError::UnknownFormat { found: found.to_owned() });
            }
            let is_text = |byte: &u8| matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~');
            if skipped.iter().all(is_text) {
                let start = String::from_utf8_lossy(&skipped);
                let found = format!("a text that begins with {:?}", start.trim());
                return Err(ReadError::UnknownFormat { found });
            }
        }
        let reader = io::Cursor::new(skipped).chain(reader);
        if is_json {
            super::read_json::read(reader, self)
        } else {
            super::pprof::read(reader, self)
        }
    }
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// How much of a file is read on to see whether it is damaged.
pub(super) const MOST_TO_CHECK: u64 = 1 << 28;

/// How many bytes the name of a function or script may have, in every format. V8 cuts those of
/// scripts, and not those of functions.
pub(super) const LONGEST_NAME: usize = 1 << 24;

/// What is wrong with a name of so many bytes, if that is too long.
pub(super) fn too_long(len: usize) -> Option<String> {
    (len > LONGEST_NAME).then(|| format!("{len} bytes, and {LONGEST_NAME} are supported"))
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

/// The reader and its first two bytes.
fn peek(mut reader: impl Read) -> io::Result<(impl Read, [u8; 2])> {
    let mut first = [0; 2];
    let read = read_up_to(&mut reader, &mut first)?;
    let again = io::Cursor::new(first).take(read as u64);
    Ok((again.chain(reader), first))
}

/// Fills the buffer as far as there is something to read.
pub(super) fn read_up_to(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// How much memory may be held: so much that all of it can be one list that grows by a quarter, old
/// and new at a time, within what may be taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    pub(crate) bytes: usize,
    /// What may be taken.
    whole: Bytes,
}

impl Limit {
    /// Whether so many bytes may be held.
    #[inline]
    pub(crate) fn check(self, held: usize) -> Result<(), ReadError> {
        if held <= self.bytes {
            return Ok(());
        }
        Err(self.met())
    }

    /// The error that says so.
    pub(crate) fn met(self) -> ReadError {
        ReadError::MemoryLimit { limit: self.whole }
    }
}
