//! Tests of what needs no V8, in one binary, which is built without V8 as well.

mod analysis;
#[cfg(feature = "formats")]
mod answers;
#[cfg(feature = "formats")]
mod bad_files;
mod calibration;
mod callgraph;
#[cfg(feature = "formats")]
mod corpus;
#[cfg(feature = "formats")]
mod differences;
mod estimates;
#[cfg(feature = "formats")]
mod foreign;
#[cfg(feature = "formats")]
mod formats;
mod leaks;
#[cfg(feature = "formats")]
mod limits;
#[cfg(feature = "formats")]
mod plain;
#[cfg(feature = "formats")]
mod pprof_messages;
mod random_nodes;
#[cfg(feature = "formats")]
mod read_values;
#[cfg(feature = "formats")]
mod repeat;
mod source;
#[cfg(feature = "sourcemap")]
mod source_maps;
mod stacks;
