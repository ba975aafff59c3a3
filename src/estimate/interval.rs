//! Confidence intervals.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};

use super::sum::Sum;
use crate::model::AnalysisError;
use crate::stats::negative_binomial;

/// A confidence level: the probability that an interval holds the truth, 0.95 for 95 %.
///
/// ```
/// use v8_heap_sampler::Confidence;
/// assert_eq!(Confidence::new(0.95)?, Confidence::P95);
/// assert_eq!(Confidence::P95.to_string(), "95 %");
/// let error = Confidence::new(95.0).unwrap_err();
/// assert_eq!(error.to_string(), "confidence level 95: it must lie between 0 and 0.999999999, as 0.95 does");
/// # Ok::<(), v8_heap_sampler::AnalysisError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize)]
pub struct Confidence(f64);

impl Confidence {
    /// 90 %
    pub const P90: Self = Self(0.90);
    /// 95 %
    pub const P95: Self = Self(0.95);
    /// 99 %
    pub const P99: Self = Self(0.99);

    /// The level `level`, between 0 and 1, and no nearer to 1 than 0.999999999: what happens more
    /// rarely is beyond these statistics.
    ///
    /// # Errors
    ///
    /// [`AnalysisError::Confidence`] if it is not.
    pub fn new(level: f64) -> Result<Self, AnalysisError> {
        let is_level = level > 0.0 && level <= Self::MOST;
        if is_level { Ok(Self(level)) } else { Err(AnalysisError::Confidence { level }) }
    }

    const MOST: f64 = 0.999_999_999;

    /// The level, between 0 and 1.
    pub const fn level(self) -> f64 {
        self.0
    }

    /// The probability that is left to either side of an interval.
    pub(super) const fn tail(self) -> f64 {
        (1.0 - self.0) / 2.0
    }
}

impl Default for Confidence {
    /// 95 %.
    fn default() -> Self {
        Self::P95
    }
}

impl<'de> Deserialize<'de> for Confidence {
    /// Reads a level, with the checks of [`Confidence::new`].
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(f64::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // 0.999 * 100 is 99.9 but for the last digit.
        write!(f, "{} %", (self.0 * 1e8).round() / 1e6)
    }
}

/// The interval that holds the truth in so many profiles of the same program.
///
/// In the estimate's unit, unrounded.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct ConfidenceInterval {
    /// The lower limit; never below what was seen in the samples themselves.
    pub lower: f64,
    /// The upper limit.
    pub upper: f64,
    /// The probability that the truth lies between the two.
    pub confidence: Confidence,
}

impl ConfidenceInterval {
    /// Upper less lower.
    pub fn width(&self) -> f64 {
        self.upper - self.lower
    }

    /// Tells whether `value` lies in the interval, its limits included.
    ///
    /// Limits are sums of floating-point numbers: a value that is off by their last digits counts
    /// as being in.
    pub fn contains(&self, value: f64) -> bool {
        let slack = 1e-9 * self.upper.abs();
        (self.lower - slack..=self.upper + slack).contains(&value)
    }
}

impl Sum {
    /// The interval that [`Estimate::interval`](super::Estimate::interval) describes.
    pub(crate) fn interval(&self, confidence: Confidence) -> ConfidenceInterval {
        let tail = confidence.tail();
        let lower = unseen(tail, self.unseen, self.variance, self.steps);
        let more = self.one_more;
        let upper = unseen(
            1.0 - tail,
            self.unseen + more.unseen,
            self.variance + more.variance,
            self.steps + more.steps,
        );
        // Limits are whole objects, the estimate is not: it can lie a part of one beside them.
        let value = self.value();
        ConfidenceInterval {
            lower: (self.seen + lower).min(value),
            upper: (self.seen + upper).max(value),
            confidence,
        }
    }
}

/// A quantile of what was not sampled: of a step, the mean size of these objects, times a negative
/// binomial number, with that mean and variance in all. `steps` is the sum of the sizes' squares:
/// the mean times the step.
fn unseen(level: f64, mean: f64, variance: f64, steps: f64) -> f64 {
    let step = steps / mean;
    // Of every size the variance is at least its mean times the size, so that of the sum is at
    // least the mean times the step, as a negative binomial distribution needs it.
    let is_number = mean > 0.0 && step > 0.0 && step.is_finite();
    if is_number {
        step * negative_binomial(level, mean / step, variance / (step * step))
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fay and Feuer's interval of a sum of Poisson counts with weights 1e6 times 1, 2 and 5, by
    /// scipy's chi-squared quantiles.
    #[test]
    fn sums_have_fay_and_feuer_s_interval() {
        // Different weights for small objects come from different intervals.
        let of = |n, scale: f64| Sum::of_samples(n, 16.0, 16.0, scale * 1e6);
        let sum = of(4, 1.0).plus(&of(3, 2.0)).plus(&of(1, 5.0));
        let interval = sum.interval(Confidence::P95);
        assert!((interval.lower / 5_195_569.1 - 1.0).abs() < 1e-4, "{interval:?}");
        assert!((interval.upper / 38_786_762.2 - 1.0).abs() < 1e-4, "{interval:?}");
    }
}
