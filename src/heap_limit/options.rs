//! The options of a heap-limit monitor.

use std::fmt;
use std::io::Write;
use std::path::PathBuf;

use super::file::ProfileFile;
use super::report::HeapLimitReport;
use crate::format::WriteError;
use crate::model::{Bytes, Error, Result};
use crate::profile::{Label, Profile};

/// The action near the heap limit, once the profile has been taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AtLimit {
    /// Grants the heap its [ceiling](HeapLimitOptions::ceiling), when it reaches the limit. When it
    /// reaches that too, V8 asks the embedder's callback, if there is one, or ends the process.
    #[default]
    Grant,
    /// Terminates the script (`v8::Isolate::terminate_execution`), and grants the ceiling for it to
    /// end in. The embedder sees an exception that is `null` and that JavaScript cannot catch: the
    /// [report](HeapLimitReport) says that it was this. If no script runs, the next one is
    /// terminated.
    Terminate,
    /// Lets V8 go on as if there were no monitor: it asks the embedder's callback, if there is one,
    /// or ends the process. Of the [ceiling](HeapLimitOptions::ceiling) it has what it took to take
    /// the profile, and an eighth more.
    Die,
}

/// The function that a report is given to.
type Handler = Box<dyn FnMut(&HeapLimitReport) + Send>;

/// Options of a [`HeapLimitMonitor`](super::HeapLimitMonitor): when it acts, what it does, and where
/// the profile goes.
///
/// ```
/// use v8_heap_sampler::heap_limit::{AtLimit, HeapLimitOptions};
/// use v8_heap_sampler::{Bytes, Label};
///
/// let options = HeapLimitOptions::new()
///     .at_limit(AtLimit::Terminate)
///     .share(0.9)
///     .external_limit(Bytes(256 << 20))
///     .label(Label::text("tenant", "42"))
///     .write_to("/var/crash/tenant-42.heapprofile", |profile, out| {
///         profile.write_heapprofile(out, "")
///     })
///     .on_report(|report| eprintln!("{report}"));
/// ```
pub struct HeapLimitOptions {
    pub(super) at_limit: AtLimit,
    pub(super) share: f64,
    pub(super) ceiling: Option<Bytes>,
    pub(super) external_limit: Option<Bytes>,
    pub(super) history: (usize, Bytes),
    pub(super) labels: Vec<Label>,
    pub(super) file: Option<ProfileFile>,
    pub(super) handler: Option<Handler>,
}

impl Default for HeapLimitOptions {
    fn default() -> Self {
        Self {
            at_limit: AtLimit::Grant,
            share: 0.85,
            ceiling: None,
            external_limit: None,
            history: (8, Bytes(16 << 20)),
            labels: Vec::new(),
            file: None,
            handler: None,
        }
    }
}

impl HeapLimitOptions {
    /// The defaults: acts at 85 % of the limit, and grants one young generation; a history of 8
    /// profiles and 16 MiB; the report is left in the monitor.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets what is done once the profile has been taken. Default: [`AtLimit::Grant`].
    #[must_use]
    pub fn at_limit(mut self, at_limit: AtLimit) -> Self {
        self.at_limit = at_limit;
        self
    }

    /// Sets the share of the old generation's limit, up to 1, that must be in use after a garbage
    /// collection for the monitor to act. Default: 0.85.
    ///
    /// V8 tells that limit only when it is reached. Until then it is what V8 tells of the whole heap
    /// without one and a half times the room that the young generation has taken so far, which may
    /// be more, and never is less. At 1 the monitor acts when V8 has reached the limit.
    #[must_use]
    pub fn share(mut self, share: f64) -> Self {
        self.share = share;
        self
    }

    /// Sets the bytes by which the limit is raised, once, so that the script can end. Default, and
    /// least: one young generation (all of which V8 may have to move into the old one to take the
    /// profile), and 4 MiB.
    ///
    /// A single array that grows needs as much as half of its size again before the script can be
    /// terminated.
    #[must_use]
    pub fn ceiling(mut self, bytes: Bytes) -> Self {
        self.ceiling = Some(bytes);
        self
    }

    /// Sets the bytes off the heap ([`HeapStatistics::external`](crate::HeapStatistics::external))
    /// at which the monitor acts. Default: none.
    ///
    /// Looked at after garbage collections of the whole heap, which V8 makes as these bytes become
    /// more, and in [`poll`](super::HeapLimitMonitor::poll). The profile's functions are those that
    /// hold the JavaScript objects: V8 does not say who asked for what is off the heap.
    #[must_use]
    pub fn external_limit(mut self, bytes: Bytes) -> Self {
        self.external_limit = Some(bytes);
        self
    }

    /// Sets how many profiles of the time before are kept at most, and in how much memory. Default:
    /// 8, in 16 MiB.
    ///
    /// One is taken, by an interrupt, each time the old generation has grown by that part of its
    /// limit. With 0 none is taken.
    #[must_use]
    pub fn history(mut self, profiles: usize, memory: Bytes) -> Self {
        self.history = (profiles, memory);
        self
    }

    /// Puts a label on the profiles, in place of any with the same key.
    #[must_use]
    pub fn label(mut self, label: Label) -> Self {
        self.labels.retain(|other| other.key != label.key);
        self.labels.push(label);
        self
    }

    /// Has the profile written to a file, whole or not at all: under another name in the same
    /// folder, and then renamed, in place of what was there. If the profile cannot be taken, it is
    /// the last one of the history.
    ///
    /// The writer may be any of the profile's. It is called in the isolate's thread while V8 waits,
    /// and must not use the isolate.
    #[must_use]
    pub fn write_to(
        mut self,
        path: impl Into<PathBuf>,
        writer: impl FnMut(&Profile, &mut dyn Write) -> Result<(), WriteError> + Send + 'static,
    ) -> Self {
        self.file = Some(ProfileFile { path: path.into(), writer: Box::new(writer) });
        self
    }

    /// Has the report given to a function, before the limit is raised, the script terminated or the
    /// process ended, and after the file has been written.
    ///
    /// It is called in the isolate's thread while V8 waits, and must not use the isolate. A panic
    /// ends the function, and nothing else.
    #[must_use]
    pub fn on_report(mut self, handler: impl FnMut(&HeapLimitReport) + Send + 'static) -> Self {
        self.handler = Some(Box::new(handler));
        self
    }

    pub(super) fn validate(&self) -> Result<()> {
        let is_share = self.share > 0.0 && self.share <= 1.0;
        if is_share { Ok(()) } else { Err(Error::HeapLimitShare { share: self.share }) }
    }
}

impl fmt::Debug for HeapLimitOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeapLimitOptions")
            .field("at_limit", &self.at_limit)
            .field("share", &self.share)
            .field("ceiling", &self.ceiling)
            .field("external_limit", &self.external_limit)
            .field("history", &self.history)
            .field("labels", &self.labels)
            .field("path", &self.file.as_ref().map(|file| &file.path))
            .finish_non_exhaustive()
    }
}
