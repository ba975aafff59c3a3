//! How sure a profile's values are.

use std::ops::Range;

use super::labels::LabelSet;
use super::profile::{Context, Profile};
use super::row::RowData;
use super::sample_sums::SampleSums;
use crate::estimate::{Confidence, Estimate, Overhead, Precision, Sum, Uncertainty};
use crate::model::{AnalysisError, Bytes, Counted, Objects, SampleType};

/// The values of a sample type, row by row, with what is known of their uncertainty.
pub(crate) struct Evidence<'p> {
    profile: &'p Profile,
    pub(crate) sample_type: SampleType,
    pub(crate) uncertainty: Uncertainty,
    pub(crate) interval: Option<f64>,
    /// By label set, where there are several intervals; the largest is that of the profile.
    intervals: Vec<f64>,
    /// By row, where the samples tell more than the rows.
    of_samples: Option<Vec<Sum>>,
}

impl<'p> Evidence<'p> {
    pub(crate) fn new(
        profile: &'p Profile,
        sample_type: SampleType,
    ) -> Result<Self, AnalysisError> {
        profile.require(sample_type)?;
        let rows = profile.row_data();
        let has_sizes = rows.iter().all(|row| row.raw_size() > 0 || row.value(sample_type) == 0.0);
        let counted = sample_type.counted();
        let has_mean = profile.has(counted.objects()) && profile.has(counted.space());
        let told = profile.told_interval();
        let mut evidence = Self {
            profile,
            sample_type,
            uncertainty: Uncertainty::Unknown,
            interval: profile.interval(),
            intervals: Vec::new(),
            of_samples: None,
        };
        let sets = profile.labels().sets();
        if let Some(largest) = evidence.interval
            && told.is_none()
            && sets.iter().any(|set| set.interval.is_some())
        {
            let of_set = |set: &LabelSet| set.interval.map_or(largest, |interval| interval as f64);
            evidence.intervals = sets.iter().map(of_set).collect();
        }
        if profile.is_difference(sample_type) {
            // What has gone and what is new are told apart no more.
            (evidence.uncertainty, evidence.interval) = (Uncertainty::Difference, None);
        } else if !has_sizes && !sample_type.is_bytes() {
            // The fewer samples small objects have, the more each stands for: their number is in
            // doubt by far more than the bytes, and by how much only sizes tell.
            evidence.interval = None;
        } else if has_sizes || has_mean {
            evidence.uncertainty = match evidence.interval {
                None => Uncertainty::Unknown,
                Some(_) if has_sizes && told == Some(1) => Uncertainty::Exact,
                Some(_) if has_sizes && profile.tells_intervals() => Uncertainty::Sampled,
                Some(_) => Uncertainty::Approximate,
            };
        } else if let Some(interval) = evidence.interval {
            evidence.uncertainty = Uncertainty::Approximate;
            evidence.of_samples = of_samples(profile, sample_type, interval);
        }
        Ok(evidence)
    }

    /// What a row says.
    pub(crate) fn of_row(&self, at: usize) -> Sum {
        let row = &self.profile.row_data()[at];
        let value = row.value(self.sample_type);
        if let Some(of_samples) = &self.of_samples {
            return of_samples[at];
        }
        match self.interval {
            _ if value == 0.0 => Sum::default(),
            None => Sum::certain(value),
            Some(largest) => {
                let of_set = self.intervals.get(row.labels as usize);
                let interval = of_set.copied().unwrap_or(largest);
                let size = self.mean_size(row);
                let each = if self.sample_type.is_bytes() { size } else { 1.0 };
                let sum = match row.samples(self.sample_type) {
                    Some(n) => Sum::of_samples(n, each, size, interval),
                    None => Sum::of_value(value, each, size, interval),
                };
                // A count beside estimates: these can have missed something all the same.
                let is_count = interval <= 1.0 && largest > 1.0;
                if is_count { sum.with_unnoticed_of(&self.none()) } else { sum }
            }
        }
    }

    /// The size of a row's objects; the least there is, where nothing is known: that makes the
    /// uncertainty an upper bound.
    fn mean_size(&self, row: &RowData) -> f64 {
        if row.raw_size() > 0 {
            return row.raw_size() as f64;
        }
        let counted = self.sample_type.counted();
        let (objects, space) = (row.value(counted.objects()), row.value(counted.space()));
        let mean = space / objects;
        if mean.is_finite() && mean >= Sum::LEAST_SIZE { mean } else { Sum::LEAST_SIZE }
    }

    /// Whether single samples stand for just as much as their rows say: where rows know sizes.
    pub(crate) fn tells_samples(&self) -> bool {
        matches!(self.uncertainty, Uncertainty::Exact | Uncertainty::Sampled)
    }

    /// What single samples stand for; `None` where the interval is unknown.
    pub(crate) fn sample_sums(&self) -> Option<SampleSums> {
        Some(SampleSums::new(self.interval?, self.sample_type))
    }

    /// The sum of rows.
    pub(crate) fn of_rows(&self, rows: impl Iterator<Item = usize>) -> Sum {
        rows.fold(Sum::default(), |sum, at| sum.plus(&self.of_row(at)))
    }

    /// What the least shares are of: the total; of a difference, all that has changed, whatever its
    /// sign, as more and less may cancel out.
    pub(crate) fn whole(&self, total: &Estimate) -> f64 {
        if !total.is_difference() {
            return total.value();
        }
        let rows = self.profile.row_data().iter();
        rows.fold(0.0, |sum, row| sum + row.value(self.sample_type).abs())
    }

    pub(crate) fn total(&self) -> Estimate {
        self.estimate(self.of_rows(0..self.profile.row_data().len()))
    }

    /// A sum as an estimate: with what can go unnoticed, if nothing was seen.
    pub(crate) fn estimate(&self, sum: Sum) -> Estimate {
        Estimate::new(self.none().plus(&sum), self.sample_type, self.uncertainty)
    }

    /// What no sample stands for.
    fn none(&self) -> Sum {
        let each = if self.sample_type.is_bytes() { Sum::LEAST_SIZE } else { 1.0 };
        self.interval.map_or_else(Sum::default, |interval| Sum::none(each, interval))
    }

    /// What is said of an answer's numbers in front of it.
    pub(crate) fn heading(&self, total: &Estimate) -> String {
        let mut heading = format!("{}: {total}", self.sample_type);
        if total.is_difference() {
            let of = |is_part: fn(f64) -> bool| {
                let rows = self.profile.row_data().iter();
                let values = rows.map(|row| row.value(self.sample_type));
                let sum =
                    values.filter(|&value| is_part(value)).fold(0.0, |sum, value| sum + value);
                self.estimate(Sum::certain(sum)).short()
            };
            let (more, less) = (of(|value| value > 0.0), of(|value| value < 0.0));
            return heading + &format!(" (a difference: {more} and {less})");
        }
        match (self.uncertainty, self.interval) {
            (Uncertainty::Unknown, _) | (_, None) => {
                heading += " (how sure that is, the profile does not tell)";
            }
            (Uncertainty::Exact, _) if self.profile.is_counted() => {
                heading += &format!(" (a count of {} objects)", total.sum().samples);
            }
            (Uncertainty::Exact, _) => {
                heading += &format!(" (a count: all {} objects were sampled)", total.sum().samples);
            }
            (uncertainty, Some(interval)) => {
                let about = if uncertainty == Uncertainty::Sampled { "" } else { "about " };
                let least = self.intervals.iter().copied().fold(interval, f64::min);
                let from = if least < interval { format!("{least:.0} to ") } else { String::new() };
                heading += &format!(
                    " ({about}{} samples, one per {from}{interval:.0} bytes; 95 % intervals)",
                    total.sum().samples
                );
            }
        }
        for note in self.too_few(total).into_iter().chain(self.notes()) {
            heading += &format!("\n{note}");
        }
        heading
    }

    /// What to do where samples are so few that the total is not known within a fifth, and nothing of
    /// its parts.
    fn too_few(&self, total: &Estimate) -> Option<String> {
        const FEW: u64 = 100;
        /// As many as tell a total within a tenth, and a tenth of it within a third.
        const ENOUGH: f64 = 400.0;
        let samples = total.sum().samples;
        if self.uncertainty != Uncertainty::Sampled || samples >= FEW {
            return None;
        }
        let collection = self.profile.collection().filter(|of| of.is_of_v8());
        let allocated = collection.map_or(0.0, |of| of.allocated().0 as f64);
        // Where nothing was sampled, of what V8 allocated at most; if that is known.
        let bytes = match self.sample_type.is_bytes().then(|| total.value()) {
            Some(bytes) if bytes > 0.0 => bytes,
            _ => self.profile.total(self.sample_type.counted().space()).unwrap_or_default(),
        };
        let bytes = if bytes > 0.0 { bytes } else { allocated };
        let interval = match bytes / ENOUGH {
            interval if interval >= 1024.0 => Some(format!("at most {interval:.0} bytes")),
            interval if interval > 0.0 => Some("1 byte, which counts all".to_owned()),
            _ => None,
        };
        let few = match samples {
            0 => "no samples".to_owned(),
            1 => "1 sample is little to go by".to_owned(),
            _ => format!("{samples} samples are few to go by"),
        };
        Some(few + &interval.map_or(String::new(), |of| format!(": use an interval of {of}")))
    }

    /// What V8's counters say, if it is something else, and of what no sample is; and what is on
    /// stacks that were cut.
    pub(crate) fn notes(&self) -> Vec<String> {
        let cut = self.profile.note_of_cut_stacks(self.sample_type);
        let is_of_all = self.sample_type == SampleType::InuseSpace && !self.profile.is_part();
        let collection = self.profile.collection().filter(|_| is_of_all);
        let external = collection.and_then(|of| of.note_of_external());
        self.contradiction().into_iter().chain(external).chain(cut).collect()
    }

    /// What V8's counters say, if it is something else.
    pub(crate) fn contradiction(&self) -> Option<String> {
        let is_in_use = self.sample_type.counted() == Counted::InUse;
        let check = if is_in_use { self.profile.heap_check() } else { None };
        check.filter(|check| check.contradiction().is_some()).map(|check| check.to_string())
    }
}

/// What samples say of rows without sizes: each stands for so many bytes, and from these follows
/// the size of its object.
fn of_samples(profile: &Profile, sample_type: SampleType, interval: f64) -> Option<Vec<Sum>> {
    let rows = profile.row_data();
    let samples = profile.samples()?;
    // A context's samples cannot be divided between its rows.
    if !rows.is_sorted_by(|one, other| one.context < other.context) {
        return None;
    }
    let mut sums = vec![Sum::default(); rows.len()];
    let mut of = SampleSums::new(interval, sample_type);
    for sample in samples {
        if let Ok(at) = rows.binary_search_by_key(&sample.context, |row| row.context) {
            sums[at] += of.of(sample);
        }
    }
    for (sum, row) in sums.iter_mut().zip(rows) {
        let value = row.value(sample_type);
        *sum = if sum.samples > 0 {
            sum.with_value(value)
        } else {
            Sum::of_value(value, Sum::LEAST_SIZE, Sum::LEAST_SIZE, interval)
        };
    }
    Some(sums)
}

impl Profile {
    /// The sum over the whole profile with its uncertainty; `None` if it does not have the sample
    /// type. Linear in the contexts that have values.
    ///
    /// ```
    /// # use v8_heap_sampler::{Node, NodeId, Profile, Sample, SampleId, SampleType,
    /// #     SamplerOptions};
    /// # let nodes = [Node::new(NodeId(1), "(root)")];
    /// # let samples = [Sample::new(NodeId(1), 64, SampleId(1), true)];
    /// let profile = Profile::from_samples(&nodes, samples, &SamplerOptions::exact())?;
    /// let total = profile.estimate(SampleType::InuseSpace).expect("profiles of samples have it");
    /// assert_eq!(total.exact(), Some(64));
    /// # Ok::<(), v8_heap_sampler::ProfileError>(())
    /// ```
    pub fn estimate(&self, sample_type: SampleType) -> Option<Estimate> {
        Evidence::new(self, sample_type).ok().map(|evidence| evidence.total())
    }

    /// The most memory that can be allocated without leaving a sample, with a confidence; `None` if
    /// the interval is unknown, or all values are differences.
    ///
    /// A function, a context or a profile of more bytes than this, of objects of any sizes, has a
    /// sample. (Bytes that are alive; or, if all samples were kept, that were allocated.) It is
    /// also the most, with that confidence, that an estimate lacks because objects of some sizes
    /// have no sample; their number can be up to an eighth of it, the second value, as no object is
    /// smaller than 8 bytes.
    ///
    /// `interval * ln(1 / (1 - confidence))`: three times the sampling interval at 95 %; nothing at
    /// an interval of 1 byte.
    ///
    /// ```
    /// # use v8_heap_sampler::{Confidence, Node, NodeId, Profile, SamplerOptions};
    /// # let nodes = [Node::new(NodeId(1), "(root)")];
    /// let profile = Profile::from_samples(&nodes, [], &SamplerOptions::new())?; // at 512 KiB
    /// let limit = profile.detection_limit(Confidence::P95);
    /// let (bytes, objects) = limit.expect("the interval is known");
    /// assert_eq!(bytes.to_string(), "1.6 MB");
    /// assert_eq!(objects.to_string(), "196329 objects");
    /// # Ok::<(), v8_heap_sampler::ProfileError>(())
    /// ```
    pub fn detection_limit(&self, confidence: Confidence) -> Option<(Bytes, Objects)> {
        if self.sample_types().all(|sample_type| self.is_difference(sample_type)) {
            return None;
        }
        let interval = self.interval()?;
        if interval <= 1.0 {
            return Some((Bytes(0), Objects(0)));
        }
        let bytes = (interval * -(-confidence.level()).ln_1p()).ceil() as u64;
        Some((Bytes(bytes), Objects(bytes.div_ceil(Sum::LEAST_SIZE as u64))))
    }

    /// The longest interval that gives a precision, if the program goes on as in this profile: a short
    /// first [window](https://docs.rs/v8-heap-sampler/latest/v8_heap_sampler/struct.HeapSampler.html#method.take_window)
    /// sets the interval of those that follow, where these are as long. `None` if the profile has no
    /// bytes of that kind, or they are a difference.
    ///
    /// ```
    /// # use v8_heap_sampler::{Node, NodeId, Profile, Sample, SampleId, SamplerOptions};
    /// use v8_heap_sampler::{Precision, SampleType};
    ///
    /// # let nodes = [Node::new(NodeId(1), "(root)")];
    /// # let samples = (1..=100).map(|id| Sample::new(NodeId(1), 64, SampleId(id), true));
    /// # let options = SamplerOptions::new(); // 512 KiB
    /// # let first = Profile::from_samples(&nodes, samples, &options)?;
    /// let precision = Precision::new(0.2, 0.05)?;
    /// let interval = first.interval_for(&precision, SampleType::InuseSpace);
    /// let options = SamplerOptions::new().interval_bytes(interval.expect("it has bytes"));
    /// # assert!((26_000..29_000).contains(&options.interval_bytes), "{}", options.interval_bytes);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn interval_for(&self, precision: &Precision, sample_type: SampleType) -> Option<u64> {
        let space = sample_type.counted().space();
        let total = self.total(space).filter(|_| !self.is_difference(space))?;
        (total > 0.0).then(|| precision.interval_bytes(Bytes(total as u64)))
    }

    /// The shortest interval that keeps to a budget of overhead, if the program goes on as in this
    /// profile; `None` if the profile does not know in how much time how much was allocated.
    ///
    /// That is by V8's [counters](crate::Collection::allocated), or the samples of a file with those of dead
    /// objects. Time that the isolate's thread was idle counts: it is the program's as well.
    ///
    /// ```
    /// # #[cfg(any(feature = "v8-150", feature = "v8-152"))] {
    /// # use v8_heap_sampler::{HeapSampler, SamplerOptions};
    /// use v8_heap_sampler::Overhead;
    ///
    /// # let (mut isolate, realm) = fixtures::realm();
    /// # let mut sampler = HeapSampler::with_options(&mut isolate, SamplerOptions::new())?;
    /// # realm.run(&mut sampler, "a.js", "for (let i = 0; i < 1e5; i++) globalThis.o = { i }; ''");
    /// let first = sampler.profile()?;
    /// let interval = first.interval_within(&Overhead::new(0.01)?);
    /// let options = SamplerOptions::new().interval_bytes(interval.expect("it was collected here"));
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn interval_within(&self, overhead: &Overhead) -> Option<u64> {
        let allocated = match self.collection().filter(|of| of.is_of_v8()) {
            Some(collection) => collection.allocated(),
            None if self.is_difference(SampleType::AllocSpace) => return None,
            None => Bytes(self.total(SampleType::AllocSpace)? as u64),
        };
        let within = self.metadata.duration.filter(|duration| !duration.is_zero())?;
        Some(overhead.interval_bytes(allocated, within))
    }

    /// The source of the values' uncertainty; `None` if the profile does not have the
    /// sample type.
    pub fn uncertainty(&self, sample_type: SampleType) -> Option<Uncertainty> {
        Evidence::new(self, sample_type).ok().map(|evidence| evidence.uncertainty)
    }
}

impl Context<'_> {
    /// The amount that the context allocated itself, with its uncertainty; `None` if the profile
    /// does not have the sample type.
    ///
    /// Linear in the values of the profile: for those of all contexts see [`Profile::values`],
    /// and [`Profile::top_down`].
    pub fn own(self, sample_type: SampleType) -> Option<Estimate> {
        self.sum_of(sample_type, self.index()..self.index() + 1)
    }

    /// The amount that the context and all below it allocated, with its uncertainty; `None` if the
    /// profile does not have the sample type. Linear in the values of the profile.
    pub fn total(self, sample_type: SampleType) -> Option<Estimate> {
        self.sum_of(sample_type, self.index()..self.end())
    }

    fn sum_of(self, sample_type: SampleType, ranks: Range<usize>) -> Option<Estimate> {
        let evidence = Evidence::new(self.profile(), sample_type).ok()?;
        Some(evidence.estimate(evidence.of_rows(self.profile().rows_of(ranks))))
    }
}
