//! Tests of what needs no V8, in one binary, which is built without V8 as well.
//!
//! Each room of the library has a module here, and within it each subject; what takes long, how
//! often statistics are right, is `tests/calibration`.
//!
//! | room of the library | here |
//! | --- | --- |
//! | `analysis` | `analysis`: `top`, `tree`, `hot_path`, `peek`, `query`, `cycles`, `dominators`, `diff`, `leaks` |
//! | `estimate` | `estimate`: values, intervals, the detection limit |
//! | `format` | `format`: by format; `bad_files` and `corpus` of readers, `limits` of writers, `foreign` of other programs' files |
//! | `graph` | `graph`: weights, cycles |
//! | `profile` | `profile`: contexts, samples, parts of them, merging |
//! | `source` | `source`: places and listings; `maps` |
//! | `tree` | `tree`: lists of nodes that are none |
//! | all | `differences`: values with a sign; `plain`: texts of files in answers, errors and lines |

mod analysis;
#[cfg(feature = "formats")]
mod differences;
mod estimate;
#[cfg(feature = "formats")]
mod format;
mod graph;
#[cfg(feature = "formats")]
mod plain;
mod profile;
mod source;
mod support;
mod tree;
