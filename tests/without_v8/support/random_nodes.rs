//! Random nodes, and sums over them by hand.

use std::num::NonZeroU32;

use proptest::prelude::*;
use v8_heap_sampler::{Allocation, Context, Node, NodeId, ScriptId};

/// A random tree as a list of nodes in random order.
///
/// Few names and scripts, so that functions recur along a path and across the tree.
pub(crate) fn nodes() -> impl Strategy<Value = Vec<Node>> {
    let node = (
        any::<prop::sample::Index>(),
        prop::sample::select(vec!["", "a", "b", "c", "(GC)"]),
        (0..3_u32, 0..3_u32, prop::option::of(0..2_u32)),
        prop::collection::vec((1..5_u64, 0..1000_u64), 0..3),
    );
    let shape = prop::collection::vec(node, 0..60);
    (shape, any::<bool>(), any::<u64>()).prop_map(|(shape, sparse_ids, seed)| {
        let id = |at: usize| {
            let at = at as u32 + 1;
            // An odd factor makes it a permutation of the 32-bit numbers.
            NodeId(if sparse_ids { at.wrapping_mul(0x9E37_79B1) } else { at })
        };
        let mut nodes = vec![Node::new(id(0), "(root)")];
        for (parent, name, (script, line, start_position), allocations) in shape {
            let parent = parent.index(nodes.len());
            let mut node = Node::new(id(nodes.len()), name);
            node.script_id = ScriptId::new(script);
            node.line_number = NonZeroU32::new(line);
            node.start_position = start_position;
            node.allocations = allocations
                .into_iter()
                .map(|(size, count)| Allocation { count, size: size * 8 })
                .collect();
            nodes[parent].child_ids.push(node.id);
            nodes.push(node);
        }
        let mut order: Vec<_> = nodes.into_iter().enumerate().collect();
        order.sort_by_key(|(at, _)| (*at as u64 ^ seed).wrapping_mul(seed | 1).rotate_left(23));
        order.into_iter().map(|(_, node)| node).collect()
    })
}

/// Objects and bytes that nodes say they allocated.
pub(crate) fn allocated<'n>(nodes: impl IntoIterator<Item = &'n Node>) -> [f64; 2] {
    let allocations = nodes.into_iter().flat_map(|node| &node.allocations);
    allocations.fold([0.0; 2], |[objects, bytes], of| {
        [objects + of.count as f64, bytes + (of.count * of.size) as f64]
    })
}

/// The contexts from the root to one, itself included.
pub(crate) fn path(context: Context<'_>) -> Vec<Context<'_>> {
    let mut path: Vec<_> =
        std::iter::successors(Some(context), |context| context.parent()).collect();
    path.reverse();
    path
}
