//! Reasons why an answer cannot be given.

use super::{SampleType, plain_text};

/// A reason why a profile, or several, cannot be asked what they are asked.
///
/// The profiles are untouched.
///
/// ```
/// # use v8_heap_sampler::{Node, NodeId, Profile, SampleType, SamplerOptions};
/// use v8_heap_sampler::AnalysisError;
///
/// # let nodes = [Node::new(NodeId(1), "(root)")];
/// let profile = Profile::from_samples(&nodes, [], &SamplerOptions::new())?;
/// let error = profile.top(SampleType::AllocSpace).unwrap_err();
/// assert!(matches!(error, AnalysisError::NoSuchValues { dead_not_kept: true, .. }));
/// assert!(error.to_string().contains("KeepDead::Both"), "{error}");
/// # Ok::<(), v8_heap_sampler::ProfileError>(())
/// ```
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AnalysisError {
    /// The profile does not have the values that are asked for.
    #[error("the profile has no {wanted}: {}it has {}", hint(*dead_not_kept), listed(has))]
    NoSuchValues {
        /// The sample type that was asked for.
        wanted: SampleType,
        /// The sample types that there are.
        has: Vec<SampleType>,
        /// Whether it was sampled without the samples of dead objects, so that nobody knows what was
        /// allocated.
        dead_not_kept: bool,
    },

    /// The source does not tell how sure the values are, so that no limit can be checked.
    #[error(
        "the profile does not tell how sure its {sample_type} is: it lacks the sampling interval \
         (Metadata::interval) or the sizes of objects (pprof has them with \
         WriteOptions::object_sizes), or holds a difference"
    )]
    Unsure {
        /// The values.
        sample_type: SampleType,
    },

    /// There are no profiles to merge.
    #[error("no profile to merge")]
    NothingToMerge,

    /// There is no sample type that all profiles to merge have.
    #[error("the profiles have no sample type in common")]
    NothingInCommon,

    /// The values of all profiles add up to more than numbers can say exactly.
    #[error("the profiles add up to more than 2^53 {sample_type}")]
    TooMuch {
        /// The values.
        sample_type: SampleType,
    },

    /// The answer has more contexts than the crate can number.
    #[error("{count} contexts: fewer than {} are supported", u32::MAX)]
    TooMany {
        /// The number of contexts.
        count: usize,
    },

    /// The snapshots are too few: growth that goes on is seen from three on.
    #[error("{snapshots} snapshots are too few to tell a leak: take three or more, better ten")]
    TooFewSnapshots {
        /// The number of snapshots.
        snapshots: usize,
    },

    /// A snapshot was taken before the one in front of it.
    #[error("snapshot {at} was taken before the one in front of it: pass them in order")]
    SnapshotOrder {
        /// The place of the snapshot, from 1.
        at: usize,
    },

    /// A snapshot cannot be asked.
    #[error("snapshot {at}: {error}")]
    Snapshot {
        /// The place of the snapshot, from 1.
        at: usize,
        /// The reason.
        error: Box<AnalysisError>,
    },

    /// The profile is a [difference](crate::Profile::is_difference), where one of a moment is needed.
    #[error(
        "{sample_type} is a difference of two profiles: pass profiles of the whole heap, each of one \
         moment"
    )]
    Difference {
        /// The values.
        sample_type: SampleType,
    },

    /// Leaks are not followed by stack or label.
    #[error(
        "leaks are followed by function, script, directory or package, not by {}",
        plain_text(by)
    )]
    LeaksBy {
        /// The key that was asked for.
        by: String,
    },

    /// A pattern is no regular expression.
    #[error("{}", plain_text(problem))]
    Pattern {
        /// The problem, and its place in the pattern.
        problem: String,
    },

    /// A confidence level does not lie between 0 and 1, or too near to 1.
    #[error("confidence level {level}: it must lie between 0 and 0.999999999, as 0.95 does")]
    Confidence {
        /// The level that was asked for.
        level: f64,
    },

    /// A precision, or the share of the whole that it is wanted for, is none.
    #[error(
        "a precision of {relative} for a share of {share}: both must be more than 0, and 1 at most"
    )]
    Precision {
        /// The precision that was asked for.
        relative: f64,
        /// The share.
        share: f64,
    },

    /// A budget of overhead is no share of the time.
    #[error("an overhead of {share}: it must be more than 0, and 1 at most, as 0.01 is for 1 %")]
    Overhead {
        /// The share that was asked for.
        share: f64,
    },

    /// A name is none of the four sample types.
    #[error(
        "\"{}\" is no sample type: there are alloc_objects, alloc_space, inuse_objects and inuse_space",
        plain_text(name)
    )]
    UnknownSampleType {
        /// The name.
        name: String,
    },

    /// A name is nothing to group by.
    #[error(
        "\"{}\" is nothing to group by: there are function, name, script, directory, package, stack \
         and label:KEY",
        plain_text(name)
    )]
    UnknownGroup {
        /// The name.
        name: String,
    },
}

impl AnalysisError {
    /// The same of a snapshot, by its place from 1.
    pub(crate) fn of_snapshot(self, at: usize) -> Self {
        Self::Snapshot { at, error: Box::new(self) }
    }
}

fn hint(dead_not_kept: bool) -> &'static str {
    if dead_not_kept {
        "the samples of dead objects were not kept (KeepDead::Both keeps them); "
    } else {
        ""
    }
}

/// Sample types as a text.
fn listed(types: &[SampleType]) -> String {
    match types {
        [] => "no values at all".to_owned(),
        _ => types.iter().map(|sample_type| sample_type.name()).collect::<Vec<_>>().join(", "),
    }
}
