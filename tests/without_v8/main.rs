//! Tests of what needs no V8, in one binary, which runs without the feature `v8` as well.

mod callgraph;
mod estimates;
mod random_nodes;
#[cfg(feature = "formats")]
mod bad_files;
#[cfg(feature = "formats")]
mod formats;
