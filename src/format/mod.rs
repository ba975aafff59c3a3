//! Standard formats: writing what other tools open, and reading what they and other runtimes write.
//!
//! All of it is about [`Profile`](crate::Profile), whose methods the writers are:
//!
//! | format | written by | read | feature |
//! | --- | --- | --- | --- |
//! | `.heapprofile`: Chrome DevTools, VS Code, Node, Deno | [`write_heapprofile`] | yes | `formats` to read |
//! | pprof, and a difference as one: `go tool pprof`, Datadog, Grafana, ... | [`write_pprof`], [`write_pprof_diff`] | yes | `formats` |
//! | speedscope | [`write_speedscope`] | no | |
//! | folded stacks | [`write_folded`] | no | |
//! | flame graph, and that of a difference: SVG | [`write_flamegraph`], [`write_flamegraph_diff`] | no | `formats` |
//! | call graph: Graphviz DOT | [`write_dot`] | no | |
//! | Firefox Profiler | [`write_firefox`] | no | `formats` |
//! | flat and nested JSON of nodes | [`write_nodes`], [`write_nested_nodes`] | yes, those of `sample-heap-allocations` too | `formats` to read |
//! | JSON of a [`Profile`](crate::Profile) | its `Serialize` | yes | `formats` to read |
//!
//! Writers stream: beyond the profile they hold what names there are, a buffer, and where noted
//! more. Formats in which each stack stands in full, and those that need memory, have a limit,
//! which is met before anything is written ([`WriteError::TooLarge`]). They flush the writer at the
//! end. None takes the profile away or changes it: if writing fails, write again elsewhere.
//!
//! Functions stand at their [original](crate::Function::original) place where that is known. pprof
//! and nodes carry the generated one as well, and reading them gives both back; a `.heapprofile`
//! has the generated one alone, as its viewers apply source maps themselves.
//!
//! [`write_heapprofile`]: crate::Profile::write_heapprofile
//! [`write_pprof`]: crate::Profile::write_pprof
//! [`write_pprof_diff`]: crate::Profile::write_pprof_diff
//! [`write_speedscope`]: crate::Profile::write_speedscope
//! [`write_folded`]: crate::Profile::write_folded
//! [`write_flamegraph`]: crate::Profile::write_flamegraph
//! [`write_flamegraph_diff`]: crate::Profile::write_flamegraph_diff
//! [`write_dot`]: crate::Profile::write_dot
//! [`write_firefox`]: crate::Profile::write_firefox
//! [`write_nodes`]: crate::Profile::write_nodes
//! [`write_nested_nodes`]: crate::Profile::write_nested_nodes
//!
//! # Differences
//!
//! A pprof profile can have negative values: it is a
//! [difference](crate::Profile::is_difference), sample type by sample type. pprof carries it
//! with its signs, flame graphs and DOT draw it red and blue. Other formats have no negative
//! values, and writing one is a [`WriteError::Difference`].
//!
//! # Whole numbers
//!
//! Values are estimates, and not whole. Formats that want whole numbers get them rounded such that
//! every running sum, and so the total, is off by less than one half: what is cut off here is added
//! there. (In nodes it is the number of objects of each size that is rounded so; their bytes are
//! its product with the size.)

mod dot;
#[cfg(feature = "formats")]
mod firefox;
#[cfg(feature = "formats")]
mod flamegraph;
mod folded;
mod heapprofile;
mod nesting;
mod nodes;
#[cfg(feature = "formats")]
mod pprof;
#[cfg(feature = "formats")]
mod read;
mod rounding;
mod speedscope;
mod stack_walk;
mod write_error;
mod write_options;

#[cfg(feature = "formats")]
pub use read::{ReadError, ReadOptions, read};
pub use write_error::WriteError;
pub use write_options::WriteOptions;

pub use crate::model::plain_text;
