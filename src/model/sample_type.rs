//! What a column of values counts.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{AnalysisError, Bytes, Objects};

/// The kind of a value of a heap profile, by the names that Go and pprof use.
///
/// ```
/// use v8_heap_sampler::SampleType;
/// assert_eq!(SampleType::InuseSpace.to_string(), "inuse_space");
/// assert_eq!("alloc_objects".parse(), Ok(SampleType::AllocObjects));
/// assert_eq!(SampleType::AllocSpace.unit(), "bytes");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SampleType {
    /// Objects that were allocated, dead or alive.
    AllocObjects,
    /// Bytes of the objects that were allocated, dead or alive.
    AllocSpace,
    /// Objects that are alive.
    InuseObjects,
    /// Bytes of the objects that are alive.
    InuseSpace,
}

impl SampleType {
    /// All of them, in the order in which Go writes them.
    pub const ALL: [Self; 4] =
        [Self::AllocObjects, Self::AllocSpace, Self::InuseObjects, Self::InuseSpace];

    /// Go's and pprof's name: `alloc_objects`, `alloc_space`, `inuse_objects`, `inuse_space`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AllocObjects => "alloc_objects",
            Self::AllocSpace => "alloc_space",
            Self::InuseObjects => "inuse_objects",
            Self::InuseSpace => "inuse_space",
        }
    }

    /// The unit by pprof's name: `count` or `bytes`.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::AllocObjects | Self::InuseObjects => "count",
            Self::AllocSpace | Self::InuseSpace => "bytes",
        }
    }

    /// A value of this type, rounded for people: `9.0 MB`, in decimal units, or `14003 objects`; a
    /// negative one with its sign.
    ///
    /// ```
    /// use v8_heap_sampler::SampleType;
    /// assert_eq!(SampleType::InuseSpace.display(1234567.8).to_string(), "1.2 MB");
    /// assert_eq!(SampleType::AllocObjects.display(7.2).to_string(), "7 objects");
    /// ```
    pub fn display(self, value: f64) -> impl fmt::Display + use<> {
        let sign = if value.round() < 0.0 { "-" } else { "" };
        let whole = value.abs().round() as u64;
        match self.is_bytes() {
            true => format!("{sign}{}", Bytes(whole)),
            false => format!("{sign}{}", Objects(whole)),
        }
    }

    /// The objects that it counts.
    pub const fn counted(self) -> Counted {
        match self {
            Self::AllocObjects | Self::AllocSpace => Counted::Allocated,
            Self::InuseObjects | Self::InuseSpace => Counted::InUse,
        }
    }

    /// Whether it counts bytes, and not objects.
    pub(crate) const fn is_bytes(self) -> bool {
        matches!(self, Self::AllocSpace | Self::InuseSpace)
    }

    /// The unit in which `value` is written, and how many bytes or objects one of it is.
    pub(crate) fn scale(self, value: f64) -> (&'static str, f64) {
        if self.is_bytes() { Bytes::scale(value) } else { Objects::scale(value) }
    }

    /// Where the type stands in [`ALL`](Self::ALL).
    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}

/// The objects that values count: live ones only, or all that were allocated.
///
/// `.heapprofile` files and lists of nodes have one number of bytes for each context, and do not
/// say which.
///
/// ```
/// use v8_heap_sampler::{Counted, SampleType};
/// assert_eq!(Counted::Allocated.space(), SampleType::AllocSpace);
/// assert_eq!(SampleType::InuseObjects.counted(), Counted::InUse);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Counted {
    /// Live objects only: what tools write by default.
    #[default]
    InUse,
    /// All objects that were allocated, dead or alive.
    Allocated,
}

impl Counted {
    /// The sample type of their number.
    pub const fn objects(self) -> SampleType {
        match self {
            Self::InUse => SampleType::InuseObjects,
            Self::Allocated => SampleType::AllocObjects,
        }
    }

    /// The sample type of their bytes.
    pub const fn space(self) -> SampleType {
        match self {
            Self::InUse => SampleType::InuseSpace,
            Self::Allocated => SampleType::AllocSpace,
        }
    }

    pub(crate) fn sample_types(self, has_objects: bool) -> SampleTypes {
        let objects = has_objects.then_some(self.objects());
        SampleTypes::of([Some(self.space()), objects].into_iter().flatten())
    }

    /// A row's values.
    pub(crate) fn values(self, objects: Option<f64>, space: f64) -> [f64; 4] {
        let mut values = [0.0; 4];
        values[self.objects().index()] = objects.unwrap_or(0.0);
        values[self.space().index()] = space;
        values
    }
}

impl fmt::Display for SampleType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for SampleType {
    type Err = AnalysisError;

    fn from_str(name: &str) -> Result<Self, AnalysisError> {
        Self::ALL
            .into_iter()
            .find(|sample_type| sample_type.name() == name)
            .ok_or_else(|| AnalysisError::UnknownSampleType { name: name.to_owned() })
    }
}

/// Which sample types a profile has, and of which it has differences.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SampleTypes {
    present: [bool; 4],
    /// A difference can be positive everywhere, so that its values alone do not tell it.
    differences: [bool; 4],
}

impl SampleTypes {
    pub(crate) fn of(types: impl IntoIterator<Item = SampleType>) -> Self {
        let mut present = [false; 4];
        types.into_iter().for_each(|sample_type| present[sample_type.index()] = true);
        Self { present, differences: [false; 4] }
    }

    /// The same, where those for which `is_difference` holds are differences: objects and bytes of
    /// the same objects together.
    pub(crate) fn with_differences(mut self, is_difference: impl Fn(SampleType) -> bool) -> Self {
        for sample_type in SampleType::ALL {
            let counted = sample_type.counted();
            let both = [counted.objects(), counted.space()];
            self.differences[sample_type.index()] |=
                self.has(sample_type) && both.into_iter().any(&is_difference);
        }
        self
    }

    pub(crate) const fn has(self, sample_type: SampleType) -> bool {
        self.present[sample_type.index()]
    }

    pub(crate) const fn is_difference(self, sample_type: SampleType) -> bool {
        self.differences[sample_type.index()]
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = SampleType> {
        SampleType::ALL.into_iter().filter(move |&sample_type| self.has(sample_type))
    }
}
