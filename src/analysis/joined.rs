//! Two trees of calls as one.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::group::{self, Group, GroupBy, ROOT, join};
use crate::model::Function;
use crate::profile::Profile;
use crate::tree::NONE;

/// One tree of the calling contexts of two profiles, functions matched by name and place.
pub(super) struct JoinedTree {
    /// For each context the caller and the group of its function; the root, which has neither,
    /// first.
    contexts: Vec<(u32, u32)>,
    groups: Vec<Group>,
}

impl JoinedTree {
    /// The tree, and the context in it of each context of the two.
    pub(super) fn new(before: &Profile, after: &Profile) -> (Self, [Vec<u32>; 2]) {
        let by = GroupBy::Function;
        let ((mut groups, of_before), (groups_after, mut of_after)) =
            (group::of_functions(before, &by), group::of_functions(after, &by));
        join(&mut groups, groups_after, &mut of_after, &by);
        let mut contexts: Vec<(u32, u32)> = vec![(NONE, NONE)];
        let mut numbers: HashMap<(u32, u32), u32, RandomState> = HashMap::default();
        let mut add = |profile: &Profile, group_of: &[u32]| {
            let mut joined: Vec<u32> = Vec::with_capacity(profile.len());
            for (rank, &function) in profile.function_numbers().iter().enumerate() {
                let parent = profile.parents()[rank];
                joined.push(if parent == NONE {
                    0
                } else {
                    let key = (joined[parent as usize], group_of[function as usize]);
                    *numbers.entry(key).or_insert_with(|| {
                        contexts.push(key);
                        contexts.len() as u32 - 1
                    })
                });
            }
            joined
        };
        let joined = [add(before, &of_before), add(after, &of_after)];
        (Self { contexts, groups }, joined)
    }

    /// The functions on the stack of a context, the innermost first.
    pub(super) fn stack(&self, context: u32) -> Vec<Arc<Function>> {
        let mut stack = Vec::new();
        let mut at = context;
        while at != 0 {
            let (caller, group) = self.contexts[at as usize];
            let group = self.groups.get(group as usize);
            stack.extend(group.and_then(|group| group.function.clone()));
            at = caller;
        }
        stack
    }
}

/// A stack, the innermost function first, as it is shown.
pub(super) fn shown_stack(stack: &[Arc<Function>]) -> String {
    if stack.is_empty() {
        return ROOT.to_owned();
    }
    let names: Vec<String> = stack.iter().map(ToString::to_string).collect();
    names.join(" < ")
}
