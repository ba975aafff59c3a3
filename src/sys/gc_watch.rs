//! Callbacks around the garbage collections of an isolate.

use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::ptr::NonNull;

use super::isolate::{RawIsolate, allows_javascript};
use super::own_work::{HandleSize, Taken};
use crate::v8;

/// What the callbacks note down.
#[derive(Default)]
struct State {
    /// Whether V8 is collecting garbage, or calling the embedder before or after.
    in_gc: Cell<bool>,
    handles: HandleCounter,
    allocation: AllocationCounter,
    /// Isolates that the embedder's callbacks left entered, the last one at the end, while the
    /// watched isolate is to stay the current one; `None` while it need not.
    left_entered: RefCell<Option<Vec<RawIsolate>>>,
}

/// Counts the handles that V8 makes for samples while it builds a profile.
///
/// A garbage collection takes handles away, those of samples whose objects have died among them:
/// what happens within one does not count.
#[derive(Default)]
struct HandleCounter {
    is_counting: Cell<bool>,
    /// Bytes of handles when counting began, or the last garbage collection ended.
    mark: Cell<usize>,
    counted: Cell<usize>,
    /// Bytes allocated on the heap so far, when counting began or the last count was taken.
    allocated: Cell<u64>,
}

impl HandleCounter {
    fn add_since_mark(&self, used: usize) {
        self.counted.set(self.counted.get() + used.saturating_sub(self.mark.get()));
        self.mark.set(used);
    }
}

/// Counts what is allocated on the heap, by how much that grows between garbage collections.
///
/// V8's own counter adds up allocation buffers, whole, when they are begun: those of background
/// threads, too, and what is never used of one.
#[derive(Default)]
struct AllocationCounter {
    /// Bytes of the heap's objects when counting began, or the last garbage collection ended.
    mark: Cell<u64>,
    /// Bytes until then, since counting began.
    counted: Cell<u64>,
}

impl AllocationCounter {
    /// Bytes since counting began; `used` are those of the heap's objects now.
    fn counted(&self, used: u64) -> u64 {
        self.counted.get() + used.saturating_sub(self.mark.get())
    }

    fn garbage_is_collected(&self, used_before: u64) {
        self.counted.set(self.counted(used_before));
        self.mark.set(used_before);
    }
}

/// Callbacks of ours around each garbage collection of an isolate, from when the isolate is first
/// sampled or measured until it is disposed.
///
/// They outlive sessions, as a session can end in a callback of the embedder's: V8 is going through
/// the list of callbacks then, and nothing may be taken out of it.
///
/// An isolate that is shared between threads wants its slots to be `Send`: what is touched here is
/// the isolate and what its callbacks touch, by whoever has exclusive access to it at that moment.
pub(super) struct GcWatch {
    isolate: RawIsolate,
    state: NonNull<State>,
}

impl GcWatch {
    /// The isolate's watch, which is put into a slot of the isolate if there is none.
    pub(super) fn of(isolate: &mut v8::Isolate) -> &Self {
        if isolate.get_slot::<Self>().is_none() {
            let watch = Self::new(isolate);
            isolate.set_slot(watch);
        }
        isolate.get_slot::<Self>().expect("it has just been set")
    }

    fn new(isolate: &mut v8::Isolate) -> Self {
        let state = State::default();
        state.allocation.mark.set(isolate.get_heap_statistics().used_heap_size() as u64);
        let state = NonNull::from(Box::leak(Box::new(state)));
        let data = state.as_ptr().cast::<c_void>();
        isolate.add_gc_prologue_callback(BEFORE_GC, data, v8::GCType::kGCTypeAll);
        isolate.add_gc_epilogue_callback(AFTER_GC, data, v8::GCType::kGCTypeAll);
        Self { isolate: RawIsolate::of(isolate), state }
    }

    fn state(&self) -> &State {
        // SAFETY: `new` leaked it, and `drop` alone frees it. All references to it are shared.
        unsafe { self.state.as_ref() }
    }

    /// Whether a callback around a garbage collection of `isolate` may be running.
    ///
    /// Not seen are callbacks before a collection that were there before the watch, and finalizers.
    /// V8 is not collecting when it calls those. An isolate that has no watch is in a collection
    /// wherever it disallows JavaScript: V8 may be going through its list of callbacks, and a watch
    /// cannot be made.
    pub(super) fn is_in_gc(isolate: &mut v8::Isolate) -> bool {
        let has_watch = isolate.get_slot::<Self>().is_some();
        if has_watch { Self::sees_gc(isolate) } else { !allows_javascript(isolate) }
    }

    /// Whether a watch knows that a callback around a garbage collection is running.
    pub(super) fn sees_gc(isolate: &v8::Isolate) -> bool {
        isolate.get_slot::<Self>().is_some_and(|watch| watch.state().in_gc.get())
    }

    /// Begins to count; `heap` is as of now.
    pub(super) fn begin(&self, heap: &v8::HeapStatistics) {
        let handles = &self.state().handles;
        handles.mark.set(heap.used_global_handles_size());
        handles.counted.set(0);
        handles.allocated.set(heap.total_allocated_bytes());
        handles.is_counting.set(true);
    }

    /// What was taken since the last call. `heap` is as of now.
    pub(super) fn take(
        &self,
        heap: &v8::HeapStatistics,
        HandleSize(size): HandleSize,
        interval_bytes: u64,
    ) -> Taken {
        let handles = &self.state().handles;
        handles.add_since_mark(heap.used_global_handles_size());
        let allocated = heap.total_allocated_bytes();
        let bytes = allocated.saturating_sub(handles.allocated.replace(allocated));
        Taken { samples: handles.counted.take() / size, bytes, interval_bytes }
    }

    /// Bytes that were allocated on the heap since the isolate is watched; `heap` is as of now.
    pub(super) fn allocated(&self, heap: &v8::HeapStatistics) -> u64 {
        self.state().allocation.counted(heap.used_heap_size() as u64)
    }

    /// Counts no more.
    pub(super) fn end(&self) {
        self.state().handles.is_counting.set(false);
    }
}

impl Drop for GcWatch {
    fn drop(&mut self) {
        let data = self.state.as_ptr().cast::<c_void>();
        // SAFETY: the value lives in a slot of the isolate, which drops it when it is disposed,
        // before V8 disposes of its own part: the isolate is alive, and used by nobody else.
        let mut isolate = unsafe { self.isolate.reference() };
        isolate.remove_gc_prologue_callback(BEFORE_GC, data);
        isolate.remove_gc_epilogue_callback(AFTER_GC, data);
        // SAFETY: `new` leaked a box, and V8 has just forgotten its address.
        drop(unsafe { Box::from_raw(self.state.as_ptr()) });
    }
}

/// Makes an isolate the thread's current one for as long as this lives, through garbage collections
/// too.
///
/// V8 crashes if it collects garbage in an isolate that is not the current one, as may be when a
/// finalizer has left another one entered: one that makes an isolate and keeps it does. Here such
/// isolates are exited before V8 goes on, and entered again in the end.
pub(super) struct EnteredForGc {
    isolate: RawIsolate,
    state: NonNull<State>,
    /// What an outer one has noted down.
    outer: Option<Vec<RawIsolate>>,
}

impl EnteredForGc {
    /// # Safety
    ///
    /// The isolate is alive for as long as the value.
    pub(super) unsafe fn new(isolate: &mut v8::Isolate) -> Self {
        let watch = GcWatch::of(isolate);
        let outer = watch.state().left_entered.replace(Some(Vec::new()));
        let state = watch.state;
        let isolate = RawIsolate::of(isolate);
        // SAFETY: the isolate is alive and this thread's, since we hold a reference to it.
        unsafe { isolate.enter() };
        Self { isolate, state, outer }
    }
}

impl Drop for EnteredForGc {
    fn drop(&mut self) {
        // SAFETY: the watch frees it with its isolate, which outlives this value.
        let state = unsafe { self.state.as_ref() };
        stay_current(state, self.isolate);
        let left = state.left_entered.replace(self.outer.take());
        // SAFETY: `new` entered it, and what was entered since has been exited.
        unsafe { self.isolate.exit() };
        for isolate in left.into_iter().flatten() {
            // SAFETY: `stay_current` exited it on this thread, and an isolate that is not the
            // current one is not disposed: `v8::OwnedIsolate` makes sure of that.
            unsafe { isolate.enter() };
        }
    }
}

/// Exits what the embedder left entered, if `isolate` is to stay the current one.
fn stay_current(state: &State, isolate: RawIsolate) {
    let mut left_entered = state.left_entered.borrow_mut();
    let Some(left_entered) = left_entered.as_mut() else { return };
    let before = left_entered.len();
    while let Some(current) = RawIsolate::current()
        && current != isolate
    {
        // SAFETY: this thread's current isolate is alive, and entered by this thread.
        unsafe { current.exit() };
        left_entered.push(current);
    }
    // The last one to be exited is the first one to be entered again.
    left_entered[before..].reverse();
}

/// What V8 calls around a garbage collection.
type GcCallback =
    unsafe extern "C" fn(v8::UnsafeRawIsolatePtr, v8::GCType, v8::GCCallbackFlags, *mut c_void);

// V8 finds callbacks by their addresses, and a function that is named twice can have two.
static BEFORE_GC: GcCallback = before_gc;
static AFTER_GC: GcCallback = after_gc;

/// # Safety
///
/// `isolate` is alive and this thread's; `data` is the address of a live [`State`].
unsafe extern "C" fn before_gc(
    isolate: v8::UnsafeRawIsolatePtr,
    _: v8::GCType,
    _: v8::GCCallbackFlags,
    data: *mut c_void,
) {
    // SAFETY: as the caller vouches.
    unsafe { note(isolate, data, true) };
}

/// # Safety
///
/// As for [`before_gc`].
unsafe extern "C" fn after_gc(
    isolate: v8::UnsafeRawIsolatePtr,
    _: v8::GCType,
    _: v8::GCCallbackFlags,
    data: *mut c_void,
) {
    // SAFETY: as the caller vouches.
    unsafe { note(isolate, data, false) };
}

/// Notes down that a collection begins, or has ended.
///
/// # Safety
///
/// As for [`before_gc`].
unsafe fn note(isolate: v8::UnsafeRawIsolatePtr, data: *mut c_void, begins: bool) {
    // SAFETY: V8 passes back the address that `GcWatch` registered together with its callbacks;
    // it removes both before it frees the state.
    let state = unsafe { &*data.cast::<State>() };
    // SAFETY: as the caller vouches. `Isolate` is a plain reference without a `Drop`.
    let mut isolate = unsafe { v8::Isolate::from_raw_isolate_ptr(isolate) };
    stay_current(state, RawIsolate::of(&isolate));
    state.in_gc.set(begins);
    let heap = isolate.get_heap_statistics();
    let used = heap.used_heap_size() as u64;
    if begins {
        state.allocation.garbage_is_collected(used)
    } else {
        state.allocation.mark.set(used)
    }
    let handles = &state.handles;
    if handles.is_counting.get() {
        let used = heap.used_global_handles_size();
        if begins { handles.add_since_mark(used) } else { handles.mark.set(used) }
    }
}
