//! Tells V8's own work for a profile from what the program allocated.
//!
//! V8 interns names and finds the lines of scripts on the JavaScript heap while it builds a
//! profile, and samples that at the stack from which the profile was asked for. Samples are
//! numbered in the order of allocation, so those of its own work are the latest; how many they are
//! tells the number of global handles, since each sample holds its object by one and V8 makes no
//! others meanwhile. Only the embedder's own callbacks around a garbage collection can. So samples
//! count as V8's own only if so many can have been taken of the bytes that were allocated
//! meanwhile, and no more of them than fit into these bytes. Otherwise all count as the program's,
//! and the profile says how many are in doubt.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::OnceLock;

use super::Mismatch;
use super::cross_check;
use super::layout::RawSample;
use crate::model::{Node, Objects};
use crate::profile::{ContextTree, OwnWork, SampledObject};
use crate::v8;

/// V8's size of a global handle, by which its number of bytes tells the number of handles.
#[derive(Clone, Copy, Debug)]
pub(super) struct HandleSize(pub(super) usize);

impl HandleSize {
    /// Measures it in an isolate that is entered, by making a handle.
    ///
    /// Another thread may drop handles meanwhile, which go when the next one is made: then the
    /// number of bytes does not grow, and another try does.
    pub(super) fn measure(isolate: &mut v8::Isolate) -> Result<Self, Mismatch> {
        static KNOWN: OnceLock<usize> = OnceLock::new();
        if let Some(&size) = KNOWN.get() {
            return Ok(Self(size));
        }
        let (mut used, mut with_one_more) = (0, 0);
        for _ in 0..MEASURE_ATTEMPTS {
            reset_dropped_handles(isolate);
            used = isolate.get_heap_statistics().used_global_handles_size();
            with_one_more = {
                v8::scope!(let scope, isolate);
                let undefined = v8::undefined(scope);
                let _handle = v8::Global::new(scope, undefined);
                scope.get_heap_statistics().used_global_handles_size()
            };
            if let Some(size @ 1..=1024) = with_one_more.checked_sub(used) {
                return Ok(Self(*KNOWN.get_or_init(|| size)));
            }
        }
        Err(Mismatch::new(format_args!(
            "size of a global handle: {used} bytes of handles became {with_one_more}"
        )))
    }
}

/// How often the size of a handle is measured anew when other threads drop handles meanwhile.
const MEASURE_ATTEMPTS: usize = 100;

/// Frees the handles that other threads dropped.
///
/// The `v8` crate defers that until the isolate makes its next handle.
pub(super) fn reset_dropped_handles(isolate: &mut v8::Isolate) {
    v8::scope!(let scope, isolate);
    let undefined = v8::undefined(scope);
    drop(v8::Global::new(scope, undefined));
}

/// How many samples V8 has taken, at most, and how many bytes it has allocated meanwhile.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken {
    pub(super) samples: usize,
    pub(super) bytes: u64,
    pub(super) interval_bytes: u64,
}

impl Taken {
    /// The most samples that V8 can have taken of the bytes: the number that a Poisson process
    /// exceeds once in a million times.
    fn most_samples(&self) -> usize {
        const DOUBT: f64 = 1e-6;
        let mean = self.bytes as f64 / self.interval_bytes as f64;
        if mean > 30.0 {
            // Nearly normal: five deviations, and room for the skew.
            return (mean + 5.0 * mean.sqrt() + 5.0) as usize;
        }
        let mut exactly = (-mean).exp();
        let mut at_most = exactly;
        let mut samples = 0;
        while 1.0 - at_most > DOUBT {
            samples += 1;
            exactly *= mean / samples as f64;
            at_most += exactly;
        }
        samples
    }
}

/// The numbers of the samples of V8's own work, in a session so far.
#[derive(Clone, Debug, Default)]
pub(super) struct OwnSamples {
    /// First and last numbers, ascending.
    ranges: Vec<(u64, u64)>,
    /// How many more there may be, at most.
    in_doubt: usize,
}

impl OwnSamples {
    /// Takes note that the latest of `samples` are of V8's own work, and forgets those that are
    /// gone.
    pub(super) fn update(&mut self, samples: &[RawSample], taken: Taken) {
        if !self.ranges.is_empty() {
            let mut present = vec![false; self.ranges.len()];
            for sample in samples {
                if let Some(at) = self.range_of(sample.sample_id) {
                    present[at] = true;
                }
            }
            let mut present = present.into_iter();
            self.ranges.retain(|_| present.next().expect("one for each"));
        }
        if taken.samples == 0 {
            return;
        }
        let most = taken.most_samples();
        if taken.samples > most {
            // The embedder made handles, so that their number says nothing. V8's own samples are
            // few; the latest ones of the program may stand for much.
            self.in_doubt += most;
            return;
        }
        // An earlier range ends where another collection ended.
        let known = self.ranges.last().map_or(0, |range| range.1);
        let mut latest: Vec<_> = samples
            .iter()
            .filter(|sample| sample.sample_id > known)
            .map(|sample| (sample.sample_id, sample.size as u64))
            .collect();
        latest.sort_unstable_by_key(|&(id, _)| Reverse(id));
        let mut bytes = 0;
        let own = latest.iter().take(taken.samples).take_while(|&&(_, size)| {
            bytes += size;
            bytes <= taken.bytes
        });
        if let (Some(&(last, _)), Some(&(first, _))) = (latest.first(), own.last()) {
            self.ranges.push((first, last));
        }
    }

    fn range_of(&self, sample_id: u64) -> Option<usize> {
        let at = self.ranges.partition_point(|range| range.1 < sample_id);
        (at < self.ranges.len() && self.ranges[at].0 <= sample_id).then_some(at)
    }

    pub(super) fn contains(&self, sample_id: u64) -> bool {
        self.range_of(sample_id).is_some()
    }

    /// What the samples among these are of.
    pub(super) fn among(&self, samples: &[RawSample]) -> OwnCounts {
        let mut counts = OwnCounts::default();
        counts.total.in_doubt = Objects(self.in_doubt as u64);
        if self.ranges.is_empty() {
            return counts;
        }
        for sample in samples.iter().filter(|sample| self.contains(sample.sample_id)) {
            let size = sample.size as u64;
            counts.total.samples.0 += 1;
            counts.total.bytes.0 += size;
            let sizes = counts.by_node.entry(sample.node_id).or_default();
            *sizes.entry(size).or_default() += 1;
        }
        if let (Some((&first, _)), Some((&last, _))) =
            (counts.by_node.first_key_value(), counts.by_node.last_key_value())
        {
            counts.ids = Some(first..=last);
        }
        counts
    }
}

/// What V8's own samples are of.
#[derive(Clone, Debug, Default)]
pub(super) struct OwnCounts {
    pub(super) total: OwnWork,
    /// How many of each size, for each node that has such samples. Mostly that is one: V8's own
    /// work has the stack from which a profile was asked for.
    by_node: BTreeMap<u32, BTreeMap<u64, u64>>,
    /// From the first of these nodes to the last.
    ids: Option<RangeInclusive<u32>>,
}

impl OwnCounts {
    /// Whether a node has such samples.
    #[inline]
    pub(super) fn has(&self, node_id: u32) -> bool {
        self.ids.as_ref().is_some_and(|ids| ids.contains(&node_id))
            && self.by_node.contains_key(&node_id)
    }

    /// Takes the samples out of the counts of `nodes`, which are in preorder, and out of the tree
    /// what had nothing else. `places` are those of the nodes that have such samples, ascending.
    pub(super) fn leave_out(&self, nodes: &mut Vec<Node>, places: &[usize], interval_bytes: u64) {
        let ids: Vec<_> = places.iter().map(|&at| nodes[at].id).collect();
        for (&at, id) in places.iter().zip(&ids) {
            let Some(sizes) = self.by_node.get(&id.0) else { continue };
            let left = nodes[at].allocations.iter().filter_map(|&allocation| {
                let of_own = sizes.get(&allocation.size).copied().unwrap_or(0);
                cross_check::without_samples(allocation, of_own, interval_bytes)
            });
            nodes[at].allocations = left.collect();
        }
        // From the back, where removing a node moves none that is still to be looked at.
        for (&at, &id) in places.iter().zip(&ids).rev() {
            if nodes.get(at).is_some_and(|node| node.id == id) {
                remove_if_empty(nodes, at);
            }
        }
    }
}

/// Takes contexts out of a tree that have no samples but V8's own, those at `places`, unless they
/// lead to others; and then their callers that are left without either. The root stays.
///
/// Linear in samples, and in the contexts from the first one on that is removed.
pub(super) fn remove_empty(
    tree: &mut ContextTree,
    samples: &mut [SampledObject],
    places: &[usize],
) {
    let removed = empty(tree, samples, places);
    let Some(&first) = removed.first() else { return };
    // Where each context is after the removal, from the first one on that is removed.
    let mut moved = Vec::with_capacity(tree.parents.len() + 1 - first);
    let (mut kept, mut next) = (first as u32, removed.iter().peekable());
    for rank in first..=tree.parents.len() {
        moved.push(kept);
        kept += u32::from(next.next_if_eq(&&rank).is_none());
    }
    let to = |rank: &mut u32| {
        if let Some(&to) = (*rank as usize).checked_sub(first).and_then(|at| moved.get(at)) {
            *rank = to;
        }
    };
    // Of the contexts before it, only those that lead to it end elsewhere.
    let mut caller = tree.parents[first] as usize;
    while let Some(end) = tree.ends.get_mut(caller) {
        to(end);
        caller = tree.parents[caller] as usize;
    }
    tree.ends[first..].iter_mut().for_each(to);
    tree.parents[first..].iter_mut().for_each(to);
    samples.iter_mut().for_each(|sample| to(&mut sample.context));
    remove(&mut tree.parents, &removed);
    remove(&mut tree.ends, &removed);
    remove(&mut tree.function_of, &removed);
    remove(&mut tree.ids, &removed);
}

/// The ranks of the contexts that [`remove_empty`] removes, ascending.
fn empty(tree: &ContextTree, samples: &[SampledObject], places: &[usize]) -> Vec<usize> {
    let mut removed = BTreeSet::new();
    if places.is_empty() {
        return Vec::new();
    }
    let mut has_samples = vec![false; tree.parents.len()];
    samples.iter().for_each(|sample| has_samples[sample.context as usize] = true);
    for &place in places {
        let mut at = place;
        while at > 0 && !has_samples[at] {
            let below = at + 1..tree.ends[at] as usize;
            let is_empty =
                below.len() <= removed.len() && below.len() == removed.range(below).count();
            if !is_empty || !removed.insert(at) {
                break;
            }
            at = tree.parents[at] as usize;
        }
    }
    removed.into_iter().collect()
}

/// Removes the elements at `places`, which are ascending, from a column.
fn remove<T: Copy>(column: &mut Vec<T>, places: &[usize]) {
    let ends = places.iter().skip(1).copied().chain([column.len()]);
    for (gap, (&place, end)) in places.iter().zip(ends).enumerate() {
        column.copy_within(place + 1..end, place - gap);
    }
    column.truncate(column.len() - places.len());
}

/// Removes the node at `at` if it has neither allocations nor children, and then its callers that
/// are left with neither. The root stays.
fn remove_if_empty(nodes: &mut Vec<Node>, mut at: usize) {
    while at > 0 && nodes[at].allocations.is_empty() && nodes[at].child_ids.is_empty() {
        let id = nodes[at].id;
        let calls = |node: &Node| node.child_ids.contains(&id);
        // V8's pseudo frames are called by the root; in preorder other callers are not far above.
        let caller = if calls(&nodes[0]) { Some(0) } else { nodes[..at].iter().rposition(calls) };
        let Some(caller) = caller else { return };
        let left = nodes[caller].child_ids.iter().copied().filter(|&child| child != id).collect();
        nodes[caller].child_ids = left;
        nodes.remove(at);
        at = caller;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Allocation, Bytes, NodeId};
    use crate::tree::NONE;

    fn sample(node_id: u32, size: usize, sample_id: u64) -> RawSample {
        RawSample { node_id, size, count: 1, sample_id, is_live: 1 }
    }

    #[test]
    fn the_latest_samples_are_v8_s_own() {
        let mut own = OwnSamples::default();
        let first = [sample(1, 16, 2), sample(1, 16, 9), sample(1, 16, 8)];
        let taken = |samples| Taken { samples, bytes: 1000, interval_bytes: 8 };
        own.update(&first, taken(2));
        assert_eq!([2, 8, 9].map(|id| own.contains(id)), [false, true, true]);
        own.update(&first, taken(0));
        assert!(own.contains(9));
        // More samples than there are new ones cannot reach into what is known.
        own.update(&[sample(1, 16, 9), sample(1, 16, 10)], taken(5));
        assert_eq!(own.ranges, [(8, 9), (10, 10)]);
        own.update(&[sample(1, 16, 10)], taken(0));
        assert_eq!(own.ranges, [(10, 10)]);
        own.update(&[], taken(3));
        assert!(own.ranges.is_empty());
        // An embedder's callback can make handles, but V8 cannot have sampled what it did not
        // allocate.
        let samples = [sample(1, 16, 20), sample(1, 990, 21), sample(1, 24, 22)];
        own.update(&samples, Taken { samples: 7, bytes: 40, interval_bytes: 8 });
        assert_eq!(own.ranges, [(22, 22)]);
    }

    #[test]
    fn more_handles_than_samples_can_be_say_nothing() {
        let mut own = OwnSamples::default();
        let samples: Vec<_> = (1..=300).map(|id| sample(1, 16, id)).collect();
        // 4 KB at an interval of 512 KiB: three samples once in a million times.
        let taken = |samples| Taken { samples, bytes: 4096, interval_bytes: 1 << 19 };
        own.update(&samples, taken(300));
        assert!(own.ranges.is_empty());
        let total = own.among(&samples).total;
        assert_eq!((total.samples, total.in_doubt), (Objects(0), Objects(2)));
        own.update(&samples, taken(2));
        assert_eq!(own.ranges, [(299, 300)]);
    }

    #[test]
    fn the_most_samples_are_those_of_poisson() {
        // The quantile at 1 - 1e-6, from the sums of the distribution in Python.
        for (mean, most) in [(0.0, 0), (0.008, 2), (1.0, 9), (10.0, 28), (30.0, 59)] {
            let bytes = (mean * 1e6) as u64;
            let taken = Taken { samples: 0, bytes, interval_bytes: 1_000_000 };
            assert_eq!(taken.most_samples(), most, "{mean}");
        }
        let many = Taken { samples: 0, bytes: 10_000, interval_bytes: 1 };
        assert!((10_470..=10_520).contains(&many.most_samples()), "{}", many.most_samples());
    }

    #[test]
    fn own_samples_leave_the_counts_and_empty_contexts_the_tree() {
        let mut nodes: Vec<_> = [(1, "(root)"), (2, "f"), (3, "(V8 API)"), (4, "g")]
            .map(|(id, n)| Node::new(NodeId(id), n))
            .into();
        nodes[0].child_ids.extend([NodeId(2), NodeId(3)]);
        nodes[2].child_ids.push(NodeId(4));
        // At an interval of 64, 64 bytes: 1 / p is 1.58.
        nodes[1].allocations.push(Allocation { count: 5, size: 64 });
        nodes[3].allocations.push(Allocation { count: 2, size: 64 });
        let samples = [sample(2, 64, 1), sample(2, 64, 2), sample(2, 64, 3), sample(4, 64, 4)];
        let own = OwnSamples { ranges: vec![(3, 4)], in_doubt: 0 };
        let counts = own.among(&samples);
        assert_eq!((counts.total.samples, counts.total.bytes), (Objects(2), Bytes(128)));
        assert_eq!([1, 2, 3, 4].map(|id| counts.has(id)), [false, true, false, true]);
        counts.leave_out(&mut nodes, &[1, 3], 64);
        assert_eq!(nodes.iter().map(|node| node.id.0).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(nodes[0].child_ids[..], [NodeId(2)]);
        assert_eq!(nodes[1].allocations[..], [Allocation { count: 3, size: 64 }]); // 2 * 1.58
    }

    #[test]
    fn contexts_without_samples_but_v8_s_own_leave_the_tree() {
        // (root) -> f -> g -> h, and (root) -> i -> j; each its own function.
        let tree = || ContextTree {
            function_of: (0..6).collect(),
            parents: vec![NONE, 0, 1, 2, 0, 4],
            ends: vec![6, 4, 4, 4, 6, 6],
            ids: (1..=6).map(NodeId).collect(),
            ..ContextTree::default()
        };
        let at = |context| SampledObject {
            context,
            size: 16,
            sample_id: crate::model::SampleId(1),
            is_live: true,
        };
        let left = |of: &[u32], places: &[usize]| {
            let (mut tree, mut samples) = (tree(), of.iter().map(|&of| at(of)).collect::<Vec<_>>());
            remove_empty(&mut tree, &mut samples, places);
            let ids: Vec<u32> = tree.ids.iter().map(|id| id.0).collect();
            assert_eq!(tree.function_of.iter().map(|of| of + 1).collect::<Vec<_>>(), ids);
            let contexts: Vec<u32> = samples.iter().map(|sample| sample.context).collect();
            (ids, tree.parents, tree.ends, contexts)
        };
        // The last leaf, and its caller that has nothing else; what is before stays.
        let gone = (vec![1, 2, 3, 4], vec![NONE, 0, 1, 2], vec![4, 4, 4, 4], vec![3]);
        assert_eq!(left(&[3], &[5]), gone);
        // One above another, both with V8's own samples; what comes behind moves up.
        let moved = (vec![1, 2, 5, 6], vec![NONE, 0, 0, 2], vec![4, 2, 4, 4], vec![1, 3]);
        assert_eq!(left(&[1, 5], &[2, 3]), moved);
        // A context with samples of the program's, or that leads to some, stays.
        assert_eq!(left(&[3, 5], &[2, 3, 5]).0, [1, 2, 3, 4, 5, 6]);
        // The root stays, whatever goes.
        assert_eq!(left(&[], &[0, 1, 2, 3, 5]), (vec![1], vec![NONE], vec![1], vec![]));
    }
}
