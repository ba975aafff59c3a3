//! Quantiles of the negative binomial distribution.

use special::{Beta, Error};

/// Beyond so many unseen objects (about the variance, in units of the step) the distribution is
/// normal but for its skewness: the error of the approximation is below 1/10,000 of its width.
const NEARLY_NORMAL: f64 = 10_000.0;

/// The least whole number `k` for which at most `k` failures come before the `r`th success with
/// probability `level` or more, if each trial succeeds with probability `p`.
///
/// `r` need not be whole. For small `p`, `k * p` is the quantile of a gamma distribution of shape
/// `r`.
pub(super) fn negative_binomial(level: f64, r: f64, p: f64) -> f64 {
    let q = 1.0 - p;
    let mean = r * q / p;
    if !(mean > 0.0 && mean.is_finite()) {
        return 0.0;
    }
    let deviation = mean.sqrt() / p.sqrt();
    let z = normal(level);
    let skewness = (1.0 + q) / (r * q).sqrt();
    // Cornish and Fisher's expansion, to the skewness.
    let near = (mean + deviation * (z + skewness * (z * z - 1.0) / 6.0)).round().max(0.0);
    if r * q > NEARLY_NORMAL {
        return near;
    }

    let log_beta = |k: f64| r.ln_beta(k + 1.0);
    let reaches = |k: f64| p.inc_beta(r, k + 1.0, log_beta(k)) >= level;
    // Brackets the quantile from a good guess, then halves.
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
        while !reaches(high) {
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
pub(super) fn normal(level: f64) -> f64 {
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
            (0.025, 33_000.0, 0.2, 130_412.0),
            (0.975, 33_000.0, 0.2, 133_597.0),
            (0.975, 1e8, 1.0 - 1e-9, 1.0),
        ] {
            let found = negative_binomial(level, r, p);
            assert!((found - k).abs() <= k * 1e-6, "{level} {r} {p}: {found}, not {k}");
        }
    }

    #[test]
    fn the_two_ways_of_computing_meet() {
        for p in [1e-6, 0.01, 0.3, 0.9] {
            for level in [0.0005, 0.025, 0.5, 0.975, 0.9995] {
                let at = |unseen: f64| {
                    let r = unseen / (1.0 - p);
                    let deviation = (r * (1.0 - p)).sqrt() / p;
                    (negative_binomial(level, r, p) - r * (1.0 - p) / p) / deviation
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
        assert_eq!(negative_binomial(0.975, 5.0, 1.0), 0.0);
        assert_eq!(negative_binomial(0.975, 0.0, 0.5), 0.0);
    }
}
