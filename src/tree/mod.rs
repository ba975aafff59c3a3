//! Trees of calling contexts as lists spell them out: by ids of nodes, in any order.

mod function_numbers;
mod topology;

pub(crate) use function_numbers::FunctionNumbers;
#[cfg(any(feature = "v8-150", feature = "v8-152", feature = "formats"))]
pub(crate) use topology::IdIndex;
pub(crate) use topology::{NONE, TooMany, Topology, check_count, inverted};
