//! The source text behind a profile: which original function a compiled or minified one was, and
//! listings of the lines where functions start.
//!
//! Nothing here needs V8: it works on a [`Profile`](crate::Profile) from any reader. Where the
//! text of scripts and their source maps come from is for a [`SourceProvider`] to say: what the
//! embedder has in memory ([`MemorySources`]), files ([`FileSources`]), one after the other (a pair
//! of providers), or something of its own.
//!
//! - [`Profile::map_sources`](crate::Profile::map_sources) applies source maps (feature
//!   `sourcemap`).
//! - [`Profile::listing`](crate::Profile::listing) shows source lines with what the functions
//!   that start there allocated, as `pprof -list` does; [`Listing::new`] with costs of any type.

#[cfg(feature = "sourcemap")]
mod comments;
mod files;
mod listing;
#[cfg(feature = "sourcemap")]
mod map;
#[cfg(feature = "sourcemap")]
mod map_sources;
mod memory;
#[cfg(feature = "sourcemap")]
mod names;
mod provider;
#[cfg(feature = "sourcemap")]
mod report;
mod text;
mod urls;

pub use files::FileSources;
pub use listing::{ListOptions, ListedFile, ListedFunction, ListedLine, Listing};
pub use memory::MemorySources;
pub use provider::{Script, SourceProvider};
#[cfg(feature = "sourcemap")]
pub use report::{MapReport, ScriptReport};
