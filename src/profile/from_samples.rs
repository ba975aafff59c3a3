//! Heap profiles of samples.

use std::collections::HashSet;

use foldhash::fast::RandomState;

use super::build::Builder;
use super::collection::Collection;
use super::from_nodes::ContextTree;
use super::labels::LabelSets;
use super::profile::Profile;
use super::row::RowData;
use super::sample::OrdinalSample;
use crate::estimate::objects_per_sample;
use crate::model::{
    KeepDead, Node, ProfileError, Sample, SampleId, SampleType, SampleTypes, SamplerOptions,
};
use crate::tree::inverted;

impl Profile {
    /// The profile of samples at nodes: what [`HeapSampler::profile`] makes of V8's, for samples
    /// that come from elsewhere.
    ///
    /// Values are unrounded estimates: `inuse_*` always, `alloc_*` if the samples of all dead
    /// objects were kept. When sampling started and how long it went on is for the caller to say
    /// ([`metadata`](Self#structfield.metadata)): until then it is this moment. The nodes' own
    /// [`allocations`](Node::allocations) are not used. Nodes and samples can come in any order.
    /// O(n + s log s) in nodes and samples.
    ///
    /// [`HeapSampler::profile`]: https://docs.rs/v8-heap-sampler/latest/v8_heap_sampler/struct.HeapSampler.html#method.profile
    ///
    /// ```
    /// use v8_heap_sampler::{
    ///     KeepDead, Node, NodeId, Profile, Sample, SampleId, SampleType, SamplerOptions,
    /// };
    ///
    /// let mut nodes = [Node::new(NodeId(1), "(root)"), Node::new(NodeId(2), "main")];
    /// nodes[0].child_ids.push(NodeId(2));
    /// let samples = (1..=2).map(|id| Sample::new(NodeId(2), 64, SampleId(id), id == 1));
    /// let options = SamplerOptions::exact().keep_dead(KeepDead::Both);
    /// let profile = Profile::from_samples(&nodes, samples, &options)?;
    /// assert_eq!(profile.total(SampleType::InuseSpace), Some(64.0));
    /// assert_eq!(profile.total(SampleType::AllocSpace), Some(128.0));
    /// # Ok::<(), v8_heap_sampler::ProfileError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ProfileError`] if nodes, samples and options do not fit together, or the estimates add up
    /// to more than numbers can say exactly (2^53 bytes).
    pub fn from_samples(
        nodes: &[Node],
        samples: impl IntoIterator<Item = Sample>,
        options: &SamplerOptions,
    ) -> Result<Self, ProfileError> {
        Self::of_nodes_and_samples(nodes, samples, Collection::new(options.clone()))
    }

    pub(crate) fn of_nodes_and_samples(
        nodes: &[Node],
        samples: impl IntoIterator<Item = Sample>,
        collection: Collection,
    ) -> Result<Self, ProfileError> {
        let options = &collection.options;
        if options.interval_bytes == 0 {
            return Err(ProfileError::Interval);
        }
        let (topology, tree) = ContextTree::of_nodes(nodes)?;
        let ranks = topology.positions.as_deref().map(inverted);
        let sampled = samples.into_iter().map(|sample| {
            let Sample { node_id, size, sample_id, is_live } = sample;
            let position = topology.index.get(node_id);
            let position = position.ok_or(ProfileError::UnknownNode { sample_id, node_id })?;
            if size == 0 {
                return Err(ProfileError::NoSize { sample_id });
            }
            if !is_live && options.keep_dead == KeepDead::None {
                return Err(ProfileError::DeadSample { sample_id });
            }
            let context = ranks.as_ref().map_or(position, |ranks| ranks[position as usize]);
            Ok(SampledObject { context, size, sample_id, is_live })
        });
        let mut sampled: Vec<_> = sampled.collect::<Result<_, _>>()?;
        // V8's come in order; then no number can be there twice.
        if !sampled.is_sorted_by(|one, other| one.sample_id < other.sample_id) {
            let mut seen: HashSet<SampleId, RandomState> = HashSet::default();
            if let Some(twice) = sampled.iter().find(|sample| !seen.insert(sample.sample_id)) {
                return Err(ProfileError::DuplicateSample { sample_id: twice.sample_id });
            }
            sampled.sort_unstable_by_key(|sample| sample.sample_id);
        }
        Self::of_collection(tree, sampled, collection)
    }

    /// The profile of samples, which are in the order of allocation.
    pub(crate) fn of_collection(
        tree: ContextTree,
        sampled: impl IntoIterator<Item = SampledObject>,
        collection: Collection,
    ) -> Result<Self, ProfileError> {
        let interval = collection.options.interval_bytes;
        let has_alloc = collection.options.keep_dead == KeepDead::Both;
        let mut scales = Scales::new(interval);
        let mut total = 0.0;
        let samples = sampled.into_iter().map(|sampled| {
            let SampledObject { context, size, sample_id, is_live } = sampled;
            let bytes = scales.of(size) * size as f64;
            total += bytes;
            OrdinalSample::new(context, !is_live, sample_id.0, size, bytes)
        });
        let samples: Vec<OrdinalSample> = samples.collect();
        if total > Self::MOST as f64 {
            return Err(ProfileError::TooMuch);
        }
        let rows = rows(&samples, tree.function_of.len(), &mut scales, has_alloc);
        let types = SampleType::ALL.into_iter().filter(|&sample_type| {
            has_alloc || matches!(sample_type, SampleType::InuseObjects | SampleType::InuseSpace)
        });
        let (metadata, deepest) = (collection.metadata(), tree.deepest);
        let builder = Builder::of_contexts(tree).with_rows(rows).with_samples(samples);
        let mut profile =
            builder.finish(SampleTypes::of(types), LabelSets::default(), true, metadata);
        profile.sampled_every = Some(interval);
        let depth = collection.options.stack_depth;
        profile.collection = Some(Box::new(collection));
        if deepest >= depth { profile.with_cut_stacks_apart(depth) } else { Ok(profile) }
    }

    /// The profile of some of the samples: of objects of some sizes, or of those that were
    /// allocated before or after a moment. `None` if the profile does not have the samples that its
    /// values are of, which those have that were collected here.
    ///
    /// Estimates are unbiased if `which` decides by what every object has, sampled or not: size,
    /// time, whether it is alive. Linear in contexts and samples.
    ///
    /// ```
    /// # #[cfg(any(feature = "v8-150", feature = "v8-152"))] {
    /// # use v8_heap_sampler::{HeapSampler, SampleType};
    /// # let (mut isolate, realm) = fixtures::realm();
    /// let mut sampler = HeapSampler::new(&mut isolate, 4096, 64)?; // keeps no dead objects
    /// # let script = "function grow() { return new Array(9999).fill(0); }
    /// #     globalThis.kept ??= []; kept.push(grow()); ''";
    /// # realm.run(&mut sampler, "a.js", script);
    /// // ... run JavaScript ...
    /// let last = sampler.profile()?.last_sample();
    /// # realm.run(&mut sampler, "a.js", script);
    /// // ... run more ...
    /// let profile = sampler.profile()?;
    /// // Of what is alive now, what was there before, and what is new?
    /// let old = profile.filter_samples(|sample| Some(sample.ordinal) <= last).unwrap();
    /// let new = profile.filter_samples(|sample| Some(sample.ordinal) > last).unwrap();
    /// let [old, new] = [old, new].map(|of| of.estimate(SampleType::InuseSpace).unwrap());
    /// println!("{old} old, {new} new");
    /// # }
    /// # Ok::<(), v8_heap_sampler::Error>(())
    /// ```
    #[must_use]
    pub fn filter_samples(&self, which: impl FnMut(&&OrdinalSample) -> bool) -> Option<Self> {
        let interval = self.sampled_every?;
        let samples: Vec<_> = self.samples.as_deref()?.iter().filter(which).copied().collect();
        let has_alloc = self.has(SampleType::AllocSpace);
        // No profile has samples and several sets of labels.
        let rows = rows(&samples, self.len(), &mut Scales::new(interval), has_alloc);
        let is_part = self.is_part || Some(samples.len()) != self.samples().map(<[_]>::len);
        let cut_at = self.cut_at();
        Some(Self { rows, samples: Some(samples), is_part, cut_at, ..self.clone() })
    }

    /// The ordinal of the latest sample: what is sampled later has a higher one. `None` if there is
    /// no sample.
    pub fn last_sample(&self) -> Option<u64> {
        Some(self.samples()?.last()?.ordinal)
    }
}

/// A sampled object at its context.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SampledObject {
    /// The rank of the context.
    pub(crate) context: u32,
    pub(crate) size: u64,
    pub(crate) sample_id: SampleId,
    pub(crate) is_live: bool,
}

/// The numbers of objects that samples stand for, by size: real programs have some hundred sizes.
struct Scales {
    interval: f64,
    /// The last size of each slot, and its number.
    recent: [(u64, f64); Self::SLOTS],
}

impl Scales {
    const SLOTS: usize = 256;

    fn new(interval: u64) -> Self {
        Self { interval: interval as f64, recent: [(0, f64::INFINITY); Self::SLOTS] }
    }

    fn of(&mut self, size: u64) -> f64 {
        let slot = &mut self.recent[(size / 8) as usize % Self::SLOTS];
        if slot.0 != size {
            *slot = (size, objects_per_sample(size as f64, self.interval));
        }
        slot.1
    }
}

/// The rows of samples, which all have sizes: the one place where samples are grouped by context
/// and size.
fn rows(
    samples: &[OrdinalSample],
    contexts: usize,
    scales: &mut Scales,
    has_alloc: bool,
) -> Vec<RowData> {
    // By counting, context by context.
    let mut next = vec![0_u32; contexts + 1];
    samples.iter().for_each(|sample| next[sample.context as usize + 1] += 1);
    for context in 0..contexts {
        next[context + 1] += next[context];
    }
    let mut by_context = vec![(0_u64, false); samples.len()];
    for sample in samples {
        let at = &mut next[sample.context as usize];
        by_context[*at as usize] = (sample.size().map_or(0, |size| size.0), sample.is_dead);
        *at += 1;
    }
    let mut rows = Vec::new();
    let mut start = 0;
    // Each place is now where the next context begins.
    for (context, &end) in (0..).zip(&next[..contexts]) {
        let of_context = &mut by_context[start..end as usize];
        of_context.sort_unstable();
        for same in of_context.chunk_by(|one, other| one.0 == other.0) {
            let size = same[0].0;
            let live = same.iter().filter(|sample| !sample.1).count() as u32;
            let n = [if has_alloc { same.len() as u32 } else { 0 }, live];
            let row = RowData::of_samples(context, size, n, scales.of(size));
            if row.says_something() {
                rows.push(row);
            }
        }
        start = end as usize;
    }
    rows
}
