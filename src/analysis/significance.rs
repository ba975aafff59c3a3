//! Whether a change is more than sampling explains.

use special::Error;

use crate::estimate::Sum;
use crate::stats::{NEARLY_NORMAL, binomial_tail, skellam_tail};

/// How likely two estimates of the same truth differ by as much as these do, to either side.
///
/// The estimates must have no sample in common. Each is of an effective number of samples, value² /
/// variance, and given how many both have together, how many of these are in the second one has a
/// binomial distribution (Przyborowski and Wilenski, *Biometrika* 31, 1940, for Poisson counts):
/// exact where all objects are of one size and small, and for others with the same mean and
/// variance.
///
/// Of large objects there are few, and that one of them is missed is not as rare as that would have
/// it: there the number of whole objects decides. Where all are so large that each is sampled,
/// every difference is certain.
pub(super) fn p_value(before: &Sum, after: &Sum, intervals: (f64, f64)) -> f64 {
    let (v1, v2) = (before.value(), after.value());
    let variance = before.variance + after.variance;
    let difference = v2 - v1;
    // Less than a tenth of a byte or of an object is what sums of floating-point numbers are off
    // by.
    if difference.abs() < 0.1_f64.max(1e-9 * (v1 + v2)) {
        return 1.0;
    }
    // What one sample stands for is in proportion to the interval.
    let per_interval = (before.variance / intervals.0 + after.variance / intervals.1) / (v1 + v2);
    let (w1, w2) = (per_interval * intervals.0, per_interval * intervals.1);
    let (n1, n2) = (v1 / w1, v2 / w2);
    let all = n1 + n2;
    if !all.is_finite() || all > NEARLY_NORMAL {
        if variance <= 0.0 {
            return 0.0;
        }
        let p = (difference.abs() / (2.0 * variance).sqrt()).compl_error();
        return p.max(p_of_steps(before, after));
    }
    let chance = w1 / (w1 + w2);
    // Of n2 or more, or of n2 or less: the smaller is on the side of what is more than expected,
    // but for a step of whole numbers, where both are far from significant. Numbers need not be
    // whole.
    let tail = if n2 > all * chance {
        binomial_tail(n2, all, chance)
    } else {
        binomial_tail(n1, all, 1.0 - chance)
    };
    (2.0 * tail).max(p_of_steps(before, after)).clamp(0.0, 1.0)
}

/// How likely two estimates of large objects, most of which are sampled, differ by so many whole
/// ones.
///
/// Of such objects few are missed, and what both sides missed are two Poisson numbers: their
/// difference has Skellam's distribution. A sample more or less is a step, which an effective
/// number of samples knows nothing of.
fn p_of_steps(before: &Sum, after: &Sum) -> f64 {
    let unseen = before.unseen + after.unseen;
    if unseen <= 0.0 {
        return 0.0;
    }
    // Of the objects that are in doubt: how large they are, and how likely one is sampled.
    let sampled = before.sampled().into_iter().chain(after.sampled()).fold(1.0, f64::min);
    if sampled < MOSTLY_MISSED {
        return 0.0;
    }
    let step = (before.steps + after.steps) / unseen / sampled;
    let (one, other) = (before.variance, after.variance);
    // Where most are sampled, a side that saw fewer is no surer for it.
    let variance = (1.0 - sampled) * (one + other) + 2.0 * sampled * one.max(other);
    let steps = (((after.value() - before.value()).abs() / step) + 1e-9).floor().max(1.0);
    let mean = variance / (step * step) / 2.0;
    if !(mean > 0.0 && mean < MOST_STEPS) {
        0.0
    } else {
        (2.0 * skellam_tail(steps, mean)).min(1.0)
    }
}

/// Objects of which fewer are sampled are as good as Poisson's, of which the other test is exact or
/// more careful.
const MOSTLY_MISSED: f64 = 0.35;

/// From so many missed objects on the distribution is that of their sum.
const MOST_STEPS: f64 = 100.0;
