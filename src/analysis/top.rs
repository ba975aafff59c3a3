//! The table of who allocates most.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::answer::{fraction, options_from, read_checked, write_heading};
use super::group::{self, Group, GroupBy};
use super::stacks::{JoinedTree, shown_stack};
use crate::estimate::Estimate;
use crate::model::{AnalysisError, Function, SampleType};
use crate::profile::{Evidence, GroupSums, LabelValue, Profile, RowData, of_groups};
use crate::text::{Table, percent};

/// One of a function's two figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
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

options_from!(TopOptions, SampleType);

/// The table of who allocates most: see [`Profile::top`].
///
/// Displayed with the rows that rest on one sample as one row at the end, as little can be said of
/// them; `{:#}` displays all.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Top {
    /// The whole profile.
    pub total: Estimate,
    /// The key by which values are added up.
    pub by: GroupBy,
    /// The rows, the largest first; of a difference those that have changed most, up or down.
    pub rows: Vec<TopRow>,
    /// The number of rows before truncation.
    pub all: usize,
    heading: String,
}

read_checked!(Top { total: Estimate, by: GroupBy, rows: Vec<TopRow>, all: usize, heading: String });

/// A row of a [`Top`] table: a function, a script, ...
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TopRow {
    /// The name of the row, as it is shown; `(root)` of what was allocated on the empty stack, if
    /// anything was.
    pub name: String,
    /// The function, where the rows are functions; of a stack the innermost one.
    pub function: Option<Arc<Function>>,
    /// The amount that it allocated itself.
    pub own: Estimate,
    /// The amount that was allocated while it was on the stack: each sample once.
    pub total: Estimate,
    /// The number of calling contexts in which it appears; of stacks and label values, of values.
    pub contexts: u32,
    /// The number of scripts that it is of, by V8's ids. More than one are scripts of the same name, be
    /// they several tenants', or one that was loaded again; none is what has no script or none known.
    /// The table says it behind the name.
    #[serde(default)]
    pub scripts: u32,
}

impl Profile {
    /// The table of who allocates most: by function, script, directory, package, stack or label.
    ///
    /// Displayed in columns as of `go tool pprof -top`, with intervals. Linear in contexts and
    /// values; beyond the profile it holds the rows, and a sum for each call on the longest stack; by
    /// stack 200 bytes a context.
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
        let by = &options.by;
        let (groups, sums, scripts) = match by {
            GroupBy::Stack => return Ok(self.top_stacks(&evidence, &options)),
            GroupBy::Label(key) => {
                let (groups, sums) = self.label_sums(&evidence, key);
                (groups, sums, Vec::new())
            }
            _ => {
                let with_root = group::has_root_values([self], options.sample_type);
                let (groups, group_of) = group::of_contexts(self, by, with_root);
                let sums = of_groups(self, &evidence, groups.len(), &group_of);
                let scripts = group::scripts(self, groups.len(), &group_of);
                (groups, sums, scripts)
            }
        };
        // Labels of other sample types have none of this one.
        let has_rows = |&at: &usize| !matches!(by, GroupBy::Label(_)) || sums[at].contexts > 0;
        let mut order: Vec<usize> = (0..groups.len()).filter(has_rows).collect();
        // Those of one value are in the order of their names.
        order.sort_unstable_by(|&one, &other| groups[one].name.cmp(&groups[other].name));
        Ok(Top::of(&evidence, &options, order, &sums, |at| {
            let Group { name, function, .. } = &groups[at];
            (name.clone(), function.clone(), scripts.get(at).copied().unwrap_or(0))
        }))
    }

    fn top_stacks(&self, evidence: &Evidence<'_>, options: &TopOptions) -> Top {
        let (tree, [of_context]) = JoinedTree::of([self]);
        let sums =
            self.row_sums(evidence, tree.len(), |row| of_context[row.context as usize] as usize);
        let order = (0..sums.len()).filter(|&at| sums[at].contexts > 0).collect();
        Top::of(evidence, options, order, &sums, |at| {
            let stack = tree.stack(at as u32);
            (shown_stack(&stack), stack.last().cloned(), 0)
        })
    }

    /// What the values of a label allocated.
    pub(super) fn label_sums(
        &self,
        evidence: &Evidence<'_>,
        key: &str,
    ) -> (Vec<Group>, Vec<GroupSums>) {
        let groups = self.labels().iter().map(|labels| {
            let value = labels.iter().find(|label| label.key == key).map(|label| &label.value);
            let name = match value {
                None => "(none)".to_owned(),
                Some(LabelValue::Text(text)) => text.to_string(),
                Some(LabelValue::Number { number, unit }) => {
                    format!("{number} {unit}").trim_end().to_owned()
                }
            };
            Group::of(name, None)
        });
        let (groups, group_of) = group::distinct(groups, &GroupBy::Label(key.to_owned()));
        let sums =
            self.row_sums(evidence, groups.len(), |row| group_of[row.labels as usize] as usize);
        (groups, sums)
    }

    /// The sums of groups of rows.
    fn row_sums(
        &self,
        evidence: &Evidence<'_>,
        groups: usize,
        group_of: impl Fn(&RowData) -> usize,
    ) -> Vec<GroupSums> {
        let mut sums = vec![GroupSums::default(); groups];
        for (at, row) in self.row_data().iter().enumerate() {
            let own = evidence.of_row(at);
            if own.value() != 0.0 {
                let sums = &mut sums[group_of(row)];
                sums.own += own;
                sums.total += own;
                sums.contexts += 1;
            }
        }
        sums
    }
}

impl Top {
    /// The table of some of the `sums`, in `order` where they are equal.
    fn of(
        evidence: &Evidence<'_>,
        options: &TopOptions,
        mut order: Vec<usize>,
        sums: &[GroupSums],
        named: impl Fn(usize) -> (String, Option<Arc<Function>>, u32),
    ) -> Self {
        let (total, all) = (evidence.total(), order.len());
        let key = |at: usize| {
            let [own, total] = [sums[at].own, sums[at].total].map(|sum| sum.value().abs());
            match options.metric {
                Metric::Own => (own, total),
                Metric::Total => (total, own),
            }
        };
        let least = fraction(options.min_share) * evidence.whole(&total);
        order.retain(|&at| key(at).0 >= least);
        order.sort_by(|&one, &other| {
            let ((a, b), (c, d)) = (key(one), key(other));
            c.total_cmp(&a).then(d.total_cmp(&b))
        });
        order.truncate(options.limit.unwrap_or(usize::MAX));
        let rows = order.into_iter().map(|at| {
            let (name, function, scripts) = named(at);
            let GroupSums { own, total, contexts } = sums[at];
            let [own, total] = [own, total].map(|sum| evidence.estimate(sum));
            TopRow { name, function, own, total, contexts, scripts }
        });
        let heading = evidence.heading(&total);
        Self { rows: rows.collect(), by: options.by.clone(), total, all, heading }
    }

    fn check(&self) -> bool {
        let rows = self.rows.iter();
        self.rows.len() <= self.all
            && self.total.is_like(rows.flat_map(|row| [&row.own, &row.total]))
    }
}

impl fmt::Display for Top {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_heading(f, &self.heading)?;
        let all = self.total.value();
        if self.rows.len() < self.all {
            let shown: f64 = self.rows.iter().map(|row| row.own.value()).sum();
            write!(f, "{} of {} rows", self.rows.len(), self.all)?;
            if !self.total.is_difference() {
                write!(f, ", which allocated {} of it themselves", percent(shown, all))?;
            }
            writeln!(f)?;
        }
        let heads = ["self", "self%", "sum%", "total", "total%", self.by.heading()];
        let mut table = Table::of_parts(self.total.is_difference(), heads);
        let mut sum = 0.0;
        let of_one_sample = |row: &&TopRow| !f.alternate() && row.rests_on_one_sample();
        let folded: Vec<&TopRow> = self.rows.iter().filter(of_one_sample).collect();
        let folds = folded.len() > 1;
        for row in self.rows.iter().filter(|row| !(folds && of_one_sample(row))) {
            sum += row.own.value();
            table.push([
                row.own.short(),
                percent(row.own.value(), all),
                percent(sum, all),
                row.total.short(),
                percent(row.total.value(), all),
                row.shown_name(&self.by),
            ]);
        }
        if folds {
            let own = folded
                .iter()
                .map(|row| row.own)
                .reduce(|sum, own| sum.checked_add(&own).unwrap_or(sum));
            let own = own.expect("there are several");
            table.push([
                own.short(),
                percent(own.value(), all),
                percent(sum + own.value(), all),
                String::new(),
                String::new(),
                format!("({} more, of one sample each)", folded.len()),
            ]);
        }
        write!(f, "{table}")
    }
}

impl TopRow {
    /// The name, and of how many scripts it is, if of several of that name.
    fn shown_name(&self, by: &GroupBy) -> String {
        // Folders and packages are of several anyway.
        let is_of_one = matches!(by, GroupBy::Function | GroupBy::FunctionName | GroupBy::Script);
        match self.scripts {
            scripts @ 2.. if is_of_one => format!("{} ({scripts} scripts)", self.name),
            _ => self.name.clone(),
        }
    }

    /// Whether all that is known of it is one sample, which stands for more than itself.
    fn rests_on_one_sample(&self) -> bool {
        let sum = self.total.sum();
        self.total.samples() == Some(1) && sum.unseen > sum.seen
    }
}
