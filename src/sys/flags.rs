//! The state of V8's flags.

use super::symbols;

/// Whether V8 has started and flags can be changed no more.
pub(crate) fn flags_are_frozen() -> bool {
    // SAFETY: a static method that takes nothing and reads an atomic.
    unsafe { symbols::flag_list_is_frozen() }
}
