//! A heap snapshot in columns.

/// A heap snapshot, in columns: its nodes, and the stacks that they were allocated at, if they were
/// tracked.
///
/// 21 bytes a node, 4 more while it is read, 12 a calling context, and the names of classes and
/// functions.
///
/// Mirrors what `HeapSnapshotJSONSerializer` writes (`v8/src/profiler/heap-snapshot-generator.cc`).
#[derive(Debug, Default)]
pub(crate) struct HeapSnapshot {
    /// V8's names of the types of nodes.
    pub(super) type_names: Vec<String>,
    pub(super) nodes: Nodes,
    /// By the number that the calling contexts name them by.
    pub(super) functions: Vec<TracedFunction>,
    /// The calling contexts, in preorder, the root first.
    pub(super) contexts: Vec<TracedContext>,
    /// `None` where it is no name of a class, a function or a script.
    pub(super) strings: Vec<Option<Box<str>>>,
    /// Arrays without a stack, and the tracked objects that they are the inside of: places of nodes,
    /// ascending by the array.
    pub(super) insides: Vec<(u32, u32)>,
}

/// The nodes of a snapshot: objects, mostly.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    /// By node, the place among the names of types.
    pub(super) types: Vec<u8>,
    /// By node, the place among the strings.
    pub(super) names: Vec<u32>,
    pub(super) ids: Vec<u32>,
    /// In bytes.
    pub(super) self_sizes: Vec<u64>,
    /// By node, the id of the calling context that allocated it; 0 where it was not tracked.
    pub(super) traces: Vec<u32>,
    /// By node, the number of its references; emptied when these have been read.
    pub(super) edge_counts: Vec<u32>,
    /// The number of fields that a node has in the JSON, by which references name nodes.
    pub(super) fields: u32,
}

/// A function of a calling context.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TracedFunction {
    /// The places of the texts among the strings.
    pub(super) name: u32,
    pub(super) script_name: u32,
    /// 0 where there is none.
    pub(super) script_id: u32,
    /// From 1, and 0 where unknown.
    pub(super) line: u32,
    pub(super) column: u32,
}

/// A calling context.
#[derive(Clone, Copy, Debug)]
pub(super) struct TracedContext {
    /// The id by which nodes name it.
    pub(super) id: u32,
    pub(super) function: u32,
    /// The number of its callers.
    pub(super) depth: u32,
}

/// A node that is known by its name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub(crate) id: u64,
    pub(crate) is_tracked: bool,
}

impl HeapSnapshot {
    /// The beginning of the names of nodes that are kept in any case.
    pub(crate) const MARK: &str = "v8-heap-sampler: ";

    /// The node of a name that begins with [`MARK`](Self::MARK).
    pub(crate) fn find(&self, name: &str) -> Option<Found> {
        let is_it = |text: &Option<Box<str>>| text.as_deref() == Some(name);
        let name = self.strings.iter().position(is_it)?;
        let at = self.nodes.names.iter().position(|&of| of as usize == name)?;
        let is_tracked = self.nodes.traces[at] != 0;
        Some(Found { id: u64::from(self.nodes.ids[at]), is_tracked })
    }

    /// The text of a place among the strings; empty where there is none.
    pub(super) fn text(&self, place: u32) -> &str {
        self.strings.get(place as usize).and_then(|text| text.as_deref()).unwrap_or_default()
    }
}
