//! Nodes as of a large program, without V8.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU32;
use std::sync::Arc;

use v8_heap_sampler::{Allocation, Function, Node, NodeId, ScriptId};

const FUNCTIONS: u32 = 1000;

/// A profile as V8 would make it of random stacks of 1,000 functions that call ten others each:
/// nodes numbered in the order in which stacks were sampled, listed in preorder, siblings ordered
/// by place. Another seed is another program of the same functions.
pub(crate) fn random_nodes(count: usize, seed: u64) -> Vec<Node> {
    let functions: Vec<Arc<Function>> = (0..FUNCTIONS)
        .map(|at| {
            let mut function = Function::named(format!("function{at}"));
            function.script_id = ScriptId::new(1 + at % 7);
            function.script_name = format!("file:///script{}.js", at % 7).into();
            function.line_number = NonZeroU32::new(1 + at * 10);
            function.column_number = NonZeroU32::new(5);
            function.start_position = Some(at * 300);
            Arc::new(function)
        })
        .collect();
    let mut children: Vec<BTreeMap<u32, u32>> = vec![BTreeMap::new()];
    let mut allocations: HashMap<u32, Allocation> = HashMap::new();
    let mut seed = seed;
    let mut random = move |below: u32| {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (seed >> 33) as u32 % below
    };
    let mut function_of = vec![0];
    while children.len() < count {
        let (mut at, mut function) = (0, 0);
        for depth in 0..20 + random(30) {
            let call = random(if depth < 8 { 3 } else { 10 });
            function = (function * 31 + call * 97 + 1) % FUNCTIONS;
            let next = children.len() as u32;
            let child = *children[at as usize].entry(function).or_insert(next);
            if child == next {
                children.push(BTreeMap::new());
                function_of.push(function);
            }
            at = child;
        }
        let size = u64::from(16 + 8 * random(20));
        allocations.entry(at).or_insert(Allocation { count: 0, size }).count += 1;
    }

    let mut nodes = Vec::with_capacity(children.len());
    let mut pending = vec![0_u32];
    while let Some(at) = pending.pop() {
        let id = NodeId(at + 1);
        let mut node = match at {
            0 => Node::new(id, "(root)"),
            _ => Node::of(id, Arc::clone(&functions[function_of[at as usize] as usize])),
        };
        node.allocations.extend(allocations.get(&at).copied());
        node.child_ids = children[at as usize].values().map(|child| NodeId(child + 1)).collect();
        pending.extend(children[at as usize].values().rev());
        nodes.push(node);
    }
    nodes
}
