//! The graph of functions.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;

use foldhash::fast::RandomState;
use petgraph::Direction;
use petgraph::algo::kosaraju_scc;
use petgraph::graph::{EdgeIndex, Graph, NodeIndex};
use petgraph::visit::EdgeRef;

use super::call_tree::{self, CallTree};
use super::function_numbers::FunctionNumbers;
use super::nodes_error::NodesError;
use super::on_path::OnPath;
use super::topology::{NONE, Topology};
use super::weight::{Own, Weight, merge_sizes};
use crate::model::{Function, Node, NodeId, V8Estimate};

/// A function in a [`Callgraph`], with what all its contexts allocated.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct FunctionNode<W: Weight = V8Estimate> {
    /// Which function.
    pub function: Arc<Function>,
    /// What the function allocated itself, merged over its contexts, in ascending order of size;
    /// `()` in graphs that know no sizes.
    pub allocations: W::Sizes,
    /// What the function allocated itself: by V8's rounded counts, or in the graph's own weight.
    pub self_estimate: W,
    /// What was allocated while the function was on the stack, in the same terms: each sample
    /// once, however often the function stands on its stack.
    pub total: W,
    /// In how many contexts the function appears.
    pub contexts: u32,
}

/// An edge of a [`Callgraph`]: one function calling another.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Call<W = V8Estimate> {
    /// What was allocated while this call was on the stack: each sample once, however often the
    /// call stands on its stack.
    pub total: W,
}

/// A call as seen from one of its ends.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct NeighborCall<'g, W: Weight = V8Estimate> {
    /// The function at the other end.
    pub index: NodeIndex,
    /// The function at the other end.
    pub function: &'g FunctionNode<W>,
    /// What flows through the call.
    pub call: Call<W>,
}

/// A call that [`Callgraph::without_cycles`] left out.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct RemovedCall<W = V8Estimate> {
    /// The calling function.
    pub caller: NodeIndex,
    /// The called function, which was on the path from the root to the caller.
    pub callee: NodeIndex,
    /// What flowed through the call.
    pub call: Call<W>,
}

/// The graph of functions: contexts of one function merged, calls between them weighted by the
/// bytes and objects that flow through. The root is a vertex of its own.
///
/// It is a [`petgraph::graph::Graph`]: [`graph`](Self::graph) hands it out, so petgraph's
/// algorithms apply. Recursion makes cycles: [`cycles`](Self::cycles) finds them,
/// [`without_cycles`](Self::without_cycles) cuts them.
///
/// Weighed in V8's rounded counts if it is of [`Node`]s, and in one value if it is of a
/// [`Profile`](crate::Profile): see [`Weight`].
///
/// ```
/// use v8_heap_sampler::{Allocation, Callgraph, Node, NodeId};
///
/// // (root) -> walk -> walk: 100 bytes in the outer one, 100 in the inner one.
/// let mut nodes: Vec<_> = ["(root)", "walk", "walk"]
///     .into_iter()
///     .zip(1..)
///     .map(|(name, id)| Node::new(NodeId(id), name))
///     .collect();
/// nodes[0].child_ids.push(NodeId(2));
/// nodes[1].child_ids.push(NodeId(3));
/// nodes[1].allocations.push(Allocation { count: 1, size: 100 });
/// nodes[2].allocations.push(Allocation { count: 1, size: 100 });
///
/// let graph = Callgraph::from_nodes(&nodes)?;
/// let walk = graph.find("walk").next().unwrap();
/// assert_eq!(graph[walk].self_estimate.bytes, 200);
/// assert_eq!(graph[walk].total.bytes, 200); // not 300: each sample counts once
/// assert_eq!(graph.cycles(), [[walk]]);
/// # Ok::<(), v8_heap_sampler::NodesError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Callgraph<W: Weight = V8Estimate> {
    graph: Graph<FunctionNode<W>, Call<W>>,
    root: NodeIndex,
    index: HashMap<Arc<Function>, NodeIndex, RandomState>,
}

impl Callgraph {
    /// Builds the graph from nodes in any order, owned or borrowed.
    ///
    /// Functions are numbered in the order in which a preorder walk meets them, the root first;
    /// so are the calls. Linear in the number of nodes.
    ///
    /// # Errors
    ///
    /// [`NodesError`] names the nodes that do not form a tree, or whose totals exceed 64 bits.
    pub fn from_nodes<'n>(nodes: impl Into<Cow<'n, [Node]>>) -> Result<Self, NodesError> {
        let nodes = nodes.into();
        let topology = Topology::new(&nodes)?;
        let totals = call_tree::totals(&nodes, &topology)?;
        let in_preorder = (0..nodes.len()).map(|rank| &nodes[topology.position(rank)]);
        let in_preorder = in_preorder.map(|node| (&node.function, node));
        Ok(Self::merge_nodes(in_preorder, &topology.parents, &topology.ends, &totals))
    }

    fn merge_nodes<'n>(
        nodes: impl Iterator<Item = (&'n Arc<Function>, &'n Node)>,
        parents: &[u32],
        ends: &[u32],
        totals: &[V8Estimate],
    ) -> Self {
        let mut graph = Self::merge(nodes, parents, ends, totals);
        for vertex in graph.graph.node_weights_mut() {
            vertex.allocations = merge_sizes(std::mem::take(&mut vertex.allocations).into_vec());
        }
        graph
    }
}

impl<W: Weight> Callgraph<W> {
    /// The graph of contexts in preorder, each its function and what it allocated itself; the
    /// slices are by rank.
    pub(crate) fn merge<'n, O: Own<W> + 'n>(
        contexts: impl Iterator<Item = (&'n Arc<Function>, &'n O)>,
        parents: &[u32],
        ends: &[u32],
        totals: &[W],
    ) -> Self {
        let mut functions = FunctionNumbers::default();
        let mut graph: Graph<FunctionNode<W>, Call<W>> = Graph::new();
        let mut calls: HashMap<(u32, u32), EdgeIndex, RandomState> = HashMap::default();
        // The function of each rank.
        let mut function_of: Vec<u32> = Vec::with_capacity(totals.len());
        let (mut on_path, mut calls_on_path) = (OnPath::default(), OnPath::default());
        for (rank, (of, own)) in contexts.enumerate() {
            on_path.leave(rank, ends);
            calls_on_path.leave(rank, ends);

            let function = functions.of_context(rank, of);
            if function as usize == graph.node_count() {
                graph.add_node(FunctionNode {
                    function: Arc::clone(of),
                    allocations: W::Sizes::default(),
                    self_estimate: W::default(),
                    total: W::default(),
                    contexts: 0,
                });
            }
            function_of.push(function);
            let vertex = &mut graph[NodeIndex::new(function as usize)];
            vertex.contexts += 1;
            own.add_to(&mut vertex.allocations, &mut vertex.self_estimate);
            if on_path.enter(rank, function) {
                vertex.total += totals[rank];
            }

            if parents[rank] != NONE {
                let caller = function_of[parents[rank] as usize];
                let call = *calls.entry((caller, function)).or_insert_with(|| {
                    let [caller, callee] = [caller, function].map(|at| NodeIndex::new(at as usize));
                    graph.add_edge(caller, callee, Call::default())
                });
                if calls_on_path.enter(rank, call.index() as u32) {
                    graph[call].total += totals[rank];
                }
            }
        }
        Self::from_graph(graph, NodeIndex::new(0))
    }

    /// Wraps a graph whose functions are distinct, but for the root.
    pub(super) fn from_graph(graph: Graph<FunctionNode<W>, Call<W>>, root: NodeIndex) -> Self {
        let others = graph.node_indices().filter(|&index| index != root);
        let vertices = std::iter::once(root).chain(others);
        let index = vertices.map(|index| (graph[index].function.clone(), index)).collect();
        Self { graph, root, index }
    }

    /// The graph, for petgraph's algorithms.
    #[must_use]
    pub fn graph(&self) -> &Graph<FunctionNode<W>, Call<W>> {
        &self.graph
    }

    /// The graph, to take away.
    #[must_use]
    pub fn into_graph(self) -> Graph<FunctionNode<W>, Call<W>> {
        self.graph
    }

    /// The root: its total is that of the whole profile.
    #[must_use]
    pub fn root(&self) -> NodeIndex {
        self.root
    }

    /// The vertex of a function; where the root of a file has a function's name and place, not the
    /// root's. Constant time.
    #[must_use]
    pub fn index_of(&self, function: &Function) -> Option<NodeIndex> {
        self.index.get(function).copied()
    }

    /// The functions with a name, of which there can be several: the
    /// [original](crate::Function::original) name where it is known. Linear in the functions.
    ///
    /// ```
    /// # use v8_heap_sampler::{Allocation, Callgraph, Node, NodeId};
    /// # let mut nodes = vec![Node::new(NodeId(1), "(root)"), Node::new(NodeId(2), "main"),
    /// #     Node::new(NodeId(3), "main")];
    /// # nodes[0].child_ids.push(NodeId(2));
    /// # nodes[1].child_ids.push(NodeId(3));
    /// # nodes[2].allocations.push(Allocation { count: 2, size: 40 });
    /// let graph = Callgraph::from_nodes(nodes)?;
    /// for function in graph.find("main") {
    ///     println!("{}: {} bytes", graph[function].function, graph[function].total.bytes);
    /// }
    /// # assert_eq!(graph.find("main").count(), 1);
    /// # Ok::<(), v8_heap_sampler::NodesError>(())
    /// ```
    pub fn find(&self, name: &str) -> impl Iterator<Item = NodeIndex> {
        self.graph
            .node_indices()
            .filter(move |&index| *self.graph[index].function.shown_name() == *name)
    }

    /// All functions, in the order of their indices.
    pub fn functions(&self) -> impl ExactSizeIterator<Item = &FunctionNode<W>> {
        self.graph.raw_nodes().iter().map(|node| &node.weight)
    }

    /// The functions that call `function`, the one with the most bytes through the call first.
    ///
    /// `function` itself is among them if it calls itself. O(calls × log calls) in its callers.
    ///
    /// ```
    /// # use v8_heap_sampler::{Allocation, Callgraph, Node, NodeId};
    /// # let mut nodes = vec![Node::new(NodeId(1), "(root)"), Node::new(NodeId(2), "main"),
    /// #     Node::new(NodeId(3), "main")];
    /// # nodes[0].child_ids.push(NodeId(2));
    /// # nodes[1].child_ids.push(NodeId(3));
    /// # nodes[2].allocations.push(Allocation { count: 2, size: 40 });
    /// let graph = Callgraph::from_nodes(nodes)?;
    /// let main = graph.find("main").next().unwrap();
    /// for caller in graph.callers(main) {
    ///     println!("{} bytes through {}", caller.call.total.bytes, caller.function.function);
    /// }
    /// # assert_eq!(graph.callers(main).len(), 2);
    /// # Ok::<(), v8_heap_sampler::NodesError>(())
    /// ```
    ///
    /// # Panics
    ///
    /// If `function` is not a vertex of this graph.
    #[must_use]
    pub fn callers(&self, function: NodeIndex) -> Vec<NeighborCall<'_, W>> {
        self.neighbors(function, Direction::Incoming)
    }

    /// The functions that `function` calls, the one with the most bytes through the call first.
    ///
    /// `function` itself is among them if it calls itself. O(calls × log calls) in its callees.
    ///
    /// # Panics
    ///
    /// If `function` is not a vertex of this graph.
    #[must_use]
    pub fn callees(&self, function: NodeIndex) -> Vec<NeighborCall<'_, W>> {
        self.neighbors(function, Direction::Outgoing)
    }

    fn neighbors(&self, function: NodeIndex, direction: Direction) -> Vec<NeighborCall<'_, W>> {
        let _exists = &self.graph[function];
        let mut neighbors: Vec<_> = self
            .graph
            .edges_directed(function, direction)
            .map(|edge| {
                let index = match direction {
                    Direction::Incoming => edge.source(),
                    Direction::Outgoing => edge.target(),
                };
                NeighborCall { index, function: &self.graph[index], call: *edge.weight() }
            })
            .collect();
        neighbors.sort_by(|one, other| {
            let heavier_first = other.call.total.compare(&one.call.total);
            heavier_first.then(one.index.cmp(&other.index))
        });
        neighbors
    }

    /// The cycles: each group of functions that can all reach each other by calls (a strongly
    /// connected component), and each function that calls itself.
    ///
    /// Both the groups and the functions in each are in ascending order. Linear in functions and
    /// calls.
    ///
    /// ```
    /// # use v8_heap_sampler::{Allocation, Callgraph, Node, NodeId};
    /// # let mut nodes = vec![Node::new(NodeId(1), "(root)"), Node::new(NodeId(2), "main"),
    /// #     Node::new(NodeId(3), "main")];
    /// # nodes[0].child_ids.push(NodeId(2));
    /// # nodes[1].child_ids.push(NodeId(3));
    /// # nodes[2].allocations.push(Allocation { count: 2, size: 40 });
    /// let graph = Callgraph::from_nodes(nodes)?;
    /// let main = graph.find("main").next().unwrap(); // calls itself
    /// assert_eq!(graph.cycles(), [[main]]);
    /// # Ok::<(), v8_heap_sampler::NodesError>(())
    /// ```
    #[must_use]
    pub fn cycles(&self) -> Vec<Vec<NodeIndex>> {
        let mut cycles: Vec<_> = kosaraju_scc(&self.graph)
            .into_iter()
            .filter(|group| match group[..] {
                [single] => self.graph.find_edge(single, single).is_some(),
                _ => true,
            })
            .map(|mut group| {
                group.sort();
                group
            })
            .collect();
        cycles.sort();
        cycles
    }

    /// The graph without its back edges, and the calls that were left out.
    ///
    /// A depth-first walk from the root, which takes the calls of a function in the order in which
    /// the profile shows them first, leaves out every call to a function that is on the path from
    /// the root at that moment (recursion, direct or indirect). Functions keep their indices and
    /// their totals, and all stay reachable. Linear in functions and calls.
    ///
    /// ```
    /// # use v8_heap_sampler::{Allocation, Callgraph, Node, NodeId};
    /// # let mut nodes = vec![Node::new(NodeId(1), "(root)"), Node::new(NodeId(2), "main"),
    /// #     Node::new(NodeId(3), "main")];
    /// # nodes[0].child_ids.push(NodeId(2));
    /// # nodes[1].child_ids.push(NodeId(3));
    /// # nodes[2].allocations.push(Allocation { count: 2, size: 40 });
    /// let graph = Callgraph::from_nodes(nodes)?;
    /// let (acyclic, removed) = graph.without_cycles();
    /// assert!(acyclic.cycles().is_empty());
    /// let recursion = removed[0]; // `main` called itself
    /// assert_eq!(recursion.caller, recursion.callee);
    /// assert_eq!(recursion.call.total.bytes, 80);
    /// # Ok::<(), v8_heap_sampler::NodesError>(())
    /// ```
    #[must_use]
    pub fn without_cycles(&self) -> (Self, Vec<RemovedCall<W>>) {
        #[derive(Clone, Copy, PartialEq)]
        enum State {
            New,
            OnPath,
            Done,
        }
        let callees = self.calls_in_order();
        let mut states = vec![State::New; self.graph.node_count()];
        let mut back_edges = vec![false; self.graph.edge_count()];
        // All are reachable from the root.
        states[self.root.index()] = State::OnPath;
        let mut path = vec![(self.root, callees[self.root.index()].iter())];
        while let Some((function, calls)) = path.last_mut() {
            let Some(&call) = calls.next() else {
                states[function.index()] = State::Done;
                path.pop();
                continue;
            };
            let (_, callee) = self.graph.edge_endpoints(call).expect("one of the graph's edges");
            match states[callee.index()] {
                State::New => {
                    states[callee.index()] = State::OnPath;
                    path.push((callee, callees[callee.index()].iter()));
                }
                State::OnPath => back_edges[call.index()] = true,
                State::Done => {}
            }
        }

        let mut removed = Vec::new();
        let mut graph = Graph::with_capacity(self.graph.node_count(), self.graph.edge_count());
        for function in self.functions() {
            graph.add_node(function.clone());
        }
        for (edge, is_back_edge) in self.graph.raw_edges().iter().zip(back_edges) {
            let (caller, callee, call) = (edge.source(), edge.target(), edge.weight);
            if is_back_edge {
                removed.push(RemovedCall { caller, callee, call });
            } else {
                graph.add_edge(caller, callee, call);
            }
        }
        (Self { graph, root: self.root, index: self.index.clone() }, removed)
    }

    /// Each function's outgoing calls in ascending order; petgraph lists them latest first.
    fn calls_in_order(&self) -> Vec<Vec<EdgeIndex>> {
        let mut calls = vec![Vec::new(); self.graph.node_count()];
        for edge in self.graph.edge_references() {
            calls[edge.source().index()].push(edge.id());
        }
        calls
    }
}

impl Callgraph {
    /// A tree in which every function stands once, under one of its callers: a spanning tree.
    ///
    /// Grown from the root, always by the call with the most bytes that leads to a function which
    /// is not in the tree yet; so a function hangs under the caller that matters. What functions
    /// allocated themselves is kept exactly; the contexts cannot be told from a graph, so the
    /// totals of a subtree here are not those of calls. (For those, keep the [`CallTree`].)
    /// Nodes are numbered from 1, in preorder. O(calls × log calls).
    ///
    /// ```
    /// # use v8_heap_sampler::{Allocation, Callgraph, Node, NodeId};
    /// # let mut nodes = vec![Node::new(NodeId(1), "(root)"), Node::new(NodeId(2), "main"),
    /// #     Node::new(NodeId(3), "main")];
    /// # nodes[0].child_ids.push(NodeId(2));
    /// # nodes[1].child_ids.push(NodeId(3));
    /// # nodes[2].allocations.push(Allocation { count: 2, size: 40 });
    /// let graph = Callgraph::from_nodes(nodes)?;
    /// let tree = graph.spanning_tree();
    /// assert_eq!(tree.len(), graph.graph().node_count());
    /// assert_eq!(tree.root().total(), graph[graph.root()].total);
    /// # Ok::<(), v8_heap_sampler::NodesError>(())
    /// ```
    #[must_use]
    pub fn spanning_tree(&self) -> CallTree {
        let mut caller = vec![None; self.graph.node_count()];
        let mut in_tree = vec![false; self.graph.node_count()];
        let mut frontier = BinaryHeap::new();
        let mut next = Some((self.root, None));
        while let Some((function, from)) = next {
            if !std::mem::replace(&mut in_tree[function.index()], true) {
                caller[function.index()] = from;
                for edge in self.graph.edges(function) {
                    let V8Estimate { bytes, objects } = edge.weight().total;
                    frontier.push((bytes, objects, Reverse(edge.id())));
                }
            }
            next = frontier.pop().map(|(_, _, Reverse(call))| {
                let (from, to) = self.graph.edge_endpoints(call).expect("one of its edges");
                (to, Some(from))
            });
        }

        let mut callees = vec![Vec::new(); caller.len()];
        for (function, caller) in caller.iter().enumerate() {
            if let Some(caller) = caller {
                callees[caller.index()].push(function);
            }
        }
        let mut nodes: Vec<Node> = Vec::with_capacity(caller.len());
        let mut pending = vec![(self.root.index(), None)];
        while let Some((function, parent)) = pending.pop() {
            let vertex = &self.graph[NodeIndex::new(function)];
            let id = NodeId(nodes.len() as u32 + 1);
            if let Some(parent) = parent {
                let parent: &mut Node = &mut nodes[parent];
                parent.child_ids.push(id);
            }
            let mut node = Node::of(id, Arc::clone(&vertex.function));
            node.allocations = vertex.allocations.clone();
            nodes.push(node);
            let at = Some(nodes.len() - 1);
            pending.extend(callees[function].iter().rev().map(|&callee| (callee, at)));
        }
        CallTree::from_nodes(nodes).expect("every function has one caller, the root none")
    }
}

impl From<&CallTree> for Callgraph {
    /// The graph of a tree's functions; linear in the nodes.
    fn from(tree: &CallTree) -> Self {
        let (parents, ends) = tree.parents_and_ends();
        let nodes = tree.nodes().iter().map(|node| (&node.function, node));
        Self::merge_nodes(nodes, parents, ends, tree.totals())
    }
}

impl<W: Weight> std::ops::Index<NodeIndex> for Callgraph<W> {
    type Output = FunctionNode<W>;
    /// The function of a vertex.
    ///
    /// # Panics
    ///
    /// If it is not a vertex of this graph.
    fn index(&self, function: NodeIndex) -> &FunctionNode<W> {
        &self.graph[function]
    }
}

impl<W: Weight> PartialEq for Callgraph<W> {
    /// Whether both have the same root, functions and calls, in the same order.
    fn eq(&self, other: &Self) -> bool {
        let calls = |graph: &Self| -> Vec<(NodeIndex, NodeIndex, Call<W>)> {
            let edges = graph.graph.edge_references();
            edges.map(|e| (e.source(), e.target(), *e.weight())).collect()
        };
        self.root == other.root
            && self.functions().eq(other.functions())
            && calls(self) == calls(other)
    }
}

// Weighed in floating-point numbers, graphs are not reflexive in theory.
impl Eq for FunctionNode {}
impl Eq for Call {}
impl Eq for RemovedCall {}
impl Eq for Callgraph {}
