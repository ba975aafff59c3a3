//! The tree of calls from the inside out.

use std::sync::Arc;

use super::share::fraction;
use super::evidence::Evidence;
use super::group::{self, GroupBy};
use super::tree::{Tree, TreeOptions, TreeRow};
use crate::callgraph::NONE;
use crate::estimate::Sum;
use crate::heap_profile::{HeapProfile, NoSuchValues};

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
    value: f64,
}

impl HeapProfile {
    /// The tree of calls from the inside out: the functions that allocate, and below each its
    /// callers, by which what it allocated itself is split.
    ///
    /// Without a depth in the options it is 512 levels. Each byte is there once on each level:
    /// where a function calls itself, that is one of its callers. O(v log v) in the values for each
    /// level that has something to show; beyond the profile it holds 12 bytes a value, and the
    /// rows.
    ///
    /// ```
    /// # use v8_heap_sampler::{HeapProfile, Node, NodeId, Profile, Sample, SampleId, SampleType,
    /// #     SamplerOptions};
    /// # let mut nodes: Vec<_> = ["(root)", "main", "parse"].into_iter().zip(1..)
    /// #     .map(|(name, id)| Node::new(NodeId(id), name)).collect();
    /// # nodes[0].child_ids.push(NodeId(2));
    /// # nodes[1].child_ids.push(NodeId(3));
    /// # let sample = |id: u64| Sample::new(NodeId(2 + u32::from(id > 40)), 56, SampleId(id), true);
    /// # let options = SamplerOptions::new().interval_bytes(4096);
    /// # let profile = Profile::new(nodes, (1..=400).map(sample).collect(), options);
    /// use v8_heap_sampler::analysis::TreeOptions;
    ///
    /// let profile = HeapProfile::from_profile(&profile)?;
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
    /// [`NoSuchValues`] if the profile does not have the sample type.
    pub fn bottom_up(&self, options: &TreeOptions) -> Result<Tree, NoSuchValues> {
        let evidence = Evidence::new(self, options.sample_type)?;
        let (groups, group_of) = group::of_contexts(self, &GroupBy::Function, true);
        let group_at = |rank: u32| group_of[self.function_numbers()[rank as usize] as usize];
        let value_of =
            |entry: &Entry| self.row_data()[entry.row as usize].value(options.sample_type);

        let mut entries: Vec<Entry> = (0..)
            .zip(self.row_data())
            .filter(|(_, row)| row.value(options.sample_type) != 0.0)
            .map(|(at, row)| Entry { group: group_at(row.context), at: row.context, row: at })
            .collect();
        let total = evidence.total();
        let least = fraction(options.least_share) * evidence.whole(&total);
        let deepest = options.depth.unwrap_or(MOST_LEVELS);

        // The contexts of one level below one of the level above it, in `entries[start..end]`, which
        // are sorted for that; the largest last. Those that are too small are counted.
        let split = |entries: &mut [Entry], start: usize, end: usize, depth: usize| {
            entries[start..end].sort_unstable_by_key(|entry| (entry.group, entry.row));
            let mut contexts: Vec<Inverted> = Vec::new();
            let (mut at, mut left_out) = (start, 0);
            for same in entries[start..end].chunk_by(|one, other| one.group == other.group) {
                let value: f64 = same.iter().map(value_of).sum();
                let magnitude: f64 = same.iter().map(|entry| value_of(entry).abs()).sum();
                let next = at + same.len();
                // What was allocated right here has no caller.
                match same[0].group == NONE {
                    true => {}
                    false if depth < deepest && magnitude >= least => {
                        let value = value.abs();
                        contexts.push(Inverted { depth, start: at, end: next, value });
                    }
                    false => left_out += 1,
                }
                at = next;
            }
            contexts.sort_by(|one, other| one.value.total_cmp(&other.value));
            (contexts, left_out)
        };

        let mut rows: Vec<TreeRow> = Vec::new();
        let all = entries.len();
        let (mut open, _) = split(&mut entries, 0, all, 0);
        while let Some(Inverted { depth, start, end, .. }) = open.pop() {
            let same = &mut entries[start..end];
            let function = groups[same[0].group as usize].function.as_ref();
            let sum = same
                .iter()
                .fold(Sum::default(), |sum, entry| sum.plus(&evidence.of_row(entry.row as usize)));
            for entry in same {
                entry.at = self.parents()[entry.at as usize];
                // The root calls nobody.
                let is_called = entry.at != NONE && entry.at != 0;
                entry.group = if is_called { group_at(entry.at) } else { NONE };
            }
            let (callers, left_out) = split(&mut entries, start, end, depth + 1);
            open.extend(callers);
            if let Some(function) = function {
                rows.push(TreeRow {
                    depth,
                    function: Arc::clone(function),
                    own: None,
                    total: evidence.estimate(sum),
                    left_out,
                });
            }
        }
        let heading = evidence.heading(&total);
        Ok(Tree { sample_type: options.sample_type, total, rows, heading })
    }
}
