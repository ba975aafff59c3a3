//! What to look for.

use crate::analysis::{GroupBy, Sessions};
use crate::model::SampleType;

/// What [`leaks`](super::leaks) looks for.
///
/// ```
/// use v8_heap_sampler::analysis::{GroupBy, LeakOptions};
/// let options = LeakOptions::new().by(GroupBy::Package).count(5);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LeakOptions {
    /// Which value. Default: bytes in use.
    pub sample_type: SampleType,
    /// By what it is added up: functions, scripts, packages; not by label. Default: by function.
    pub by: GroupBy,
    /// How many rows to keep. Default: 20.
    pub count: usize,
    /// How many call paths to name for each leak. Default: 3.
    pub paths: usize,
    /// How large a part of the leaks found may be none, on average, from 0 to 1. Default: 0.05.
    pub false_discovery_rate: f64,
    /// Whether what built-in functions such as `push` and `map` allocate counts as allocated by the
    /// function that called them. Default: yes.
    pub fold_builtins: bool,
    /// Whether the snapshots are of one session. Default: found out.
    pub sessions: Sessions,
}

impl LeakOptions {
    /// By function, of the bytes in use.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            sample_type: SampleType::InuseSpace,
            by: GroupBy::Function,
            count: 20,
            paths: 3,
            false_discovery_rate: 0.05,
            fold_builtins: true,
            sessions: Sessions::Detect,
        }
    }

    /// Sets [`sample_type`](#structfield.sample_type).
    #[must_use]
    pub const fn sample_type(mut self, sample_type: SampleType) -> Self {
        self.sample_type = sample_type;
        self
    }

    /// Sets [`by`](#structfield.by).
    #[must_use]
    pub fn by(mut self, by: GroupBy) -> Self {
        self.by = by;
        self
    }

    /// Sets [`count`](#structfield.count).
    #[must_use]
    pub const fn count(mut self, rows: usize) -> Self {
        self.count = rows;
        self
    }

    /// Sets [`paths`](#structfield.paths).
    #[must_use]
    pub const fn paths(mut self, paths: usize) -> Self {
        self.paths = paths;
        self
    }

    /// Sets [`false_discovery_rate`](#structfield.false_discovery_rate).
    #[must_use]
    pub const fn false_discovery_rate(mut self, rate: f64) -> Self {
        self.false_discovery_rate = rate;
        self
    }

    /// Sets [`fold_builtins`](#structfield.fold_builtins).
    #[must_use]
    pub const fn fold_builtins(mut self, fold: bool) -> Self {
        self.fold_builtins = fold;
        self
    }

    /// Sets [`sessions`](#structfield.sessions).
    #[must_use]
    pub const fn sessions(mut self, sessions: Sessions) -> Self {
        self.sessions = sessions;
        self
    }
}

impl Default for LeakOptions {
    fn default() -> Self {
        Self::new()
    }
}
