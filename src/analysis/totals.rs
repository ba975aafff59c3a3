//! Sums over subtrees, in one pass.

use super::evidence::Evidence;
use crate::estimate::Sum;
use crate::profile::Profile;

/// A pass over all contexts in preorder, with what each allocated itself and in all.
///
/// `enter` is called with each context when it is met, and says something to keep; `leave` with the
/// context, that, and its sums, when all below it has been left. Memory is linear in the depth alone.
pub(super) fn walk<T>(
    profile: &Profile,
    evidence: &Evidence<'_>,
    enter: impl FnMut(u32) -> T,
    leave: impl FnMut(u32, T, &Sum, &Sum),
) {
    walk_sums(profile, own_values(profile, evidence), enter, leave);
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
fn walk_sums<T>(
    profile: &Profile,
    mut own_of: impl FnMut(u32) -> Sum,
    mut enter: impl FnMut(u32) -> T,
    mut leave: impl FnMut(u32, T, &Sum, &Sum),
) {
    struct Open<T> {
        rank: u32,
        kept: T,
        own: Sum,
        below: Sum,
    }
    let ends = profile.ends();
    let mut open: Vec<Open<T>> = Vec::new();
    let mut close = |open: &mut Vec<Open<T>>| {
        if let Some(Open { rank, kept, own, below }) = open.pop() {
            let total = own.plus(&below);
            leave(rank, kept, &own, &total);
            if let Some(caller) = open.last_mut() {
                caller.below += total;
            }
        }
    };
    for rank in 0..profile.len() as u32 {
        while open.last().is_some_and(|last| ends[last.rank as usize] <= rank) {
            close(&mut open);
        }
        let kept = enter(rank);
        open.push(Open { rank, kept, own: own_of(rank), below: Sum::default() });
    }
    while !open.is_empty() {
        close(&mut open);
    }
}

/// What groups of functions allocated: themselves, and while one of them was on the stack, each sample
/// once.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct GroupSums {
    pub(crate) own: Sum,
    pub(crate) total: Sum,
    /// In how many contexts a function of the group appears.
    pub(crate) contexts: u32,
}

/// The sums of groups of functions, which are numbered by the numbers of their functions; what has
/// [`NONE`](crate::callgraph::NONE) is in no group.
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
pub(super) fn group_sums(
    profile: &Profile,
    groups: usize,
    group_of: &[u32],
    own_of: impl FnMut(u32) -> Sum,
) -> Vec<GroupSums> {
    let group = |rank: u32| group_of[profile.function_numbers()[rank as usize] as usize] as usize;
    let mut sums = vec![GroupSums::default(); groups];
    let times = std::cell::RefCell::new(vec![0_u32; groups]);
    let enter = |rank| match times.borrow_mut().get_mut(group(rank)) {
        Some(times) => {
            *times += 1;
            *times == 1
        }
        None => false,
    };
    let leave = |rank, is_outermost, own: &Sum, total: &Sum| {
        if let Some(sums) = sums.get_mut(group(rank)) {
            sums.own += *own;
            sums.contexts += 1;
            if is_outermost {
                sums.total += *total;
            }
            times.borrow_mut()[group(rank)] -= 1;
        }
    };
    walk_sums(profile, own_of, enter, leave);
    sums
}
