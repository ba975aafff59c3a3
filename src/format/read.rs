//! Reading: which format it is.

use std::io::{self, Read};

use super::fill::read_up_to;
use super::limit::MOST_TO_CHECK;
use super::read_error::ReadError;
use super::read_options::ReadOptions;
use super::utf16::Utf16;
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

impl ReadOptions {
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
    pub fn read(&self, mut reader: impl Read) -> Result<Profile, ReadError> {
        let (reader, first) = peek(&mut reader)?;
        if first == GZIP {
            return self.read_gzip(reader);
        }
        self.read_plain(reader)
    }

    fn read_gzip(&self, reader: impl Read) -> Result<Profile, ReadError> {
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
    fn read_plain(&self, mut reader: impl Read) -> Result<Profile, ReadError> {
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
        if is_json { self.read_json(reader) } else { self.read_pprof(reader) }
    }

    fn read_json(&self, reader: impl Read) -> Result<Profile, ReadError> {
        super::read_json::read(reader, self)
    }

    fn read_pprof(&self, reader: impl Read) -> Result<Profile, ReadError> {
        super::pprof::read(reader, self)
    }
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
