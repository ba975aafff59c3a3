//! Profiles themselves: contexts, rows of samples, parts of the samples.

use v8_heap_sampler::{Counted, NodeId, Profile, SampleType};

use crate::graph::{node, sample};
use crate::support::random_nodes;
use crate::support::sampled::{Sampled, sampled};
use crate::support::stacks::assert_close;

mod contexts {
    use std::collections::HashMap;

    use proptest::prelude::*;
    use v8_heap_sampler::{Context, Node};

    use super::*;
    use random_nodes::{allocated, nodes};

    fn of_nodes(nodes: &[Node]) -> Profile {
        Profile::from_nodes(nodes, Counted::InUse).unwrap()
    }

    fn find(profile: &Profile, id: u32) -> Option<Context<'_>> {
        profile.contexts().find(|context| context.id() == Some(NodeId(id)))
    }

    const TYPES: [SampleType; 2] = [SampleType::InuseObjects, SampleType::InuseSpace];

    fn own(context: Context<'_>) -> [f64; 2] {
        TYPES.map(|of| context.own(of).unwrap().value())
    }

    fn total(context: Context<'_>) -> [f64; 2] {
        TYPES.map(|of| context.total(of).unwrap().value())
    }

    /// The profile's nodes, as they are written.
    fn written(profile: &Profile) -> Vec<Node> {
        let mut json = Vec::new();
        profile.write_nodes(&mut json, Counted::InUse).unwrap();
        serde_json::from_slice(&json).unwrap()
    }

    fn nested(profile: &Profile) -> Vec<u8> {
        let mut json = Vec::new();
        profile.write_nested_nodes(&mut json, Counted::InUse).unwrap();
        json
    }

    #[test]
    fn the_tree_has_totals_relatives_and_order() {
        let tree = of_nodes(&sample());
        assert_eq!(tree.len(), 7);
        assert_eq!(total(tree.root()), [6.0, 311.0]);
        let main = find(&tree, 2).unwrap();
        assert_eq!((own(main), total(main)), ([1.0, 1.0], [5.0, 151.0]));
        let ids = |of: v8_heap_sampler::Contexts<'_>| -> Vec<u32> {
            of.map(|context| context.id().unwrap().0).collect()
        };
        assert_eq!(ids(main.children()), [3, 6]);
        assert_eq!(ids(main.descendants()), [2, 3, 4, 5, 6]);
        assert_eq!(find(&tree, 5).unwrap().depth(), 4);
        assert_eq!(find(&tree, 5).unwrap().parent(), find(&tree, 4));
        assert_eq!(tree.root().parent(), None);
        assert_eq!(find(&tree, 99), None);
        assert_eq!(tree.contexts().last().unwrap().id(), Some(NodeId(7)));
        assert_eq!(written(&tree), sample());
    }

    #[test]
    fn the_order_of_the_input_does_not_matter() {
        let mut shuffled = sample();
        shuffled.reverse();
        shuffled.swap(1, 4);
        let expected = of_nodes(&sample());
        let from_shuffled = of_nodes(&shuffled);
        assert_eq!(from_shuffled, expected);
        for node in sample() {
            let context = find(&from_shuffled, node.id.0).unwrap();
            assert_eq!(context.function(), &node.function);
            assert_eq!(own(context), allocated([&node]));
        }
    }

    #[test]
    fn a_long_chain_overflows_no_stack() {
        // Recursion would overflow a test's 2 MiB with 21 bytes a level.
        const LENGTH: u32 = 100_000;
        let mut nodes: Vec<_> = (1..=LENGTH)
            .map(|id| node(id, if id % 2 == 0 { "even" } else { "odd" }, 8, &[id + 1]))
            .collect();
        nodes.last_mut().unwrap().child_ids.clear();
        let tree = of_nodes(&nodes);
        assert_eq!(total(tree.root()), [100_000.0, 800_000.0]);
        assert_eq!(tree.values(SampleType::InuseSpace).unwrap().iter().sum::<f64>(), 800_000.0);
        assert_eq!(tree.totals(SampleType::InuseSpace).unwrap()[0], 800_000.0);
        assert_eq!(tree.contexts().last().unwrap().depth(), LENGTH as usize - 1);

        assert_eq!(of_nodes(&written(&tree)), tree);
        let braces = nested(&tree).iter().filter(|&&byte| byte == b'{').count();
        assert_eq!(braces, 2 * LENGTH as usize);
    }

    #[test]
    fn nested_json_has_children_in_children() {
        let tree = of_nodes(&sample());
        let json: serde_json::Value = serde_json::from_slice(&nested(&tree)).unwrap();
        assert_eq!(json["name"], "(root)");
        assert_eq!(json["child_ids"], serde_json::json!([2, 7]));
        assert_eq!(json["children"][1]["name"], "(V8 API)");
        let main = &json["children"][0];
        assert_eq!(main["children"][0]["children"][0]["children"][0]["allocations"][0]["size"], 40);
        assert_eq!(main["children"][1]["children"], serde_json::json!([]));
        // Apart from `children`, each object is the node's own JSON.
        let mut root = json.clone();
        root.as_object_mut().unwrap().remove("children");
        assert_eq!(root, serde_json::to_value(&sample()[0]).unwrap());
    }

    #[test]
    fn a_writer_that_fails_is_reported() {
        struct Full;
        impl std::io::Write for Full {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(std::io::Error::other("disk full"))
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let tree = of_nodes(&sample());
        let error = tree.write_nested_nodes(Full, Counted::InUse).unwrap_err();
        assert_eq!(error.to_string(), "writing failed: disk full");
    }

    proptest! {
        #[test]
        fn the_tree_holds_every_node_under_its_parent(nodes in nodes()) {
            let tree = of_nodes(&nodes);
            prop_assert_eq!(tree.len(), nodes.len());
            let by_id: HashMap<_, _> = tree.contexts().map(|of| (of.id().unwrap(), of)).collect();
            for node in &nodes {
                let in_tree = by_id[&node.id];
                prop_assert_eq!(in_tree.function(), &node.function);
                prop_assert_eq!(own(in_tree), allocated([node]));
                let children: Vec<_> =
                    in_tree.children().map(|child| child.id().unwrap()).collect();
                prop_assert_eq!(&children, &node.child_ids);
                for child in in_tree.children() {
                    prop_assert_eq!(child.parent(), Some(in_tree));
                }
            }
            // Preorder: a node's descendants are the nodes right behind it.
            let order: Vec<_> = tree.contexts().collect();
            for (at, context) in order.iter().enumerate() {
                prop_assert_eq!(context.index(), at);
                let descendants: Vec<_> = context.descendants().collect();
                prop_assert_eq!(&descendants[..], &order[at..at + descendants.len()]);
            }
        }

        #[test]
        fn totals_are_conserved(nodes in nodes()) {
            let tree = of_nodes(&nodes);
            prop_assert_eq!(total(tree.root()), allocated(&nodes));
            for context in tree.contexts() {
                let mut sum = own(context);
                for below in context.children().map(total) {
                    sum = [sum[0] + below[0], sum[1] + below[1]];
                }
                prop_assert_eq!(total(context), sum);
                let columns = TYPES.map(|of| tree.totals(of).unwrap()[context.index()]);
                prop_assert_eq!(columns, sum);
                let columns = TYPES.map(|of| tree.values(of).unwrap()[context.index()]);
                prop_assert_eq!(columns, own(context));
            }
        }

        #[test]
        fn the_order_of_nodes_does_not_matter(nodes in nodes()) {
            let mut sorted = nodes.clone();
            sorted.sort_by_key(|node| node.id);
            let tree = of_nodes(&nodes);
            prop_assert_eq!(&of_nodes(&sorted), &tree);
        }

        #[test]
        fn json_and_back(nodes in nodes()) {
            let json = serde_json::to_string(&nodes).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Vec<Node>>(&json).unwrap(), &nodes);
            let tree = of_nodes(&nodes);
            // In order already.
            let once = of_nodes(&written(&tree));
            prop_assert_eq!(&once, &tree);
            prop_assert_eq!(written(&once), written(&tree));
            for function in tree.functions() {
                let json = serde_json::to_string(function).unwrap();
                let again: v8_heap_sampler::Function = serde_json::from_str(&json).unwrap();
                prop_assert_eq!(&again, &**function);
            }
        }

        /// The nested form read by a plain recursive reader gives the same nodes in the same order.
        #[test]
        fn nested_json_holds_the_tree(nodes in nodes()) {
            fn flatten(value: &serde_json::Value, into: &mut Vec<Node>) {
                into.push(serde_json::from_value(value.clone()).unwrap());
                for child in value["children"].as_array().unwrap() {
                    flatten(child, into);
                }
            }
            let tree = of_nodes(&nodes);
            let json = nested(&tree);
            let mut deserializer = serde_json::Deserializer::from_slice(&json);
            deserializer.disable_recursion_limit();
            let value = serde::Deserialize::deserialize(&mut deserializer).unwrap();
            let mut flat = Vec::new();
            flatten(&value, &mut flat);
            prop_assert_eq!(flat, written(&tree));
        }
    }
}

mod from_samples {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use v8_heap_sampler::{
        KeepDead, Node, ProfileError, Sample, SampleId, SamplerOptions, Uncertainty,
    };

    use super::*;

    proptest! {
        /// All four values of each context and size, from the samples one by one.
        #[test]
        fn rows_are_sums_over_samples(of in sampled(8, 1..250, 1..2000)) {
            let Sampled { samples, options, profile, .. } = &of;
            let has_alloc = options.keep_dead == KeepDead::Both;
            let interval = options.interval_bytes;
            // By context and size.
            let mut wanted: BTreeMap<(NodeId, u64), [f64; 4]> = BTreeMap::new();
            for sample in samples.iter().filter(|sample| sample.is_live || has_alloc) {
                let size = sample.size as f64;
                let p = match interval {
                    1 => 1.0,
                    _ => 1.0 - (-size / interval as f64).exp(),
                };
                let of_sample = [has_alloc, has_alloc, sample.is_live, sample.is_live];
                let [each, bytes] = [1.0 / p, size / p];
                let values = wanted.entry((sample.node_id, sample.size)).or_default();
                for ((value, counts), of_one) in
                    values.iter_mut().zip(of_sample).zip([each, bytes, each, bytes])
                {
                    *value += if counts { of_one } else { 0.0 };
                }
            }
            prop_assert_eq!(profile.rows().len(), wanted.len());
            let mut sums = vec![[0.0; 4]; profile.len()];
            for row in profile.rows() {
                let key = (row.context().id().unwrap(), row.size().unwrap().0);
                let wanted = wanted.remove(&key).expect("a row of its own");
                for (at, sample_type) in SampleType::ALL.into_iter().enumerate() {
                    let value = row.value(sample_type);
                    prop_assert_eq!(value.is_some(), profile.has(sample_type));
                    assert_close(value.unwrap_or(0.0), wanted[at]);
                    sums[row.context().index()][at] += value.unwrap_or(0.0);
                }
            }
            for (at, sample_type) in SampleType::ALL.into_iter().enumerate() {
                let is_inuse =
                    matches!(sample_type, SampleType::InuseObjects | SampleType::InuseSpace);
                prop_assert_eq!(profile.has(sample_type), is_inuse || has_alloc);
                let Some(values) = profile.values(sample_type) else { continue };
                for context in profile.contexts() {
                    assert_close(values[context.index()], sums[context.index()][at]);
                    let this = context.id().unwrap();
                    assert_close(
                        values[context.index()],
                        of.sum(sample_type, |s| s.node_id == this).value,
                    );
                }
                let uncertainty =
                    if interval == 1 { Uncertainty::Exact } else { Uncertainty::Sampled };
                prop_assert_eq!(profile.uncertainty(sample_type), Some(uncertainty));
            }
            // And the samples are those that were given, each at its context.
            let found: Vec<Sample> = profile
                .samples()
                .unwrap()
                .iter()
                .map(|sample| {
                    let context = profile.contexts().nth(sample.context as usize).unwrap();
                    let size = sample.size().unwrap().0;
                    Sample::new(
                        context.id().unwrap(),
                        size,
                        SampleId(sample.ordinal),
                        !sample.is_dead,
                    )
                })
                .collect();
            prop_assert_eq!(&found, samples);
        }

        #[test]
        fn at_an_interval_of_1_all_is_counted(of in sampled(1, 1..250, 1..2)) {
            for sample_type in of.profile.sample_types() {
                let total = of.profile.estimate(sample_type).unwrap();
                let wanted = of.sum(sample_type, |_| true);
                prop_assert_eq!(total.exact().map(|count| count as f64), Some(wanted.value));
                prop_assert_eq!(total.samples(), Some(wanted.samples));
                let interval = total.interval(v8_heap_sampler::Confidence::P99).unwrap();
                prop_assert_eq!((total.standard_error(), interval.width()), (Some(0.0), 0.0));
            }
        }

        #[test]
        fn the_order_of_samples_changes_no_digit(of in sampled(8, 1..250, 1..2000)) {
            let reversed = of.samples.iter().rev().copied();
            let mut reversed = Profile::from_samples(&of.nodes, reversed, &of.options).unwrap();
            reversed.metadata = of.profile.metadata.clone();
            prop_assert!(
                reversed
                    .rows()
                    .map(|row| (row.context().index(), row.size()))
                    .eq(of.profile.rows().map(|row| (row.context().index(), row.size())))
            );
            for sample_type in of.profile.sample_types() {
                prop_assert_eq!(reversed.values(sample_type), of.profile.values(sample_type));
                prop_assert_eq!(reversed.estimate(sample_type), of.profile.estimate(sample_type));
            }
            prop_assert_eq!(reversed.samples(), of.profile.samples());
        }

        #[test]
        fn recursion_counts_a_sample_once(of in sampled(16, 1..9, 1..200)) {
            crate::estimate::assert_functions(&of);
        }
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let nodes = [node(1, "(root)", 0, &[2]), node(2, "f", 0, &[])];
        let sample =
            |node, size, id, is_live| Sample::new(NodeId(node), size, SampleId(id), is_live);
        let refused = |nodes: &[Node], samples: &[Sample], options: SamplerOptions| {
            Profile::from_samples(nodes, samples.iter().copied(), &options).unwrap_err()
        };
        let options = SamplerOptions::new;
        let error = refused(&nodes, &[], options().interval_bytes(0));
        assert_eq!(error, ProfileError::Interval);
        let (sample_id, node_id) = (SampleId(7), NodeId(3));
        let error = refused(&nodes, &[sample(3, 8, 7, true)], options());
        assert_eq!(error, ProfileError::UnknownNode { sample_id, node_id });
        let error = refused(&nodes, &[sample(2, 0, 7, true)], options());
        assert_eq!(error, ProfileError::NoSize { sample_id });
        let error = refused(&nodes, &[sample(2, 8, 7, false)], options().keep_dead(KeepDead::None));
        assert_eq!(error, ProfileError::DeadSample { sample_id });
        for between in [0, 9] {
            let samples =
                [sample(2, 8, 7, true), sample(1, 8, between, true), sample(2, 16, 7, true)];
            let error = refused(&nodes, &samples, options());
            assert_eq!(error, ProfileError::DuplicateSample { sample_id });
        }
        let error = refused(&nodes[..1], &[], options());
        assert!(matches!(error, ProfileError::UnknownChild { .. }), "{error}");
    }
}

mod filter_samples {
    use proptest::prelude::*;
    use v8_heap_sampler::Sample;

    use super::*;

    proptest! {
        #[test]
        fn all_samples_are_the_profile(of in sampled(8, 1..250, 1..2000)) {
            prop_assert_eq!(of.profile.filter_samples(|_| true), Some(of.profile.clone()));
        }

        #[test]
        fn a_part_is_as_if_there_were_no_others(
            of in sampled(8, 1..250, 1..2000),
            largest in 8..2000_u64,
        ) {
            let last = of.samples.len() as u64 / 2;
            for (found, which) in [
                (
                    of.profile.filter_samples(|sample| sample.size().unwrap().0 <= largest),
                    &(|sample: &Sample| sample.size <= largest) as &dyn Fn(&Sample) -> bool,
                ),
                (of.profile.filter_samples(|sample| sample.ordinal > last), &|sample: &Sample| {
                    sample.sample_id.0 > last
                }),
                (of.profile.filter_samples(|sample| !sample.is_dead), &|sample: &Sample| {
                    sample.is_live
                }),
                (of.profile.filter_samples(|_| false), &|_: &Sample| false),
            ] {
                let (found, wanted) = (found.unwrap(), of.part(which));
                prop_assert_eq!(found.samples(), wanted.samples());
                prop_assert_eq!(found.last_sample(), wanted.last_sample());
                for sample_type in of.profile.sample_types() {
                    prop_assert_eq!(found.values(sample_type), wanted.values(sample_type));
                    prop_assert_eq!(found.estimate(sample_type), wanted.estimate(sample_type));
                    of.sum(sample_type, which).assert_is(&found.estimate(sample_type).unwrap());
                }
                prop_assert_eq!(found.rows().len(), wanted.rows().len());
                prop_assert_eq!(&found.metadata, &of.profile.metadata);
            }
        }
    }

    #[test]
    fn what_has_no_samples_cannot_be_filtered() {
        let nodes = sample();
        let profile = Profile::from_nodes(&nodes, Counted::InUse).unwrap();
        assert_eq!(profile.filter_samples(|_| true), None);
        assert_eq!(profile.last_sample(), None);
    }
}

mod cut_stacks {
    use proptest::prelude::*;
    use v8_heap_sampler::{Context, PseudoFrame, SamplerOptions};

    use super::*;
    use crate::support::random_nodes::path;

    fn is_frame(context: &Context<'_>) -> bool {
        context.function().pseudo_frame().is_none()
    }

    /// The functions of a sample's stack that are no pseudo frames, and whether these were cut off.
    fn stack(profile: &Profile, context: u32) -> (Vec<String>, bool) {
        let context = profile.contexts().nth(context as usize).unwrap();
        let path = path(context);
        let is_cut = path.iter().any(|of| of.function().pseudo_frame() == Some(PseudoFrame::Cut));
        let frames = path.iter().filter(|context| is_frame(context));
        (frames.map(|context| format!("{:?}", context.function())).collect(), is_cut)
    }

    proptest! {
        #[test]
        fn hang_below_a_context_of_their_own(sampled in sampled(8, 1..100, 1..100)) {
            let whole = &sampled.profile;
            let deepest = whole.contexts().map(|of| path(of).iter().filter(|of| is_frame(of)).count());
            let deepest = deepest.max().unwrap_or(0).max(1);
            let SamplerOptions { interval_bytes, keep_dead, .. } = sampled.options;
            let options = SamplerOptions::new()
                .interval_bytes(interval_bytes)
                .keep_dead(keep_dead)
                .stack_depth(deepest as u32);
            let samples = sampled.samples.iter().copied();
            let cut = Profile::from_samples(&sampled.nodes, samples, &options).unwrap();
            let of = SampleType::InuseSpace;
            let mut on_cut_stacks = false;
            for (whole_sample, cut_sample) in
                whole.samples().unwrap().iter().zip(cut.samples().unwrap())
            {
                prop_assert_eq!(whole_sample.ordinal, cut_sample.ordinal);
                let (frames, _) = stack(whole, whole_sample.context);
                let (cut_frames, is_cut) = stack(&cut, cut_sample.context);
                prop_assert_eq!(is_cut, frames.len() == deepest);
                prop_assert_eq!(cut_frames, frames);
                on_cut_stacks |= is_cut;
            }
            prop_assert!(!on_cut_stacks || cut.cut_stacks().is_some());
            prop_assert!((whole.total(of).unwrap() - cut.total(of).unwrap()).abs() < 1e-6);
            let ids: std::collections::HashSet<_> = cut.contexts().map(|of| of.id()).collect();
            prop_assert_eq!(ids.len(), cut.len());
            let json = serde_json::to_string(&cut).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Profile>(&json).unwrap(), &cut);
            // Of those that are deeper, nobody knows.
            let deeper = SamplerOptions::new().stack_depth(deepest as u32 + 1);
            let none = std::iter::empty();
            let deeper = Profile::from_samples(&sampled.nodes, none, &deeper).unwrap();
            prop_assert!(deeper.cut_stacks().is_none());
        }
    }

    #[test]
    #[cfg(feature = "formats")]
    fn stay_so_in_files() {
        use v8_heap_sampler::format;

        let sampled = sample_of_depth(64);
        let profile = sampled(SamplerOptions::exact().stack_depth(64));
        let mut file = Vec::new();
        profile.write_pprof(&mut file, format::WriteOptions::new()).unwrap();
        let read = format::read(&*file).unwrap();
        assert_eq!(read.cut_stacks().unwrap().children().count(), 2);
        let top = read.top(SampleType::InuseSpace).unwrap().to_string();
        assert!(top.contains("66.7% is on stacks that were cut, below (cut): callers"), "{top}");

        // Another tool's, which does not say so.
        let unsaid = sampled(SamplerOptions::exact().stack_depth(2048));
        assert!(unsaid.cut_stacks().is_none());
        let mut file = Vec::new();
        unsaid.write_heapprofile(&mut file, format::WriteOptions::new()).unwrap();
        let read = format::read(&*file).unwrap();
        assert_eq!(read.cut_stacks().unwrap().children().count(), 2);
        // One deep stack alone is one that ends there.
        let one = unsaid.filter_samples(|sample| sample.ordinal != 2).unwrap();
        let one = one.query(&v8_heap_sampler::analysis::Query::new().hide("other")).unwrap();
        let mut file = Vec::new();
        one.write_heapprofile(&mut file, format::WriteOptions::new()).unwrap();
        assert!(format::read(&*file).unwrap().cut_stacks().is_none());
    }

    /// Profiles of three samples: two on stacks of so many frames that begin with different
    /// functions, and one on a short one.
    #[cfg(feature = "formats")]
    fn sample_of_depth(depth: u32) -> impl Fn(SamplerOptions) -> Profile {
        use v8_heap_sampler::{Node, Sample, SampleId};

        let mut nodes = vec![Node::new(NodeId(1), "(root)")];
        let mut leaves = Vec::new();
        for (outermost, frames) in [("one", depth), ("other", depth), ("short", 2)] {
            for frame in 0..frames {
                let id = NodeId(nodes.len() as u32 + 1);
                let caller = if frame == 0 { 0 } else { nodes.len() - 1 };
                nodes[caller].child_ids.push(id);
                nodes.push(Node::new(id, if frame == 0 { outermost } else { "inner" }));
            }
            leaves.push(nodes.last().unwrap().id);
        }
        move |options| {
            let samples =
                leaves.iter().zip(1..).map(|(&at, id)| Sample::new(at, 64, SampleId(id), true));
            Profile::from_samples(&nodes, samples, &options).unwrap()
        }
    }
}

#[test]
fn an_interval_keeps_to_a_budget_of_overhead() {
    use std::time::Duration;
    use v8_heap_sampler::{KeepDead, Node, Overhead, Sample, SampleId, SamplerOptions};

    let nodes = [Node::new(NodeId(1), "(root)")];
    let samples = || (1..=1000).map(|id| Sample::new(NodeId(1), 64, SampleId(id), id % 2 == 0));
    let options = SamplerOptions::new().interval_bytes(4096).keep_dead(KeepDead::Both);
    let mut profile = Profile::from_samples(&nodes, samples(), &options).unwrap();
    profile.metadata.duration = Some(Duration::from_secs(2));
    let overhead = Overhead::new(0.01).unwrap().sample_cost(Duration::from_micros(50));
    // 4.1 MB in two seconds, of which 20 ms are 400 samples.
    let interval = profile.interval_within(&overhead).unwrap();
    assert!((10_200..10_400).contains(&interval), "{interval}");
    // In half the time, twice as much a second.
    profile.metadata.duration = Some(Duration::from_secs(1));
    assert!((20_400..20_800).contains(&profile.interval_within(&overhead).unwrap()));
    profile.metadata.duration = None;
    assert_eq!(profile.interval_within(&overhead), None);
    // Of what was allocated, live samples alone say nothing.
    let live = samples().filter(|sample| sample.is_live);
    let mut live = Profile::from_samples(&nodes, live, &SamplerOptions::new()).unwrap();
    live.metadata.duration = Some(Duration::from_secs(1));
    assert_eq!(live.interval_within(&overhead), None);
}
