//! What to look for.

use crate::analysis::answer::options_from;
use crate::analysis::{GroupBy, Sessions};
use crate::model::SampleType;

/// Options of [`Leaks::find`](super::Leaks::find).
///
/// ```
/// use v8_heap_sampler::analysis::{GroupBy, LeakOptions};
/// let options = LeakOptions::new().by(GroupBy::Package).limit(5);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct LeakOptions {
    pub(crate) sample_type: SampleType,
    pub(crate) by: GroupBy,
    pub(crate) limit: Option<usize>,
    pub(crate) paths: usize,
    pub(crate) false_discovery_rate: f64,
    pub(crate) fold_builtins: bool,
    pub(crate) sessions: Sessions,
}

impl LeakOptions {
    /// The defaults: by function, of the bytes in use.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            sample_type: SampleType::InuseSpace,
            by: GroupBy::Function,
            limit: Some(20),
            paths: 3,
            false_discovery_rate: 0.05,
            fold_builtins: true,
            sessions: Sessions::Detect,
        }
    }

    /// Sets the values that are followed. Default: bytes in use.
    #[must_use]
    pub const fn sample_type(mut self, sample_type: SampleType) -> Self {
        self.sample_type = sample_type;
        self
    }

    /// Sets the key by which values are added up: functions, scripts, packages; not stacks nor labels.
    /// Default: functions.
    #[must_use]
    pub fn by(mut self, by: GroupBy) -> Self {
        self.by = by;
        self
    }

    /// Sets the number of rows to keep at most. Default: 20.
    #[must_use]
    pub fn limit(mut self, rows: impl Into<Option<usize>>) -> Self {
        self.limit = rows.into();
        self
    }

    /// Sets the number of call paths to name for each leak. Default: 3.
    #[must_use]
    pub const fn paths(mut self, paths: usize) -> Self {
        self.paths = paths;
        self
    }

    /// Sets the target false discovery rate, from 0 to 1: the expected fraction of reported leaks
    /// that are not leaks. Default: 0.05.
    #[must_use]
    pub const fn false_discovery_rate(mut self, rate: f64) -> Self {
        self.false_discovery_rate = rate;
        self
    }

    /// Sets whether the allocations of built-in functions such as `push` and `map` count as their
    /// caller's. Default: yes.
    #[must_use]
    pub const fn fold_builtins(mut self, fold: bool) -> Self {
        self.fold_builtins = fold;
        self
    }

    /// Sets whether the snapshots are of one session. Default: detected.
    #[must_use]
    pub const fn sessions(mut self, sessions: Sessions) -> Self {
        self.sessions = sessions;
        self
    }
}

options_from!(LeakOptions);

impl Default for LeakOptions {
    fn default() -> Self {
        Self::new()
    }
}
