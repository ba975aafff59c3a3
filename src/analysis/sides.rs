//! Two profiles side by side.

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
        let shared = self.shared.iter().fold(Sum::default(), |sum, (_, one)| sum.plus(one));
        self.change(before, after, &shared)
    }

    /// The changes of stacks.
    pub(super) fn by_context(&self) -> StackChanges<'_> {
        let (tree, joined) = JoinedTree::of(self.profiles);
        let mut pieces: Vec<Piece> = Vec::new();
        for (of, profile, joined) in
            [(Of::Before, self.profiles[0], &joined[0]), (Of::After, self.profiles[1], &joined[1])]
        {
            let sample_type = self.evidence[0].sample_type;
            let rows = (0..).zip(profile.row_data());
            let rows = rows.filter(|(_, row)| row.value(sample_type) != 0.0);
            pieces.extend(rows.map(|(at, row)| (joined[row.context as usize], of, at)));
        }
        let [_, of_after] = joined;
        let shared = (0..).zip(&self.shared);
        pieces
            .extend(shared.map(|(at, &(context, _))| (of_after[context as usize], Of::Shared, at)));
        pieces.sort_unstable();
        StackChanges { sides: self, tree, of_after, pieces }
    }
}

/// What a piece of a stack's value is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Of {
    Before,
    After,
    /// Of samples that both have, which are in the rows of both as well.
    Shared,
}

/// A context of the tree, and the number of one of its rows or shared samples.
type Piece = (u32, Of, u32);

/// What has changed of each stack, by the contexts of one tree of both profiles.
pub(super) struct StackChanges<'s> {
    sides: &'s Sides<'s>,
    tree: JoinedTree,
    /// By context of the later profile, its context in the tree.
    pub(super) of_after: Vec<u32>,
    /// In order.
    pieces: Vec<Piece>,
}

impl StackChanges<'_> {
    /// The stacks that have values, in the order of their contexts.
    pub(super) fn all(&self) -> impl Iterator<Item = (u32, Change)> {
        let contexts = self.pieces.chunk_by(|one, other| one.0 == other.0);
        contexts.map(|pieces| (pieces[0].0, self.change_of(pieces)))
    }

    /// The change of a context of the tree. Logarithmic.
    pub(super) fn change(&self, context: u32) -> Change {
        let start = self.pieces.partition_point(|piece| piece.0 < context);
        let here = self.pieces[start..].iter().take_while(|piece| piece.0 == context).count();
        self.change_of(&self.pieces[start..start + here])
    }

    fn change_of(&self, pieces: &[Piece]) -> Change {
        let [mut before, mut after, mut shared] = [Sum::default(); 3];
        for &(_, of, at) in pieces {
            let at = at as usize;
            match of {
                Of::Before => before += self.sides.evidence[0].of_row(at),
                Of::After => after += self.sides.evidence[1].of_row(at),
                Of::Shared => shared += self.sides.shared[at].1,
            }
        }
        self.sides.change(before, after, &shared)
    }

    /// The functions on the stack of a context of the tree, the outermost first.
    pub(super) fn stack(&self, context: u32) -> Vec<Arc<Function>> {
        self.tree.stack(context)
    }
}
