//! How much reading may take.

use super::ReadError;
use crate::model::Bytes;

/// How much memory may be held: so much that all of it can be one list that grows by a quarter, old
/// and new at a time, within what may be taken.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Limit {
    pub(super) bytes: usize,
    /// What may be taken.
    whole: Bytes,
}

impl Limit {
    /// The limit within which so much is taken.
    pub(crate) fn of(whole: Bytes) -> Self {
        Self { bytes: usize::try_from(whole.0).unwrap_or(usize::MAX) / 9 * 4, whole }
    }

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

/// How many bytes the name of a function or script may have, in every format. V8 cuts those of
/// scripts, and not those of functions.
const LONGEST_NAME: usize = 1 << 24;

/// What is wrong with a name of so many bytes, if that is too long.
pub(crate) fn too_long(len: usize) -> Option<String> {
    (len > LONGEST_NAME).then(|| format!("{len} bytes, and {LONGEST_NAME} are supported"))
}

/// How much of a file is read on to see whether it is damaged.
pub(crate) const MOST_TO_CHECK: u64 = 1 << 28;
