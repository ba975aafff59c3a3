//! Our nodes against the inspector protocol's profile of the same session: same tree, names,
//! scripts, lines, ids and sizes.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use fixtures::{Inspector, ProfileNode, Realm, SamplingHeapProfile};
use v8_heap_sampler::{Function, HeapSampler, Node, NodeId, Profile, PseudoFrame};

/// Compares a profile and the nodes of the same moment with the protocol's profile, context by
/// context.
///
/// The protocol shows V8's own work for our collections, and we leave it out: those samples are the
/// ones that we do not have, as many as we say.
///
/// # Panics
///
/// If they differ.
pub(crate) fn assert_same(ours: &Profile, nodes: &[Node], theirs: &SamplingHeapProfile) {
    let samples = ours.samples().unwrap();
    let known: HashSet<u64> = samples.iter().map(|sample| sample.ordinal).collect();
    let (program, own): (Vec<_>, Vec<_>) =
        theirs.samples.iter().partition(|sample| known.contains(&(sample.ordinal as u64)));
    assert_eq!(program.len(), samples.len());
    let own_work = ours.collection().unwrap().own_work;
    assert_eq!(own.len() as u64, own_work.samples.0, "samples of V8's own work");
    let node_of: HashMap<u64, u32> =
        program.iter().map(|sample| (sample.ordinal as u64, sample.node_id)).collect();
    let callers: HashMap<NodeId, NodeId> = nodes
        .iter()
        .flat_map(|node| node.child_ids.iter().map(|&child| (child, node.id)))
        .collect();
    let by_id: HashMap<NodeId, &Node> = nodes.iter().map(|node| (node.id, node)).collect();
    let contexts: Vec<_> = ours.contexts().collect();
    for sample in samples {
        let context = contexts[sample.context as usize];
        let node = NodeId(node_of[&sample.ordinal]);
        let stack = std::iter::successors(Some(node), |node| callers.get(node).copied());
        let stack = stack.map(|node| &by_id[&node].function);
        let shown = std::iter::successors(Some(context), |context| context.parent());
        let shown = shown.map(|context| context.function());
        let is_known =
            |function: &&Arc<Function>| function.pseudo_frame() != Some(PseudoFrame::Cut);
        assert!(stack.eq(shown.filter(is_known)), "stack of node {node}");
        if ours.cut_stacks().is_none() {
            assert_eq!(context.id(), Some(node));
        }
    }
    let sampled: HashSet<u32> = program.iter().map(|sample| sample.node_id).collect();
    let own: HashSet<u32> = own.iter().map(|sample| sample.node_id).collect();

    // Both forms are of the same contexts, in the same order, but for those of stacks that were cut.
    if ours.cut_stacks().is_none() {
        let ids: Vec<NodeId> = contexts.iter().map(|context| context.id().unwrap()).collect();
        assert_eq!(nodes.iter().map(|node| node.id).collect::<Vec<_>>(), ids);
    }
    let mut compared = 0;
    let mut pending = vec![(&nodes[0], &theirs.head)];
    while let Some((node, theirs)) = pending.pop() {
        assert_same_node(node, theirs, own.contains(&theirs.id));
        // Every sample belongs to a node with an allocation of which it is a part.
        assert_eq!(node.allocations.is_empty(), !sampled.contains(&theirs.id), "{}", node.id);
        let children: Vec<_> = node.child_ids.iter().map(|child| by_id[child]).collect();
        let with_samples = theirs.children.iter().filter(|child| has_samples(child, &sampled));
        assert_eq!(children.len(), with_samples.clone().count(), "children of node {}", node.id);
        pending.extend(children.into_iter().zip(with_samples));
        compared += 1;
    }
    assert_eq!(compared, nodes.len());
}

/// The bytes that a node itself allocated, by V8's counts.
pub(crate) fn bytes(node: &Node) -> u64 {
    node.allocations.iter().map(|allocation| allocation.size * allocation.count).sum()
}

/// Whether the node or one below it has a sample.
fn has_samples(node: &ProfileNode, sampled: &HashSet<u32>) -> bool {
    let mut pending = vec![node];
    while let Some(node) = pending.pop() {
        if sampled.contains(&node.id) {
            return true;
        }
        pending.extend(&node.children);
    }
    false
}

fn assert_same_node(ours: &Node, theirs: &ProfileNode, with_own_work: bool) {
    let frame = &theirs.call_frame;
    assert_eq!(ours.id.0, theirs.id);
    assert_eq!(ours.name, frame.function_name.as_str());
    assert_eq!(ours.script_name, frame.url.as_str(), "script of node {}", ours.id);
    let script_id = ours.script_id.map_or(0, |id| id.get());
    assert_eq!(script_id.to_string(), frame.script_id, "script of node {}", ours.id);
    // The protocol counts lines and columns from 0, and has -1 where V8 has 0 for unknown.
    let zero_based = |line: Option<std::num::NonZeroU32>| line.map_or(0, |n| n.get().into()) - 1;
    assert_eq!(zero_based(ours.line_number), frame.line_number, "line of node {}", ours.id);
    assert_eq!(zero_based(ours.column_number), frame.column_number, "column of {}", ours.id);
    let own = bytes(ours);
    if with_own_work {
        assert!((own as f64) < theirs.self_size, "bytes of node {}", ours.id);
    } else {
        assert_eq!(own as f64, theirs.self_size, "bytes of node {}", ours.id);
    }
}

/// Runs a workload under sampling and compares; returns the nodes for further questions.
fn compare(interval_bytes: u64, workload: impl FnOnce(&mut v8::Isolate, &Realm)) -> Vec<Node> {
    let (mut isolate, realm) = fixtures::realm();
    let mut sampler = HeapSampler::new(&mut isolate, interval_bytes, 100).unwrap();
    workload(&mut sampler, &realm);
    let inspector = Inspector::connect(&mut sampler, &realm);
    // The first collection interns names, which can be sampled itself.
    sampler.collect_nodes().unwrap();
    let profile = inspector.sampling_profile();
    let ours = sampler.profile().unwrap();
    let nodes = sampler.collect_nodes().unwrap();
    assert_same(&ours, &nodes, &profile);
    nodes
}

fn compare_script(interval_bytes: u64, source: &str) -> Vec<Node> {
    compare(interval_bytes, |isolate, realm| {
        realm.run(isolate, "workload.js", source);
    })
}

/// Checks that the functions named were sampled, so that a workload cannot pass by doing nothing.
fn assert_sampled(nodes: &[Node], names: &[&str]) {
    for name in names {
        assert!(
            nodes.iter().any(|node| node.name == *name && !node.allocations.is_empty()),
            "{name} was not sampled; there are {:?}",
            nodes.iter().map(|node| &node.name).collect::<Vec<_>>()
        );
    }
}

#[test]
fn deep_recursion() {
    let nodes = compare_script(
        64,
        "function down(n) { return n ? { below: down(n - 1) } : []; }
         globalThis.kept = down(90);",
    );
    assert_sampled(&nodes, &["down"]);
    assert!(nodes.len() > 80, "{}", nodes.len());
}

#[test]
fn closures_and_callbacks() {
    let nodes = compare_script(
        128,
        "function makeCounter(i) { let n = i; return () => { n++; return { n, i }; }; }
         function make() { return Array.from({ length: 2000 }, (_, i) => makeCounter(i)); }
         globalThis.counters = make();
         globalThis.values = counters.map(function call(counter) { return counter(); });",
    );
    assert_sampled(&nodes, &["makeCounter", "map"]);
    // Built-in functions have no script, yet are functions.
    let map = nodes.iter().find(|node| node.name == "map").unwrap();
    assert_eq!(map.script_id, None);
    assert!(!map.is_pseudo_frame());
}

#[test]
fn classes() {
    let nodes = compare_script(
        128,
        "class Point { #x; y = [1, 2, 3]; constructor(x) { this.#x = x; }
             static of(x) { return new Point(x); }
             get twice() { return { twice: this.#x * 2 }; } }
         class Point3 extends Point { z = new Map(); }
         globalThis.kept = [];
         for (let i = 0; i < 1000; i++) kept.push(Point.of(i), new Point3(i).twice, new Point3(i));",
    );
    assert_sampled(&nodes, &["Point", "get twice"]);
}

#[test]
fn generators() {
    let nodes = compare_script(
        128,
        "function* numbers(n) { for (let i = 0; i < n; i++) yield { i }; }
         globalThis.kept = [...numbers(2000)];
         function* outer() { yield* numbers(500); }
         for (const value of outer()) kept.push([value]);",
    );
    assert_sampled(&nodes, &["numbers"]);
}

#[test]
fn async_functions() {
    let nodes = compare_script(
        128,
        "globalThis.kept = [];
         async function step(i) { await null; kept.push({ i, text: 'x'.repeat(i % 50) }); }
         async function all() { for (let i = 0; i < 500; i++) await step(i); }
         all(); Promise.all(Array.from({ length: 200 }, (_, i) => step(i)));",
    );
    assert_sampled(&nodes, &["step"]);
}

#[test]
fn eval_and_new_function() {
    let nodes = compare_script(
        128,
        "globalThis.kept = [];
         for (let i = 0; i < 100; i++) {
             kept.push(eval(`(function fromEval${i}() { return new Array(100).fill(${i}); })()`));
             kept.push(new Function('n', '\\n\\n  return Array.from({length: n}, () => [n]);')(50));
             kept.push((0, eval)('//# sourceURL=indirect.js\\n({ a: [1,2,3], b: \"\".padEnd(100) })'));
         }",
    );
    assert!(nodes.iter().any(|node| node.name.starts_with("fromEval")));
    // What `new Function` makes has no name in V8's profile; it calls `from` here.
    assert_sampled(&nodes, &["from"]);
}

#[test]
fn regexps_and_json() {
    let nodes = compare_script(
        256,
        "function match(text) { return text.match(/(\\w)(\\w+)/g); }
         function parse(text) { return JSON.parse(text); }
         globalThis.kept = [];
         const text = 'lorem ipsum dolor sit amet '.repeat(200);
         for (let i = 0; i < 20; i++) {
             kept.push(match(text), text.replace(/o(.)/g, (_, c) => c + i));
             kept.push(parse(JSON.stringify({ list: Array.from({ length: 300 }, (_, i) => ({ i })) })));
         }",
    );
    assert_sampled(&nodes, &["match", "parse"]);
}

#[test]
fn typed_arrays() {
    let nodes = compare_script(
        256,
        "function buffers() { return Array.from({ length: 500 }, (_, i) => new Uint8Array(i)); }
         function floats() { return Float64Array.from({ length: 5000 }, (_, i) => i / 3); }
         function views(buffer) { return Array.from({ length: 200 }, () => new DataView(buffer)); }
         globalThis.kept = [buffers(), floats(), views(new ArrayBuffer(1 << 20))];",
    );
    assert_sampled(&nodes, &["from"]);
    assert!(nodes.iter().any(|node| node.name == "buffers"));
}

#[test]
fn wasm() {
    // (module (import "" "f" (func $f)) (func (export "g") (loop call $f) call $f))
    let nodes = compare_script(
        128,
        "const bytes = new Uint8Array([0,97,115,109, 1,0,0,0, 1,4,1,96,0,0, 2,6,1,0,1,102,0,0,
             3,2,1,0, 7,5,1,1,103,0,1, 10,11,1,9,0, 3,64, 16,0, 11, 16,0, 11]);
         globalThis.kept = [];
         function imported() { kept.push({ list: [1, 2, 3], text: 'x'.repeat(20) }); }
         const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes),
             { '': { f: imported } });
         function callWasm() { for (let i = 0; i < 500; i++) instance.exports.g(); }
         callWasm();",
    );
    assert_sampled(&nodes, &["imported"]);
}

#[test]
fn thousands_of_functions() {
    let nodes = compare_script(
        32,
        "let source = 'globalThis.kept = [';
         for (let i = 0; i < 5000; i++) source += `\\n(function many${i}() { return { i: [${i}] }; })(),`;
         (0, eval)(source + ']');",
    );
    let many = nodes.iter().filter(|node| node.name.starts_with("many")).count();
    assert!(many > 4000, "{many}");
}

#[test]
fn modules() {
    let nodes = compare(128, |isolate, realm| {
        let load = |specifier: &str, referrer: &str| match specifier {
            "./helper.mjs" => Ok((
                "file:///helper.mjs".to_owned(),
                "import './main.mjs';
                 export function fill(n) { return Array.from({ length: n }, () => ({ n })); }
                 export default class { items = fill(10); }"
                    .to_owned(),
            )),
            "./main.mjs" => Ok(("file:///main.mjs".to_owned(), String::new())),
            other => Err(format!("{referrer} imports {other}")),
        };
        let source = "import Items, { fill } from './helper.mjs';
             globalThis.kept = [fill(500)];
             for (let i = 0; i < 200; i++) kept.push(new Items());
             await null;
             kept.push(fill(100));";
        realm.try_run_module(isolate, "file:///main.mjs", source, load).unwrap();
    });
    assert_sampled(&nodes, &["fill"]);
    assert!(nodes.iter().any(|node| node.script_name == "file:///helper.mjs"));
    assert!(nodes.iter().any(|node| node.script_name == "file:///main.mjs"));
}

#[test]
fn unicode_names() {
    let nodes = compare(64, |isolate, realm| {
        realm.run(
            isolate,
            "скрипт 😀.js",
            "function größe() { return [1.5, 2.5]; }
             function 数える() { return { größe: größe() }; }
             const o = { ['a\\u0000b 😀']() { return [größe()]; }, ['\\ud800 lone']() { return [1]; } };
             globalThis.kept = [];
             for (let i = 0; i < 500; i++)
                 kept.push(数える(), o['a\\u0000b 😀'](), o['\\ud800 lone']());",
        );
    });
    assert_sampled(&nodes, &["größe", "数える"]);
    assert!(nodes.iter().any(|node| node.script_name == "скрипт 😀.js"));
}

#[test]
fn with_dead_objects_kept() {
    use v8_heap_sampler::{KeepDead, SamplerOptions};
    let (mut isolate, realm) = fixtures::realm();
    let options = SamplerOptions::new().interval_bytes(256).keep_dead(KeepDead::Both);
    let mut sampler = HeapSampler::with_options(&mut isolate, options).unwrap();
    // Assigned to a global, or the optimiser would not allocate the objects at all.
    let churn =
        "function churn() { for (let i = 0; i < 20000; i++) globalThis.last = { list: [i] }; }
        churn(); gc();";
    realm.run(&mut sampler, "churn.js", churn);
    let inspector = Inspector::connect(&mut sampler, &realm);
    sampler.collect_nodes().unwrap();
    let profile = inspector.sampling_profile();
    let ours = sampler.profile().unwrap();
    let nodes = sampler.collect_nodes().unwrap();
    assert_same(&ours, &nodes, &profile);
    let churned: u64 = nodes.iter().filter(|node| node.name == "churn").map(bytes).sum();
    assert!(churned > 500_000, "{churned}");
}
