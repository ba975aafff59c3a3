//! The graph of functions.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use petgraph::Direction;
use petgraph::algo::kosaraju_scc;
use petgraph::graph::{EdgeIndex, Graph, NodeIndex};
use petgraph::visit::EdgeRef;

use crate::estimate::{Estimate, Sum};
use crate::model::{AnalysisError, Counted, Function, Node, Place, ProfileError, SampleType};
use crate::profile::{Evidence, GroupSums, OnPath, Profile, Visit, walk};
use crate::tree::NONE;

/// A function in a [`Callgraph`], with what all its contexts allocated.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct FunctionNode {
    /// The function; of a script that was loaded several times, the first one.
    pub function: Arc<Function>,
    /// The amount that the function allocated itself.
    pub own: Estimate,
    /// The amount that was allocated while the function was on the stack: each sample once, however
    /// often the function stands on its stack.
    pub total: Estimate,
    /// The number of contexts in which the function appears.
    pub contexts: u32,
}

/// The graph of functions: contexts of one function merged. The root is a vertex of its own.
///
/// An edge is one function calling another. Its weight is the amount that was allocated while that
/// call was on the stack: each sample once, however often the call stands on its stack.
///
/// Functions are one if their names and places are: those of a script that was loaded again are the
/// same.
///
/// It is a [`petgraph::graph::Graph`]: [`graph`](Self::graph) hands it out, so petgraph's
/// algorithms apply. Recursion makes cycles: [`cycles`](Self::cycles) finds them,
/// [`without_cycles`](Self::without_cycles) cuts them.
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
/// assert_eq!(graph[walk].own.value(), 200.0);
/// assert_eq!(graph[walk].total.value(), 200.0); // not 300: each sample counts once
/// // Who calls it, and how much came of that.
/// for (caller, total) in graph.callers(walk) {
///     println!("{total} through {}", graph[caller].function);
/// }
/// assert_eq!(graph.cycles(), [[walk]]); // it calls itself
/// let (acyclic, removed) = graph.without_cycles();
/// assert!(acyclic.cycles().is_empty());
/// assert_eq!(graph.graph().edge_endpoints(removed[0]), Some((walk, walk)));
/// assert_eq!(graph.graph()[removed[0]].value(), 100.0);
/// # Ok::<(), v8_heap_sampler::ProfileError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Callgraph {
    graph: Graph<FunctionNode, Estimate>,
    root: NodeIndex,
    index: HashMap<Place, NodeIndex, RandomState>,
}

impl Profile {
    /// The graph of functions, weighted in one of the profile's values.
    ///
    /// Functions are numbered in the order in which a preorder walk meets them, the root first; so
    /// are the calls. Linear in the contexts.
    ///
    /// ```
    /// # use v8_heap_sampler::{Node, NodeId, Profile, Sample, SampleId, SampleType,
    /// #     SamplerOptions};
    /// # let mut nodes = [Node::new(NodeId(1), "(root)"), Node::new(NodeId(2), "walk"),
    /// #     Node::new(NodeId(3), "walk")];
    /// # nodes[0].child_ids.push(NodeId(2));
    /// # nodes[1].child_ids.push(NodeId(3));
    /// # let samples = (1..=3).map(|id| Sample::new(NodeId(id), 64, SampleId(id as u64), true));
    /// let profile = Profile::from_samples(&nodes, samples, &SamplerOptions::exact())?;
    /// let graph = profile.callgraph(SampleType::InuseSpace)?;
    /// let walk = graph.find("walk").next().unwrap();
    /// // Each sample once, though `walk` calls itself.
    /// assert_eq!(graph[walk].total.exact(), Some(128));
    /// assert_eq!(graph.cycles(), [[walk]]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`AnalysisError::NoSuchValues`] if the profile does not have the sample type.
    pub fn callgraph(&self, sample_type: SampleType) -> Result<Callgraph, AnalysisError> {
        let evidence = Evidence::new(self, sample_type)?;
        let (firsts, place_of) = self.places();
        let mut building = Building {
            profile: self,
            place_of: &place_of,
            vertices: vec![GroupSums::default(); firsts.len() + 1],
            functions_on_path: OnPath::default(),
            calls: Vec::new(),
            numbers: HashMap::default(),
            calls_on_path: OnPath::default(),
        };
        walk(self, &evidence, &mut building);
        let Building { vertices, calls, .. } = building;
        let mut graph = Graph::with_capacity(vertices.len(), calls.len());
        let functions = firsts.iter().map(|&first| &self.functions()[first as usize]);
        for (function, vertex) in
            std::iter::once(self.root().function()).chain(functions).zip(vertices)
        {
            graph.add_node(FunctionNode {
                function: Arc::clone(function),
                own: evidence.estimate(vertex.own),
                total: evidence.estimate(vertex.total),
                contexts: vertex.contexts,
            });
        }
        for (caller, callee, total) in calls {
            let [caller, callee] = [caller, callee].map(|vertex| NodeIndex::new(vertex as usize));
            graph.add_edge(caller, callee, evidence.estimate(total));
        }
        let others = graph.node_indices().skip(1);
        let index = others.map(|vertex| (Place::of(&graph[vertex].function), vertex));
        let index = index.collect();
        Ok(Callgraph { graph, root: NodeIndex::new(0), index })
    }
}

/// The number of the root among the vertices.
const ROOT: u32 = 0;

/// A graph that is being built from contexts.
struct Building<'p> {
    profile: &'p Profile,
    place_of: &'p [u32],
    vertices: Vec<GroupSums>,
    functions_on_path: OnPath,
    /// Caller, callee, and total.
    calls: Vec<(u32, u32, Sum)>,
    /// By caller and callee.
    numbers: HashMap<(u32, u32), u32, RandomState>,
    calls_on_path: OnPath,
}

impl Building<'_> {
    fn vertex(&self, rank: u32) -> u32 {
        let function = self.profile.function_numbers()[rank as usize];
        match self.place_of[function as usize] {
            NONE => ROOT,
            place => place + 1,
        }
    }
}

/// A context that is on the path.
struct Entered {
    vertex: u32,
    is_outermost: bool,
    /// The number of the call that led to it, and whether that is on the path only once.
    call: Option<(u32, bool)>,
}

impl Visit for Building<'_> {
    type Kept = Entered;

    fn enter(&mut self, rank: u32) -> Entered {
        let vertex = self.vertex(rank);
        let is_outermost = self.functions_on_path.enter(vertex as usize);
        let parent = self.profile.parents()[rank as usize];
        let call = (parent != NONE).then(|| {
            let caller = self.vertex(parent);
            let next = self.calls.len() as u32;
            let number = *self.numbers.entry((caller, vertex)).or_insert(next);
            if number == next {
                self.calls.push((caller, vertex, Sum::default()));
            }
            (number, self.calls_on_path.enter(number as usize))
        });
        Entered { vertex, is_outermost, call }
    }

    fn leave(&mut self, _: u32, entered: Entered, own: &Sum, total: &Sum) {
        let Entered { vertex, is_outermost, call } = entered;
        self.functions_on_path.leave(vertex as usize);
        let vertex = &mut self.vertices[vertex as usize];
        vertex.own += *own;
        vertex.contexts += 1;
        if is_outermost {
            vertex.total += *total;
        }
        if let Some((number, is_outermost)) = call {
            self.calls_on_path.leave(number as usize);
            if is_outermost {
                self.calls[number as usize].2 += *total;
            }
        }
    }
}

impl Callgraph {
    /// The graph of nodes in any order, weighted in the bytes that they say are in use.
    ///
    /// The same as [`Profile::from_nodes`] and [`Profile::callgraph`]. Linear in the number of
    /// nodes.
    ///
    /// # Errors
    ///
    /// [`ProfileError`] names the nodes that do not form a tree, or that allocated more than numbers
    /// can say exactly (2^53).
    pub fn from_nodes(nodes: &[Node]) -> Result<Self, ProfileError> {
        let profile = Profile::from_nodes(nodes, Counted::InUse)?;
        Ok(profile.callgraph(SampleType::InuseSpace).expect("nodes say what is in use"))
    }

    /// The graph, for petgraph's algorithms.
    pub fn graph(&self) -> &Graph<FunctionNode, Estimate> {
        &self.graph
    }

    /// The graph, to take away.
    #[must_use]
    pub fn into_graph(self) -> Graph<FunctionNode, Estimate> {
        self.graph
    }

    /// The root: its total is that of the whole profile.
    pub fn root(&self) -> NodeIndex {
        self.root
    }

    /// The vertex of a function, by its name and place; never the root. Constant time.
    pub fn index_of(&self, function: &Function) -> Option<NodeIndex> {
        self.index.get(&Place::of(function)).copied()
    }

    /// The functions with a name, of which there can be several: the
    /// [original](crate::Function::original) name where it is known. Linear in the functions.
    pub fn find(&self, name: &str) -> impl Iterator<Item = NodeIndex> {
        self.graph
            .node_indices()
            .filter(move |&index| *self.graph[index].function.shown_name() == *name)
    }

    /// All functions, in the order of their indices.
    pub fn functions(&self) -> impl ExactSizeIterator<Item = &FunctionNode> {
        self.graph.raw_nodes().iter().map(|node| &node.weight)
    }

    /// The functions that call `function`, with the weights of the calls, the largest first.
    ///
    /// `function` itself is among them if it calls itself. O(calls × log calls) in its callers.
    ///
    /// # Panics
    ///
    /// If `function` is not a vertex of this graph.
    pub fn callers(&self, function: NodeIndex) -> Vec<(NodeIndex, Estimate)> {
        self.neighbors(function, Direction::Incoming)
    }

    /// The functions that `function` calls, with the weights of the calls, the largest first.
    ///
    /// `function` itself is among them if it calls itself. O(calls × log calls) in its callees.
    ///
    /// # Panics
    ///
    /// If `function` is not a vertex of this graph.
    pub fn callees(&self, function: NodeIndex) -> Vec<(NodeIndex, Estimate)> {
        self.neighbors(function, Direction::Outgoing)
    }

    fn neighbors(&self, function: NodeIndex, direction: Direction) -> Vec<(NodeIndex, Estimate)> {
        let _exists = &self.graph[function];
        let mut neighbors: Vec<_> = self
            .graph
            .edges_directed(function, direction)
            .map(|edge| {
                let index = match direction {
                    Direction::Incoming => edge.source(),
                    Direction::Outgoing => edge.target(),
                };
                (index, *edge.weight())
            })
            .collect();
        neighbors.sort_by(|(one, a), (other, b)| {
            b.magnitude().total_cmp(&a.magnitude()).then(one.cmp(other))
        });
        neighbors
    }

    /// The cycles: each group of functions that can all reach each other by calls (a strongly
    /// connected component), and each function that calls itself.
    ///
    /// Both the groups and the functions in each are in ascending order. Linear in functions and
    /// calls.
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

    /// The graph without its back edges, and these, as edges of the whole graph.
    ///
    /// A depth-first walk from the root, which takes the calls of a function in the order in which
    /// the profile shows them first, leaves out every call to a function that is on the path from
    /// the root at that moment (recursion, direct or indirect). Functions keep their indices and
    /// their totals, and all stay reachable. Linear in functions and calls.
    #[must_use]
    pub fn without_cycles(&self) -> (Self, Vec<EdgeIndex>) {
        #[derive(Clone, Copy, PartialEq)]
        enum State {
            New,
            OnPath,
            Done,
        }
        // Each function's calls in ascending order; petgraph lists them latest first.
        let mut calls = vec![Vec::new(); self.graph.node_count()];
        for edge in self.graph.edge_references() {
            calls[edge.source().index()].push((edge.id(), edge.target()));
        }
        let mut states = vec![State::New; self.graph.node_count()];
        let mut removed = Vec::new();
        // All are reachable from the root.
        states[self.root.index()] = State::OnPath;
        let mut path = vec![(self.root, calls[self.root.index()].iter())];
        while let Some((function, open)) = path.last_mut() {
            let Some(&(call, callee)) = open.next() else {
                states[function.index()] = State::Done;
                path.pop();
                continue;
            };
            match states[callee.index()] {
                State::New => {
                    states[callee.index()] = State::OnPath;
                    path.push((callee, calls[callee.index()].iter()));
                }
                State::OnPath => removed.push(call),
                State::Done => {}
            }
        }
        removed.sort_unstable();
        let graph = self.graph.filter_map(
            |_, function| Some(function.clone()),
            |call, total| removed.binary_search(&call).is_err().then_some(*total),
        );
        (Self { graph, root: self.root, index: self.index.clone() }, removed)
    }
}

impl std::ops::Index<NodeIndex> for Callgraph {
    type Output = FunctionNode;
    /// The function of a vertex.
    ///
    /// # Panics
    ///
    /// If it is not a vertex of this graph.
    fn index(&self, function: NodeIndex) -> &FunctionNode {
        &self.graph[function]
    }
}

impl PartialEq for Callgraph {
    /// Whether both have the same root, functions and calls, in the same order.
    fn eq(&self, other: &Self) -> bool {
        let calls = |graph: &Self| -> Vec<(NodeIndex, NodeIndex, Estimate)> {
            let edges = graph.graph.edge_references();
            edges.map(|edge| (edge.source(), edge.target(), *edge.weight())).collect()
        };
        self.root == other.root
            && self.functions().eq(other.functions())
            && calls(self) == calls(other)
    }
}
