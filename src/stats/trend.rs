//! Whether a series rises, and how steeply.

use special::Error;

use super::beta::incomplete_beta;
use super::normal;

/// Up to so many points without ties the exact distribution is used.
const MOST_EXACT: usize = 40;

/// How likely a series without a trend rises as steadily as this one: Mann's test (*Econometrica*
/// 13, 1945), one-sided, exact for short series without ties; else by the normal distribution, with
/// Kendall's correction for ties.
pub(crate) fn p_of_rise(series: &[f64]) -> f64 {
    let n = series.len();
    let score = kendall(series);
    if score <= 0 {
        return 1.0;
    }
    let ties = ties(series);
    if ties.is_empty() && n <= MOST_EXACT {
        return exact_tail(n, score);
    }
    let deviation = variance(n, &ties).sqrt();
    if deviation == 0.0 {
        return 1.0;
    }
    // A step of the score is 2.
    let z = (score as f64 - 1.0) / deviation;
    (z / std::f64::consts::SQRT_2).compl_error() / 2.0
}

/// How many pairs rise, less how many fall.
fn kendall(series: &[f64]) -> i64 {
    let mut score = 0;
    for (at, one) in series.iter().enumerate() {
        for later in &series[at + 1..] {
            score += i64::from(later > one) - i64::from(later < one);
        }
    }
    score
}

/// How many values there are of each that occurs more than once.
fn ties(series: &[f64]) -> Vec<usize> {
    let mut sorted = series.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.chunk_by(|one, other| one == other).map(<[f64]>::len).filter(|&n| n > 1).collect()
}

/// The variance of the score of `n` values without a trend.
fn variance(n: usize, ties: &[usize]) -> f64 {
    let term = |n: usize| {
        let n = n as f64;
        n * (n - 1.0) * (2.0 * n + 5.0)
    };
    (term(n) - ties.iter().map(|&tied| term(tied)).sum::<f64>()) / 18.0
}

/// The probability of a score as large, or larger, of `n` values in random order.
fn exact_tail(n: usize, score: i64) -> f64 {
    // How likely each number of falling pairs is: those of the n-th value with the ones before it
    // are uniform.
    let mut chances = vec![1.0];
    for count in 2..=n {
        let mut next = vec![0.0; chances.len() + count - 1];
        for (falling, chance) in chances.iter().enumerate() {
            for more in 0..count {
                next[falling + more] += chance / count as f64;
            }
        }
        chances = next;
    }
    let pairs = (n * (n - 1) / 2) as i64;
    let most_falling = (pairs - score) / 2;
    chances.iter().take(most_falling as usize + 1).sum::<f64>().min(1.0)
}

/// How likely the steps of a series that wanders without aim go up as much on average: Student's
/// test, one-sided.
pub(crate) fn p_of_drift(series: &[f64]) -> f64 {
    let n = series.len().saturating_sub(1);
    if n < 2 {
        return 1.0;
    }
    let steps = || series.windows(2).map(|pair| pair[1] - pair[0]);
    let mean = steps().sum::<f64>() / n as f64;
    let freedom = (n - 1) as f64;
    let variance = steps().map(|step| (step - mean) * (step - mean)).sum::<f64>() / freedom;
    if mean <= 0.0 {
        return 1.0;
    }
    let t = mean / (variance / n as f64).sqrt();
    let x = freedom / (freedom + t * t);
    if x <= 0.0 { 0.0 } else { incomplete_beta(x, freedom / 2.0, 0.5) / 2.0 }
}

/// A slope and the limits between which it lies with 95 % confidence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Slope {
    pub(crate) value: f64,
    pub(crate) lower: f64,
    pub(crate) upper: f64,
}

/// The median of the slopes between any two points (Theil and Sen), which up to a quarter of the
/// points cannot spoil, with Sen's interval (*Journal of the American Statistical Association* 63,
/// 1968).
///
/// `None` if no two points are at different times. O(n² log n).
pub(crate) fn theil_sen(points: &[(f64, f64)]) -> Option<Slope> {
    let mut slopes = Vec::with_capacity(points.len() * points.len() / 2);
    for (at, one) in points.iter().enumerate() {
        for other in &points[at + 1..] {
            if other.0 != one.0 {
                slopes.push((other.1 - one.1) / (other.0 - one.0));
            }
        }
    }
    if slopes.is_empty() {
        return None;
    }
    slopes.sort_by(f64::total_cmp);
    let n = slopes.len();
    let value = (slopes[(n - 1) / 2] + slopes[n / 2]) / 2.0;
    let series: Vec<f64> = points.iter().map(|point| point.1).collect();
    let width = normal(0.975) * variance(points.len(), &ties(&series)).sqrt();
    let at = |rank: f64| slopes[(rank.max(0.0) as usize).min(n - 1)];
    let lower = at(((n as f64 - width) / 2.0).floor());
    let upper = at(((n as f64 + width) / 2.0).ceil());
    Some(Slope { value, lower: lower.min(value), upper: upper.max(value) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_series_have_the_exact_test() {
        // scipy.stats.kendalltau(range(n), series, alternative="greater", method="exact")
        for (series, p) in [
            (&[1.0, 2.0, 3.0][..], 1.0 / 6.0),
            (&[1.0, 2.0, 3.0, 4.0, 5.0], 1.0 / 120.0),
            (&[1.0, 3.0, 2.0, 5.0, 4.0, 6.0, 8.0, 7.0], 111.0 / 40_320.0),
            (&[2.0, 1.0], 1.0),
            (&[5.0, 4.0, 6.0, 3.0], 1.0),
        ] {
            let found = p_of_rise(series);
            assert!((found - p).abs() < 1e-9, "{series:?}: {found}");
        }
    }

    #[test]
    fn ties_and_long_series_have_the_normal_test() {
        assert_eq!(p_of_rise(&[3.0; 10]), 1.0);
        // Score 10, variance (8*7*21 - 2*1*9 - 3*2*11) / 18 = 60.67.
        let found = p_of_rise(&[1.0, 2.0, 2.0, 1.5, 3.0, 0.5, 3.0, 3.0]);
        let z: f64 = (10.0 - 1.0) / (1092.0_f64 / 18.0).sqrt();
        let wanted = (z / std::f64::consts::SQRT_2).compl_error() / 2.0;
        assert!((found - wanted).abs() < 1e-9, "{found} {wanted}");
        let rising: Vec<f64> = (0..100).map(f64::from).collect();
        assert!(p_of_rise(&rising) < 1e-20);
    }

    #[test]
    fn steps_must_go_up_on_average() {
        // scipy.stats.ttest_1samp([1, 2, 3, 1, 2], 0, alternative="greater").pvalue
        let found = p_of_drift(&[0.0, 1.0, 3.0, 6.0, 7.0, 9.0]);
        assert!((found - 0.004_290).abs() < 1e-5, "{found}");
        assert_eq!(p_of_drift(&[5.0, 4.0, 3.0, 1.0]), 1.0);
        assert_eq!(p_of_drift(&[1.0, 2.0, 3.0, 4.0]), 0.0);
        assert_eq!(p_of_drift(&[1.0, 2.0]), 1.0);
    }

    #[test]
    fn the_slope_stands_outliers() {
        let mut points: Vec<(f64, f64)> =
            (0..20).map(|at| (f64::from(at), 3.0 * f64::from(at))).collect();
        points[4].1 = 1e6;
        points[11].1 = -1e6;
        points[19].1 = 0.0;
        let slope = theil_sen(&points).unwrap();
        assert_eq!(slope.value, 3.0);
        assert!(slope.lower <= 3.0 && 3.0 <= slope.upper && slope.upper - slope.lower < 1.0);
        assert_eq!(theil_sen(&[(1.0, 5.0)]), None);
        assert_eq!(theil_sen(&[(1.0, 5.0), (1.0, 6.0)]), None);
    }
}
