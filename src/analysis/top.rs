//! The table of who allocates most.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use super::group::{self, Group, GroupBy, Numbers};
use super::share::{fraction, percent, share};
use super::table::Table;
use crate::estimate::Estimate;
use crate::model::{AnalysisError, Function, SampleType};
use crate::profile::{Evidence, GroupSums, LabelValue, Profile, of_groups};

/// One of a function's two figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// The amount that it allocated itself; pprof's `flat`.
    #[default]
    Own,
    /// The amount that was allocated while it was on the stack, each sample once; pprof's `cum`.
    Total,
}

/// Options of [`top`](Profile::top).
///
/// ```
/// use v8_heap_sampler::SampleType;
/// use v8_heap_sampler::analysis::{GroupBy, Metric, TopOptions};
/// let options =
///     TopOptions::new(SampleType::AllocSpace).by(GroupBy::Package).metric(Metric::Total).limit(20);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct TopOptions {
    pub(crate) sample_type: SampleType,
    pub(crate) by: GroupBy,
    pub(crate) metric: Metric,
    pub(crate) limit: Option<usize>,
    pub(crate) min_share: f64,
}

impl TopOptions {
    /// All functions, by what they allocated themselves.
    #[must_use]
    pub const fn new(sample_type: SampleType) -> Self {
        let (by, metric) = (GroupBy::Function, Metric::Own);
        Self { sample_type, by, metric, limit: None, min_share: 0.0 }
    }

    /// Sets the key by which values are added up. Default: functions.
    #[must_use]
    pub fn by(mut self, by: GroupBy) -> Self {
        self.by = by;
        self
    }

    /// Sets the figure that rows are sorted by, the largest first. Default: [`Metric::Own`].
    #[must_use]
    pub const fn metric(mut self, metric: Metric) -> Self {
        self.metric = metric;
        self
    }

    /// Sets the number of rows to show at most. Default: `None`, all.
    #[must_use]
    pub fn limit(mut self, rows: impl Into<Option<usize>>) -> Self {
        self.limit = rows.into();
        self
    }

    /// Sets the least share of the whole, from 0 to 1, that a row must have in what it is sorted
    /// by; of a difference, of all that has changed. Default: 0, all.
    #[must_use]
    pub const fn min_share(mut self, share: f64) -> Self {
        self.min_share = share;
        self
    }
}

impl From<SampleType> for TopOptions {
    fn from(sample_type: SampleType) -> Self {
        Self::new(sample_type)
    }
}

impl From<&TopOptions> for TopOptions {
    fn from(options: &TopOptions) -> Self {
        options.clone()
    }
}

/// The table of who allocates most: see [`Profile::top`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Top {
    /// The values that the answer is about.
    pub sample_type: SampleType,
    /// The whole profile.
    pub total: Estimate,
    /// The rows, the largest first; of a difference those that have changed most, up or down.
    pub rows: Vec<TopRow>,
    /// The number of rows before truncation.
    pub all: usize,
    #[serde(skip)]
    heading: String,
    #[serde(skip)]
    column: String,
}

/// A row of a [`Top`] table: a function, a script, ...
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TopRow {
    /// The name of the row, as it is shown; `(root)` of what was allocated on the empty stack, if
    /// anything was.
    pub name: String,
    /// The function, where the rows are functions.
    pub function: Option<Arc<Function>>,
    /// The amount that it allocated itself.
    pub own: Estimate,
    /// The amount that was allocated while it was on the stack: each sample once.
    pub total: Estimate,
    /// The number of calling contexts in which it appears; of label values, of values.
    pub contexts: u32,
}

impl Profile {
    /// The table of who allocates most: by function, script, directory, package or label.
    ///
    /// Displayed in columns as of `go tool pprof -top`, with intervals. Linear in contexts and
    /// values; beyond the profile it holds the rows, and a sum for each call on the longest stack.
    /// A [difference](Profile::is_difference) has signs and no shares, here and in all other
    /// answers.
    ///
    /// ```
    /// # use v8_heap_sampler::{Node, NodeId, Profile, Sample, SampleId, SampleType,
    /// #     SamplerOptions};
    /// # let mut nodes: Vec<_> = ["(root)", "main", "parse"].into_iter().zip(1..)
    /// #     .map(|(name, id)| Node::new(NodeId(id), name)).collect();
    /// # nodes[0].child_ids.push(NodeId(2));
    /// # nodes[1].child_ids.push(NodeId(3));
    /// # let sample = |id: u64| Sample::new(NodeId(2 + u32::from(id > 40)), 56, SampleId(id), true);
    /// # let options = SamplerOptions::new().interval_bytes(4096);
    /// use v8_heap_sampler::analysis::TopOptions;
    ///
    /// let profile = Profile::from_samples(&nodes, (1..=400).map(sample), &options)?;
    /// let top = profile.top(TopOptions::new(SampleType::InuseSpace).limit(20))?;
    /// assert_eq!(top.rows[0].name, "parse");
    /// assert_eq!(top.to_string(), "\
    /// inuse_space: 1.65 MB ± 0.17 (400 samples, one per 4096 bytes; 95 % intervals)
    ///           self  self%    sum%           total  total%  function
    /// 1.48 MB ± 0.16  90.0%   90.0%  1.48 MB ± 0.16   90.0%  parse
    ///    165 kB ± 59  10.0%  100.0%  1.65 MB ± 0.17  100.0%  main
    /// ");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`AnalysisError::NoSuchValues`] if the profile does not have the sample type.
    pub fn top(&self, options: impl Into<TopOptions>) -> Result<Top, AnalysisError> {
        let options = options.into();
        let evidence = Evidence::new(self, options.sample_type)?;
        let (groups, sums) = match &options.by {
            GroupBy::Label(key) => self.label_sums(&evidence, key),
            by => {
                let with_root = group::has_root_values([self], options.sample_type);
                let (groups, group_of) = group::of_contexts(self, by, with_root);
                let sums = of_groups(self, &evidence, groups.len(), &group_of);
                (groups, sums)
            }
        };
        let total = evidence.total();
        let all = groups.len();
        let key = |sums: &GroupSums| {
            let [own, total] = [sums.own, sums.total].map(|sum| sum.value().abs());
            match options.metric {
                Metric::Own => (own, total),
                Metric::Total => (total, own),
            }
        };
        let least = fraction(options.min_share) * evidence.whole(&total);
        let mut order: Vec<usize> = (0..all).filter(|&at| key(&sums[at]).0 >= least).collect();
        order.sort_by(|&one, &other| {
            let ((a, b), (c, d)) = (key(&sums[one]), key(&sums[other]));
            let by_value = c.total_cmp(&a).then(d.total_cmp(&b));
            by_value.then_with(|| groups[one].name.cmp(&groups[other].name))
        });
        order.truncate(options.limit.unwrap_or(usize::MAX));
        let rows = order.into_iter().map(|at| TopRow {
            name: groups[at].name.clone(),
            function: groups[at].function.clone(),
            own: evidence.estimate(sums[at].own),
            total: evidence.estimate(sums[at].total),
            contexts: sums[at].contexts,
        });
        Ok(Top {
            sample_type: options.sample_type,
            rows: rows.collect(),
            heading: evidence.heading(&total),
            column: options.by.heading().to_owned(),
            total,
            all,
        })
    }

    /// What the values of a label allocated.
    pub(super) fn label_sums(
        &self,
        evidence: &Evidence<'_>,
        key: &str,
    ) -> (Vec<Group>, Vec<GroupSums>) {
        let mut numbers = Numbers::default();
        let mut groups: Vec<Group> = Vec::new();
        let group_of: Vec<u32> = self
            .label_sets()
            .map(|labels| {
                let value = labels.iter().find(|label| label.key == key).map(|label| &label.value);
                let name = match value {
                    None => "(none)".to_owned(),
                    Some(LabelValue::Text(text)) => text.to_string(),
                    Some(LabelValue::Number { number, unit }) => {
                        format!("{number} {unit}").trim_end().to_owned()
                    }
                };
                let number = numbers.of(name.clone());
                if number as usize == groups.len() {
                    groups.push(Group { name, function: None, is_root: false });
                }
                number
            })
            .collect();
        let mut sums = vec![GroupSums::default(); groups.len()];
        for (at, row) in self.row_data().iter().enumerate() {
            let sums = &mut sums[group_of[row.labels as usize] as usize];
            let own = evidence.of_row(at);
            if own.value() != 0.0 {
                sums.own += own;
                sums.total += own;
                sums.contexts += 1;
            }
        }
        (groups, sums)
    }
}

impl fmt::Display for Top {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.heading)?;
        let all = self.total.value();
        if self.rows.len().cmp(&self.all) == Ordering::Less {
            let shown: f64 = self.rows.iter().map(|row| row.own.value()).sum();
            write!(f, "{} of {} rows", self.rows.len(), self.all)?;
            if !self.total.is_difference() {
                write!(f, ", which allocated {} of it themselves", percent(share(shown, all)))?;
            }
            writeln!(f)?;
        }
        let mut table =
            Table::of(&self.total, ["self", "self%", "sum%", "total", "total%", &self.column]);
        let mut sum = 0.0;
        for row in &self.rows {
            sum += row.own.value();
            table.push([
                row.own.short(),
                percent(share(row.own.value(), all)),
                percent(share(sum, all)),
                row.total.short(),
                percent(share(row.total.value(), all)),
                row.name.clone(),
            ]);
        }
        write!(f, "{table}")
    }
}
