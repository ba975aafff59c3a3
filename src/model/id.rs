//! Identifiers as types of their own, so that a node's id is never taken for a script's.

use std::fmt;
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

/// The id of a [`Node`](crate::Node), unique within one collection.
///
/// V8 numbers the nodes of a sampling session from 1 (the root) upwards and never uses a number
/// twice, so two collections of one session can be matched by it. Ids of different sessions are
/// unrelated. Mirrors `v8::AllocationProfile::Node::node_id`.
///
/// ```
/// use v8_heap_sampler::NodeId;
/// assert_eq!(NodeId(7).to_string(), "7");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub u32);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The id that V8 gave a script when it was compiled, unique within one isolate.
///
/// Never zero: V8's `kNoScriptId` is 0, and where there is no script this crate has `None`.
/// Mirrors `v8::AllocationProfile::Node::script_id`.
///
/// ```
/// use v8_heap_sampler::ScriptId;
/// assert_eq!(ScriptId::new(0), None);
/// assert_eq!(ScriptId::new(12).unwrap().get(), 12);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ScriptId(NonZeroU32);

impl ScriptId {
    /// The script with V8's number `id`, or `None` for 0, V8's "no script".
    #[must_use]
    pub const fn new(id: u32) -> Option<Self> {
        match NonZeroU32::new(id) {
            Some(id) => Some(Self(id)),
            None => None,
        }
    }

    /// V8's number of the script.
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Display for ScriptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
