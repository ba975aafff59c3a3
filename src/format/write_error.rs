//! Why a profile cannot be written.

use std::io;

use crate::model::{AnalysisError, Bytes, SampleType, plain_text};

/// A reason why a profile cannot be written.
///
/// The profile is untouched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The writer failed.
    #[error("writing failed: {0}")]
    Io(#[from] io::Error),

    /// The profile does not have the values that are to be written.
    #[error(transparent)]
    Profile(#[from] AnalysisError),

    /// The format needs to know how large single objects are, and the profile does not.
    #[error(
        "nodes list objects by their size, which the profile does not know: a .heapprofile carries \
         none, and pprof only if it was written with them (WriteOptions::object_sizes)"
    )]
    NoSizes,

    /// The format has no negative values, and those of the profile are a
    /// [difference](crate::Profile::is_difference).
    #[error(
        "{format}: {sample_type} is a difference, and the format has no negative values: write a \
         flame graph, DOT or pprof instead"
    )]
    Difference {
        /// The format.
        format: &'static str,
        /// The values.
        sample_type: SampleType,
    },

    /// Writing would take more memory than it may, or make a larger file. Nothing has been written.
    ///
    /// In some formats each stack is written out in full, so that what is written grows with the
    /// square of the depth.
    #[error(
        "{format}: that would take {needed} or more, and the limit is {limit}: make stacks \
         shorter or fewer (Profile::query: collapse_recursion, prune_below, trim), or raise the limit \
         (WriteOptions::limit)"
    )]
    TooLarge {
        /// The format.
        format: &'static str,
        /// The memory or room that is needed at least.
        needed: Bytes,
        /// The limit that was set.
        limit: Bytes,
    },

    /// A library that writes the format gave up.
    #[error("{format}: {}", plain_text(problem))]
    Format {
        /// The format.
        format: &'static str,
        /// What the library says.
        problem: String,
    },
}

impl WriteError {
    /// Refuses what needs more memory or room than the limit.
    pub(super) fn check_limit(format: &'static str, needed: u64, limit: Bytes) -> Result<(), Self> {
        let needed = Bytes(needed);
        if needed <= limit { Ok(()) } else { Err(Self::TooLarge { format, needed, limit }) }
    }
}
