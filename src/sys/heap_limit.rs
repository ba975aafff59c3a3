//! What V8 calls when a heap comes near its limit, and after it has collected all of it.

use std::cell::Cell;
use std::ffi::c_void;
use std::ptr::NonNull;

use super::isolate::RawIsolate;
use super::symbols;
use crate::v8;

/// What is called near the limit: with the isolate, the limit in force, and the one that it began
/// with; returns the limit that is to be in force, in bytes. V8 ends the process if it is no higher.
type NearLimit = fn(&mut v8::Isolate, usize, usize) -> usize;
/// What is called after a collection of the whole heap.
type AfterGc = fn(&mut v8::Isolate);

struct State {
    isolate: RawIsolate,
    near_limit: NearLimit,
    after_gc: AfterGc,
    /// Whether V8 has the callback near the limit in its list.
    is_armed: Cell<bool>,
}

/// Callbacks of ours near an isolate's heap limit, in a slot of the isolate until it is disposed.
///
/// Plain functions, which find what they need in other slots.
pub(crate) struct HeapLimitHooks(NonNull<State>);

impl HeapLimitHooks {
    /// Has V8 call the functions. There must be no hooks in the isolate, and no garbage collection
    /// be going on.
    pub(crate) fn install(isolate: &mut v8::Isolate, near_limit: NearLimit, after_gc: AfterGc) {
        assert!(isolate.get_slot::<Self>().is_none(), "V8 aborts on a callback that it has");
        let state = State {
            isolate: RawIsolate::of(isolate),
            near_limit,
            after_gc,
            is_armed: Cell::new(false),
        };
        let state = NonNull::from(Box::leak(Box::new(state)));
        let data = state.as_ptr().cast::<c_void>();
        isolate.add_gc_epilogue_callback(AFTER_GC, data, v8::GCType::kGCTypeMarkSweepCompact);
        isolate.set_slot(Self(state));
        Self::arm(isolate);
    }

    /// Puts the callback near the limit at the end of V8's list, where V8 calls it before all
    /// others, if it is not there.
    pub(crate) fn arm(isolate: &mut v8::Isolate) {
        if let Some(hooks) = isolate.get_slot::<Self>()
            && !hooks.state().is_armed.replace(true)
        {
            let data = hooks.0.as_ptr().cast::<c_void>();
            isolate.add_near_heap_limit_callback(NEAR_LIMIT, data);
        }
    }

    /// Takes the callback near the limit out of V8's list, so that V8 calls the one before it from
    /// now on.
    pub(crate) fn disarm(isolate: &mut v8::Isolate) {
        if let Some(hooks) = isolate.get_slot::<Self>()
            && hooks.state().is_armed.replace(false)
        {
            // A limit of 0 changes none. V8 is not going through the list when it calls back.
            isolate.remove_near_heap_limit_callback(NEAR_LIMIT, 0);
        }
    }

    /// Has V8 call them no more. No garbage collection may be going on.
    pub(crate) fn remove(isolate: &mut v8::Isolate) {
        drop(isolate.remove_slot::<Self>());
    }

    fn state(&self) -> &State {
        // SAFETY: `install` leaked it, and `drop` alone frees it. All references to it are shared.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for HeapLimitHooks {
    fn drop(&mut self) {
        let data = self.0.as_ptr().cast::<c_void>();
        // SAFETY: the value lives in a slot of the isolate, which drops it when it is disposed,
        // before V8 disposes of its own part, or else by `remove`, which has a reference to the
        // isolate: it is alive, and used by nobody else.
        let mut isolate = unsafe { self.state().isolate.reference() };
        if self.state().is_armed.get() {
            isolate.remove_near_heap_limit_callback(NEAR_LIMIT, 0);
        }
        isolate.remove_gc_epilogue_callback(AFTER_GC, data);
        // SAFETY: `install` leaked a box, and V8 has just forgotten its address.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

// V8 finds callbacks by their addresses, and a function that is named twice can have two.
static NEAR_LIMIT: v8::NearHeapLimitCallback = near_limit;
static AFTER_GC: unsafe extern "C" fn(
    v8::UnsafeRawIsolatePtr,
    v8::GCType,
    v8::GCCallbackFlags,
    *mut c_void,
) = after_gc;

/// # Safety
///
/// `data` is the address of a live [`State`], whose isolate is this thread's.
unsafe extern "C" fn near_limit(data: *mut c_void, current: usize, initial: usize) -> usize {
    // Copied out, as the function may have the hooks removed.
    let (raw, call) = {
        // SAFETY: V8 passes back the address that `install` registered; it is freed after V8 has
        // been told to forget it.
        let state = unsafe { &*data.cast::<State>() };
        (state.isolate, state.near_limit)
    };
    // SAFETY: V8 calls back from the isolate, which is alive and this thread's.
    let mut isolate = unsafe { raw.reference() };
    call(&mut isolate, current, initial)
}

/// # Safety
///
/// As for [`near_limit`], with the isolate.
unsafe extern "C" fn after_gc(
    isolate: v8::UnsafeRawIsolatePtr,
    _: v8::GCType,
    _: v8::GCCallbackFlags,
    data: *mut c_void,
) {
    // SAFETY: as in `near_limit`.
    let call = unsafe { &*data.cast::<State>() }.after_gc;
    // SAFETY: as the caller vouches. `Isolate` is a plain reference without a `Drop`.
    let mut isolate = unsafe { v8::Isolate::from_raw_isolate_ptr(isolate) };
    call(&mut isolate);
}

/// Has V8 restore the limit that the heap began with, when after a collection less than a share of
/// that is used.
pub(crate) fn restore_heap_limit(isolate: &mut v8::Isolate, share: f64) {
    let isolate = RawIsolate::of(isolate);
    // SAFETY: the isolate is alive and this thread's, since we hold a reference to it; the method
    // sets a number.
    unsafe { symbols::isolate_restore_initial_heap_limit(isolate.address(), share) };
}
