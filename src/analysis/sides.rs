//! Two profiles side by side.

use std::ops::Range;
use std::sync::Arc;

use super::change::Change;
use super::shared::shared_samples;
use super::stacks::JoinedTree;
use crate::estimate::Sum;
use crate::model::Function;
use crate::profile::{Evidence, Profile};

/// An earlier profile and a later one, with the samples that both have.
pub(super) struct Sides<'p> {
    pub(super) profiles: [&'p Profile; 2],
    pub(super) evidence: [&'p Evidence<'p>; 2],
    /// Whether they are of one session, and tell single samples.
    pub(super) same_session: bool,
    /// The samples that both have, by context of the later profile; none unless they are of one
    /// session.
    pub(super) shared: Vec<(u32, Sum)>,
}

impl<'p> Sides<'p> {
    pub(super) fn new(
        profiles: [&'p Profile; 2],
        evidence: [&'p Evidence<'p>; 2],
        are_of_one_session: bool,
    ) -> Self {
        let same_session = are_of_one_session && evidence.iter().all(|of| of.tells_samples());
        let mut shared = Vec::new();
        if let Some(mut sums) = evidence[1].sample_sums().filter(|_| same_session) {
            let counted = evidence[1].sample_type.counted();
            let samples = shared_samples(profiles[0], profiles[1], counted);
            shared.extend(samples.map(|sample| (sample.context, sums.of(sample))));
            shared.sort_by_key(|&(context, _)| context);
        }
        Self { profiles, evidence, same_session, shared }
    }

    pub(super) fn change(&self, before: Sum, after: Sum, shared: &Sum) -> Change {
        Change::new((before, self.evidence[0]), (after, self.evidence[1]), shared)
    }

    /// The change of the whole.
    pub(super) fn whole(&self) -> Change {
        let [before, after] = self.evidence.map(|evidence| *evidence.total().sum());
        self.change(before, after, &sum(&self.shared))
    }

    /// The changes of stacks.
    pub(super) fn by_context(&self) -> StackChanges<'_> {
        let (tree, joined) = JoinedTree::of(self.profiles);
        let rows = [0, 1].map(|side| {
            let sample_type = self.evidence[side].sample_type;
            let mut rows: Vec<(u32, u32)> = (0..)
                .zip(self.profiles[side].row_data())
                .filter(|(_, row)| row.value(sample_type) != 0.0)
                .map(|(at, row)| (joined[side][row.context as usize], at))
                .collect();
            rows.sort_unstable();
            rows
        });
        let [_, of_after] = joined;
        let mut shared = self.shared.clone();
        for (context, _) in &mut shared {
            *context = of_after[*context as usize];
        }
        shared.sort_by_key(|&(context, _)| context);
        StackChanges { sides: self, tree, of_after, rows, shared }
    }
}

fn sum(shared: &[(u32, Sum)]) -> Sum {
    shared.iter().fold(Sum::default(), |sum, (_, one)| sum.plus(one))
}

/// What has changed of each stack, by the contexts of one tree of both profiles.
pub(super) struct StackChanges<'s> {
    sides: &'s Sides<'s>,
    tree: JoinedTree,
    /// By context of the later profile, its context in the tree.
    pub(super) of_after: Vec<u32>,
    /// The rows of both, by context of the tree.
    rows: [Vec<(u32, u32)>; 2],
    /// The samples that both have, by context of the tree.
    shared: Vec<(u32, Sum)>,
}

impl StackChanges<'_> {
    /// Goes through the stacks that have values, in the order of their contexts. Linear.
    pub(super) fn for_each(&self, mut see: impl FnMut(u32, Change)) {
        let mut next = [0; 3];
        loop {
            let first = |side: usize| self.rows[side].get(next[side]).map(|&(context, _)| context);
            let Some(context) = first(0).into_iter().chain(first(1)).min() else { break };
            let places = [
                run(&self.rows[0], next[0], context),
                run(&self.rows[1], next[1], context),
                run(&self.shared, next[2], context),
            ];
            next = places.each_ref().map(|place| place.end);
            see(context, self.change_at(places));
        }
    }

    /// The change of a context of the tree. Logarithmic.
    pub(super) fn change(&self, context: u32) -> Change {
        let start = |rows: &[(u32, u32)]| rows.partition_point(|&(at, _)| at < context);
        self.change_at([
            run(&self.rows[0], start(&self.rows[0]), context),
            run(&self.rows[1], start(&self.rows[1]), context),
            run(&self.shared, self.shared.partition_point(|&(at, _)| at < context), context),
        ])
    }

    fn change_at(&self, [before, after, shared]: [Range<usize>; 3]) -> Change {
        let of = |side: usize, place: Range<usize>| {
            let rows = self.rows[side][place].iter().map(|&(_, row)| row as usize);
            self.sides.evidence[side].of_rows(rows)
        };
        self.sides.change(of(0, before), of(1, after), &sum(&self.shared[shared]))
    }

    /// The functions on the stack of a context of the tree, the outermost first.
    pub(super) fn stack(&self, context: u32) -> Vec<Arc<Function>> {
        self.tree.stack(context)
    }
}

/// From a place on, what is of a context.
fn run<T>(list: &[(u32, T)], start: usize, context: u32) -> Range<usize> {
    start..start + list[start..].iter().take_while(|(at, _)| *at == context).count()
}
