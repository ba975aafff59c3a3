//! Integration tests with V8, in one binary: linking V8 takes long.

#![cfg(any(feature = "v8-150", feature = "v8-152"))]

mod callbacks;
#[path = "../child/mod.rs"]
mod child;
mod collect;
mod guard;
mod heap_limit;
mod oracle;
mod profile;
mod real_program;
mod remote;
mod session;
#[cfg(feature = "sourcemap")]
mod source_maps;
mod v8_flags;
