//! The values of one calling context.

use std::borrow::Cow;
use std::fmt;

use super::sample_type::SampleType;
use super::whole::{Context, HeapProfile};
use crate::profile::{Bytes, plain_text};

/// What one calling context allocated itself: one value per sample type, of the objects of one size
/// where sizes are known, and with one set of labels.
///
/// Mirrors `Sample` in pprof's `profile.proto`. A context can have several rows, or none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct RowData {
    /// The context's rank.
    pub(crate) context: u32,
    /// The number of the label set.
    pub(crate) labels: u32,
    /// The size of one object, in bytes; 0 where it is not known.
    pub(crate) size: u64,
    /// By [`SampleType::index`]; 0 where the profile does not have the type.
    pub(crate) values: [f64; 4],
}

impl RowData {
    pub(crate) fn value(&self, sample_type: SampleType) -> f64 {
        self.values[sample_type.index()]
    }

    /// The size of one object, if it is known.
    pub(crate) fn size(&self) -> Option<Bytes> {
        (self.size > 0).then_some(Bytes(self.size))
    }
}

/// What one calling context allocated itself, of the objects of one size where sizes are known, and
/// under one set of labels: see [`HeapProfile::rows`].
#[derive(Clone, Copy, Debug)]
pub struct Row<'p> {
    pub(super) profile: &'p HeapProfile,
    pub(super) data: &'p RowData,
}

impl<'p> Row<'p> {
    /// The context.
    #[must_use]
    pub fn context(self) -> Context<'p> {
        self.profile.context(self.data.context)
    }

    /// The size of one object; `None` where the source does not tell it, or it differs.
    #[must_use]
    pub fn size(self) -> Option<Bytes> {
        self.data.size()
    }

    /// The labels, sorted.
    #[must_use]
    pub fn labels(self) -> &'p [Label] {
        self.profile.label_sets.get(self.data.labels)
    }

    /// One of the values; `None` if the profile does not have the sample type.
    #[must_use]
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
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Label {
    /// What the label says something about.
    pub key: Cow<'static, str>,
    /// What it says.
    pub value: LabelValue,
}

/// What a [`Label`] says.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
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
