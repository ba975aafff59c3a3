//! What the tests share: random profiles, what is true of them by brute force, and messages of
//! pprof.

#[cfg(feature = "formats")]
pub(crate) mod answers;
#[cfg(feature = "formats")]
pub(crate) mod pprof_messages;
pub(crate) mod random_nodes;
#[cfg(feature = "formats")]
pub(crate) mod repeat;
pub(crate) mod sampled;
pub(crate) mod sessions;
pub(crate) mod stacks;
