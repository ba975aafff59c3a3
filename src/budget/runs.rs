//! Several runs of the same work.

use std::fmt;

use super::check::OverBudget;
use super::limits::Budget;
use super::measurement::Measurement;
use crate::model::SampleType;

/// Measurements of several runs of the same work.
///
/// Displayed as the least, the median and the most that they allocated and retained.
#[derive(Clone, Debug)]
pub struct Runs {
    /// At least one.
    runs: Vec<Measurement>,
}

impl Runs {
    /// Runs that were measured one by one, in their order; `None` if there are none.
    #[must_use]
    pub fn new(runs: Vec<Measurement>) -> Option<Self> {
        (!runs.is_empty()).then_some(Self { runs })
    }

    /// The runs, in their order; at least one.
    pub fn measurements(&self) -> &[Measurement] {
        &self.runs
    }

    /// The run with the least of a value.
    pub fn least(&self, what: SampleType) -> &Measurement {
        self.sorted(what)[0]
    }

    /// The run in the middle, by a value; of an even number the lower of the two.
    pub fn median(&self, what: SampleType) -> &Measurement {
        self.sorted(what)[(self.runs.len() - 1) / 2]
    }

    /// The run with the most of a value.
    pub fn most(&self, what: SampleType) -> &Measurement {
        self.sorted(what)[self.runs.len() - 1]
    }

    /// The distance of the least and the most, as a part of the median: 0.02 for 2 %. Infinite if
    /// the median is 0 and the most is not.
    pub fn spread(&self, what: SampleType) -> f64 {
        let [least, median, most] = [self.least(what), self.median(what), self.most(what)]
            .map(|run| run.total().of(what).of(what).value());
        if most > least { (most - least) / median } else { 0.0 }
    }

    /// The last run, if the last `last` ones allocated and retained the same: the work has come to
    /// its steady state. `None` if they did not, or if there are fewer.
    pub fn steady(&self, last: usize) -> Option<&Measurement> {
        let tail = &self.runs[self.runs.len().checked_sub(last)?..];
        let is_steady = tail.windows(2).all(|runs| runs[0].total() == runs[1].total());
        if is_steady { tail.last() } else { None }
    }

    /// Checks every run against a budget.
    ///
    /// # Errors
    ///
    /// Of the first run that did not keep it.
    pub fn check(&self, budget: &Budget) -> Result<(), OverBudget> {
        self.runs.iter().try_for_each(|run| run.check(budget))
    }

    fn sorted(&self, what: SampleType) -> Vec<&Measurement> {
        let mut runs: Vec<_> = self.runs.iter().collect();
        let value = |run: &Measurement| run.total().of(what).of(what).value();
        runs.sort_by(|one, other| value(one).total_cmp(&value(other)));
        runs
    }
}

impl fmt::Display for Runs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let runs = self.runs.len();
        write!(f, "{runs} {}", if runs == 1 { "run" } else { "runs" })?;
        for (verb, what) in
            [("allocated", SampleType::AllocSpace), ("retained ", SampleType::InuseSpace)]
        {
            let of = |run: &Measurement| run.total().of(what).shown(what);
            let (least, median, most) = (self.least(what), self.median(what), self.most(what));
            write!(f, "\n{verb} {} to {}, median {}", of(least), of(most), of(median))?;
        }
        Ok(())
    }
}
