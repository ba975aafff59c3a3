//! Turns V8's profile into owned nodes, checking before it trusts.

use std::collections::HashMap;
use std::num::NonZeroU32;

use foldhash::fast::RandomState;

use super::Mismatch;
use super::layout::{RawAllocation, RawNode, RawSample, StringSlot};
use super::profile::OwnedProfile;
use crate::profile::{Allocation, ChildIds, Name, Node, NodeId, SamplerOptions, ScriptId};

/// What a session's options say about its profiles, and how large the last one was.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    interval_bytes: u64,
    /// The root, the frames, and `(deopt)`.
    max_levels: usize,
    nodes: usize,
}

impl Expected {
    pub(super) fn new(options: &SamplerOptions) -> Self {
        Self {
            interval_bytes: options.interval_bytes,
            max_levels: options.stack_depth as usize + 2,
            nodes: 0,
        }
    }
}

/// A profile that failed a check.
pub(super) struct WalkError {
    pub(super) mismatch: Mismatch,
    /// Whether V8's own work while it built the profile can explain it: then another try helps.
    pub(super) may_be_own_work: bool,
}

impl From<Mismatch> for WalkError {
    fn from(mismatch: Mismatch) -> Self {
        Self { mismatch, may_be_own_work: false }
    }
}

/// Reads all nodes, parents before children and siblings in V8's order, and checks them against
/// the samples.
pub(super) fn walk(
    profile: &OwnedProfile,
    isolate: &v8::Isolate,
    expected: &mut Expected,
) -> Result<Vec<Node>, WalkError> {
    let root = profile.root()?;
    let samples = profile.samples()?;
    let mut walk = Walk {
        isolate,
        names: HashMap::default(),
        nodes: Vec::with_capacity(expected.nodes + expected.nodes / 8 + 16),
    };
    walk.check_root(root)?;
    walk.collect(root, expected.max_levels)?;
    let nodes = walk.nodes;
    cross_check(&nodes, samples, expected.interval_bytes)
        .map_err(|mismatch| WalkError { mismatch, may_be_own_work: true })?;
    expected.nodes = nodes.len();
    Ok(nodes)
}

struct Walk<'a> {
    isolate: &'a v8::Isolate,
    /// Names by the tagged pointer of V8's string. They are interned, and nothing allocates on the
    /// JavaScript heap during the walk, so no GC moves them: equal pointers are equal strings.
    names: HashMap<usize, Name, RandomState>,
    nodes: Vec<Node>,
}

/// A node whose children are being visited.
struct Level<'a> {
    /// Its place in `Walk::nodes`.
    node: usize,
    children: std::slice::Iter<'a, *const RawNode>,
}

impl Walk<'_> {
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
        let name = self.name(root.name)?;
        if name != "(root)" {
            return Err(Mismatch::new(format_args!("root node: name {name:?}")));
        }
        Ok(())
    }

    /// The nodes from `root` on, in preorder.
    ///
    /// Iterative: how deep the tree is is the script's business, not our stack's.
    fn collect<'p>(&mut self, root: &'p RawNode, max_levels: usize) -> Result<(), Mismatch> {
        let mut path: Vec<Level<'p>> = Vec::with_capacity(max_levels.min(256));
        self.push(root)?;
        path.push(Level { node: 0, children: children(root)?.iter() });
        while let Some(level) = path.last_mut() {
            let Some(&child) = level.children.next() else {
                path.pop();
                continue;
            };
            if child.is_null() || !child.is_aligned() {
                return Err(Mismatch::new(format_args!("address of a child node: {child:p}")));
            }
            // SAFETY: a non-null, aligned `Node*` in the children of a node of the profile, which
            // owns all its nodes and is borrowed.
            let child: &'p RawNode = unsafe { &*child };
            self.nodes[level.node].child_ids.push(NodeId(child.node_id));
            let node = self.nodes.len();
            self.push(child)?;
            let grandchildren = children(child)?;
            if !grandchildren.is_empty() {
                if path.len() == max_levels {
                    return Err(Mismatch::new(format_args!(
                        "depth of the tree: more than {max_levels} levels at node {}",
                        child.node_id
                    )));
                }
                path.push(Level { node, children: grandchildren.iter() });
            }
        }
        Ok(())
    }

    #[inline]
    fn push(&mut self, raw: &RawNode) -> Result<(), Mismatch> {
        let name = self.name(raw.name)?;
        let script_name = self.name(raw.script_name)?;
        let script_id = positive(raw.script_id).and_then(ScriptId::new);
        self.nodes.push(Node {
            id: NodeId(raw.node_id),
            script_id,
            script_name,
            name,
            line_number: positive(raw.line_number).and_then(NonZeroU32::new),
            column_number: positive(raw.column_number).and_then(NonZeroU32::new),
            start_position: script_id.and_then(|_| positive(raw.start_position)),
            allocations: allocations(raw)?
                .iter()
                .map(|raw| Allocation { count: raw.count.into(), size: raw.size as u64 })
                .collect(),
            child_ids: ChildIds::new(),
        });
        Ok(())
    }

    /// The name behind a handle: converted the first time, shared from then on.
    #[inline]
    fn name(&mut self, slot: *const StringSlot) -> Result<Name, Mismatch> {
        if slot.is_null() || !slot.is_aligned() {
            return Err(Mismatch::new(format_args!("handle of a name: {slot:p}")));
        }
        // SAFETY: a non-null, aligned `Local<String>` is a slot of the open handle scope.
        let tagged = unsafe { *slot } as usize;
        if let Some(name) = self.names.get(&tagged) {
            return Ok(name.clone());
        }
        self.convert(slot, tagged)
    }

    #[cold]
    fn convert(&mut self, slot: *const StringSlot, tagged: usize) -> Result<Name, Mismatch> {
        // V8 tags pointers to heap objects with 01.
        if tagged & 0b11 != 0b01 {
            return Err(Mismatch::new(format_args!("string behind a name: {tagged:#x}")));
        }
        // SAFETY: `Local<String>` is a pointer to such a slot, and `v8::String` an opaque type that
        // stands for what the slot refers to; the handle scope outlives the borrow.
        let string: &v8::String = unsafe { &*slot.cast::<v8::String>() };
        let name = Name::from(string.to_rust_string_lossy(self.isolate));
        self.names.insert(tagged, name.clone());
        Ok(name)
    }
}

#[inline]
fn positive(number: i32) -> Option<u32> {
    u32::try_from(number).ok()
}

fn children(node: &RawNode) -> Result<&[*const RawNode], Mismatch> {
    // SAFETY: V8 filled the vector before it returned the profile, and leaves it alone.
    unsafe { node.children.as_slice("child nodes") }
}

fn allocations(node: &RawNode) -> Result<&[RawAllocation], Mismatch> {
    // SAFETY: V8 filled the vector before it returned the profile, and leaves it alone.
    unsafe { node.allocations.as_slice("allocations") }
}

/// Checks that nodes and samples tell the same story: every sample's node exists, and per node and
/// size the count is V8's formula of the number of samples.
fn cross_check(
    nodes: &[Node],
    samples: &[RawSample],
    interval_bytes: u64,
) -> Result<(), Mismatch> {
    let mut sampled: HashMap<(u32, u64), u64, RandomState> =
        HashMap::with_capacity_and_hasher(samples.len(), RandomState::default());
    for sample in samples {
        if sample.is_live > 1 {
            return Err(Mismatch::new(format_args!(
                "sample {}: is_live {}",
                sample.sample_id, sample.is_live
            )));
        }
        *sampled.entry((sample.node_id, sample.size as u64)).or_default() += 1;
    }
    for node in nodes {
        for allocation in &node.allocations {
            let n = sampled.remove(&(node.id.0, allocation.size)).unwrap_or(0);
            if !is_v8_count(allocation.count, n, allocation.size, interval_bytes) {
                return Err(Mismatch::new(format_args!(
                    "node {}: count {} for {n} samples of {} bytes at an interval of \
                     {interval_bytes} bytes",
                    node.id, allocation.count, allocation.size
                )));
            }
        }
    }
    match sampled.iter().next() {
        None => Ok(()),
        Some(((id, size), n)) => Err(Mismatch::new(format_args!(
            "{n} samples of {size} bytes at node {id}, which has no such allocation"
        ))),
    }
}

/// Whether `count` is what V8 makes of `n` samples: `floor(n / p + 0.5)`, with
/// `p = 1 - exp(-size / interval)` (`SamplingHeapProfiler::ScaleSample`).
fn is_v8_count(count: u64, n: u64, size: u64, interval_bytes: u64) -> bool {
    if n == 0 {
        return false;
    }
    let scale = 1.0 / (1.0 - (-(size as f64) / interval_bytes as f64).exp());
    let exact = n as f64 * scale + 0.5;
    // C++ and Rust may use different `exp`s, which may differ in the last digits.
    let slack = exact * 1e-9;
    let count = count as f64;
    // Beyond 32 bits V8's conversion is undefined.
    exact >= f64::from(u32::MAX) || ((exact - slack).floor()..=exact + slack).contains(&count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(node_id: u32, size: usize) -> RawSample {
        RawSample { node_id, size, count: 1, sample_id: 1, is_live: 1 }
    }

    fn node(id: u32, allocations: &[Allocation]) -> Node {
        let mut node = Node::new(NodeId(id), "f");
        node.allocations = allocations.into();
        node
    }

    #[test]
    fn v8_counts_are_recognised() {
        // 1 / (1 - exp(-1.2)) = 1.4310...: one sample counts 1, two count 3.
        assert!(is_v8_count(1, 1, 1200, 1000));
        assert!(is_v8_count(3, 2, 1200, 1000));
        assert!(!is_v8_count(2, 1, 1200, 1000));
        assert!(!is_v8_count(0, 0, 1200, 1000));
        assert!(is_v8_count(10_000, 10_000, 24, 1));
    }

    #[test]
    fn samples_and_nodes_must_agree() {
        let nodes = [node(1, &[]), node(2, &[Allocation { count: 2, size: 64 }])];
        let check = |samples: &[RawSample]| {
            cross_check(&nodes, samples, 1).map_err(|mismatch| mismatch.to_string())
        };
        assert_eq!(check(&[sample(2, 64), sample(2, 64)]), Ok(()));
        assert!(check(&[sample(2, 64)]).unwrap_err().contains("count 2 for 1 samples"));
        assert!(check(&[]).unwrap_err().contains("count 2 for 0 samples"));
        let unknown = check(&[sample(2, 64), sample(2, 64), sample(9, 64)]).unwrap_err();
        assert!(unknown.contains("at node 9, which has no such allocation"), "{unknown}");
        let mut strange = sample(2, 64);
        strange.is_live = 7;
        assert!(check(&[strange]).unwrap_err().contains("is_live 7"));
    }
}
