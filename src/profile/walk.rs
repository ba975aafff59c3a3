//! Passes over all contexts, with sums over subtrees, and each sample once.

use super::evidence::Evidence;
use super::profile::Profile;
use crate::estimate::Sum;

/// A visitor of all contexts in preorder.
pub(crate) trait Visit {
    /// What is kept of a context until it is left.
    type Kept;

    /// Meets a context, by rank, when all before it in preorder have been met.
    fn enter(&mut self, rank: u32) -> Self::Kept;

    /// Leaves a context when all below it has been left; `own` is what it allocated itself, and
    /// `total` that with all below it.
    fn leave(&mut self, rank: u32, kept: Self::Kept, own: &Sum, total: &Sum);
}

/// Visits all contexts with what each allocated itself and in all. Memory is linear in the depth
/// alone.
pub(crate) fn walk(profile: &Profile, evidence: &Evidence<'_>, visit: &mut impl Visit) {
    walk_sums(profile, own_values(profile, evidence), visit);
}

/// What contexts allocated themselves, asked for in preorder.
fn own_values(profile: &Profile, evidence: &Evidence<'_>) -> impl FnMut(u32) -> Sum {
    let rows = profile.row_data();
    let mut row = 0;
    move |rank| {
        let mut own = Sum::default();
        while row < rows.len() && rows[row].context == rank {
            own += evidence.of_row(row);
            row += 1;
        }
        own
    }
}

/// The same pass, over other values than the profile's; `own_of` is asked for each context in
/// preorder.
fn walk_sums<V: Visit>(profile: &Profile, mut own_of: impl FnMut(u32) -> Sum, visit: &mut V) {
    struct Open<T> {
        rank: u32,
        kept: T,
        own: Sum,
        below: Sum,
    }
    let ends = profile.ends();
    let mut open: Vec<Open<V::Kept>> = Vec::new();
    let close = |open: &mut Vec<Open<V::Kept>>, visit: &mut V| {
        if let Some(Open { rank, kept, own, below }) = open.pop() {
            let total = own.plus(&below);
            visit.leave(rank, kept, &own, &total);
            if let Some(caller) = open.last_mut() {
                caller.below += total;
            }
        }
    };
    for rank in 0..profile.len() as u32 {
        while open.last().is_some_and(|last| ends[last.rank as usize] <= rank) {
            close(&mut open, visit);
        }
        let kept = visit.enter(rank);
        open.push(Open { rank, kept, own: own_of(rank), below: Sum::default() });
    }
    while !open.is_empty() {
        close(&mut open, visit);
    }
}

/// The numbered things, functions or calls, that are on the path from the root: by this, totals
/// count each sample once.
#[derive(Default)]
pub(crate) struct OnPath {
    /// How often, by number.
    times: Vec<u32>,
}

impl OnPath {
    /// Steps onto a thing; says whether it was not on the path.
    #[inline]
    pub(crate) fn enter(&mut self, number: usize) -> bool {
        if number >= self.times.len() {
            self.times.resize(number + 1, 0);
        }
        self.times[number] += 1;
        self.times[number] == 1
    }

    #[inline]
    pub(crate) fn leave(&mut self, number: usize) {
        self.times[number] -= 1;
    }
}

/// The sums of a group of functions: what they allocated themselves, and while one of them was on
/// the stack, each sample once.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct GroupSums {
    pub(crate) own: Sum,
    pub(crate) total: Sum,
    /// The number of contexts in which a function of the group appears.
    pub(crate) contexts: u32,
}

/// The sums of groups of functions, which are numbered by the numbers of their functions; what has
/// [`NONE`](crate::tree::NONE) is in no group.
pub(crate) fn of_groups(
    profile: &Profile,
    evidence: &Evidence<'_>,
    groups: usize,
    group_of: &[u32],
) -> Vec<GroupSums> {
    group_sums(profile, groups, group_of, own_values(profile, evidence))
}

/// The sums of groups of functions, of other values than the profile's; `own_of` is asked for each
/// context in preorder.
pub(crate) fn group_sums(
    profile: &Profile,
    groups: usize,
    group_of: &[u32],
    own_of: impl FnMut(u32) -> Sum,
) -> Vec<GroupSums> {
    let sums = vec![GroupSums::default(); groups];
    let mut grouping = Grouping { profile, group_of, sums, on_path: OnPath::default() };
    walk_sums(profile, own_of, &mut grouping);
    grouping.sums
}

struct Grouping<'a> {
    profile: &'a Profile,
    group_of: &'a [u32],
    sums: Vec<GroupSums>,
    on_path: OnPath,
}

impl Grouping<'_> {
    fn group(&self, rank: u32) -> Option<usize> {
        let function = self.profile.function_numbers()[rank as usize];
        let group = self.group_of[function as usize] as usize;
        (group < self.sums.len()).then_some(group)
    }
}

impl Visit for Grouping<'_> {
    /// Whether no other context of the group is on the path.
    type Kept = bool;

    fn enter(&mut self, rank: u32) -> bool {
        self.group(rank).is_some_and(|group| self.on_path.enter(group))
    }

    fn leave(&mut self, rank: u32, is_outermost: bool, own: &Sum, total: &Sum) {
        if let Some(group) = self.group(rank) {
            let sums = &mut self.sums[group];
            sums.own += *own;
            sums.contexts += 1;
            if is_outermost {
                sums.total += *total;
            }
            self.on_path.leave(group);
        }
    }
}
