//! Tails of distributions of counts, and what many of them mean together.

use special::{Error, Gamma};

use super::beta::incomplete_beta;

/// From so many samples on, counts are as good as normal.
pub(crate) const NEARLY_NORMAL: f64 = 1e5;

/// How likely the difference of two Poisson numbers of one mean is `least` or more.
pub(crate) fn skellam_tail(least: f64, mean: f64) -> f64 {
    let most = (mean + 12.0 * mean.sqrt() + 30.0).ceil() as usize;
    let mut chances = Vec::with_capacity(most);
    let mut chance = (-mean).exp();
    for n in 0..most {
        chances.push(chance);
        chance *= mean / (n + 1) as f64;
    }
    // From the upper end: how likely a number is so large or larger.
    let mut tails = chances.clone();
    for n in (0..most - 1).rev() {
        tails[n] += tails[n + 1];
    }
    let least = least as usize;
    chances.iter().zip(tails.iter().skip(least)).map(|(chance, tail)| chance * tail).sum()
}

/// How likely `n` events or more, or of a number that is not whole as many, are among `all` if each
/// is one with a chance.
pub(crate) fn binomial_tail(n: f64, all: f64, chance: f64) -> f64 {
    match all - n {
        _ if n <= 0.0 => 1.0,
        rest if rest <= 0.0 => chance.powf(n),
        rest => incomplete_beta(chance, n, rest + 1.0),
    }
}

/// How likely `n` events or more, or of a number that is not whole as many, are where so many are
/// expected.
pub(crate) fn poisson_tail(n: f64, expected: f64) -> f64 {
    if n <= 0.0 {
        return 1.0;
    }
    if n > NEARLY_NORMAL {
        let z = (n - expected) / expected.sqrt().max(f64::MIN_POSITIVE);
        return (z / std::f64::consts::SQRT_2).compl_error() / 2.0;
    }
    if expected > 0.0 { expected.inc_gamma(n) } else { 0.0 }
}

/// The false discovery rates at which each of the hypotheses would just be rejected, by the
/// procedure of Benjamini and Hochberg (*Journal of the Royal Statistical Society B* 57, 1995). O(n
/// log n).
pub(crate) fn q_values(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<u32> = (0..p_values.len() as u32).collect();
    order.sort_unstable_by(|&one, &other| {
        p_values[other as usize].total_cmp(&p_values[one as usize])
    });
    let all = p_values.len() as f64;
    let mut q_values = vec![1.0; p_values.len()];
    let mut least: f64 = 1.0;
    for (at, &number) in order.iter().enumerate() {
        let rank = all - at as f64;
        least = least.min(p_values[number as usize] * all / rank);
        q_values[number as usize] = least;
    }
    q_values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn false_discovery_rates_are_those_of_r() {
        // p.adjust(p, "BH")
        let found = q_values(&[0.01, 0.02, 0.03, 0.04, 0.05, 0.001]);
        let wanted = [0.03, 0.04, 0.045, 0.048, 0.05, 0.006];
        for (found, wanted) in found.iter().zip(wanted) {
            assert!((found - wanted).abs() < 1e-12, "{found} {wanted}");
        }
        assert!(q_values(&[]).is_empty());
        assert_eq!(q_values(&[0.9, 1.0]), [1.0, 1.0]);
    }
}
