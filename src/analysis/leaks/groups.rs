//! What snapshots have, added up by group.

use super::snapshots::Snapshots;
use crate::analysis::GroupBy;
use crate::analysis::group::{self, Group, join};
use crate::analysis::pattern::Pattern;
use crate::estimate::Sum;
use crate::profile::Profile;
use crate::tree::NONE;

/// The groups of all snapshots together.
pub(super) struct Groups {
    pub(super) groups: Vec<Group>,
    /// By snapshot, the group of each context.
    pub(super) of_contexts: Vec<Vec<u32>>,
    /// By snapshot, what each group has.
    pub(super) levels: Vec<Vec<Sum>>,
}

impl Groups {
    pub(super) fn new(snapshots: &Snapshots<'_>, by: &GroupBy, fold_builtins: bool) -> Self {
        let builtin = fold_builtins.then(Pattern::builtin);
        let mut groups = Vec::new();
        let mut of_contexts = Vec::with_capacity(snapshots.profiles.len());
        for profile in &snapshots.profiles {
            // Folded built-in functions may be the root's as well.
            let (more, mut group_of) = group::of_contexts(profile, by, true);
            join(&mut groups, more, &mut group_of, by);
            of_contexts.push(by_context(profile, &group_of, builtin.as_ref()));
        }
        let levels = levels(snapshots, groups.len(), &of_contexts);
        Self { groups, of_contexts, levels }
    }
}

/// The group of each context: that of its function, or of its caller where the function is folded.
fn by_context(profile: &Profile, group_of: &[u32], folded: Option<&Pattern>) -> Vec<u32> {
    let is_folded: Vec<bool> = profile
        .functions()
        .iter()
        .map(|function| folded.is_some_and(|folded| folded.matches(function)))
        .collect();
    let mut at: Vec<u32> = Vec::with_capacity(profile.len());
    for (&function, &parent) in profile.function_numbers().iter().zip(profile.parents()) {
        let caller = at.get(parent as usize).copied().unwrap_or(NONE);
        let is_folded = is_folded[function as usize] && caller != NONE;
        at.push(if is_folded { caller } else { group_of[function as usize] });
    }
    at
}

/// What each group has in each snapshot.
fn levels(snapshots: &Snapshots<'_>, groups: usize, of_contexts: &[Vec<u32>]) -> Vec<Vec<Sum>> {
    let of_snapshots = snapshots.profiles.iter().zip(&snapshots.evidence).zip(of_contexts);
    let levels = of_snapshots.map(|((profile, evidence), group_at)| {
        let mut sums = vec![Sum::default(); groups];
        for (at, row) in profile.row_data().iter().enumerate() {
            if let Some(sum) = sums.get_mut(group_at[row.context as usize] as usize) {
                *sum += evidence.of_row(at);
            }
        }
        sums
    });
    levels.collect()
}
