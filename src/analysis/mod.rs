//! Answers: tables, trees, queries and comparisons of heap profiles.
//!
//! All of it is about [`Profile`](crate::Profile), wherever it comes from, and needs no V8:
//!
//! | question | answer |
//! | --- | --- |
//! | which functions, scripts, packages allocate most? | [`top`](crate::Profile::top) |
//! | where does it go from the outside in? | [`top_down`](crate::Profile::top_down), [`hot_path`](crate::Profile::hot_path) |
//! | who calls what allocates? | [`bottom_up`](crate::Profile::bottom_up) |
//! | what of one function? | [`peek`](crate::Profile::peek) |
//! | which single function does all of this pass through? | [`dominators`](crate::Profile::dominators) |
//! | what does recursion hold? | [`cycles`](crate::Profile::cycles) |
//! | and without that library, from this function on? | [`Query`] |
//! | what has changed? | [`diff`](crate::Profile::diff) |
//! | what leaks? | [`Leaks::find`] |
//!
//! Every number is an [`Estimate`](crate::Estimate), which knows how sure it is.
//! All answers can be displayed as text, and written and read by serde.
//!
//! A profile that is a [difference](crate::Profile::is_difference) is answered about with
//! signs, the largest change first, up or down; shares and intervals make no sense of it, and there
//! are none.
//!
//! Functions are the same if their names and places are: the name of the script, line and column,
//! the original ones where these are known. Ids of scripts, which differ from session to session
//! and from load to load, do not count where a script has a name.

mod answer;
mod bottom_up;
mod change;
mod cycles;
mod diff;
mod dominators;
mod group;
mod leaks;
mod package;
mod pattern;
mod peek;
mod query;
mod shared;
mod sides;
mod significance;
mod stacks;
mod top;
mod tree;

pub use change::Change;
pub use cycles::{Cycle, Cycles};
pub use diff::{Diff, DiffOptions, DiffRow};
pub use group::GroupBy;
pub use leaks::{Leak, LeakOptions, LeakPath, Leaks, Rate};
pub use pattern::Pattern;
pub use peek::{Peek, PeekedCall, PeekedFunction};
pub use query::{Query, Recursion};
pub use shared::Sessions;
pub use top::{Metric, Top, TopOptions, TopRow};
pub use tree::{Tree, TreeKind, TreeOptions, TreeRow};
