//! Quantiles of the negative binomial distribution.

use special::{Error, Gamma};

use super::beta::incomplete_beta;

/// Beyond so many the distribution is normal but for its skewness: the error of the approximation
/// is below 1/10,000 of its width.
const NEARLY_NORMAL: f64 = 10_000.0;
/// Beyond so many successes it is Poisson's, as each trial fails so rarely.
const NEARLY_POISSON: f64 = 1e8;
/// Below such a probability, times itself it has a gamma distribution: whole numbers are too many
/// to matter.
const NEARLY_GAMMA: f64 = 1e-4;

/// The least whole number that a negative binomial number of this mean and variance does not exceed
/// with probability `level` or more.
///
/// The number of failures before the `r`th success, if each trial succeeds with probability `p`,
/// has the mean `r * (1 - p) / p` and the variance `r * (1 - p) / p²`; `r` need not be whole. For a
/// small `p`, `p` times it has a gamma distribution of shape `r`.
pub(crate) fn negative_binomial(level: f64, mean: f64, variance: f64) -> f64 {
    let is_number = mean > 0.0 && variance.is_finite() && level > 0.0 && level < 1.0;
    // By Markov's inequality, one or more are no more likely than the mean.
    if !is_number || mean <= 1.0 - level {
        return 0.0;
    }
    let variance = variance.max(mean);
    let deviation = variance.sqrt();
    let z = normal(level);
    let skewness = (2.0 * variance / mean - 1.0) / deviation;
    // Cornish and Fisher's expansion, to the skewness.
    let near = (mean + deviation * (z + skewness * (z * z - 1.0) / 6.0)).round().max(0.0);
    if mean * mean / variance > NEARLY_NORMAL {
        return near;
    }
    let r = mean * mean / (variance - mean);
    if r.is_nan() || r > NEARLY_POISSON {
        // As many events or more, in a Poisson process, take at most so long.
        return least(near, deviation, |k| 1.0 - mean.inc_gamma(k + 1.0) >= level);
    }
    let p = mean / variance;
    if p < NEARLY_GAMMA {
        // Of the same mean and variance.
        return gamma(level, mean * p, near * p) / p;
    }
    least(near, deviation, |k| incomplete_beta(p, r, k + 1.0) >= level)
}

/// The quantile of a gamma distribution, from a guess that is about right.
fn gamma(level: f64, shape: f64, near: f64) -> f64 {
    let mut high = near.max(f64::MIN_POSITIVE);
    while high < 1e300 && high.inc_gamma(shape) < level {
        high *= 2.0;
    }
    let mut low = 0.0;
    while high - low > 1e-9 * high {
        let middle = low + (high - low) / 2.0;
        // So small a part of the mean is nothing.
        if middle < 1e-12 * shape {
            return 0.0;
        }
        if middle.inc_gamma(shape) < level { low = middle } else { high = middle }
    }
    high
}

/// The least whole number that `reaches`, from a guess that is about right; all from there on do.
fn least(near: f64, deviation: f64, reaches: impl Fn(f64) -> bool) -> f64 {
    let mut step = (deviation / 8.0).ceil().max(1.0);
    let (mut low, mut high); // !reaches(low) && reaches(high); -1 reaches nothing
    if reaches(near) {
        high = near;
        low = near - step;
        while low >= 0.0 && reaches(low) {
            high = low;
            step *= 2.0;
            low -= step;
        }
        low = low.max(-1.0);
    } else {
        low = near;
        high = near + step;
        // Farther out than any quantile lies, the sum cannot be told from 1.
        while high < near + 1e6 * (deviation + 1.0) && !reaches(high) {
            low = high;
            step *= 2.0;
            high += step;
        }
    }
    while high - low > 1.0 {
        let middle = ((low + high) / 2.0).floor();
        if middle <= low || middle >= high {
            break; // beyond 2^53 whole numbers are not told apart
        }
        if reaches(middle) { high = middle } else { low = middle }
    }
    high
}

/// The quantile of the standard normal distribution.
pub(crate) fn normal(level: f64) -> f64 {
    std::f64::consts::SQRT_2 * (2.0 * level - 1.0).inv_error()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_scipy() {
        // scipy.stats.nbinom.ppf(level, r, p)
        for (level, r, p, k) in [
            (0.025, 1.0, 0.5, 0.0),
            (0.975, 1.0, 0.5, 5.0),
            (0.025, 60.0, 0.9933, 0.0),
            (0.975, 61.0, 0.9933, 2.0),
            (0.025, 5.5, 0.01, 187.0),
            (0.975, 6.5, 0.01, 1227.0),
            (0.025, 1000.0, 1e-4, 9_388_761.0),
            (0.975, 1000.0, 1e-4, 10_628_180.0),
            (0.025, 5.0, 0.99e-4, 16_396.0),
            (0.975, 1.0, 0.99e-4, 37_259.0),
            (0.025, 33_000.0, 0.2, 130_412.0),
            (0.975, 33_000.0, 0.2, 133_597.0),
            (0.975, 1e8, 1.0 - 1e-9, 1.0),
            (0.999_999_999, 3.0, 0.001, 26_657.0),
            (0.025, 1e12, 1.0 - 1e-9, 938.0),
            (0.975, 1e12, 1.0 - 1e-9, 1062.0),
        ] {
            let found = of(level, r, p);
            assert!((found - k).abs() <= k * 1e-5, "{level} {r} {p}: {found}, not {k}");
        }
    }

    fn of(level: f64, r: f64, p: f64) -> f64 {
        negative_binomial(level, r * (1.0 - p) / p, r * (1.0 - p) / (p * p))
    }

    #[test]
    fn the_two_ways_of_computing_meet() {
        for p in [1e-6, 0.01, 0.3, 0.9] {
            for level in [0.0005, 0.025, 0.5, 0.975, 0.9995] {
                let at = |unseen: f64| {
                    let r = unseen / (1.0 - p);
                    let deviation = (r * (1.0 - p)).sqrt() / p;
                    (of(level, r, p) - r * (1.0 - p) / p) / deviation
                };
                let (exact, normal) = (at(NEARLY_NORMAL * 0.9999), at(NEARLY_NORMAL * 1.0001));
                // A step of the exact one is a whole object.
                let step = p / NEARLY_NORMAL.sqrt();
                assert!((exact - normal).abs() < 1e-3 + step, "{p} {level}: {exact} {normal}");
            }
        }
    }

    #[test]
    fn nothing_unseen_is_zero() {
        assert_eq!(negative_binomial(0.975, 0.0, 0.0), 0.0);
        assert_eq!(negative_binomial(0.975, 1e-300, 1e-300), 0.0);
        assert_eq!(of(0.975, 5.0, 1.0), 0.0);
    }

    #[test]
    fn no_numbers_hang_or_are_none() {
        let extremes = [1e-300, 1e-9, 0.5, 1.0, 1e4, 1e9, 1e18, 1e300];
        for level in [1e-10, 0.025, 0.5, 0.975, 1.0 - 1e-10] {
            for mean in extremes {
                for ratio in [0.5, 1.0, 1.0 + 1e-15, 1.000_001, 2.0, 1e6, 1e12] {
                    let found = negative_binomial(level, mean, mean * ratio);
                    assert!(found >= 0.0 && found.is_finite(), "{level} {mean} {ratio}: {found}");
                }
            }
        }
        assert_eq!(negative_binomial(0.975, f64::NAN, 1.0), 0.0);
        assert_eq!(negative_binomial(0.975, 1.0, f64::INFINITY), 0.0);
    }
}
