//! An isolate as V8's methods take it.

use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

use super::Mismatch;
use super::layout::RawAllowJavascript;
use super::symbols::{self, RawHeapProfiler};
use crate::v8;

/// The address of an isolate: tells isolates apart, and is what V8's methods take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RawIsolate(NonNull<c_void>);

// SAFETY: an address, which nothing is done with but by unsafe methods, and their callers vouch for
// the thread.
unsafe impl Send for RawIsolate {}
// SAFETY: as above.
unsafe impl Sync for RawIsolate {}

impl RawIsolate {
    pub(super) fn of(isolate: &v8::Isolate) -> Self {
        // SAFETY: taking the address does nothing to the isolate.
        let raw: v8::UnsafeRawIsolatePtr = unsafe { isolate.as_raw_isolate_ptr() };
        // SAFETY: the type is a transparent wrapper around the isolate's address.
        let address = unsafe { std::mem::transmute::<v8::UnsafeRawIsolatePtr, *mut c_void>(raw) };
        Self(NonNull::new(address).expect("a reference to an isolate has an isolate's address"))
    }

    /// The isolate as V8's methods take it.
    pub(super) fn address(self) -> *mut c_void {
        self.0.as_ptr()
    }

    /// The isolate as the `v8` crate takes it.
    ///
    /// # Safety
    ///
    /// The isolate is alive for as long as the value, and used by this thread alone.
    pub(super) unsafe fn reference(self) -> v8::Isolate {
        // SAFETY: a transparent wrapper around the address, as in `of`.
        let raw =
            unsafe { std::mem::transmute::<*mut c_void, v8::UnsafeRawIsolatePtr>(self.0.as_ptr()) };
        // SAFETY: the address of a live isolate; `Isolate` is a plain reference without a `Drop`.
        unsafe { v8::Isolate::from_raw_isolate_ptr(raw) }
    }

    /// The thread's current isolate: the one entered last, of those not exited since.
    pub(super) fn current() -> Option<Self> {
        // SAFETY: reads a variable of the thread's.
        NonNull::new(unsafe { symbols::isolate_try_get_current() }).map(Self)
    }

    /// Makes the isolate the thread's current one.
    ///
    /// # Safety
    ///
    /// The isolate is alive and used by this thread alone.
    pub(super) unsafe fn enter(self) {
        // SAFETY: as the caller vouches.
        let isolate = unsafe { self.reference() };
        // SAFETY: as the caller vouches.
        unsafe { isolate.enter() };
    }

    /// Makes the isolate current that was so before this one was entered.
    ///
    /// # Safety
    ///
    /// The isolate is alive and the thread's current one.
    pub(super) unsafe fn exit(self) {
        // SAFETY: as the caller vouches.
        let isolate = unsafe { self.reference() };
        // SAFETY: as the caller vouches.
        unsafe { isolate.exit() };
    }

    /// The isolate's heap profiler, which lives as long as the isolate.
    ///
    /// # Safety
    ///
    /// The isolate is alive and used by this thread alone.
    pub(super) unsafe fn heap_profiler(self) -> Result<NonNull<RawHeapProfiler>, Mismatch> {
        // SAFETY: as the caller vouches.
        let profiler = unsafe { symbols::isolate_get_heap_profiler(self.0.as_ptr()) };
        NonNull::new(profiler)
            .ok_or_else(|| Mismatch::new(format_args!("the isolate has no heap profiler")))
    }

    /// Starts a sampler unless one runs; says whether it did.
    ///
    /// # Safety
    ///
    /// As for [`heap_profiler`](Self::heap_profiler).
    pub(super) unsafe fn start_sampling(
        self,
        interval_bytes: u64,
        depth: i32,
        flags: i32,
    ) -> Result<bool, Mismatch> {
        assert!(interval_bytes > 0, "V8 aborts on an interval of 0");
        // SAFETY: as the caller vouches.
        let _entered = unsafe { Entered::new(self) };
        // SAFETY: as the caller vouches.
        let profiler = unsafe { self.heap_profiler() }?.as_ptr();
        // SAFETY: the profiler belongs to a live isolate; the interval is not 0.
        Ok(unsafe { symbols::heap_profiler_start_sampling(profiler, interval_bytes, depth, flags) })
    }

    /// Stops whatever sampler runs in the isolate; does nothing if none does.
    ///
    /// # Safety
    ///
    /// As for [`heap_profiler`](Self::heap_profiler).
    pub(super) unsafe fn stop_sampling(self) {
        // SAFETY: as the caller vouches.
        let _entered = unsafe { Entered::new(self) };
        // SAFETY: as the caller vouches.
        if let Ok(profiler) = unsafe { self.heap_profiler() } {
            // SAFETY: the profiler belongs to a live isolate. V8 allows the call with no sampler.
            unsafe { symbols::heap_profiler_stop_sampling(profiler.as_ptr()) };
        }
    }

    /// Gives every object that has none an id, after a full garbage collection; and, if told to,
    /// has V8 note the stack of each allocation from now on.
    ///
    /// # Safety
    ///
    /// As for [`heap_profiler`](Self::heap_profiler). The isolate is the thread's current one.
    pub(super) unsafe fn start_tracking(self, allocations: bool) -> Result<(), Mismatch> {
        // SAFETY: as the caller vouches.
        let profiler = unsafe { self.heap_profiler() }?.as_ptr();
        // SAFETY: the profiler belongs to a live isolate, which is the current one.
        unsafe { symbols::heap_profiler_start_tracking(profiler, allocations) };
        Ok(())
    }

    /// Stops tracking, whoever started it; does nothing if nobody did.
    ///
    /// # Safety
    ///
    /// As for [`heap_profiler`](Self::heap_profiler).
    pub(super) unsafe fn stop_tracking(self) {
        // SAFETY: as the caller vouches.
        let _entered = unsafe { Entered::new(self) };
        // SAFETY: as the caller vouches.
        if let Ok(profiler) = unsafe { self.heap_profiler() } {
            // SAFETY: the profiler belongs to a live isolate. V8 allows the call if nothing is
            // tracked.
            unsafe { symbols::heap_profiler_stop_tracking(profiler.as_ptr()) };
        }
    }
}

/// Whether JavaScript may run in an isolate: V8 allows none in what it calls while it collects
/// garbage, finalizers among it.
pub(super) fn allows_javascript(isolate: &mut v8::Isolate) -> bool {
    // A scope notes down what was allowed before it.
    let mut scope = MaybeUninit::<RawAllowJavascript>::uninit();
    let isolate = RawIsolate::of(isolate).0.as_ptr();
    // SAFETY: constructs the object, which has the size and alignment of V8's, in place. The
    // isolate is alive and this thread's, since we hold a reference to it.
    unsafe { symbols::allow_javascript_construct(scope.as_mut_ptr(), isolate) };
    // SAFETY: the constructor sets all members.
    let was_allowed = unsafe { scope.assume_init_ref() }.was_allowed != 0;
    // SAFETY: constructed above, and not destructed yet. Resets what the constructor set.
    unsafe { symbols::allow_javascript_destruct(scope.as_mut_ptr()) };
    was_allowed
}

/// Makes an isolate the thread's current one for as long as this lives.
///
/// A thread can have several isolates, of which the one created last is current; V8 finds the
/// isolate that it works on by the thread in some places.
pub(super) struct Entered(RawIsolate);

impl Entered {
    /// # Safety
    ///
    /// The isolate is alive for as long as the value, and used by this thread alone.
    pub(super) unsafe fn new(isolate: RawIsolate) -> Self {
        // SAFETY: as the caller vouches. `drop` exits it again.
        unsafe { isolate.enter() };
        Self(isolate)
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        // SAFETY: `new` entered it, and whatever was entered since has been exited.
        unsafe { self.0.exit() };
    }
}
