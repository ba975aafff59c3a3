//! The values of one calling context.

use std::borrow::Cow;

use super::sample_type::SampleType;
use crate::profile::Bytes;

/// What one calling context allocated itself: one value per sample type, of the objects of one size
/// where sizes are known, and with one set of labels.
///
/// Mirrors `Sample` in pprof's `profile.proto`. A context can have several rows, or none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Row {
    /// The context's rank.
    pub(crate) context: u32,
    /// The number of the label set.
    pub(crate) labels: u32,
    /// The size of one object, in bytes; 0 where it is not known.
    pub(crate) size: u64,
    /// By [`SampleType::index`]; 0 where the profile does not have the type.
    pub(crate) values: [f64; 4],
}

impl Row {
    pub(crate) fn value(&self, sample_type: SampleType) -> f64 {
        self.values[sample_type.index()]
    }

    /// The size of one object, if it is known.
    pub(crate) fn size(&self) -> Option<Bytes> {
        (self.size > 0).then_some(Bytes(self.size))
    }
}

/// A label of a sample: a key, and a text or a number.
///
/// Mirrors `Label` in pprof's `profile.proto`.
///
/// ```
/// use v8_heap_sampler::Label;
/// let label = Label::text("isolate", "worker 3");
/// assert_eq!(label.key, "isolate");
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

    /// The bytes of the label's texts.
    pub(crate) fn text_len(&self) -> usize {
        let (LabelValue::Text(text) | LabelValue::Number { unit: text, .. }) = &self.value;
        self.key.len() + text.len()
    }
}
