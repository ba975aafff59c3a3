//! Within which bounds profiles are read, and as what.

use super::limit::Limit;
use crate::model::{Bytes, Counted};

/// Options of reading profiles.
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
pub struct ReadOptions {
    pub(crate) memory_limit: Bytes,
    pub(crate) unnamed: Counted,
    pub(crate) call_lines: bool,
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

    pub(crate) fn limit(&self) -> Limit {
        Limit::of(self.memory_limit)
    }
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self::new()
    }
}
