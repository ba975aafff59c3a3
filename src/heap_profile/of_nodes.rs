//! Heap profiles of what was collected.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::build::Builder;
use super::labels::LabelSets;
use super::row::RowData;
use super::sample_type::{SampleType, SampleTypes};
use super::whole::{About, HeapProfile, OrdinalSample};
use crate::callgraph::{FunctionNumbers, NodesError, Topology, inverted};
use crate::error::Error;
use crate::estimate::Usage;
use crate::profile::{Bytes, Node, Profile, ProfileError, SampleId};

impl HeapProfile {
    /// The heap profile of what was collected, in unrounded estimates: `inuse_*` always, `alloc_*`
    /// if the samples of all dead objects were kept.
    ///
    /// Values, sizes of objects and the order of the samples come from the samples; V8's rounded
    /// counts are not used. O(n + s log s) in nodes and samples.
    ///
    /// # Errors
    ///
    /// [`Error::Nodes`] and [`Error::Profile`] if nodes, samples and options do not fit together, or the
    /// estimates add up to more than numbers can say exactly (2^53 bytes), which happens only to those
    /// that were made or changed by hand.
    pub fn from_profile(profile: &Profile) -> Result<Self, Error> {
        let interval = profile.options.interval_bytes;
        if interval == 0 {
            return Err(ProfileError::Interval.into());
        }
        let (topology, mut builder) = contexts(&profile.nodes)?;
        let ranks = topology.positions.as_deref().map(inverted);
        let rank_of = |position: u32| match &ranks {
            None => position,
            Some(ranks) => ranks[position as usize],
        };
        // V8's come in order; then no number can be there twice.
        if !profile.samples.is_sorted_by(|one, other| one.sample_id < other.sample_id) {
            let mut seen: HashSet<SampleId, RandomState> = HashSet::default();
            let twice = profile.samples.iter().find(|sample| !seen.insert(sample.sample_id));
            if let Some(sample) = twice {
                let sample_id = sample.sample_id;
                return Err(ProfileError::DuplicateSample { sample_id }.into());
            }
        }
        let has_alloc = profile.has_all_allocations();
        let mut by_context = Vec::with_capacity(profile.samples.len());
        // Many objects are of one size: work out only once what a sample of it stands for.
        let mut known: HashMap<u64, Usage, RandomState> = HashMap::default();
        let mut usage_of = |size: u64| {
            if let Some(&usage) = known.get(&size) {
                return usage;
            }
            let usage = Usage::of(1, size, interval);
            // Real programs have some hundred sizes.
            if known.len() < 4096 {
                known.insert(size, usage);
            }
            usage
        };
        let mut total = 0.0;
        for sample in &profile.samples {
            let (node_id, sample_id) = (sample.node_id, sample.sample_id);
            let position = topology.index.get(node_id);
            let position = position.ok_or(ProfileError::UnknownNode { sample_id, node_id })?;
            profile.check_sample(sample)?;
            let usage = usage_of(sample.size);
            total += usage.space.value();
            let context = rank_of(position);
            by_context.push((context, sample.size, sample.is_live));
            builder.push_sample(OrdinalSample {
                context,
                is_dead: !sample.is_live,
                ordinal: sample.sample_id.0,
                bytes: usage.space.value(),
            });
        }
        if total > Self::MOST as f64 {
            return Err(ProfileError::TooMuch.into());
        }
        by_context.sort_unstable();
        for same in by_context.chunk_by(|one, other| (one.0, one.1) == (other.0, other.1)) {
            let (context, size, _) = same[0];
            let usage = usage_of(size);
            let live = same.iter().filter(|sample| sample.2).count() as f64;
            let all = if has_alloc { same.len() as f64 } else { 0.0 };
            let (object, space) = (usage.objects.value(), usage.space.value());
            let values = [all * object, all * space, live * object, live * space];
            builder.push_row(RowData { context, labels: LabelSets::NONE, size, values });
        }
        let types = SampleType::ALL.into_iter().filter(|&sample_type| {
            has_alloc || matches!(sample_type, SampleType::InuseObjects | SampleType::InuseSpace)
        });
        let about = About {
            interval: Some(Bytes(interval)),
            started: Some(profile.started.wall),
            duration: Some(profile.duration()),
            default_sample_type: Some(SampleType::InuseSpace),
            ..About::default()
        };
        Ok(builder.finish(SampleTypes::of(types), LabelSets::default(), true, about))
    }

    /// The heap profile of nodes alone, in V8's rounded counts.
    ///
    /// Nodes do not say whether they are of the objects in use, as they are by default, or of all
    /// that were allocated ([`KeepDead::Both`](crate::KeepDead::Both)): `what` does. Linear.
    ///
    /// ```
    /// use v8_heap_sampler::{Allocation, Counted, HeapProfile, Node, NodeId, SampleType};
    ///
    /// let mut node = Node::new(NodeId(1), "(root)");
    /// node.allocations.push(Allocation { count: 3, size: 40 });
    /// let profile = HeapProfile::from_nodes(&[node], Counted::InUse)?;
    /// assert_eq!(profile.total(SampleType::InuseSpace), Some(120.0));
    /// # Ok::<(), v8_heap_sampler::NodesError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`NodesError`] names the nodes that do not form a tree, or that allocated more than numbers
    /// can say exactly (2^53).
    pub fn from_nodes(nodes: &[Node], what: Counted) -> Result<Self, NodesError> {
        let (topology, mut builder) = contexts(nodes)?;
        let mut total = 0_u64;
        for rank in 0..nodes.len() {
            let node = &nodes[topology.position(rank)];
            for allocation in &node.allocations {
                let estimate = allocation.estimate();
                let sum = estimate
                    .and_then(|estimate| total.checked_add(estimate.bytes.max(estimate.objects)));
                total = sum
                    .filter(|&sum| sum <= Self::MOST)
                    .ok_or(NodesError::TotalOverflow { id: node.id })?;
                let estimate = estimate.unwrap_or_default();
                builder.push_row(RowData {
                    context: rank as u32,
                    labels: LabelSets::NONE,
                    size: allocation.size,
                    values: what.values(Some(estimate.objects as f64), estimate.bytes as f64),
                });
            }
        }
        let about = About::default();
        Ok(builder.finish(what.sample_types(true), LabelSets::default(), false, about))
    }

    /// The greatest number that a 64-bit float counts to without a gap.
    pub(crate) const MOST: u64 = 1 << 53;
}

/// What values without a name are of.
///
/// `.heapprofile` files and lists of nodes have one number of bytes for each context, and do not say
/// whether it counts what is in use or what was allocated.
///
/// ```
/// use v8_heap_sampler::{Counted, SampleType};
/// assert_eq!(Counted::Allocated.space(), SampleType::AllocSpace);
/// assert_eq!(SampleType::InuseObjects.counted(), Counted::InUse);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Counted {
    /// Of the objects that are alive: so they are unless somebody asked otherwise.
    #[default]
    InUse,
    /// Of all objects that were allocated, dead or alive.
    Allocated,
}

impl Counted {
    /// The sample type of their number.
    #[must_use]
    pub const fn objects(self) -> SampleType {
        match self {
            Self::InUse => SampleType::InuseObjects,
            Self::Allocated => SampleType::AllocObjects,
        }
    }

    /// The sample type of their bytes.
    #[must_use]
    pub const fn space(self) -> SampleType {
        match self {
            Self::InUse => SampleType::InuseSpace,
            Self::Allocated => SampleType::AllocSpace,
        }
    }

    pub(crate) fn sample_types(self, has_objects: bool) -> SampleTypes {
        let objects = has_objects.then_some(self.objects());
        SampleTypes::of([Some(self.space()), objects].into_iter().flatten())
    }

    /// A row's values.
    pub(crate) fn values(self, objects: Option<f64>, space: f64) -> [f64; 4] {
        let mut values = [0.0; 4];
        values[self.objects().index()] = objects.unwrap_or(0.0);
        values[self.space().index()] = space;
        values
    }
}

/// The contexts of nodes, and where these are in the list: a topology whose shape the builder has.
fn contexts(nodes: &[Node]) -> Result<(Topology, Builder), NodesError> {
    let mut topology = Topology::new(nodes)?;
    let mut numbers = FunctionNumbers::default();
    let mut functions = Vec::new();
    let mut function_of = Vec::with_capacity(nodes.len());
    let mut ids = Vec::with_capacity(nodes.len());
    for rank in 0..nodes.len() {
        let node = &nodes[topology.position(rank)];
        let number = numbers.of(&node.function);
        if number as usize == functions.len() {
            functions.push(Arc::clone(&node.function));
        }
        function_of.push(number);
        ids.push(node.id);
    }
    let parents = std::mem::take(&mut topology.parents);
    let ends = std::mem::take(&mut topology.ends);
    Ok((topology, Builder::of_contexts(functions, function_of, parents, ends, ids)))
}
