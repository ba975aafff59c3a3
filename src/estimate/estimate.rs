//! The one number: a value with its uncertainty.

use std::{fmt, iter};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::interval::{Confidence, ConfidenceInterval};
use super::sum::Sum;
use crate::model::{Bytes, Objects, SampleType};
use crate::text::{shown, shown_change};

/// The source of a value's uncertainty, the surest first.
///
/// ```
/// # use v8_heap_sampler::{Node, NodeId, Profile, Sample, SampleId, SampleType, SamplerOptions};
/// # let nodes = [Node::new(NodeId(1), "(root)")];
/// # let samples = [Sample::new(NodeId(1), 64, SampleId(1), true)];
/// use v8_heap_sampler::Uncertainty;
///
/// let profile = Profile::from_samples(&nodes, samples, &SamplerOptions::new())?;
/// assert_eq!(profile.uncertainty(SampleType::InuseSpace), Some(Uncertainty::Sampled));
/// assert_eq!(profile.uncertainty(SampleType::AllocSpace), None); // it has no such values
/// # Ok::<(), v8_heap_sampler::ProfileError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Uncertainty {
    /// No uncertainty: every object was sampled, at an interval of 1 byte, and the value is a
    /// count.
    Exact,
    /// Sampling, at a known interval, of objects of known sizes: the interval around the estimate
    /// holds the truth as often as it says.
    Sampled,
    /// Sampling, with something unknown: sizes of objects are means; or the smallest sample stands
    /// in for the interval; or, where nothing is known of sizes, all objects count as small, which
    /// makes the uncertainty an upper bound.
    Approximate,
    /// Unknown: the source tells neither the interval nor samples; or the values are numbers of
    /// objects of which it does not tell the sizes. Set
    /// [`Metadata::interval`](crate::Metadata#structfield.interval) if you know it.
    Unknown,
    /// Unknown, as the values are [differences](crate::Profile::is_difference): they have a sign,
    /// and the source does not tell what they are differences of. (The
    /// [`diff`](crate::Profile::diff) of two profiles knows it.)
    Difference,
}

/// A number of bytes or of objects, with its uncertainty: a count, an estimate from samples, or a
/// number that a file gives without saying how sure it is.
///
/// An estimate from samples is unbiased: its mean over many profiles of the same program is the
/// truth, as far as V8 samples [as its model says](crate#where-v8-departs-from-the-model). It is
/// not rounded, and never passes for a count: [`exact`](Self::exact) is `None` unless every object
/// was sampled.
///
/// Displayed with the 95 % interval: `12.3 MB ± 0.4` (the larger of both sides), or with the limits
/// where these lie at very different distances, as they do with few samples:
/// `524.3 kB (13.3 kB to 2.9 MB)`. A count, or a value of unknown uncertainty, stands alone:
/// `16.0 kB`; a difference has a sign, `-1.6 MB`. In the alternate form, `{:#}`, nothing is `0`
/// without the limit of what can go unnoticed.
///
/// Written by serde as an object with `value`, `sample_type`, `uncertainty`, `samples`,
/// `standard_error`, `lower` and `upper` (95 %), `null` where unknown, and a `basis` from which
/// intervals at other levels are made when it is read back.
///
/// ```
/// # use v8_heap_sampler::{Node, NodeId, Profile, Sample, SampleId, SampleType, SamplerOptions};
/// # let nodes = [Node::new(NodeId(1), "(root)")];
/// use v8_heap_sampler::Confidence;
///
/// // 400 objects of 56 bytes were sampled, at 4 KiB.
/// let options = SamplerOptions::new().interval_bytes(4096);
/// let samples = (1..=400).map(|id| Sample::new(NodeId(1), 56, SampleId(id), true));
/// let profile = Profile::from_samples(&nodes, samples, &options)?;
///
/// let bytes = profile.estimate(SampleType::InuseSpace).expect("profiles of samples have it");
/// assert_eq!(bytes.to_string(), "1.65 MB ± 0.17");
/// assert_eq!((bytes.samples(), bytes.exact()), (Some(400), None));
/// // Standard error: about one part in the square root of the samples.
/// let error = bytes.standard_error().expect("samples and interval are known");
/// assert!((error / bytes.value() - 0.05).abs() < 0.001);
/// let interval = bytes.interval(Confidence::P99).expect("samples and interval are known");
/// assert!(interval.lower < bytes.value() && bytes.value() < interval.upper);
/// # Ok::<(), v8_heap_sampler::ProfileError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    sum: Sum,
    sample_type: SampleType,
    uncertainty: Uncertainty,
}

impl Estimate {
    pub(crate) const fn new(sum: Sum, sample_type: SampleType, uncertainty: Uncertainty) -> Self {
        Self { sum, sample_type, uncertainty }
    }

    /// The value, unrounded; of a difference it can be negative.
    pub fn value(&self) -> f64 {
        self.sum.value()
    }

    /// The value as a whole number, if it is a count; `None` if it is an estimate, or nobody knows.
    pub fn exact(&self) -> Option<u64> {
        let is_whole = self.value().fract() == 0.0 && self.value() >= 0.0;
        (self.uncertainty == Uncertainty::Exact && is_whole).then_some(self.value() as u64)
    }

    /// The kind of number: bytes or objects, in use or allocated.
    pub fn sample_type(&self) -> SampleType {
        self.sample_type
    }

    /// The source of the uncertainty.
    pub fn uncertainty(&self) -> Uncertainty {
        self.uncertainty
    }

    /// The standard error, the square root of the estimated variance; 0 of a count, `None` if it is
    /// unknown.
    ///
    /// The variance of `n` samples of one size is `n * size² * (1 - p) / p²` in bytes, without the
    /// size in objects, and adds up over sizes and contexts. With few samples the standard error
    /// says little, and with none nothing: see [`interval`](Self::interval).
    pub fn standard_error(&self) -> Option<f64> {
        self.is_known().then(|| self.sum.variance.sqrt())
    }

    /// The interval that holds the truth with a confidence, for objects of the sizes that were
    /// sampled; without width for a count, `None` if it is unknown.
    ///
    /// What was sampled is certain; the interval is about the objects that were not. If an object
    /// is sampled with probability `p`, the number of those that were not sampled before the `n`th
    /// sample has a negative binomial distribution. From this follow the limits for objects of one
    /// size: its quantile with `n` samples below, and with `n + 1` above. They are exact: those of
    /// Clopper and Pearson (*Biometrika* 26, 1934) for an unknown number of trials. For a small
    /// `p`, objects far smaller than the interval, they are Garwood's for a Poisson count
    /// (*Biometrika* 28, 1936); for `p` near 1, large objects or an interval of one byte, they
    /// close in on the estimate until nothing is left between them.
    ///
    /// For a sum over sizes, a negative binomial distribution with the mean and the variance of the
    /// sum stands in, and one more sample of the most uncertain size is what is added above. For
    /// small `p` that is the gamma interval of Fay and Feuer (*Statistics in Medicine* 16, 1997).
    /// The trial `accuracy` and the crate's tests count how often such intervals hold the truth.
    ///
    /// The estimate itself lies in the interval, always. Takes some ten microseconds.
    ///
    /// # What it assumes
    ///
    /// - That objects are sampled independently, with V8's probability: see the
    ///   [crate's documentation](crate#where-v8-departs-from-the-model) for where V8 departs from
    ///   that.
    /// - **That the sizes which were sampled are those that there are.** No sample can tell of a
    ///   size that has none. A function that makes large objects, each of which is sampled, has an
    ///   interval without width, and could still have made small ones of which none was sampled:
    ///   few bytes, but possibly most of its *objects*.
    ///   [`Profile::detection_limit`](crate::Profile::detection_limit) says how much can be
    ///   missing so. For the objects of one size, use
    ///   [`Profile::filter_samples`](crate::Profile::filter_samples).
    /// - With no sample at all the estimate is 0, and the upper limit is what can go unnoticed:
    ///   about 3.7 times the sampling interval at 95 %.
    pub fn interval(&self, confidence: Confidence) -> Option<ConfidenceInterval> {
        self.is_known().then(|| self.sum.interval(confidence))
    }

    /// The number of samples behind the value: exact; `None` if the source does not tell it.
    pub fn samples(&self) -> Option<u64> {
        let is_told = matches!(self.uncertainty, Uncertainty::Exact | Uncertainty::Sampled);
        is_told.then_some(self.sum.samples)
    }

    /// The sum of two that have no sample in common; `None` if they count different things.
    ///
    /// It is as uncertain as the less certain of both.
    #[must_use]
    pub fn checked_add(&self, other: &Self) -> Option<Self> {
        (self.sample_type == other.sample_type).then(|| Self {
            sum: self.sum.plus(&other.sum),
            sample_type: self.sample_type,
            uncertainty: self.uncertainty.max(other.uncertainty),
        })
    }

    pub(crate) fn sum(&self) -> &Sum {
        &self.sum
    }

    /// Whether an interval can be told.
    pub(crate) fn is_known(&self) -> bool {
        self.uncertainty <= Uncertainty::Approximate
    }

    pub(crate) fn is_difference(&self) -> bool {
        self.uncertainty == Uncertainty::Difference
    }

    /// Whether others count the same thing.
    pub(crate) fn is_like<'e>(&self, mut others: impl Iterator<Item = &'e Self>) -> bool {
        others.all(|other| other.sample_type == self.sample_type)
    }

    /// The size of the value, whatever its sign: what comes first in an answer is the largest.
    pub(crate) fn magnitude(&self) -> f64 {
        self.value().abs()
    }

    /// The text of a cell in a column.
    pub(crate) fn short(&self) -> String {
        format!("{self:#}")
    }
}

impl PartialEq<Bytes> for Estimate {
    /// Whether it is a count of bytes, and of just so many.
    fn eq(&self, bytes: &Bytes) -> bool {
        self.sample_type.is_bytes() && self.exact() == Some(bytes.0)
    }
}

impl PartialEq<Objects> for Estimate {
    /// Whether it is a count of objects, and of just so many.
    fn eq(&self, objects: &Objects) -> bool {
        !self.sample_type.is_bytes() && self.exact() == Some(objects.0)
    }
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() && self.value() == 0.0 {
            return f.pad("0");
        }
        let (of, value) = (self.sample_type, self.value());
        f.pad(&match self.uncertainty {
            Uncertainty::Unknown => shown(of, value, 0.0),
            Uncertainty::Difference => shown_change(of, value, 0.0),
            _ => self.sum.shown(of),
        })
    }
}

/// An estimate as it is written.
#[derive(Serialize, Deserialize)]
#[serde(rename = "Estimate")]
struct WrittenEstimate {
    value: f64,
    sample_type: SampleType,
    uncertainty: Uncertainty,
    samples: Option<u64>,
    // The next three are for those who read the text; they follow from the basis.
    #[serde(skip_deserializing)]
    standard_error: Option<f64>,
    #[serde(skip_deserializing)]
    lower: Option<f64>,
    #[serde(skip_deserializing)]
    upper: Option<f64>,
    /// `None` if the value is all there is to tell.
    basis: Option<Sum>,
}

impl Serialize for Estimate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let interval = self.interval(Confidence::P95);
        let samples = self.samples();
        let certain = Sum::certain(self.value()).with_samples(samples.unwrap_or(0));
        let written = WrittenEstimate {
            value: self.value(),
            sample_type: self.sample_type,
            uncertainty: self.uncertainty,
            samples,
            standard_error: self.standard_error(),
            lower: interval.map(|interval| interval.lower),
            upper: interval.map(|interval| interval.upper),
            basis: Some(self.sum).filter(|sum| *sum != certain),
        };
        written.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Estimate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let WrittenEstimate { value, sample_type, uncertainty, samples, basis, .. } =
            WrittenEstimate::deserialize(deserializer)?;
        let certain = Sum::certain(value).with_samples(samples.unwrap_or(0));
        let estimate = Self::new(basis.unwrap_or(certain), sample_type, uncertainty);
        if estimate.value() != value || !estimate.sum.is_possible(estimate.is_known()) {
            return Err(de::Error::custom("the basis of an estimate does not fit its value"));
        }
        if uncertainty == Uncertainty::Exact && estimate.sum.variance > 0.0 {
            return Err(de::Error::custom("an exact value has a variance"));
        }
        Ok(estimate)
    }
}

impl iter::Sum<Estimate> for Option<Estimate> {
    /// Adds up estimates that have no sample in common, as [`Estimate::checked_add`] does; `None`
    /// if there are none, or they count different things.
    fn sum<I: Iterator<Item = Estimate>>(mut estimates: I) -> Self {
        let first = estimates.next()?;
        estimates.try_fold(first, |sum, estimate| sum.checked_add(&estimate))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(n: u64, size: f64, interval: f64, uncertainty: Uncertainty) -> Estimate {
        let sum = Sum::of_samples(n, size, size, interval);
        Estimate::new(sum, SampleType::InuseSpace, uncertainty)
    }

    #[test]
    fn counts_are_told_from_estimates() {
        let count = of(3, 16.0, 1.0, Uncertainty::Exact);
        assert_eq!((count.exact(), count.standard_error()), (Some(48), Some(0.0)));
        assert!(count == Bytes(48) && count != Objects(48));
        let interval = count.interval(Confidence::P99).unwrap();
        assert_eq!((interval.lower, interval.upper), (48.0, 48.0));
        let estimate = of(3, 16.0, 512.0, Uncertainty::Sampled);
        assert_eq!(estimate.exact(), None);
        let sum = count.checked_add(&estimate).unwrap();
        assert_eq!((sum.uncertainty(), sum.samples()), (Uncertainty::Sampled, Some(6)));
        let objects = Estimate::new(*count.sum(), SampleType::InuseObjects, Uncertainty::Exact);
        assert_eq!(count.checked_add(&objects), None);
        assert_eq!([count, estimate].into_iter().sum::<Option<Estimate>>(), Some(sum));
        assert_eq!([count, objects].into_iter().sum::<Option<Estimate>>(), None);
    }

    #[test]
    fn estimates_come_back_from_json() {
        let file = Estimate::new(Sum::certain(7.5), SampleType::AllocSpace, Uncertainty::Unknown);
        let none =
            Estimate::new(Sum::none(1.0, 512.0), SampleType::InuseObjects, Uncertainty::Sampled);
        let sampled = of(3, 16.0, 512.0, Uncertainty::Sampled);
        for estimate in [of(3, 16.0, 1.0, Uncertainty::Exact), sampled, none, file] {
            let json = serde_json::to_string(&estimate).unwrap();
            assert_eq!(serde_json::from_str::<Estimate>(&json).unwrap(), estimate, "{json}");
        }
        let refused = |path: &str, value: serde_json::Value| {
            let mut json = serde_json::to_value(sampled).unwrap();
            *json.pointer_mut(path).unwrap() = value;
            serde_json::from_value::<Estimate>(json).unwrap_err().to_string()
        };
        assert!(refused("/basis/variance", (-1.0).into()).contains("does not fit"));
        assert!(refused("/value", 5.0.into()).contains("does not fit"));
        assert!(refused("/uncertainty", "exact".into()).contains("variance"));
    }

    #[test]
    fn columns_can_be_aligned() {
        let count = of(3, 16.0, 1.0, Uncertainty::Exact);
        assert_eq!(format!("{count:>8}|{count:<8}|"), "    48 B|48 B    |");
    }
}
