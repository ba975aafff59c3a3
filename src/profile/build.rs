//! Building heap profiles: of contexts in preorder, or of stacks.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::num::NonZeroU32;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::from_nodes::ContextTree;
use super::labels::LabelSets;
use super::profile::{Metadata, Profile};
use super::row::RowData;
use super::sample::OrdinalSample;
use crate::model::{Function, Name, NodeId, Original, SampleTypes, ScriptId};
use crate::tree::{NONE, TooMany, check_count};

/// Appends to a vector that grows by a quarter: what is read is large, and memory that is merely
/// reserved counts as well.
pub(crate) fn push<T>(vec: &mut Vec<T>, value: T) {
    if vec.len() == vec.capacity() {
        vec.reserve_exact((vec.len() / 4).max(64));
    }
    vec.push(value);
}

/// Functions, each once.
#[derive(Default)]
pub(crate) struct Functions {
    functions: Vec<Arc<Function>>,
    numbers: HashTable<u32>,
    names: Names,
    hasher: RandomState,
    /// Bytes of the functions.
    bytes: usize,
}

/// The names of functions and scripts, each once in memory.
#[derive(Default)]
pub(super) struct Names {
    names: HashTable<Name>,
    hasher: RandomState,
    /// Bytes of the names.
    bytes: usize,
}

impl Names {
    /// The name that is a text.
    fn of(&mut self, text: &str) -> Name {
        self.get_or_insert(text, || Name::from(text))
    }

    /// The one name that is equal to a name.
    pub(super) fn shared(&mut self, name: &Name) -> Name {
        self.get_or_insert(name, || name.clone())
    }

    fn get_or_insert(&mut self, text: &str, new: impl FnOnce() -> Name) -> Name {
        let hash = self.hasher.hash_one(text);
        if let Some(name) = self.names.find(hash, |name| *name == *text) {
            return name.clone();
        }
        let name = new();
        self.bytes += text.len() + 6 * size_of::<usize>();
        let hasher = &self.hasher;
        self.names.insert_unique(hash, name.clone(), |name| hasher.hash_one(name.as_str()));
        name
    }
}

/// A function as it stands in a file, its texts borrowed.
#[derive(Clone, Copy, Default)]
pub(crate) struct FunctionParts<'f> {
    pub(crate) name: &'f str,
    pub(crate) script_name: &'f str,
    pub(crate) script_id: Option<ScriptId>,
    pub(crate) line_number: Option<NonZeroU32>,
    pub(crate) column_number: Option<NonZeroU32>,
    pub(crate) start_position: Option<u32>,
    pub(crate) original: Option<OriginalParts<'f>>,
}

/// An [`Original`] as it stands in a file.
#[derive(Clone, Copy, Default)]
pub(crate) struct OriginalParts<'f> {
    pub(crate) source: &'f str,
    /// Empty where unknown.
    pub(crate) name: &'f str,
    pub(crate) line_number: Option<NonZeroU32>,
    pub(crate) column_number: Option<NonZeroU32>,
}

impl<'f> From<&'f Original> for OriginalParts<'f> {
    fn from(original: &'f Original) -> Self {
        Self {
            source: &original.source,
            name: original.name.as_deref().unwrap_or_default(),
            line_number: original.line_number,
            column_number: original.column_number,
        }
    }
}

impl OriginalParts<'_> {
    fn is(&self, original: &Original) -> bool {
        self.line_number == original.line_number
            && self.column_number == original.column_number
            && original.source == *self.source
            && original.name.as_deref().unwrap_or_default() == self.name
    }
}

impl<'f> From<&'f Function> for FunctionParts<'f> {
    fn from(function: &'f Function) -> Self {
        Self {
            name: &function.name,
            script_name: &function.script_name,
            script_id: function.script_id,
            line_number: function.line_number,
            column_number: function.column_number,
            start_position: function.start_position,
            original: function.original.as_deref().map(OriginalParts::from),
        }
    }
}

impl FunctionParts<'_> {
    fn hash(&self, hasher: &RandomState) -> u64 {
        // Names make nearly all the difference, the place the rest.
        hasher.hash_one((self.name, self.line_number, self.column_number, self.script_id))
    }

    fn is(&self, function: &Function) -> bool {
        self.line_number == function.line_number
            && self.column_number == function.column_number
            && self.script_id == function.script_id
            && self.start_position == function.start_position
            && function.name == *self.name
            && function.script_name == *self.script_name
            && match (&self.original, &function.original) {
                (None, None) => true,
                (Some(parts), Some(original)) => parts.is(original),
                _ => false,
            }
    }
}

impl Functions {
    /// The number of a function.
    pub(crate) fn number(&mut self, parts: FunctionParts<'_>) -> u32 {
        let hash = parts.hash(&self.hasher);
        let is_it = |&number: &u32| parts.is(&self.functions[number as usize]);
        if let Some(&number) = self.numbers.find(hash, is_it) {
            return number;
        }
        let function = Function {
            script_id: parts.script_id,
            script_name: self.names.of(parts.script_name),
            name: self.names.of(parts.name),
            line_number: parts.line_number,
            column_number: parts.column_number,
            start_position: parts.start_position,
            original: parts.original.map(|original| self.original(original)),
        };
        self.push(hash, Arc::new(function))
    }

    /// The function with a number.
    #[cfg(feature = "formats")]
    pub(crate) fn get(&self, number: u32) -> Arc<Function> {
        Arc::clone(&self.functions[number as usize])
    }

    fn push(&mut self, hash: u64, function: Arc<Function>) -> u32 {
        let number = self.functions.len() as u32;
        // The function, its reference counts, and its places in list and table.
        self.bytes += size_of::<Function>() + 4 * size_of::<usize>();
        push(&mut self.functions, function);
        let Self { functions, hasher, .. } = self;
        let hash_of =
            |&number: &u32| FunctionParts::from(&*functions[number as usize]).hash(hasher);
        self.numbers.insert_unique(hash, number, hash_of);
        number
    }

    fn original(&mut self, parts: OriginalParts<'_>) -> Arc<Original> {
        self.bytes += size_of::<Original>() + 2 * size_of::<usize>();
        let mut original = Original::new(self.names.of(parts.source));
        original.name = (!parts.name.is_empty()).then(|| self.names.of(parts.name));
        original.line_number = parts.line_number;
        original.column_number = parts.column_number;
        original.into()
    }

    #[cfg(feature = "formats")]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes + self.names.bytes
    }
}

/// Builds a heap profile of contexts that come in preorder.
#[derive(Default)]
pub(crate) struct Builder {
    pub(crate) functions: Functions,
    function_of: Vec<u32>,
    parents: Vec<u32>,
    ends: Vec<u32>,
    ids: Vec<NodeId>,
    rows: Vec<RowData>,
    samples: Vec<OrdinalSample>,
    /// The contexts that are open, the innermost last.
    open: Vec<u32>,
}

impl Builder {
    /// Of contexts that are known.
    pub(super) fn of_contexts(tree: ContextTree) -> Self {
        let ContextTree { functions, function_of, parents, ends, ids, .. } = tree;
        let functions = Functions { functions, ..Functions::default() };
        Self { functions, function_of, parents, ends, ids, ..Self::default() }
    }

    pub(super) fn with_rows(self, rows: Vec<RowData>) -> Self {
        Self { rows, ..self }
    }

    pub(super) fn with_samples(self, samples: Vec<OrdinalSample>) -> Self {
        Self { samples, ..self }
    }

    /// Opens a context below the one that is open, and says its rank. Its function can come later.
    pub(crate) fn enter(&mut self) -> Result<u32, TooMany> {
        let rank = self.function_of.len();
        check_count(rank + 1)?;
        let rank = rank as u32;
        push(&mut self.function_of, NONE);
        push(&mut self.parents, self.open.last().copied().unwrap_or(NONE));
        push(&mut self.ends, rank + 1);
        push(&mut self.open, rank);
        Ok(rank)
    }

    /// Closes the context that is open.
    pub(crate) fn leave(&mut self) {
        if let Some(rank) = self.open.pop() {
            self.ends[rank as usize] = self.function_of.len() as u32;
        }
    }

    pub(crate) fn set_known_function(&mut self, rank: u32, function: u32) {
        self.function_of[rank as usize] = function;
    }

    pub(crate) fn push_row(&mut self, row: RowData) {
        push_row(&mut self.rows, row);
    }

    /// The profile. Each context must have a function and be closed.
    pub(crate) fn finish(
        self,
        sample_types: SampleTypes,
        mut label_sets: LabelSets,
        has_samples: bool,
        metadata: Metadata,
    ) -> Profile {
        let Self { functions, mut function_of, parents, ends, ids, mut rows, mut samples, .. } =
            self;
        let functions = in_order(functions.functions, &mut function_of);
        label_sets.put_in_order(&mut rows);
        merge_rows(&mut rows);
        if !samples.is_sorted_by_key(|sample| sample.ordinal) {
            samples.sort_by_key(|sample| sample.ordinal);
        }
        let ids = (!ids.is_empty()).then(|| shrunk(ids));
        Profile {
            functions,
            function_of: shrunk(function_of),
            parents: shrunk(parents),
            ends: shrunk(ends),
            ids,
            sample_types,
            rows: shrunk(rows),
            label_sets,
            samples: has_samples.then(|| shrunk(samples)),
            inferred_interval: None,
            sampled_every: None,
            tells_intervals: false,
            collection: None,
            is_part: false,
            cut_at: None,
            metadata,
        }
    }
}

/// What readers need.
#[cfg(feature = "formats")]
impl Builder {
    pub(crate) fn rows(&self) -> &[RowData] {
        &self.rows
    }

    pub(crate) fn set_function(&mut self, rank: u32, parts: FunctionParts<'_>) {
        self.function_of[rank as usize] = self.functions.number(parts);
    }

    pub(crate) fn push_sample(&mut self, sample: OrdinalSample) {
        push(&mut self.samples, sample);
    }

    /// Notes the id of a context. All have one or none.
    pub(crate) fn set_id(&mut self, rank: u32, id: NodeId) {
        let rank = rank as usize;
        while self.ids.len() <= rank {
            // 0 is no id of V8's, and never stays where it was not read.
            push(&mut self.ids, NodeId(0));
        }
        self.ids[rank] = id;
    }

    /// The contexts have no ids of their own after all.
    pub(crate) fn forget_ids(&mut self) {
        self.ids = Vec::new();
    }

    /// How many contexts there are.
    pub(crate) fn len(&self) -> usize {
        self.function_of.len()
    }

    pub(crate) fn ids(&self) -> &[NodeId] {
        &self.ids
    }

    /// The context that is open.
    pub(crate) fn current(&self) -> Option<u32> {
        self.open.last().copied()
    }

    /// The bytes held, of what was reserved too.
    pub(crate) fn bytes(&self) -> usize {
        fn held<T>(vec: &Vec<T>) -> usize {
            vec.capacity() * size_of::<T>()
        }
        self.functions.bytes()
            + held(&self.function_of)
            + held(&self.parents)
            + held(&self.ends)
            + held(&self.ids)
            + held(&self.rows)
            + held(&self.samples)
            + held(&self.open)
    }
}

/// Appends a row that says something.
fn push_row(rows: &mut Vec<RowData>, row: RowData) {
    if row.says_something() {
        push(rows, row);
    }
}

/// Sorts rows, and adds up those that differ in nothing but values: profiles that say the same are
/// equal then.
pub(super) fn merge_rows(rows: &mut Vec<RowData>) {
    if rows.is_sorted_by(|one, other| one.key() < other.key()) {
        return;
    }
    rows.sort_by_key(RowData::key);
    rows.dedup_by(|from, into| {
        let is_same = from.key() == into.key();
        if is_same {
            into.add(from);
        }
        is_same
    });
    // What has become more under one size can be what has become less under another.
    rows.retain(RowData::says_something);
}

fn shrunk<T>(mut vec: Vec<T>) -> Vec<T> {
    vec.shrink_to_fit();
    vec
}

/// The functions in the order in which the contexts show them first, those that none shows left
/// out; renumbers the contexts' functions.
///
/// The root has a number of its own: it is the empty stack, and a function of the same name that
/// stands on a stack is another thing.
pub(super) fn in_order(
    functions: Vec<Arc<Function>>,
    function_of: &mut [u32],
) -> Vec<Arc<Function>> {
    let mut numbers = vec![NONE; functions.len()];
    let mut ordered = Vec::with_capacity(functions.len());
    for (rank, function) in function_of.iter_mut().enumerate() {
        let mut of_root = NONE;
        let number = if rank == 0 { &mut of_root } else { &mut numbers[*function as usize] };
        if *number == NONE {
            *number = ordered.len() as u32;
            ordered.push(Arc::clone(&functions[*function as usize]));
        }
        *function = *number;
    }
    ordered
}

/// Builds a heap profile of stacks, which come in any order.
pub(crate) struct StackBuilder {
    pub(crate) functions: Functions,
    /// By number, the root first: function and parent.
    contexts: Vec<(u32, u32)>,
    /// By parent and function.
    numbers: HashMap<(u32, u32), u32, RandomState>,
    /// With the contexts' numbers in place of their ranks.
    rows: Vec<RowData>,
}

impl Default for StackBuilder {
    fn default() -> Self {
        Self::new(FunctionParts::default())
    }
}

impl StackBuilder {
    /// The number of the root.
    pub(crate) const ROOT: u32 = 0;

    pub(crate) fn new(root: FunctionParts<'_>) -> Self {
        let mut functions = Functions::default();
        let contexts = vec![(functions.number(root), NONE)];
        Self { functions, contexts, numbers: HashMap::default(), rows: Vec::new() }
    }

    /// The context of `function` as it is called from `parent`.
    pub(crate) fn callee(&mut self, parent: u32, function: u32) -> Result<u32, TooMany> {
        let next = self.contexts.len();
        let callee = *self.numbers.entry((parent, function)).or_insert(next as u32);
        if callee as usize == next {
            check_count(next + 1)?;
            push(&mut self.contexts, (function, parent));
        }
        Ok(callee)
    }

    /// The contexts of a profile, whose functions have other numbers here; by theirs.
    pub(super) fn add_all(
        &mut self,
        profile: &Profile,
        number_of: impl Fn(u32) -> u32,
    ) -> Result<Vec<u32>, TooMany> {
        let mut contexts: Vec<u32> = Vec::with_capacity(profile.len());
        for (&function, &parent) in profile.function_numbers().iter().zip(profile.parents()) {
            contexts.push(match parent {
                NONE => Self::ROOT,
                _ => self.callee(contexts[parent as usize], number_of(function))?,
            });
        }
        Ok(contexts)
    }

    /// A context's function and the context that called it.
    pub(crate) fn context(&self, number: u32) -> (u32, u32) {
        self.contexts[number as usize]
    }

    pub(crate) fn push_row(&mut self, row: RowData) {
        push_row(&mut self.rows, row);
    }

    /// How many contexts there are.
    pub(super) fn len(&self) -> usize {
        self.contexts.len()
    }

    /// Forgets all contexts but the first `len`.
    pub(super) fn truncate(&mut self, len: usize) {
        self.contexts.truncate(len);
        self.numbers.retain(|_, &mut number| (number as usize) < len);
    }

    /// With other functions of the same numbers, and rows.
    pub(super) fn with(self, functions: Vec<Arc<Function>>, rows: Vec<RowData>) -> Self {
        let functions = Functions { functions, ..Functions::default() };
        Self { functions, rows, ..self }
    }

    /// The bytes held, of what was reserved too, and of what finishing takes.
    #[cfg(feature = "formats")]
    pub(crate) fn bytes(&self) -> usize {
        self.functions.bytes()
            + self.contexts.capacity() * (size_of::<(u32, u32)>() + 4 * size_of::<u32>())
            + self.numbers.capacity() * 2 * size_of::<((u32, u32), u32)>()
            + self.rows.capacity() * size_of::<RowData>()
    }

    /// The profile, callees in the order in which they came; the samples, if it has them, with the
    /// contexts' numbers in place of their ranks.
    pub(crate) fn finish(
        self,
        sample_types: SampleTypes,
        label_sets: LabelSets,
        samples: Option<Vec<OrdinalSample>>,
        metadata: Metadata,
    ) -> Result<Profile, TooMany> {
        let order = 1..self.contexts.len() as u32;
        self.finish_in_order(order, sample_types, label_sets, samples, metadata)
    }

    /// The same, callees in the order of the numbers of all contexts but the root.
    pub(super) fn finish_in_order(
        self,
        order: impl DoubleEndedIterator<Item = u32>,
        sample_types: SampleTypes,
        label_sets: LabelSets,
        samples: Option<Vec<OrdinalSample>>,
        metadata: Metadata,
    ) -> Result<Profile, TooMany> {
        let Self { functions, contexts, numbers, mut rows } = self;
        drop(numbers);
        // Linked lists of each context's callees, the first one first: going through the contexts
        // from the back gives that.
        let mut first_callee = vec![NONE; contexts.len()];
        let mut next_sibling = vec![NONE; contexts.len()];
        for number in order.rev() {
            let (_, parent) = contexts[number as usize];
            let first = &mut first_callee[parent as usize];
            next_sibling[number as usize] = std::mem::replace(first, number);
        }
        let mut builder = Builder { functions, ..Builder::default() };
        let mut ranks = vec![NONE; contexts.len()];
        let mut at = Self::ROOT;
        'preorder: loop {
            let rank = builder.enter()?;
            ranks[at as usize] = rank;
            builder.set_known_function(rank, contexts[at as usize].0);
            if first_callee[at as usize] != NONE {
                at = first_callee[at as usize];
                continue;
            }
            loop {
                builder.leave();
                if next_sibling[at as usize] != NONE {
                    at = next_sibling[at as usize];
                    break;
                }
                at = contexts[at as usize].1;
                if at == NONE {
                    break 'preorder;
                }
            }
        }
        for row in &mut rows {
            row.context = ranks[row.context as usize];
        }
        builder.rows = rows;
        let has_samples = samples.is_some();
        builder.samples = samples.unwrap_or_default();
        for sample in &mut builder.samples {
            sample.context = ranks[sample.context as usize];
        }
        Ok(builder.finish(sample_types, label_sets, has_samples, metadata))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SampleType;

    #[test]
    fn stacks_become_a_tree_in_the_order_in_which_they_came() {
        let mut builder = StackBuilder::new(FunctionParts { name: "(root)", ..Default::default() });
        let mut number =
            |name| builder.functions.number(FunctionParts { name, ..Default::default() });
        let (a, b, c) = (number("a"), number("b"), number("c"));
        for stack in [&[a, b][..], &[c], &[a, c, b], &[a]] {
            let mut at = StackBuilder::ROOT;
            for &function in stack {
                at = builder.callee(at, function).unwrap();
            }
            let (labels, size) = (LabelSets::NONE, 0);
            builder.push_row(RowData::of_values(at, labels, size, [0.0, 0.0, 0.0, 1.0]));
        }
        let profile = builder
            .finish(
                SampleTypes::of([SampleType::InuseSpace]),
                LabelSets::default(),
                None,
                Metadata::default(),
            )
            .unwrap();
        let shown: Vec<_> = profile
            .contexts()
            .map(|context| (context.function().to_string(), context.depth()))
            .collect();
        let expected = [("(root)", 0), ("a", 1), ("b", 2), ("c", 2), ("b", 3), ("c", 1)]
            .map(|(n, d)| (n.to_owned(), d));
        assert_eq!(shown, expected);
        let totals = profile.totals(SampleType::InuseSpace).unwrap();
        assert_eq!(totals, [4.0, 3.0, 1.0, 1.0, 1.0, 1.0]);
        let children: Vec<_> = profile.root().children().map(|child| child.index()).collect();
        assert_eq!(children, [1, 5]);
        assert_eq!(profile.root().descendants().count(), profile.len());
    }

    #[test]
    fn contexts_that_are_forgotten_can_come_again() {
        let mut builder = StackBuilder::default();
        let known = builder.callee(StackBuilder::ROOT, 1).unwrap();
        let callee = builder.callee(known, 2).unwrap();
        builder.callee(callee, 1).unwrap();
        builder.truncate(callee as usize);
        assert_eq!(builder.len(), 2);
        assert_eq!(builder.callee(StackBuilder::ROOT, 1).unwrap(), known);
        assert_eq!(builder.callee(StackBuilder::ROOT, 2).unwrap(), callee);
        assert_eq!(builder.callee(known, 2).unwrap(), callee + 1);
        assert_eq!(builder.context(callee), (2, StackBuilder::ROOT));
    }
}
