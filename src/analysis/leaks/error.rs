//! Why leaks cannot be looked for.

use crate::model::SampleType;
use crate::profile::NoSuchValues;

/// Why leaks cannot be looked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LeakError {
    /// Growth that goes on is seen from three snapshots on.
    #[error("{snapshots} snapshots are too few to tell a leak: take three or more, better ten")]
    TooFew {
        /// How many there are.
        snapshots: usize,
    },
    /// A snapshot was taken before the one in front of it.
    #[error("snapshot {at} was taken before the one in front of it: pass them in order")]
    Order {
        /// Which, from 1.
        at: usize,
    },
    /// Leaks are not followed by label.
    #[error(
        "leaks are followed by function, script or package, not by label: focus on one instead"
    )]
    Labels,
    /// A snapshot is no snapshot, but a [difference](crate::Profile::is_difference).
    #[error(
        "snapshot {at}: {sample_type} is a difference of two profiles: pass profiles of the whole \
         heap, each of one moment"
    )]
    Difference {
        /// Which, from 1.
        at: usize,
        /// The values.
        sample_type: SampleType,
    },
    /// A snapshot does not have the values.
    #[error("snapshot {at}: {error}")]
    NoSuchValues {
        /// Which, from 1.
        at: usize,
        /// What it has.
        error: NoSuchValues,
    },
}
