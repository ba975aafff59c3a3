//! The sampling interval that a wanted precision takes.

use std::fmt;

use super::interval::Confidence;
use crate::model::{AnalysisError, Bytes, SamplerOptions};
use crate::stats::normal;
use crate::text::percent;

/// A wanted precision: how far off an estimate may be, of a function that has a share of the whole.
///
/// Displayed with the samples that it takes, as `± 10.0% (95 % intervals) of what is 1.0% of the
/// whole: 385 samples of it`.
///
/// It assumes that objects are small against the interval, which is the worst case: a sample of a
/// large object says more.
///
/// ```
/// use v8_heap_sampler::{Bytes, Precision, SamplerOptions};
///
/// // Of a program that allocates 2 GB: a function with 1 % of it, within 10 %.
/// let precision = Precision::new(0.1, 0.01)?;
/// let interval = precision.interval_bytes(Bytes(2_000_000_000));
/// assert_eq!(interval, 52_063);
/// let options = SamplerOptions::new().interval_bytes(interval);
/// assert!(options.validate().is_ok());
/// assert_eq!(
///     precision.to_string(),
///     "± 10.0% (95 % intervals) of what is 1.0% of the whole: 385 samples of it"
/// );
/// # Ok::<(), v8_heap_sampler::AnalysisError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Precision {
    relative: f64,
    share: f64,
    confidence: Confidence,
}

impl Precision {
    /// Half of a 95 % interval relative to the estimate, 0.1 for ± 10 %; and the share of the whole
    /// that it is wanted for, 0.01 for 1 %.
    ///
    /// # Errors
    ///
    /// [`AnalysisError::Precision`] unless both are more than 0, and 1 at most.
    pub fn new(relative: f64, share: f64) -> Result<Self, AnalysisError> {
        let is_part = |part: f64| part > 0.0 && part <= 1.0;
        if is_part(relative) && is_part(share) {
            Ok(Self { relative, share, confidence: Confidence::P95 })
        } else {
            Err(AnalysisError::Precision { relative, share })
        }
    }

    /// Sets the confidence of the interval. Default: 95 %.
    #[must_use]
    pub const fn confidence(mut self, confidence: Confidence) -> Self {
        self.confidence = confidence;
        self
    }

    /// The number of samples of the function that it takes.
    pub fn samples(&self) -> f64 {
        // Samples are rare and independent: their number has its mean as its variance.
        (normal(1.0 - self.confidence.tail()) / self.relative).powi(2)
    }

    /// The longest interval that gives it, where the whole is so much: bytes that are allocated while
    /// sampling goes on, if dead objects are kept, else bytes that are alive.
    ///
    /// Within the bounds of [`SamplerOptions`]; 1 where it would be less than 1024 bytes, as V8 rounds
    /// intervals between.
    pub fn interval_bytes(&self, whole: Bytes) -> u64 {
        const LEAST: u64 = 1024;
        let interval = (whole.0 as f64 * self.share / self.samples()) as u64;
        match interval {
            0..LEAST => SamplerOptions::MIN_INTERVAL_BYTES,
            _ => interval.min(SamplerOptions::MAX_INTERVAL_BYTES),
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { relative, share, confidence } = *self;
        let (relative, share) = (percent(relative, 1.0), percent(share, 1.0));
        let samples = self.samples().ceil();
        write!(
            f,
            "± {relative} ({confidence} intervals) of what is {share} of the whole: {samples:.0} \
             samples of it"
        )
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;
    use rand_distr::{Binomial, Distribution};

    use super::*;

    #[test]
    fn the_precision_is_kept() {
        const SIZE: f64 = 56.0;
        let mut random = StdRng::seed_from_u64(1);
        for (relative, share) in [(0.1, 0.01), (0.3, 0.05), (0.05, 1.0)] {
            let precision = Precision::new(relative, share).unwrap();
            let whole = Bytes(5_000_000_000);
            let interval = precision.interval_bytes(whole) as f64;
            // The function's objects, each sampled with the probability that V8 does.
            let objects = (whole.0 as f64 * share / SIZE) as u64;
            let probability = 1.0 - (-SIZE / interval).exp();
            let sampled = Binomial::new(objects, probability).unwrap();
            let within = (0..4000)
                .filter(|_| {
                    let estimate = sampled.sample(&mut random) as f64 / probability;
                    (estimate / objects as f64 - 1.0).abs() <= relative
                })
                .count();
            assert!((0.94..0.96).contains(&(within as f64 / 4000.0)), "{precision}: {within}");
        }
    }

    #[test]
    fn what_is_no_part_is_refused() {
        for (relative, share) in [(0.0, 0.1), (0.1, 0.0), (1.5, 0.1), (0.1, 2.0), (f64::NAN, 0.1)] {
            assert!(matches!(
                Precision::new(relative, share),
                Err(AnalysisError::Precision { .. })
            ));
        }
        let precision = Precision::new(0.1, 0.01).unwrap();
        assert_eq!(precision.interval_bytes(Bytes(0)), 1);
        assert_eq!(precision.interval_bytes(Bytes(u64::MAX)), SamplerOptions::MAX_INTERVAL_BYTES);
        let surer = precision.confidence(Confidence::P99);
        assert!(surer.samples() > 1.7 * precision.samples());
    }
}
