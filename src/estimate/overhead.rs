//! The sampling interval that a budget of overhead allows.

use std::fmt;
use std::time::Duration;

use crate::model::{AnalysisError, Bytes, SamplerOptions};
use crate::text::percent;

/// A budget of overhead: the share of a thread's time that taking samples may cost.
///
/// Displayed with what it assumes, as `at most 1.0% of the time: 400 samples a second, of 25µs each`.
///
/// It assumes that each sample costs the same, and that objects are small against the interval: large
/// ones are sampled less often than it says. What a sampler costs besides, at any interval, is not in
/// it: while one runs V8 moves all elements of an array when its first is shifted off.
///
/// ```
/// use std::time::Duration;
/// use v8_heap_sampler::{Bytes, Overhead, SamplerOptions};
///
/// // A server that allocates 300 MB a second.
/// let overhead = Overhead::new(0.01)?;
/// let interval = overhead.interval_bytes(Bytes(300_000_000), Duration::from_secs(1));
/// assert_eq!(interval, 750_000);
/// let options = SamplerOptions::new().interval_bytes(interval);
/// # assert!(options.validate().is_ok());
/// # Ok::<(), v8_heap_sampler::AnalysisError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Overhead {
    share: f64,
    sample: Duration,
}

impl Overhead {
    /// The time that a sample is taken to cost unless told otherwise, with what it costs V8 later, when
    /// the object dies: above what `cargo bench --bench overhead` shows for the deep stacks of a
    /// compiler, 19 and 22 µs. (Where stacks are short it is about 2.)
    pub const SAMPLE_COST: Duration = Duration::from_micros(25);

    /// A share of the time of the isolate's thread: 0.01 for 1 %.
    ///
    /// # Errors
    ///
    /// [`AnalysisError::Overhead`] unless it is more than 0, and 1 at most.
    pub fn new(share: f64) -> Result<Self, AnalysisError> {
        if share > 0.0 && share <= 1.0 {
            Ok(Self { share, sample: Self::SAMPLE_COST })
        } else {
            Err(AnalysisError::Overhead { share })
        }
    }

    /// Sets the time that a sample costs, as it was measured on another machine, or with deeper stacks.
    /// Default: [`SAMPLE_COST`](Self::SAMPLE_COST).
    #[must_use]
    pub const fn sample_cost(mut self, cost: Duration) -> Self {
        self.sample = cost;
        self
    }

    /// The number of samples that may be taken in a second of the thread's time.
    pub fn samples_per_second(&self) -> f64 {
        self.share / self.sample.as_secs_f64()
    }

    /// The shortest interval that keeps to it, where so many bytes are allocated in a time: those of
    /// JavaScript and of V8 for it, alive later or not.
    ///
    /// Within the bounds of [`SamplerOptions`], and never so short that V8 rounds it (1024 bytes).
    pub fn interval_bytes(&self, allocated: Bytes, within: Duration) -> u64 {
        const LEAST: u64 = 1024;
        let samples = self.samples_per_second() * within.as_secs_f64();
        // Nothing in no time is no rate: then any interval does.
        let interval = (allocated.0 as f64 / samples).round() as u64;
        interval.clamp(LEAST, SamplerOptions::MAX_INTERVAL_BYTES)
    }
}

impl fmt::Display for Overhead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (share, samples) = (percent(self.share, 1.0), self.samples_per_second());
        let cost = self.sample;
        write!(f, "at most {share} of the time: {samples:.0} samples a second, of {cost:?} each")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_share_is_refused() {
        for share in [0.0, -0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert!(matches!(Overhead::new(share), Err(AnalysisError::Overhead { .. })));
        }
    }

    #[test]
    fn the_interval_keeps_to_the_budget() {
        let second = Duration::from_secs(1);
        let overhead = Overhead::new(0.02).unwrap().sample_cost(Duration::from_micros(5));
        assert_eq!(
            overhead.to_string(),
            "at most 2.0% of the time: 4000 samples a second, of 5µs each"
        );
        let interval = overhead.interval_bytes(Bytes(1_000_000_000), second);
        assert_eq!(interval, 250_000);
        let samples = 1e9 / interval as f64;
        assert!(samples * 5e-6 < 0.0201);
        // Half the budget, twice the interval; so does twice the work.
        let half = Overhead::new(0.01).unwrap().sample_cost(Duration::from_micros(5));
        assert_eq!(half.interval_bytes(Bytes(1_000_000_000), second), 500_000);
        assert_eq!(overhead.interval_bytes(Bytes(1_000_000_000), second / 2), 500_000);
        for (bytes, within) in [(0, second), (0, Duration::ZERO), (1, second)] {
            assert_eq!(overhead.interval_bytes(Bytes(bytes), within), 1024);
        }
        for (bytes, within) in [(u64::MAX, second), (1, Duration::ZERO)] {
            let interval = overhead.interval_bytes(Bytes(bytes), within);
            assert_eq!(interval, SamplerOptions::MAX_INTERVAL_BYTES);
        }
        let free = overhead.sample_cost(Duration::ZERO);
        assert_eq!(free.interval_bytes(Bytes(1_000_000_000), second), 1024);
    }
}
