//! What the samples stand for, and how sure that is.
//!
//! V8 samples an object of `s` bytes with probability `p = 1 - exp(-s / interval)`, independently
//! of every other: the distance to the next sample is exponential, and that distribution forgets.
//! So `n` samples of one size stand for `n / p` objects (the estimator of Horvitz and Thompson,
//! *Journal of the American Statistical Association* 47, 1952), and everything larger is a sum over
//! contexts and sizes.

mod display;
#[expect(clippy::module_inception, reason = "the room is named for its one type")]
mod estimate;
mod interval;
mod overhead;
mod precision;
mod sum;

pub use estimate::{Estimate, Uncertainty};
pub use interval::{Confidence, ConfidenceInterval};
pub use overhead::Overhead;
pub use precision::Precision;
pub(crate) use sum::{Sum, objects_per_sample};
