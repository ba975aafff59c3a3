//! Why a file cannot be read.

use std::io;

use crate::model::{Bytes, ProfileError, plain_text};
use crate::profile::Profile;
use crate::tree::TooMany;

/// A reason why a profile cannot be read.
///
/// Places in JSON are byte offsets from the start of the text, uncompressed; places in pprof are
/// fields of `profile.proto`. Fields of the errors hold a file's text as it is; what they
/// display is [`plain_text`].
///
/// ```
/// use v8_heap_sampler::format::{self, ReadError};
///
/// let cut = br#"{"head":{"callFrame":{"functionName":"(root)","#;
/// let error = format::read(&cut[..]).unwrap_err();
/// assert!(matches!(error, ReadError::Json { offset: 46, .. }), "{error:?}");
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The reader failed, or compressed data is damaged or cut.
    #[error("reading failed: {0}")]
    Io(#[from] io::Error),

    /// The input is no profile of a format that this crate reads.
    #[error("not a profile that can be read: {}", plain_text(found))]
    UnknownFormat {
        /// What was found instead.
        found: String,
    },

    /// The text is not JSON, or ends too early.
    #[error("byte {offset}: {}", plain_text(problem))]
    Json {
        /// Where, in bytes from the start of the text.
        offset: u64,
        /// What is wrong.
        problem: String,
    },

    /// A JSON value has the wrong type or is out of bounds, or a field is missing.
    #[error("byte {offset}: {}: {}", plain_text(field), plain_text(problem))]
    Field {
        /// Where, in bytes from the start of the text.
        offset: u64,
        /// Which field.
        field: String,
        /// What is wrong.
        problem: String,
    },

    /// A field of a pprof profile is wrong.
    #[error("{}: {}", plain_text(field), plain_text(problem))]
    Pprof {
        /// Which field of `profile.proto`, with its place in the list: `sample[3].location_id[0]`.
        field: String,
        /// What is wrong.
        problem: String,
    },

    /// Nodes, samples and options do not make a profile.
    #[error(transparent)]
    Profile(#[from] ProfileError),

    /// The values add up to more than numbers can say exactly.
    #[error("the values add up to {total}: at most 2^53 bytes or objects are supported")]
    TooMuch {
        /// What they add up to, as far as they were read.
        total: Bytes,
    },

    /// Reading on would take more memory than the limit allows.
    #[error(
        "the profile needs more than the limit of {limit}: raise it with ReadOptions::memory_limit \
         if the file can be trusted"
    )]
    MemoryLimit {
        /// The limit that was set.
        limit: Bytes,
    },
}

impl ReadError {
    /// Sums beyond what numbers can say exactly are refused.
    pub(crate) fn check_total(total: f64) -> Result<(), Self> {
        if total <= Profile::MOST as f64 {
            return Ok(());
        }
        Err(Self::TooMuch { total: Bytes(total as u64) })
    }
}

impl From<TooMany> for ReadError {
    fn from(too_many: TooMany) -> Self {
        Self::Profile(too_many.into())
    }
}
