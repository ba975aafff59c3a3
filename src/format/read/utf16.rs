//! Reads UTF-16 as UTF-8.

use std::io::{self, BufReader, Read};

/// The text of a reader in UTF-16 (as PowerShell writes it), after its byte order mark, as UTF-8.
/// Surrogates that are alone become U+FFFD.
pub(crate) struct Utf16<R> {
    reader: BufReader<R>,
    is_big_endian: bool,
    /// A unit that was read, and is no part of the character before.
    unit: Option<u16>,
    /// The bytes of a character that are still to be handed out, from `at`.
    character: [u8; 4],
    at: usize,
    end: usize,
}

impl<R: Read> Utf16<R> {
    pub(crate) fn new(reader: R, is_big_endian: bool) -> Self {
        let reader = BufReader::with_capacity(64 * 1024, reader);
        Self { reader, is_big_endian, unit: None, character: [0; 4], at: 0, end: 0 }
    }

    /// The next unit; `None` at the end.
    fn unit(&mut self) -> io::Result<Option<u16>> {
        if let Some(unit) = self.unit.take() {
            return Ok(Some(unit));
        }
        let mut bytes = self.reader.by_ref().bytes();
        let Some(first) = bytes.next().transpose()? else { return Ok(None) };
        let second = bytes.next().transpose()?.ok_or_else(|| {
            let problem = "the text in UTF-16 ends within a character";
            io::Error::new(io::ErrorKind::UnexpectedEof, problem)
        })?;
        let unit = if self.is_big_endian { u16::from_be_bytes } else { u16::from_le_bytes };
        Ok(Some(unit([first, second])))
    }

    /// The next character; `None` at the end.
    fn character(&mut self) -> io::Result<Option<char>> {
        let Some(unit) = self.unit()? else { return Ok(None) };
        let low = match unit {
            0xd800..0xdc00 => self.unit()?,
            _ => None,
        };
        let mut decoded = char::decode_utf16([unit].into_iter().chain(low));
        let character = match decoded.next() {
            Some(Ok(character)) => character,
            _ => {
                self.unit = low;
                char::REPLACEMENT_CHARACTER
            }
        };
        Ok(Some(character))
    }
}

impl<R: Read> Read for Utf16<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            if self.at == self.end {
                let Some(character) = self.character()? else { break };
                (self.at, self.end) = (0, character.encode_utf8(&mut self.character).len());
            }
            let more = (self.end - self.at).min(buffer.len() - filled);
            buffer[filled..filled + more].copy_from_slice(&self.character[self.at..self.at + more]);
            (self.at, filled) = (self.at + more, filled + more);
        }
        Ok(filled)
    }
}
