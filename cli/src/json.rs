//! JSON for terminals.

use std::borrow::Cow;
use std::io::{self, Write};

use v8_heap_sampler::format::plain_text;

/// JSON in which all that moves the cursor or turns the direction of writing is escaped: it stands
/// in strings only.
pub(crate) fn escaped(json: &str) -> Cow<'_, str> {
    if json.bytes().all(|byte| matches!(byte, b'\n' | b' '..=b'~')) {
        return json.into();
    }
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        let is_plain = |text: &str| plain_text(text) == text;
        if character == '\n' || is_plain(character.encode_utf8(&mut [0; 4])) {
            text.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                text.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    text.into()
}

/// A writer of JSON that escapes as [`escaped`] does.
pub(crate) struct Escaping<W> {
    writer: W,
    /// The start of a character whose rest has not come yet.
    cut: Vec<u8>,
}

impl<W: Write> Escaping<W> {
    pub(crate) fn new(writer: W) -> Self {
        Self { writer, cut: Vec::new() }
    }
}

impl<W: Write> Write for Escaping<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.cut.extend_from_slice(bytes);
        let complete = match str::from_utf8(&self.cut) {
            Ok(text) => text.len(),
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
        };
        let text = str::from_utf8(&self.cut[..complete]).unwrap_or_default();
        self.writer.write_all(escaped(text).as_bytes())?;
        self.cut.drain(..complete);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}
