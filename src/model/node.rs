//! The flat node: one calling context, as V8 reports it.

use std::num::NonZeroU32;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};

use super::written;
use super::{Function, Name, NodeId, Original, ScriptId};

/// Objects of one size that one node allocated: V8's estimate from the sampled ones.
///
/// Mirrors `v8::AllocationProfile::Allocation`.
///
/// # What `count` means
///
/// V8 has seen `n` sampled objects of this size at this node and reports
/// `floor(n / p + 0.5)`, where `p = 1 - exp(-size / interval)` is the probability that one object
/// of that size is sampled. It is a rounded estimate, not a count, and for sizes near the interval
/// the rounding is a lasting bias. Moreover, optimised code allocates neighbouring objects in one
/// go, and V8 samples the group as one object: `count` estimates *allocations*, and `size` is the
/// group's.
///
/// ```
/// use v8_heap_sampler::Allocation;
/// let arrays = Allocation { count: 200, size: 816 };
/// assert_eq!(arrays.count * arrays.size, 163_200);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Allocation {
    /// V8's rounded estimate of how many objects of this size were allocated.
    pub count: u64,
    /// The size of one object, in bytes.
    pub size: u64,
}

/// One calling context as V8 reports it: a function as it was reached from the root by one path of
/// calls, with what it allocated itself.
///
/// The flat form of a profile, which spells the tree out by [`child_ids`](Self::child_ids);
/// [`Profile::from_nodes`](crate::Profile::from_nodes) and
/// [`Callgraph::from_nodes`](crate::Callgraph::from_nodes) rebuild it. Its numbers are V8's rounded
/// ones: see [`Allocation`]. A collected [`Profile`](crate::Profile) has better ones.
///
/// Mirrors `v8::AllocationProfile::Node`. Dereferences to its [`Function`], so `node.name`,
/// `node.script_id`, `node.script_name`, `node.line_number`, `node.column_number` and
/// `node.start_position` are fields of a node; all contexts of one function share them in memory if
/// they were collected together.
///
/// # serde
///
/// The field names are those of the Node module `sample-heap-allocations`: `id`, `script_id`,
/// `script_name`, `name`, `line_number`, `column_number`, `start_position`, `allocations` of
/// `{count, size}`, and `child_ids`. As there, and as in V8, 0 stands for "no script" and for an
/// unknown line or column; an unknown start position is -1. A function's [`Original`] is one more
/// field, `original`, which texts leave out where there is none.
///
/// ```
/// use std::num::NonZeroU32;
/// use v8_heap_sampler::{Allocation, Node, NodeId};
///
/// let mut node = Node::new(NodeId(7), "render");
/// node.script_name = "app.js".into(); // changes this node's function, nobody else's
/// node.line_number = NonZeroU32::new(12);
/// node.allocations.push(Allocation { count: 3, size: 40 });
/// assert_eq!(node.function.to_string(), "render app.js:12");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "WrittenNode")]
#[non_exhaustive]
pub struct Node {
    /// Unique within the collection, and stable over the collections of one session.
    pub id: NodeId,
    /// The function that this is a context of: its name, script and place.
    pub function: Arc<Function>,
    /// The allocations of this node itself, by object size.
    pub allocations: Vec<Allocation>,
    /// The contexts called from here, in V8's order.
    pub child_ids: Vec<NodeId>,
}

impl Node {
    /// A node with an id and a name, and nothing else.
    ///
    /// Set the other fields as needed; this is for tests and for readers of other formats.
    #[must_use]
    pub fn new(id: NodeId, name: impl Into<Name>) -> Self {
        Self::of(id, Function::named(name))
    }

    /// A node for a context of `function`, without allocations and children.
    #[must_use]
    pub fn of(id: NodeId, function: impl Into<Arc<Function>>) -> Self {
        let (allocations, child_ids) = (Vec::new(), Vec::new());
        Self { id, function: function.into(), allocations, child_ids }
    }
}

impl Deref for Node {
    type Target = Function;
    #[inline]
    fn deref(&self) -> &Function {
        &self.function
    }
}

impl DerefMut for Node {
    /// The node's function, to change: a copy of its own if others share it.
    fn deref_mut(&mut self) -> &mut Function {
        Arc::make_mut(&mut self.function)
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let has_original = self.writes_original(&serializer);
        let mut node = serializer.serialize_struct("Node", 9 + usize::from(has_original))?;
        node.serialize_field("id", &self.id)?;
        self.write_fields(&mut node)?;
        node.serialize_field("allocations", &self.allocations)?;
        node.serialize_field("child_ids", &self.child_ids)?;
        if has_original {
            node.serialize_field("original", &self.original)?;
        }
        node.end()
    }
}

/// [`Node`] as it is written: formats that do not name fields allow no structure within.
#[derive(Deserialize)]
#[serde(rename = "Node")]
struct WrittenNode {
    id: NodeId,
    #[serde(default, deserialize_with = "written::script_id")]
    script_id: Option<ScriptId>,
    #[serde(default)]
    script_name: Name,
    #[serde(default)]
    name: Name,
    #[serde(default, with = "written::line")]
    line_number: Option<NonZeroU32>,
    #[serde(default, with = "written::line")]
    column_number: Option<NonZeroU32>,
    #[serde(default = "written::no_start_position")]
    start_position: i64,
    #[serde(default)]
    allocations: Vec<Allocation>,
    #[serde(default)]
    child_ids: Vec<NodeId>,
    #[serde(default)]
    original: Option<Arc<Original>>,
}

impl TryFrom<WrittenNode> for Node {
    type Error = String;

    fn try_from(written: WrittenNode) -> Result<Self, String> {
        let id = written.id;
        let start_position = written::known_start_position(written.start_position)
            .map_err(|error| format!("node {id}: {error}"))?;
        let function = Function {
            script_id: written.script_id,
            script_name: written.script_name,
            name: written.name,
            line_number: written.line_number,
            column_number: written.column_number,
            start_position,
            original: written.original,
        };
        let WrittenNode { allocations, child_ids, .. } = written;
        Ok(Self { id, function: function.into(), allocations, child_ids })
    }
}
