//! The call paths by which leaks have grown.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::report::LeakPath;
use super::snapshots::Snapshots;
use crate::analysis::change::Change;
use crate::analysis::sides::{Sides, StackChanges};

impl Snapshots<'_> {
    /// The stacks that have grown most from the first snapshot to the last, of the groups that are
    /// asked for.
    pub(super) fn paths(
        &self,
        group_at: &[u32],
        groups: &[u32],
        count: usize,
    ) -> HashMap<u32, Vec<LeakPath>, RandomState> {
        let ends = [0, self.profiles.len() - 1];
        let sides = Sides::new(
            ends.map(|at| self.profiles[at]),
            ends.map(|at| &self.evidence[at]),
            self.same_session,
        );
        let stacks = sides.by_context();
        let mut contexts: HashMap<u32, Vec<u32>, RandomState> =
            groups.iter().map(|&group| (group, Vec::new())).collect();
        for (group, &context) in group_at.iter().zip(&stacks.of_after) {
            if let Some(contexts) = contexts.get_mut(group) {
                contexts.push(context);
            }
        }
        let paths = |(group, contexts)| (group, most_grown(&stacks, contexts, count));
        contexts.into_iter().map(paths).collect()
    }
}

/// Of some contexts, those that have grown most.
fn most_grown(stacks: &StackChanges<'_>, mut contexts: Vec<u32>, count: usize) -> Vec<LeakPath> {
    contexts.sort_unstable();
    contexts.dedup();
    let mut changes: Vec<(u32, Change)> = contexts
        .into_iter()
        .map(|context| (context, stacks.change(context)))
        .filter(|(_, change)| change.value() > 0.0)
        .collect();
    changes.sort_by(|one, other| other.1.value().total_cmp(&one.1.value()));
    changes.truncate(count);
    changes
        .into_iter()
        .map(|(context, change)| {
            let mut stack = stacks.stack(context);
            stack.reverse();
            LeakPath { stack, change }
        })
        .collect()
}
