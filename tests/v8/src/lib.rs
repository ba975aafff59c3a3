//! The crate `v8` that the features choose, under its own name: tests, benches, examples and the
//! documentation's examples read as in a program that has one version of it.

#[cfg(all(feature = "v8-150", not(feature = "v8-152")))]
pub use v8_150::*;
#[cfg(feature = "v8-152")]
pub use v8_152::*;
