//! Objects and bytes, counted or estimated.

use std::fmt;
use std::ops::{Add, AddAssign};

use crate::estimate::{Confidence, ConfidenceInterval, Usage};
use crate::heap_profile::SampleType;
use crate::profile::{Bytes, Objects, SamplerOptions};

/// What a [`Measurement`](super::Measurement) is in: [`Counts`], which are exact, or [`Usage`],
/// which are estimates with their uncertainty.
pub trait Measured: sealed::Measured {}

impl Measured for Counts {}
impl Measured for Usage {}

pub(super) mod sealed {
    use super::*;

    pub trait Measured: Copy + fmt::Debug + PartialEq + Add<Output = Self> + AddAssign {
        /// Whether objects are counted, and not estimated.
        const IS_EXACT: bool;
        /// What is said of something that no sample was seen of.
        fn none(options: &SamplerOptions) -> Self;
        /// What `samples` samples of objects of `size` bytes stand for.
        fn of(samples: u64, size: u64, options: &SamplerOptions) -> Self;
        /// Bytes or objects, by the unit of `what`.
        fn value(&self, what: SampleType) -> f64;
        /// Where the truth may lie; `None` for counts.
        fn interval(&self, what: SampleType, confidence: Confidence) -> Option<ConfidenceInterval>;
        /// For people: what is asked for first, then the other.
        fn shown(&self, what: SampleType) -> String;
    }
}

/// Objects and their bytes, counted: in exact mode every object is sampled.
///
/// Objects are *allocations*: optimised code can allocate neighbouring objects in one go, and V8
/// samples such a group as one object. Bytes are not affected.
///
/// ```
/// use v8_heap_sampler::budget::Counts;
/// use v8_heap_sampler::{Bytes, Objects};
///
/// let counts = Counts::new(Objects(14_003), Bytes(1_203_456));
/// assert_eq!(counts.space, Bytes(1_203_456));
/// assert_eq!(counts.to_string(), "1,203,456 bytes in 14,003 objects");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Counts {
    /// How many objects, as V8 allocated them.
    pub objects: Objects,
    /// How many bytes.
    pub space: Bytes,
}

impl Counts {
    /// So many objects, of so many bytes in all.
    #[must_use]
    pub const fn new(objects: Objects, space: Bytes) -> Self {
        Self { objects, space }
    }
}

impl Add for Counts {
    type Output = Self;

    /// The sum; if it exceeds 64 bits, which no heap holds, the largest number there is.
    fn add(self, other: Self) -> Self {
        Self {
            objects: Objects(self.objects.0.saturating_add(other.objects.0)),
            space: Bytes(self.space.0.saturating_add(other.space.0)),
        }
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&sealed::Measured::shown(self, SampleType::AllocSpace))
    }
}

impl sealed::Measured for Counts {
    const IS_EXACT: bool = true;

    fn none(_options: &SamplerOptions) -> Self {
        Self::default()
    }

    fn of(samples: u64, size: u64, _options: &SamplerOptions) -> Self {
        Self::new(Objects(samples), Bytes(samples.saturating_mul(size)))
    }

    fn value(&self, what: SampleType) -> f64 {
        if is_bytes(what) { self.space.0 as f64 } else { self.objects.0 as f64 }
    }

    fn interval(&self, _: SampleType, _: Confidence) -> Option<ConfidenceInterval> {
        None
    }

    fn shown(&self, what: SampleType) -> String {
        let (bytes, objects) = (of_bytes(self.space.0), of_objects(self.objects.0));
        if is_bytes(what) {
            format!("{bytes} in {objects}")
        } else {
            format!("{objects} of {bytes}")
        }
    }
}

impl sealed::Measured for Usage {
    const IS_EXACT: bool = false;

    fn none(options: &SamplerOptions) -> Self {
        Self::none(options.interval_bytes)
    }

    fn of(samples: u64, size: u64, options: &SamplerOptions) -> Self {
        Self::of(samples, size, options.interval_bytes)
    }

    fn value(&self, what: SampleType) -> f64 {
        if is_bytes(what) { self.space.value() } else { self.objects.value() }
    }

    fn interval(&self, what: SampleType, confidence: Confidence) -> Option<ConfidenceInterval> {
        Some(if is_bytes(what) {
            self.space.interval(confidence)
        } else {
            self.objects.interval(confidence)
        })
    }

    fn shown(&self, what: SampleType) -> String {
        let Self { objects, space, .. } = self;
        if is_bytes(what) {
            format!("{space} in {objects}")
        } else {
            format!("{objects} of {space}")
        }
    }
}

/// What was allocated, and what of it was alive in the end.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Amounts<A> {
    /// All that was allocated, dead or alive.
    pub allocated: A,
    /// What of it was still alive after a full garbage collection at the end.
    pub retained: A,
}

impl<A: Measured> Amounts<A> {
    pub(super) const fn new(allocated: A, retained: A) -> Self {
        Self { allocated, retained }
    }

    pub(super) fn none(options: &SamplerOptions) -> Self {
        Self::new(A::none(options), A::none(options))
    }

    pub(super) const fn of(&self, what: SampleType) -> A {
        match what {
            SampleType::AllocObjects | SampleType::AllocSpace => self.allocated,
            SampleType::InuseObjects | SampleType::InuseSpace => self.retained,
        }
    }
}

impl<A: Measured> Add for Amounts<A> {
    type Output = Self;

    /// The sum of two that have no object in common.
    fn add(self, other: Self) -> Self {
        Self::new(self.allocated + other.allocated, self.retained + other.retained)
    }
}

impl<A: Measured> AddAssign for Amounts<A> {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl<A: Measured> fmt::Display for Amounts<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [allocated, retained] =
            [self.allocated, self.retained].map(|amount| amount.shown(SampleType::AllocSpace));
        write!(f, "{allocated} allocated, {retained} retained")
    }
}

pub(super) fn is_bytes(what: SampleType) -> bool {
    matches!(what, SampleType::AllocSpace | SampleType::InuseSpace)
}

/// A limit or a count in the unit of `what`, to the last digit.
pub(super) fn in_full(number: u64, what: SampleType) -> String {
    if is_bytes(what) { of_bytes(number) } else { of_objects(number) }
}

fn of_bytes(number: u64) -> String {
    format!("{} {}", grouped(number), if number == 1 { "byte" } else { "bytes" })
}

fn of_objects(number: u64) -> String {
    format!("{} {}", grouped(number), if number == 1 { "object" } else { "objects" })
}

/// With a comma before every third digit from the end.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_shown_to_the_last_digit() {
        for (number, shown) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), shown);
        }
        let one = Counts::new(Objects(1), Bytes(1));
        assert_eq!(one.to_string(), "1 byte in 1 object");
        assert_eq!(sealed::Measured::shown(&one, SampleType::InuseObjects), "1 object of 1 byte");
    }

    #[test]
    fn sums_do_not_wrap() {
        let most = Counts::new(Objects(u64::MAX), Bytes(u64::MAX));
        assert_eq!(most + most, most);
        assert_eq!(
            <Counts as sealed::Measured>::of(3, u64::MAX, &SamplerOptions::exact()).space,
            most.space
        );
    }
}
