//! The tree of calls, from the outside in, cut to what matters.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::share::{fraction, percent, share};
use super::table::Table;
use crate::estimate::{Estimate, Sum};
use crate::model::{AnalysisError, Function, SampleType};
use crate::profile::{Evidence, Profile, Visit, walk};
use crate::tree::NONE;

/// Options of [`top_down`](Profile::top_down) and
/// [`bottom_up`](Profile::bottom_up).
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

impl From<SampleType> for TreeOptions {
    fn from(sample_type: SampleType) -> Self {
        Self::new(sample_type)
    }
}

impl From<&TreeOptions> for TreeOptions {
    fn from(options: &TreeOptions) -> Self {
        options.clone()
    }
}

/// The direction of a [`Tree`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The outermost functions first, below each what it calls.
    TopDown,
    /// The functions that allocate first, below each its callers.
    BottomUp,
}

/// A tree of calls, cut to what matters.
///
/// Written by serde as it is: rows in preorder with their depths, so that no depth is too deep to
/// read.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Tree {
    /// The direction in which rows follow on each other.
    pub direction: Direction,
    /// The values that the answer is about.
    pub sample_type: SampleType,
    /// The whole profile.
    pub total: Estimate,
    /// The rows in preorder, among siblings the largest first.
    pub rows: Vec<TreeRow>,
    #[serde(skip)]
    pub(super) heading: String,
}

/// A row of a [`Tree`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TreeRow {
    /// The number of calls between the first level, 0, and this row.
    pub depth: usize,
    /// The function.
    pub function: Arc<Function>,
    /// The amount that this context allocated itself. `None` in an inverted tree.
    pub own: Option<Estimate>,
    /// From the outside in: what this context and all below it allocated. In an inverted tree: what
    /// the function of the first level allocated itself when it was called along this way.
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
        let deepest = options.depth.unwrap_or(usize::MAX);
        let shown = self.shown_contexts(&totals, magnitudes, least, deepest);
        drop(totals);

        let ranks = shown.iter().map(|shown| shown.rank);
        let sums = Picking::of(self, &evidence, ranks);
        let rows = shown.into_iter().zip(sums).map(|(shown, (own, total))| {
            let Shown { rank, depth, left_out } = shown;
            let function = Arc::clone(self.context(rank).function());
            let (own, total) = (Some(evidence.estimate(own)), evidence.estimate(total));
            TreeRow { depth, function, own, total, left_out }
        });
        let total = evidence.total();
        let heading = evidence.heading(&total);
        let direction = Direction::TopDown;
        Ok(Tree {
            direction,
            sample_type: options.sample_type,
            rows: rows.collect(),
            total,
            heading,
        })
    }

    /// The contexts that are shown, each before what it calls, and there the largest first.
    fn shown_contexts(
        &self,
        totals: &[f64],
        magnitudes: &[f64],
        least: f64,
        deepest: usize,
    ) -> Vec<Shown> {
        let ends = self.ends();
        let mut shown = Vec::new();
        let mut open = if deepest > 0 { vec![(0_u32, 0)] } else { Vec::new() };
        let mut children = Vec::new();
        while let Some((rank, depth)) = open.pop() {
            let mut child = rank + 1;
            let mut all = 0;
            while child < ends[rank as usize] {
                all += 1;
                let value = magnitudes[child as usize];
                if depth + 1 < deepest && value >= least && value > 0.0 {
                    children.push(child);
                }
                child = ends[child as usize];
            }
            shown.push(Shown { rank, depth, left_out: all - children.len() });
            // The largest is on top then.
            children.sort_by(|&one, &other| {
                let [a, b] = [one, other].map(|child| totals[child as usize].abs());
                a.total_cmp(&b).then(other.cmp(&one))
            });
            open.extend(children.drain(..).map(|child| (child, depth + 1)));
        }
        shown
    }
}

/// Picks the sums of some contexts: what each allocated itself, and in all.
pub(super) struct Picking {
    /// By rank, the place among the sums.
    place_of: Vec<u32>,
    sums: Vec<(Sum, Sum)>,
}

impl Picking {
    /// The sums of the contexts of some ranks, in their order.
    pub(super) fn of(
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

/// A context that is shown.
struct Shown {
    rank: u32,
    depth: usize,
    /// How many of its children are not.
    left_out: usize,
}

/// From here on levels are not indented any more, but numbered.
const MOST_INDENTED: usize = 40;

/// The name of a row at a depth.
pub(super) fn indented(depth: usize, name: &dyn fmt::Display) -> String {
    if depth <= MOST_INDENTED {
        format!("{:indent$}{name}", "", indent = 2 * depth)
    } else {
        format!("{:indent$}[{depth}] {name}", "", indent = 2 * MOST_INDENTED)
    }
}

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.heading)?;
        let all = self.total.value();
        let mut table = if self.direction == Direction::BottomUp {
            Table::of(&self.total, ["self", "self%", "function, and below it its callers"])
        } else {
            Table::of(&self.total, ["total", "total%", "self", "function"])
        };
        for row in &self.rows {
            let mut name = indented(row.depth, &row.function);
            if row.left_out > 0 {
                name += &format!(" (and {} smaller below)", row.left_out);
            }
            let (total, total_share) = (row.total.short(), percent(share(row.total.value(), all)));
            match &row.own {
                Some(own) => table.push([total, total_share, own.short(), name]),
                None => table.push([total, total_share, name]),
            }
        }
        write!(f, "{table}")
    }
}
