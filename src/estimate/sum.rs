//! Sums of what samples stand for, with their uncertainty.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

/// What a number of samples stands for, in bytes or in objects: a value, its variance, and what an
/// interval is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sum {
    /// What was read, where it was read: the sum of `seen` and `unseen` up to last digits, which
    /// what a file says is not to be off by.
    value: f64,
    pub(crate) samples: u64,
    /// Of the sampled objects themselves: certain.
    pub(crate) seen: f64,
    /// Of the objects that were not sampled: estimated.
    pub(crate) unseen: f64,
    pub(crate) variance: f64,
    /// The sum of `unseen` times the size of one object.
    pub(crate) steps: f64,
    /// What one more sample, of the most uncertain size, adds.
    pub(super) one_more: OneMore,
}

/// What one more sample adds to an estimate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct OneMore {
    pub(super) unseen: f64,
    pub(super) variance: f64,
    pub(super) steps: f64,
}

impl Sum {
    /// Of `n` sampled objects of `each` bytes, or one object, that are sampled with probability
    /// `1 - missed`.
    fn of(n: f64, each: f64, missed: f64, probability: f64) -> Self {
        let unseen = each * missed / probability;
        let variance = unseen * each / probability;
        Self {
            value: n * each + n * unseen,
            samples: n.round() as u64,
            seen: n * each,
            unseen: n * unseen,
            variance: n * variance,
            steps: n * unseen * each,
            one_more: OneMore { unseen, variance, steps: unseen * each },
        }
    }

    /// Of `n` sampled objects of `size` bytes: their bytes if `each` is the size, or, if it is 1,
    /// their number.
    pub(crate) fn of_samples(n: u64, each: f64, size: f64, interval_bytes: f64) -> Self {
        let (missed, probability) = chances(size, interval_bytes);
        Self { samples: n, ..Self::of(n as f64, each, missed, probability) }
    }

    /// Of the objects of `size` bytes that were estimated to be `value` bytes or, if `each` is 1,
    /// so many objects.
    pub(crate) fn of_value(value: f64, each: f64, size: f64, interval_bytes: f64) -> Self {
        let (missed, probability) = chances(size, interval_bytes);
        Self { value, ..Self::of(value * probability / each, each, missed, probability) }
    }

    /// The least size of an object on V8's heap, in bytes: a pointer and a map, where pointers are
    /// short.
    pub(crate) const LEAST_SIZE: f64 = 8.0;

    /// Of a value that nothing is known of, or that is beyond doubt.
    pub(crate) fn certain(value: f64) -> Self {
        Self { value, seen: value, ..Self::default() }
    }

    pub(super) fn with_samples(self, samples: u64) -> Self {
        Self { samples, ..self }
    }

    /// How likely an object is sampled, of those that are in doubt; `None` if there are none.
    pub(crate) fn sampled(&self) -> Option<f64> {
        (self.variance > 0.0).then(|| (self.steps / self.variance).min(1.0))
    }

    /// With the same relative uncertainty, and another value.
    pub(crate) fn with_value(&self, value: f64) -> Self {
        let scale = value / self.value();
        Self {
            value,
            seen: self.seen * scale,
            unseen: self.unseen * scale,
            variance: self.variance * scale * scale,
            steps: self.steps * scale * scale,
            ..*self
        }
    }

    /// What no sample stands for: nothing, up to what can go unnoticed.
    pub(crate) fn none(each: f64, interval_bytes: f64) -> Self {
        let (missed, probability) = chances(Self::LEAST_SIZE, interval_bytes);
        Self::of(0.0, each, missed, probability)
    }

    /// With what can go unnoticed as in another one.
    pub(crate) fn with_unnoticed_of(self, other: &Self) -> Self {
        Self { one_more: other.one_more, ..self }
    }

    /// Whether there can be such a sum: of numbers and, unless it may be a difference, of none
    /// below 0.
    pub(super) fn is_possible(&self, has_no_sign: bool) -> bool {
        let Self { value, samples: _, seen, unseen, variance, steps, one_more: more } = *self;
        [value, seen, unseen, variance, steps, more.unseen, more.variance, more.steps]
            .iter()
            .all(|part| part.is_finite() && (!has_no_sign || *part >= 0.0))
    }

    pub(crate) fn value(&self) -> f64 {
        self.value
    }

    /// Without a part of the samples.
    pub(crate) fn minus(&self, part: &Self) -> Self {
        // What is left of nothing but last digits is nothing.
        let rest = |whole: f64, part: f64| {
            let rest = whole - part;
            if rest > 1e-9 * whole { rest } else { 0.0 }
        };
        Self {
            value: rest(self.value, part.value),
            samples: self.samples.saturating_sub(part.samples),
            seen: rest(self.seen, part.seen),
            unseen: rest(self.unseen, part.unseen),
            variance: rest(self.variance, part.variance),
            steps: rest(self.steps, part.steps),
            one_more: self.one_more,
        }
    }

    /// The sum of two that have no sample in common.
    pub(crate) fn plus(&self, other: &Self) -> Self {
        // One more sample of a kind that was seen, as far as any was.
        let most_uncertain = |of: &Self| (of.samples > 0, of.one_more.variance);
        let one_more = if most_uncertain(other) > most_uncertain(self) {
            other.one_more
        } else {
            self.one_more
        };
        Self {
            value: self.value + other.value,
            samples: self.samples + other.samples,
            seen: self.seen + other.seen,
            unseen: self.unseen + other.unseen,
            variance: self.variance + other.variance,
            steps: self.steps + other.steps,
            one_more,
        }
    }
}

impl AddAssign for Sum {
    fn add_assign(&mut self, other: Self) {
        *self = self.plus(&other);
    }
}

/// The number of objects of `size` bytes that one sample of them stands for.
pub(crate) fn objects_per_sample(size: f64, interval_bytes: f64) -> f64 {
    let (_, probability) = chances(size, interval_bytes);
    1.0 / probability
}

/// The probabilities that an object of `size` bytes is missed, and that it is sampled.
///
/// At an interval of 1 byte every object is sampled: V8 misses one of 16 bytes once in nine
/// million.
fn chances(size: f64, interval_bytes: f64) -> (f64, f64) {
    if interval_bytes <= 1.0 {
        return (0.0, 1.0);
    }
    let x = size / interval_bytes;
    ((-x).exp(), -(-x).exp_m1())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(one: f64, other: f64) {
        assert!((one - other).abs() <= 1e-12 * one.abs().max(other.abs()), "{one} is not {other}");
    }

    #[test]
    fn what_was_seen_is_told_from_what_was_not() {
        let sizes: [(u64, f64); 2] = [(5, 56.0), (2, 1200.0)];
        let parts = sizes.map(|(n, size)| Sum::of_samples(n, size, size, 1000.0));
        let sum = parts[0].plus(&parts[1]);
        let (mut value, mut variance) = (0.0, 0.0);
        for (n, size) in sizes {
            let p = 1.0 - (-size / 1000.0_f64).exp();
            value += n as f64 * size / p;
            variance += n as f64 * size * size * (1.0 - p) / (p * p);
        }
        close(sum.value(), value);
        close(sum.seen, 5.0 * 56.0 + 2.0 * 1200.0);
        close(sum.seen + sum.unseen, value);
        close(sum.variance, variance);
        assert_eq!(sum.samples, 7);
        let rest = sum.minus(&parts[1]);
        close(rest.value(), parts[0].value());
        close(rest.variance, parts[0].variance);
        assert_eq!(sum.minus(&sum).value(), 0.0);
    }

    #[test]
    fn nothing_adds_no_doubt() {
        let sum = Sum::of_samples(7, 50_000.0, 50_000.0, 1000.0);
        for nothing in [Sum::default(), Sum::none(Sum::LEAST_SIZE, 1000.0)] {
            assert_eq!(sum.plus(&nothing), sum);
            assert_eq!(nothing.plus(&sum), sum);
        }
    }

    #[test]
    fn at_an_interval_of_1_nothing_is_missed() {
        for size in [8.0, 16.0, 1e6] {
            let sum = Sum::of_samples(3, size, size, 1.0);
            assert_eq!((sum.value(), sum.unseen, sum.variance), (3.0 * size, 0.0, 0.0));
            assert_eq!(objects_per_sample(size, 1.0), 1.0);
        }
    }
}
