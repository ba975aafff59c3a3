//! Random profiles together with what they say as a plain list of stacks, from which every answer
//! can be worked out by brute force.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use proptest::prelude::*;
use v8_heap_sampler::{
    Estimate, Function, KeepDead, Node, NodeId, Profile, Sample, SampleId, SampleType,
    SamplerOptions, ScriptId,
};

/// A function of the pool from which random stacks are made, by its number.
pub(crate) type Number = usize;

/// Name, script, id of the script, line; then the names of its script, directory and package as
/// tables show them.
type Pooled = (&'static str, &'static str, Option<u32>, u32, [&'static str; 3]);

/// Of one name in several places and scripts, without names, without scripts. The last two are what
/// others are too, by place: a script that was loaded again, and one whose text has moved.
const POOL: [Pooled; 12] = [
    ("a", "app.js", Some(1), 3, ["app.js", ".", "(own code)"]),
    ("a", "app.js", Some(1), 9, ["app.js", ".", "(own code)"]),
    ("b", "app.js", Some(1), 4, ["app.js", ".", "(own code)"]),
    (
        "b",
        "/srv/node_modules/x/lib/i.js",
        Some(3),
        4,
        ["/srv/node_modules/x/lib/i.js", "/srv/node_modules/x/lib", "x"],
    ),
    (
        "",
        "/srv/node_modules/x/lib/j.js",
        Some(4),
        1,
        ["/srv/node_modules/x/lib/j.js", "/srv/node_modules/x/lib", "x"],
    ),
    ("", "", Some(5), 2, ["(script 5)"; 3]),
    ("", "", Some(6), 2, ["(script 6)"; 3]),
    ("map", "", None, 0, ["(no script)"; 3]),
    ("(GC)", "", None, 0, ["(no script)"; 3]),
    ("read", "node:fs", Some(7), 8, ["node:fs", ".", "node:fs"]),
    ("a", "app.js", Some(2), 3, ["app.js", ".", "(own code)"]),
    ("b", "app.js", Some(2), 4, ["app.js", ".", "(own code)"]),
];

/// So many of the pool's functions are all at places of their own.
pub(crate) const AT_OWN_PLACES: usize = 10;

/// The number of what V8 calls the root.
pub(crate) const ROOT: Number = Number::MAX;

pub(crate) fn function(number: Number) -> Function {
    if number == ROOT {
        return Function::named("(root)");
    }
    let (name, script, id, line, _) = POOL[number];
    let mut function = Function::named(name);
    function.script_name = script.into();
    function.script_id = id.and_then(ScriptId::new);
    function.line_number = NonZeroU32::new(line);
    function
}

/// What makes a function the same across scripts that are loaded again.
pub(crate) type Place = (String, String, u32, u32);

pub(crate) fn place_of(function: &Function) -> Place {
    let id = function.script_id.filter(|_| function.script_name.is_empty());
    (
        function.name.to_string(),
        function.script_name.to_string(),
        id.map_or(0, ScriptId::get),
        function.line_number.map_or(0, NonZeroU32::get),
    )
}

pub(crate) fn place(number: Number) -> Place {
    place_of(&function(number))
}

/// The name of a function's script, directory or package.
pub(crate) fn group(number: Number, which: usize) -> &'static str {
    POOL[number].4[which]
}

/// What samples stand for, with the variance of that.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Weight {
    pub(crate) value: f64,
    pub(crate) variance: f64,
    pub(crate) samples: u64,
}

impl Weight {
    pub(crate) fn of(size: u64, interval: u64, of: SampleType) -> Self {
        // At an interval of 1 byte, every object is sampled.
        let p = if interval == 1 { 1.0 } else { -(-(size as f64) / interval as f64).exp_m1() };
        let each = if of.unit() == "bytes" { size as f64 } else { 1.0 };
        Self { value: each / p, variance: each * each * (1.0 - p) / (p * p), samples: 1 }
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.value += other.value;
        self.variance += other.variance;
        self.samples += other.samples;
    }

    #[track_caller]
    pub(crate) fn assert_is(&self, amount: &Estimate) {
        assert_close(amount.value(), self.value);
        assert_eq!(amount.samples(), Some(self.samples));
        assert_close(amount.standard_error().unwrap().powi(2), self.variance);
    }
}

#[track_caller]
pub(crate) fn assert_close(found: f64, wanted: f64) {
    let most = 1e-9 * found.abs().max(wanted.abs()).max(1.0);
    assert!((found - wanted).abs() <= most, "{found}, not {wanted}");
}

/// A sample: what it stands for, and the stack, the outermost function first, without the root.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub(crate) node: usize,
    pub(crate) stack: Vec<Number>,
    pub(crate) weight: Weight,
}

/// A random profile, and the stacks in it.
#[derive(Clone, Debug)]
pub(crate) struct Stacks {
    pub(crate) profile: Profile,
    pub(crate) of: SampleType,
    /// The contexts, the root first, each with its parent and its function; a parent stands before
    /// its children, and siblings in their order. That of the root is [`ROOT`] or one of the
    /// pool's.
    pub(crate) nodes: Vec<(usize, Number)>,
    pub(crate) pieces: Vec<Piece>,
}

impl Stacks {
    pub(crate) fn stack(&self, node: usize) -> Vec<Number> {
        stack_of(&self.nodes, node)
    }

    pub(crate) fn sum(&self, which: impl Fn(&Piece) -> bool) -> Weight {
        let mut sum = Weight::default();
        self.pieces.iter().filter(|piece| which(piece)).for_each(|piece| sum.add(piece.weight));
        sum
    }

    pub(crate) fn children(&self, node: usize) -> impl Iterator<Item = usize> {
        (1..self.nodes.len()).filter(move |&child| self.nodes[child].0 == node)
    }

    /// What a context and all below it allocated.
    pub(crate) fn total(&self, node: usize) -> Weight {
        self.sum(|piece| self.is_below(piece.node, node))
    }

    fn is_below(&self, mut node: usize, above: usize) -> bool {
        while node != above && node != 0 {
            node = self.nodes[node].0;
        }
        node == above
    }

    /// The numbers of the contexts in preorder.
    pub(crate) fn preorder(&self) -> Vec<usize> {
        let mut order = Vec::new();
        let mut open = vec![0];
        while let Some(node) = open.pop() {
            order.push(node);
            let children: Vec<_> = self.children(node).collect();
            open.extend(children.into_iter().rev());
        }
        order
    }

    /// The functions that appear, whether or not anything was allocated there.
    pub(crate) fn functions(&self) -> Vec<Number> {
        let mut functions: Vec<_> = self.nodes[1..].iter().map(|node| node.1).collect();
        functions.sort_unstable();
        functions.dedup();
        functions
    }

    /// What each stack allocated itself, by places.
    pub(crate) fn by_places(&self) -> BTreeMap<Vec<Place>, Weight> {
        let mut sums: BTreeMap<_, Weight> = BTreeMap::new();
        for piece in &self.pieces {
            let stack = piece.stack.iter().map(|&number| place(number)).collect();
            sums.entry(stack).or_default().add(piece.weight);
        }
        sums
    }
}

fn stack_of(nodes: &[(usize, Number)], mut node: usize) -> Vec<Number> {
    let mut stack = Vec::new();
    while node != 0 {
        stack.push(nodes[node].1);
        node = nodes[node].0;
    }
    stack.reverse();
    stack
}

/// Random stacks of the first `functions` functions of the pool, of one sample in 512 bytes.
pub(crate) fn stacks(functions: usize) -> impl Strategy<Value = Stacks> {
    let node = (any::<prop::sample::Index>(), any::<bool>(), 0..functions);
    let nodes = prop::collection::vec(node, 0..50);
    let sample = (any::<prop::sample::Index>(), 1..250_u64, any::<bool>());
    let samples = prop::collection::vec(sample, 0..60);
    let of = prop::sample::select(SampleType::ALL.to_vec());
    // Files may have a root that is what stands on stacks too.
    let root = prop::sample::select(vec![ROOT, 0]);
    (nodes, samples, of, root).prop_map(|(shape, samples, of, root)| {
        let mut nodes = vec![(0, root)];
        for (parent, is_deep, function) in shape {
            // Chains, so that functions recur on a stack.
            let parent = if is_deep { nodes.len() - 1 } else { parent.index(nodes.len()) };
            nodes.push((parent, function));
        }
        let samples: Vec<_> = samples
            .into_iter()
            .map(|(node, size, is_live)| (node.index(nodes.len()), size * 8, is_live))
            .collect();
        made(nodes, &samples, of, 512)
    })
}

/// The same where every object is sampled, and values are whole numbers.
pub(crate) fn exact_stacks(functions: usize) -> impl Strategy<Value = Stacks> {
    stacks(functions).prop_map(|stacks| {
        // The odds of missing one of 48 bytes or more at an interval of 1 are less than rounding.
        let samples: Vec<_> =
            (6..).zip(&stacks.pieces).map(|(at, piece)| (piece.node, 8 * at, true)).collect();
        made(stacks.nodes, &samples, SampleType::InuseSpace, 1)
    })
}

/// A profile of contexts and of samples: node, size, whether it is alive.
fn made(
    nodes: Vec<(usize, Number)>,
    samples: &[(usize, u64, bool)],
    of: SampleType,
    interval: u64,
) -> Stacks {
    let is_alloc = matches!(of, SampleType::AllocObjects | SampleType::AllocSpace);
    let pieces = samples
        .iter()
        .filter(|(.., is_live)| *is_live || is_alloc)
        .map(|&(node, size, _)| Piece {
            node,
            stack: stack_of(&nodes, node),
            weight: Weight::of(size, interval, of),
        })
        .collect();
    Stacks { pieces, ..made_without_pieces(nodes, samples, of, interval) }
}

/// The same for stacks that are too deep to write them all down.
pub(crate) fn made_without_pieces(
    nodes: Vec<(usize, Number)>,
    samples: &[(usize, u64, bool)],
    of: SampleType,
    interval: u64,
) -> Stacks {
    let id = |at: usize| NodeId(at as u32 + 1);
    let mut made: Vec<Node> = Vec::new();
    for (at, &(parent, number)) in nodes.iter().enumerate() {
        let function = function(number);
        let mut node = Node::new(id(at), function.name.clone());
        node.script_name = function.script_name.clone();
        node.script_id = function.script_id;
        node.line_number = function.line_number;
        made.push(node);
        if at > 0 {
            made[parent].child_ids.push(id(at));
        }
    }
    let is_alloc = matches!(of, SampleType::AllocObjects | SampleType::AllocSpace);
    let keep_dead = if is_alloc { KeepDead::Both } else { KeepDead::MajorGc };
    let samples = (1..)
        .zip(samples)
        .map(|(at, &(node, size, is_live))| Sample::new(id(node), size, SampleId(at), is_live));
    let options = SamplerOptions::new().interval_bytes(interval).keep_dead(keep_dead);
    let profile = Profile::from_samples(&made, samples, &options).unwrap();
    Stacks { profile, of, nodes, pieces: Vec::new() }
}

/// What each stack of a profile allocated itself, by its functions.
pub(crate) fn by_stack(profile: &Profile, of: SampleType) -> Vec<(Vec<String>, f64)> {
    let values = profile.values(of).unwrap();
    let mut stacks: BTreeMap<Vec<String>, f64> = BTreeMap::new();
    for context in profile.contexts().filter(|context| values[context.index()] != 0.0) {
        let callers = std::iter::successors(Some(context), |context| context.parent());
        let mut stack: Vec<String> = callers
            .filter(|context| context.parent().is_some())
            .map(|context| format!("{:?}", context.function()))
            .collect();
        stack.reverse();
        *stacks.entry(stack).or_default() += values[context.index()];
    }
    stacks.into_iter().collect()
}
