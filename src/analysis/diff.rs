//! What has changed from one profile to another.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::answer::{fraction, options_from, read_checked, write_heading};
use super::change::Change;
use super::group::{self, Group, GroupBy, join};
use super::shared::Sessions;
use super::sides::Sides;
use super::stacks::shown_stack;
use super::top::Metric;
use crate::estimate::Sum;
use crate::model::{AnalysisError, Function, SampleType};
use crate::profile::{Evidence, GroupSums, Profile, group_sums, of_groups};
use crate::stats::q_values;
use crate::text::{self, Table};

/// Options of [`diff`](Profile::diff).
///
/// ```
/// use v8_heap_sampler::SampleType;
/// use v8_heap_sampler::analysis::{DiffOptions, GroupBy};
/// let options = DiffOptions::new(SampleType::InuseSpace).by(GroupBy::Stack).limit(50);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct DiffOptions {
    pub(crate) sample_type: SampleType,
    pub(crate) by: GroupBy,
    pub(crate) metric: Metric,
    pub(crate) limit: Option<usize>,
    pub(crate) false_discovery_rate: f64,
    pub(crate) sessions: Sessions,
}

impl DiffOptions {
    /// The defaults: by function, all rows, at a false discovery rate of 5 %.
    #[must_use]
    pub const fn new(sample_type: SampleType) -> Self {
        Self {
            sample_type,
            by: GroupBy::Function,
            metric: Metric::Own,
            limit: None,
            false_discovery_rate: 0.05,
            sessions: Sessions::Detect,
        }
    }

    /// Sets the key by which profiles are compared. Default: functions.
    #[must_use]
    pub fn by(mut self, by: GroupBy) -> Self {
        self.by = by;
        self
    }

    /// Sets the figure that is tested and sorted by. Default: [`Metric::Own`].
    #[must_use]
    pub const fn metric(mut self, metric: Metric) -> Self {
        self.metric = metric;
        self
    }

    /// Sets the number of rows to keep at most. Default: `None`, all.
    #[must_use]
    pub fn limit(mut self, rows: impl Into<Option<usize>>) -> Self {
        self.limit = rows.into();
        self
    }

    /// Sets the target false discovery rate, from 0 to 1: the expected fraction of rows reported as
    /// significant that changed by chance. Default: 0.05.
    #[must_use]
    pub const fn false_discovery_rate(mut self, rate: f64) -> Self {
        self.false_discovery_rate = rate;
        self
    }

    /// Sets whether both profiles are of one session. Default: detected.
    #[must_use]
    pub const fn sessions(mut self, sessions: Sessions) -> Self {
        self.sessions = sessions;
        self
    }
}

options_from!(DiffOptions, SampleType);

/// The changes from one profile to another: see [`Profile::diff`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Diff {
    /// The change of the whole.
    pub total: Change,
    /// The key by which profiles are compared.
    pub by: GroupBy,
    /// The figure that is tested and sorted by.
    pub metric: Metric,
    /// The rows: significant ones first, and among these the largest change first, up or down.
    pub rows: Vec<DiffRow>,
    /// The number of rows before truncation.
    pub all: usize,
    /// The number of these that are significant.
    pub significant: usize,
    /// The number of these that have grown.
    pub grown: usize,
    /// The target false discovery rate: the expected part of these that changed by chance.
    pub false_discovery_rate: f64,
    /// True if both profiles are of one session.
    pub same_session: bool,
    /// What V8's counters say, if they contradict one of the profiles, line by line.
    note: Option<String>,
}

read_checked!(Diff {
    total: Change,
    by: GroupBy,
    metric: Metric,
    rows: Vec<DiffRow>,
    all: usize,
    significant: usize,
    grown: usize,
    false_discovery_rate: f64,
    same_session: bool,
    note: Option<String>,
});

/// A row of a [`Diff`]: what has changed about a function, a stack, ...
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DiffRow {
    /// The name of the row, as it is shown; a stack with the innermost function first.
    pub name: String,
    /// The function, or the innermost one of the stack.
    pub function: Option<Arc<Function>>,
    /// The stack, the outermost function first; empty if the rows are no stacks.
    pub stack: Vec<Arc<Function>>,
    /// The amount that it allocated itself.
    pub own: Change,
    /// The change of what was allocated while it was on the stack; of stacks and labels the same as
    /// `own`.
    pub total: Change,
    /// The least false discovery rate at which it is significant; `None` if uncertainties are
    /// unknown.
    pub q_value: Option<f64>,
    /// True if there is more to it than sampling explains, at the false discovery rate that was
    /// asked for. Never if uncertainties are unknown.
    pub is_significant: bool,
}

impl Profile {
    /// The changes from an earlier profile to this one, and which of them are more than sampling
    /// explains.
    ///
    /// Functions are matched across sessions, isolates, and loads of a script: by name, script and
    /// place ([`GroupBy::FunctionName`] without the place in the script). Each change has a
    /// standard error, an interval and a p-value, and the false discovery rate over the whole table
    /// is controlled by the procedure of Benjamini and Hochberg. That says whether the *profiles*
    /// differ by more than chance in what was sampled; that a program does not do the same every
    /// time, it cannot know.
    ///
    /// Of profiles of one session, samples of objects that are alive in both are no source of
    /// doubt, which makes small changes of a large heap visible.
    ///
    /// Linear in contexts and values. By stack it holds up to 100 bytes a context beyond the
    /// profiles; rows that are not cut off come on top.
    ///
    /// ```
    /// # use v8_heap_sampler::{Node, NodeId, Profile, Sample, SampleId, SampleType,
    /// #     SamplerOptions};
    /// # let profile = |parses: u64| {
    /// #     let mut nodes: Vec<_> = ["(root)", "main", "parse"].into_iter().zip(1..)
    /// #         .map(|(name, id)| Node::new(NodeId(id), name)).collect();
    /// #     nodes[0].child_ids.push(NodeId(2));
    /// #     nodes[1].child_ids.push(NodeId(3));
    /// #     let sample =
    /// #         |id: u64| Sample::new(NodeId(2 + u32::from(id > 40)), 56, SampleId(id), true);
    /// #     let options = SamplerOptions::new().interval_bytes(4096);
    /// #     Profile::from_samples(&nodes, (1..=40 + parses).map(sample), &options)
    /// # };
    /// # let (before, after) = (profile(10)?, profile(60)?);
    /// let diff = after.diff(&before, SampleType::InuseSpace)?;
    /// assert_eq!(diff.rows[0].name, "parse");
    /// assert!(diff.rows[0].is_significant && !diff.rows[1].is_significant);
    /// println!("{diff}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`AnalysisError::NoSuchValues`] if either profile does not have the sample type.
    pub fn diff(
        &self,
        before: &Self,
        options: impl Into<DiffOptions>,
    ) -> Result<Diff, AnalysisError> {
        let options = options.into();
        let of_before = Evidence::new(before, options.sample_type)?;
        let of_after = Evidence::new(self, options.sample_type)?;
        let same_session = options.sessions.are_same(before, self);
        let sides = Sides::new([before, self], [&of_before, &of_after], same_session);
        Ok(match &options.by {
            GroupBy::Stack => sides.by_stack(&options),
            GroupBy::Label(key) => sides.by_label(&options, key),
            by => sides.by_group(&options, by),
        })
    }
}

/// A row before it is decided whether it is shown.
#[derive(Clone, Copy)]
struct Cell {
    at: u32,
    change: f64,
    /// The p-value, then the least false discovery rate; NaN if it is unknown.
    q_value: f64,
    /// Whether there is a sample that could have changed something.
    is_tested: bool,
    is_significant: bool,
}

impl Cell {
    fn new(at: u32, change: &Change) -> Self {
        Self {
            at,
            change: change.value(),
            q_value: change.p_value().unwrap_or(f64::NAN),
            is_tested: change.has_samples(),
            is_significant: false,
        }
    }

    fn row(
        &self,
        name: String,
        function: Option<Arc<Function>>,
        stack: Vec<Arc<Function>>,
        [own, total]: [Change; 2],
    ) -> DiffRow {
        let q_value = (!self.q_value.is_nan()).then_some(self.q_value);
        DiffRow { name, function, stack, own, total, q_value, is_significant: self.is_significant }
    }
}

/// Makes least false discovery rates of the p-values, and says which are significant at a rate;
/// if some p-values are unknown, nothing can be said of any.
fn mark_significant(cells: &mut [Cell], rate: f64) {
    if cells.iter().any(|cell| cell.q_value.is_nan()) {
        cells.iter_mut().for_each(|cell| cell.q_value = f64::NAN);
        return;
    }
    // What allocates nothing itself, or has only what was there before, cannot have changed: it is
    // no hypothesis that others have to pay for.
    let tested = cells.iter().filter(|cell| cell.is_tested);
    let adjusted = q_values(&tested.map(|cell| cell.q_value).collect::<Vec<f64>>());
    let tested = cells.iter_mut().filter(|cell| cell.is_tested);
    tested.zip(adjusted).for_each(|(cell, q_value)| cell.q_value = q_value);
    cells.iter_mut().for_each(|cell| cell.is_significant = cell.q_value <= rate);
}

impl Sides<'_> {
    fn by_group(&self, options: &DiffOptions, by: &GroupBy) -> Diff {
        let [before, after] = self.profiles;
        let with_root = group::has_root_values(self.profiles, options.sample_type);
        let [(mut groups, of_before), (groups_after, mut of_after)] =
            self.profiles.map(|profile| group::of_contexts(profile, by, with_root));
        join(&mut groups, groups_after, &mut of_after, by);
        let all = groups.len();
        let sums_before = of_groups(before, self.evidence[0], all, &of_before);
        let sums_after = of_groups(after, self.evidence[1], all, &of_after);
        let mut rest = &self.shared[..];
        let sums_shared = group_sums(after, all, &of_after, |rank| {
            let here = rest.partition_point(|&(context, _)| context <= rank);
            let (of_rank, later) = rest.split_at(here);
            rest = later;
            of_rank.iter().fold(Sum::default(), |sum, (_, one)| sum.plus(one))
        });
        self.of_sums(options, &groups, [sums_before, sums_after, sums_shared])
    }

    fn by_label(&self, options: &DiffOptions, key: &str) -> Diff {
        let [before, after] = self.profiles;
        let (mut groups, mut sums_before) = before.label_sums(self.evidence[0], key);
        let (groups_after, of_after) = after.label_sums(self.evidence[1], key);
        let mut joined: Vec<u32> = (0..groups_after.len() as u32).collect();
        join(&mut groups, groups_after, &mut joined, &GroupBy::Label(key.to_owned()));
        let mut sums_after = vec![GroupSums::default(); groups.len()];
        for (sums, at) in of_after.into_iter().zip(joined) {
            sums_after[at as usize] = sums;
        }
        sums_before.resize(groups.len(), GroupSums::default());
        // Samples have no labels of their own.
        let none = vec![GroupSums::default(); groups.len()];
        self.of_sums(options, &groups, [sums_before, sums_after, none])
    }

    fn of_sums(&self, options: &DiffOptions, groups: &[Group], sums: [Vec<GroupSums>; 3]) -> Diff {
        let change = |at: usize, metric: Metric| {
            let [before, after, shared] = sums.each_ref().map(|sums| match metric {
                Metric::Own => sums[at].own,
                Metric::Total => sums[at].total,
            });
            self.change(before, after, &shared)
        };
        let cells = (0..groups.len())
            .filter(|&at| sums[0][at].contexts + sums[1][at].contexts > 0)
            .map(|at| Cell::new(at as u32, &change(at, options.metric)))
            .collect();
        self.finish(options, cells, |cell| {
            let at = cell.at as usize;
            let (name, function) = (groups[at].name.clone(), groups[at].function.clone());
            let [own, total] = [Metric::Own, Metric::Total].map(|metric| change(at, metric));
            cell.row(name, function, Vec::new(), [own, total])
        })
    }

    fn by_stack(&self, options: &DiffOptions) -> Diff {
        let stacks = self.by_context();
        let cells = stacks.all().map(|(context, change)| Cell::new(context, &change)).collect();
        self.finish(options, cells, |cell| {
            let stack = stacks.stack(cell.at);
            let (name, function) = (shown_stack(&stack), stack.last().cloned());
            cell.row(name, function, stack, [stacks.change(cell.at); 2])
        })
    }

    /// What is said of the sides' numbers, line by line.
    fn notes(&self) -> Option<String> {
        let sides = ["before", "after"].into_iter().zip(self.evidence);
        let lines = sides.flat_map(|(side, of)| {
            of.notes().into_iter().map(move |note| format!("{side}: {note}"))
        });
        Some(lines.collect::<Vec<_>>().join("\n")).filter(|lines| !lines.is_empty())
    }

    /// Decides what is significant and what is shown, and makes rows of that.
    fn finish(
        &self,
        options: &DiffOptions,
        mut cells: Vec<Cell>,
        row: impl Fn(&Cell) -> DiffRow,
    ) -> Diff {
        let rate = fraction(options.false_discovery_rate);
        mark_significant(&mut cells, rate);
        let all = cells.len();
        let significant = || cells.iter().filter(|cell| cell.is_significant);
        let grown = significant().filter(|cell| cell.change > 0.0).count();
        let significant = significant().count();
        cells.sort_unstable_by(|one, other| {
            let significant_first = other.is_significant.cmp(&one.is_significant);
            let by_change = other.change.abs().total_cmp(&one.change.abs());
            significant_first.then(by_change).then(one.at.cmp(&other.at))
        });
        cells.truncate(options.limit.unwrap_or(usize::MAX));
        Diff {
            total: self.whole(),
            by: options.by.clone(),
            metric: options.metric,
            rows: cells.iter().map(row).collect(),
            all,
            significant,
            grown,
            false_discovery_rate: rate,
            same_session: self.same_session,
            note: self.notes(),
        }
    }
}

impl Diff {
    fn check(&self) -> bool {
        let changes = self.rows.iter().flat_map(|row| [row.own, row.total]);
        let shown = self.rows.iter().filter(|row| row.is_significant).count();
        self.rows.len() <= self.all
            && shown <= self.significant
            && self.grown <= self.significant
            && self.significant <= self.all
            && (0.0..=1.0).contains(&self.false_discovery_rate)
            && changes
                .into_iter()
                .all(|change| self.total.before().is_like([change.before()].iter()))
    }
}

impl fmt::Display for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = &self.total;
        writeln!(
            f,
            "{}: {} before, {} after: {total}",
            total.after().sample_type(),
            total.before(),
            total.after()
        )?;
        match total.p_value() {
            None => writeln!(
                f,
                "which changes are real cannot be said: the profiles do not tell how sure they are"
            )?,
            Some(_) => writeln!(
                f,
                "{} of {} changes are more than sampling explains (marked *; false discovery rate {} %)",
                self.significant,
                self.all,
                self.false_discovery_rate * 100.0
            )?,
        }
        write_heading(f, self.note.as_deref().unwrap_or_default())?;
        if self.rows.len() < self.all {
            writeln!(f, "{} of {} rows", self.rows.len(), self.all)?;
        }
        let measured = match self.metric {
            Metric::Own => "change of self",
            Metric::Total => "change of total",
        };
        let mut table = Table::new(["", measured, "q", "before", "after", self.by.heading()]);
        for row in &self.rows {
            let change = match self.metric {
                Metric::Own => &row.own,
                Metric::Total => &row.total,
            };
            table.push([
                if row.is_significant { "*" } else { "" }.to_owned(),
                change.to_string(),
                row.q_value.map_or("?".to_owned(), text::p_value),
                change.before().short(),
                change.after().short(),
                row.name.clone(),
            ]);
        }
        write!(f, "{table}")
    }
}
