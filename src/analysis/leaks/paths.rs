//! The call paths by which leaks have grown.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::report::{Leak, LeakPath};
use super::snapshots::Snapshots;
use crate::analysis::change::Change;
use crate::analysis::sides::{Sides, StackChanges};

impl Snapshots<'_> {
    /// Sets the paths of the rows that are leaks: the stacks that have grown most from the first
    /// snapshot to the last. Each row is there with its group; `group_at` has the groups of the last
    /// snapshot's contexts.
    pub(super) fn set_paths(&self, group_at: &[u32], rows: &mut [(u32, Leak)], count: usize) {
        let leaking = rows.iter().filter(|(_, row)| row.is_leak);
        let mut contexts: HashMap<u32, Vec<u32>, RandomState> =
            leaking.map(|&(group, _)| (group, Vec::new())).collect();
        if contexts.is_empty() {
            return;
        }
        let ends = [0, self.profiles.len() - 1];
        let sides = Sides::new(
            ends.map(|at| self.profiles[at]),
            ends.map(|at| &self.evidence[at]),
            self.same_session,
        );
        let stacks = sides.by_context();
        for (group, &context) in group_at.iter().zip(&stacks.of_after) {
            if let Some(contexts) = contexts.get_mut(group) {
                contexts.push(context);
            }
        }
        for (group, row) in rows {
            if let Some(contexts) = contexts.remove(group) {
                row.paths = most_grown(&stacks, contexts, count);
            }
        }
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
    let path = |(context, change)| LeakPath { stack: stacks.stack(context), change };
    changes.into_iter().map(path).collect()
}
