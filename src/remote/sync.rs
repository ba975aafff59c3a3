//! The primitives under [`handover`](super::handover), apart: its model check puts its own in their
//! place.

pub(super) use std::sync::atomic::{AtomicUsize, Ordering};
pub(super) use std::sync::{Arc, Condvar, Mutex, MutexGuard};
