//! Reasons why nodes and samples make no profile.

use crate::model::{NodeId, SampleId};
use crate::tree::NodesError;

/// A reason why nodes, samples and options make no [`Profile`](crate::Profile).
///
/// ```
/// use v8_heap_sampler::{Node, NodeId, Profile, Sample, SampleId, SamplerOptions};
///
/// let sample = Sample::new(NodeId(7), 64, SampleId(1), true);
/// let nodes = [Node::new(NodeId(1), "(root)")];
/// let error = Profile::from_samples(&nodes, [sample], &SamplerOptions::new()).unwrap_err();
/// assert_eq!(error.to_string(), "sample 1 was allocated by node 7, which is not in the profile");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// The interval is 0, of which no estimate can be made.
    #[error("the sampling interval is 0 bytes: the profile was not sampled")]
    Interval,

    /// The nodes do not form a tree.
    #[error(transparent)]
    Nodes(#[from] NodesError),

    /// A sample names a node that is not there.
    #[error("sample {sample_id} was allocated by node {node_id}, which is not in the profile")]
    UnknownNode {
        /// The sample.
        sample_id: SampleId,
        /// The node that it names.
        node_id: NodeId,
    },

    /// A sample is of an object without a size.
    #[error("sample {sample_id} is of 0 bytes, and no object is")]
    NoSize {
        /// The sample.
        sample_id: SampleId,
    },

    /// A sample is of a dead object, though none was kept.
    #[error(
        "sample {sample_id} is of an object that has died, and by the options no such sample was \
         kept"
    )]
    DeadSample {
        /// The sample.
        sample_id: SampleId,
    },

    /// The estimates add up to more than numbers can say exactly.
    #[error("the samples stand for more than 2^53 bytes in all")]
    TooMuch,

    /// Two samples have the same number.
    #[error("two samples have the number {sample_id}")]
    DuplicateSample {
        /// The number.
        sample_id: SampleId,
    },
}
