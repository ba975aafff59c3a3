//! A part of a profile, or a simpler one.

use super::answer::fraction;
use super::pattern::Pattern;
use crate::model::{AnalysisError, Function, SampleType};
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
        let stacks = Matches::new(self, query).stacks(self);
        let mut answer = Answer::new(self);
        // A context of which nothing is kept, nor of what it calls, is not in the answer: a graph
        // of that would have calls that were ignored.
        let mut is_there: Vec<bool> = stacks.iter().map(|stack| stack.is_kept()).collect();
        for rank in (1..self.len()).rev() {
            is_there[self.parents()[rank] as usize] |= is_there[rank];
        }
        let mut collapse = query.recursion.map(|recursion| Collapse::new(self, recursion));
        let mut contexts: Vec<u32> = Vec::with_capacity(self.len());
        for (rank, &function) in self.function_numbers().iter().enumerate() {
            let caller = contexts.get(self.parents()[rank] as usize);
            let caller = caller.copied().unwrap_or(StackBuilder::ROOT);
            contexts.push(match &mut collapse {
                _ if !(stacks[rank].is_frame && is_there[rank]) => caller,
                None => answer.callee(caller, function)?,
                Some(collapse) => {
                    collapse.leave(rank as u32);
                    let place = collapse.places[function as usize];
                    match collapse.repeated(caller, place) {
                        Some(same) => same,
                        None => {
                            let callee = answer.callee(caller, function)?;
                            collapse.enter(caller, callee, place, self.ends()[rank]);
                            callee
                        }
                    }
                }
            });
        }
        for (context, stack) in contexts.iter_mut().zip(stacks) {
            if !stack.is_kept() {
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
                    (true, _) => answer.callee(caller, function)?,
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
    /// Whether the innermost function is a frame.
    is_frame: bool,
}

impl StackState {
    fn is_kept(self) -> bool {
        self.is_focused && !self.is_ignored && self.is_from && self.is_shown
    }
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
                // The root is none.
                is_frame: false,
            },
        }
    }

    /// What the patterns say of the stack of each context.
    fn stacks(&self, profile: &Profile) -> Vec<StackState> {
        let mut stacks: Vec<StackState> = Vec::with_capacity(profile.len());
        for (&function, &parent) in profile.function_numbers().iter().zip(profile.parents()) {
            stacks.push(match stacks.get(parent as usize) {
                None => self.root,
                // A frame is needed from here on.
                Some(&root) if parent == 0 => {
                    self.callee(StackState { is_shown: false, ..root }, function as usize)
                }
                Some(&caller) => self.callee(caller, function as usize),
            });
        }
        stacks
    }

    /// A stack with one more function.
    fn callee(&self, mut stack: StackState, function: usize) -> StackState {
        stack.is_focused |= self.focus[function];
        stack.is_ignored |= self.ignore[function];
        stack.is_frame = false;
        if self.is_shown[function] {
            stack.is_shown = true;
            stack.is_from |= self.from[function];
            stack.is_trimmed &= !stack.is_from || self.trim[function];
            stack.is_frame = stack.is_from && !stack.is_trimmed;
        }
        stack
    }
}

/// What collapses recursion: the stack at hand, by the places of its functions.
struct Collapse {
    recursion: Recursion,
    /// By number of a function in the profile, its place.
    places: Vec<u32>,
    /// By context of the answer, its depth and the place of its function.
    frames: Vec<(u32, u32)>,
    /// By depth, a context of the answer: down to that of the caller at hand, those on its stack.
    path: Vec<u32>,
    /// By place, the context of the answer that was entered last.
    last: Vec<u32>,
    /// What contexts of the profile have overwritten that have not been left.
    open: Vec<Overwritten>,
}

/// The entries of a path that a context has overwritten, and where it ends.
struct Overwritten {
    end: u32,
    on_path: u32,
    last: u32,
    callee: u32,
}

impl Collapse {
    fn new(profile: &Profile, recursion: Recursion) -> Self {
        let (firsts, places) = profile.places();
        let last = vec![NONE; firsts.len()];
        let (frames, path) = (vec![(0, NONE)], vec![StackBuilder::ROOT]);
        Self { recursion, places, frames, path, last, open: Vec::new() }
    }

    /// Leaves the contexts of the profile that end in front of a rank.
    fn leave(&mut self, rank: u32) {
        while let Some(Overwritten { on_path, last, callee, .. }) =
            self.open.pop_if(|context| context.end <= rank)
        {
            let (depth, place) = self.frames[callee as usize];
            self.path[depth as usize] = on_path;
            self.last[place as usize] = last;
        }
    }

    /// The context on the caller's stack that a call of a function at a place comes back to.
    fn repeated(&self, caller: u32, place: u32) -> Option<u32> {
        let (caller_depth, caller_place) = self.frames[caller as usize];
        match self.recursion {
            Recursion::Direct => (caller_place == place).then_some(caller),
            Recursion::All => {
                let last = self.last[place as usize];
                let &(depth, _) = self.frames.get(last as usize)?;
                let is_on_stack = depth <= caller_depth && self.path[depth as usize] == last;
                is_on_stack.then_some(last)
            }
        }
    }

    /// Enters a context of the answer for one of the profile, which ends at a rank.
    fn enter(&mut self, caller: u32, callee: u32, place: u32, end: u32) {
        let depth = self.frames[caller as usize].0 + 1;
        if callee as usize == self.frames.len() {
            self.frames.push((depth, place));
        }
        if depth as usize == self.path.len() {
            self.path.push(NONE);
        }
        let on_path = std::mem::replace(&mut self.path[depth as usize], callee);
        let last = std::mem::replace(&mut self.last[place as usize], callee);
        self.open.push(Overwritten { end, on_path, last, callee });
    }
}

/// The profile that is being made.
struct Answer<'p> {
    profile: &'p Profile,
    builder: StackBuilder,
    /// By the functions' numbers in the profile, those in the answer.
    functions: Vec<u32>,
}

impl<'p> Answer<'p> {
    fn new(profile: &'p Profile) -> Self {
        let builder = StackBuilder::new((&**profile.root().function()).into());
        Self { profile, builder, functions: vec![NONE; profile.functions().len()] }
    }

    /// The context of a function of the profile, as it is called from a context of the answer.
    fn callee(&mut self, caller: u32, function: u32) -> Result<u32, AnalysisError> {
        let number = &mut self.functions[function as usize];
        if *number == NONE {
            let function = &*self.profile.functions()[function as usize];
            *number = self.builder.functions.number(function.into());
        }
        Ok(self.builder.callee(caller, *number)?)
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
