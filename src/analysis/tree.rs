//! Trees of calls, cut to what matters.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::answer::{fraction, options_from, read_checked, write_heading};
use crate::estimate::{Estimate, Sum};
use crate::model::{AnalysisError, Function, SampleType};
use crate::profile::{Context, Evidence, Profile, Visit, walk};
use crate::text::{Table, percent};
use crate::tree::NONE;

/// Options of [`top_down`](Profile::top_down), [`bottom_up`](Profile::bottom_up) and
/// [`dominators`](Profile::dominators).
///
/// ```
/// use v8_heap_sampler::SampleType;
/// use v8_heap_sampler::analysis::TreeOptions;
/// let options = TreeOptions::new(SampleType::InuseSpace).min_share(0.01).depth(10);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct TreeOptions {
    pub(crate) sample_type: SampleType,
    pub(crate) min_share: f64,
    pub(crate) depth: Option<usize>,
}

impl TreeOptions {
    /// All levels of what has half a percent or more.
    #[must_use]
    pub const fn new(sample_type: SampleType) -> Self {
        Self { sample_type, min_share: 0.005, depth: None }
    }

    /// Sets the least share of the whole, from 0 to 1, that a row must have. Default: 0.005. Of a
    /// difference, it is of all that has changed, whatever its sign.
    #[must_use]
    pub const fn min_share(mut self, share: f64) -> Self {
        self.min_share = share;
        self
    }

    /// Sets the number of levels to show at most. Default: `None`, all.
    #[must_use]
    pub fn depth(mut self, levels: impl Into<Option<usize>>) -> Self {
        self.depth = levels.into();
        self
    }
}

options_from!(TreeOptions, SampleType);

/// The relation of the rows of a [`Tree`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TreeKind {
    /// From the outside in: below each calling context those that it calls.
    TopDown,
    /// From the inside out: below each function that allocates its callers.
    BottomUp,
    /// The dominator tree of the call graph: below each function those that are reached through it
    /// alone.
    Dominators,
}

/// A tree of calls, cut to what matters.
///
/// Written by serde as it is: rows in preorder with their depths, so that no depth is too deep to
/// read.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Tree {
    /// The relation of the rows.
    pub kind: TreeKind,
    /// The whole profile.
    pub total: Estimate,
    /// The rows in preorder, among siblings the largest first.
    pub rows: Vec<TreeRow>,
    pub(super) heading: String,
}

read_checked!(Tree { kind: TreeKind, total: Estimate, rows: Vec<TreeRow>, heading: String });

/// A row of a [`Tree`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TreeRow {
    /// The number of levels above this row: at most one more than of the row before.
    pub depth: usize,
    /// The function.
    pub function: Arc<Function>,
    /// From the outside in, the context, by [`Context::index`](crate::Context::index); else `None`.
    pub context: Option<usize>,
    /// The amount that this context or function allocated itself. `None` from the inside out.
    pub own: Option<Estimate>,
    /// The amount that this context and all below it allocated; of a dominator, it and all
    /// functions that it dominates. From the inside out, what the function of the first level
    /// allocated itself when it was called along this way.
    pub total: Estimate,
    /// The number of rows right below this one that were left out, as they were too small or too
    /// deep.
    pub left_out: usize,
}

impl Profile {
    /// The tree of calls from the outside in: what each context and all below it allocated.
    ///
    /// Linear in contexts and values; beyond the profile it holds 12 bytes a context, 20 of a
    /// difference.
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
    /// use v8_heap_sampler::analysis::TreeOptions;
    ///
    /// let profile = Profile::from_samples(&nodes, (1..=400).map(sample), &options)?;
    /// let tree = profile.top_down(&TreeOptions::new(SampleType::InuseSpace))?;
    /// assert_eq!(tree.to_string(), "\
    /// inuse_space: 1.65 MB ± 0.17 (400 samples, one per 4096 bytes; 95 % intervals)
    ///          total  total%            self  function
    /// 1.65 MB ± 0.17  100.0%               0  (root)
    /// 1.65 MB ± 0.17  100.0%     165 kB ± 59    main
    /// 1.48 MB ± 0.16   90.0%  1.48 MB ± 0.16      parse
    /// ");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`AnalysisError::NoSuchValues`] if the profile does not have the sample type.
    pub fn top_down(&self, options: impl Into<TreeOptions>) -> Result<Tree, AnalysisError> {
        let options = options.into();
        let evidence = Evidence::new(self, options.sample_type)?;
        let totals = self.totals(options.sample_type).unwrap_or_default();
        let magnitudes = if self.is_difference(options.sample_type) {
            self.magnitudes(options.sample_type)
        } else {
            None
        };
        let magnitudes = magnitudes.as_ref().unwrap_or(&totals);
        let least = fraction(options.min_share) * magnitudes[0];
        let shown = Shown::of(
            |rank| self.context(rank).children().map(|child| child.index() as u32),
            |rank| totals[rank as usize].abs(),
            |rank| magnitudes[rank as usize] >= least.max(f64::MIN_POSITIVE),
            options.depth.unwrap_or(usize::MAX),
        );
        drop(totals);
        Ok(self.tree_of_contexts(&evidence, shown))
    }

    /// The hot path: from the root to the largest callee, and on, until a context allocated more
    /// itself than its largest callee and all below that. Of a difference, the largest callee is
    /// the one that has changed most, up or down.
    ///
    /// A tree from the outside in, with one row on each level. Linear in contexts and values.
    ///
    /// # Errors
    ///
    /// [`AnalysisError::NoSuchValues`] if the profile does not have the sample type.
    pub fn hot_path(&self, sample_type: SampleType) -> Result<Tree, AnalysisError> {
        let evidence = Evidence::new(self, sample_type)?;
        let own = self.values(sample_type).unwrap_or_default();
        let totals = self.totals(sample_type).unwrap_or_default();
        let mut shown: Vec<Shown> = Vec::new();
        let mut next = Some(self.root());
        while let Some(at) = next {
            let value = |of: &Context<'_>| totals[of.index()].abs();
            let largest = at.children().max_by(|one, other| {
                value(one).total_cmp(&value(other)).then(other.index().cmp(&one.index()))
            });
            next = largest.filter(|callee| {
                let is_end = at != self.root() && own[at.index()].abs() > value(callee);
                value(callee) != 0.0 && !is_end
            });
            let left_out = at.children().count() - usize::from(next.is_some());
            shown.push(Shown { number: at.index() as u32, depth: shown.len(), left_out });
        }
        Ok(self.tree_of_contexts(&evidence, shown))
    }

    fn tree_of_contexts(&self, evidence: &Evidence<'_>, shown: Vec<Shown>) -> Tree {
        let ranks = shown.iter().map(|shown| shown.number);
        let sums = Picking::of(self, evidence, ranks);
        let rows = shown.into_iter().zip(sums).map(|(shown, (own, total))| {
            let Shown { number, depth, left_out } = shown;
            let function = Arc::clone(self.context(number).function());
            let (own, total) = (Some(evidence.estimate(own)), evidence.estimate(total));
            TreeRow { depth, function, context: Some(number as usize), own, total, left_out }
        });
        Tree::new(TreeKind::TopDown, evidence, evidence.total(), rows.collect())
    }
}

/// Picks the sums of some contexts: what each allocated itself, and in all.
struct Picking {
    /// By rank, the place among the sums.
    place_of: Vec<u32>,
    sums: Vec<(Sum, Sum)>,
}

impl Picking {
    /// The sums of the contexts of some ranks, in their order.
    fn of(
        profile: &Profile,
        evidence: &Evidence<'_>,
        ranks: impl ExactSizeIterator<Item = u32>,
    ) -> Vec<(Sum, Sum)> {
        let sums = vec![(Sum::default(), Sum::default()); ranks.len()];
        let mut place_of = vec![NONE; profile.len()];
        for (place, rank) in (0..).zip(ranks) {
            place_of[rank as usize] = place;
        }
        let mut picking = Self { place_of, sums };
        walk(profile, evidence, &mut picking);
        picking.sums
    }
}

impl Visit for Picking {
    type Kept = ();

    fn enter(&mut self, _: u32) {}

    fn leave(&mut self, rank: u32, (): (), own: &Sum, total: &Sum) {
        if let Some(sums) = self.sums.get_mut(self.place_of[rank as usize] as usize) {
            *sums = (*own, *total);
        }
    }
}

/// A context or a function that is shown.
pub(super) struct Shown {
    /// The rank of the context, or the vertex of the function.
    pub(super) number: u32,
    pub(super) depth: usize,
    /// How many of its children are not.
    pub(super) left_out: usize,
}

impl Shown {
    /// What is shown of the tree below 0, each before its children, and of these the largest first.
    pub(super) fn of<C: Iterator<Item = u32>>(
        children_of: impl Fn(u32) -> C,
        value: impl Fn(u32) -> f64,
        is_large: impl Fn(u32) -> bool,
        deepest: usize,
    ) -> Vec<Self> {
        let mut shown = Vec::new();
        let mut open = if deepest > 0 { vec![(0_u32, 0)] } else { Vec::new() };
        while let Some((number, depth)) = open.pop() {
            let (first, mut all) = (open.len(), 0);
            for child in children_of(number) {
                all += 1;
                if depth + 1 < deepest && is_large(child) {
                    open.push((child, depth + 1));
                }
            }
            shown.push(Self { number, depth, left_out: all - (open.len() - first) });
            // The largest is on top then.
            open[first..].sort_by(|&(one, _), &(other, _)| {
                value(one).total_cmp(&value(other)).then(other.cmp(&one))
            });
        }
        shown
    }
}

impl Tree {
    pub(super) fn new(
        kind: TreeKind,
        evidence: &Evidence<'_>,
        total: Estimate,
        rows: Vec<TreeRow>,
    ) -> Self {
        let heading = evidence.heading(&total);
        Self { kind, total, rows, heading }
    }

    fn check(&self) -> bool {
        let mut above = None;
        let is_row = |row: &TreeRow| {
            let is_below = row.depth <= above.map_or(0, |depth| depth + 1);
            above = Some(row.depth);
            is_below
                && row.own.is_some() == (self.kind != TreeKind::BottomUp)
                && row.context.is_some() == (self.kind == TreeKind::TopDown)
        };
        self.rows.iter().all(is_row)
            && self
                .total
                .is_like(self.rows.iter().flat_map(|row| row.own.iter().chain([&row.total])))
    }
}

/// From here on levels are not indented any more, but numbered.
const MOST_INDENTED: usize = 40;

/// The name of a row at a depth.
fn indented(depth: usize, name: &dyn fmt::Display) -> String {
    if depth <= MOST_INDENTED {
        format!("{:indent$}{name}", "", indent = 2 * depth)
    } else {
        format!("{:indent$}[{depth}] {name}", "", indent = 2 * MOST_INDENTED)
    }
}

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_heading(f, &self.heading)?;
        let is_difference = self.total.is_difference();
        let mut table = match self.kind {
            TreeKind::TopDown => {
                Table::of_parts(is_difference, ["total", "total%", "self", "function"])
            }
            TreeKind::BottomUp => {
                let names = "function, and below it its callers";
                Table::of_parts(is_difference, ["self", "self%", names])
            }
            TreeKind::Dominators => {
                let names = "function, and below it what it dominates";
                Table::of_parts(is_difference, ["dominated", "dominated%", "self", names])
            }
        };
        for row in &self.rows {
            let mut name = indented(row.depth, &row.function);
            if row.left_out > 0 {
                name += &format!(" (and {} smaller below)", row.left_out);
            }
            let total = row.total.short();
            let total_share = percent(row.total.value(), self.total.value());
            match &row.own {
                Some(own) => table.push([total, total_share, own.short(), name]),
                None => table.push([total, total_share, name]),
            }
        }
        write!(f, "{table}")
    }
}
