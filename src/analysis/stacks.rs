//! The trees of calls of several profiles as one.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::group::{self, Group, GroupBy, ROOT, join};
use crate::model::Function;
use crate::profile::Profile;
use crate::tree::NONE;

/// One tree of the calling contexts of profiles, functions matched by name and place.
pub(super) struct JoinedTree {
    /// For each context the caller and the group of its function; the root, which has neither,
    /// first.
    contexts: Vec<(u32, u32)>,
    groups: Vec<Group>,
}

impl JoinedTree {
    /// The tree, and the context in it of each context of the profiles.
    pub(super) fn of<const N: usize>(profiles: [&Profile; N]) -> (Self, [Vec<u32>; N]) {
        let by = GroupBy::Function;
        let mut groups = Vec::new();
        let mut contexts: Vec<(u32, u32)> = vec![(NONE, NONE)];
        let mut numbers: HashMap<(u32, u32), u32, RandomState> = HashMap::default();
        let joined = profiles.map(|profile| {
            let (more, mut group_of) = group::of_functions(profile, &by);
            join(&mut groups, more, &mut group_of, &by);
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
        });
        (Self { contexts, groups }, joined)
    }

    pub(super) fn len(&self) -> usize {
        self.contexts.len()
    }

    /// The functions on the stack of a context, the outermost first.
    pub(super) fn stack(&self, context: u32) -> Vec<Arc<Function>> {
        let mut stack = Vec::new();
        let mut at = context;
        while at != 0 {
            let (caller, group) = self.contexts[at as usize];
            let group = self.groups.get(group as usize);
            stack.extend(group.and_then(|group| group.function.clone()));
            at = caller;
        }
        stack.reverse();
        stack
    }
}

/// A stack, the outermost function first, as it is shown: the innermost first.
pub(super) fn shown_stack(stack: &[Arc<Function>]) -> String {
    if stack.is_empty() {
        return ROOT.to_owned();
    }
    let names: Vec<String> = stack.iter().rev().map(ToString::to_string).collect();
    names.join(" < ")
}
