//! What was found near the heap limit, and how it is shown.

use std::fmt;

use super::options::AtLimit;
use crate::analysis::{DiffOptions, LeakOptions, Leaks, Pattern, Query, TopOptions};
use crate::format::WriteError;
use crate::model::{Bytes, Error, HeapStatistics, SampleType};
use crate::profile::Profile;

/// The reason for which a monitor has acted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LimitCause {
    /// A garbage collection has left more than the [share](super::HeapLimitOptions::share) of the
    /// limit in use.
    Share,
    /// V8 has reached the limit.
    Limit,
    /// More is off the heap than the [limit](super::HeapLimitOptions::external_limit) for that.
    External,
}

/// The report of a monitor that has acted: who has filled the heap, and from when on.
///
/// Displayed as a few lines: what happened, who has most in use, and what has grown.
#[derive(Debug)]
#[non_exhaustive]
pub struct HeapLimitReport {
    /// The reason why the monitor acted.
    pub cause: LimitCause,
    /// The action that follows: whether the script was terminated, and by whom.
    pub action: AtLimit,
    /// The heap as a whole, at that moment: V8's counters.
    pub heap: HeapStatistics,
    /// The limit of the old generation, as V8 told it or as far as it tells.
    pub old_generation_limit: Bytes,
    /// Bytes in use in the old generation.
    pub old_generation_used: Bytes,
    /// The profile at that moment, of live objects; or why there is none, such as
    /// [`Error::NotSampling`].
    pub profile: Result<Profile, Error>,
    /// Profiles of the time before, the oldest first.
    pub history: Vec<Profile>,
    /// What became of the file; `None` if none was to be written.
    pub file: Option<Result<(), WriteError>>,
}

/// The rows that are shown of each table.
const SHOWN: usize = 10;

impl HeapLimitReport {
    /// The profiles in the order in which they were taken, the one near the limit last: for
    /// [`Leaks::find`](crate::analysis::Leaks::find), and first and last for [`Profile::diff`].
    pub fn snapshots(&self) -> impl DoubleEndedIterator<Item = &Profile> {
        self.history.iter().chain(&self.profile)
    }
}

impl fmt::Display for LimitCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Share => "near the heap limit",
            Self::Limit => "at the heap limit",
            Self::External => "over the limit off the heap",
        })
    }
}

impl fmt::Display for HeapLimitReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (used, limit) = (self.old_generation_used, self.old_generation_limit);
        write!(f, "{}: {used} of {limit} in use", self.cause)?;
        write!(f, ", and {} off the heap; ", self.heap.external)?;
        writeln!(
            f,
            "{}",
            match self.action {
                AtLimit::Grant => "the heap may grow by its ceiling",
                AtLimit::Terminate => "the script was terminated",
                AtLimit::Die => "V8 goes on without help",
            }
        )?;
        if let Err(error) = &self.profile {
            writeln!(f, "no profile of that moment: {error}")?;
        }
        if let Some(Err(error)) = &self.file {
            writeln!(f, "no file: {error}")?;
        }
        let sample_type = SampleType::InuseSpace;
        let mut snapshots = self.snapshots();
        let Some(last) = snapshots.next_back() else { return Ok(()) };
        // What a built-in function has made is its caller's, as it is in what leaks.
        let folded = last.query(&Query::new().hide(Pattern::builtin()));
        let top = folded.and_then(|folded| folded.top(TopOptions::new(sample_type).limit(SHOWN)));
        if let Ok(top) = top {
            write!(f, "\n{top}")?;
        }
        let Some(first) = snapshots.next() else { return Ok(()) };
        if let Ok(leaks) = Leaks::find(self.snapshots(), LeakOptions::new().limit(SHOWN)) {
            write!(f, "\n{leaks}")
        } else if let Ok(diff) = last.diff(first, DiffOptions::new(sample_type).limit(SHOWN)) {
            write!(f, "\n{diff}")
        } else {
            Ok(())
        }
    }
}
