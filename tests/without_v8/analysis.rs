//! Every view of a profile against what brute force finds in its stacks.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use proptest::prelude::*;
use v8_heap_sampler::analysis::{
    Change, DiffOptions, GroupBy, LeakOptions, Leaks, Metric, Pattern, Query, Recursion, Sessions,
    TopOptions, TreeOptions,
};
use v8_heap_sampler::{
    Estimate, Function, Label, Node, NodeId, Profile, Sample, SampleId, SampleType, SamplerOptions,
    Uncertainty,
};

use crate::support::stacks::{
    AT_OWN_PLACES, Number, Piece, Place, ROOT, Stacks, Weight, assert_close, by_stack,
    exact_stacks, function, group, place, place_of, stacks,
};

/// All functions of the pool: some are the same by place.
pub(crate) const ALL: usize = 12;

mod leaks;
mod significance;

/// Sums by group: of itself; while any of it was on the stack, each sample once; in how many
/// contexts.
fn sums<K: Ord + Clone>(
    stacks: &Stacks,
    group: impl Fn(Number) -> K,
) -> BTreeMap<K, (Weight, Weight, u32)> {
    let mut sums: BTreeMap<K, (Weight, Weight, u32)> = BTreeMap::new();
    for &(_, number) in &stacks.nodes[1..] {
        sums.entry(group(number)).or_default().2 += 1;
    }
    for piece in &stacks.pieces {
        if let Some(&leaf) = piece.stack.last() {
            sums.get_mut(&group(leaf)).unwrap().0.add(piece.weight);
        }
        let on_stack: BTreeSet<K> = piece.stack.iter().map(|&number| group(number)).collect();
        for group in on_stack {
            sums.get_mut(&group).unwrap().1.add(piece.weight);
        }
    }
    sums
}

/// A pattern of functions of the pool.
fn pattern(numbers: &[Number]) -> Pattern {
    let functions: Vec<Function> = numbers.iter().map(|&number| function(number)).collect();
    Pattern::new("some", move |function| functions.contains(function))
}

fn number_of(wanted: &Function) -> Number {
    (0..ALL).find(|&number| function(number) == *wanted).expect("a function of the pool")
}

/// Without the stacks, which would take the square of the depth.
fn deep(nodes: Vec<(usize, Number)>, samples: &[(usize, u64, bool)]) -> Stacks {
    crate::support::stacks::made_without_pieces(nodes, samples, SampleType::InuseSpace, 1)
}

mod top {
    use super::*;

    fn assert_top<K: Ord + Clone + std::fmt::Debug>(
        stacks: &Stacks,
        by: GroupBy,
        key_of_row: impl Fn(&v8_heap_sampler::analysis::TopRow) -> K,
        key: impl Fn(Number) -> K,
    ) {
        let options = TopOptions::new(stacks.of).by(by);
        let top = stacks.profile.top(&options).unwrap();
        stacks.sum(|_| true).assert_is(&top.total);
        let mut wanted = sums(stacks, key);
        let is_of_root = |piece: &Piece| piece.stack.is_empty();
        let has_root = stacks.pieces.iter().any(is_of_root);
        assert_eq!(top.all, wanted.len() + usize::from(has_root));
        for row in &top.rows {
            if row.name == "(root)" {
                stacks.sum(is_of_root).assert_is(&row.own);
                stacks.sum(|_| true).assert_is(&row.total);
                assert!(has_root);
                continue;
            }
            let (own, total, contexts) = wanted.remove(&key_of_row(row)).expect("a row of its own");
            own.assert_is(&row.own);
            total.assert_is(&row.total);
            assert_eq!(row.contexts, contexts);
        }
        assert!(wanted.is_empty(), "no row of {wanted:?}");
        let own: f64 = top.rows.iter().map(|row| row.own.value()).sum();
        assert_close(own, top.total.value());
        assert!(top.rows.is_sorted_by(|one, other| one.own.value() >= other.own.value()));

        let by_total = stacks.profile.top(options.clone().metric(Metric::Total)).unwrap();
        assert_eq!(by_total.rows.len(), top.rows.len());
        let total = |at: usize| by_total.rows[at].total.value();
        assert!((1..by_total.rows.len()).all(|at| total(at - 1) >= total(at)));
        let some = stacks.profile.top(options.limit(2)).unwrap();
        assert_eq!(some.rows, top.rows[..top.rows.len().min(2)]);
        assert_eq!(some.all, top.all);
    }

    proptest! {
        #[test]
        fn top_adds_each_sample_once(stacks in stacks(ALL)) {
            let of_function =
                |row: &v8_heap_sampler::analysis::TopRow| place_of(row.function.as_ref().unwrap());
            assert_top(&stacks, GroupBy::Function, of_function, place);
            let by_name = |(name, script, id, _): Place| (name, script, id);
            assert_top(
                &stacks,
                GroupBy::FunctionName,
                |row| by_name(of_function(row)),
                |number| by_name(place(number)),
            );
            for (which, by) in
                [GroupBy::Script, GroupBy::Directory, GroupBy::Package].into_iter().enumerate()
            {
                assert_top(
                    &stacks,
                    by,
                    |row| row.name.clone(),
                    |number| group(number, which).to_owned(),
                );
            }
        }

        #[test]
        fn top_by_stack_has_what_each_stack_has(stacks in stacks(ALL)) {
            let top = stacks.profile.top(TopOptions::new(stacks.of).by(GroupBy::Stack)).unwrap();
            let stacks_of = |profile: &Profile| {
                profile.diff(profile, DiffOptions::new(stacks.of).by(GroupBy::Stack)).unwrap()
            };
            let mut wanted: Vec<(String, f64)> = stacks_of(&stacks.profile)
                .rows
                .into_iter()
                .map(|row| (row.name, row.own.after().value()))
                .collect();
            prop_assert_eq!(top.all, wanted.len());
            for row in &top.rows {
                let value = row.own.value();
                let is_it = |(name, other): &(String, f64)| {
                    *name == row.name && (other - value).abs() <= 1e-9 * value
                };
                let at = wanted.iter().position(is_it).expect("a stack");
                wanted.swap_remove(at);
                prop_assert_eq!(row.own, row.total);
                let innermost = row.name.split(" < ").next().unwrap();
                let function = row.function.as_ref().map_or("(root)".to_owned(), |f| f.to_string());
                prop_assert_eq!(innermost, function);
            }
            let own: f64 = top.rows.iter().map(|row| row.own.value()).sum();
            assert_close(own, top.total.value());
            prop_assert!(top.rows.is_sorted_by(|one, other| one.own.value() >= other.own.value()));
        }

        #[test]
        fn top_by_label_divides_the_whole(one in exact_stacks(ALL), other in exact_stacks(ALL)) {
            let (mut first, mut second) = (one.profile.clone(), other.profile.clone());
            first.add_label(Label::text("isolate", "main"));
            second.add_label(Label::number("isolate", 7, ""));
            let merged = Profile::merge([&first, &second, &one.profile]).unwrap();
            let options = TopOptions::new(one.of).by("label:isolate".parse().unwrap());
            let top = merged.top(&options).unwrap();
            let whole = [&one, &other].map(|stacks| stacks.sum(|_| true).value);
            for (name, value) in [("main", whole[0]), ("7", whole[1]), ("(none)", whole[0])] {
                let row = top.rows.iter().find(|row| row.name == name);
                prop_assert_eq!(row.map_or(0.0, |row| row.own.value()), value);
                prop_assert_eq!(row.map_or(0.0, |row| row.total.value()), value);
            }
            prop_assert_eq!(top.total.value(), 2.0 * whole[0] + whole[1]);
        }
    }

    /// A row is of the package that package managers and runtimes name; `None` is a program's own
    /// code.
    #[test]
    fn packages_are_those_that_package_managers_name() {
        for (script, package) in [
            ("/srv/app/node_modules/lodash/lodash.js", Some("lodash")),
            ("file:///srv/node_modules/@babel/core/lib/index.js", Some("@babel/core")),
            ("/a/node_modules/x/node_modules/y/index.js", Some("y")),
            ("/a/node_modules/.pnpm/x@1.0.0/node_modules/x/index.js", Some("x")),
            (r"C:\srv\node_modules\x\index.js", Some("x")),
            ("node_modules/x/index.js", Some("x")),
            ("webpack://app/./node_modules/x/index.js?1a2b", Some("x")),
            ("npm:chalk@5.3.0/source/index.js", Some("npm:chalk@5.3.0")),
            ("npm:/@scope/x@1/mod.js", Some("npm:@scope/x@1")),
            ("jsr:@std/path@1.0.0/join.ts", Some("jsr:@std/path@1.0.0")),
            ("https://jsr.io/@std/path/1.0.0/join.ts", Some("jsr:@std/path@1.0.0")),
            ("https://deno.land/x/oak@v12.6.1/mod.ts", Some("https://deno.land/x/oak@v12.6.1")),
            ("https://deno.land/std@0.224.0/path/mod.ts", Some("https://deno.land/std@0.224.0")),
            ("https://esm.sh/preact@10/hooks.js", Some("https://esm.sh/preact@10")),
            ("https://cdn.jsdelivr.net/npm/d3@7/+esm", Some("https://cdn.jsdelivr.net/npm/d3@7")),
            ("https://example.com/app.js", Some("https://example.com")),
            (
                "file:///root/.cache/deno/npm/registry.npmjs.org/chalk/5.3.0/source/index.js",
                Some("npm:chalk@5.3.0"),
            ),
            ("/srv/c#/node_modules/lodash/lodash.js", Some("lodash")),
            ("node:internal/timers", Some("node:internal")),
            ("ext:core/01_core.js", Some("ext:core")),
            ("file:///srv/app/main.js", None),
            ("/srv/app/main.js", None),
            ("main.js", None),
            ("", Some("(no script)")),
            ("/a/node_modules/", None),
            ("https://", None),
            ("npm:", None),
        ] {
            let mut nodes = [Node::new(NodeId(1), "(root)"), Node::new(NodeId(2), "f")];
            nodes[0].child_ids.push(NodeId(2));
            nodes[1].script_name = script.into();
            let samples = [Sample::new(NodeId(2), 64, SampleId(1), true)];
            let profile = Profile::from_samples(&nodes, samples, &SamplerOptions::new()).unwrap();
            let top = profile.top(TopOptions::new(SampleType::InuseSpace).by(GroupBy::Package));
            assert_eq!(top.unwrap().rows[0].name, package.unwrap_or("(own code)"), "{script}");
        }
    }
}

/// The trees from the outside in and from the inside out.
mod tree {
    use super::*;

    /// The stacks of all rows of a tree, the first level first.
    fn paths(tree: &v8_heap_sampler::analysis::Tree) -> Vec<Vec<Place>> {
        let mut path: Vec<Place> = Vec::new();
        let path_of = |row: &v8_heap_sampler::analysis::TreeRow| {
            assert!(row.depth <= path.len(), "a row below none");
            path.truncate(row.depth);
            path.push(place_of(&row.function));
            path.clone()
        };
        tree.rows.iter().map(path_of).collect()
    }

    /// The stacks from the inside out, each with all of its beginnings.
    fn reversed_trie(stacks: &Stacks) -> BTreeMap<Vec<Place>, Weight> {
        let mut trie: BTreeMap<Vec<Place>, Weight> = BTreeMap::new();
        for Piece { stack, weight, .. } in &stacks.pieces {
            let mut reversed: Vec<Place> =
                stack.iter().rev().map(|&number| place(number)).collect();
            if reversed.is_empty() {
                reversed.push(place(ROOT));
            }
            for len in 1..=reversed.len() {
                trie.entry(reversed[..len].to_vec()).or_default().add(*weight);
            }
        }
        trie
    }

    /// Naive rows of the tree from the outside in: node, depth, how many children are left out.
    fn top_down_rows(stacks: &Stacks, least: f64, deepest: usize) -> Vec<(usize, usize, usize)> {
        fn add(
            stacks: &Stacks,
            (node, depth): (usize, usize),
            (least, deepest): (f64, usize),
            rows: &mut Vec<(usize, usize, usize)>,
        ) {
            let all: Vec<usize> = stacks.children(node).collect();
            let mut shown: Vec<(f64, usize)> =
                all.iter().map(|&child| (stacks.total(child).value, child)).collect();
            shown.retain(|&(value, _)| value > 0.0 && value >= least && depth + 1 < deepest);
            shown.sort_by(|one, other| other.0.total_cmp(&one.0));
            rows.push((node, depth, all.len() - shown.len()));
            for (_, child) in shown {
                add(stacks, (child, depth + 1), (least, deepest), rows);
            }
        }
        let mut rows = Vec::new();
        add(stacks, (0, 0), (least, deepest), &mut rows);
        rows
    }

    pub(super) fn assert_siblings_are_sorted(tree: &v8_heap_sampler::analysis::Tree) {
        let mut above: Vec<f64> = Vec::new();
        for row in &tree.rows {
            let value = row.total.value();
            assert!(row.depth <= above.len());
            if let Some(&sibling) = above.get(row.depth) {
                // Sums of floating-point numbers may differ in the last digits.
                assert!(value <= sibling * (1.0 + 1e-9), "{value} after {sibling}");
            }
            above.truncate(row.depth);
            above.push(value);
        }
    }

    proptest! {
        #[test]
        fn bottom_up_is_the_trie_of_reversed_stacks(stacks in stacks(ALL)) {
            prop_assume!(stacks.nodes[0].1 == ROOT);
            let tree =
                stacks.profile.bottom_up(TreeOptions::new(stacks.of).min_share(0.0)).unwrap();
            stacks.sum(|_| true).assert_is(&tree.total);
            let mut trie = reversed_trie(&stacks);
            for (row, path) in tree.rows.iter().zip(paths(&tree)) {
                trie.remove(&path).expect("a row of its own").assert_is(&row.total);
                prop_assert_eq!(row.left_out, 0);
                prop_assert!(row.own.is_none());
            }
            prop_assert!(trie.is_empty(), "no row of {:?}", trie);
            assert_siblings_are_sorted(&tree);
        }

        #[test]
        fn bottom_up_leaves_out_what_is_small_or_deep(
            stacks in exact_stacks(ALL),
            share in prop::sample::select(vec![0.0, 0.0625, 0.125, 0.5, 1.0]),
            depth in 1..6_usize,
        ) {
            prop_assume!(stacks.nodes[0].1 == ROOT);
            let options = TreeOptions::new(stacks.of).min_share(share).depth(depth);
            let tree = stacks.profile.bottom_up(&options).unwrap();
            let trie = reversed_trie(&stacks);
            let least = share * stacks.sum(|_| true).value;
            let is_shown =
                |path: &[Place], weight: &Weight| path.len() <= depth && weight.value >= least;
            let shown = paths(&tree);
            for (row, path) in tree.rows.iter().zip(&shown) {
                prop_assert!(is_shown(path, &trie[path]));
                prop_assert_eq!(row.total.value(), trie[path].value);
                let callers = trie.iter().filter(|(caller, _)| {
                    caller.len() == path.len() + 1 && caller.starts_with(path)
                });
                let left_out = callers.filter(|(caller, weight)| !is_shown(caller, weight)).count();
                prop_assert_eq!(row.left_out, left_out);
            }
            let wanted = trie.iter().filter(|(path, weight)| is_shown(path, weight)).count();
            prop_assert_eq!(shown.len(), wanted);
            prop_assert_eq!(shown.into_iter().collect::<HashSet<_>>().len(), wanted);
        }

        #[test]
        fn top_down_is_the_tree(
            stacks in exact_stacks(ALL),
            share in prop::sample::select(vec![0.0, 0.0625, 0.125, 0.5, 1.0]),
            depth in prop::option::of(1..6_usize),
        ) {
            let options = TreeOptions::new(stacks.of).min_share(share);
            let options = options.depth(depth);
            let tree = stacks.profile.top_down(&options).unwrap();
            let least = share * stacks.sum(|_| true).value;
            let wanted = top_down_rows(&stacks, least, depth.unwrap_or(usize::MAX));
            let preorder = stacks.preorder();
            prop_assert_eq!(tree.rows.len(), wanted.len());
            for (row, (node, depth, left_out)) in tree.rows.iter().zip(wanted) {
                prop_assert_eq!((row.depth, row.left_out), (depth, left_out));
                prop_assert_eq!(preorder[row.context.unwrap()], node);
                if node != 0 {
                    prop_assert_eq!(&*row.function, &function(stacks.nodes[node].1));
                }
                stacks.total(node).assert_is(&row.total);
                stacks.sum(|piece| piece.node == node).assert_is(&row.own.unwrap());
            }
            assert_siblings_are_sorted(&tree);
        }
    }
}

mod hot_path {
    use super::*;

    proptest! {
        #[test]
        fn the_hot_path_follows_the_largest_callee(stacks in exact_stacks(ALL)) {
            let path = stacks.profile.hot_path(stacks.of).unwrap();
            let preorder = stacks.preorder();
            let mut node = 0;
            let mut wanted = vec![0];
            loop {
                let value = |node: &usize| stacks.total(*node).value;
                let largest = stacks.children(node).map(|child| value(&child)).fold(0.0, f64::max);
                let own = stacks.sum(|piece| piece.node == node).value;
                if largest == 0.0 || (node != 0 && own > largest) {
                    break;
                }
                node = stacks.children(node).find(|child| value(child) == largest).unwrap();
                wanted.push(node);
            }
            prop_assert_eq!(path.rows.len(), wanted.len());
            for (depth, (step, node)) in path.rows.iter().zip(&wanted).enumerate() {
                prop_assert_eq!((preorder[step.context.unwrap()], step.depth), (*node, depth));
                if depth > 0 {
                    prop_assert_eq!(&*step.function, &function(stacks.nodes[*node].1));
                }
                stacks.total(*node).assert_is(&step.total);
                stacks.sum(|piece| piece.node == *node).assert_is(&step.own.unwrap());
                let shown = usize::from(depth + 1 < wanted.len());
                prop_assert_eq!(step.left_out, stacks.children(*node).count() - shown);
            }
        }
    }
}

mod peek {
    use super::*;

    /// The calls of a stack, the one from the root among them, each once.
    fn calls(stack: &[Number]) -> BTreeSet<(Option<Place>, Place)> {
        let mut caller = None;
        let mut calls = BTreeSet::new();
        for &number in stack {
            let callee = place(number);
            calls.insert((caller.replace(callee.clone()), callee));
        }
        calls
    }

    proptest! {
        #[test]
        fn peek_counts_each_sample_once_a_call(
            stacks in stacks(ALL),
            wanted in prop::collection::vec(0..ALL, 0..4),
        ) {
            let peek = stacks.profile.peek(stacks.of, pattern(&wanted)).unwrap();
            let functions = sums(&stacks, place);
            // A place matches if the first of its functions in preorder does.
            let mut first: BTreeMap<Place, Number> = BTreeMap::new();
            for node in &stacks.preorder()[1..] {
                let number = stacks.nodes[*node].1;
                first.entry(place(number)).or_insert(number);
            }
            let mut matching: BTreeSet<Place> = first
                .into_iter()
                .filter(|(_, number)| wanted.contains(number))
                .map(|(place, _)| place)
                .collect();
            let mut of_calls: BTreeMap<(Option<Place>, Place), Weight> = BTreeMap::new();
            for node in 1..stacks.nodes.len() {
                for call in calls(&stacks.stack(node)) {
                    of_calls.entry(call).or_default();
                }
            }
            for piece in &stacks.pieces {
                for call in calls(&piece.stack) {
                    of_calls.get_mut(&call).unwrap().add(piece.weight);
                }
            }
            prop_assert!(
                peek.functions.is_sorted_by(|one, other| one.total.value() >= other.total.value())
            );
            for function in &peek.functions {
                let this = place_of(&function.function);
                prop_assert!(matching.remove(&this), "{:?}", this);
                functions[&this].0.assert_is(&function.own);
                functions[&this].1.assert_is(&function.total);
                let mut callers: Vec<_> =
                    of_calls.iter().filter(|(call, _)| call.1 == this).collect();
                prop_assert_eq!(function.callers.len(), callers.len());
                for caller in &function.callers {
                    let place = caller.function.as_deref().map(place_of);
                    let at = callers.iter().position(|(call, _)| call.0 == place).unwrap();
                    callers.swap_remove(at).1.assert_is(&caller.total);
                }
                let is_caller = |call: &(Option<Place>, Place)| call.0.as_ref() == Some(&this);
                let mut callees: Vec<_> =
                    of_calls.iter().filter(|(call, _)| is_caller(call)).collect();
                prop_assert_eq!(function.callees.len(), callees.len());
                for callee in &function.callees {
                    let place = place_of(callee.function.as_deref().unwrap());
                    let at = callees.iter().position(|(call, _)| call.1 == place).unwrap();
                    callees.swap_remove(at).1.assert_is(&callee.total);
                }
                for calls in [&function.callers, &function.callees] {
                    prop_assert!(
                        calls.is_sorted_by(|one, other| one.total.value() >= other.total.value())
                    );
                }
            }
            prop_assert!(matching.is_empty());
        }
    }
}

mod query {
    use super::*;

    /// Which functions each part of a query names, and what else it does.
    #[derive(Clone, Debug)]
    struct Asked {
        focus: Option<Vec<Number>>,
        ignore: Option<Vec<Number>>,
        show_from: Option<Vec<Number>>,
        hide: Option<Vec<Number>>,
        show: Option<Vec<Number>>,
        trim: Option<Vec<Number>>,
        recursion: Option<Recursion>,
        prune: Option<f64>,
    }

    fn asked() -> impl Strategy<Value = Asked> {
        let some = |chance: f64, size: std::ops::Range<usize>| {
            prop::option::weighted(chance, prop::collection::vec(0..AT_OWN_PLACES, size))
        };
        let recursion =
            prop::sample::select(vec![None, Some(Recursion::Direct), Some(Recursion::All)]);
        let prune = prop::option::weighted(0.3, prop::sample::select(vec![0.0, 0.125, 0.5, 1.0]));
        let frames = (some(0.3, 1..5), some(0.3, 1..9), some(0.4, 1..5));
        (some(0.3, 1..5), some(0.3, 1..3), some(0.3, 1..5), frames, recursion, prune).prop_map(
            |(focus, ignore, show_from, (hide, show, trim), recursion, prune)| Asked {
                focus,
                ignore,
                show_from,
                hide,
                show,
                trim,
                recursion,
                prune,
            },
        )
    }

    impl Asked {
        fn query(&self, of: SampleType) -> Query {
            let mut query = Query::new();
            // The order of the calls does not matter: the last one comes first here.
            if let Some(share) = self.prune {
                query = query.prune_below(of, share);
            }
            if let Some(recursion) = self.recursion {
                query = query.collapse_recursion(recursion);
            }
            type Part<'a> = (&'a Option<Vec<Number>>, fn(Query, Pattern) -> Query);
            let parts: [Part<'_>; 6] = [
                (&self.trim, Query::trim),
                (&self.show, Query::show),
                (&self.hide, Query::hide),
                (&self.show_from, Query::show_from),
                (&self.ignore, Query::ignore),
                (&self.focus, Query::focus),
            ];
            for (numbers, ask) in parts {
                if let Some(numbers) = numbers {
                    query = ask(query, pattern(numbers));
                }
            }
            query
        }

        /// What becomes of a stack.
        fn answer(&self, stack: &[Number]) -> Option<Vec<Number>> {
            let mut stack = stack.to_vec();
            let is_any = |stack: &[Number], of: &[Number]| stack.iter().any(|one| of.contains(one));
            if self.focus.as_ref().is_some_and(|focus| !is_any(&stack, focus))
                || self.ignore.as_ref().is_some_and(|ignore| is_any(&stack, ignore))
            {
                return None;
            }
            let had_frames = !stack.is_empty();
            stack.retain(|one| self.hide.as_ref().is_none_or(|hide| !hide.contains(one)));
            stack.retain(|one| self.show.as_ref().is_none_or(|show| show.contains(one)));
            if stack.is_empty() && (had_frames || self.show.is_some()) {
                return None;
            }
            if let Some(from) = &self.show_from {
                let first = stack.iter().position(|one| from.contains(one))?;
                stack.drain(..first);
            }
            if let Some(trim) = &self.trim {
                let kept = stack.iter().position(|one| !trim.contains(one)).unwrap_or(stack.len());
                stack.drain(..kept);
            }
            match self.recursion {
                None => {}
                Some(Recursion::Direct) => stack.dedup_by_key(|one| place(*one)),
                Some(_) => {
                    let mut kept: Vec<Number> = Vec::new();
                    for one in stack {
                        match kept.iter().position(|&earlier| place(earlier) == place(one)) {
                            Some(at) => kept.truncate(at + 1),
                            None => kept.push(one),
                        }
                    }
                    stack = kept;
                }
            }
            Some(stack)
        }

        /// What becomes of all stacks.
        fn answers(&self, stacks: &Stacks) -> BTreeMap<Vec<String>, Weight> {
            let kept: Vec<(Vec<String>, Weight)> = stacks
                .pieces
                .iter()
                .filter_map(|piece| Some((self.answer(&piece.stack)?, piece.weight)))
                .map(|(stack, weight)| {
                    let named = |&number: &Number| format!("{:?}", function(number));
                    (stack.iter().map(named).collect(), weight)
                })
                .collect();
            let whole: f64 = kept.iter().map(|(_, weight)| weight.value).sum();
            let mut answers: BTreeMap<Vec<String>, Weight> = BTreeMap::new();
            for (stack, weight) in &kept {
                let mut stack = stack.clone();
                let is_small = |len: usize| {
                    let below = kept.iter().filter(|(other, _)| other.starts_with(&stack[..len]));
                    let total: f64 = below.map(|(_, weight)| weight.value).sum();
                    self.prune.is_some_and(|share| total < share * whole)
                };
                if let Some(len) = (1..=stack.len()).find(|&len| is_small(len)) {
                    stack[len - 1] = format!("{:?}", Function::named("(pruned)"));
                    stack.truncate(len);
                }
                answers.entry(stack).or_default().add(*weight);
            }
            answers
        }
    }

    proptest! {
        #[test]
        fn queries_rewrite_each_stack(stacks in exact_stacks(AT_OWN_PLACES), asked in asked()) {
            let answer = stacks.profile.query(&asked.query(stacks.of)).unwrap();
            let wanted = asked.answers(&stacks);
            let found = by_stack(&answer, stacks.of);
            let values: Vec<(Vec<String>, f64)> =
                wanted.iter().map(|(stack, weight)| (stack.clone(), weight.value)).collect();
            prop_assert_eq!(found, values);
            // The samples go along, in their order.
            let samples = answer.samples().unwrap();
            let kept: u64 = wanted.values().map(|weight| weight.samples).sum();
            prop_assert_eq!(samples.len() as u64, kept);
            let mut of_contexts = vec![0.0; answer.len()];
            for sample in samples {
                of_contexts[sample.context as usize] += sample.bytes;
            }
            prop_assert_eq!(of_contexts, answer.values(stacks.of).unwrap());
            // Of the contexts those are there that are left of some stack, and their callers.
            // (What lies between two calls of a function, and is left out, may be there without
            // values.)
            if asked.prune.is_none() && asked.recursion != Some(Recursion::All) {
                let mut there: BTreeSet<Vec<String>> = BTreeSet::from([Vec::new()]);
                for node in 0..stacks.nodes.len() {
                    let stack = asked.answer(&stacks.stack(node)).unwrap_or_default();
                    let stack: Vec<String> =
                        stack.iter().map(|&number| format!("{:?}", function(number))).collect();
                    there.extend((1..=stack.len()).map(|len| stack[..len].to_vec()));
                }
                prop_assert_eq!(answer.len(), there.len());
            }
            // What only takes frames off and puts them together keeps all values.
            let asked = Asked {
                focus: None,
                ignore: None,
                show_from: None,
                hide: None,
                show: None,
                ..asked
            };
            let answer = stacks.profile.query(&asked.query(stacks.of)).unwrap();
            prop_assert_eq!(answer.total(stacks.of), stacks.profile.total(stacks.of));
            let [is, was] = [&answer, &stacks.profile].map(|of| of.estimate(stacks.of).unwrap());
            prop_assert_eq!(is.samples(), was.samples());
            assert_close(is.standard_error().unwrap(), was.standard_error().unwrap());
        }

        #[test]
        fn asking_again_changes_nothing(stacks in exact_stacks(ALL), asked in asked()) {
            let once = stacks.profile.query(&Query::new()).unwrap();
            prop_assert_eq!(by_stack(&once, stacks.of), by_stack(&stacks.profile, stacks.of));
            // Except for what depends on the whole.
            let query = Asked { prune: None, ..asked.clone() }.query(stacks.of);
            let answer = stacks.profile.query(&query).unwrap();
            // What chooses stacks chooses them again, unless a frame that it goes by was taken off.
            let frames = [&asked.show_from, &asked.hide, &asked.show, &asked.trim];
            if frames.iter().all(|numbers| numbers.is_none()) && asked.recursion.is_none() {
                prop_assert_eq!(&answer.query(&query).unwrap(), &answer);
            }
            // Whatever was taken off is not there to be taken off again.
            let query = Asked { focus: None, show_from: None, prune: None, trim: None, ..asked }
                .query(stacks.of);
            let answer = stacks.profile.query(&query).unwrap();
            prop_assert_eq!(&answer.query(&query).unwrap(), &answer);
        }
    }

    /// `main` calls `x`, and so does `b`, which calls itself: without the stacks with `b`, there is
    /// one way.
    #[test]
    fn what_is_ignored_is_not_called() {
        let nodes = vec![(0, 0), (0, 7), (1, 8), (0, 2), (3, 2), (4, 8)];
        let profile = deep(nodes, &[(2, 64, true), (5, 64, true)]).profile;
        let of = SampleType::InuseSpace;
        for query in [Query::new().ignore(pattern(&[2])), Query::new().focus(pattern(&[7]))] {
            let answer = profile.query(&query).unwrap();
            assert_eq!(answer.contexts().count(), 3);
            assert!(answer.cycles(of).unwrap().cycles.is_empty());
            let dominators = answer.dominators(of).unwrap();
            let rows = dominators.rows.iter().map(|row| (row.depth, &*row.function));
            assert_eq!(rows.skip(1).collect::<Vec<_>>(), [(1, &function(7)), (2, &function(8))]);
        }
    }
}

mod cycles {
    use super::*;

    /// Which functions can be reached from one by one call or more.
    fn called_from(stacks: &Stacks, from: Number) -> BTreeSet<Number> {
        let mut reached: BTreeSet<Number> = BTreeSet::new();
        loop {
            let before = reached.len();
            for &(parent, number) in &stacks.nodes[1..] {
                let (_, caller) = stacks.nodes[parent];
                if parent != 0 && (caller == from || reached.contains(&caller)) {
                    reached.insert(number);
                }
            }
            if reached.len() == before {
                return reached;
            }
        }
    }

    proptest! {
        #[test]
        fn cycles_are_what_reaches_itself(stacks in stacks(AT_OWN_PLACES)) {
            let cycles = stacks.profile.cycles(stacks.of).unwrap();
            let reached: BTreeMap<Number, BTreeSet<Number>> = stacks
                .functions()
                .into_iter()
                .map(|number| (number, called_from(&stacks, number)))
                .collect();
            let mut wanted: BTreeSet<BTreeSet<Number>> = reached
                .iter()
                .filter(|(number, from)| from.contains(number))
                .map(|(number, from)| {
                    from.iter().copied().filter(|other| reached[other].contains(number)).collect()
                })
                .collect();
            for cycle in &cycles.cycles {
                let functions: BTreeSet<Number> =
                    cycle.functions.iter().map(|function| number_of(function)).collect();
                prop_assert_eq!(functions.len(), cycle.functions.len());
                prop_assert!(wanted.remove(&functions), "{:?}", functions);
                let is_in = |number: &Number| functions.contains(number);
                stacks.sum(|piece| piece.stack.last().is_some_and(is_in)).assert_is(&cycle.own);
                stacks.sum(|piece| piece.stack.iter().any(is_in)).assert_is(&cycle.total);
            }
            prop_assert!(wanted.is_empty());
            let is_sorted =
                cycles.cycles.is_sorted_by(|one, other| one.total.value() >= other.total.value());
            prop_assert!(is_sorted);
        }
    }
}

mod dominators {
    use super::tree::assert_siblings_are_sorted;
    use super::*;

    /// Which functions can be reached from the root by the calls of a profile, if one is left out.
    fn reachable(stacks: &Stacks, without: Option<Number>) -> BTreeSet<Number> {
        let mut reached: BTreeSet<Number> = BTreeSet::new();
        loop {
            let before = reached.len();
            for (at, &(parent, number)) in stacks.nodes.iter().enumerate().skip(1) {
                let (_, caller) = stacks.nodes[parent];
                let is_called = parent == 0 || reached.contains(&caller);
                if at > 0 && is_called && Some(number) != without {
                    reached.insert(number);
                }
            }
            if reached.len() == before {
                return reached;
            }
        }
    }

    proptest! {
        #[test]
        fn dominators_are_what_cannot_be_gone_round(stacks in stacks(AT_OWN_PLACES)) {
            let options = TreeOptions::new(stacks.of);
            let found = stacks.profile.dominators(options.clone().min_share(0.0)).unwrap();
            let all = stacks.functions();
            // Of each function those that cannot be reached without it.
            let dominated: BTreeMap<Number, BTreeSet<Number>> = all
                .iter()
                .map(|&number| {
                    let rest = reachable(&stacks, Some(number));
                    (number, all.iter().copied().filter(|other| !rest.contains(other)).collect())
                })
                .collect();
            prop_assert_eq!(found.rows.len(), 1 + all.len());
            stacks.sum(|_| true).assert_is(&found.rows[0].total);
            stacks.sum(|piece| piece.stack.is_empty()).assert_is(&found.rows[0].own.unwrap());
            let mut above: Vec<Number> = Vec::new();
            for (at, row) in found.rows.iter().enumerate().skip(1) {
                let this = number_of(&row.function);
                let below = &dominated[&this];
                let after = found.rows[at..].iter().skip(1);
                let rows_below = after.take_while(|other| other.depth > row.depth).count();
                prop_assert_eq!(1 + rows_below, below.len());
                let leaf_is_in =
                    |piece: &Piece| piece.stack.last().is_some_and(|leaf| below.contains(leaf));
                stacks.sum(leaf_is_in).assert_is(&row.total);
                let own = stacks.sum(|piece| piece.stack.last() == Some(&this));
                own.assert_is(&row.own.unwrap());
                // The nearest of its dominators is the one that all the others dominate.
                let others: Vec<Number> = all
                    .iter()
                    .copied()
                    .filter(|other| *other != this && dominated[other].contains(&this))
                    .collect();
                let nearest = others
                    .iter()
                    .copied()
                    .find(|one| others.iter().all(|other| dominated[other].contains(one)));
                above.truncate(row.depth - 1);
                prop_assert_eq!(above.last().copied(), nearest);
                above.push(this);
                prop_assert_eq!(row.left_out, 0);
            }
            assert_siblings_are_sorted(&found);
            // Cut, it is the rows that are large, all of whose dominators are.
            let cut = stacks.profile.dominators(options.min_share(0.25)).unwrap();
            let least = 0.25 * found.total.value();
            let large = found.rows.iter().filter(|row| row.total.value() >= least);
            prop_assert!(large.map(|row| &row.function).eq(cut.rows.iter().map(|row| &row.function)));
        }
    }
}

mod common_caller {
    use super::*;

    proptest! {
        #[test]
        fn a_common_caller_is_on_every_stack(
            stacks in stacks(ALL),
            wanted in prop::collection::vec(0..ALL, 1..4),
        ) {
            let found = stacks.profile.common_caller(stacks.of, pattern(&wanted));
            let rank: BTreeMap<usize, usize> = stacks
                .preorder()
                .into_iter()
                .enumerate()
                .map(|(rank, node)| (node, rank))
                .collect();
            let mut outside: Vec<(usize, &[Number])> = stacks
                .pieces
                .iter()
                .filter_map(|piece| {
                    let first = piece.stack.iter().position(|number| wanted.contains(number))?;
                    Some((rank[&piece.node], &piece.stack[..first]))
                })
                .collect();
            outside.sort_unstable();
            // Scripts that were loaded again are the same.
            let mut places = outside.iter().map(|(_, stack)| -> Vec<Place> {
                stack.iter().map(|&number| place(number)).collect()
            });
            let first = places.next().unwrap_or_default();
            let others: Vec<_> = places.collect();
            let common =
                first.iter().rev().find(|one| others.iter().all(|stack| stack.contains(one)));
            prop_assert_eq!(found.as_deref().map(place_of), common.cloned());
        }
    }

    /// The same function of a script that was loaded twice calls `map`.
    #[test]
    fn scripts_that_were_loaded_again_have_the_same_callers() {
        let nodes = vec![(0, 0), (0, 0), (1, 7), (0, 10), (3, 7)];
        let profile = deep(nodes, &[(2, 64, true), (4, 64, true)]).profile;
        let found = profile.common_caller(SampleType::InuseSpace, pattern(&[7])).unwrap();
        assert_eq!(place_of(&found), place(0));
        assert_eq!(place(0), place(10));
        assert_ne!(function(0), function(10));
    }
}

mod diff {
    use super::*;

    /// Rows of a comparison of functions: place, before, after.
    type Compared = BTreeMap<Place, (f64, f64)>;

    fn compared(
        before: &Stacks,
        after: &Stacks,
        which: impl Fn(&(Weight, Weight, u32)) -> f64,
    ) -> Compared {
        let mut rows = Compared::new();
        for (place, sums) in sums(before, place) {
            rows.entry(place).or_default().0 = which(&sums);
        }
        for (place, sums) in sums(after, place) {
            rows.entry(place).or_default().1 = which(&sums);
        }
        rows
    }

    fn assert_amount(amount: &Estimate, value: f64) {
        assert_close(amount.value(), value);
    }

    proptest! {
        #[test]
        fn differences_are_of_sums(
            before in exact_stacks(ALL),
            after in exact_stacks(ALL),
            is_total: bool,
        ) {
            let of = before.of;
            let measure = if is_total { Metric::Total } else { Metric::Own };
            let options = DiffOptions::new(of).metric(measure).sessions(Sessions::Independent);
            let found = after.profile.diff(&before.profile, &options).unwrap();
            let own = compared(&before, &after, |sums| sums.0.value);
            let total = compared(&before, &after, |sums| sums.1.value);
            let root = [&before, &after].map(|of| of.sum(|piece| piece.stack.is_empty()).value);
            let all = own.len() + usize::from(root != [0.0; 2]);
            prop_assert_eq!(found.rows.len(), all);
            prop_assert_eq!(found.all, all);
            let changes: f64 = found.rows.iter().map(|row| row.own.value()).sum();
            assert_close(changes, found.total.value());
            for row in &found.rows {
                if row.name == "(root)" {
                    assert_amount(&row.own.before(), root[0]);
                    assert_amount(&row.own.after(), root[1]);
                    continue;
                }
                let this = place_of(row.function.as_ref().unwrap());
                for (change, wanted) in [(&row.own, own[&this]), (&row.total, total[&this])] {
                    assert_amount(&change.before(), wanted.0);
                    assert_amount(&change.after(), wanted.1);
                    assert_close(change.value(), wanted.1 - wanted.0);
                }
                // Nothing is uncertain here.
                let (is, was) = if is_total { total[&this] } else { own[&this] };
                prop_assert_eq!(row.is_significant, is != was);
            }
            prop_assert_eq!(
                found.significant,
                found.rows.iter().filter(|row| row.is_significant).count()
            );
            let whole = [&before, &after].map(|stacks| stacks.sum(|_| true).value);
            assert_close(found.total.value(), whole[1] - whole[0]);

            let by_stack =
                after.profile.diff(&before.profile, options.clone().by(GroupBy::Stack)).unwrap();
            let (was, is) = (before.by_places(), after.by_places());
            let stacks: BTreeSet<_> = was.keys().chain(is.keys()).cloned().collect();
            prop_assert_eq!(by_stack.rows.len(), stacks.len());
            for row in &by_stack.rows {
                let stack: Vec<Place> =
                    row.stack.iter().map(|function| place_of(function)).collect();
                let value =
                    |of: &BTreeMap<Vec<Place>, Weight>| of.get(&stack).map_or(0.0, |of| of.value);
                assert_amount(&row.own.before(), value(&was));
                assert_amount(&row.own.after(), value(&is));
                prop_assert_eq!(&row.own, &row.total);
            }
            let sum: f64 = by_stack.rows.iter().map(|row| row.own.value()).sum();
            assert_close(sum, found.total.value());
        }

        #[test]
        fn differences_are_the_same_both_ways(
            before in stacks(ALL),
            after in stacks(ALL),
            by_stack: bool,
        ) {
            let mut options =
                DiffOptions::new(SampleType::InuseSpace).sessions(Sessions::Independent);
            if by_stack {
                options = options.by(GroupBy::Stack);
            }
            let there = after.profile.diff(&before.profile, &options).unwrap();
            let back = before.profile.diff(&after.profile, &options).unwrap();
            prop_assert_eq!((there.all, there.significant), (back.all, back.significant));
            let key = |row: &v8_heap_sampler::analysis::DiffRow| match by_stack {
                true => row.stack.iter().map(|function| place_of(function)).collect::<Vec<_>>(),
                // Whatever its function is.
                false if row.name == "(root)" => Vec::new(),
                false => vec![place_of(row.function.as_ref().unwrap())],
            };
            let mut rows: BTreeMap<_, _> = back.rows.iter().map(|row| (key(row), row)).collect();
            for row in &there.rows {
                let other = rows.remove(&key(row)).unwrap();
                assert_close(row.own.value(), -other.own.value());
                assert_close(row.own.p_value().unwrap(), other.own.p_value().unwrap());
                assert_close(row.q_value.unwrap(), other.q_value.unwrap());
                prop_assert_eq!(row.own.standard_error(), other.own.standard_error());
                let [there, back] = [&row.own, &other.own]
                    .map(|change| change.interval(v8_heap_sampler::Confidence::P95).unwrap());
                assert_close(there.lower, -back.upper);
                assert_close(there.upper, -back.lower);
                prop_assert!(there.lower <= row.own.value() && row.own.value() <= there.upper);
            }
            prop_assert!(rows.is_empty());
            // Significant ones first, then by the size of the change.
            let order = |row: &v8_heap_sampler::analysis::DiffRow| {
                (row.is_significant, row.own.value().abs())
            };
            prop_assert!(there.rows.is_sorted_by(|one, other| order(one) >= order(other)));
            let few = after.profile.diff(&before.profile, options.limit(2)).unwrap();
            prop_assert_eq!(&few.rows[..], &there.rows[..there.rows.len().min(2)]);
            prop_assert_eq!((few.all, few.significant), (there.all, there.significant));
            // Benjamini and Hochberg, by the definition.
            // What had nothing and has nothing is no hypothesis.
            let tested = || {
                let has_value =
                    |change: &Change| change.before().value() + change.after().value() > 0.0;
                there.rows.iter().filter(move |row| has_value(&row.own))
            };
            let p_values: Vec<f64> = tested().map(|row| row.own.p_value().unwrap()).collect();
            for row in tested() {
                let p = row.own.p_value().unwrap();
                let all = p_values.len() as f64;
                let least = p_values
                    .iter()
                    .filter(|&&other| other >= p)
                    .map(|&other| {
                        other * all / p_values.iter().filter(|&&one| one <= other).count() as f64
                    })
                    .fold(1.0, f64::min);
                assert_close(row.q_value.unwrap(), least);
                prop_assert_eq!(row.is_significant, row.q_value.unwrap() <= 0.05);
            }
        }

        #[test]
        fn nothing_differs_from_itself(stacks in stacks(ALL)) {
            for sessions in [Sessions::Detect, Sessions::Independent] {
                for by in ["function", "name", "script", "directory", "package", "label:x", "stack"]
                {
                    let options = DiffOptions::new(stacks.of).sessions(sessions);
                    let options = options.by(by.parse().unwrap());
                    let found = stacks.profile.diff(&stacks.profile, &options).unwrap();
                    prop_assert_eq!(found.significant, 0);
                    prop_assert_eq!(found.same_session, sessions == Sessions::Detect);
                    let changes = found.rows.iter().flat_map(|row| [&row.own, &row.total]);
                    // Samples have no labels, so that those of a label cannot be matched.
                    let are_matched = found.same_session && by != "label:x";
                    for change in changes.chain([&found.total]) {
                        prop_assert_eq!((change.value(), change.p_value()), (0.0, Some(1.0)));
                        if are_matched {
                            // All samples are in both: nothing is left that could be in doubt.
                            prop_assert_eq!(change.standard_error(), Some(0.0));
                        }
                    }
                }
            }
        }
    }
}

/// What is said where samples are few.
mod few_samples {
    use super::*;

    /// Samples of functions `f0`, `f1`, ..., so many of each, of 64 bytes.
    fn profile(samples: &[u64], interval_bytes: u64) -> Profile {
        let mut nodes = vec![Node::new(NodeId(1), "(root)")];
        let mut all = Vec::new();
        for (id, &count) in (2..).zip(samples) {
            nodes[0].child_ids.push(NodeId(id));
            nodes.push(Node::new(NodeId(id), format!("f{}", id - 2)));
            for _ in 0..count {
                let number = SampleId(all.len() as u64 + 1);
                all.push(Sample::new(NodeId(id), 64, number, true));
            }
        }
        let options = SamplerOptions::new().interval_bytes(interval_bytes);
        Profile::from_samples(&nodes, all, &options).unwrap()
    }

    fn top(samples: &[u64], interval_bytes: u64) -> String {
        profile(samples, interval_bytes).top(SampleType::InuseSpace).unwrap().to_string()
    }

    #[test]
    fn the_interval_that_would_do_is_told() {
        // 20 samples of 512 KiB: 10.5 MB, of which 400 samples would be one in 26 kB.
        let text = top(&[20], 512 * 1024);
        let line = text.lines().nth(1).unwrap();
        assert_eq!(line, "20 samples are few to go by: use an interval of at most 26216 bytes");
        assert!(top(&[20], 2048).contains("use an interval of 1 byte, which counts all"));
        assert!(top(&[], 2048).contains("\nno samples\n"));
        assert!(top(&[1], 1 << 20).contains("\n1 sample is little to go by: use an interval of"));
        // Enough of them, all of them, and a number of samples that nobody knows.
        assert!(!top(&[100], 2048).contains("interval of"));
        assert!(!top(&[20], 1).contains("interval of"));
        let nodes = [Node::new(NodeId(1), "(root)")];
        let unknown = Profile::from_nodes(&nodes, v8_heap_sampler::Counted::InUse).unwrap();
        let unknown = unknown.top(SampleType::InuseSpace).unwrap().to_string();
        assert!(!unknown.contains("samples"), "{unknown}");
        // Each table says so.
        let few = profile(&[20], 512 * 1024);
        let tree = few.top_down(TreeOptions::new(SampleType::InuseSpace)).unwrap().to_string();
        assert!(tree.contains("are few to go by"), "{tree}");
    }

    #[test]
    fn rows_of_one_sample_are_one_row() {
        let few = profile(&[200, 1, 1, 7, 1], 4096);
        let table = few.top(SampleType::InuseSpace).unwrap();
        assert_eq!(table.rows.len(), 5);
        let text = table.to_string();
        let names: Vec<&str> = text
            .lines()
            .skip(2)
            .map(|line| line.rsplit_once("%  ").map_or(line, |(_, name)| name).trim())
            .collect();
        assert_eq!(names, ["f0", "f3", "(3 more, of one sample each)"], "{text}");
        // Their sum, and all that is there.
        let sum = table.rows.iter().filter(|row| row.own.samples() == Some(1));
        let sum = sum.map(|row| row.own).reduce(|sum, own| sum.checked_add(&own).unwrap());
        assert!(text.lines().last().unwrap().contains(&format!("{:#}", sum.unwrap())), "{text}");
        assert!(text.lines().last().unwrap().contains("100.0%"), "{text}");
        assert_eq!(format!("{table:#}").lines().count(), 7);
        // A single one is shown; and so are counts.
        assert!(top(&[200, 1], 4096).contains("f1"));
        assert!(top(&[1, 1], 1).contains("f1"));
    }
}

/// All answers to one profile.
mod every_answer {
    use super::*;

    /// An answer as text and as JSON, from which it comes back as it was.
    fn both<T>(answer: T) -> (String, serde_json::Value)
    where
        T: std::fmt::Display + serde::Serialize + serde::de::DeserializeOwned + PartialEq,
    {
        let json = serde_json::to_string(&answer).unwrap();
        let (text, again) = (answer.to_string(), serde_json::from_str::<T>(&json).unwrap());
        assert!(again == answer, "{text}");
        assert_eq!(again.to_string(), text);
        (text, serde_json::from_str(&json).unwrap())
    }

    /// All answers to a profile, as text and as JSON.
    fn all_answers(profile: &Profile, of: SampleType) -> Vec<(String, serde_json::Value)> {
        let every = Pattern::new("all", |_| true);
        let mut answers = vec![
            both(profile.top_down(TreeOptions::new(of)).unwrap()),
            both(profile.bottom_up(TreeOptions::new(of)).unwrap()),
            both(profile.peek(of, &every).unwrap()),
            both(profile.hot_path(of).unwrap()),
            both(profile.cycles(of).unwrap()),
            both(profile.dominators(of).unwrap()),
            both(profile.diff(profile, DiffOptions::new(of).by(GroupBy::Stack).limit(20)).unwrap()),
        ];
        for by in ["function", "name", "script", "directory", "package", "stack", "label:isolate"] {
            let by: GroupBy = by.parse().unwrap();
            answers.push(both(profile.top(TopOptions::new(of).by(by.clone())).unwrap()));
            answers.push(both(profile.diff(profile, DiffOptions::new(of).by(by)).unwrap()));
        }
        let options = LeakOptions::new().sample_type(of);
        answers.push(both(Leaks::find([profile; 3], options).unwrap()));
        answers
    }

    /// Every amount and change in JSON has a value, and limits unless these are unknown.
    fn assert_numbers(json: &serde_json::Value, is_known: bool) {
        use serde_json::Value;
        match json {
            Value::Array(items) => items.iter().for_each(|item| assert_numbers(item, is_known)),
            Value::Object(fields) => {
                if let Some(error) = fields.get("standard_error") {
                    let value = fields.get("value").or(fields.get("change")).unwrap();
                    assert!(value.is_f64(), "{json}");
                    for field in [error, &fields["lower"], &fields["upper"]] {
                        assert_eq!(field.is_f64(), is_known, "{json}");
                    }
                    if is_known {
                        let [value, lower, upper] = [value, &fields["lower"], &fields["upper"]]
                            .map(|number| number.as_f64().unwrap());
                        assert!(lower <= value && value <= upper, "{json}");
                    }
                }
                fields.values().for_each(|field| assert_numbers(field, is_known));
            }
            _ => {}
        }
    }

    /// A chain of calls of two functions in turn, so many deep, with an object at every `every`-th
    /// level.
    fn chain(levels: usize, every: usize) -> Stacks {
        let nodes: Vec<(usize, Number)> =
            (0..=levels).map(|at| (at.saturating_sub(1), at % 2)).collect();
        let samples: Vec<_> = (1..=levels / every).map(|at| (at * every, 64, true)).collect();
        deep(nodes, &samples)
    }

    proptest! {
        #[test]
        fn answers_are_numbers_and_text(stacks in stacks(ALL)) {
            for (text, json) in all_answers(&stacks.profile, stacks.of) {
                prop_assert!(!text.is_empty());
                prop_assert!(!text.contains("NaN") && !text.contains("inf"), "{}", text);
                assert_numbers(&json, true);
            }
            // What was sampled here knows at which interval, whatever is said of it.
            let mut named = stacks.profile.clone();
            named.metadata.interval = None;
            prop_assert_eq!(named.uncertainty(stacks.of), Some(Uncertainty::Sampled));
        }

        /// Where nothing is known of the sampling, not even by enough samples, there are values
        /// alone.
        #[cfg(feature = "formats")]
        #[test]
        fn what_is_not_known_is_not_told(stacks in stacks(ALL)) {
            use v8_heap_sampler::format::{ReadOptions, WriteOptions};

            let mut pprof = Vec::new();
            let options = WriteOptions::new().object_sizes(true);
            stacks.profile.write_pprof(&mut pprof, &options).unwrap();
            let mut unknown = ReadOptions::new().read(&pprof[..]).unwrap();
            unknown.metadata.interval = None;
            assert_values(&unknown, stacks.of, false);

            // There are samples of as many as are written, but not their sizes.
            let counted = stacks.of.counted();
            let mut json = Vec::new();
            stacks.profile.write_heapprofile(&mut json, counted).unwrap();
            let unknown = ReadOptions::new().unnamed(counted).read(&json[..]).unwrap();
            prop_assert_eq!(unknown.metadata.interval, None);
            let is_seen = unknown.samples().is_some_and(|samples| samples.len() >= 10);
            assert_values(&unknown, counted.space(), is_seen);
        }
    }

    /// Checks that all answers have values, and limits if these are known.
    #[cfg(feature = "formats")]
    fn assert_values(profile: &Profile, of: SampleType, is_known: bool) {
        let uncertainty = profile.uncertainty(of);
        assert_eq!(uncertainty != Some(Uncertainty::Unknown), is_known, "{uncertainty:?}");
        for (text, json) in all_answers(profile, of) {
            assert!(!text.is_empty());
            assert_numbers(&json, is_known);
        }
    }

    /// Would overflow a stack if it took the levels one call each, and run for hours if it took the
    /// square of their number.
    #[test]
    fn deep_recursion_is_no_matter() {
        const LEVELS: usize = 100_000;
        let of = SampleType::InuseSpace;
        let profile = chain(LEVELS, LEVELS).profile;
        assert_eq!(profile.top_down(TreeOptions::new(of)).unwrap().rows.len(), LEVELS + 1);
        let all = TreeOptions::new(of).depth(LEVELS);
        assert_eq!(profile.bottom_up(&all).unwrap().rows.len(), LEVELS);
        assert_eq!(profile.bottom_up(TreeOptions::new(of)).unwrap().rows.len(), 512);
        assert_eq!(profile.hot_path(of).unwrap().rows.len(), LEVELS + 1);
        for (text, json) in all_answers(&profile, of) {
            assert!(!text.is_empty());
            assert_numbers(&json, true);
        }
        let merged = Profile::merge([&profile, &profile]).unwrap();
        assert_eq!(merged.len(), LEVELS + 1);

        // Something at each level, which has so many callers above it: most is cut off.
        let profile = chain(LEVELS, 1).profile;
        let whole = 64.0 * LEVELS as f64;
        let options = TreeOptions::new(of).depth(3);
        assert_eq!(profile.top_down(&options).unwrap().rows.len(), 3);
        assert_eq!(profile.bottom_up(&options).unwrap().rows.len(), 6);
        let top = profile.top(TopOptions::new(of)).unwrap();
        assert_eq!(top.rows[0].total.value() + top.rows[1].total.value(), 2.0 * whole - 64.0);
        assert_eq!(profile.cycles(of).unwrap().cycles[0].total.value(), whole);
        let options = DiffOptions::new(of).by(GroupBy::Stack).limit(3);
        assert_eq!(merged.diff(&profile, &options).unwrap().all, LEVELS);
        let first = Query::new().show_from(pattern(&[1])).trim(pattern(&[1]));
        for (query, contexts) in [
            (Query::new().collapse_recursion(Recursion::All), 3),
            (Query::new().collapse_recursion(Recursion::Direct), LEVELS + 1),
            (Query::new().hide(pattern(&[0])).collapse_recursion(Recursion::Direct), 2),
            (first, LEVELS),
            (Query::new().prune_below(of, 0.5), LEVELS / 2 + 3),
        ] {
            let answer = profile.query(&query).unwrap();
            assert_eq!((answer.len(), answer.total(of)), (contexts, Some(whole)), "{query:?}");
        }
    }

    #[test]
    fn odd_names_are_shown() {
        let long = "x".repeat(10_000);
        let names = [
            "",
            "\n",
            "a\nb\tc\r",
            "\0\u{7}\u{1b}[31m",
            "\u{202e}עברית",
            "日本語",
            "\u{fffd}",
            &long,
            " ",
            "\"\\",
        ];
        let mut nodes = vec![Node::new(NodeId(1), "(root)")];
        let mut samples = Vec::new();
        for (id, (name, script)) in
            (2..).zip(names.iter().flat_map(|name| names.map(|other| (name, other))))
        {
            let mut node = Node::new(NodeId(id), *name);
            node.script_name = script.into();
            nodes[id as usize % 7 % (id as usize - 1)].child_ids.push(node.id);
            samples.push(Sample::new(node.id, 24, SampleId(u64::from(id)), true));
            nodes.push(node);
        }
        let mut profile = Profile::from_samples(&nodes, samples, &SamplerOptions::new()).unwrap();
        for name in names {
            profile.add_label(Label::text("isolate", name.to_owned()));
            for (text, json) in all_answers(&profile, SampleType::InuseSpace) {
                assert!(!text.is_empty());
                assert_numbers(&json, true);
            }
        }
        let top = profile.top(TopOptions::new(SampleType::InuseSpace)).unwrap();
        assert_eq!(top.rows.len(), names.len() * names.len());
    }

    #[test]
    fn an_empty_profile_has_empty_answers() {
        let profile = deep(vec![(0, 0)], &[]).profile;
        let of = SampleType::InuseSpace;
        for (text, json) in all_answers(&profile, of) {
            assert!(!text.is_empty());
            assert_numbers(&json, true);
        }
        assert!(profile.top(TopOptions::new(of)).unwrap().rows.is_empty());
        let pruned = profile.query(&Query::new().prune_below(of, 0.5)).unwrap();
        assert_eq!(pruned, profile.query(&Query::new()).unwrap());
        assert_eq!(pruned.len(), 1);
        assert!(Profile::merge([]).is_err());
    }

    /// What could not be an answer is none.
    #[test]
    fn broken_answers_are_refused() {
        use serde_json::{Value, json};
        use v8_heap_sampler::analysis::{Cycles, Diff, Peek, Top, Tree};

        fn refused<T>(answer: &T, path: &str, value: Value)
        where
            T: serde::Serialize + serde::de::DeserializeOwned + std::fmt::Debug,
        {
            let mut json = serde_json::to_value(answer).unwrap();
            serde_json::from_value::<T>(json.clone()).unwrap();
            *json.pointer_mut(path).unwrap() = value;
            let error = serde_json::from_value::<T>(json).expect_err(path).to_string();
            assert!(error.contains("contradict") || error.contains("variant"), "{path}: {error}");
        }
        let nodes = vec![(0, ROOT), (0, 7), (1, 7), (1, 8)];
        let profile = deep(nodes.clone(), &[(1, 64, true), (2, 64, true)]).profile;
        let grown = deep(nodes, &[(1, 64, true), (2, 64, true), (3, 6400, true)]).profile;
        let of = SampleType::InuseSpace;
        let objects = json!(grown.estimate(SampleType::InuseObjects).unwrap());

        let top: Top = grown.top(of).unwrap();
        refused(&top, "/all", json!(1));
        refused(&top, "/by", json!("colour"));
        refused(&top, "/rows/0/total", objects.clone());
        let tree: Tree = grown.top_down(of).unwrap();
        for (path, value) in [
            ("/rows/0/depth", json!(1)),
            ("/rows/2/depth", json!(7)),
            ("/rows/1/own", json!(null)),
            ("/rows/1/context", json!(null)),
            ("/rows/1/own", objects.clone()),
            ("/kind", json!("bottom_up")),
            ("/kind", json!("dominators")),
            ("/kind", json!("sideways")),
        ] {
            refused(&tree, path, value);
        }
        refused(&grown.bottom_up(of).unwrap(), "/kind", json!("top_down"));
        let peek: Peek = grown.peek(of, pattern(&[7])).unwrap();
        refused(&peek, "/functions/0/callees/0/total", objects.clone());
        let cycles: Cycles = grown.cycles(of).unwrap();
        refused(&cycles, "/cycles/0/own", objects.clone());
        let diff: Diff = grown.diff(&profile, of).unwrap();
        assert!(diff.significant > 0);
        for (path, value) in [
            ("/all", json!(0)),
            ("/significant", json!(0)),
            ("/significant", json!(70)),
            ("/grown", json!(70)),
            ("/false_discovery_rate", json!(5)),
            ("/metric", json!("both")),
        ] {
            refused(&diff, path, value);
        }
        let leaks: Leaks = Leaks::find([&profile, &profile, &grown], LeakOptions::new()).unwrap();
        for (path, value) in [
            ("/all", json!(0)),
            ("/leaks", json!(70)),
            ("/snapshots", json!(4)),
            ("/rows/0/is_leak", json!(true)),
            ("/rows/0/levels/0", objects.clone()),
            ("/rows/0/rate/sample_type", json!("alloc_space")),
        ] {
            refused(&leaks, path, value);
        }
    }

    /// A function calls one that is what the root is, which calls itself.
    #[test]
    fn what_equals_the_root_is_not_the_root() {
        let nodes = vec![(0, 0), (0, 7), (1, 0), (2, 0)];
        let before = deep(nodes.clone(), &[(1, 64, true), (2, 64, true)]).profile;
        let after = deep(nodes, &[(1, 64, true), (2, 64, true), (3, 6400, true)]).profile;
        let of = SampleType::InuseSpace;
        let top = after.top(TopOptions::new(of)).unwrap();
        let own: f64 = top.rows.iter().map(|row| row.own.value()).sum();
        assert_eq!((top.rows.len(), own, top.rows[0].contexts), (2, 6528.0, 2));
        assert_eq!(*top.rows[0].function.clone().unwrap(), function(0));

        let cycles = after.cycles(of).unwrap().cycles;
        assert_eq!((cycles.len(), cycles[0].total.value()), (1, 6464.0));
        let dominators = after.dominators(of).unwrap().rows;
        let path: Vec<_> = dominators.iter().map(|row| (row.depth, &*row.function)).collect();
        assert_eq!(path, [(0, &function(0)), (1, &function(7)), (2, &function(0))]);
        assert_eq!(dominators[2].total.value(), 6464.0);

        let graph = after.callgraph(of).unwrap();
        let inner = graph.index_of(&function(0)).unwrap();
        let root = &graph[graph.root()];
        assert_eq!((&*root.function, root.contexts, root.total.value()), (&function(0), 1, 6528.0));
        assert_eq!((graph[inner].contexts, graph[inner].total.value()), (2, 6464.0));
        assert_eq!(graph.cycles(), [[inner]]);

        let diff = after.diff(&before, DiffOptions::new(of)).unwrap();
        assert_eq!(diff.rows[0].own.value(), 6400.0);
        all_answers(&after, of);
        assert_eq!(Profile::merge([&after]).unwrap().functions().len(), 3);
    }

    /// A third was allocated with nothing on the stack.
    #[test]
    fn what_the_root_has_is_in_a_row() {
        let profile = deep(vec![(0, ROOT), (0, 7)], &[(0, 64, true), (1, 128, true)]).profile;
        let of = SampleType::InuseSpace;
        for by in ["function", "name", "script", "directory", "package"] {
            let by: GroupBy = by.parse().unwrap();
            let top = profile.top(TopOptions::new(of).by(by.clone())).unwrap();
            let row = top.rows.iter().find(|row| row.name == "(root)").unwrap();
            assert_eq!((row.own.value(), row.total.value()), (64.0, 192.0));
            // It is there where only one of two has it, and what it has in total is the whole.
            let without = deep(vec![(0, ROOT), (0, 7)], &[(1, 128, true)]).profile;
            let diff = profile.diff(&without, DiffOptions::new(of).by(by)).unwrap();
            assert_eq!((&*diff.rows[0].name, diff.rows[0].own.value()), ("(root)", 64.0));
            assert_eq!(diff.rows[0].total.before().value(), 128.0);
        }
        let tree = profile.bottom_up(TreeOptions::new(of)).unwrap();
        assert_eq!(tree.rows.iter().map(|row| row.total.value()).sum::<f64>(), 192.0);
        let (hot, dominators) = (profile.hot_path(of).unwrap(), profile.dominators(of).unwrap());
        for tree in [hot, dominators] {
            assert_eq!(tree.rows[0].own.unwrap().value(), 64.0);
            assert!(tree.to_string().contains(" 64 B  (root)\n"), "{tree}");
        }
        let leaks = Leaks::find([&profile; 3], LeakOptions::new()).unwrap();
        // A built-in function's are those of what calls it, which is the root here.
        assert_eq!((leaks.all, leaks.rows[0].levels[0].value()), (1, 192.0));
    }
}
