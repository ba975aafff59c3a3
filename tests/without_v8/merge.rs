//! Sums of profiles: by place, in any order, one by one.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use v8_heap_sampler::{
    Allocation, AnalysisError, Context, Counted, KeepDead, Label, Profile, ProfileMerger,
    SampleType, SamplerOptions, Uncertainty,
};

use crate::analysis::ALL;
use crate::graph::{node, sample};
use crate::support::sampled::sampled;
use crate::support::stacks::{Place, assert_close, exact_stacks, place_of};

/// What each stack allocated itself, added up over profiles, functions by place.
fn by_place<'p>(
    profiles: impl IntoIterator<Item = &'p Profile>,
    of: SampleType,
) -> BTreeMap<Vec<Place>, f64> {
    let mut sums = BTreeMap::new();
    for profile in profiles {
        for (context, value) in profile.contexts().zip(profile.values(of).unwrap()) {
            if value != 0.0 {
                *sums.entry(stack_of(context)).or_default() += value;
            }
        }
    }
    sums
}

/// The stack of a context from the outermost function on, without the root.
fn stack_of(context: Context<'_>) -> Vec<Place> {
    let callers = std::iter::successors(Some(context), |context| context.parent());
    let callers = callers.filter(|context| context.parent().is_some());
    let mut stack: Vec<Place> = callers.map(|context| place_of(context.function())).collect();
    stack.reverse();
    stack
}

fn assert_same_values<'p>(
    merged: &Profile,
    parts: impl IntoIterator<Item = &'p Profile>,
    of: SampleType,
) {
    let (found, wanted) = (by_place([merged], of), by_place(parts, of));
    assert!(found.keys().eq(wanted.keys()));
    found.values().zip(wanted.values()).for_each(|(found, wanted)| assert_close(*found, *wanted));
}

proptest! {
    #[test]
    fn two_of_one_interval_are_the_profile_of_all_samples(
        of in sampled(8, 1..250, 1..2000),
        divisor in 1..5_u64,
    ) {
        let is_first =
            |sample: &v8_heap_sampler::Sample| sample.sample_id.0.is_multiple_of(divisor);
        let parts = [of.part(is_first), of.part(|sample| !is_first(sample))];
        let merged = Profile::merge(&parts).unwrap();
        let alone = Profile::merge([&of.profile]).unwrap();
        let rows = |profile: &Profile| -> Vec<_> {
            profile.rows().map(|row| (row.context().index(), row.size())).collect()
        };
        prop_assert_eq!(rows(&merged), rows(&alone));
        prop_assert!(merged.sample_types().eq(of.profile.sample_types()));
        for sample_type in of.profile.sample_types() {
            assert_same_values(&merged, [&of.profile], sample_type);
            let [found, wanted] =
                [&merged, &of.profile].map(|profile| profile.estimate(sample_type).unwrap());
            prop_assert_eq!(found.uncertainty(), wanted.uncertainty());
            of.sum(sample_type, |_| true).assert_is(&found);
            let [one, other] = [found, wanted]
                .map(|total| total.interval(v8_heap_sampler::Confidence::P95).unwrap());
            assert_close(one.lower, other.lower);
            assert_close(one.upper, other.upper);
        }
        prop_assert_eq!(merged.metadata.interval, of.profile.metadata.interval);
        // The numbers of samples are each profile's own.
        prop_assert_eq!(merged.samples(), None);
    }

    #[test]
    fn different_intervals_keep_values_and_variances(
        one in sampled(8, 1..250, 1..2000),
        other in sampled(8, 1..250, 1..2000),
    ) {
        let merged = Profile::merge([&one.profile, &other.profile]).unwrap();
        for sample_type in merged.sample_types() {
            assert_same_values(&merged, [&one.profile, &other.profile], sample_type);
            if one.options.interval_bytes == other.options.interval_bytes {
                continue;
            }
            let total = merged.estimate(sample_type).unwrap();
            prop_assert_eq!(total.uncertainty(), Uncertainty::Sampled);
            prop_assert_eq!(total.exact(), None);
            // Each by its own interval: values, variances and samples add up.
            let mut wanted = one.sum(sample_type, |_| true);
            wanted.add(other.sum(sample_type, |_| true));
            wanted.assert_is(&total);
        }
    }

    #[test]
    fn merging_adds_up(one in exact_stacks(ALL), other in exact_stacks(ALL)) {
        let (a, b) = (&one.profile, &other.profile);
        let merged = Profile::merge([a, b]).unwrap();
        // Scripts that were loaded again are the same: ids are each process's own.
        let mut wanted = one.by_places();
        for (stack, weight) in other.by_places() {
            wanted.entry(stack).or_default().add(weight);
        }
        let stacks = BTreeSet::from_iter(merged.contexts().map(stack_of));
        prop_assert_eq!(stacks.len(), merged.len(), "a stack is there twice");
        let found = by_place([&merged], one.of);
        let wanted: BTreeMap<_, f64> =
            wanted.into_iter().map(|(stack, weight)| (stack, weight.value)).collect();
        prop_assert_eq!(found, wanted);
        let total = merged.estimate(one.of).unwrap();
        prop_assert_eq!(
            total.samples().unwrap(),
            (one.pieces.len() + other.pieces.len()) as u64
        );

        let back = Profile::merge([b, a]).unwrap();
        prop_assert_eq!(&back, &merged);
        let both = Profile::merge([&merged, &back]).unwrap();
        let four = Profile::merge([a, b, b, a]).unwrap();
        prop_assert_eq!(&both, &four);
        let alone = Profile::merge([&merged]).unwrap();
        prop_assert_eq!(&alone, &merged);
    }

    #[test]
    fn labels_are_there_once(stacks in exact_stacks(ALL)) {
        let mut once = stacks.profile.clone();
        once.add_label(Label::text("isolate", "main"));
        let mut twice = once.clone();
        twice.add_label(Label::text("isolate", "main"));
        prop_assert_eq!(&twice, &once);
        let mut other = stacks.profile.clone();
        other.add_label(Label::text("isolate", "other"));
        other.add_label(Label::text("isolate", "main"));
        prop_assert_eq!(&other, &once);
        // Kept apart by it, and put together again.
        let both = Profile::merge([&once, &stacks.profile]).unwrap();
        let mut put_together = both.clone();
        put_together.add_label(Label::text("isolate", "main"));
        prop_assert_eq!(put_together, Profile::merge([&once, &once]).unwrap());
        let rows = |profile: &Profile| profile.rows().len();
        prop_assert_eq!(rows(&both), 2 * rows(&Profile::merge([&once]).unwrap()));
    }
}

/// A profile of one object.
fn of_bytes(bytes: u64) -> Profile {
    let mut nodes = sample();
    for node in &mut nodes {
        node.allocations.clear();
    }
    nodes[1].allocations.push(Allocation { count: 1, size: bytes });
    Profile::from_nodes(&nodes, Counted::InUse).unwrap()
}

#[test]
fn a_profile_that_cannot_be_added_changes_nothing() {
    let other = Profile::from_nodes(&[node(1, "(root)", 8, &[])], Counted::Allocated).unwrap();
    let good = [of_bytes(700), of_bytes(7_000)];
    let mut merger = ProfileMerger::new();
    merger.add(&good[0]).unwrap();
    assert_eq!(merger.add(&other), Err(AnalysisError::NothingInCommon));
    let mut much = of_bytes(1 << 53);
    much.add_label(Label::text("isolate", "large"));
    much.metadata.comments.push("too much".to_owned());
    let too_much = AnalysisError::TooMuch { sample_type: SampleType::InuseSpace };
    assert_eq!(merger.add(&much), Err(too_much.clone()));
    merger.add(&good[1]).unwrap();
    assert!(merger.left_out().is_empty());
    assert_eq!(merger.finish(), Profile::merge(&good));
    assert_eq!(Profile::merge([&good[0], &much]), Err(too_much));
    assert_eq!(ProfileMerger::new().finish(), Err(AnalysisError::NothingToMerge));
}

/// What was sampled without a sample being taken is known to some bytes, and not to the object.
#[test]
fn a_count_and_an_estimate_are_an_estimate() {
    let nodes = sample();
    let of = |interval| {
        let options = SamplerOptions::new().interval_bytes(interval).keep_dead(KeepDead::Both);
        let samples = (0..interval % 2).map(|at| {
            let node = nodes[at as usize].id;
            v8_heap_sampler::Sample::new(node, 64, v8_heap_sampler::SampleId(at), true)
        });
        Profile::from_samples(&nodes, samples, &options).unwrap()
    };
    let (count, estimate) = (of(1), of(1000));
    let merged = Profile::merge([&count, &estimate]).unwrap();
    for sample_type in SampleType::ALL {
        assert!(count.estimate(sample_type).unwrap().exact().is_some());
        let total = merged.estimate(sample_type).unwrap();
        assert_eq!((total.uncertainty(), total.exact()), (Uncertainty::Sampled, None));
        assert!(total.interval(v8_heap_sampler::Confidence::P95).unwrap().width() > 0.0);
    }
    let top = merged.top(SampleType::InuseSpace).unwrap().to_string();
    assert!(top.contains("(1 samples, one per 1 to 1000 bytes; 95 % intervals)"), "{top}");
    // Who knows better can say so.
    let mut told = merged.clone();
    told.metadata.interval = Some(v8_heap_sampler::Bytes(1));
    let total = told.estimate(SampleType::InuseSpace).unwrap();
    assert_eq!((total.exact(), total.standard_error()), (Some(64), Some(0.0)));
}

/// Original functions of bundles that were built twice, and functions of one script of which not
/// all sources know where they start.
#[test]
fn functions_are_the_same_by_place() {
    use std::num::NonZeroU32;
    use std::sync::Arc;
    use v8_heap_sampler::{Function, Node, NodeId, Original};

    let bundled = |script: &str, name: &str, start: u32| {
        let mut function = Function::named(name);
        function.script_name = script.into();
        function.line_number = NonZeroU32::new(1);
        function.start_position = Some(start);
        let mut original = Original::new("src/render.ts");
        original.name = Some("render".into());
        original.line_number = NonZeroU32::new(12);
        function.original = Some(original.into());
        function
    };
    let of = |function: Function| {
        let mut nodes = [Node::new(NodeId(1), "(root)"), Node::of(NodeId(2), Arc::new(function))];
        nodes[0].child_ids.push(NodeId(2));
        nodes[1].allocations.push(Allocation { count: 1, size: 64 });
        Profile::from_nodes(&nodes, Counted::InUse).unwrap()
    };
    let profiles = [of(bundled("a.js", "x", 10)), of(bundled("b.js", "y", 20))];
    let merged = Profile::merge(&profiles).unwrap();
    assert_eq!(merged.len(), 2);
    assert_eq!(merged.total(SampleType::InuseSpace), Some(128.0));
    assert_eq!(merged.functions()[1].to_string(), "render src/render.ts:12");
    assert_eq!(merged.functions()[1].generated_location(), "a.js:1");
    assert_eq!(Profile::merge(profiles.iter().rev()).unwrap(), merged);

    let start = |start| {
        let mut function = Function::named("f");
        function.script_name = "c.js".into();
        function.start_position = start;
        function
    };
    let profiles = [of(start(None)), of(start(Some(7)))];
    let merged = Profile::merge(&profiles).unwrap();
    assert_eq!((merged.len(), merged.functions()[1].start_position), (2, Some(7)));
    assert_eq!(Profile::merge(profiles.iter().rev()).unwrap(), merged);
}

#[cfg(feature = "formats")]
mod any_order {
    use std::num::NonZeroU32;
    use std::sync::Arc;
    use std::time::{Duration, UNIX_EPOCH};

    use serde_json::Value;
    use v8_heap_sampler::analysis::{Query, TopOptions, TreeOptions};
    use v8_heap_sampler::budget::{Budget, Measurement};
    use v8_heap_sampler::format::{self, WriteOptions};
    use v8_heap_sampler::{
        Bytes, Confidence, Metadata, Node, NodeId, Original, Sample, SampleId, ScriptId,
    };

    use super::*;
    use crate::support::stacks::{ROOT, function};

    /// What a random profile is made of.
    #[derive(Clone, Debug)]
    struct Parts {
        /// Parents and functions; what processes number anew; whether there is a source map.
        shape: Vec<(prop::sample::Index, bool, usize, u32, bool)>,
        /// Contexts, sizes, whether the object is alive.
        samples: Vec<(prop::sample::Index, u64, bool)>,
        root: usize,
    }

    fn parts() -> impl Strategy<Value = Parts> {
        let index = || any::<prop::sample::Index>();
        let shape = (index(), any::<bool>(), 0..ALL, 0..3_u32, prop::bool::weighted(0.2));
        let shape = prop::collection::vec(shape, 0..20);
        let samples = prop::collection::vec((index(), 1..40_u64, any::<bool>()), 0..25);
        (shape, samples, prop::sample::select(vec![ROOT, 0, 3]))
            .prop_map(|(shape, samples, root)| Parts { shape, samples, root })
    }

    impl Parts {
        fn nodes(&self) -> Vec<Node> {
            let root = function(self.root);
            let mut nodes = vec![Node::of(NodeId(1), Arc::new(root))];
            for (id, &(parent, is_deep, number, process, is_mapped)) in (2..).zip(&self.shape) {
                let mut function = function(number);
                if function.script_id.is_some() && !function.script_name.is_empty() {
                    function.script_id = ScriptId::new(10 + process);
                    function.start_position = (process > 0).then_some(100 * process);
                    function.line_number =
                        function.line_number.filter(|_| process != 1 || number % 3 != 0);
                }
                if is_mapped {
                    let mut original = Original::new("src/a.ts");
                    original.name = (process > 0).then(|| "original".into());
                    original.line_number = NonZeroU32::new(number as u32 % 3);
                    function.original = Some(original.into());
                }
                nodes.push(Node::of(NodeId(id), Arc::new(function)));
                let at = nodes.len() - 1;
                let parent = if is_deep { at - 1 } else { parent.index(at) };
                nodes[parent].child_ids.push(NodeId(id));
            }
            nodes
        }

        fn of_samples(&self, interval: u64, keep_dead: KeepDead, stack_depth: u32) -> Profile {
            let nodes = self.nodes();
            let samples = (1..).zip(&self.samples).map(|(id, &(node, size, lives))| {
                let is_live = lives || keep_dead == KeepDead::None;
                Sample::new(nodes[node.index(nodes.len())].id, 8 * size, SampleId(id), is_live)
            });
            let options = SamplerOptions::new()
                .interval_bytes(interval)
                .keep_dead(keep_dead)
                .stack_depth(stack_depth);
            Profile::from_samples(&nodes, samples, &options).unwrap()
        }

        fn of_nodes(&self, counted: Counted) -> Profile {
            let mut nodes = self.nodes();
            let len = nodes.len();
            for &(node, size, _) in &self.samples {
                let allocations = &mut nodes[node.index(len)].allocations;
                allocations.push(Allocation { count: 1 + size % 3, size: 8 * size });
            }
            Profile::from_nodes(&nodes, counted).unwrap()
        }
    }

    /// Counts and estimates.
    fn of_samples() -> impl Strategy<Value = Profile> {
        let keep_dead = prop::sample::select(vec![
            KeepDead::None,
            KeepDead::MajorGc,
            KeepDead::Both,
            KeepDead::Both,
        ]);
        let interval = prop::sample::select(vec![1, 100, 100, 1000]);
        (parts(), interval, keep_dead, prop::sample::select(vec![3, 64]))
            .prop_map(|(parts, interval, dead, depth)| parts.of_samples(interval, dead, depth))
    }

    fn of_nodes() -> impl Strategy<Value = Profile> {
        (parts(), prop::sample::select(vec![Counted::InUse, Counted::Allocated]))
            .prop_map(|(parts, counted)| parts.of_nodes(counted))
    }

    /// With labels, which tell the parts of a sum from each other.
    fn labelled(profile: impl Strategy<Value = Profile>) -> impl Strategy<Value = Profile> {
        let label = (0..2_i64, 0..3_i64);
        (profile, prop::collection::vec(label, 0..3)).prop_map(|(mut profile, labels)| {
            for (key, value) in labels {
                let key = ["isolate", "shard"][key as usize];
                profile.add_label(match value {
                    0 => Label::number(key, 7, "of"),
                    _ => Label::text(key, format!("worker {value}")),
                });
            }
            profile
        })
    }

    fn made() -> impl Strategy<Value = Profile> {
        labelled(prop_oneof![3 => of_samples(), 1 => of_nodes()])
    }

    /// As another program would find it, with several sets of labels.
    fn read() -> impl Strategy<Value = Profile> {
        let sizes = any::<bool>();
        let pprof = (made(), made(), sizes).prop_map(|(one, other, sizes)| {
            let both = Profile::merge([&one, &other]).unwrap_or(one);
            let mut pprof = Vec::new();
            both.write_pprof(&mut pprof, WriteOptions::new().object_sizes(sizes)).unwrap();
            format::read(&pprof[..]).unwrap()
        });
        let heapprofile = of_samples().prop_map(|profile| {
            let mut file = Vec::new();
            profile.write_heapprofile(&mut file, Counted::InUse).unwrap();
            format::read(&file[..]).unwrap()
        });
        let difference = (made(), made()).prop_map(|(before, after)| {
            let mut pprof = Vec::new();
            match after.write_pprof_diff(&mut pprof, &before, WriteOptions::new()) {
                Ok(()) => format::read(&pprof[..]).unwrap(),
                Err(_) => after,
            }
        });
        labelled(prop_oneof![2 => pprof, 1 => heapprofile, 1 => difference])
    }

    /// A profile, with anything that can be known of it.
    fn any_profile() -> impl Strategy<Value = Profile> {
        let profile = prop_oneof![1 => made(), 1 => read()];
        let comment = prop::sample::select(vec!["b", "a", "c"]);
        let metadata = (
            prop::collection::vec(comment, 0..3),
            prop::option::of(prop::sample::select(SampleType::ALL.to_vec())),
            prop::option::weighted(0.8, 0..100_u64),
            prop::option::weighted(0.8, 0..100_u64),
            prop::sample::select(vec![0, 3, u64::MAX]),
            prop::option::weighted(0.3, prop::sample::select(vec![None, Some(0), Some(100)])),
        );
        (profile, metadata).prop_map(|(mut profile, metadata)| {
            let (comments, default, started, duration, unattributed, interval) = metadata;
            let known: &mut Metadata = &mut profile.metadata;
            known.comments.extend(comments.into_iter().map(str::to_owned));
            known.default_sample_type = default.or(known.default_sample_type);
            known.started = started.map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds));
            known.duration = duration.map(Duration::from_secs);
            known.unattributed_samples = unattributed;
            if let Some(interval) = interval {
                known.interval = interval.map(Bytes);
            }
            profile
        })
    }

    /// Checks that two answers are the same, but for the last digits of numbers.
    #[track_caller]
    fn assert_alike(one: &Value, other: &Value) {
        match (one, other) {
            (Value::Number(one), Value::Number(other)) => {
                assert_close(one.as_f64().unwrap(), other.as_f64().unwrap());
            }
            (Value::Array(one), Value::Array(other)) => {
                assert_eq!(one.len(), other.len(), "{one:?}\n{other:?}");
                one.iter().zip(other).for_each(|(one, other)| assert_alike(one, other));
            }
            (Value::Object(one), Value::Object(other)) => {
                assert!(one.keys().eq(other.keys()));
                one.iter().zip(other).for_each(|(one, other)| assert_alike(one.1, other.1));
            }
            _ => assert_eq!(one, other),
        }
    }

    /// The rows of a table, by name and function: those of nearly one value in one order.
    fn table(profile: &Profile, of: SampleType, by: &str) -> Value {
        let top = profile.top(TopOptions::new(of).by(by.parse().unwrap())).unwrap();
        let mut rows: Vec<_> = top.rows.iter().collect();
        rows.sort_by_key(|row| (&row.name, row.function.as_ref().map(|f| format!("{f:?}"))));
        serde_json::json!({ "total": top.total, "all": top.all, "rows": rows })
    }

    /// The rows of a tree, by stack.
    fn tree(profile: &Profile, of: SampleType) -> Value {
        let tree = profile.top_down(TreeOptions::new(of).min_share(0.0)).unwrap();
        let mut stack = Vec::new();
        let rows = tree.rows.iter().map(|row| {
            stack.truncate(row.depth);
            stack.push(format!("{:?}", row.function));
            (stack.clone(), (row.own, row.total))
        });
        let mut rows: Vec<_> = rows.collect();
        rows.sort_by(|one, other| one.0.cmp(&other.0));
        serde_json::to_value(rows).unwrap()
    }

    /// The depth at which stacks were cut, as far as the profile can be measured.
    fn cut_stacks(profile: &Profile) -> Option<String> {
        let budget = Budget::total("a").allocated_bytes(u64::MAX);
        let measurement = Measurement::new(profile.clone()).ok()?;
        Some(format!("{:?} {:?}", measurement.has_cut_stacks(), measurement.check(budget).err()))
    }

    fn assert_answers_are_alike(one: &Profile, other: &Profile) {
        assert_eq!(one.metadata, other.metadata);
        assert!(one.sample_types().eq(other.sample_types()));
        assert_eq!(one.default_sample_type(), other.default_sample_type());
        assert_eq!(one.functions(), other.functions());
        assert!(one.label_sets().eq(other.label_sets()));
        let limit = |profile: &Profile| profile.detection_limit(Confidence::P95);
        assert_eq!(limit(one), limit(other));
        assert_eq!(cut_stacks(one), cut_stacks(other));
        let contexts = |profile: &Profile| -> Vec<_> {
            let of = |context: v8_heap_sampler::Context<'_>| {
                (context.parent().map(|of| of.index()), Arc::clone(context.function()))
            };
            profile.contexts().map(of).collect()
        };
        assert_eq!(contexts(one), contexts(other));
        for of in one.sample_types() {
            assert_eq!(one.is_difference(of), other.is_difference(of));
            assert_eq!(one.uncertainty(of), other.uncertainty(of));
            let rows = |profile: &Profile| -> Value {
                let rows = profile.rows().map(|row| {
                    (row.context().index(), row.labels(), row.size(), row.value(of).unwrap())
                });
                serde_json::to_value(rows.collect::<Vec<_>>()).unwrap()
            };
            assert_alike(&rows(one), &rows(other));
            for by in [
                "function",
                "name",
                "script",
                "directory",
                "package",
                "stack",
                "label:isolate",
                "label:shard",
            ] {
                assert_alike(&table(one, of, by), &table(other, of, by));
            }
            assert_alike(&tree(one, of), &tree(other, of));
        }
    }

    type Merged = Result<Profile, AnalysisError>;

    fn assert_are_alike(one: &Merged, other: &Merged) {
        match (one, other) {
            (Ok(one), Ok(other)) => assert_answers_are_alike(one, other),
            _ => assert_eq!(one.as_ref().err(), other.as_ref().err()),
        }
    }

    proptest! {
        #[test]
        fn the_order_makes_no_difference(a in any_profile(), b in any_profile()) {
            let merged = Profile::merge([&a, &b]);
            assert_are_alike(&merged, &Profile::merge([&b, &a]));
            // A sum is as it would be alone, also without what a query drops.
            if let Ok(merged) = merged {
                prop_assert_eq!(&Profile::merge([&merged]).unwrap(), &merged);
                let same = merged.query(&Query::new()).unwrap();
                for of in merged.sample_types() {
                    prop_assert_eq!(same.estimate(of), merged.estimate(of));
                }
            }
        }

        #[test]
        fn it_makes_no_difference_what_was_merged_before(
            a in any_profile(),
            b in any_profile(),
            c in any_profile(),
        ) {
            let at_once = Profile::merge([&a, &b, &c]);
            let first = Profile::merge([&a, &b]).and_then(|ab| Profile::merge([&ab, &c]));
            let last = Profile::merge([&b, &c]).and_then(|bc| Profile::merge([&a, &bc]));
            let around = Profile::merge([&c, &a]).and_then(|ca| Profile::merge([&b, &ca]));
            assert_are_alike(&at_once, &first);
            assert_are_alike(&first, &last);
            assert_are_alike(&at_once, &around);
        }

        /// Values and variances by the samples themselves, at whatever intervals.
        #[test]
        fn variances_add_up(a in of_samples(), b in of_samples(), c in of_samples()) {
            let merged = Profile::merge([&a, &b, &c]).unwrap();
            for of in merged.sample_types() {
                let estimate = |profile: &Profile| profile.estimate(of).unwrap();
                let parts = [&a, &b, &c].map(estimate);
                let total = estimate(&merged);
                let variance = |of: &v8_heap_sampler::Estimate| {
                    of.standard_error().unwrap().powi(2)
                };
                assert_close(total.value(), parts.iter().map(|part| part.value()).sum());
                assert_close(variance(&total), parts.iter().map(variance).sum());
                let samples = parts.iter().map(|part| part.samples().unwrap()).sum::<u64>();
                prop_assert_eq!(total.samples(), Some(samples));
            }
        }

        /// Labels tell the profiles of a sum from each other, also where it was written and read.
        #[test]
        fn labels_outlive_sums_and_files(a in of_samples(), b in of_samples()) {
            let mut profiles = [a, b];
            for (at, profile) in (0..).zip(&mut profiles) {
                profile.add_label(Label::number("isolate", at, ""));
                profile.add_label(Label::text("zone", format!("z{at}")));
                let json = serde_json::to_string(profile).unwrap();
                let again: Profile = serde_json::from_str(&json).unwrap();
                prop_assert!(again.label_sets().eq(profile.label_sets()));
            }
            let merged = Profile::merge(&profiles).unwrap();
            let mut pprof = Vec::new();
            merged.write_pprof(&mut pprof, WriteOptions::new().object_sizes(true)).unwrap();
            let again = format::read(&pprof[..]).unwrap();
            for of in merged.sample_types() {
                for (at, profile) in profiles.iter().enumerate() {
                    for (key, value) in [("isolate", at.to_string()), ("zone", format!("z{at}"))] {
                        let by = || TopOptions::new(of).by(format!("label:{key}").parse().unwrap());
                        let [one, read] = [&merged, &again].map(|profile| {
                            let rows = profile.top(by()).unwrap().rows;
                            let row = rows.into_iter().find(|row| row.name == value);
                            row.map_or(0.0, |row| row.own.value())
                        });
                        assert_close(one, profile.total(of).unwrap());
                        // Each sample is rounded there, such that totals are right.
                        let rows = profile.rows().len() as f64;
                        prop_assert!((one - read).abs() <= rows + 1.0, "{one}, and {read} read");
                    }
                }
            }
        }
    }
}
