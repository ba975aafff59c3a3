//! What is written, and within which bounds.

use crate::model::{Bytes, Counted, SampleType};
use crate::profile::Profile;

/// Options of writing profiles, for the methods `write_..` of [`Profile`].
///
/// Some are about one format, and the others pass them over. A [`SampleType`] or [`Counted`] stands
/// for the defaults with these values, and a text for the defaults with this title.
///
/// ```
/// use v8_heap_sampler::{Bytes, SampleType, format::WriteOptions};
/// let options = WriteOptions::new()
///     .sample_type(SampleType::AllocSpace)
///     .title("What the first request allocates")
///     .limit(Bytes(100_000_000));
/// assert_ne!(options, SampleType::AllocSpace.into());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct WriteOptions {
    sample_type: Option<SampleType>,
    title: Option<String>,
    pub(super) limit: Bytes,
    pub(super) object_sizes: bool,
    pub(super) compression: u32,
    pub(super) icicle: bool,
    pub(super) most_functions: Option<usize>,
    pub(super) min_share: f64,
    pub(super) min_edge_share: f64,
}

impl WriteOptions {
    /// The defaults.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            sample_type: None,
            title: None,
            limit: Bytes(1 << 30),
            object_sizes: false,
            compression: 1,
            icicle: false,
            most_functions: Some(80),
            min_share: 0.005,
            min_edge_share: 0.001,
        }
    }

    /// Sets the values to write, in formats that have one kind of them; of a `.heapprofile` and of
    /// nodes it is the objects that these count. Default: [`Profile::default_sample_type`].
    #[must_use]
    pub const fn sample_type(mut self, sample_type: SampleType) -> Self {
        self.sample_type = Some(sample_type);
        self
    }

    /// Sets the name of what was profiled, where the format has room for one: above a flame graph,
    /// and in speedscope and the Firefox Profiler. Default: the name of the values.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// Sets the most that writing may come to, in formats that can come to much more than the
    /// profile: the bytes of folded stacks, those of pprof's samples before they are compressed,
    /// and the memory that flame graphs and the Firefox Profiler's format take. Default: 1 GiB;
    /// few programs open larger files.
    #[must_use]
    pub const fn limit(mut self, limit: Bytes) -> Self {
        self.limit = limit;
        self
    }

    /// Sets whether objects of different sizes are samples of their own in pprof, with the size as
    /// the numeric label `bytes`, as in Go's profiles. Default: no; it makes files larger. Sizes
    /// that the profile does not know are left out.
    #[must_use]
    pub const fn object_sizes(mut self, wanted: bool) -> Self {
        self.object_sizes = wanted;
        self
    }

    /// Sets the level of gzip's compression of pprof, from 0 (none) to 9; above 9 is 9. Default: 1,
    /// as in Go's runtime.
    #[must_use]
    pub const fn compression(mut self, level: u32) -> Self {
        self.compression = if level > 9 { 9 } else { level };
        self
    }

    /// Sets whether the outermost frames of a flame graph are at the top, which is kinder to deep
    /// recursion. Default: no, as flames burn.
    #[must_use]
    pub const fn icicle(mut self, icicle: bool) -> Self {
        self.icicle = icicle;
        self
    }

    /// Sets the number of functions that a call graph shows at most, those with the highest totals.
    /// Default: 80, as in pprof.
    #[must_use]
    pub fn most_functions(mut self, functions: impl Into<Option<usize>>) -> Self {
        self.most_functions = functions.into();
        self
    }

    /// Sets the least share of the whole, from 0 to 1, that a function of a call graph must have in
    /// its total. Default: 0.005.
    #[must_use]
    pub const fn min_share(mut self, share: f64) -> Self {
        self.min_share = share;
        self
    }

    /// Sets the least share of the whole, from 0 to 1, that must flow through a call of a call
    /// graph. Default: 0.001.
    #[must_use]
    pub const fn min_edge_share(mut self, share: f64) -> Self {
        self.min_edge_share = share;
        self
    }

    /// The values of the profile that are to be written.
    pub(super) fn values_of(&self, profile: &Profile) -> SampleType {
        self.sample_type.unwrap_or_else(|| profile.default_sample_type())
    }

    /// The title, or else `default`.
    pub(super) fn title_or(&self, default: impl ToString) -> String {
        self.title.clone().unwrap_or_else(|| default.to_string())
    }
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl From<&Self> for WriteOptions {
    fn from(options: &Self) -> Self {
        options.clone()
    }
}

impl From<SampleType> for WriteOptions {
    fn from(sample_type: SampleType) -> Self {
        Self::new().sample_type(sample_type)
    }
}

impl From<Counted> for WriteOptions {
    fn from(counted: Counted) -> Self {
        counted.space().into()
    }
}

impl From<&str> for WriteOptions {
    fn from(title: &str) -> Self {
        Self::new().title(title)
    }
}
