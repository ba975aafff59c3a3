//! Decompresses gzip.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

/// What gzip has compressed, in any number of parts. Zeros after a part are padding, as they are to
/// `gzip` itself: tapes and blocks are filled up so.
pub(crate) struct Gunzip<R> {
    /// `None` once all is read, or reading has failed.
    part: Option<GzDecoder<R>>,
}

impl<R: BufRead> Gunzip<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self { part: Some(GzDecoder::new(reader)) }
    }
}

impl<R: BufRead> Read for Gunzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(part) = &mut self.part {
            let read = part.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            let Some(part) = self.part.take() else { break };
            let mut reader = part.into_inner();
            if skip_zeros(&mut reader)? {
                self.part = Some(GzDecoder::new(reader));
            }
        }
        Ok(0)
    }
}

/// Skips zeros; whether something comes after them.
fn skip_zeros(reader: &mut impl BufRead) -> io::Result<bool> {
    loop {
        let held = match reader.fill_buf() {
            Ok(held) => held,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let zeros = held.iter().take_while(|&&byte| byte == 0).count();
        let (is_end, is_more) = (held.is_empty(), zeros < held.len());
        reader.consume(zeros);
        if is_end || is_more {
            return Ok(is_more);
        }
    }
}
