//! Call graphs to and from any format.

use std::collections::HashSet;
use std::sync::Arc;

use petgraph::graph::{Graph, NodeIndex};
use petgraph::visit::{Dfs, EdgeRef};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::graph::{Call, Callgraph, FunctionNode};
use super::nodes_error::NodesError;
use super::topology::check_count;
use crate::model::{
    Allocations, Function, Name, Original, ScriptId, V8Estimate, written_line,
    written_start_position,
};

/// A graph as it is written: functions and calls refer to each other by place in the list.
#[derive(Serialize, Deserialize)]
#[serde(rename = "Callgraph")]
struct WrittenGraph {
    root: usize,
    functions: Vec<WrittenFunction>,
    calls: Vec<WrittenCall>,
}

/// A function: its identity in the names and numbers of a [`Node`](crate::Node), then what it
/// allocated.
#[derive(Serialize, Deserialize)]
struct WrittenFunction {
    script_id: u32,
    script_name: Name,
    name: Name,
    line_number: u32,
    column_number: u32,
    start_position: i64,
    /// Written even where there is none: formats that do not name fields count them.
    #[serde(default)]
    original: Option<Original>,
    contexts: u32,
    allocations: Allocations,
    #[serde(rename = "self")]
    self_estimate: V8Estimate,
    total: V8Estimate,
}

#[derive(Serialize, Deserialize)]
struct WrittenCall {
    caller: usize,
    callee: usize,
    total: V8Estimate,
}

/// Written as `root`, `functions` and `calls`, in which calls refer to functions by their place;
/// read back with checks.
impl Serialize for Callgraph {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let functions = self.functions().map(|vertex| {
            let function = &vertex.function;
            WrittenFunction {
                script_id: function.script_id.map_or(0, ScriptId::get),
                script_name: function.script_name.clone(),
                name: function.name.clone(),
                line_number: written_line(function.line_number),
                column_number: written_line(function.column_number),
                start_position: written_start_position(function.start_position),
                original: function.original.as_deref().cloned(),
                contexts: vertex.contexts,
                allocations: vertex.allocations.clone(),
                self_estimate: vertex.self_estimate,
                total: vertex.total,
            }
        });
        let calls = self.graph().edge_references().map(|edge| WrittenCall {
            caller: edge.source().index(),
            callee: edge.target().index(),
            total: edge.weight().total,
        });
        WrittenGraph {
            root: self.root().index(),
            functions: functions.collect(),
            calls: calls.collect(),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Callgraph {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = WrittenGraph::deserialize(deserializer)?;
        Self::try_from(written).map_err(serde::de::Error::custom)
    }
}

impl TryFrom<WrittenGraph> for Callgraph {
    type Error = NodesError;

    fn try_from(written: WrittenGraph) -> Result<Self, NodesError> {
        let unsound = |reason: String| NodesError::UnsoundGraph { reason };
        let count = written.functions.len();
        check_count(count.max(written.calls.len()))?;
        if written.root >= count {
            return Err(unsound(format!("root {} of {count} functions", written.root)));
        }

        let mut graph: Graph<FunctionNode, Call> = Graph::with_capacity(count, written.calls.len());
        let mut seen = HashSet::with_capacity(count);
        let mut sum = V8Estimate::default();
        for (at, function) in written.functions.into_iter().enumerate() {
            let vertex = FunctionNode::try_from(function)
                .map_err(|reason| unsound(format!("function {at}: {reason}")))?;
            if at != written.root && !seen.insert(vertex.function.clone()) {
                return Err(unsound(format!("function {at} ({}) is there twice", vertex.function)));
            }
            sum = sum
                .checked_add(vertex.self_estimate)
                .ok_or_else(|| unsound(format!("the sum up to function {at} exceeds 64 bits")))?;
            graph.add_node(vertex);
        }

        let root = NodeIndex::new(written.root);
        if graph[root].total != sum {
            return Err(unsound("the root's `total` is not the sum of all `self`".to_owned()));
        }
        if let Some(at) = graph.node_weights().position(|f| !fits(f.total, sum)) {
            return Err(unsound(format!("function {at}: `total` exceeds the root's")));
        }

        let mut seen = HashSet::with_capacity(written.calls.len());
        for (at, WrittenCall { caller, callee, total }) in written.calls.into_iter().enumerate() {
            if caller.max(callee) >= count {
                return Err(unsound(format!(
                    "call {at}: from function {caller} to {callee} of {count}"
                )));
            }
            if !seen.insert((caller, callee)) {
                return Err(unsound(format!(
                    "call {at}: from function {caller} to {callee} for the second time"
                )));
            }
            let [from, to] = [caller, callee].map(NodeIndex::new);
            if !fits(total, graph[from].total) || !fits(total, graph[to].total) {
                return Err(unsound(format!(
                    "call {at}: more flows through it than through its functions"
                )));
            }
            graph.add_edge(from, to, Call { total });
        }

        let mut reached = vec![false; count];
        let mut walk = Dfs::new(&graph, root);
        while let Some(function) = walk.next(&graph) {
            reached[function.index()] = true;
        }
        if let Some(at) = reached.iter().position(|reached| !reached) {
            return Err(unsound(format!("function {at} cannot be reached from the root")));
        }
        Ok(Self::from_graph(graph, root))
    }
}

/// Whether `part` can be a part of `whole`.
fn fits(part: V8Estimate, whole: V8Estimate) -> bool {
    part.bytes <= whole.bytes && part.objects <= whole.objects
}

impl TryFrom<WrittenFunction> for FunctionNode {
    type Error = String;

    fn try_from(written: WrittenFunction) -> Result<Self, String> {
        if V8Estimate::of(&written.allocations) != Some(written.self_estimate) {
            return Err("`self` is not the sum of its allocations".to_owned());
        }
        if !fits(written.self_estimate, written.total) {
            return Err("`self` exceeds `total`".to_owned());
        }
        if !written.allocations.is_sorted_by(|one, next| one.size < next.size) {
            return Err("its allocations are not in ascending order of size".to_owned());
        }
        let mut function = Function::from_written(
            written.script_id,
            written.script_name,
            written.name,
            written.line_number,
            written.column_number,
            written.start_position,
        )?;
        function.original = written.original.map(Arc::new);
        Ok(Self {
            function: function.into(),
            contexts: written.contexts,
            allocations: written.allocations,
            self_estimate: written.self_estimate,
            total: written.total,
        })
    }
}
