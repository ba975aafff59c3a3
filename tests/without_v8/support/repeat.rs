//! A text again and again.

use std::io::{self, Read};

pub(crate) struct Repeat {
    text: &'static [u8],
    at: usize,
    left: usize,
}

impl Repeat {
    /// So many bytes of it.
    pub(crate) fn new(text: &'static [u8], bytes: usize) -> Self {
        Self { text, at: 0, left: bytes }
    }
}

impl Read for Repeat {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = buffer.len().min(self.left);
        for byte in &mut buffer[..len] {
            *byte = self.text[self.at];
            self.at = (self.at + 1) % self.text.len();
        }
        self.left -= len;
        Ok(len)
    }
}
