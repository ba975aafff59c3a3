//! Interrupts of a running isolate.

use std::ffi::c_void;

use crate::v8;

/// What an interrupt runs, on the isolate's thread, between two steps of its JavaScript.
type Interrupt = fn(&mut v8::Isolate);

/// Has V8 call `interrupt` when the isolate runs JavaScript, now or later, once for each time; does
/// nothing if the isolate has been disposed, and drops what waits then.
///
/// A plain function, so that nothing is owned by an interrupt that never comes.
pub(crate) fn interrupt(isolate: &v8::IsolateHandle, interrupt: Interrupt) {
    // That the isolate has gone is told to those who wait by its slots.
    let _ = isolate.request_interrupt(run, interrupt as *mut c_void);
}

/// # Safety
///
/// `isolate` is alive and this thread's; `interrupt` is an [`Interrupt`].
unsafe extern "C" fn run(isolate: v8::UnsafeRawIsolatePtr, interrupt: *mut c_void) {
    // SAFETY: as the caller vouches. `Isolate` is a plain reference without a `Drop`.
    let mut isolate = unsafe { v8::Isolate::from_raw_isolate_ptr(isolate) };
    // SAFETY: the address of a function of this type, which V8 has passed on as it was.
    let interrupt = unsafe { std::mem::transmute::<*mut c_void, Interrupt>(interrupt) };
    interrupt(&mut isolate);
}
