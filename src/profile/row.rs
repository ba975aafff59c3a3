//! The values of one calling context.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::labels::LabelSets;
use super::profile::{Context, Profile};
use crate::model::{Bytes, SampleType, SampleTypes, plain_text};

/// What one calling context allocated itself: one value per sample type, of the objects of one size
/// where sizes are known, and with one set of labels.
///
/// Mirrors `Sample` in pprof's `profile.proto`. A context can have several rows, or none.
///
/// A row of a profile that was sampled here holds numbers of samples, and what one stands for. A
/// row of a file holds the values that are written there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct RowData {
    /// The context's rank.
    pub(crate) context: u32,
    /// The number of the label set.
    pub(crate) labels: u32,
    /// The size of one object, in bytes, 0 where it is not known; and, in the highest bit, whether
    /// the row is of samples.
    size: u64,
    /// By [`SampleType::index`]; 0 where the profile does not have the type. Of samples, the
    /// numbers of objects that they stand for, and the numbers of samples in place of their bytes.
    values: [f64; 4],
}

const IS_OF_SAMPLES: u64 = 1 << 63;

impl RowData {
    /// A row of a file; `size` is 0 where it is not known.
    pub(crate) const fn of_values(context: u32, labels: u32, size: u64, values: [f64; 4]) -> Self {
        Self { context, labels, size: size & !IS_OF_SAMPLES, values }
    }

    /// A row of samples of objects of one size: of so many that were allocated, and so many of
    /// them in use, each of which stands for a number of objects.
    pub(crate) fn of_samples(
        context: u32,
        size: u64,
        n: [u32; 2],
        objects_per_sample: f64,
    ) -> Self {
        let [alloc, inuse] = n.map(f64::from);
        let values = [alloc * objects_per_sample, alloc, inuse * objects_per_sample, inuse];
        Self { context, labels: LabelSets::NONE, size: size | IS_OF_SAMPLES, values }
    }

    pub(crate) fn value(&self, sample_type: SampleType) -> f64 {
        if self.is_of_samples() && sample_type.is_bytes() {
            return self.values[sample_type.counted().objects().index()] * self.raw_size() as f64;
        }
        self.values[sample_type.index()]
    }

    /// The number of samples behind a value; `None` where a file gives the value alone.
    pub(crate) fn samples(&self, sample_type: SampleType) -> Option<u64> {
        let samples = self.values[sample_type.counted().space().index()];
        self.is_of_samples().then_some(samples as u64)
    }

    /// The values, by [`SampleType::index`].
    pub(crate) fn values(&self) -> [f64; 4] {
        SampleType::ALL.map(|sample_type| self.value(sample_type))
    }

    /// The row with other values, as one that was read.
    pub(crate) fn with_values(self, values: [f64; 4]) -> Self {
        Self::of_values(self.context, self.labels, self.raw_size(), values)
    }

    /// The row with the values of some sample types alone, as one that was read.
    pub(crate) fn with_values_of(self, types: SampleTypes) -> Self {
        let mut values = self.values();
        for sample_type in SampleType::ALL {
            if !types.has(sample_type) {
                values[sample_type.index()] = 0.0;
            }
        }
        self.with_values(values)
    }

    /// The row in another tree, under another number of its label set.
    pub(crate) fn moved(self, context: u32, labels: u32) -> Self {
        Self { context, labels, ..self }
    }

    /// Whether the row is of samples.
    pub(crate) const fn is_of_samples(&self) -> bool {
        self.size & IS_OF_SAMPLES != 0
    }

    /// Whether the row has a value.
    pub(crate) fn says_something(&self) -> bool {
        self.values.iter().any(|&value| value != 0.0)
    }

    /// The parts in which rows of one profile differ.
    pub(crate) const fn key(&self) -> (u32, u32, u64) {
        (self.context, self.labels, self.size)
    }

    /// Adds the values of a row with the same key.
    pub(crate) fn add(&mut self, other: &Self) {
        self.values.iter_mut().zip(other.values).for_each(|(value, other)| *value += other);
    }

    /// The size of one object in bytes; 0 where it is not known.
    pub(crate) const fn raw_size(&self) -> u64 {
        self.size & !IS_OF_SAMPLES
    }

    /// The size of one object, if it is known.
    pub(crate) fn size(&self) -> Option<Bytes> {
        (self.raw_size() > 0).then_some(Bytes(self.raw_size()))
    }
}

/// A context's own allocations, of the objects of one size where sizes are known, and
/// under one set of labels: see [`Profile::rows`].
#[derive(Clone, Copy, Debug)]
pub struct Row<'p> {
    pub(super) profile: &'p Profile,
    pub(super) data: &'p RowData,
}

impl<'p> Row<'p> {
    /// The context.
    pub fn context(self) -> Context<'p> {
        self.profile.context(self.data.context)
    }

    /// The size of one object; `None` where the source does not tell it, or it differs.
    pub fn size(self) -> Option<Bytes> {
        self.data.size()
    }

    /// The labels, sorted.
    pub fn labels(self) -> &'p [Label] {
        self.profile.label_sets.get(self.data.labels)
    }

    /// One of the values; `None` if the profile does not have the sample type.
    pub fn value(self, sample_type: SampleType) -> Option<f64> {
        self.profile.has(sample_type).then(|| self.data.value(sample_type))
    }
}

/// A label of a sample: a key, and a text or a number.
///
/// Mirrors `Label` in pprof's `profile.proto`. A number under the key `bytes` is the size of
/// objects there, as in Go's profiles: choose another key.
///
/// Displayed as `key=text`, as [`plain_text`](crate::format::plain_text).
///
/// ```
/// use v8_heap_sampler::Label;
/// let label = Label::text("isolate", "worker 3");
/// assert_eq!(label.key, "isolate");
/// assert_eq!(label.to_string(), "isolate=worker 3");
/// assert_eq!(Label::number("shard", 17, "").to_string(), "shard=17");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Label {
    /// The key of the label.
    pub key: Cow<'static, str>,
    /// The value of the label.
    pub value: LabelValue,
}

/// The value of a [`Label`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LabelValue {
    /// A text.
    Text(Cow<'static, str>),
    /// A number.
    Number {
        /// The number.
        number: i64,
        /// Its unit; empty if none is given.
        unit: Cow<'static, str>,
    },
}

impl Label {
    /// A label with a text.
    #[must_use]
    pub fn text(key: impl Into<Cow<'static, str>>, text: impl Into<Cow<'static, str>>) -> Self {
        Self { key: key.into(), value: LabelValue::Text(text.into()) }
    }

    /// A label with a number in a unit, such as `bytes`, or in none (`""`).
    #[must_use]
    pub fn number(
        key: impl Into<Cow<'static, str>>,
        number: i64,
        unit: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { key: key.into(), value: LabelValue::Number { number, unit: unit.into() } }
    }

    /// Whether it is a number, or a text that is not empty.
    #[cfg(feature = "formats")]
    pub(crate) fn says_something(&self) -> bool {
        !matches!(&self.value, LabelValue::Text(text) if text.is_empty())
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=", plain_text(&self.key))?;
        match &self.value {
            LabelValue::Text(text) => f.write_str(&plain_text(text)),
            LabelValue::Number { number, unit } if unit.is_empty() => write!(f, "{number}"),
            LabelValue::Number { number, unit } => write!(f, "{number} {}", plain_text(unit)),
        }
    }
}
