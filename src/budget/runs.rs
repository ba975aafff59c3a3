//! Several runs of the same work.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};

use super::check::OverBudget;
use super::limits::Budget;
use super::measurement::Measurement;
use crate::model::SampleType;

/// Measurements of several runs of the same work.
///
/// Displayed as the least, the median and the most that they allocated and retained. Written by
/// serde as the list of them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Runs(
    /// At least one.
    pub(super) Vec<Measurement>,
);

impl Runs {
    /// Runs that were measured one by one, in their order; `None` if there are none.
    #[must_use]
    pub fn new(runs: Vec<Measurement>) -> Option<Self> {
        (!runs.is_empty()).then_some(Self(runs))
    }

    /// The runs, in their order; at least one.
    pub fn measurements(&self) -> &[Measurement] {
        &self.0
    }

    /// The run with the least of a value.
    pub fn least(&self, what: SampleType) -> &Measurement {
        self.least_median_most(what)[0].1
    }

    /// The run in the middle, by a value; of an even number the lower of the two.
    pub fn median(&self, what: SampleType) -> &Measurement {
        self.least_median_most(what)[1].1
    }

    /// The run with the most of a value.
    pub fn most(&self, what: SampleType) -> &Measurement {
        self.least_median_most(what)[2].1
    }

    /// The distance of the least and the most, as a part of the median: 0.02 for 2 %. Infinite if
    /// the median is 0 and the most is not.
    pub fn spread(&self, what: SampleType) -> f64 {
        let [least, median, most] = self.least_median_most(what).map(|(value, _)| value);
        if most > least { (most - least) / median } else { 0.0 }
    }

    /// The last run, if the last `last` ones allocated and retained the same: the work has come to
    /// its steady state. `None` if they did not, or if there are fewer.
    pub fn steady(&self, last: usize) -> Option<&Measurement> {
        let tail = &self.0[self.0.len().checked_sub(last)?..];
        let is_steady = tail.windows(2).all(|runs| runs[0].total() == runs[1].total());
        if is_steady { tail.last() } else { None }
    }

    /// Checks every run against a budget or several, as [`Measurement::check`] does.
    ///
    /// # Errors
    ///
    /// Of the first run that did not keep them.
    pub fn check(&self, budgets: impl AsRef<[Budget]>) -> Result<(), OverBudget> {
        self.0.iter().try_for_each(|run| run.check(budgets.as_ref()))
    }

    fn least_median_most(&self, what: SampleType) -> [(f64, &Measurement); 3] {
        let value = |run: &Measurement| run.total().of(what).value();
        let mut runs: Vec<_> = self.0.iter().map(|run| (value(run), run)).collect();
        runs.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        [0, (runs.len() - 1) / 2, runs.len() - 1].map(|at| runs[at])
    }
}

impl<'de> Deserialize<'de> for Runs {
    /// Reads runs, of which there must be one at least.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let runs = Self::new(Vec::deserialize(deserializer)?);
        runs.ok_or_else(|| de::Error::invalid_length(0, &"at least one run"))
    }
}

impl fmt::Display for Runs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let runs = self.0.len();
        write!(f, "{runs} {}", if runs == 1 { "run" } else { "runs" })?;
        for (verb, what) in
            [("allocated", SampleType::AllocSpace), ("retained ", SampleType::InuseSpace)]
        {
            let [least, median, most] =
                self.least_median_most(what).map(|(_, run)| run.total().shown(what));
            write!(f, "\n{verb} {least} to {most}, median {median}")?;
        }
        Ok(())
    }
}
