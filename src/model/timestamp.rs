//! A moment, on two clocks.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

/// A moment, on the wall clock and on one that never goes back.
///
/// ```
/// use v8_heap_sampler::Timestamp;
/// let (earlier, later) = (Timestamp::now(), Timestamp::now());
/// assert!(later.monotonic >= earlier.monotonic); // also if somebody sets the wall clock
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Timestamp {
    /// The moment on the wall clock, which can be set.
    pub wall: SystemTime,
    /// Since an origin that all timestamps of this process share: for distances between them.
    /// Meaningless between processes.
    pub monotonic: Duration,
}

impl Timestamp {
    /// A moment read from elsewhere.
    #[must_use]
    pub const fn new(wall: SystemTime, monotonic: Duration) -> Self {
        Self { wall, monotonic }
    }

    /// This moment.
    #[must_use]
    pub fn now() -> Self {
        static ORIGIN: OnceLock<Instant> = OnceLock::new();
        let monotonic = ORIGIN.get_or_init(Instant::now).elapsed();
        Self { wall: SystemTime::now(), monotonic }
    }

    /// The time since `earlier`, by the monotonic clock; zero if this is not later.
    pub fn since(&self, earlier: &Self) -> Duration {
        self.monotonic.saturating_sub(earlier.monotonic)
    }
}
