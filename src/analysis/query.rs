//! A part of a profile, or a simpler one.

use std::collections::HashMap;

use super::pattern::Pattern;
use super::share::fraction;
use crate::model::{AnalysisError, Function, Place, SampleType};
use crate::profile::{FunctionParts, Profile, StackBuilder};
use crate::tree::NONE;

/// The way in which recursive calls are collapsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Recursion {
    /// A function that calls itself is one frame: `a;b;b;c` becomes `a;b;c`.
    Direct,
    /// A function that stands on a stack is not put there again: what lies between is left out, and
    /// `a;b;c;b;d` becomes `a;b;d`.
    All,
}

/// A question to a profile that is answered by another one: a part of it, or a simpler one.
///
/// In pprof's terms and with their meaning: values belong to stacks, and [`focus`](Self::focus) and
/// [`ignore`](Self::ignore) choose stacks; [`hide`](Self::hide) and [`show`](Self::show) take
/// frames off them, which leaves a value to the function that called. They are done in the order in
/// which they stand here, whatever the order of the calls.
///
/// ```
/// # use v8_heap_sampler::{Node, NodeId, Profile, Sample, SampleId, SampleType, SamplerOptions};
/// # let mut nodes: Vec<_> = ["(root)", "main", "map", "parse"].into_iter().zip(1..)
/// #     .map(|(name, id)| Node::new(NodeId(id), name)).collect();
/// # for at in 0..3 { nodes[at].child_ids.push(NodeId(at as u32 + 2)); }
/// # let samples = (1..=4).map(|id| Sample::new(NodeId(id), 64, SampleId(id as u64), true));
/// use v8_heap_sampler::analysis::{Pattern, Query};
///
/// // main calls map, and that calls parse
/// let profile = Profile::from_samples(&nodes, samples, &SamplerOptions::exact())?;
/// let query = Query::new().focus(Pattern::text("map")).hide(Pattern::builtin());
/// let without_builtins = profile.query(&Query::new().hide(Pattern::text("map")))?;
/// let stack: Vec<_> = without_builtins.contexts().map(|at| at.function().to_string()).collect();
/// assert_eq!(stack, ["(root)", "main", "parse"]);
/// let total = profile.total(SampleType::InuseSpace);
/// assert_eq!(without_builtins.total(SampleType::InuseSpace), total);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Query {
    focus: Option<Pattern>,
    ignore: Option<Pattern>,
    show_from: Option<Pattern>,
    hide: Option<Pattern>,
    show: Option<Pattern>,
    trim: Option<Pattern>,
    recursion: Option<Recursion>,
    prune: Option<(SampleType, f64)>,
}

impl Query {
    /// The whole profile as it is.
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps only stacks on which a function matches.
    pub fn focus(self, functions: impl Into<Pattern>) -> Self {
        Self { focus: Some(functions.into()), ..self }
    }

    /// No stacks on which a function matches.
    pub fn ignore(self, functions: impl Into<Pattern>) -> Self {
        Self { ignore: Some(functions.into()), ..self }
    }

    /// Takes the frames of functions that match off all stacks. Stacks of which nothing is left are
    /// left out.
    pub fn hide(self, functions: impl Into<Pattern>) -> Self {
        Self { hide: Some(functions.into()), ..self }
    }

    /// Takes all other frames off all stacks. Stacks of which nothing is left are left out.
    pub fn show(self, functions: impl Into<Pattern>) -> Self {
        Self { show: Some(functions.into()), ..self }
    }

    /// Stacks from the outermost function that matches on; none on which no function does.
    pub fn show_from(self, functions: impl Into<Pattern>) -> Self {
        Self { show_from: Some(functions.into()), ..self }
    }

    /// Takes frames off the outer end of each stack for as long as they match, such as those of an
    /// embedder that calls into a program ([`Pattern::embedder`]). If nothing is left, a value is
    /// the root's.
    pub fn trim(self, functions: impl Into<Pattern>) -> Self {
        Self { trim: Some(functions.into()), ..self }
    }

    /// Collapses recursion.
    pub fn collapse_recursion(self, recursion: Recursion) -> Self {
        Self { recursion: Some(recursion), ..self }
    }

    /// Puts contexts that, with all below them, have less than a share of the whole (from 0 to 1)
    /// into one named `(pruned)` below what called them. No value is lost. Of a difference, the
    /// whole is all that has changed, more or less.
    pub fn prune_below(self, sample_type: SampleType, share: f64) -> Self {
        Self { prune: Some((sample_type, share)), ..self }
    }
}

impl Profile {
    /// The profile that answers a query. This one stays as it is.
    ///
    /// Values, labels, sizes and samples go along with their stacks; ids of contexts are lost.
    /// Linear in contexts and values (where frames are taken off, in the length of stacks too, at
    /// worst).
    ///
    /// # Errors
    ///
    /// [`AnalysisError`] if it is to be pruned by values that it does not have.
    pub fn query(&self, query: &Query) -> Result<Self, AnalysisError> {
        if let Some((sample_type, _)) = query.prune {
            self.require(sample_type)?;
        }
        let mut answer = self.filtered(query)?;
        if let Some((sample_type, share)) = query.prune {
            answer = answer.pruned(sample_type, fraction(share))?;
        }
        // From a part of the samples it might not be seen any more.
        answer.stem_from(self);
        Ok(answer)
    }

    /// What is left of stacks by the patterns, and without recursion.
    fn filtered(&self, query: &Query) -> Result<Self, AnalysisError> {
        let Kept { stacks, frames } = Matches::new(self, query).kept(self);
        let mut answer = Answer::new(self);
        // A context of which nothing is kept, nor of what it calls, is not in the answer: a graph
        // of that would have calls that were ignored.
        let mut is_there = stacks.clone();
        for rank in (1..self.len()).rev() {
            is_there[self.parents()[rank] as usize] |= is_there[rank];
        }
        let mut contexts: Vec<u32> = Vec::with_capacity(self.len());
        for (rank, &function) in self.function_numbers().iter().enumerate() {
            let caller = contexts.get(self.parents()[rank] as usize);
            let caller = caller.copied().unwrap_or(StackBuilder::ROOT);
            contexts.push(if frames[rank] && is_there[rank] {
                answer.callee(caller, function, query.recursion)?
            } else {
                caller
            });
        }
        for (context, is_kept) in contexts.iter_mut().zip(stacks) {
            if !is_kept {
                *context = NONE;
            }
        }
        answer.finish(&contexts)
    }

    fn pruned(&self, sample_type: SampleType, share: f64) -> Result<Self, AnalysisError> {
        self.require(sample_type)?;
        let totals = self.magnitudes(sample_type).unwrap_or_default();
        let least = share * totals[0];
        let mut answer = Answer::new(self);
        let pruned = answer
            .builder
            .functions
            .number(FunctionParts { name: "(pruned)", ..FunctionParts::default() });
        let mut contexts: Vec<u32> = Vec::with_capacity(self.len());
        for (rank, &function) in self.function_numbers().iter().enumerate() {
            let parent = self.parents()[rank];
            let context = if parent == NONE {
                StackBuilder::ROOT
            } else {
                let caller = contexts[parent as usize];
                match (totals[rank] >= least, totals[parent as usize] >= least) {
                    (true, _) => answer.callee(caller, function, None)?,
                    (false, true) => answer.builder.callee(caller, pruned)?,
                    // Of what is below something small.
                    (false, false) if parent == 0 => answer.builder.callee(caller, pruned)?,
                    (false, false) => caller,
                }
            };
            contexts.push(context);
        }
        answer.finish(&contexts)
    }
}

/// Which functions a query's patterns match, by their numbers.
struct Matches {
    focus: Vec<bool>,
    ignore: Vec<bool>,
    from: Vec<bool>,
    /// By those to hide and to show.
    is_shown: Vec<bool>,
    trim: Vec<bool>,
    /// Of the stack that is the root alone.
    root: StackState,
}

/// What the patterns say of a stack, as far as it has been walked.
#[derive(Clone, Copy)]
struct StackState {
    is_focused: bool,
    is_ignored: bool,
    /// Whether the frame to show from has come.
    is_from: bool,
    /// Whether frames are still taken off the outer end.
    is_trimmed: bool,
    /// Whether a frame has not been hidden.
    is_shown: bool,
}

impl StackState {
    fn is_kept(self) -> bool {
        self.is_focused && !self.is_ignored && self.is_from && self.is_shown
    }
}

/// By context, what a query keeps.
struct Kept {
    /// Whether its stack is.
    stacks: Vec<bool>,
    /// Whether its function is a frame, where the stack is.
    frames: Vec<bool>,
}

impl Matches {
    fn new(profile: &Profile, query: &Query) -> Self {
        let matches = |pattern: &Option<Pattern>, none: bool| -> Vec<bool> {
            let of = |function: &Function| pattern.as_ref().map_or(none, |it| it.matches(function));
            profile.functions().iter().map(|function| of(function)).collect()
        };
        let hide = matches(&query.hide, false);
        let mut is_shown = matches(&query.show, true);
        is_shown.iter_mut().zip(hide).for_each(|(is_shown, is_hidden)| *is_shown &= !is_hidden);
        Self {
            focus: matches(&query.focus, true),
            ignore: matches(&query.ignore, false),
            from: matches(&query.show_from, true),
            is_shown,
            trim: matches(&query.trim, false),
            root: StackState {
                is_focused: query.focus.is_none(),
                is_ignored: false,
                is_from: query.show_from.is_none(),
                is_trimmed: true,
                is_shown: query.show.is_none(),
            },
        }
    }

    fn kept(&self, profile: &Profile) -> Kept {
        let mut stacks = Vec::with_capacity(profile.len());
        let mut frames = Vec::with_capacity(profile.len());
        // The stacks of the contexts above, each with the end of its subtree.
        let mut open: Vec<(u32, StackState)> = Vec::new();
        for (rank, &function) in (0..).zip(profile.function_numbers()) {
            while open.last().is_some_and(|&(end, _)| end <= rank) {
                open.pop();
            }
            let (stack, is_frame) = match open.last() {
                // The root is no frame.
                None => (self.root, false),
                Some(&(_, mut caller)) => {
                    // A frame is needed from here on.
                    if open.len() == 1 {
                        caller.is_shown = false;
                    }
                    self.callee(caller, function as usize)
                }
            };
            stacks.push(stack.is_kept());
            frames.push(is_frame);
            open.push((profile.ends()[rank as usize], stack));
        }
        Kept { stacks, frames }
    }

    /// A stack with one more function, and whether that is a frame.
    fn callee(&self, mut stack: StackState, function: usize) -> (StackState, bool) {
        stack.is_focused |= self.focus[function];
        stack.is_ignored |= self.ignore[function];
        if !self.is_shown[function] {
            return (stack, false);
        }
        stack.is_shown = true;
        stack.is_from |= self.from[function];
        stack.is_trimmed &= !stack.is_from || self.trim[function];
        (stack, stack.is_from && !stack.is_trimmed)
    }
}

/// The profile that is being made.
struct Answer<'p> {
    profile: &'p Profile,
    builder: StackBuilder,
    /// By the functions' numbers in the profile, those in the answer.
    functions: Vec<u32>,
    /// By the functions' numbers in the profile, the first one of the same name and place.
    same: Vec<u32>,
    /// By context of the answer, its depth.
    depths: Vec<u32>,
    /// The contexts of the answer from the root to the one that was come to last, by depth.
    path: Vec<u32>,
    /// By number of a function in the answer, its place: the first of the profile's functions
    /// there.
    places: Vec<u32>,
    /// By place, its last context.
    last: Vec<u32>,
}

impl<'p> Answer<'p> {
    fn new(profile: &'p Profile) -> Self {
        let builder = StackBuilder::new((&**profile.root().function()).into());
        let functions = vec![NONE; profile.functions().len()];
        let mut firsts = HashMap::new();
        let mut same = Vec::with_capacity(functions.len());
        for (number, function) in (0..).zip(profile.functions()) {
            same.push(*firsts.entry(Place::of(function)).or_insert(number));
        }
        let (depths, path) = (vec![0], vec![StackBuilder::ROOT]);
        let last = vec![NONE; same.len()];
        Self { profile, builder, functions, same, depths, path, places: Vec::new(), last }
    }

    /// The context of a function of the profile, as it is called from a context of the answer.
    fn callee(
        &mut self,
        caller: u32,
        function: u32,
        recursion: Option<Recursion>,
    ) -> Result<u32, AnalysisError> {
        let place = self.same[function as usize];
        let number = &mut self.functions[function as usize];
        if *number == NONE {
            let function = &*self.profile.functions()[function as usize];
            *number = self.builder.functions.number(function.into());
            let number = *number as usize;
            if self.places.len() <= number {
                self.places.resize(number + 1, NONE);
            }
            self.places[number] = place;
        }
        let number = *number;
        match recursion {
            Some(Recursion::Direct)
                if caller != StackBuilder::ROOT && self.place_at(caller) == place =>
            {
                return Ok(caller);
            }
            None | Some(Recursion::Direct) => {}
            Some(Recursion::All) => {
                self.go_to(caller);
                let last = self.last[place as usize];
                if last != NONE && self.path.get(self.depths[last as usize] as usize) == Some(&last)
                {
                    return Ok(last);
                }
            }
        }
        let callee = self.builder.callee(caller, number)?;
        if recursion == Some(Recursion::All) {
            if self.depths.len() <= callee as usize {
                self.depths.push(self.depths[caller as usize] + 1);
            }
            self.go_to(callee);
        }
        Ok(callee)
    }

    /// The place of a context's function.
    fn place_at(&self, context: u32) -> u32 {
        let (function, _) = self.builder.context(context);
        self.places.get(function as usize).copied().unwrap_or(NONE)
    }

    /// Makes the path that to a context.
    fn go_to(&mut self, context: u32) {
        let depth = self.depths[context as usize] as usize;
        self.path.truncate(depth + 1);
        self.path.resize(depth + 1, NONE);
        let mut at = context;
        loop {
            let depth = self.depths[at as usize] as usize;
            let place = self.place_at(at) as usize;
            if self.path[depth] == at && self.last.get(place).is_none_or(|&last| last == at) {
                break;
            }
            self.path[depth] = at;
            if depth == 0 {
                break;
            }
            self.last[place] = at;
            at = self.builder.context(at).1;
        }
    }

    /// The answer, in which the values of each context are those of another, or of none.
    fn finish(mut self, contexts: &[u32]) -> Result<Profile, AnalysisError> {
        let profile = self.profile;
        for row in profile.row_data() {
            let context = contexts[row.context as usize];
            if context != NONE {
                self.builder.push_row(row.moved(context, row.labels));
            }
        }
        let samples = profile.samples().map(|samples| {
            let moved = samples.iter().filter_map(|sample| {
                let context = contexts[sample.context as usize];
                (context != NONE).then(|| sample.moved(context))
            });
            moved.collect()
        });
        Ok(self.builder.finish(
            profile.types(),
            profile.labels().clone(),
            samples,
            profile.metadata.clone(),
        )?)
    }
}
