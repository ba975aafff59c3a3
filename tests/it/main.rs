//! Integration tests with V8, in one binary: linking V8 takes long.

mod callbacks;
mod collect;
mod guard;
mod oracle;
mod profile;
mod real_program;
#[cfg(feature = "sourcemap")]
mod source_maps;
