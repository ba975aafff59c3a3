//! Profiles of objects that V8's tracker knows: counts, not samples.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::num::NonZeroU32;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::build::{FunctionParts, StackBuilder};
use super::collection::Collection;
use super::labels::LabelSets;
use super::profile::{Context, Profile};
use super::row::{Label, RowData};
use crate::model::{Counted, Function, ProfileError, PseudoFrame, SampleType, SampleTypes};
use crate::tree::NONE;

/// The objects of a profile that V8's tracker noted, as they come.
pub(crate) struct TrackedObjects {
    contexts: StackBuilder,
    label_sets: LabelSets,
    /// By class, the number of the label set.
    classes: HashMap<String, u32, RandomState>,
    collection: Collection,
    bytes: u64,
}

impl TrackedObjects {
    /// The context of the empty stack.
    pub(crate) const ROOT: u32 = StackBuilder::ROOT;

    /// The key of the label that says an object's class.
    const CLASS: &str = "class";

    pub(crate) fn new(collection: Collection) -> Self {
        let root = FunctionParts { name: PseudoFrame::Root.name(), ..FunctionParts::default() };
        Self {
            contexts: StackBuilder::new(root),
            label_sets: LabelSets::default(),
            classes: HashMap::default(),
            collection,
            bytes: 0,
        }
    }

    /// The context of a function as it is called from another context.
    pub(crate) fn callee(
        &mut self,
        caller: u32,
        function: FunctionParts<'_>,
    ) -> Result<u32, ProfileError> {
        let function = self.contexts.functions.number(function);
        Ok(self.contexts.callee(caller, function)?)
    }

    /// Adds objects of one size and class.
    pub(crate) fn add(&mut self, context: u32, class: String, size: u64, count: u32) {
        let Self { label_sets, classes, .. } = self;
        let labels = *classes.entry(class).or_insert_with_key(|class| {
            label_sets.push(vec![Label::text(Self::CLASS, class.clone())])
        });
        let bytes = size.saturating_mul(count.into());
        self.bytes = self.bytes.saturating_add(bytes);
        let values = Counted::InUse.values(Some(f64::from(count)), bytes as f64);
        self.contexts.push_row(RowData::of_values(context, labels, size, values));
    }

    /// The profile.
    pub(crate) fn finish(self) -> Result<Profile, ProfileError> {
        let Self { contexts, label_sets, collection, bytes, .. } = self;
        if bytes > Profile::MOST {
            return Err(ProfileError::TooMuch);
        }
        let metadata = collection.metadata();
        let types = Counted::InUse.sample_types(true);
        let mut profile = contexts.finish(types, label_sets, None, metadata)?;
        profile.collection = Some(Box::new(collection));
        profile.with_cut_stacks_apart(Profile::TRACKED_FRAMES)
    }
}

impl Profile {
    /// What was allocated as this profile says, and what is in use of it as a profile of tracked
    /// objects does, which were allocated meanwhile.
    ///
    /// Stacks that the tracker has cut are completed where this profile knows one that they are the
    /// innermost frames of, and, if it knows several, all of them have the same functions besides.
    /// Where it does not, the profile is known to be [cut](Self::cut_at).
    pub(crate) fn with_in_use_of(&self, tracked: &Self) -> Result<Self, ProfileError> {
        let mut functions = self.functions().to_vec();
        let mut numbers: HashMap<Key<'_>, u32, RandomState> = HashMap::default();
        // The root is no function.
        for (number, function) in (0..).zip(self.functions()).skip(1) {
            numbers.entry(Key::of(function)).or_insert(number);
        }
        let number_of = tracked.functions().iter().enumerate().map(|(at, function)| {
            if at == 0 {
                return 0;
            }
            *numbers.entry(Key::of(function)).or_insert_with(|| {
                functions.push(Arc::clone(function));
                functions.len() as u32 - 1
            })
        });
        let number_of: Vec<u32> = number_of.collect();

        let mut contexts = StackBuilder::default();
        let ours = contexts.add_all(self, |number| number)?;
        let completed = Completed::new(self, tracked, &number_of);
        let mut theirs: Vec<u32> = Vec::with_capacity(tracked.len());
        for (at, context) in tracked.contexts().enumerate() {
            theirs.push(match (completed.context(at), context.parent()) {
                (Some(whole), _) => ours[whole as usize],
                (None, None) => StackBuilder::ROOT,
                // Nothing is there but what is completed.
                (None, Some(_)) if !completed.is_needed(at) => StackBuilder::ROOT,
                (None, Some(caller)) => {
                    contexts.callee(theirs[caller.index()], number_of[context.function_number()])?
                }
            });
        }

        let mut label_sets = LabelSets::default();
        let sets = tracked.label_sets().map(|labels| label_sets.push(labels.to_vec()));
        let sets: Vec<u32> = sets.collect();
        let allocated = Counted::Allocated.sample_types(true);
        let of_allocated = self.row_data().iter().map(|row| {
            let context = ours[row.context as usize];
            row.with_values_of(allocated).moved(context, LabelSets::NONE)
        });
        let of_in_use = tracked.row_data().iter().map(|row| {
            let context = theirs[row.context as usize];
            row.moved(context, sets[row.labels as usize])
        });
        let rows = of_allocated.chain(of_in_use).filter(RowData::says_something).collect();
        let types = SampleTypes::of(SampleType::ALL);
        let contexts = contexts.with(functions, rows);
        let mut profile = contexts.finish(types, label_sets, None, self.metadata.clone())?;
        profile.collection.clone_from(&self.collection);
        profile.cut_at = completed.is_cut.then_some(Self::TRACKED_FRAMES);
        Ok(profile)
    }
}

/// What makes a function of the sampler's and one of the tracker's the same: the script and the
/// place in it, as for V8; of functions without a script the name.
#[derive(PartialEq, Eq, Hash)]
enum Key<'f> {
    Place(u32, Option<NonZeroU32>, Option<NonZeroU32>),
    Name(&'f str),
}

impl<'f> Key<'f> {
    fn of(function: &'f Function) -> Self {
        match function.script_id {
            Some(id) => Self::Place(id.get(), function.line_number, function.column_number),
            None => Self::Name(&function.name),
        }
    }
}

/// The contexts of tracked objects whose stacks were cut, where they belong.
struct Completed {
    /// By context of the tracked objects, the context of the whole stack; [`NONE`] where it is not
    /// another one.
    contexts: Vec<u32>,
    /// By context, whether something is there, or below, that is not elsewhere.
    is_needed: Vec<bool>,
    /// Whether there are some that may be cut, and nobody knows where.
    is_cut: bool,
}

impl Completed {
    fn new(whole: &Profile, tracked: &Profile, number_of: &[u32]) -> Self {
        let frames = tracked.frames();
        let cut = tracked.contexts().filter(|of| frames[of.index()] == Profile::TRACKED_FRAMES);
        let cut: Vec<_> = cut.collect();
        let mut completed =
            Self { contexts: vec![NONE; tracked.len()], is_needed: Vec::new(), is_cut: false };
        if !cut.is_empty() {
            let stacks = deep_stacks(whole);
            for context in cut {
                let stack = stack(context, |context| number_of[context.function_number()]);
                match stacks.get(&stack) {
                    Some(Some((whole, _))) => completed.contexts[context.index()] = *whole,
                    _ => completed.is_cut = true,
                }
            }
        }
        completed.is_needed = vec![false; tracked.len()];
        for row in tracked.row_data() {
            completed.is_needed[row.context as usize] |=
                completed.context(row.context as usize).is_none();
        }
        for at in (1..tracked.len()).rev() {
            if completed.is_needed[at] {
                completed.is_needed[tracked.parents()[at] as usize] = true;
            }
        }
        completed
    }

    fn context(&self, at: usize) -> Option<u32> {
        Some(self.contexts[at]).filter(|&whole| whole != NONE)
    }

    fn is_needed(&self, at: usize) -> bool {
        self.is_needed[at]
    }
}

/// The functions on the stack of a context, the innermost first.
fn stack(context: Context<'_>, number: impl Fn(Context<'_>) -> u32) -> Vec<u32> {
    let callers = std::iter::successors(Some(context), |context| context.parent());
    callers.filter(|&context| is_frame(context)).map(number).collect()
}

/// Whether a context is neither the root nor what stands for callers that are not known.
fn is_frame(context: Context<'_>) -> bool {
    let frame = context.function().pseudo_frame();
    context.parent().is_some() && frame != Some(PseudoFrame::Cut)
}

/// A context, and the functions on its stack that are not among the innermost frames.
type Whole = (u32, Vec<u32>);

/// By the innermost frames of a stack, the context that allocated something with it; `None` where
/// several did that have other functions besides.
fn deep_stacks(whole: &Profile) -> HashMap<Vec<u32>, Option<Whole>, RandomState> {
    const FRAMES: usize = Profile::TRACKED_FRAMES as usize;
    let mut stacks: HashMap<Vec<u32>, Option<Whole>, RandomState> = HashMap::default();
    let mut last = NONE;
    for row in whole.row_data() {
        if std::mem::replace(&mut last, row.context) == row.context {
            continue;
        }
        let context = whole.context(row.context);
        let mut inner = stack(context, |context| context.function_number() as u32);
        if inner.len() < FRAMES {
            continue;
        }
        let mut outer = inner.split_off(FRAMES);
        // Those that are among the inner ones count once anyway.
        outer.retain(|function| !inner.contains(function));
        outer.sort_unstable();
        outer.dedup();
        match stacks.entry(inner) {
            Entry::Vacant(entry) => drop(entry.insert(Some((row.context, outer)))),
            Entry::Occupied(mut entry) => {
                if entry.get().as_ref().is_some_and(|(_, known)| *known != outer) {
                    entry.insert(None);
                }
            }
        }
    }
    stacks
}
