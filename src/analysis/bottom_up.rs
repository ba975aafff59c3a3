//! The tree of calls from the inside out.

use std::sync::Arc;

use super::answer::fraction;
use super::group::{self, Group, GroupBy};
use super::tree::{Tree, TreeKind, TreeOptions, TreeRow};
use crate::estimate::Sum;
use crate::model::AnalysisError;
use crate::profile::{Evidence, Profile};
use crate::tree::NONE;

/// What one row of the profile adds to an inverted context.
#[derive(Clone, Copy)]
struct Entry {
    /// The group of the function in which the stack of the row's context stands at this level.
    group: u32,
    /// The rank of that context.
    at: u32,
    /// The row.
    row: u32,
}

/// How many levels are shown if nothing is said: each takes a pass over all that reaches it, and
/// deeper recursion tells nothing more.
const MOST_LEVELS: usize = 512;

/// An inverted context: entries from one place to another, which have the frames up to here in
/// common.
struct Inverted {
    depth: usize,
    start: usize,
    end: usize,
    sum: Sum,
}

impl Profile {
    /// The tree of calls from the inside out: the functions that allocate, and below each its
    /// callers, by which what it allocated itself is split.
    ///
    /// Without a depth in the options it is 512 levels. Each byte is there once on each level:
    /// where a function calls itself, that is one of its callers. O(v log v) in the values for each
    /// level that has something to show; beyond the profile it holds 12 bytes a value, and the
    /// rows.
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
    /// let tree = profile.bottom_up(&TreeOptions::new(SampleType::InuseSpace))?;
    /// assert_eq!(tree.to_string(), "\
    /// inuse_space: 1.65 MB ± 0.17 (400 samples, one per 4096 bytes; 95 % intervals)
    ///           self  self%  function, and below it its callers
    /// 1.48 MB ± 0.16  90.0%  parse
    /// 1.48 MB ± 0.16  90.0%    main
    ///    165 kB ± 59  10.0%  main
    /// ");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`AnalysisError::NoSuchValues`] if the profile does not have the sample type.
    pub fn bottom_up(&self, options: impl Into<TreeOptions>) -> Result<Tree, AnalysisError> {
        let options = options.into();
        let evidence = Evidence::new(self, options.sample_type)?;
        let total = evidence.total();
        let least = fraction(options.min_share) * evidence.whole(&total);
        let deepest = options.depth.unwrap_or(MOST_LEVELS);
        let (groups, group_of) = group::of_contexts(self, &GroupBy::Function, true);
        let inversion =
            Inversion { profile: self, evidence: &evidence, groups, group_of, least, deepest };
        Ok(Tree::new(TreeKind::BottomUp, &evidence, total, inversion.rows()))
    }
}

/// What an inverted tree is made of.
struct Inversion<'p> {
    profile: &'p Profile,
    evidence: &'p Evidence<'p>,
    groups: Vec<Group>,
    /// By number of a function, its group.
    group_of: Vec<u32>,
    /// The least value that is shown.
    least: f64,
    deepest: usize,
}

impl Inversion<'_> {
    /// The rows of the tree, each before those of its callers.
    fn rows(&self) -> Vec<TreeRow> {
        let mut entries = self.entries();
        let mut rows: Vec<TreeRow> = Vec::new();
        let (mut open, _) = self.split(&mut entries, 0, 0);
        while let Some(Inverted { depth, start, end, sum }) = open.pop() {
            let same = &mut entries[start..end];
            let function = self.groups[same[0].group as usize].function.as_ref();
            for entry in &mut *same {
                entry.at = self.profile.parents()[entry.at as usize];
                // The root calls nobody.
                let is_called = entry.at != NONE && entry.at != 0;
                entry.group = if is_called { self.group_at(entry.at) } else { NONE };
            }
            let (callers, left_out) = self.split(same, start, depth + 1);
            open.extend(callers);
            if let Some(function) = function {
                rows.push(TreeRow {
                    depth,
                    function: Arc::clone(function),
                    context: None,
                    own: None,
                    total: self.evidence.estimate(sum),
                    left_out,
                });
            }
        }
        rows
    }

    /// An entry for each row of the profile that has a value.
    fn entries(&self) -> Vec<Entry> {
        (0..)
            .zip(self.profile.row_data())
            .filter(|(_, row)| row.value(self.evidence.sample_type) != 0.0)
            .map(|(at, row)| Entry { group: self.group_at(row.context), at: row.context, row: at })
            .collect()
    }

    /// The contexts of one level below one of the level above it, whose entries, from place `start`
    /// on, are sorted for that; the largest last. Those that are too small are counted.
    fn split(&self, entries: &mut [Entry], start: usize, depth: usize) -> (Vec<Inverted>, usize) {
        entries.sort_unstable_by_key(|entry| (entry.group, entry.row));
        let mut contexts: Vec<Inverted> = Vec::new();
        let (mut start, mut left_out) = (start, 0);
        for same in entries.chunk_by(|one, other| one.group == other.group) {
            let (mut sum, mut magnitude) = (Sum::default(), 0.0);
            for entry in same {
                let of_row = self.evidence.of_row(entry.row as usize);
                magnitude += of_row.value().abs();
                sum = sum.plus(&of_row);
            }
            let end = start + same.len();
            // What was allocated right here has no caller.
            let is_called = same[0].group != NONE;
            if is_called && depth < self.deepest && magnitude >= self.least {
                contexts.push(Inverted { depth, start, end, sum });
            } else if is_called {
                left_out += 1;
            }
            start = end;
        }
        contexts.sort_by(|one, other| one.sum.value().abs().total_cmp(&other.sum.value().abs()));
        (contexts, left_out)
    }

    /// The group of a context's function.
    fn group_at(&self, rank: u32) -> u32 {
        self.group_of[self.profile.function_numbers()[rank as usize] as usize]
    }
}
