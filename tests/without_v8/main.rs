//! Tests of what needs no V8, in one binary, which is built without V8 as well.
//!
//! Each room of the library has a module here, and within it each subject; what takes long, how
//! often statistics are right, is `tests/calibration`.
//!
//! - `analysis`: `top`, `tree`, `hot_path`, `peek`, `query`, `cycles`, `dominators`,
//!   `common_caller`, `diff`, `leaks`, `every_answer`.
//! - `budget`: amounts, messages, serde.
//! - `estimate`: values, intervals, the detection limit.
//! - `format`: by format; `bad_files` and `corpus` of readers, `limits` of writers, `foreign` of
//!   other programs' files.
//! - `graph`: weights, cycles.
//! - `merge`: sums of profiles, in any order.
//! - `model`: functions, nodes, and their JSON.
//! - `profile`: contexts, samples, parts of them.
//! - `source`: texts and listings; `maps`.
//! - `tree`: lists of nodes that are none.
//!
//! Of all rooms are `differences`, values with a sign, and `plain`, texts of files in answers,
//! errors and lines; `public_types` is what all types can do.

mod analysis;
mod budget;
#[cfg(feature = "formats")]
mod differences;
mod estimate;
#[cfg(feature = "formats")]
mod format;
mod graph;
mod merge;
mod model;
#[cfg(feature = "formats")]
mod plain;
mod profile;
mod public_types;
mod source;
mod support;
mod tree;
