//! Within which bounds profiles are read, and as what.

use super::limit::Limit;
use crate::model::{Bytes, Counted};

/// How to read profiles.
///
/// ```
/// # #[cfg(feature = "formats")] {
/// use v8_heap_sampler::format::{ReadError, ReadOptions};
/// use v8_heap_sampler::Bytes;
///
/// let deep = "[".repeat(10_000_000);
/// let read = ReadOptions::new().memory_limit(Bytes(1 << 20)).read(deep.as_bytes());
/// assert!(read.is_err());
/// # }
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
        Limit::of(self.memory_limit)
    }
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self::new()
    }
}
