//! Several profiles as one.

use super::build::{FunctionParts, StackBuilder};
use super::labels::LabelSets;
use super::profile::{Metadata, Profile};
use crate::model::{AnalysisError, SampleType, SampleTypes};
use crate::tree::NONE;

impl Profile {
    /// Adds profiles up, of several isolates, processes or windows: stacks that are the same are
    /// one.
    ///
    /// The result has the sample types that all of them have
    /// ([`left_out_of_merge`](Self::left_out_of_merge) are the others), and the interval if it is
    /// the same for all (else uncertainties are upper bounds, by the largest). Labels go along:
    /// [`add_label`](Self::add_label) beforehand keeps the profiles apart. Ids of contexts and of
    /// scripts with names, and the order of samples, are lost, as each process has its own. A sum
    /// with a [difference](Self::is_difference) in it is one. Linear in contexts and values.
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
        let mut profiles = profiles.into_iter();
        let first = profiles.next().ok_or(AnalysisError::NothingToMerge)?;
        let mut merging = Merging::new(first);
        merging.add(first)?;
        for profile in profiles {
            merging.metadata = together(merging.metadata, &profile.metadata);
            merging.add(profile)?;
        }
        merging.finish()
    }

    /// The sample types that [`merge`](Self::merge) leaves out: some of the profiles have them, and
    /// others do not.
    ///
    /// ```
    /// # use v8_heap_sampler::{KeepDead, Node, NodeId, Profile, SampleType, SamplerOptions};
    /// # let nodes = [Node::new(NodeId(1), "(root)")];
    /// # let alive = Profile::from_samples(&nodes, [], &SamplerOptions::new())?;
    /// # let with_dead = SamplerOptions::new().keep_dead(KeepDead::Both);
    /// # let all = Profile::from_samples(&nodes, [], &with_dead)?;
    /// let left_out = Profile::left_out_of_merge([&alive, &all]);
    /// assert_eq!(left_out, [SampleType::AllocObjects, SampleType::AllocSpace]);
    /// assert!(Profile::left_out_of_merge([&all, &all]).is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn left_out_of_merge<'p>(profiles: impl IntoIterator<Item = &'p Self>) -> Vec<SampleType> {
        let (mut had, mut lacked) = ([false; 4], [false; 4]);
        for profile in profiles {
            for sample_type in SampleType::ALL {
                let has = profile.has(sample_type);
                had[sample_type.index()] |= has;
                lacked[sample_type.index()] |= !has;
            }
        }
        let is_left_out = |of: &SampleType| had[of.index()] && lacked[of.index()];
        SampleType::ALL.into_iter().filter(is_left_out).collect()
    }
}

/// The sum of the profiles so far.
struct Merging {
    builder: StackBuilder,
    label_sets: LabelSets,
    metadata: Metadata,
    /// Those that all have.
    types: Vec<SampleType>,
    /// By sample type, whether a profile has a difference.
    are_differences: [bool; 4],
    /// By sample type, what all values come to, whatever their signs.
    totals: [f64; 4],
    intervals: Vec<Option<f64>>,
    /// The least depth at which stacks were cut.
    cut_at: Option<u32>,
    /// The interval of all profiles' samples, if their rows hold numbers of samples of the same
    /// kinds: these add up, as each stands for the same.
    sampled_every: Option<u64>,
    sample_types: SampleTypes,
}

impl Merging {
    /// Nothing yet, of profiles the first of which is known.
    fn new(first: &Profile) -> Self {
        Self {
            builder: StackBuilder::new((&**first.root().function()).into()),
            label_sets: LabelSets::default(),
            metadata: first.metadata.clone(),
            types: SampleType::ALL.into(),
            are_differences: [false; 4],
            totals: [0.0; 4],
            intervals: Vec::new(),
            cut_at: None,
            sampled_every: first.sampled_every,
            sample_types: first.sample_types,
        }
    }

    /// Adds all but what is known of the profile as a whole.
    fn add(&mut self, profile: &Profile) -> Result<(), AnalysisError> {
        for sample_type in SampleType::ALL {
            self.are_differences[sample_type.index()] |= profile.is_difference(sample_type);
        }
        self.types.retain(|&sample_type| profile.has(sample_type));
        self.intervals.push(profile.interval());
        self.cut_at = [self.cut_at, profile.cut_at()].into_iter().flatten().min();
        self.sampled_every = self.sampled_every.filter(|_| {
            self.sampled_every == profile.sampled_every && self.sample_types == profile.sample_types
        });
        let contexts = self.contexts(profile)?;
        let labels: Vec<u32> =
            profile.label_sets().map(|set| self.label_sets.push(set.to_vec())).collect();
        for row in &profile.rows {
            let totals = self.totals.iter_mut().zip(row.values());
            totals.for_each(|(total, value)| *total += value.abs());
            let (context, labels) = (contexts[row.context as usize], labels[row.labels as usize]);
            self.builder.push_row(row.moved(context, labels));
        }
        Ok(())
    }

    /// By context of a profile, the one in the sum.
    fn contexts(&mut self, profile: &Profile) -> Result<Vec<u32>, AnalysisError> {
        let mut functions = vec![NONE; profile.functions.len()];
        let mut contexts: Vec<u32> = Vec::with_capacity(profile.len());
        for (rank, &function) in profile.function_of.iter().enumerate() {
            let parent = profile.parents[rank];
            contexts.push(if parent == NONE {
                StackBuilder::ROOT
            } else {
                let number = &mut functions[function as usize];
                if *number == NONE {
                    let function = &*profile.functions[function as usize];
                    let parts = FunctionParts::from(function);
                    // Not all sources tell these of functions whose place is known.
                    let has_place = !parts.script_name.is_empty();
                    let has_line = has_place && parts.line_number.is_some();
                    *number = self.builder.functions.number(FunctionParts {
                        script_id: parts.script_id.filter(|_| !has_place),
                        start_position: parts.start_position.filter(|_| !has_line),
                        ..parts
                    });
                }
                self.builder.callee(contexts[parent as usize], *number)?
            });
        }
        Ok(contexts)
    }

    fn finish(mut self) -> Result<Profile, AnalysisError> {
        if self.types.is_empty() {
            return Err(AnalysisError::NothingInCommon);
        }
        for &sample_type in &self.types {
            if self.totals[sample_type.index()] > Profile::MOST as f64 {
                return Err(AnalysisError::TooMuch { sample_type });
            }
        }
        let is_difference = |sample_type: SampleType| self.are_differences[sample_type.index()];
        let types = SampleTypes::of(self.types).with_differences(is_difference);
        if self.sampled_every.is_none() {
            self.builder.keep_values(types);
        }
        let mut merged = self.builder.finish(types, self.label_sets, None, self.metadata)?;
        // The largest makes uncertainties upper bounds.
        let intervals: Option<Vec<f64>> = self.intervals.into_iter().collect();
        let largest = intervals.and_then(|of| of.into_iter().reduce(f64::max));
        merged.infer_interval(largest);
        (merged.sampled_every, merged.cut_at) = (self.sampled_every, self.cut_at);
        Ok(merged)
    }
}

/// What is known of two profiles together.
fn together(one: Metadata, other: &Metadata) -> Metadata {
    let end = |metadata: &Metadata| metadata.started?.checked_add(metadata.duration?);
    let started = one.started.zip(other.started).map(|(one, other)| one.min(other));
    let ended = end(&one).zip(end(other)).map(|(one, other)| one.max(other));
    let duration = started.zip(ended).and_then(|(start, end)| end.duration_since(start).ok());
    let mut comments = one.comments;
    for comment in &other.comments {
        if !comments.contains(comment) {
            comments.push(comment.clone());
        }
    }
    Metadata {
        interval: one.interval.filter(|_| one.interval == other.interval),
        started,
        duration,
        default_sample_type: one.default_sample_type.or(other.default_sample_type),
        unattributed_samples: one.unattributed_samples + other.unattributed_samples,
        comments,
    }
}
