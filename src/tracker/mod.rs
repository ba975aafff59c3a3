//! Tracking the objects of an isolate: a session by itself, and a guard that has its isolate.

mod guard;
mod session;

pub use guard::HeapTracker;
pub use session::TrackingSession;
