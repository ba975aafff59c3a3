//! The heap profile.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::build::merge_rows;
use super::collection::Collection;
use super::labels::LabelSets;
use super::row::{Label, Row, RowData};
use super::sample::OrdinalSample;
use crate::model::{
    AnalysisError, Bytes, Counted, Function, KeepDead, NodeId, SampleType, SampleTypes,
};
#[cfg(feature = "sourcemap")]
use crate::tree::FunctionNumbers;
use crate::tree::NONE;

/// A heap profile as numbers by calling context, wherever it comes from: what the
/// [formats](mod@crate::format) carry.
///
/// A tree of calling contexts, and for each what it allocated itself, in up to four values
/// ([`SampleType`]). What a source does not tell is absent: [`total`](Self::total) and its kin are
/// `None` for a sample type that the profile does not have.
///
/// Values are *estimates* unless the profile was taken at an interval of 1 byte. They are unrounded
/// if they come from samples; what was read is as it was written. A pprof profile can be a
/// [difference](Profile::is_difference), with values that are negative.
///
/// Held in columns: 16 bytes a context, 48 for a context with values of its own, and each function
/// once. Contexts are in preorder, so that sums over subtrees are one pass and no depth overflows a
/// stack.
///
/// ```
/// use v8_heap_sampler::{Node, NodeId, Profile, Sample, SampleId, SampleType, SamplerOptions};
///
/// let mut nodes = [Node::new(NodeId(1), "(root)"), Node::new(NodeId(2), "main")];
/// nodes[0].child_ids.push(NodeId(2));
/// let samples = [Sample::new(NodeId(2), 64, SampleId(1), true)];
/// let profile = Profile::from_samples(&nodes, samples, &SamplerOptions::exact())?;
/// assert_eq!(profile.total(SampleType::InuseSpace), Some(64.0));
/// assert_eq!(profile.total(SampleType::AllocSpace), None); // dead objects were not kept
/// let main = profile.root().children().next().unwrap();
/// assert_eq!(main.function().to_string(), "main");
/// assert_eq!(profile.values(SampleType::InuseSpace).unwrap()[main.index()], 64.0);
/// # Ok::<(), v8_heap_sampler::ProfileError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// Distinct, in the order in which the contexts show them first.
    pub(super) functions: Vec<Arc<Function>>,
    /// The number of each context's function; these columns are by rank, which is the place in
    /// preorder.
    pub(super) function_of: Vec<u32>,
    /// The rank of each context's parent; [`NONE`] for the root.
    pub(super) parents: Vec<u32>,
    /// One past the last rank of each context's subtree.
    pub(super) ends: Vec<u32>,
    /// The ids that the source gave the contexts.
    pub(super) ids: Option<Vec<NodeId>>,
    pub(super) sample_types: SampleTypes,
    /// Ascending by context.
    pub(super) rows: Vec<RowData>,
    pub(super) label_sets: LabelSets,
    /// The sampled objects in the order of allocation.
    pub(super) samples: Option<Vec<OrdinalSample>>,
    /// The interval as it was seen in samples that may not be here any more.
    pub(super) inferred_interval: Option<f64>,
    /// The interval at which the samples were taken whose numbers the rows hold; `None` if the rows
    /// hold values.
    pub(super) sampled_every: Option<u64>,
    /// Whether the label sets tell the intervals of all samples.
    pub(super) tells_intervals: bool,
    pub(super) collection: Option<Box<Collection>>,
    /// Whether it is a part of what was collected.
    pub(super) is_part: bool,
    /// The depth at which stacks were cut in the profiles that this one was made of.
    pub(super) cut_at: Option<u32>,
    /// Metadata: the interval, when and how long, comments.
    pub metadata: Metadata,
}

/// Metadata of a heap profile: what is known besides its numbers.
///
/// ```
/// # use v8_heap_sampler::{Node, NodeId, Profile, SamplerOptions};
/// # let nodes = [Node::new(NodeId(1), "(root)")];
/// let mut profile = Profile::from_samples(&nodes, [], &SamplerOptions::new())?;
/// profile.metadata.comments.push("after the third request".to_owned());
/// # Ok::<(), v8_heap_sampler::ProfileError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Metadata {
    /// The mean distance between two samples, in bytes allocated.
    pub interval: Option<Bytes>,
    /// The moment when sampling started, on the wall clock.
    pub started: Option<SystemTime>,
    /// The time that was sampled.
    pub duration: Option<Duration>,
    /// The values that a viewer should show first.
    pub default_sample_type: Option<SampleType>,
    /// The number of samples that were left out, as the source does not have their contexts.
    ///
    /// V8 samples what it allocates while it writes a profile; a `.heapprofile` lists some of these
    /// samples at nodes that came too late for its tree.
    pub unattributed_samples: u64,
    /// Whatever there is to say, for people.
    pub comments: Vec<String>,
}

/// The number of samples among which there is one of a small object.
const ENOUGH_TO_INFER: usize = 10;

impl Profile {
    /// The sample types that the profile has, in the order of [`SampleType::ALL`].
    pub fn sample_types(&self) -> impl Iterator<Item = SampleType> + use<> {
        self.sample_types.iter()
    }

    /// The bytes of memory that it takes, but for labels, comments and the allocator's own needs.
    #[cfg(any(feature = "v8-150", feature = "v8-152"))]
    pub(crate) fn memory(&self) -> usize {
        let function = |function: &Arc<Function>| {
            size_of::<Function>() + function.name.len() + function.script_name.len()
        };
        let columns = [&self.function_of, &self.parents, &self.ends];
        columns.iter().map(|column| size_of_val(column.as_slice())).sum::<usize>()
            + self.ids.as_ref().map_or(0, |ids| size_of_val(ids.as_slice()))
            + size_of_val(self.rows.as_slice())
            + self.samples.as_ref().map_or(0, |samples| size_of_val(samples.as_slice()))
            + self.functions.iter().map(function).sum::<usize>()
    }

    /// Tells whether the profile has a sample type.
    pub fn has(&self, sample_type: SampleType) -> bool {
        self.sample_types.has(sample_type)
    }

    /// Tells whether the values of a sample type are differences: positive where something has
    /// become more, and negative where it has become less.
    ///
    /// So are those of a pprof profile if any of them is negative, as what Go serves at
    /// `/debug/pprof/heap?seconds=30` and what [`write_pprof_diff`](Self::write_pprof_diff) writes;
    /// objects and bytes of the same objects together. Parts and sums of differences are
    /// differences too, whatever signs they have; pprof carries that in a comment.
    pub fn is_difference(&self, sample_type: SampleType) -> bool {
        self.sample_types.is_difference(sample_type)
    }

    /// The sample type that a viewer should show first: the one that
    /// [`metadata`](Self#structfield.metadata) names, or the last one there is, which is
    /// `inuse_space` in most profiles.
    pub fn default_sample_type(&self) -> SampleType {
        let named = self.metadata.default_sample_type.filter(|&named| self.has(named));
        named.or_else(|| self.sample_types().last()).unwrap_or(SampleType::InuseSpace)
    }

    /// The sum over the whole profile; `None` if it does not have the sample type. Linear in the
    /// contexts that have values.
    pub fn total(&self, sample_type: SampleType) -> Option<f64> {
        // From 0: the sum of nothing would be -0.
        let sum = || self.rows.iter().fold(0.0, |sum, row| sum + row.value(sample_type));
        self.has(sample_type).then(sum)
    }

    /// The amount that each context allocated itself, by [`Context::index`]; `None` if the profile
    /// does not have the sample type. Linear.
    pub fn values(&self, sample_type: SampleType) -> Option<Vec<f64>> {
        self.has(sample_type).then(|| {
            let mut values = vec![0.0; self.len()];
            for row in &self.rows {
                values[row.context as usize] += row.value(sample_type);
            }
            values
        })
    }

    /// The amount that each context and all below it allocated, by [`Context::index`]; `None` if
    /// the profile does not have the sample type. Linear.
    pub fn totals(&self, sample_type: SampleType) -> Option<Vec<f64>> {
        self.values(sample_type).map(|values| self.added_up(values))
    }

    /// How much there is of each context and all below it, whatever its sign: the
    /// [`totals`](Self::totals), but for a difference, where more and less must not cancel out.
    pub(crate) fn magnitudes(&self, sample_type: SampleType) -> Option<Vec<f64>> {
        self.has(sample_type).then(|| {
            let mut values = vec![0.0; self.len()];
            for row in &self.rows {
                values[row.context as usize] += row.value(sample_type).abs();
            }
            self.added_up(values)
        })
    }

    /// Values with those of all contexts below.
    fn added_up(&self, mut totals: Vec<f64>) -> Vec<f64> {
        // Children stand after their parents: from the back, every total is complete when it is
        // added.
        for rank in (1..totals.len()).rev() {
            totals[self.parents[rank] as usize] += totals[rank];
        }
        totals
    }

    /// Its values with the other sign: what has gone, if it is taken from another profile.
    #[cfg(feature = "formats")]
    pub(crate) fn negated(mut self) -> Self {
        for row in &mut self.rows {
            // Not -0.
            *row = row.with_values(row.values().map(|value| 0.0 - value));
        }
        let types = self.sample_types;
        self.sample_types = types.with_differences(|sample_type| types.has(sample_type));
        // They were allocated, which cannot be taken back.
        (self.samples, self.sampled_every) = (None, None);
        self
    }

    /// Checks that the profile has a sample type.
    pub(crate) fn require(&self, wanted: SampleType) -> Result<(), AnalysisError> {
        if self.has(wanted) {
            return Ok(());
        }
        let keeps_dead = self.collection().map(|of| of.options.keep_dead == KeepDead::Both);
        let is_alloc = wanted.counted() == Counted::Allocated;
        let dead_not_kept = is_alloc && keeps_dead == Some(false);
        let has = self.sample_types().collect();
        Err(AnalysisError::NoSuchValues { wanted, has, dead_not_kept })
    }

    /// The root: the empty stack.
    pub fn root(&self) -> Context<'_> {
        Context { profile: self, rank: 0 }
    }

    /// All contexts in preorder, the root first.
    pub fn contexts(&self) -> Contexts<'_> {
        Contexts { profile: self, next: 0, end: self.len() as u32, siblings: false }
    }

    /// The number of contexts; at least one.
    #[expect(clippy::len_without_is_empty, reason = "a tree has a root")]
    pub fn len(&self) -> usize {
        self.function_of.len()
    }

    /// The functions, in the order in which the contexts show them first: that of the root, which
    /// no other context has, and then each once.
    pub fn functions(&self) -> &[Arc<Function>] {
        &self.functions
    }

    /// Puts a label on all samples, in place of any with the same key.
    ///
    /// It costs as much as there are sets of labels: one, of a profile that was collected here.
    /// Linear in the values if sets become equal, or come into another order.
    ///
    /// ```
    /// # use v8_heap_sampler::{Node, NodeId, Profile, Sample, SampleId, SamplerOptions};
    /// # let nodes = [Node::new(NodeId(1), "(root)")];
    /// # let samples = [Sample::new(NodeId(1), 64, SampleId(1), true)];
    /// use v8_heap_sampler::Label;
    ///
    /// let mut profile = Profile::from_samples(&nodes, samples, &SamplerOptions::exact())?;
    /// profile.add_label(Label::text("isolate", "worker 3"));
    /// assert_eq!(profile.rows().next().unwrap().labels(), [Label::text("isolate", "worker 3")]);
    /// # Ok::<(), v8_heap_sampler::ProfileError>(())
    /// ```
    pub fn add_label(&mut self, label: Label) {
        // Without values there are no labels of theirs.
        if !self.label_sets.add_to_all(&label) || self.rows.is_empty() {
            self.label_sets.put_in_order(&mut self.rows);
            merge_rows(&mut self.rows);
        }
    }

    /// The sets of labels that the profile's samples have, each once; one empty set if none has
    /// any.
    pub fn label_sets(&self) -> impl ExactSizeIterator<Item = &[Label]> {
        let mut sets: Vec<&[Label]> = self.label_sets.iter().collect();
        sets.dedup(); // They are in order.
        sets.into_iter()
    }

    /// All values, by context, label set and size of objects, in this order.
    ///
    /// ```
    /// # use v8_heap_sampler::{Label, Node, NodeId, Profile, Sample, SampleId, SampleType,
    /// #     SamplerOptions};
    /// # let nodes = [Node::new(NodeId(1), "(root)")];
    /// # let sample = |id, size| Sample::new(NodeId(1), size, SampleId(id), true);
    /// # let samples = [sample(1, 64), sample(2, 4096)];
    /// # let profile = Profile::from_samples(&nodes, samples, &SamplerOptions::exact())?;
    /// let large: f64 = profile
    ///     .rows()
    ///     .filter(|row| row.size().is_some_and(|size| size.0 >= 1024))
    ///     .filter_map(|row| row.value(SampleType::InuseSpace))
    ///     .sum();
    /// assert_eq!(large, 4096.0);
    /// # Ok::<(), v8_heap_sampler::ProfileError>(())
    /// ```
    pub fn rows(&self) -> impl ExactSizeIterator<Item = Row<'_>> {
        self.rows.iter().map(|data| Row { profile: self, data })
    }

    /// The sampled objects in the order of their allocation; `None` where the source has none.
    pub fn samples(&self) -> Option<&[OrdinalSample]> {
        self.samples.as_deref()
    }

    /// The circumstances of the collection; `None` if the profile was neither collected here nor
    /// made [of samples](Self::from_samples). Of a part of a profile, a query's answer for
    /// instance, those of the whole.
    pub fn collection(&self) -> Option<&Collection> {
        self.collection.as_deref()
    }

    /// Puts a function in the place of another.
    /// [`merge_equal_functions`](Self::merge_equal_functions) must follow.
    #[cfg(feature = "sourcemap")]
    pub(crate) fn replace_function(&mut self, number: usize, function: Arc<Function>) {
        self.functions[number] = function;
    }

    /// Makes functions one that have become equal.
    #[cfg(feature = "sourcemap")]
    pub(crate) fn merge_equal_functions(&mut self) {
        let mut numbers = FunctionNumbers::default();
        // The root, which comes first, stays apart from what it equals.
        let others = self.functions.iter().skip(1).map(|function| 1 + numbers.of(function));
        let renumbered: Vec<u32> = std::iter::once(0).chain(others).collect();
        let mut next = 0;
        let is_first = renumbered.iter().map(|&number| {
            let is_first = number == next;
            next += u32::from(is_first);
            is_first
        });
        let is_first: Vec<bool> = is_first.collect();
        if next as usize == self.functions.len() {
            return;
        }
        let mut is_first = is_first.into_iter();
        self.functions.retain(|_| is_first.next().unwrap_or(true));
        for function in &mut self.function_of {
            *function = renumbered[*function as usize];
        }
    }

    /// The sampling interval, as far as it can be known: what is told; or the least that a sample
    /// stands for. No sample stands for less than the interval, and those of small objects for
    /// little more.
    pub(crate) fn interval(&self) -> Option<f64> {
        let told = self.told_interval().map(|interval| interval as f64);
        told.or(self.inferred_interval).or_else(|| {
            let samples = self.samples.as_deref().unwrap_or_default();
            let least = samples.iter().map(|sample| sample.bytes).fold(f64::INFINITY, f64::min);
            (samples.len() >= ENOUGH_TO_INFER && least >= 1.0).then_some(least)
        })
    }

    /// The interval at which all samples were taken, if it is told.
    pub(crate) fn told_interval(&self) -> Option<u64> {
        let told = self.sampled_every.or(self.metadata.interval.map(|interval| interval.0));
        told.filter(|&interval| interval >= 1)
    }

    /// Whether the intervals of all samples are told: one, or, by their label sets, several.
    pub(crate) fn tells_intervals(&self) -> bool {
        self.tells_intervals || self.told_interval().is_some()
    }

    /// Notes the interval that was seen in other samples.
    pub(super) fn infer_interval(&mut self, interval: Option<f64>) {
        self.inferred_interval = interval.filter(|_| self.metadata.interval.is_none());
    }

    /// Notes that the rows and samples are those of another profile, in another tree.
    pub(crate) fn stem_from(&mut self, other: &Self) {
        self.sampled_every = other.sampled_every;
        self.infer_interval(other.interval());
        self.tells_intervals = other.tells_intervals;
        self.collection.clone_from(&other.collection);
        (self.is_part, self.cut_at) = (other.collection.is_some(), other.cut_at());
    }

    /// Whether it is a part of what was collected: by a query, or of some samples.
    pub(crate) fn is_part(&self) -> bool {
        self.is_part
    }

    /// The number of frames of a stack that V8's tracker notes
    /// (`AllocationTracker::kMaxAllocationTraceLength`).
    #[cfg(any(feature = "v8-150", feature = "v8-152"))]
    pub(crate) const TRACKED_FRAMES: u32 = 64;

    /// Notes what the same work allocated in a run that nobody sampled.
    #[cfg(any(feature = "v8-150", feature = "v8-152"))]
    pub(crate) fn set_unsampled(&mut self, unsampled: Option<Bytes>) {
        if let Some(collection) = &mut self.collection {
            collection.unsampled = unsampled;
        }
    }

    /// Whether it is of objects that were counted here, and not sampled.
    pub(crate) fn is_counted(&self) -> bool {
        self.collection.is_some() && self.sampled_every.is_none() && self.told_interval() == Some(1)
    }

    /// The interval at which the samples were taken whose numbers the rows hold.
    pub(crate) fn sampled_every(&self) -> Option<u64> {
        self.sampled_every
    }

    /// The contexts have no ids of their own after all.
    #[cfg(feature = "formats")]
    pub(crate) fn forget_ids(&mut self) {
        self.ids = None;
    }

    pub(crate) fn types(&self) -> SampleTypes {
        self.sample_types
    }

    pub(crate) fn labels(&self) -> &LabelSets {
        &self.label_sets
    }

    pub(crate) fn context(&self, rank: u32) -> Context<'_> {
        Context { profile: self, rank }
    }

    /// All contexts in preorder, each with the places of its rows.
    pub(crate) fn contexts_with_rows(&self) -> impl Iterator<Item = (Context<'_>, Range<usize>)> {
        let mut start = 0;
        self.contexts().map(move |context| {
            let of_context =
                self.rows[start..].iter().take_while(|row| row.context == context.rank);
            let rows = start..start + of_context.count();
            start = rows.end;
            (context, rows)
        })
    }

    /// The places of the rows of the contexts of some ranks.
    pub(crate) fn rows_of(&self, ranks: Range<usize>) -> Range<usize> {
        let place = |rank: usize| self.rows.partition_point(|row| (row.context as usize) < rank);
        place(ranks.start)..place(ranks.end)
    }

    pub(crate) fn row_data(&self) -> &[RowData] {
        &self.rows
    }

    /// By rank: numbers of functions, parents, ends of subtrees.
    pub(crate) fn function_numbers(&self) -> &[u32] {
        &self.function_of
    }

    pub(crate) fn parents(&self) -> &[u32] {
        &self.parents
    }

    pub(crate) fn ends(&self) -> &[u32] {
        &self.ends
    }

    /// The id that a context has, or is written with: its place in preorder, from 1.
    pub(crate) fn id(&self, rank: usize) -> NodeId {
        match &self.ids {
            Some(ids) => ids[rank],
            None => NodeId(rank as u32 + 1),
        }
    }
}

/// A calling context in its [`Profile`]. A copyable reference.
///
/// ```
/// # use v8_heap_sampler::{Node, NodeId, Profile, SamplerOptions};
/// # let nodes = [Node::new(NodeId(1), "(root)")];
/// # let profile = Profile::from_samples(&nodes, [], &SamplerOptions::new())?;
/// for context in profile.contexts() {
///     println!("{:depth$}{}", "", context.function(), depth = 2 * context.depth());
/// }
/// # Ok::<(), v8_heap_sampler::ProfileError>(())
/// ```
#[derive(Clone, Copy)]
pub struct Context<'p> {
    profile: &'p Profile,
    rank: u32,
}

impl<'p> Context<'p> {
    /// The context's place in preorder, from 0, the root: by this, columns such as
    /// [`Profile::values`] are read.
    pub fn index(self) -> usize {
        self.rank as usize
    }

    /// The function.
    pub fn function(self) -> &'p Arc<Function> {
        &self.profile.functions[self.function_number()]
    }

    /// The number of the function among [`Profile::functions`].
    pub(crate) fn function_number(self) -> usize {
        self.profile.function_of[self.index()] as usize
    }

    /// The place in preorder where the contexts below this one end.
    pub(crate) fn end(self) -> usize {
        self.profile.ends[self.index()] as usize
    }

    pub(crate) fn profile(self) -> &'p Profile {
        self.profile
    }

    /// The id that the source gave the context; `None` if it gives none.
    pub fn id(self) -> Option<NodeId> {
        self.profile.ids.as_ref().map(|ids| ids[self.index()])
    }

    /// The caller's context; `None` for the root.
    pub fn parent(self) -> Option<Self> {
        match self.profile.parents[self.index()] {
            NONE => None,
            rank => Some(Self { rank, ..self }),
        }
    }

    /// The contexts called from here.
    pub fn children(self) -> Contexts<'p> {
        let end = self.profile.ends[self.index()];
        Contexts { profile: self.profile, next: self.rank + 1, end, siblings: true }
    }

    /// This context and all below it, in preorder.
    pub fn descendants(self) -> Contexts<'p> {
        let end = self.profile.ends[self.index()];
        Contexts { profile: self.profile, next: self.rank, end, siblings: false }
    }

    /// The number of calls between the root, at depth 0, and this context. Linear in the depth.
    pub fn depth(self) -> usize {
        std::iter::successors(self.parent(), |context| context.parent()).count()
    }
}

impl PartialEq for Context<'_> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.profile, other.profile) && self.rank == other.rank
    }
}

impl Eq for Context<'_> {}

impl std::fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("index", &self.rank)
            .field("function", self.function())
            .finish_non_exhaustive()
    }
}

/// Contexts of a [`Profile`], in preorder: see [`Profile::contexts`] and
/// [`Context::children`].
#[derive(Clone, Debug)]
pub struct Contexts<'p> {
    profile: &'p Profile,
    next: u32,
    end: u32,
    /// Whether what is below a context is skipped.
    siblings: bool,
}

impl<'p> Iterator for Contexts<'p> {
    type Item = Context<'p>;
    fn next(&mut self) -> Option<Context<'p>> {
        (self.next < self.end).then(|| {
            let context = Context { profile: self.profile, rank: self.next };
            self.next =
                if self.siblings { self.profile.ends[context.index()] } else { self.next + 1 };
            context
        })
    }
}

impl std::iter::FusedIterator for Contexts<'_> {}
