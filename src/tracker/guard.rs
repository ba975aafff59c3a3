//! The guard that tracks the objects of an isolate.

use std::ops::{Deref, DerefMut};

use super::session::TrackingSession;
use crate::model::Result;
use crate::profile::Profile;
use crate::v8;

/// Tracks the objects of an isolate for as long as it lives: exactly what is alive, and which
/// function allocated it.
///
/// A guard, as [`HeapSampler`](crate::HeapSampler) is: it dereferences to [`v8::Isolate`], and
/// dropping it stops tracking. V8 notes the stack of every allocation, and
/// [`profile`](Self::profile) joins that with a heap snapshot. The values are counts of the objects
/// that are there: each with its true size and its class, also where optimised code has allocated
/// several in one go, where arrays were shortened, or where V8 keeps notes behind an object for a
/// while, all of which a sample's size has in it for as long as it lives.
///
/// ```standalone_crate
/// # fixtures::init_with_flags(v8_heap_sampler::v8_flags::STABLE);
/// use v8_heap_sampler::analysis::{GroupBy, TopOptions};
/// use v8_heap_sampler::{HeapTracker, SampleType};
///
/// # let (mut isolate, realm) = fixtures::realm();
/// let mut tracker = HeapTracker::new(&mut isolate)?;
/// # realm.run(&mut tracker, "app.js", "class Row { constructor(i) { this.i = i; } }
/// #     function fill() { return Array.from({ length: 1000 }, (_, i) => new Row(i)); }
/// #     globalThis.kept = fill();");
/// // ... run JavaScript ...
/// let profile = tracker.finish()?;
/// let top = profile.top(SampleType::InuseSpace).expect("it has what is in use");
/// println!("{top}"); // by function
/// let by_class = TopOptions::new(SampleType::InuseObjects).by(GroupBy::Label("class".into()));
/// let top = profile.top(by_class).expect("it has what is in use");
/// assert_eq!(top.rows[0].name, "Row");
/// assert_eq!(top.rows[0].own.exact(), Some(1000));
/// # Ok::<(), v8_heap_sampler::Error>(())
/// ```
///
/// # For tests and investigations
///
/// A program that does nothing but make 400,000 objects runs 11 times slower while it is tracked,
/// V8's notes on 2,000,000 of them take 53 MB, and a profile of 40,000 that live on takes 0.14 s, of
/// which V8's snapshot is three quarters (`cargo bench --bench tracking`). The isolate stands still
/// for that, and V8 needs several times the memory of the heap's objects. For production there is
/// the sampler.
///
/// # Escape analysis
///
/// V8's tracker can crash the process where the optimising compiler elides objects, so it is
/// refused there ([`Error::EscapeAnalysis`](crate::Error::EscapeAnalysis)): set
/// [`v8_flags::NO_ESCAPE_ANALYSIS`](crate::v8_flags::NO_ESCAPE_ANALYSIS) or
/// [`v8_flags::STABLE`](crate::v8_flags::STABLE) before V8 starts.
///
/// # What is counted
///
/// - Objects on the JavaScript heap that were allocated on the isolate's thread since tracking
///   began, and are alive after a full garbage collection: by [`SampleType`](crate::SampleType)
///   `InuseObjects` and `InuseSpace`.
/// - Each has the label `class`: the name of its constructor, and in parentheses V8's kind of what
///   has none, by the names of Chrome DevTools.
/// - 64 frames of a stack, the innermost ones. Of what was allocated with no JavaScript running,
///   what the embedder made is `(V8 API)`'s, and the rest is the root's.
/// - Not counted are compiled code that background threads made (`--single-threaded`, which is among
///   [`v8_flags::STABLE`](crate::v8_flags::STABLE), has none), and objects that V8 made in the place
///   of older ones in its old generation, which it mistakes for these: some of its own maps and code.
///
/// # Other users of the tracker
///
/// V8 has one tracker per isolate, which DevTools shares ("Allocation instrumentation on timeline").
/// Where one runs, starting is refused ([`Error::AlreadyTracking`](crate::Error::AlreadyTracking)).
/// If somebody else stops this one, or starts theirs in its place, the next profile says so
/// ([`Error::NotTracking`](crate::Error::NotTracking)) and theirs is left alone; what has not been
/// noticed, dropping the guard stops. It can run beside a sampler: start the tracker first.
///
/// A guard that is leaked leaves V8 tracking until the isolate is disposed.
#[derive(Debug)]
pub struct HeapTracker<'a> {
    session: TrackingSession,
    isolate: &'a mut v8::Isolate,
}

impl<'a> HeapTracker<'a> {
    /// Starts tracking, after a full garbage collection.
    ///
    /// Mirrors `v8::HeapProfiler::StartTrackingHeapObjects`. Linear in the objects of the heap.
    ///
    /// # Errors
    ///
    /// - [`Error::EscapeAnalysis`](crate::Error::EscapeAnalysis): V8 would not be safe, see
    ///   [there](Self#escape-analysis).
    /// - [`Error::AlreadyTracking`](crate::Error::AlreadyTracking): the isolate's objects are being
    ///   tracked, by DevTools for instance. That goes on untouched.
    /// - [`Error::InGarbageCollection`](crate::Error::InGarbageCollection): V8 may be collecting
    ///   garbage, as in a finalizer.
    /// - [`Error::UnsupportedV8`](crate::Error::UnsupportedV8): the linked V8 is not one that this
    ///   crate knows.
    pub fn new(isolate: &'a mut v8::Isolate) -> Result<Self> {
        let session = TrackingSession::start(isolate)?;
        Ok(Self { session, isolate })
    }

    /// The objects that were allocated since tracking began, and are alive after a full garbage
    /// collection. Tracking goes on.
    ///
    /// V8 builds a heap snapshot, which is read while V8 writes it. Linear in the objects and
    /// references of the heap, not only those that are new. Objects that an earlier profile has
    /// shown are under their function as long as V8 does not move them.
    ///
    /// # Errors
    ///
    /// - [`Error::NotTracking`](crate::Error::NotTracking): tracking was stopped, by somebody else.
    /// - [`Error::OtherIsolate`](crate::Error::OtherIsolate): the isolate under the guard is not the
    ///   one that it was made with.
    /// - [`Error::InGarbageCollection`](crate::Error::InGarbageCollection): V8 may be collecting
    ///   garbage.
    /// - [`Error::UnexpectedSnapshot`](crate::Error::UnexpectedSnapshot): the snapshot could not be
    ///   read.
    pub fn profile(&mut self) -> Result<Profile> {
        self.session.profile(self.isolate)
    }

    /// Stops tracking.
    ///
    /// # Errors
    ///
    /// As [`TrackingSession::stop`].
    pub fn stop(self) -> Result<()> {
        self.session.stop(self.isolate)
    }

    /// Collects the profile and stops tracking.
    ///
    /// # Errors
    ///
    /// As [`profile`](Self::profile).
    pub fn finish(mut self) -> Result<Profile> {
        self.profile()
    }
}

impl Drop for HeapTracker<'_> {
    fn drop(&mut self) {
        self.session.stop_if_possible(self.isolate);
    }
}

impl Deref for HeapTracker<'_> {
    type Target = v8::Isolate;
    fn deref(&self) -> &v8::Isolate {
        self.isolate
    }
}

impl DerefMut for HeapTracker<'_> {
    fn deref_mut(&mut self) -> &mut v8::Isolate {
        self.isolate
    }
}
