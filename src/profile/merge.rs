//! Several profiles as one.
//!
//! What is known of two profiles together does not depend on their order, and of three not on which
//! two came first: sums, the least or the largest, what all say, and what one of them lacks.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use indexmap::IndexSet;

use super::build::{Names, StackBuilder, push};
use super::labels::{LabelSet, LabelSets};
use super::profile::{Metadata, Profile};
use super::row::RowData;
use crate::model::{AnalysisError, Bytes, Function, Original, Place, SampleType, SampleTypes};
use crate::tree::TooMany;

impl Profile {
    /// Adds profiles up, of several isolates, threads, machines or windows: a [`ProfileMerger`] of
    /// profiles that are there at once.
    ///
    /// ```
    /// # use v8_heap_sampler::{Node, NodeId, Profile, Sample, SampleId, SampleType,
    /// #     SamplerOptions};
    /// # let nodes = [Node::new(NodeId(1), "(root)")];
    /// # let samples = [Sample::new(NodeId(1), 64, SampleId(1), true)];
    /// # let one = Profile::from_samples(&nodes, samples, &SamplerOptions::exact())?;
    /// # let other = one.clone();
    /// let both = Profile::merge([&one, &other])?;
    /// assert_eq!(both.total(SampleType::InuseSpace), Some(128.0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`AnalysisError`] if there is no profile, nothing that all have in common, or too much of it.
    pub fn merge<'p>(profiles: impl IntoIterator<Item = &'p Self>) -> Result<Self, AnalysisError> {
        let mut merger = ProfileMerger::new();
        for profile in profiles {
            merger.add(profile)?;
        }
        merger.finish()
    }
}

/// A sum of profiles, of several isolates, threads, machines or windows, that are added one by one:
/// each can go as soon as it was added.
///
/// Functions are the same by name and place, as in [`analysis`](crate::analysis), and stacks are if
/// their functions are. Values and variances add up. Labels stay apart:
/// [`Profile::add_label`] beforehand tells the profiles of a sum from each other.
///
/// The order does not matter, nor whether some were merged before: all answers are alike, up to the
/// last digits of sums.
///
/// - The sample types are those that all have ([`left_out`](Self::left_out) are the others). A sum
///   with a [difference](Profile::is_difference) in it is one.
/// - Samples keep the interval that their profile tells. Intervals that were inferred count as the
///   largest of all, which makes uncertainties upper bounds. If the interval of one profile is
///   unknown, so is all uncertainty. [`Metadata::interval`] is there if it is the same for all.
/// - Of the other metadata, a sum has the time from the first start to the last end, if all tell
///   theirs, the last of the default sample types, and the comments sorted, each once.
/// - Ids of contexts and of scripts with names are lost, as each process has its own, and single
///   samples: where these alone told how sure values are, uncertainties are upper bounds.
///   The contexts that one calls are sorted by name and place.
///
/// Adding is linear in the profile's contexts, values and labels. Memory is that of the sum, up to
/// three times, however many profiles it is of (`cargo test --test merge_memory -- --nocapture`: 1,000
/// profiles of 10,000 contexts take 26 MB for a sum of 12 MB).
///
/// ```
/// use v8_heap_sampler::{Label, ProfileMerger};
/// # use v8_heap_sampler::{Node, NodeId, Profile, Sample, SampleId, SampleType, SamplerOptions};
/// # fn collect(_: u32) -> Result<Profile, v8_heap_sampler::ProfileError> {
/// #     let nodes = [Node::new(NodeId(1), "(root)")];
/// #     let samples = [Sample::new(NodeId(1), 64, SampleId(1), true)];
/// #     Profile::from_samples(&nodes, samples, &SamplerOptions::exact())
/// # }
///
/// let mut merger = ProfileMerger::new();
/// for worker in 0..8 {
///     let mut profile = collect(worker)?;
///     profile.add_label(Label::number("worker", worker.into(), ""));
///     merger.add(&profile)?;
/// }
/// let all = merger.finish()?;
/// assert_eq!(all.total(SampleType::InuseSpace), Some(512.0));
/// assert_eq!(all.label_sets().len(), 8);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Default)]
pub struct ProfileMerger {
    /// `None` before the first profile.
    whole: Option<Whole>,
    comments: BTreeSet<String>,
    functions: Functions,
    contexts: StackBuilder,
    label_sets: IndexSet<LabelSet, RandomState>,
    rows: Rows,
}

impl ProfileMerger {
    /// A sum of no profiles yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a profile. Linear in its contexts, values and labels.
    ///
    /// # Errors
    ///
    /// [`AnalysisError`] if the profile has no sample type that all others have, or there would be
    /// too much, of values or of contexts. The sum is then as if that profile had not come.
    pub fn add(&mut self, profile: &Profile) -> Result<(), AnalysisError> {
        let of_it = Whole::of(profile);
        let whole = match &self.whole {
            None => of_it,
            Some(so_far) => so_far.and(&of_it),
        };
        whole.check()?;
        let contexts = self.contexts(profile)?;

        // Nothing fails from here on.
        let is_of_samples = whole.sampled_every.is_some();
        if let Some(so_far) = &self.whole
            && (so_far.types != whole.types || so_far.sampled_every.is_some() != is_of_samples)
        {
            self.rows.keep_values(whole.types);
        }
        let told = profile.told_interval();
        let sets = profile.labels().sets().iter().map(|LabelSet { labels, interval }| {
            let set = LabelSet { labels: labels.clone(), interval: told.or(*interval) };
            self.label_sets.insert_full(set).0 as u32
        });
        let sets: Vec<u32> = sets.collect();
        for &row in profile.row_data() {
            let row = if is_of_samples { row } else { row.with_values_of(whole.types) };
            self.rows.add(row.moved(contexts[row.context as usize], sets[row.labels as usize]));
        }
        for comment in &profile.metadata.comments {
            if !self.comments.contains(comment) {
                self.comments.insert(comment.clone());
            }
        }
        self.whole = Some(whole);
        Ok(())
    }

    /// By context of a profile, the one in the sum.
    fn contexts(&mut self, profile: &Profile) -> Result<Vec<u32>, TooMany> {
        let [functions_before, contexts_before] = [self.functions.len(), self.contexts.len()];
        let root = profile.function_numbers()[0] as usize;
        let functions = profile.functions().iter().enumerate().map(|(at, function)| {
            let is_root = at == root;
            if is_root { Functions::ROOT } else { self.functions.number(function) }
        });
        let functions: Vec<u32> = functions.collect();
        let number_of = |function: u32| functions[function as usize];
        let contexts = self.contexts.add_all(profile, number_of).inspect_err(|_| {
            self.functions.truncate(functions_before);
            self.contexts.truncate(contexts_before);
        })?;
        if self.whole.is_none() {
            self.functions.put(Functions::ROOT, &profile.functions()[root]);
        }
        for (&number, function) in functions.iter().zip(profile.functions()) {
            self.functions.choose(number, function);
        }
        Ok(contexts)
    }

    /// The sample types that the sum leaves out: some of the profiles have them, and others do not.
    ///
    /// ```
    /// # use v8_heap_sampler::{KeepDead, Node, NodeId, Profile, SampleType, SamplerOptions};
    /// # let nodes = [Node::new(NodeId(1), "(root)")];
    /// # let alive = Profile::from_samples(&nodes, [], &SamplerOptions::new())?;
    /// # let with_dead = SamplerOptions::new().keep_dead(KeepDead::Both);
    /// # let all = Profile::from_samples(&nodes, [], &with_dead)?;
    /// let mut merger = v8_heap_sampler::ProfileMerger::new();
    /// merger.add(&all)?;
    /// assert!(merger.left_out().is_empty());
    /// merger.add(&alive)?;
    /// assert_eq!(merger.left_out(), [SampleType::AllocObjects, SampleType::AllocSpace]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn left_out(&self) -> Vec<SampleType> {
        let whole = self.whole.iter();
        whole.flat_map(|whole| whole.had.iter().filter(|&of| !whole.types.has(of))).collect()
    }

    /// The sum. Linear in its contexts and labels, and n log n in its values and functions.
    ///
    /// # Errors
    ///
    /// [`AnalysisError::NothingToMerge`] if no profile was added.
    pub fn finish(self) -> Result<Profile, AnalysisError> {
        let Self { whole, comments, functions, contexts, label_sets, rows } = self;
        let whole = whole.ok_or(AnalysisError::NothingToMerge)?;
        let metadata = Metadata { comments: comments.into_iter().collect(), ..whole.metadata };
        let is_one_interval = metadata.interval.is_some();
        let label_sets: LabelSets = label_sets
            .into_iter()
            .map(|set| LabelSet { interval: set.interval.filter(|_| !is_one_interval), ..set })
            .collect();
        let order = functions.order(&contexts);
        let contexts = contexts.with(functions.functions, rows.into_rows());
        let order = order.into_iter();
        let mut merged =
            contexts.finish_in_order(order, whole.types, label_sets, None, metadata)?;
        merged.infer_interval(whole.interval);
        merged.tells_intervals = whole.tells_intervals && !is_one_interval;
        (merged.sampled_every, merged.cut_at) = (whole.sampled_every, whole.cut_at);
        Ok(merged)
    }
}

impl fmt::Debug for ProfileMerger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProfileMerger")
            .field("contexts", &self.contexts.len())
            .finish_non_exhaustive()
    }
}

/// What is known of one or more profiles beside contexts and values.
struct Whole {
    /// Without the comments; the interval is that of all samples.
    metadata: Metadata,
    /// Those that all have; differences where one of them is.
    types: SampleTypes,
    /// Those that one of them has.
    had: SampleTypes,
    /// By sample type, what all values come to, whatever their signs.
    totals: [f64; 4],
    /// The largest interval; `None` if one is unknown.
    interval: Option<f64>,
    /// Whether the intervals of all samples are told.
    tells_intervals: bool,
    /// The interval of all samples, if the rows of all hold numbers of samples of the same kinds:
    /// these add up, as each stands for the same.
    sampled_every: Option<u64>,
    /// The least depth at which stacks were cut.
    cut_at: Option<u32>,
}

impl Whole {
    fn of(profile: &Profile) -> Self {
        let told = profile.told_interval();
        let Metadata { started, duration, default_sample_type, unattributed_samples, .. } =
            profile.metadata;
        let mut totals = [0.0; 4];
        for row in profile.row_data() {
            let totals = totals.iter_mut().zip(row.values());
            totals.for_each(|(total, value)| *total += value.abs());
        }
        Self {
            metadata: Metadata {
                interval: told.map(Bytes),
                started,
                duration,
                default_sample_type,
                unattributed_samples,
                comments: Vec::new(),
            },
            types: profile.types(),
            had: SampleTypes::of(profile.sample_types()),
            totals,
            interval: profile.interval(),
            tells_intervals: profile.tells_intervals(),
            sampled_every: profile.sampled_every(),
            cut_at: profile.cut_at(),
        }
    }

    /// What is known of both together.
    fn and(&self, other: &Self) -> Self {
        let is_difference = |of| self.types.is_difference(of) || other.types.is_difference(of);
        let in_both = self.types.iter().filter(|&of| other.types.has(of));
        let is_like = self.sampled_every == other.sampled_every && self.types == other.types;
        Self {
            metadata: together(&self.metadata, &other.metadata),
            types: SampleTypes::of(in_both).with_differences(is_difference),
            had: SampleTypes::of(self.had.iter().chain(other.had.iter())),
            totals: std::array::from_fn(|at| self.totals[at] + other.totals[at]),
            interval: self.interval.zip(other.interval).map(|(one, other)| one.max(other)),
            tells_intervals: self.tells_intervals && other.tells_intervals,
            sampled_every: self.sampled_every.filter(|_| is_like),
            cut_at: [self.cut_at, other.cut_at].into_iter().flatten().min(),
        }
    }

    /// Whether there can be such a profile.
    fn check(&self) -> Result<(), AnalysisError> {
        let most = Profile::MOST as f64;
        let mut types = self.types.iter().peekable();
        types.peek().ok_or(AnalysisError::NothingInCommon)?;
        match types.find(|of| self.totals[of.index()] > most) {
            Some(sample_type) => Err(AnalysisError::TooMuch { sample_type }),
            None => Ok(()),
        }
    }
}

/// The metadata of two profiles together.
fn together(one: &Metadata, other: &Metadata) -> Metadata {
    let end = |metadata: &Metadata| metadata.started?.checked_add(metadata.duration?);
    let started = one.started.zip(other.started).map(|(one, other)| one.min(other));
    let ended = end(one).zip(end(other)).map(|(one, other)| one.max(other));
    let duration = started.zip(ended).and_then(|(start, end)| end.duration_since(start).ok());
    Metadata {
        interval: one.interval.filter(|_| one.interval == other.interval),
        started,
        duration,
        // The last, as it is where none is named.
        default_sample_type: one.default_sample_type.max(other.default_sample_type),
        unattributed_samples: one.unattributed_samples.saturating_add(other.unattributed_samples),
        comments: Vec::new(),
    }
}

/// Functions by place, as they are known across profiles.
struct Functions {
    /// By number, the root first.
    functions: Vec<Arc<Function>>,
    numbers: HashMap<Place, u32, RandomState>,
    names: Names,
}

impl Default for Functions {
    fn default() -> Self {
        // Until a profile tells its own.
        let root = Arc::new(Function::default());
        Self { functions: vec![root], numbers: HashMap::default(), names: Names::default() }
    }
}

impl Functions {
    /// The number of the root, which is matched with no function.
    const ROOT: u32 = 0;

    fn len(&self) -> usize {
        self.functions.len()
    }

    /// The number of a function.
    fn number(&mut self, function: &Function) -> u32 {
        if let Some(&number) = self.numbers.get(&Place::of(function)) {
            return number;
        }
        let function = self.across_profiles(function);
        let number = self.functions.len() as u32;
        self.numbers.insert(Place::of(&function), number);
        push(&mut self.functions, Arc::new(function));
        number
    }

    /// Has a function stand for the place that it is at, if it comes before the one that does:
    /// some of what is known besides the place can differ.
    fn choose(&mut self, number: u32, function: &Function) {
        if order_of(&bare(function)) < order_of(&self.functions[number as usize]) {
            self.put(number, function);
        }
    }

    fn put(&mut self, number: u32, function: &Function) {
        self.functions[number as usize] = Arc::new(self.across_profiles(function));
    }

    /// A function without what each process numbers anew, its names shared.
    fn across_profiles(&mut self, function: &Function) -> Function {
        let mut function = bare(function);
        function.name = self.names.shared(&function.name);
        function.script_name = self.names.shared(&function.script_name);
        function.original = function.original.map(|original| {
            let mut original = Original::clone(&original);
            original.source = self.names.shared(&original.source);
            original.name = original.name.map(|name| self.names.shared(&name));
            original.into()
        });
        function
    }

    /// Forgets all functions but the first `len`.
    fn truncate(&mut self, len: usize) {
        self.functions.truncate(len);
        self.numbers.retain(|_, number| (*number as usize) < len);
    }

    /// The contexts but the root in the order of their functions, by name and place.
    fn order(&self, contexts: &StackBuilder) -> Vec<u32> {
        let mut functions: Vec<u32> = (0..self.len() as u32).collect();
        functions.sort_unstable_by(|&one, &other| {
            let [one, other] = [one, other].map(|number| &*self.functions[number as usize]);
            order_of(one).cmp(&order_of(other))
        });
        // Where the contexts of each function start, by counting them.
        let mut next = vec![0_u32; self.len()];
        let all = 1..contexts.len() as u32;
        all.clone().for_each(|number| next[contexts.context(number).0 as usize] += 1);
        let mut start = 0;
        for function in functions {
            let next = &mut next[function as usize];
            start += std::mem::replace(next, start);
        }
        let mut order = vec![0; all.len()];
        for number in all {
            let next = &mut next[contexts.context(number).0 as usize];
            order[*next as usize] = number;
            *next += 1;
        }
        order
    }
}

/// A function without what each process numbers anew. Not all sources tell these numbers of
/// functions whose place is known.
fn bare(function: &Function) -> Function {
    let has_script = !function.script_name.is_empty();
    let has_place = has_script && !function.shown_place().0.is_empty();
    let has_line = has_script && function.line_number.is_some();
    Function {
        script_id: function.script_id.filter(|_| !has_place),
        start_position: function.start_position.filter(|_| !has_line),
        ..function.clone()
    }
}

/// The order of functions: by name and place, of one place those first of which more is known.
fn order_of(function: &Function) -> impl Ord + '_ {
    fn known_first<T: Ord>(part: Option<T>) -> (bool, Option<T>) {
        (part.is_none(), part)
    }
    let (script, line, column) = function.shown_place();
    let original = function.original.as_deref();
    let original_name = original.and_then(|original| original.name.as_deref());
    (
        (&**function.shown_name(), &**script, line, column),
        (original.is_none(), known_first(original_name), &*function.name, &*function.script_name),
        known_first(function.script_id),
        known_first(function.line_number),
        known_first(function.column_number),
        known_first(function.start_position),
    )
}

/// Rows that are added up as they come, so that there are no more of them than the sum has.
#[derive(Default)]
struct Rows {
    rows: Vec<RowData>,
    /// By the rows' keys, their places.
    places: HashTable<usize>,
    hasher: RandomState,
}

impl Rows {
    fn add(&mut self, row: RowData) {
        if !row.says_something() {
            return;
        }
        let Self { rows, places, hasher } = self;
        let hash = hasher.hash_one(row.key());
        match places.find(hash, |&at| rows[at].key() == row.key()) {
            Some(&at) => rows[at].add(&row),
            None => {
                push(rows, row);
                let hash_of = |&at: &usize| hasher.hash_one(rows[at].key());
                places.insert_unique(hash, rows.len() - 1, hash_of);
            }
        }
    }

    /// Forgets the values of all other sample types, and of what samples the others are.
    fn keep_values(&mut self, types: SampleTypes) {
        self.rows.retain_mut(|row| {
            *row = row.with_values_of(types);
            row.says_something()
        });
        let Self { rows, places, hasher } = self;
        places.clear();
        let hash_of = |&at: &usize| hasher.hash_one(rows[at].key());
        for at in 0..rows.len() {
            places.insert_unique(hash_of(&at), at, hash_of);
        }
    }

    fn into_rows(self) -> Vec<RowData> {
        let mut rows = self.rows;
        // What has become more in one profile can be what has become less in another.
        rows.retain(RowData::says_something);
        rows
    }
}
