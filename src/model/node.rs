//! The flat node: one calling context, as V8 reports it.

use std::num::NonZeroU32;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

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
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// A line or column in V8's numbers: 0 where unknown.
pub(crate) fn written_line(line: Option<NonZeroU32>) -> u32 {
    line.map_or(0, NonZeroU32::get)
}

/// A start position in V8's numbers: -1 where unknown. (0 is the start of a script.)
pub(crate) fn written_start_position(position: Option<u32>) -> i64 {
    position.map_or(-1, i64::from)
}

impl Function {
    /// The function behind V8's numbers, the inverse of [`written_line`] and
    /// [`written_start_position`].
    pub(crate) fn from_written(
        script_id: u32,
        script_name: Name,
        name: Name,
        line_number: u32,
        column_number: u32,
        start_position: i64,
    ) -> Result<Self, String> {
        let start_position = match start_position {
            -1 => None,
            _ => Some(u32::try_from(start_position).map_err(|_| {
                format!("start_position {start_position} is neither -1 nor a 32-bit number")
            })?),
        };
        Ok(Self {
            script_id: ScriptId::new(script_id),
            script_name,
            name,
            line_number: NonZeroU32::new(line_number),
            column_number: NonZeroU32::new(column_number),
            start_position,
            original: None,
        })
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Formats that do not name fields count them, and then none may be missing.
        let has_original = self.original.is_some() || !serializer.is_human_readable();
        let mut node = serializer.serialize_struct("Node", 9 + usize::from(has_original))?;
        node.serialize_field("id", &self.id)?;
        node.serialize_field("script_id", &self.script_id.map_or(0, ScriptId::get))?;
        node.serialize_field("script_name", &self.script_name)?;
        node.serialize_field("name", &self.name)?;
        node.serialize_field("line_number", &written_line(self.line_number))?;
        node.serialize_field("column_number", &written_line(self.column_number))?;
        let start_position = written_start_position(self.start_position);
        node.serialize_field("start_position", &start_position)?;
        node.serialize_field("allocations", &self.allocations)?;
        node.serialize_field("child_ids", &self.child_ids)?;
        if has_original {
            node.serialize_field("original", &self.original.as_deref())?;
        }
        node.end()
    }
}

/// [`Node`] as it is written, with V8's numbers for what is unknown.
#[derive(Deserialize)]
#[serde(rename = "Node")]
struct WrittenNode {
    id: NodeId,
    #[serde(default)]
    script_id: u32,
    #[serde(default)]
    script_name: Name,
    #[serde(default)]
    name: Name,
    #[serde(default)]
    line_number: u32,
    #[serde(default)]
    column_number: u32,
    #[serde(default = "unknown_start_position")]
    start_position: i64,
    #[serde(default)]
    allocations: Vec<Allocation>,
    #[serde(default)]
    child_ids: Vec<NodeId>,
    #[serde(default)]
    original: Option<Original>,
}

pub(super) fn unknown_start_position() -> i64 {
    written_start_position(None)
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = WrittenNode::deserialize(deserializer)?;
        let mut function = Function::from_written(
            written.script_id,
            written.script_name,
            written.name,
            written.line_number,
            written.column_number,
            written.start_position,
        )
        .map_err(|error| serde::de::Error::custom(format_args!("node {}: {error}", written.id)))?;
        function.original = written.original.map(Arc::new);
        Ok(Self {
            id: written.id,
            function: function.into(),
            allocations: written.allocations,
            child_ids: written.child_ids,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_has_the_fields_of_sample_heap_allocations() {
        let mut node = Node::new(NodeId(7), "alloc");
        node.script_id = ScriptId::new(34);
        node.script_name = "allocate.js".into();
        node.line_number = NonZeroU32::new(3);
        node.column_number = NonZeroU32::new(21);
        node.start_position = Some(40);
        node.allocations = vec![Allocation { count: 2, size: 4016 }];
        node.child_ids = vec![NodeId(8), NodeId(9)];
        let json = concat!(
            r#"{"id":7,"script_id":34,"script_name":"allocate.js","name":"alloc","#,
            r#""line_number":3,"column_number":21,"start_position":40,"#,
            r#""allocations":[{"count":2,"size":4016}],"child_ids":[8,9]}"#
        );
        assert_eq!(serde_json::to_string(&node).unwrap(), json);
        assert_eq!(serde_json::from_str::<Node>(json).unwrap(), node);
    }

    #[test]
    fn unknown_places_are_zero_as_in_v8() {
        let node = Node::new(NodeId(1), "(root)");
        let json = serde_json::to_value(&node).unwrap();
        assert_eq!(json["script_id"], 0);
        assert_eq!(json["line_number"], 0);
        assert_eq!(json["start_position"], -1);
        assert_eq!(serde_json::from_value::<Node>(json).unwrap(), node);
        assert_eq!(serde_json::from_str::<Node>(r#"{"id":1,"name":"(root)"}"#).unwrap(), node);

        let mut top_level = node;
        top_level.script_id = ScriptId::new(3);
        top_level.start_position = Some(0);
        let json = serde_json::to_value(&top_level).unwrap();
        assert_eq!(json["start_position"], 0);
        assert_eq!(serde_json::from_value::<Node>(json).unwrap(), top_level);

        let error = serde_json::from_str::<Node>(r#"{"id":4,"script_id":1,"start_position":-2}"#);
        assert!(error.unwrap_err().to_string().contains("node 4: start_position -2"));
    }

    #[test]
    fn the_original_is_a_field_only_where_it_is_known() {
        let mut node = Node::new(NodeId(7), "a");
        assert!(!serde_json::to_string(&node).unwrap().contains("original"));
        let mut original = Original::new("src/a.ts");
        original.line_number = NonZeroU32::new(3);
        node.original = Some(original.clone().into());
        let json = serde_json::to_value(&node).unwrap();
        let expected = serde_json::json!(
            {"source": "src/a.ts", "name": "", "line_number": 3, "column_number": 0}
        );
        assert_eq!(json["original"], expected);
        assert_eq!(serde_json::from_value::<Node>(json).unwrap(), node);
        original.name = Some("area".into());
        original.column_number = NonZeroU32::new(9);
        node.original = Some(original.into());
        let json = serde_json::to_string(&node).unwrap();
        assert_eq!(serde_json::from_str::<Node>(&json).unwrap(), node);
        let null = r#"{"id":7,"name":"a","original":null}"#;
        assert_eq!(serde_json::from_str::<Node>(null).unwrap().original, None);
    }
}
