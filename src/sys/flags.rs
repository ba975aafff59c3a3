//! The state of V8's flags.

use std::ffi::CStr;

use super::layout::FLAG_TYPE_BOOL;
use super::symbols;

/// Whether V8 has started and flags can be changed no more.
pub(crate) fn flags_are_frozen() -> bool {
    // SAFETY: a static method that takes nothing and reads an atomic.
    unsafe { symbols::flag_list_is_frozen() }
}

/// Whether a flag of V8's is on; `None` if this V8 has no such flag that is on or off.
fn is_on(name: &CStr) -> Option<bool> {
    // SAFETY: a function that reads a string, which ends, and a table that is there from the start.
    let flag = unsafe { symbols::find_flag_by_name(name.as_ptr()) };
    // SAFETY: null, or the address of an entry of the table, which is never freed. Each begins with
    // its type and two pointers, whatever it is of.
    let flag = unsafe { flag.as_ref() }?;
    if flag.flag_type != FLAG_TYPE_BOOL || flag.value.is_null() || flag.default.is_null() {
        return None;
    }
    // SAFETY: a flag of this type points to its value, a `bool` of V8's that is there for as long
    // as the process. It is read as a byte, so that a value other than 0 and 1 is no `bool` of ours.
    let value = unsafe { flag.value.read() };
    // SAFETY: as above; of its default.
    let default = unsafe { flag.default.read() };
    (value <= 1 && default <= 1).then_some(value == 1)
}

/// Whether V8's tracker of heap objects can be used: not where the optimising compiler may elide
/// objects.
///
/// When code is left again for which it has elided a closure, the frames of the closure have none
/// while V8 makes the objects that were elided, and the tracker, which unlike the sampler does not
/// ask, reads one there (`AllocationTracker::AllocationEvent`): the process crashes.
pub(crate) fn can_track() -> bool {
    is_on(c"turbofan") == Some(false) || is_on(c"turbo-escape") == Some(false)
}
