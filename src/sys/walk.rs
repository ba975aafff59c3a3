//! Turns V8's profile into owned data, checking before it trusts: into the columns of a tree, or
//! into flat nodes.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::cross_check::{self, CrossCheck};
use super::layout::{RawAllocation, RawNode, RawSample, StringSlot};
use super::own_work::OwnCounts;
use super::profile::OwnedProfile;
use super::{Mismatch, WalkError};
use crate::model::{Allocation, Function, Name, Node, NodeId, SamplerOptions, ScriptId};
use crate::profile::ContextTree;
use crate::tree::{FunctionNumbers, NONE};
use crate::v8;

/// What a session's options say about its profiles, and how large the last one was.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    interval_bytes: u64,
    /// The root, the frames, and `(deopt)`.
    max_levels: usize,
    /// How many nodes the last profile had.
    nodes: usize,
    /// The functions of the session's first nodes, as far as they were seen.
    first_nodes: FirstNodes,
}

/// The functions of the nodes with the lowest ids.
///
/// V8 numbers the nodes of every session from 1 and never uses a number twice: if a number comes to
/// mean another function, the session is another.
#[derive(Clone, Debug)]
struct FirstNodes(Box<[Option<Arc<Function>>]>);

impl Default for FirstNodes {
    fn default() -> Self {
        Self(vec![None; Self::IDS].into())
    }
}

impl FirstNodes {
    const IDS: usize = 64;

    #[inline]
    fn see(&mut self, id: u32, function: &Arc<Function>) {
        if let Some(first) = self.0.get_mut(id as usize) {
            *first = Some(Arc::clone(function));
        }
    }

    /// Whether no number means another function here than in `self`. What V8 forgets when a script
    /// is unloaded does not count.
    fn agrees_with(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|pair| match pair {
            (Some(one), Some(other)) => {
                (one.script_id, one.start_position, &one.name)
                    == (other.script_id, other.start_position, &other.name)
            }
            _ => true,
        })
    }

    /// Adds what only `newer` has.
    fn update(&mut self, newer: Self) {
        for (known, newer) in self.0.iter_mut().zip(newer.0) {
            *known = newer.or(known.take());
        }
    }
}

impl Expected {
    pub(super) fn new(options: &SamplerOptions) -> Self {
        Self {
            interval_bytes: options.interval_bytes,
            max_levels: options.stack_depth as usize + 2,
            nodes: 0,
            first_nodes: FirstNodes::default(),
        }
    }

    /// The sampler's interval.
    pub(super) fn interval_bytes(&self) -> u64 {
        self.interval_bytes
    }
}

/// Reads all nodes, parents before children and siblings in V8's order, and checks them against
/// the samples; then leaves V8's own samples out.
pub(super) fn walk_nodes(
    profile: &OwnedProfile,
    own: &OwnCounts,
    isolate: &v8::Isolate,
    expected: &mut Expected,
) -> Result<Vec<Node>, WalkError> {
    nodes_from(profile.root()?, profile.samples()?, own, isolate, expected)
}

fn nodes_from(
    root: &RawNode,
    samples: &[RawSample],
    own: &OwnCounts,
    isolate: &v8::Isolate,
    expected: &mut Expected,
) -> Result<Vec<Node>, WalkError> {
    let Walked { sink: mut nodes, with_own, agrees, .. } =
        walk_from::<Vec<Node>>(root, samples, own, isolate, expected)?;
    if !agrees {
        cross_check::in_detail(&mut nodes, samples, expected.interval_bytes)?;
    }
    own.leave_out(&mut nodes, &with_own, expected.interval_bytes);
    Ok(nodes)
}

/// Reads all contexts in preorder, siblings in V8's order, and checks them against the samples. The
/// ranks are those of the contexts that have samples of V8's own work, ascending.
pub(super) fn walk_tree(
    profile: &OwnedProfile,
    own: &OwnCounts,
    isolate: &v8::Isolate,
    expected: &mut Expected,
) -> Result<(ContextTree, Vec<usize>), WalkError> {
    let (root, samples) = (profile.root()?, profile.samples()?);
    let Walked { sink: mut tree, functions, with_own, agrees, deepest } =
        walk_from::<ContextTree>(root, samples, own, isolate, expected)?;
    if !agrees {
        // Only nodes can tell what it is that does not fit, or that a count was too large for V8.
        nodes_from(root, samples, own, isolate, expected)?;
    }
    (tree.functions, tree.deepest) = (functions, deepest);
    merge_equal_functions(&mut tree);
    // Children stand after their parents: from the back, each subtree's end is known.
    tree.ends = (1..=tree.parents.len() as u32).collect();
    for rank in (1..tree.ends.len()).rev() {
        let parent = tree.parents[rank] as usize;
        tree.ends[parent] = tree.ends[parent].max(tree.ends[rank]);
    }
    Ok((tree, with_own))
}

/// Makes functions one that V8 tells apart by numbers that say the same: 0 and -1 are both an
/// unknown line.
fn merge_equal_functions(tree: &mut ContextTree) {
    let functions = std::mem::take(&mut tree.functions);
    let mut numbers = FunctionNumbers::default();
    let renumbered: Vec<u32> = functions.iter().map(|function| numbers.of(function)).collect();
    if renumbered.is_sorted_by(|one, other| one < other) {
        drop(numbers);
        tree.functions = functions;
        return;
    }
    for (function, &number) in functions.iter().zip(&renumbered) {
        if number as usize == tree.functions.len() {
            tree.functions.push(Arc::clone(function));
        }
    }
    tree.function_of.iter_mut().for_each(|number| *number = renumbered[*number as usize]);
}

/// A profile that was walked through.
struct Walked<S> {
    sink: S,
    functions: Vec<Arc<Function>>,
    /// The ranks of the nodes that have samples of V8's own work.
    with_own: Vec<usize>,
    /// Whether the nodes' counts are those of the samples.
    agrees: bool,
    /// The number of callers, the root included, that some node has, and none has more.
    deepest: u32,
}

fn walk_from<S: Sink>(
    root: &RawNode,
    samples: &[RawSample],
    own: &OwnCounts,
    isolate: &v8::Isolate,
    expected: &mut Expected,
) -> Result<Walked<S>, WalkError> {
    let mut walk = Walk {
        functions: Functions::new(isolate),
        counts: CrossCheck::new(expected.interval_bytes),
        first_nodes: FirstNodes::default(),
        sink: S::with_capacity(expected.nodes + expected.nodes / 8 + 16),
        rank: 0,
        own,
        with_own: Vec::new(),
    };
    walk.check_root(root)?;
    let deepest = walk.collect(root, expected.max_levels)?;
    let Walk { functions, counts, first_nodes, sink, rank, with_own, .. } = walk;
    if !expected.first_nodes.agrees_with(&first_nodes) {
        return Err(WalkError::OtherSession);
    }
    let agrees = counts.agrees_with(samples)?;
    expected.nodes = rank;
    expected.first_nodes.update(first_nodes);
    Ok(Walked { sink, functions: functions.functions, with_own, agrees, deepest })
}

/// What is made of the nodes of a profile, which come in preorder.
trait Sink {
    fn with_capacity(nodes: usize) -> Self;

    /// Takes a node.
    fn push(
        &mut self,
        raw: &RawNode,
        parent: u32,
        function: (u32, &Arc<Function>),
        allocations: &[RawAllocation],
    ) -> Result<(), Mismatch>;
}

impl Sink for ContextTree {
    fn with_capacity(nodes: usize) -> Self {
        Self {
            function_of: Vec::with_capacity(nodes),
            parents: Vec::with_capacity(nodes),
            ids: Vec::with_capacity(nodes),
            ..Self::default()
        }
    }

    #[inline]
    fn push(
        &mut self,
        raw: &RawNode,
        parent: u32,
        (function, _): (u32, &Arc<Function>),
        _: &[RawAllocation],
    ) -> Result<(), Mismatch> {
        self.function_of.push(function);
        self.parents.push(parent);
        self.ids.push(NodeId(raw.node_id));
        Ok(())
    }
}

impl Sink for Vec<Node> {
    fn with_capacity(nodes: usize) -> Self {
        Self::with_capacity(nodes)
    }

    #[inline]
    fn push(
        &mut self,
        raw: &RawNode,
        _: u32,
        (_, function): (u32, &Arc<Function>),
        allocations: &[RawAllocation],
    ) -> Result<(), Mismatch> {
        let mut node = Node::of(NodeId(raw.node_id), Arc::clone(function));
        node.child_ids = children(raw)?.iter().map(|child| NodeId(child.node_id)).collect();
        node.allocations = allocations.iter().map(Allocation::from).collect();
        self.push(node);
        Ok(())
    }
}

impl From<&RawAllocation> for Allocation {
    fn from(&RawAllocation { size, count }: &RawAllocation) -> Self {
        Self { count: count.into(), size: size as u64 }
    }
}

struct Walk<'a, S> {
    functions: Functions<'a>,
    counts: CrossCheck,
    first_nodes: FirstNodes,
    sink: S,
    /// The rank of the next node.
    rank: usize,
    own: &'a OwnCounts,
    /// The ranks of the nodes that have samples of V8's own work.
    with_own: Vec<usize>,
}

impl<S: Sink> Walk<'_, S> {
    /// Whether this is the root of an allocation profile as far as can be told, cheapest first.
    fn check_root(&mut self, root: &RawNode) -> Result<(), Mismatch> {
        if root.node_id != 1 || root.script_id != 0 || root.line_number != 0 {
            return Err(Mismatch::new(format_args!(
                "root node: id {}, script {}, line {} (expected 1, 0, 0)",
                root.node_id, root.script_id, root.line_number
            )));
        }
        children(root)?;
        allocations(root)?;
        let number = self.functions.number(root)?;
        let name = &self.functions.functions[number].name;
        if *name != "(root)" {
            return Err(Mismatch::new(format_args!("root node: name {name:?}")));
        }
        Ok(())
    }

    /// The nodes from `root` on, in preorder; says how deep the deepest is.
    ///
    /// Iterative: how deep the tree is is the script's business, not our stack's.
    fn collect<'p>(&mut self, root: &'p RawNode, max_levels: usize) -> Result<u32, Mismatch> {
        // For each level its node's rank, and the children that are still to be visited.
        let mut path: Vec<(u32, std::slice::Iter<'p, &'p RawNode>)> =
            Vec::with_capacity(max_levels.min(256));
        // Some nodes are looked at at once, so that the processor is not kept from going on to the
        // next ones, which are mostly out of its caches.
        let mut batch = Vec::with_capacity(Self::BATCH);
        let (mut rank, mut deepest) = (0, 0);
        let mut next = Some((root, NONE));
        while let Some((raw, parent)) = next {
            if rank == NONE {
                return Err(Mismatch::new(format_args!("number of nodes: more than 32 bits")));
            }
            let children = children(raw)?;
            batch.push((raw, parent));
            if batch.len() == Self::BATCH {
                self.push_all(&mut batch)?;
            }
            if !children.is_empty() {
                if path.len() == max_levels {
                    return Err(Mismatch::new(format_args!(
                        "depth of the tree: more than {max_levels} levels at node {}",
                        raw.node_id
                    )));
                }
                path.push((rank, children.iter()));
                deepest = deepest.max(path.len() as u32);
            }
            rank += 1;
            next = loop {
                let Some((parent, level)) = path.last_mut() else { break None };
                match level.next() {
                    Some(child) => break Some((following(raw, child), *parent)),
                    None => path.pop(),
                };
            };
        }
        self.push_all(&mut batch)?;
        Ok(deepest)
    }

    const BATCH: usize = 64;

    fn push_all(&mut self, batch: &mut Vec<(&RawNode, u32)>) -> Result<(), Mismatch> {
        for (raw, parent) in batch.drain(..) {
            self.push(raw, parent)?;
        }
        Ok(())
    }

    /// Takes a node.
    #[inline]
    fn push(&mut self, raw: &RawNode, parent: u32) -> Result<(), Mismatch> {
        let number = self.functions.number(raw)?;
        let function = &self.functions.functions[number];
        self.first_nodes.see(raw.node_id, function);
        if self.own.has(raw.node_id) {
            self.with_own.push(self.rank);
        }
        let allocations = allocations(raw)?;
        for allocation in allocations {
            self.counts.add(raw.node_id, allocation.into());
        }
        self.sink.push(raw, parent, (number as u32, function), allocations)?;
        self.rank += 1;
        Ok(())
    }
}

/// The node `next`, which comes after `last`.
///
/// V8's nodes stand in preorder in memory, mostly one right behind the other, and the lists of their
/// children elsewhere, mostly out of the caches. By the comparison the processor, which predicts its
/// result, goes on with the next node before the address of it has come from such a list: that
/// saves an eighth of what a collection takes beyond V8's call.
#[inline]
fn following<'p>(last: &RawNode, next: &'p &'p RawNode) -> &'p RawNode {
    let behind = std::ptr::from_ref(last).addr() + size_of::<RawNode>();
    let behind: *const RawNode = std::ptr::with_exposed_provenance(behind);
    if std::ptr::eq(behind, *next) {
        // SAFETY: it is the address of `next`, which is a node. V8 made it outside of Rust, where
        // all addresses are exposed.
        unsafe { &*behind }
    } else {
        // Not to be computed but where it is needed.
        std::hint::black_box(*next)
    }
}

/// The functions of a profile, each made once and shared by all its nodes.
struct Functions<'a> {
    isolate: &'a v8::Isolate,
    /// By the tagged pointer of V8's string. They are interned, and nothing allocates on the
    /// JavaScript heap during the walk, so no GC moves them: equal pointers are equal strings.
    names: HashMap<usize, Name, RandomState>,
    functions: Vec<Arc<Function>>,
    /// Places in `functions`.
    by_key: HashMap<FunctionKey, usize, RandomState>,
    /// What was looked up last, by a few bits of the key: saves most nodes the hash map.
    recent: Box<[(FunctionKey, usize)]>,
}

/// What tells a function from the others of one profile, cheap to compare.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
struct FunctionKey {
    name: usize,
    script_name: usize,
    script_id: i32,
    start_position: i32,
    line_number: i32,
    column_number: i32,
}

impl FunctionKey {
    fn new(raw: &RawNode) -> Result<Self, Mismatch> {
        Ok(Self {
            name: tagged_pointer(raw.name)?,
            script_name: tagged_pointer(raw.script_name)?,
            script_id: raw.script_id,
            start_position: raw.start_position,
            line_number: raw.line_number,
            column_number: raw.column_number,
        })
    }

    /// A place among the recent functions: names differ in the middle bits of their addresses,
    /// functions of one name in where they start.
    fn slot(&self) -> usize {
        let bits = (self.name >> 3) as u64 ^ u64::from(self.start_position as u32) << 20;
        (bits.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - Functions::RECENT_BITS)) as usize
    }
}

impl<'a> Functions<'a> {
    const RECENT_BITS: u32 = 10;

    fn new(isolate: &'a v8::Isolate) -> Self {
        Self {
            isolate,
            names: HashMap::default(),
            functions: Vec::new(),
            by_key: HashMap::default(),
            // The default key has null for names, which no key of a node has.
            recent: vec![Default::default(); 1 << Self::RECENT_BITS].into(),
        }
    }

    /// The number of a node's function: its place among the functions.
    #[inline]
    fn number(&mut self, raw: &RawNode) -> Result<usize, Mismatch> {
        let key = FunctionKey::new(raw)?;
        let slot = key.slot();
        if self.recent[slot].0 != key {
            self.recent[slot] = (key, self.find_or_make(key, raw)?);
        }
        Ok(self.recent[slot].1)
    }

    #[cold]
    fn find_or_make(&mut self, key: FunctionKey, raw: &RawNode) -> Result<usize, Mismatch> {
        if let Some(&place) = self.by_key.get(&key) {
            return Ok(place);
        }
        let script_id = positive(raw.script_id).and_then(ScriptId::new);
        let function = Function {
            script_id,
            script_name: self.name(raw.script_name)?,
            name: self.name(raw.name)?,
            line_number: positive(raw.line_number).and_then(NonZeroU32::new),
            column_number: positive(raw.column_number).and_then(NonZeroU32::new),
            start_position: script_id.and_then(|_| positive(raw.start_position)),
            original: None,
        };
        self.functions.push(Arc::new(function));
        let place = self.functions.len() - 1;
        self.by_key.insert(key, place);
        Ok(place)
    }

    /// The text behind a handle: converted the first time, shared from then on.
    fn name(&mut self, slot: *const StringSlot) -> Result<Name, Mismatch> {
        let tagged = tagged_pointer(slot)?;
        if let Some(name) = self.names.get(&tagged) {
            return Ok(name.clone());
        }
        // SAFETY: `Local<String>` is a pointer to such a slot, and `v8::String` an opaque type that
        // stands for what the slot refers to; the handle scope outlives the borrow.
        let string: &v8::String = unsafe { &*slot.cast::<v8::String>() };
        let name = Name::from(string.to_rust_string_lossy(self.isolate));
        self.names.insert(tagged, name.clone());
        Ok(name)
    }
}

/// What a handle to a string refers to.
#[inline]
fn tagged_pointer(slot: *const StringSlot) -> Result<usize, Mismatch> {
    if slot.is_null() || !slot.is_aligned() {
        return Err(Mismatch::of_address("the handle of a name", slot));
    }
    // SAFETY: a non-null, aligned `Local<String>` is a slot of the open handle scope.
    let tagged = unsafe { *slot } as usize;
    // V8 tags pointers to heap objects with 01.
    if tagged & 0b11 != 0b01 {
        return Err(Mismatch::of_address("the string behind a name", tagged as *const ()));
    }
    Ok(tagged)
}

/// V8's number, where it is one: negative numbers stand for unknown places.
#[inline]
fn positive(number: i32) -> Option<u32> {
    u32::try_from(number).ok()
}

/// The children of a node, whose addresses have been checked.
#[inline]
fn children(node: &RawNode) -> Result<&[&RawNode], Mismatch> {
    // SAFETY: V8 filled the vector before it returned the profile, and leaves it alone.
    let children = unsafe { node.children.as_slice("child nodes") }?;
    if let Some(&odd) = children.iter().find(|child| child.is_null() || !child.is_aligned()) {
        return Err(Mismatch::of_address("a child node", odd));
    }
    let children: *const [*const RawNode] = children;
    // SAFETY: references and pointers have one layout, and these are non-null, aligned `Node*`s in
    // the children of a node of the profile, which owns all its nodes and is borrowed.
    Ok(unsafe { &*(children as *const [&RawNode]) })
}

fn allocations(node: &RawNode) -> Result<&[RawAllocation], Mismatch> {
    // SAFETY: V8 filled the vector before it returned the profile, and leaves it alone.
    unsafe { node.allocations.as_slice("allocations") }
}

#[cfg(test)]
mod tests {
    use super::super::layout::CxxVector;
    use super::*;
    use crate::v8;

    /// A profile made by hand, of strings that V8 holds; pinned, as nodes point at each other.
    struct Fake {
        nodes: Vec<RawNode>,
        children: Vec<Vec<*const RawNode>>,
        allocations: Vec<Vec<RawAllocation>>,
        samples: Vec<RawSample>,
    }

    fn vector<T>(of: &[T]) -> CxxVector<T> {
        let range = of.as_ptr_range();
        CxxVector::from_parts(range.start, range.end, range.end)
    }

    fn string(scope: &v8::PinScope<'_, '_, ()>, text: &str) -> *const StringSlot {
        let local = v8::String::new(scope, text).unwrap();
        // SAFETY: `Local` is a non-null pointer to the slot.
        unsafe { std::mem::transmute::<v8::Local<'_, v8::String>, *const StringSlot>(local) }
    }

    impl Fake {
        /// A chain: each node the child of the one before, the last with two samples of 64 bytes.
        fn chain(scope: &v8::PinScope<'_, '_, ()>, names: &[&str]) -> Self {
            let script_name = string(scope, "fake.js");
            let mut fake = Self {
                nodes: Vec::new(),
                children: names.iter().map(|_| Vec::new()).collect(),
                allocations: names.iter().map(|_| Vec::new()).collect(),
                samples: Vec::new(),
            };
            for (id, name) in (1..).zip(names) {
                fake.nodes.push(RawNode {
                    name: string(scope, name),
                    script_name,
                    script_id: if id == 1 { 0 } else { 7 },
                    start_position: -1,
                    line_number: if id == 1 { 0 } else { 2 },
                    column_number: 0,
                    node_id: id,
                    children: vector(&[]),
                    allocations: vector(&[]),
                });
            }
            for at in 1..names.len() {
                let child = std::ptr::from_ref(&fake.nodes[at]);
                fake.children[at - 1].push(child);
            }
            fake.allocations.last_mut().unwrap().push(RawAllocation { size: 64, count: 2 });
            let node_id = names.len() as u32;
            fake.samples.extend((0..2).map(|sample_id| RawSample {
                node_id,
                size: 64,
                count: 1,
                sample_id,
                is_live: 1,
            }));
            fake
        }

        fn walk(&mut self, isolate: &v8::Isolate) -> Result<Vec<Node>, String> {
            for at in 0..self.nodes.len() {
                self.nodes[at].children = vector(&self.children[at]);
                self.nodes[at].allocations = vector(&self.allocations[at]);
            }
            self.walk_as_is(isolate)
        }

        fn walk_as_is(&self, isolate: &v8::Isolate) -> Result<Vec<Node>, String> {
            let options = SamplerOptions::new().interval_bytes(1).stack_depth(4);
            let mut expected = Expected::new(&options);
            let own = OwnCounts::default();
            nodes_from(&self.nodes[0], &self.samples, &own, isolate, &mut expected).map_err(
                |error| match error {
                    WalkError::Mismatch(mismatch) | WalkError::Disagreement(mismatch) => {
                        mismatch.to_string()
                    }
                    WalkError::OtherSession => panic!("a first profile has nothing before it"),
                },
            )
        }
    }

    #[test]
    fn what_does_not_look_like_a_profile_is_refused() {
        let mut isolate = fixtures::isolate();
        v8::scope!(let scope, &mut isolate);
        let names = ["(root)", "f", "g"];

        let nodes = Fake::chain(scope, &names).walk(scope).unwrap();
        assert_eq!(nodes.iter().map(|node| node.name.as_str()).collect::<Vec<_>>(), names);
        assert_eq!(nodes[0].child_ids[..], [NodeId(2)]);
        assert_eq!(nodes[1].script_id, ScriptId::new(7));
        assert_eq!((nodes[1].start_position, nodes[1].column_number), (None, None));
        assert_eq!(nodes[2].allocations[..], [Allocation { count: 2, size: 64 }]);

        let refused = |change: &dyn Fn(&mut Fake)| {
            let mut fake = Fake::chain(scope, &names);
            change(&mut fake);
            fake.walk(scope).unwrap_err()
        };
        assert_eq!(
            refused(&|fake| fake.nodes[0].node_id = 2),
            "root node: id 2, script 0, line 0 (expected 1, 0, 0)"
        );
        assert!(refused(&|fake| fake.nodes[0].script_id = 7).contains("script 7"));
        assert!(refused(&|fake| fake.nodes[0].line_number = 7).contains("line 7"));
        let other = string(scope, "(boot)");
        assert_eq!(refused(&|fake| fake.nodes[0].name = other), "root node: name \"(boot)\"");
        assert_eq!(
            refused(&|fake| fake.nodes[1].name = std::ptr::null()),
            "address of the handle of a name: 0x0"
        );
        let odd = other.cast::<u8>().wrapping_add(1).cast();
        assert!(
            refused(&|fake| fake.nodes[1].script_name = odd).starts_with("address of the handle")
        );
        let not_a_string: StringSlot = std::ptr::without_provenance(42 << 32);
        assert_eq!(
            refused(&|fake| fake.nodes[1].name = &not_a_string),
            "address of the string behind a name: 0x2a00000000"
        );
        assert_eq!(
            refused(&|fake| fake.children[1].push(std::ptr::null())),
            "address of a child node: 0x0"
        );
        let odd = std::ptr::without_provenance(0x1001);
        assert_eq!(refused(&|fake| fake.children[1].push(odd)), "address of a child node: 0x1001");
        assert_eq!(
            refused(&|fake| fake.allocations[2][0].count = 3),
            "node 3: count 3 for 2 samples of 64 bytes at an interval of 1 bytes"
        );
        assert!(refused(&|fake| fake.samples[1].is_live = 9).contains("is_live"));
    }

    #[test]
    fn vectors_whose_pointers_do_not_fit_are_refused() {
        let mut isolate = fixtures::isolate();
        v8::scope!(let scope, &mut isolate);
        let mut fake = Fake::chain(scope, &["(root)", "f"]);
        fake.walk(scope).unwrap();
        let end = fake.children[0].as_ptr_range().end;
        fake.nodes[0].children = CxxVector::from_parts(end, fake.children[0].as_ptr(), end);
        assert!(fake.walk_as_is(scope).unwrap_err().starts_with("vector of child nodes: begin"));
    }

    #[test]
    fn a_tree_deeper_than_asked_for_is_refused() {
        let mut isolate = fixtures::isolate();
        v8::scope!(let scope, &mut isolate);
        // Depth 4: the root, four frames, `(deopt)`.
        assert!(Fake::chain(scope, &["(root)", "1", "2", "3", "4", "(deopt)"]).walk(scope).is_ok());
        let mut deep = Fake::chain(scope, &["(root)", "1", "2", "3", "4", "5", "6", "7"]);
        assert_eq!(
            deep.walk(scope).unwrap_err(),
            "depth of the tree: more than 6 levels at node 7"
        );
        // A node that is its own descendant cannot be told from a deep tree, nor need it be.
        let mut looped = Fake::chain(scope, &["(root)", "f"]);
        let f = std::ptr::from_ref(&looped.nodes[1]);
        looped.children[1].push(f);
        assert!(looped.walk(scope).unwrap_err().starts_with("depth of the tree"));
    }
}
