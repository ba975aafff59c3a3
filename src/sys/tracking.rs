//! A running tracker of heap objects, and what ties it to its isolate.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use super::flags::can_track;
use super::gc_watch::EnteredForGc;
use super::heap::heap_statistics;
use super::isolate::RawIsolate;
use super::session::{collect_garbage, refuse_in_callbacks};
use super::version;
use crate::model::{Error, HeapStatistics, Result, Timestamp};
use crate::snapshot::HeapSnapshot;
use crate::v8;

/// A handle to a tracker that runs in an isolate, as long as nobody else stops it.
#[derive(Clone, Debug)]
pub(crate) struct Tracking {
    isolate: RawIsolate,
    state: Arc<State>,
}

/// What is known of a tracker.
#[derive(Debug)]
struct State {
    marks: Marks,
    started: Timestamp,
    heap_at_start: HeapStatistics,
}

/// The texts of two strings on the heap that tell what a snapshot has.
#[derive(Debug)]
struct Marks {
    /// Of the string that was made before ids were given to all objects that were there.
    before: String,
    /// Of the string that was made after it: it has a stack if the tracker is still the same.
    after: String,
}

/// Lives in a slot of the isolate for as long as a tracker of ours runs there: stops it when all
/// handles have gone and the isolate comes by, or is disposed.
struct StopAtDisposal {
    isolate: RawIsolate,
    state: Weak<State>,
    /// Cleared when the tracker is known to be somebody else's.
    is_ours: bool,
    /// They keep the marks alive.
    _marks: [v8::Global<v8::String>; 2],
}

impl Drop for StopAtDisposal {
    fn drop(&mut self) {
        if self.is_ours {
            // SAFETY: the value never leaves the isolate's own slots but to be dropped: by the
            // isolate when it is disposed, before V8 disposes of its own part, or by the functions
            // below, which have a reference to the isolate. So it is alive, and whoever drops the
            // value has exclusive access to it.
            unsafe { self.isolate.stop_tracking() };
        }
    }
}

/// The heap as the tracker knows it.
pub(crate) struct TrackedHeap {
    pub(crate) snapshot: HeapSnapshot,
    /// The last id of the objects that were there when tracking began.
    pub(crate) last_id_before: u64,
    /// The id of an object of our own.
    pub(crate) own_id: u64,
    pub(crate) started: Timestamp,
    pub(crate) heap_at_start: HeapStatistics,
    /// After a full garbage collection, before the snapshot.
    pub(crate) heap: HeapStatistics,
}

impl Tracking {
    /// Whether a tracker can be started now.
    pub(crate) fn check_start(isolate: &mut v8::Isolate) -> Result<()> {
        version::check()?;
        if !can_track() {
            return Err(Error::EscapeAnalysis);
        }
        refuse_in_callbacks(isolate)?;
        stop_abandoned(isolate);
        let is_ours = isolate.get_slot::<StopAtDisposal>().is_some_and(|slot| slot.is_ours);
        // SAFETY: our reference to the isolate outlives the value.
        let _entered = unsafe { EnteredForGc::new(isolate) };
        if is_ours || allocates_one_by_one(isolate) {
            return Err(Error::AlreadyTracking);
        }
        Ok(())
    }

    /// Starts V8's tracker.
    pub(crate) fn start(isolate: &mut v8::Isolate) -> Result<Self> {
        Self::check_start(isolate)?;
        collect_garbage(isolate)?;
        let raw = RawIsolate::of(isolate);
        // SAFETY: our reference to the isolate outlives the value.
        let _entered = unsafe { EnteredForGc::new(isolate) };
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let mark = |what: &str| format!("{}tracker {number} {what}", HeapSnapshot::MARK);
        let marks = Marks { before: mark("before"), after: mark("after") };
        // SAFETY: the isolate is alive and this thread's, since we hold a reference to it, and
        // entered.
        unsafe { raw.start_tracking(true) }?;
        let before = string(isolate, &marks.before);
        // Not a second tracker: all that is there now gets an id, the mark one of the last.
        // SAFETY: as above.
        unsafe { raw.start_tracking(false) }?;
        let after = string(isolate, &marks.after);

        let heap_at_start = heap_statistics(&isolate.get_heap_statistics());
        let state = Arc::new(State { marks, started: Timestamp::now(), heap_at_start });
        isolate.set_slot(StopAtDisposal {
            isolate: raw,
            state: Arc::downgrade(&state),
            is_ours: true,
            _marks: [before, after],
        });
        Ok(Self { isolate: raw, state })
    }

    /// Whether `isolate` is the one that this tracker runs in, as far as is known.
    fn check(&self, isolate: &mut v8::Isolate) -> Result<()> {
        if RawIsolate::of(isolate) != self.isolate {
            return Err(Error::OtherIsolate);
        }
        let slot = isolate.get_slot::<StopAtDisposal>();
        let ours = Arc::as_ptr(&self.state);
        if slot.is_none_or(|slot| !slot.is_ours || !std::ptr::eq(slot.state.as_ptr(), ours)) {
            stop_abandoned(isolate);
            return Err(Error::NotTracking);
        }
        refuse_in_callbacks(isolate)
    }

    /// What the heap holds now, with the stacks of what was allocated since tracking began.
    pub(crate) fn collect(&self, isolate: &mut v8::Isolate) -> Result<TrackedHeap> {
        self.check(isolate)?;
        // Finalizers are run here, and not while V8 builds the snapshot.
        collect_garbage(isolate)?;
        self.check(isolate)?;
        let heap = heap_statistics(&isolate.get_heap_statistics());
        let snapshot = {
            // SAFETY: our reference to the isolate outlives the value.
            let _entered = unsafe { EnteredForGc::new(isolate) };
            HeapSnapshot::of_chunks(|write| isolate.take_heap_snapshot(write))
        };
        let snapshot = snapshot.map_err(|error| Error::UnexpectedSnapshot { check: error })?;
        let Marks { before, after } = &self.state.marks;
        let (Some(before), Some(after)) = (snapshot.find(before), snapshot.find(after)) else {
            return Err(Error::UnexpectedSnapshot { check: "strings of our own".to_owned() });
        };
        if !after.is_tracked {
            if let Some(slot) = isolate.get_slot_mut::<StopAtDisposal>() {
                slot.is_ours = false;
            }
            return Err(Error::NotTracking);
        }
        Ok(TrackedHeap {
            snapshot,
            last_id_before: before.id,
            own_id: after.id,
            started: self.state.started,
            heap_at_start: self.state.heap_at_start,
            heap,
        })
    }

    /// Stops the tracker.
    pub(crate) fn stop(&self, isolate: &mut v8::Isolate) -> Result<()> {
        self.check(isolate)?;
        drop(isolate.remove_slot::<StopAtDisposal>());
        Ok(())
    }

    /// Stops the tracker silently, if that is possible now; else, once all handles have gone, when
    /// the isolate comes next.
    pub(crate) fn stop_if_possible(&self, isolate: &mut v8::Isolate) {
        let _ = self.stop(isolate);
    }
}

/// Stops the tracker of a session that has gone away, unless V8 is collecting garbage.
pub(super) fn stop_abandoned(isolate: &mut v8::Isolate) {
    let is_abandoned = |slot: &StopAtDisposal| slot.state.strong_count() == 0;
    if isolate.get_slot::<StopAtDisposal>().is_some_and(is_abandoned)
        && refuse_in_callbacks(isolate).is_ok()
    {
        drop(isolate.remove_slot::<StopAtDisposal>());
    }
}

/// A string on the heap, and a handle that keeps it there.
fn string(isolate: &mut v8::Isolate, text: &str) -> v8::Global<v8::String> {
    v8::scope!(let scope, isolate);
    let string = v8::String::new(scope, text).expect("a short string");
    v8::Global::new(scope, string)
}

/// Whether the isolate has V8 note each allocation: somebody tracks it.
///
/// V8 does not tell, but then it has no buffers to allocate in, and its counter, which counts these,
/// grows by each object.
fn allocates_one_by_one(isolate: &mut v8::Isolate) -> bool {
    const TIMES: usize = 8;
    /// A number on the heap takes 12 or 16.
    const MOST: u64 = 16;
    v8::scope!(let scope, isolate);
    let mut allocated = scope.get_heap_statistics().total_allocated_bytes();
    (0..TIMES).all(|_| {
        v8::Number::new(scope, 0.5);
        let before =
            std::mem::replace(&mut allocated, scope.get_heap_statistics().total_allocated_bytes());
        (1..=MOST).contains(&(allocated - before))
    })
}
