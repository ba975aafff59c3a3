//! Where functions stand, as long as V8 told, for when it does not any more.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::model::{Function, Name, Node, ScriptId};

/// The script and the start in it, which V8 knows of a function for as long as it samples.
type Key = (ScriptId, u32);

/// The name of a script, and line and column in it.
type Seen = (Name, Option<NonZeroU32>, Option<NonZeroU32>);

/// The places of functions that were seen in profiles of an isolate.
///
/// When a script is unloaded, as with the context of a request or a tenant, V8 forgets its name and its
/// lines. The functions of its that were sampled stay, at the same positions.
///
/// Bounded: of more than [`MOST`](Self::MOST) functions, those go that no profile has had for longest.
#[derive(Debug, Default)]
pub(super) struct SeenPlaces {
    recent: HashMap<Key, Seen, RandomState>,
    /// What was recent before.
    old: HashMap<Key, Seen, RandomState>,
}

impl SeenPlaces {
    /// Half of the functions whose places are remembered at most: under 20 MB in all, beside the names,
    /// which functions of a script share.
    const MOST: usize = 1 << 17;

    /// Notes places down that functions have, and gives those theirs that have none any more.
    pub(super) fn complete(&mut self, functions: &mut [Arc<Function>]) {
        for function in functions {
            let (Some(script), Some(start)) = (function.script_id, function.start_position) else {
                continue;
            };
            let key = (script, start);
            if function.line_number.is_some() || !function.script_name.is_empty() {
                if !self.recent.contains_key(&key) {
                    let Function { script_name, line_number, column_number, .. } = &**function;
                    self.note(key, (script_name.clone(), *line_number, *column_number));
                }
            } else if let Some(seen) = self.seen(key) {
                let (script_name, line_number, column_number) = seen;
                let function = Arc::make_mut(function);
                function.script_name = script_name;
                (function.line_number, function.column_number) = (line_number, column_number);
            }
        }
    }

    /// The same, of the functions of nodes.
    pub(super) fn complete_nodes(&mut self, nodes: &mut [Node]) {
        // Nodes share their functions.
        let mut completed: HashMap<*const Function, Arc<Function>, RandomState> =
            HashMap::default();
        for node in nodes {
            let function = completed.entry(Arc::as_ptr(&node.function)).or_insert_with(|| {
                let mut function = [Arc::clone(&node.function)];
                self.complete(&mut function);
                let [function] = function;
                function
            });
            if !Arc::ptr_eq(function, &node.function) {
                node.function = Arc::clone(function);
            }
        }
    }

    fn note(&mut self, key: Key, seen: Seen) {
        if self.recent.len() >= Self::MOST {
            self.old = std::mem::take(&mut self.recent);
        }
        self.recent.insert(key, seen);
    }

    fn seen(&mut self, key: Key) -> Option<Seen> {
        if let Some(seen) = self.recent.get(&key) {
            return Some(seen.clone());
        }
        let seen = self.old.get(&key)?.clone();
        self.note(key, seen.clone());
        Some(seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(script: u32, start: u32, script_name: &str, line: u32) -> Arc<Function> {
        let mut function = Function::named("load");
        (function.script_id, function.start_position) = (ScriptId::new(script), Some(start));
        function.script_name = script_name.into();
        function.line_number = NonZeroU32::new(line);
        function.column_number = NonZeroU32::new(line);
        function.into()
    }

    #[test]
    fn what_was_seen_is_completed() {
        let mut seen = SeenPlaces::default();
        let whole =
            [function(4, 10, "a.js", 1), function(4, 20, "a.js", 2), function(5, 10, "", 3)];
        seen.complete(&mut whole.clone());
        let mut gone = [function(4, 10, "", 0), function(4, 20, "", 0), function(5, 10, "", 0)];
        seen.complete(&mut gone);
        assert_eq!(gone, whole);
        // Nobody has seen these.
        let unknown = [function(4, 11, "", 0), function(6, 10, "", 0)];
        let mut completed = unknown.clone();
        seen.complete(&mut completed);
        assert_eq!(completed, unknown);
        let mut builtin = [Arc::new(Function::named("map"))];
        seen.complete(&mut builtin);
        assert_eq!(*builtin[0], Function::named("map"));
    }

    #[test]
    fn places_are_bounded_and_what_is_used_stays() {
        let mut seen = SeenPlaces::default();
        seen.complete(&mut [function(1, 0, "kept.js", 1)]);
        seen.complete(&mut [function(2, 0, "forgotten.js", 1)]);
        for start in 0..5 * SeenPlaces::MOST as u32 {
            seen.complete(&mut [function(3, start, "many.js", 1)]);
            if start % 1000 == 0 {
                let mut gone = [function(1, 0, "", 0)];
                seen.complete(&mut gone);
                assert_eq!(gone[0].script_name, *"kept.js");
            }
        }
        assert!(seen.recent.len() + seen.old.len() <= 2 * SeenPlaces::MOST);
        let mut gone = [function(2, 0, "", 0)];
        seen.complete(&mut gone);
        assert_eq!(gone[0].script_name, *"");
    }
}
