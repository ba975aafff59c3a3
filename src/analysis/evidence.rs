//! How sure a profile's values are.

use super::amount::{Amount, Uncertainty};
use super::sample_sums::SampleSums;
use crate::estimate::Sum;
use crate::heap_profile::{HeapProfile, NoSuchValues, RowData, SampleType};

/// The values of a sample type, row by row, with what is known of their uncertainty.
pub(super) struct Evidence<'p> {
    profile: &'p HeapProfile,
    pub(super) sample_type: SampleType,
    pub(super) uncertainty: Uncertainty,
    pub(super) interval: Option<f64>,
    /// By row, where the samples tell more than the rows.
    of_samples: Option<Vec<Sum>>,
}

impl<'p> Evidence<'p> {
    pub(super) fn new(
        profile: &'p HeapProfile,
        sample_type: SampleType,
    ) -> Result<Self, NoSuchValues> {
        profile.require(sample_type)?;
        let rows = profile.row_data();
        let has_sizes = rows.iter().all(|row| row.size > 0 || row.value(sample_type) == 0.0);
        let counted = sample_type.counted();
        let has_mean = profile.has(counted.objects()) && profile.has(counted.space());
        let told = profile.about.interval.is_some_and(|interval| interval.0 >= 1);
        let mut evidence = Self {
            profile,
            sample_type,
            uncertainty: Uncertainty::Unknown,
            interval: profile.interval(),
            of_samples: None,
        };
        if profile.is_difference(sample_type) {
            // What has gone and what is new are told apart no more.
            (evidence.uncertainty, evidence.interval) = (Uncertainty::Difference, None);
        } else if !has_sizes && !sample_type.is_bytes() {
            // The fewer samples small objects have, the more each stands for: their number is in doubt by
            // far more than the bytes, and by how much only sizes tell.
            evidence.interval = None;
        } else if has_sizes || has_mean {
            evidence.uncertainty = match evidence.interval {
                None => Uncertainty::Unknown,
                Some(_) if has_sizes && told => Uncertainty::Sampled,
                Some(_) => Uncertainty::Approximate,
            };
        } else if let Some(interval) = evidence.interval {
            evidence.uncertainty = Uncertainty::Approximate;
            evidence.of_samples = of_samples(profile, sample_type, interval);
        }
        Ok(evidence)
    }

    /// What a row says.
    pub(super) fn of_row(&self, at: usize) -> Sum {
        let row = &self.profile.row_data()[at];
        let value = row.value(self.sample_type);
        if let Some(of_samples) = &self.of_samples {
            return of_samples[at];
        }
        match self.interval {
            _ if value == 0.0 => Sum::default(),
            None => Sum::certain(value),
            Some(interval) => {
                let size = self.mean_size(row);
                let each = if self.sample_type.is_bytes() { size } else { 1.0 };
                Sum::of_value(value, each, size, interval)
            }
        }
    }

    /// The size of a row's objects; the least there is, where nothing is known: that makes the
    /// uncertainty an upper bound.
    fn mean_size(&self, row: &RowData) -> f64 {
        if row.size > 0 {
            return row.size as f64;
        }
        let counted = self.sample_type.counted();
        let (objects, space) = (row.value(counted.objects()), row.value(counted.space()));
        let mean = space / objects;
        if mean.is_finite() && mean >= Sum::LEAST_SIZE { mean } else { Sum::LEAST_SIZE }
    }

    /// Whether single samples stand for just as much as their rows say: where rows know sizes.
    pub(super) fn tells_samples(&self) -> bool {
        self.uncertainty == Uncertainty::Sampled
    }

    /// What single samples stand for; `None` where the interval is unknown.
    pub(super) fn sample_sums(&self) -> Option<SampleSums> {
        Some(SampleSums::new(self.interval?, self.sample_type))
    }

    /// The sum of rows.
    pub(super) fn of_rows(&self, rows: impl Iterator<Item = usize>) -> Sum {
        rows.fold(Sum::default(), |sum, at| sum.plus(&self.of_row(at)))
    }

    /// What the least shares are of: the total; of a difference, all that has changed, whatever its
    /// sign, as more and less may cancel out.
    pub(super) fn whole(&self, total: &Amount) -> f64 {
        if !total.is_difference() {
            return total.value();
        }
        let rows = self.profile.row_data().iter();
        rows.fold(0.0, |sum, row| sum + row.value(self.sample_type).abs())
    }

    pub(super) fn total(&self) -> Amount {
        self.amount(self.of_rows(0..self.profile.row_data().len()))
    }

    /// What the root has itself.
    pub(super) fn on_empty_stack(&self) -> Amount {
        let rows = self.profile.row_data().iter().enumerate();
        let of_root = rows.filter(|(_, row)| row.context == 0).map(|(at, _)| at);
        self.amount(self.of_rows(of_root))
    }

    /// A sum as an amount: with what can go unnoticed, if nothing was seen.
    pub(super) fn amount(&self, sum: Sum) -> Amount {
        let none = match self.interval {
            Some(interval) => {
                let each = if self.sample_type.is_bytes() { Sum::LEAST_SIZE } else { 1.0 };
                Sum::none(each, interval)
            }
            None => Sum::default(),
        };
        Amount {
            sum: none.plus(&sum),
            sample_type: self.sample_type,
            uncertainty: self.uncertainty,
        }
    }

    /// What is said of an answer's numbers in front of it.
    pub(super) fn heading(&self, total: &Amount) -> String {
        let mut heading = format!("{}: {total}", self.sample_type);
        if total.is_difference() {
            let of = |is_part: fn(f64) -> bool| {
                let rows = self.profile.row_data().iter();
                let values = rows.map(|row| row.value(self.sample_type));
                let sum =
                    values.filter(|&value| is_part(value)).fold(0.0, |sum, value| sum + value);
                self.amount(Sum::certain(sum)).short()
            };
            let (more, less) = (of(|value| value > 0.0), of(|value| value < 0.0));
            return heading + &format!(" (a difference: {more} and {less})");
        }
        match (self.uncertainty, self.interval) {
            (Uncertainty::Unknown, _) | (_, None) => {
                heading += " (how sure that is, the profile does not tell)";
            }
            (uncertainty, Some(interval)) => {
                let about = if uncertainty == Uncertainty::Sampled { "" } else { "about " };
                heading += &format!(
                    " ({about}{} samples, one per {interval:.0} bytes; 95 % intervals)",
                    total.sum.samples
                );
            }
        }
        heading
    }
}

/// What samples say of rows without sizes: each stands for so many bytes, and from these follows
/// the size of its object.
fn of_samples(profile: &HeapProfile, sample_type: SampleType, interval: f64) -> Option<Vec<Sum>> {
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

impl HeapProfile {
    /// The sum over the whole profile with its uncertainty; `None` if it does not have the sample
    /// type. Linear in the contexts that have values.
    #[must_use]
    pub fn amount(&self, sample_type: SampleType) -> Option<Amount> {
        Evidence::new(self, sample_type).ok().map(|evidence| evidence.total())
    }

    /// What the uncertainty of the values is known from; `None` if the profile does not have the
    /// sample type.
    #[must_use]
    pub fn uncertainty(&self, sample_type: SampleType) -> Option<Uncertainty> {
        Evidence::new(self, sample_type).ok().map(|evidence| evidence.uncertainty)
    }
}
