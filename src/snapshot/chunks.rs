//! Reads a snapshot while V8 writes it.

use std::io::{self, BufReader, Read};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use super::columns::HeapSnapshot;

/// The size of the parts that are handed on, in bytes. V8's own have 1 KiB.
const CHUNK: usize = 64 * 1024;

/// The number of parts that wait at most.
const WAITING: usize = 8;

impl HeapSnapshot {
    /// The snapshot that `write` hands over in chunks, to a function that says whether to go on.
    /// No more than half a megabyte of the JSON is there at a time: another thread reads it.
    ///
    /// # Errors
    ///
    /// A text that says why it cannot be read.
    pub(crate) fn of_chunks(
        write: impl FnOnce(&mut dyn FnMut(&[u8]) -> bool),
    ) -> Result<Self, String> {
        let (sender, receiver) = sync_channel::<Vec<u8>>(WAITING);
        thread::scope(|scope| {
            let read = move || Self::read(BufReader::with_capacity(CHUNK, Chunks::new(receiver)));
            let reader = thread::Builder::new().name("heap snapshot".to_owned());
            let reader = reader.spawn_scoped(scope, read);
            let reader = reader.map_err(|error| format!("a thread to read it on: {error}"))?;
            let mut part = Vec::with_capacity(CHUNK);
            // If nobody receives, reading has failed, and says why below.
            let mut send = |bytes: &[u8]| {
                part.extend_from_slice(bytes);
                if part.len() < CHUNK {
                    return true;
                }
                sender.send(std::mem::replace(&mut part, Vec::with_capacity(CHUNK))).is_ok()
            };
            write(&mut send);
            let _ = sender.send(part);
            drop(sender);
            reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

/// What comes from another thread.
struct Chunks {
    receiver: Receiver<Vec<u8>>,
    chunk: Vec<u8>,
    /// The bytes of the chunk that were read.
    read: usize,
}

impl Chunks {
    fn new(receiver: Receiver<Vec<u8>>) -> Self {
        Self { receiver, chunk: Vec::new(), read: 0 }
    }
}

impl Read for Chunks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.read == self.chunk.len() {
            let Ok(chunk) = self.receiver.recv() else { return Ok(0) };
            (self.chunk, self.read) = (chunk, 0);
        }
        let rest = &self.chunk[self.read..];
        let n = rest.len().min(buffer.len());
        buffer[..n].copy_from_slice(&rest[..n]);
        self.read += n;
        Ok(n)
    }
}
