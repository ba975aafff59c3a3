//! What the nodes say: places, names, sizes and counts, against workloads with known truth.

use std::num::NonZeroU32;

use v8_heap_sampler::{
    Context, Counted, HeapSampler, KeepDead, Node, NodeId, Profile, PseudoFrame, SampleType,
    SamplerOptions,
};

use crate::oracle::bytes;

/// The nodes of a script run under sampling.
fn sample(interval_bytes: u64, name: &str, source: &str) -> Vec<Node> {
    let (mut isolate, realm) = fixtures::realm();
    let mut sampler = HeapSampler::new(&mut isolate, interval_bytes, 64).unwrap();
    realm.run(&mut sampler, name, source);
    sampler.collect_nodes().unwrap()
}

fn named<'n>(nodes: &'n [Node], name: &str) -> &'n Node {
    nodes.iter().find(|node| node.name == *name).unwrap_or_else(|| panic!("no {name}"))
}

#[test]
fn parents_come_before_children_in_preorder() {
    let nodes = sample(
        32,
        "order.js",
        "function a() { return [b(), c(), b()]; } function b() { return [c(), {}]; }
         function c() { return new Array(100).fill(1); } globalThis.kept = a();",
    );
    assert_eq!(nodes[0].id, NodeId(1));
    assert_eq!(nodes[0].pseudo_frame(), Some(PseudoFrame::Root));
    // Visiting the children depth first meets the nodes in exactly the order of the list.
    let mut pending = vec![NodeId(1)];
    for node in &nodes {
        assert_eq!(pending.pop(), Some(node.id));
        pending.extend(node.child_ids.iter().rev());
    }
    assert_eq!(pending, []);
}

#[test]
fn places_are_one_based_lines_and_columns() {
    let source = "'use strict';\n\n    const make = function make() {\n        return new Array(5000).fill(0); };\nglobalThis.kept = make();";
    let nodes = sample(64, "places.js", source);
    let make = named(&nodes, "make");
    let parenthesis = source.find("()").unwrap();
    assert_eq!(make.script_name, "places.js");
    assert!(make.script_id.is_some());
    assert_eq!(make.line_number, NonZeroU32::new(3));
    assert_eq!(make.column_number, NonZeroU32::new(31));
    assert_eq!(make.start_position, Some(parenthesis as u32));
    assert_eq!(make.function.to_string(), "make places.js:3:31");

    // The top level of the script is anonymous and starts where the script does.
    let profile = Profile::from_nodes(&nodes, Counted::InUse).unwrap();
    let top = profile.contexts().find(|context| context.id() == Some(make.id)).unwrap().parent();
    let top = top.unwrap().function();
    assert_eq!((top.name.as_str(), top.start_position), ("", Some(0)));
    assert_eq!(top.to_string(), "(anonymous) places.js:1:1");

    // Pseudo frames have no place.
    for node in nodes.iter().filter(|node| node.is_pseudo_frame()) {
        assert_eq!((node.script_id, node.line_number, node.start_position), (None, None, None));
    }
}

/// What `(V8 API)` has after the embedder made `number` strings of 64 bytes.
///
/// No compiler decides how they are allocated, so that the truth is known.
fn of_strings(interval: u64, number: usize) -> Node {
    let mut isolate = fixtures::isolate();
    let options = SamplerOptions::new().interval_bytes(interval).keep_dead(KeepDead::Both);
    let mut sampler = HeapSampler::with_options(&mut isolate, options).unwrap();
    for _ in 0..number {
        v8::scope!(let scope, &mut *sampler);
        // Strings of 41 bytes: a header of 16 bytes, and the whole padded to 8.
        v8::String::new(scope, "a string of forty-one letters and spaces.").unwrap();
    }
    let nodes = sampler.collect_nodes().unwrap();
    nodes.into_iter().find(|node| node.pseudo_frame() == Some(PseudoFrame::V8Api)).unwrap()
}

#[test]
fn embedder_allocations_are_under_the_v8_api() {
    let api = of_strings(1, 1000);
    let strings = api.allocations.iter().find(|allocation| allocation.size == 64).unwrap();
    assert!(strings.count >= 1000, "{strings:?}");
}

#[test]
fn the_estimate_of_a_known_total_is_close() {
    let (truth, estimate) = (64.0 * 45_000.0, of_strings(1024, 45_000));
    let estimate = bytes(&estimate) as f64;
    // Some 2,800 samples, a standard error below 2 %: five of them, and V8's rounding.
    assert!((estimate / truth - 1.0).abs() < 0.12, "{estimate} of {truth}");
}

#[test]
fn live_bytes_agree_with_the_heap_statistics() {
    let (mut isolate, realm) = fixtures::realm();
    let used = |isolate: &mut v8::Isolate| {
        realm.run(isolate, "gc.js", "gc(); gc()");
        isolate.get_heap_statistics().used_heap_size() as f64
    };
    let before = used(&mut isolate);
    let mut sampler = HeapSampler::new(&mut isolate, 1, 64).unwrap();
    realm.run(
        &mut sampler,
        "grow.js",
        "globalThis.kept = Array.from({ length: 50000 }, (_, i) => ({ i, text: `number ${i}` }));",
    );
    let growth = used(&mut sampler) - before;
    let profile = sampler.finish().unwrap();
    let sampled = profile.estimate(SampleType::InuseSpace).unwrap().exact().unwrap() as f64;
    assert!(growth > 4e6, "{growth}");
    assert!((sampled / growth - 1.0).abs() < 0.05, "{sampled} sampled, {growth} grown");
}

#[test]
fn stacks_are_cut_to_the_depth_that_was_asked_for() {
    let (mut isolate, realm) = fixtures::realm();
    let mut sampled = |depth| {
        let mut sampler = HeapSampler::new(&mut isolate, 32, depth).unwrap();
        realm.run(
            &mut sampler,
            "deep.js",
            "function down(n) { return n ? [down(n - 1)] : []; } globalThis.kept = down(100); ''",
        );
        sampler.finish().unwrap()
    };
    let profile = sampled(5);
    // And one for the callers that are not known.
    let deepest = profile.contexts().map(|context| context.depth()).max();
    assert_eq!(deepest, Some(6));
    let cut = profile.cut_stacks().unwrap();
    let below = |context: Context<'_>| context.total(SampleType::InuseSpace).unwrap().value();
    // The calls at the bottom of the stack are known, and what compiled them.
    let top = profile.top(SampleType::InuseSpace).unwrap();
    let of_down = top.rows.iter().find(|row| row.name.starts_with("down")).unwrap();
    let known = below(profile.root()) - below(cut);
    assert!(known > 0.0 && below(cut) / of_down.own.value() > 0.9, "{of_down:?}");
    let cut_off: Vec<_> = cut.children().map(|context| &*context.function().name).collect();
    // The script with four calls is just as deep, which nobody can tell from one that was cut.
    assert_eq!(cut_off, ["", "down"]);
    let top = top.to_string();
    assert!(top.contains("% is on stacks that were cut at 5 frames, below (cut): "), "{top}");

    // Deep enough, nothing is.
    let profile = sampled(1024);
    assert!(profile.cut_stacks().is_none());
    assert!(!profile.top(SampleType::InuseSpace).unwrap().to_string().contains("cut"));
}

#[test]
fn the_greatest_depth_is_safe_on_a_small_stack_half_used() {
    /// Uses `bytes` of stack, then calls `then`.
    #[inline(never)]
    fn with_stack_used(bytes: usize, then: &mut dyn FnMut()) {
        let used = [0_u8; 4096];
        std::hint::black_box(&used);
        match bytes.checked_sub(used.len()) {
            Some(left) => with_stack_used(left, then),
            None => then(),
        }
        std::hint::black_box(&used);
    }

    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(|| {
        let (mut isolate, realm) = fixtures::realm();
        let depth = SamplerOptions::MAX_STACK_DEPTH;
        let mut sampler = HeapSampler::new(&mut isolate, 256, depth).unwrap();
        realm.run(
            &mut sampler,
            "deep.js",
            "function down(n) { return n ? [down(n - 1)] : []; } globalThis.kept = down(4000);",
        );
        let mut sampler = Some(sampler);
        let mut levels = 0;
        with_stack_used(1 << 20, &mut || {
            let profile = sampler.take().unwrap().finish().unwrap();
            levels = profile.contexts().map(|context| context.depth()).max().unwrap();
        });
        // And one for the callers that are not known.
        assert_eq!(levels, depth as usize + 1);
    });
    thread.unwrap().join().unwrap();
}

#[test]
fn odd_names_survive() {
    let megabyte = "n".repeat(1 << 20);
    let source = format!(
        "globalThis.kept = [];
         function fill() {{ return new Array(1000).fill(1.5); }}
         function {megabyte}() {{ return fill(); }}
         const o = {{ 'with\\u0000nul'() {{ return fill(); }}, '\\ud800lone'() {{ return fill(); }},
             '😀 emoji'() {{ return fill(); }}, '(GC)'() {{ return fill(); }} }};
         for (let i = 0; i < 50; i++) {{
             kept.push({megabyte}());
             for (const name of Object.keys(o)) kept.push(o[name]());
         }}"
    );
    let nodes = sample(256, "odd\0 name \u{1F600}.js", &source);
    let names: Vec<&str> = nodes.iter().map(|node| node.name.as_str()).collect();
    assert!(names.contains(&megabyte.as_str()));
    assert!(names.contains(&"😀 emoji"));
    // What V8 makes of a NUL and of a lone surrogate, for the inspector protocol as well.
    assert!(names.contains(&"with nul"), "{names:?}");
    assert!(names.contains(&"\u{FFFD}\u{FFFD}\u{FFFD}lone"), "{names:?}");
    let script = &nodes.iter().find(|node| node.name == "with nul").unwrap().script_name;
    assert_eq!(*script, "odd  name \u{1F600}.js");
    // Named like a pseudo frame, but a function of the script.
    let gc = nodes.iter().find(|node| node.name == "(GC)").unwrap();
    assert_eq!(gc.pseudo_frame(), None);
    // All of it goes through JSON and back.
    let json = serde_json::to_string(&nodes).unwrap();
    assert_eq!(serde_json::from_str::<Vec<Node>>(&json).unwrap(), nodes);
}

#[test]
fn functions_are_shared_not_copied() {
    let nodes = sample(
        64,
        "shared.js",
        "function leaf() { return [1, 2, 3]; }
         function a() { return Array.from({ length: 500 }, leaf); }
         function b() { return Array.from({ length: 500 }, leaf); }
         globalThis.kept = [a(), b()];",
    );
    let leaves: Vec<_> = nodes.iter().filter(|node| node.name == "leaf").collect();
    assert!(leaves.len() >= 2);
    for leaf in &leaves {
        assert!(std::sync::Arc::ptr_eq(&leaf.function, &leaves[0].function));
    }
}

#[test]
fn an_idle_isolate_has_a_root_and_little_else() {
    let mut isolate = fixtures::isolate();
    let mut sampler = HeapSampler::new(&mut isolate, 1 << 27, 16).unwrap();
    let profile = sampler.profile().unwrap();
    assert_eq!(profile.len(), 1);
    assert_eq!(profile.total(SampleType::InuseSpace), Some(0.0));
    assert_eq!(sampler.collect_nodes().unwrap().len(), 1);
}

#[test]
fn a_first_collection_at_one_byte_agrees_with_itself() {
    // At this interval V8's own strings for the profile are sampled while it builds the profile;
    // the collection notices and takes another.
    for _ in 0..20 {
        let (mut isolate, realm) = fixtures::realm();
        let mut sampler = HeapSampler::new(&mut isolate, 1, 64).unwrap();
        let source = "(function fresh() { globalThis.kept = [{}]; })();";
        realm.run(&mut sampler, "a script with a name that nobody has interned yet.js", source);
        let nodes = sampler.collect_nodes().unwrap();
        assert!(nodes.iter().any(|node| node.name == "fresh"));
        sampler.collect_nodes().unwrap();
    }
}

#[test]
fn collections_race_with_garbage_collection() {
    let (mut isolate, realm) = fixtures::realm();
    let mut sampler = HeapSampler::new(&mut isolate, 64, 32).unwrap();
    let source = "globalThis.round ??= 0; round++;
        globalThis.kept = Array.from({ length: 200 }, (_, i) =>
            new Function(`return function round${round}f${i}() { return [${i}]; }`)()());
        if (round % 7 == 0) gc({ type: 'minor' });";
    for _ in 0..50 {
        realm.run(&mut sampler, "race.js", source);
        let nodes = sampler.collect_nodes().unwrap();
        Profile::from_nodes(&nodes, Counted::InUse).unwrap();
        sampler.profile().unwrap();
    }
}
