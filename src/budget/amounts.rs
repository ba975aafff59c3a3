//! Objects and bytes, allocated and retained.

use std::fmt;

use crate::estimate::Estimate;
use crate::model::{Counted, SampleType};

/// Objects and their bytes, counted or estimated from the same samples.
///
/// Objects are *allocations*: optimised code can allocate neighbouring objects in one go, and V8
/// samples such a group as one object. Bytes are not affected.
///
/// Displayed as `1,203,456 bytes in 14,003 objects` if they are counts, to the last digit; as
/// `1.20 MB ± 0.17 in 14003 objects ± 900` if they are estimates.
///
/// ```
/// use v8_heap_sampler::budget::Measurement;
/// use v8_heap_sampler::{
///     Bytes, KeepDead, Node, NodeId, Objects, Profile, Sample, SampleId, SamplerOptions,
/// };
///
/// # let nodes = [Node::new(NodeId(1), "(root)")];
/// let samples = (1..=1000).map(|id| Sample::new(NodeId(1), 64, SampleId(id), true));
/// let options = SamplerOptions::exact().keep_dead(KeepDead::Both);
/// let measurement = Measurement::new(Profile::from_samples(&nodes, samples, &options)?)?;
/// assert_eq!(measurement.allocated().space, Bytes(64_000));
/// assert_eq!(measurement.allocated().objects, Objects(1000));
/// assert_eq!(measurement.allocated().to_string(), "64,000 bytes in 1,000 objects");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Usage {
    /// The number of objects, as V8 allocated them.
    pub objects: Estimate,
    /// Their bytes.
    pub space: Estimate,
}

impl Usage {
    pub(super) const fn new(objects: Estimate, space: Estimate) -> Self {
        Self { objects, space }
    }

    pub(super) const fn of(&self, what: SampleType) -> Estimate {
        if what.is_bytes() { self.space } else { self.objects }
    }

    /// The text for people: what is asked for first, then the other.
    pub(super) fn shown(&self, what: SampleType) -> String {
        let [space, objects] = [self.space, self.objects].map(|estimate| match estimate.exact() {
            Some(number) => in_full(number, estimate.sample_type()),
            None => estimate.to_string(),
        });
        if what.is_bytes() {
            format!("{space} in {objects}")
        } else {
            format!("{objects} of {space}")
        }
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.shown(SampleType::AllocSpace))
    }
}

/// The objects that were allocated, and those of them that were alive in the end.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Amounts {
    /// All that was allocated, dead or alive.
    pub allocated: Usage,
    /// The part of it that was still alive after a full garbage collection at the end.
    pub retained: Usage,
}

impl Amounts {
    pub(super) const fn new(allocated: Usage, retained: Usage) -> Self {
        Self { allocated, retained }
    }

    pub(super) const fn of(&self, what: SampleType) -> Usage {
        match what.counted() {
            Counted::Allocated => self.allocated,
            Counted::InUse => self.retained,
        }
    }
}

impl fmt::Display for Amounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} allocated, {} retained", self.allocated, self.retained)
    }
}

/// A limit or a count in the unit of `what`, to the last digit.
pub(super) fn in_full(number: u64, what: SampleType) -> String {
    let unit = match (what.is_bytes(), number) {
        (true, 1) => "byte",
        (true, _) => "bytes",
        (false, 1) => "object",
        (false, _) => "objects",
    };
    format!("{} {unit}", grouped(number))
}

/// The digits, with a comma before every third from the end.
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
        assert_eq!(in_full(1, SampleType::AllocSpace), "1 byte");
        assert_eq!(in_full(1, SampleType::InuseObjects), "1 object");
        assert_eq!(in_full(2000, SampleType::InuseObjects), "2,000 objects");
    }
}
