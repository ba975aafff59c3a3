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
//! | what has changed? | [`diff()`] |
//! | what leaks? | [`leaks()`] |
//!
//! Every number is an [`Estimate`](crate::Estimate), which knows how sure it is.
//! All answers can be written by serde, and displayed as text.
//!
//! A profile that is a [difference](crate::Profile::is_difference) is answered about with
//! signs, the largest change first, up or down; shares and intervals make no sense of it, and there
//! are none.
//!
//! Functions are the same if their names and places are: the name of the script, line and column,
//! the original ones where these are known. Ids of scripts, which differ from session to session
//! and from load to load, do not count where a script has a name.

mod bottom_up;
mod change;
mod cycles;
mod diff;
mod dominators;
mod group;
mod hot_path;
mod joined;
mod leaks;
mod package;
mod pattern;
mod peek;
mod query;
mod share;
mod shared;
mod sides;
mod significance;
mod table;
mod top;
mod tree;
mod trend;

pub use change::Change;
pub use cycles::{Cycle, Cycles};
pub use diff::{Diff, DiffBy, DiffOptions, DiffRow, diff};
pub use dominators::{Dominator, Dominators};
pub use group::GroupBy;
pub use hot_path::{HotPath, HotStep};
pub use leaks::{Leak, LeakOptions, LeakPath, Leaks, Rate, RateUnit, leaks};
pub use pattern::Pattern;
pub use peek::{Peek, PeekedCall, PeekedFunction};
pub use query::{Query, Recursion};
pub use shared::Sessions;
pub(crate) use table::Table;
pub use top::{Metric, Top, TopOptions, TopRow};
pub use tree::{Direction, Tree, TreeOptions, TreeRow};
