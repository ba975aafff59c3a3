//! Estimates, and how they add up.

use std::marker::PhantomData;
use std::ops::{Add, AddAssign};

use crate::profile::{Bytes, Objects, Unit};

/// What a number of samples stands for: the estimate of a sum of bytes or of objects, and how sure
/// it is.
///
/// It is unbiased: the mean over many profiles of the same program is the truth, as far as V8 samples
/// [as its model says](crate#where-v8-departs-from-the-model). It is not a count, nor rounded to one.
/// [`interval`](Self::interval) says where the truth may lie.
///
/// Estimates add up, with their variances, if no sample is in both.
///
/// Displayed with the 95 % interval: `12.3 MB ± 0.4` (the larger of both sides), or with the limits
/// where these lie at very different distances, as they do with few samples:
/// `524.3 kB (13.3 kB to 2.9 MB)`. What is certain stands alone: `16.0 kB`.
///
/// ```
/// use v8_heap_sampler::{Confidence, Node, NodeId, Profile, Sample, SampleId, SamplerOptions};
///
/// // 400 objects of 56 bytes were sampled, at 4 KiB.
/// let nodes = vec![Node::new(NodeId(1), "(root)")];
/// let samples = (1..=400).map(|id| Sample::new(NodeId(1), 56, SampleId(id), true)).collect();
/// let profile = Profile::new(nodes, samples, SamplerOptions::new().interval_bytes(4096));
///
/// let bytes = profile.estimates()?.total().inuse_space();
/// assert_eq!(bytes.to_string(), "1.65 MB ± 0.17");
/// assert_eq!(bytes.samples(), 400);
/// // Standard error: about one part in the square root of the samples.
/// assert!((bytes.standard_error() / bytes.value() - 0.05).abs() < 0.001);
/// let interval = bytes.interval(Confidence::P99);
/// assert!(interval.lower < bytes.value() && bytes.value() < interval.upper);
/// # Ok::<(), v8_heap_sampler::ProfileError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate<U: Unit> {
    pub(super) sum: Sum,
    unit: PhantomData<U>,
}

/// An estimate of whatever unit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
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
#[derive(Clone, Copy, Debug, Default, PartialEq)]
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

    /// Of the objects of `size` bytes that were estimated to be `value` bytes or, if `each` is 1, so
    /// many objects.
    pub(crate) fn of_value(value: f64, each: f64, size: f64, interval_bytes: f64) -> Self {
        let (missed, probability) = chances(size, interval_bytes);
        Self { value, ..Self::of(value * probability / each, each, missed, probability) }
    }

    /// The least size of an object.
    pub(crate) const LEAST_SIZE: f64 = Usage::LEAST_SIZE as f64;

    /// Of a value that nothing is known of, or that is beyond doubt.
    pub(crate) fn certain(value: f64) -> Self {
        Self { value, seen: value, ..Self::default() }
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
        let (missed, probability) = chances(Usage::LEAST_SIZE as f64, interval_bytes);
        Self::of(0.0, each, missed, probability)
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

impl<U: Unit> Estimate<U> {
    fn new(samples: u64, each: f64, missed: f64, probability: f64) -> Self {
        Self { sum: Sum::of(samples as f64, each, missed, probability), unit: PhantomData }
    }

    /// The estimate, unrounded.
    #[must_use]
    pub fn value(&self) -> f64 {
        self.sum.value()
    }

    /// The variance of the estimate, itself estimated: `n * size² * (1 - p) / p²` for the bytes of
    /// `n` samples of one size, without the size for objects, and added up over sizes and contexts.
    #[must_use]
    pub fn variance(&self) -> f64 {
        self.sum.variance
    }

    /// The square root of the variance.
    ///
    /// With few samples it says little, and with none nothing: see [`interval`](Self::interval).
    #[must_use]
    pub fn standard_error(&self) -> f64 {
        self.sum.variance.sqrt()
    }

    /// How many samples are behind it. An exact count.
    #[must_use]
    pub fn samples(&self) -> u64 {
        self.sum.samples
    }

    /// How much the samples alone amount to: the least that the truth can be.
    #[must_use]
    pub fn seen(&self) -> f64 {
        self.sum.seen
    }
}

impl<U: Unit> Add for Estimate<U> {
    type Output = Self;

    /// The sum of two estimates that have no sample in common.
    fn add(self, other: Self) -> Self {
        Self { sum: self.sum.plus(&other.sum), unit: PhantomData }
    }
}

impl<U: Unit> AddAssign for Estimate<U> {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

/// How likely an object of `size` bytes is missed, and how likely it is sampled.
fn chances(size: f64, interval_bytes: f64) -> (f64, f64) {
    let x = size / interval_bytes;
    ((-x).exp(), -(-x).exp_m1())
}

/// Objects and their bytes, estimated from the same samples.
///
/// Objects are *allocations*: optimised code can allocate neighbouring objects in one go, and V8
/// samples such a group as one object. Bytes are not affected.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Usage {
    /// How many objects, as V8 allocated them.
    pub objects: Estimate<Objects>,
    /// How many bytes.
    pub space: Estimate<Bytes>,
}

impl Usage {
    /// The least size of an object on V8's heap: a pointer and a map, where pointers are short.
    pub(crate) const LEAST_SIZE: u64 = 8;

    /// What `samples` samples of objects of `size` bytes stand for.
    pub(crate) fn of(samples: u64, size: u64, interval_bytes: u64) -> Self {
        let (missed, probability) = chances(size as f64, interval_bytes as f64);
        Self {
            objects: Estimate::new(samples, 1.0, missed, probability),
            space: Estimate::new(samples, size as f64, missed, probability),
        }
    }

    /// What no sample stands for: nothing, up to what can go unnoticed.
    pub(crate) fn none(interval_bytes: u64) -> Self {
        Self::of(0, Self::LEAST_SIZE, interval_bytes)
    }
}

impl Add for Usage {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self { objects: self.objects + other.objects, space: self.space + other.space }
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

/// The four values of a context, a function or a profile, named as in Go and pprof.
///
/// `inuse` is what is alive: what no garbage collection has found dead yet. `alloc` is all that was
/// allocated in the session or window, dead or alive; it is known only if the samples of dead
/// objects were kept ([`KeepDead::Both`](crate::KeepDead::Both)), and `None` otherwise.
///
/// ```
/// use v8_heap_sampler::{
///     KeepDead, Node, NodeId, Profile, Sample, SampleId, SamplerOptions, Values,
/// };
///
/// let nodes = vec![Node::new(NodeId(1), "(root)")];
/// let samples = (1..=2).map(|id| Sample::new(NodeId(1), 64, SampleId(id), id == 1)).collect();
/// let mut profile = Profile::new(nodes, samples, SamplerOptions::exact());
/// profile.options.keep_dead = KeepDead::Both;
/// let total: Values = profile.estimates()?.total();
/// assert_eq!(total.inuse_space().to_string(), "64 B");
/// assert_eq!(total.alloc_objects().unwrap().to_string(), "2 objects");
///
/// profile.options.keep_dead = KeepDead::MinorGc;
/// assert_eq!(profile.estimates()?.total().alloc_space(), None);
/// # Ok::<(), v8_heap_sampler::ProfileError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Values {
    /// What is alive.
    pub inuse: Usage,
    /// What was allocated; `None` if that is not known.
    pub alloc: Option<Usage>,
}

impl Values {
    /// Objects that are alive.
    #[must_use]
    pub fn inuse_objects(&self) -> Estimate<Objects> {
        self.inuse.objects
    }

    /// Bytes of objects that are alive.
    #[must_use]
    pub fn inuse_space(&self) -> Estimate<Bytes> {
        self.inuse.space
    }

    /// Objects that were allocated; `None` if that is not known.
    #[must_use]
    pub fn alloc_objects(&self) -> Option<Estimate<Objects>> {
        self.alloc.map(|usage| usage.objects)
    }

    /// Bytes of objects that were allocated; `None` if that is not known.
    #[must_use]
    pub fn alloc_space(&self) -> Option<Estimate<Bytes>> {
        self.alloc.map(|usage| usage.space)
    }

    /// How many samples are behind all values together.
    #[must_use]
    pub fn samples(&self) -> u64 {
        self.alloc.unwrap_or(self.inuse).space.samples()
    }
}

impl Add for Values {
    type Output = Self;

    /// The sum of two that have no sample in common; `alloc` is known only if it is in both.
    fn add(self, other: Self) -> Self {
        let alloc = match (self.alloc, other.alloc) {
            (Some(one), Some(other)) => Some(one + other),
            _ => None,
        };
        Self { inuse: self.inuse + other.inuse, alloc }
    }
}

impl AddAssign for Values {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}
