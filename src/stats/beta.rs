//! The regularised incomplete beta function.

use special::Beta;

/// From here on the function of `special` takes microseconds; below, with a small `x`, as many
/// steps as `1 / x`, a millisecond, unless `a` is a whole number.
const FAST: f64 = 16.0;

/// The regularised incomplete beta function of `x` from 0 to 1, for positive `a` and `b`.
pub(super) fn incomplete_beta(x: f64, mut a: f64, b: f64) -> f64 {
    let mut sum = 0.0;
    if a < FAST && a.fract() != 0.0 && x > 0.0 && x < 1.0 {
        // I(a, b) is I(a + 1, b) and this: Abramowitz and Stegun, 26.5.16.
        let power = a * x.ln() + b * (-x).ln_1p();
        let mut term = (power - a.ln() - a.ln_beta(b)).exp();
        while a < FAST {
            sum += term;
            term *= x * (a + b) / (a + 1.0);
            a += 1.0;
        }
    }
    sum + x.inc_beta(a, b, a.ln_beta(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_that_of_special() {
        for x in [1e-3_f64, 0.01, 0.3, 0.5, 0.9, 0.999] {
            for (a, b) in [(0.5, 0.5), (0.01, 40.0), (1.0, 1.0), (3.7, 2000.0), (12.5, 0.5)] {
                let (found, expected) = (incomplete_beta(x, a, b), x.inc_beta(a, b, a.ln_beta(b)));
                assert!((found - expected).abs() < 1e-10, "{x} {a} {b}: {found}, not {expected}");
            }
        }
        assert_eq!((incomplete_beta(0.0, 2.0, 3.0), incomplete_beta(1.0, 2.0, 3.0)), (0.0, 1.0));
    }

    #[test]
    fn small_tails_keep_their_digits() {
        // 1 - (1 - x)^b for a = 1, and x^a for b = 1.
        let of_one = incomplete_beta(1e-9, 1.0, 1000.0);
        assert!((of_one / 9.999_995e-7 - 1.0).abs() < 1e-9, "{of_one}");
        let power = incomplete_beta(1e-4, 2.5, 1.0);
        assert!((power / 1e-10 - 1.0).abs() < 1e-9, "{power}");
    }
}
