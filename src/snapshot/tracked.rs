//! The tracked objects of a snapshot, by calling context.

use std::collections::HashMap;
use std::num::NonZeroU32;

use foldhash::fast::RandomState;

use super::columns::HeapSnapshot;
use crate::model::{ProfileError, ScriptId};
use crate::profile::{Collection, FunctionParts, Profile, TrackedObjects};
use crate::tree::NONE;

impl HeapSnapshot {
    /// The profile of the objects on the heap whose ids `is_in` picks: counts, by context, class and
    /// size. Contexts without any are left out. What has no stack is the root's.
    pub(crate) fn profile(
        &self,
        is_in: impl Fn(u64) -> bool,
        collection: Collection,
    ) -> Result<Profile, ProfileError> {
        let most = self.contexts.iter().map(|context| context.id).max().unwrap_or_default();
        // Ids are given one by one: no file is read here.
        let mut places = vec![NONE; most as usize + 1];
        for (place, context) in (0..).zip(&self.contexts) {
            places[context.id as usize] = place;
        }

        let mut counts: HashMap<(u32, Class<'_>, u64), u32, RandomState> = HashMap::default();
        for at in 0..self.nodes.ids.len() {
            let size = self.nodes.self_sizes[at];
            if size == 0 || self.is_off_heap(at) || !is_in(self.nodes.ids[at].into()) {
                continue;
            }
            let place = match places.get(self.trace(at) as usize) {
                Some(&place) if place != NONE => place,
                _ => 0,
            };
            *counts.entry((place, self.class(at), size)).or_default() += 1;
        }

        // By depth, the place of the context that is open; by place, that of its caller.
        let mut open: Vec<u32> = Vec::new();
        let callers = (0..).zip(&self.contexts).map(|(place, context)| {
            open.truncate(context.depth as usize);
            let caller = open.last().copied().unwrap_or(NONE);
            open.push(place);
            caller
        });
        let callers: Vec<u32> = callers.collect();
        let mut has_objects = vec![false; self.contexts.len()];
        for &(place, ..) in counts.keys() {
            let mut at = place;
            while let Some(has @ false) = has_objects.get_mut(at as usize) {
                *has = true;
                at = callers[at as usize];
            }
        }

        let mut objects = TrackedObjects::new(collection);
        let mut contexts = vec![TrackedObjects::ROOT; self.contexts.len()];
        for (at, context) in self.contexts.iter().enumerate() {
            if has_objects[at] && callers[at] != NONE {
                let caller = contexts[callers[at] as usize];
                contexts[at] = objects.callee(caller, self.function(context.function))?;
            }
        }
        for ((place, class, size), count) in counts {
            let context = contexts.get(place as usize).copied().unwrap_or(TrackedObjects::ROOT);
            objects.add(context, class.name(), size, count);
        }
        objects.finish()
    }

    /// The id of the calling context that allocated a node, or what it is the inside of.
    fn trace(&self, at: usize) -> u32 {
        let trace = self.nodes.traces[at];
        if trace != 0 {
            return trace;
        }
        let inside = self.insides.binary_search_by_key(&(at as u32), |&(array, _)| array);
        inside.map_or(0, |inside| self.nodes.traces[self.insides[inside].1 as usize])
    }

    /// Whether a node is not on V8's heap, as far as is known: the contents of array buffers, and
    /// things of the embedder's. V8 calls some of its own objects native, too, but these it tracks.
    fn is_off_heap(&self, at: usize) -> bool {
        self.type_name(at) == "native" && self.nodes.traces[at] == 0
    }

    fn type_name(&self, at: usize) -> &str {
        self.type_names.get(usize::from(self.nodes.types[at])).map_or("", |name| name)
    }

    fn function(&self, number: u32) -> FunctionParts<'_> {
        let Some(of) = self.functions.get(number as usize) else {
            return FunctionParts::default();
        };
        FunctionParts {
            name: self.text(of.name),
            script_name: self.text(of.script_name),
            script_id: ScriptId::new(of.script_id),
            line_number: NonZeroU32::new(of.line),
            column_number: NonZeroU32::new(of.column),
            ..FunctionParts::default()
        }
    }

    /// The class of a node, by the names of Chrome DevTools.
    fn class(&self, at: usize) -> Class<'_> {
        match self.type_name(at) {
            "object" | "native" => Class::Named(self.text(self.nodes.names[at])),
            "code" => Class::Named("(compiled code)"),
            "closure" => Class::Named("Function"),
            "regexp" => Class::Named("RegExp"),
            "hidden" => Class::Named("(system)"),
            other => Class::OfType(other),
        }
    }
}

/// A class of objects.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Class<'s> {
    Named(&'s str),
    /// V8's type of what has no class.
    OfType(&'s str),
}

impl Class<'_> {
    fn name(self) -> String {
        match self {
            // V8 numbers scopes: `system / Context / scope @14717`.
            Self::Named(name) => match name.rsplit_once(" @") {
                Some((kind, number)) if number.bytes().all(|byte| byte.is_ascii_digit()) => {
                    kind.to_owned()
                }
                _ => name.to_owned(),
            },
            Self::OfType(name) => format!("({name})"),
        }
    }
}
