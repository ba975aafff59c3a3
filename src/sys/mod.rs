//! The C++ boundary: all `unsafe` code of the crate is in this module.
//!
//! V8's sampling heap profiler has four methods (`v8/include/v8-profiler.h`), which the `v8` crate
//! does not bind but whose code it links. They are declared in [`symbols`]; what they return is
//! described in [`layout`], owned and deleted by [`profile`], and turned into owned data by
//! [`walk`], which checks before it follows a pointer, and by [`cross_check`], which compares nodes
//! and samples. [`own_work`] tells V8's own samples from the program's, [`gc_watch`] knows of
//! garbage collections meanwhile, and [`session`] ties a running sampler to its [`isolate`].
//! [`tracking`] does so with V8's tracker of heap objects.
//! Everything that leaves this module is safe Rust on owned data.

mod cross_check;
mod flags;
mod gc_watch;
mod heap;
mod heap_limit;
mod interrupt;
mod isolate;
mod layout;
mod own_work;
mod profile;
mod seen_places;
mod session;
mod symbols;
mod tracking;
mod version;
mod walk;

use std::fmt;

pub(crate) use flags::{can_track, flags_are_frozen};
pub(crate) use heap::{Generations, heap_statistics};
pub(crate) use heap_limit::{HeapLimitHooks, restore_heap_limit};
pub(crate) use interrupt::interrupt;
pub(crate) use session::{Collected, Session, allocated_by, collect_garbage, refuse_in_callbacks};
pub(crate) use tracking::{TrackedHeap, Tracking};

use crate::model::Error;

/// A check of V8's data that failed.
///
/// Boxed, because checks are many and failures none.
#[derive(Debug)]
struct Mismatch(Box<str>);

impl Mismatch {
    #[cold]
    fn new(what: fmt::Arguments<'_>) -> Self {
        Self(what.to_string().into())
    }

    /// Of an address that cannot be one.
    #[cold]
    fn of_address<T>(what: &str, address: *const T) -> Self {
        Self::new(format_args!("address of {what}: {address:p}"))
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Mismatch> for Error {
    fn from(mismatch: Mismatch) -> Self {
        Self::UnexpectedProfile { check: mismatch.0.into() }
    }
}

/// Why a profile was not turned into nodes.
#[derive(Debug)]
enum WalkError {
    /// It failed a check.
    Mismatch(Mismatch),
    /// Its counts and its samples disagree. V8's own work while it built the profile can be why,
    /// and then another try helps.
    Disagreement(Mismatch),
    /// It belongs to another session than the profiles before.
    OtherSession,
}

impl From<Mismatch> for WalkError {
    fn from(mismatch: Mismatch) -> Self {
        Self::Mismatch(mismatch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_check_is_an_error_that_says_which() {
        let error = Error::from(Mismatch::new(format_args!("root node: id 2")));
        assert!(matches!(&error, Error::UnexpectedProfile { check } if check == "root node: id 2"));
        assert_eq!(
            error.to_string(),
            "V8's allocation profile failed a check and was not trusted: root node: id 2"
        );
    }
}
