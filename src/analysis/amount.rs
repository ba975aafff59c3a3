//! A value with its uncertainty.

use std::fmt;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::estimate::{Confidence, ConfidenceInterval, Sum, shown, shown_change};
use crate::heap_profile::SampleType;
use crate::profile::{Bytes, Objects, Unit};

/// What the uncertainty of a profile's values is known from.
///
/// ```
/// # use v8_heap_sampler::{HeapProfile, Node, NodeId, Profile, Sample, SampleId, SampleType,
/// #     SamplerOptions};
/// # let nodes = vec![Node::new(NodeId(1), "(root)")];
/// # let samples = vec![Sample::new(NodeId(1), 64, SampleId(1), true)];
/// # let profile = Profile::new(nodes, samples, SamplerOptions::new());
/// use v8_heap_sampler::analysis::Uncertainty;
///
/// let profile = HeapProfile::from_profile(&profile)?;
/// assert_eq!(profile.uncertainty(SampleType::InuseSpace), Some(Uncertainty::Sampled));
/// assert_eq!(profile.uncertainty(SampleType::AllocSpace), None); // it has no such values
/// # Ok::<(), v8_heap_sampler::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Uncertainty {
    /// From the sampling interval and the sizes of the sampled objects: as of an
    /// [`Estimate`](crate::Estimate).
    Sampled,
    /// From the interval, and mean sizes of objects; from the smallest sample in place of the
    /// interval; or, where nothing is known of sizes, as if all objects were small, which makes it
    /// an upper bound.
    Approximate,
    /// Not known: the source tells neither the interval nor samples; or the values are numbers of
    /// objects of which it does not tell the sizes. Set
    /// [`About::interval`](crate::About#structfield.interval) if you know it.
    Unknown,
    /// Not known, as the values are [differences](crate::HeapProfile::is_difference): they have a
    /// sign, and what they are differences of is not told. (The [`diff`](crate::analysis::diff())
    /// of two profiles knows it.)
    Difference,
}

/// A value of a heap profile with its uncertainty.
///
/// Like an [`Estimate`](crate::Estimate), but of a [`SampleType`] that is known only at run time,
/// and of a source that may not tell how sure its values are.
///
/// Displayed as an estimate is, `1.65 MB ± 0.17`, with the 95 % interval; without one where it is
/// unknown; with its sign, `-1.6 MB`, if it is a difference; in the alternate form, `{:#}`, nothing
/// is `0` without the limit of what can go unnoticed. Written by serde as an object with `value`,
/// `standard_error`, `lower` and `upper` (95 %) and `samples`, `null` where unknown.
///
/// ```
/// # use v8_heap_sampler::{Confidence, HeapProfile, Node, NodeId, Profile, Sample, SampleId,
/// #     SampleType, SamplerOptions};
/// # let nodes = vec![Node::new(NodeId(1), "(root)")];
/// # let samples = (1..=400).map(|id| Sample::new(NodeId(1), 56, SampleId(id), true)).collect();
/// # let options = SamplerOptions::new().interval_bytes(4096);
/// # let profile = HeapProfile::from_profile(&Profile::new(nodes, samples, options))?;
/// let total = profile.amount(SampleType::InuseSpace).expect("profiles have it");
/// assert_eq!(total.to_string(), "1.65 MB ± 0.17");
/// assert_eq!(total.samples(), Some(400));
/// let interval = total.interval(Confidence::P95).expect("samples and interval are known");
/// assert!(interval.lower < total.value() && total.value() < interval.upper);
/// # Ok::<(), v8_heap_sampler::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Amount {
    pub(super) sum: Sum,
    pub(super) sample_type: SampleType,
    pub(super) uncertainty: Uncertainty,
}

impl Amount {
    /// The value: an estimate, unless the interval was 1 byte; of a difference it can be negative.
    #[must_use]
    pub fn value(&self) -> f64 {
        self.sum.value()
    }

    /// What it counts.
    #[must_use]
    pub fn sample_type(&self) -> SampleType {
        self.sample_type
    }

    /// What the uncertainty is known from.
    #[must_use]
    pub fn uncertainty(&self) -> Uncertainty {
        self.uncertainty
    }

    /// The standard error; `None` if it is unknown.
    #[must_use]
    pub fn standard_error(&self) -> Option<f64> {
        self.is_known().then(|| self.sum.variance.sqrt())
    }

    /// The interval that holds the truth with a confidence, as of
    /// [`Estimate::interval`](crate::Estimate::interval); `None` if it is unknown.
    #[must_use]
    pub fn interval(&self, confidence: Confidence) -> Option<ConfidenceInterval> {
        self.is_known().then(|| self.sum.interval(confidence))
    }

    /// How many samples are behind it: exact; `None` unless it is [`Uncertainty::Sampled`].
    #[must_use]
    pub fn samples(&self) -> Option<u64> {
        (self.uncertainty == Uncertainty::Sampled).then_some(self.sum.samples)
    }

    pub(super) fn is_known(&self) -> bool {
        matches!(self.uncertainty, Uncertainty::Sampled | Uncertainty::Approximate)
    }

    pub(super) fn is_difference(&self) -> bool {
        self.uncertainty == Uncertainty::Difference
    }

    fn shown<U: Unit>(&self) -> String {
        match self.uncertainty {
            Uncertainty::Sampled | Uncertainty::Approximate => self.sum.shown::<U>(),
            Uncertainty::Unknown => shown::<U>(self.value(), 0.0),
            Uncertainty::Difference => shown_change::<U>(self.value(), 0.0),
        }
    }

    /// How large it is, whatever its sign: what comes first in an answer is the largest.
    pub(super) fn magnitude(&self) -> f64 {
        self.value().abs()
    }

    /// As it stands in a column.
    pub(super) fn short(&self) -> String {
        format!("{self:#}")
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() && self.value() == 0.0 {
            return f.pad("0");
        }
        f.pad(&match self.sample_type.is_bytes() {
            true => self.shown::<Bytes>(),
            false => self.shown::<Objects>(),
        })
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let interval = self.interval(Confidence::P95);
        let mut object = serializer.serialize_struct("Amount", 5)?;
        object.serialize_field("value", &self.value())?;
        object.serialize_field("standard_error", &self.standard_error())?;
        object.serialize_field("lower", &interval.map(|interval| interval.lower))?;
        object.serialize_field("upper", &interval.map(|interval| interval.upper))?;
        object.serialize_field("samples", &self.samples())?;
        object.end()
    }
}

/// A share or a rate that was asked for: from 0 to 1, whatever it was.
pub(super) fn fraction(asked: f64) -> f64 {
    if asked.is_nan() { 0.0 } else { asked.clamp(0.0, 1.0) }
}

/// A share of a whole, from 0 to 1; of nothing, 0.
pub(super) fn share(part: f64, whole: f64) -> f64 {
    // Not -0.
    if whole == 0.0 { 0.0 } else { part / whole + 0.0 }
}

/// A share as it is shown.
pub(super) fn percent(share: f64) -> String {
    format!("{:.1}%", share * 100.0)
}
