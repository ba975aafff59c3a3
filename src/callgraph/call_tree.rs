//! The tree of calling contexts.

use std::borrow::Cow;
use std::fmt;
use std::iter::FusedIterator;
use std::ops::Deref;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::nodes_error::NodesError;
use super::topology::{IdIndex, NONE, Topology, inverted};
use crate::profile::{Node, NodeId, V8Estimate};

/// The tree of calling contexts, exactly as V8 recorded it.
///
/// Every context stands apart: a function that was reached by two paths is two nodes. Held flat, in
/// preorder, so that no depth overflows a stack: not in building, walking, writing or dropping.
///
/// ```
/// use v8_heap_sampler::{Allocation, CallTree, Node, NodeId};
///
/// let mut root = Node::new(NodeId(1), "(root)");
/// let mut main = Node::new(NodeId(2), "main");
/// let mut fill = Node::new(NodeId(3), "fill");
/// fill.allocations.push(Allocation { count: 10, size: 64 });
/// main.child_ids.push(fill.id);
/// root.child_ids.push(main.id);
///
/// let tree = CallTree::from_nodes(vec![fill, root, main])?; // in any order
/// let main = tree.root().children().next().unwrap();
/// assert_eq!(main.name, "main");
/// assert_eq!(main.self_estimate().bytes, 0);
/// assert_eq!(main.total().bytes, 640);
/// assert_eq!(tree.get(NodeId(3)).unwrap().parent(), Some(main));
/// # Ok::<(), v8_heap_sampler::NodesError>(())
/// ```
///
/// # serde
///
/// Written as the list of its nodes, in preorder, and read back with the checks of
/// [`from_nodes`](Self::from_nodes). For the nested form with `children` in `children` see
/// [`write_nested_json`](Self::write_nested_json).
#[derive(Clone)]
pub struct CallTree {
    /// In preorder.
    nodes: Vec<Node>,
    /// The rank of each node's parent; [`NONE`] for the root.
    parents: Vec<u32>,
    /// One past the last rank of each node's subtree.
    ends: Vec<u32>,
    totals: Vec<V8Estimate>,
    /// Ranks by id.
    index: IdIndex,
}

impl CallTree {
    /// Rebuilds the tree from nodes in any order, owned or borrowed.
    ///
    /// Siblings keep the order of `child_ids`. Linear in the number of nodes; owned nodes that are
    /// in preorder, as [`HeapSampler::collect_nodes`] returns them, stay where they are.
    ///
    /// [`HeapSampler::collect_nodes`]: https://docs.rs/v8-heap-sampler/latest/v8_heap_sampler/struct.HeapSampler.html#method.collect_nodes
    ///
    /// # Errors
    ///
    /// [`NodesError`] names the nodes that do not form a tree, or whose totals exceed 64 bits.
    pub fn from_nodes<'n>(nodes: impl Into<Cow<'n, [Node]>>) -> Result<Self, NodesError> {
        let nodes = nodes.into();
        let topology = Topology::new(&nodes)?;
        let totals = totals(&nodes, &topology)?;
        let Topology { positions, parents, ends, mut index } = topology;
        let nodes = match (positions, nodes) {
            (None, nodes) => nodes.into_owned(),
            (Some(positions), nodes) => {
                let mut ranks = inverted(&positions);
                index.renumber(&ranks);
                match nodes {
                    Cow::Borrowed(nodes) => {
                        positions.iter().map(|&position| nodes[position as usize].clone()).collect()
                    }
                    Cow::Owned(mut nodes) => {
                        permute(&mut nodes, &mut ranks);
                        nodes
                    }
                }
            }
        };
        Ok(Self { nodes, parents, ends, totals, index })
    }

    /// The root: the empty stack.
    #[must_use]
    pub fn root(&self) -> TreeNode<'_> {
        TreeNode { tree: self, rank: 0 }
    }

    /// The node with an id. Constant time.
    #[must_use]
    pub fn get(&self, id: NodeId) -> Option<TreeNode<'_>> {
        self.index.get(id).map(|rank| TreeNode { tree: self, rank })
    }

    /// All nodes in preorder: parents before children, siblings in V8's order, the root first.
    #[must_use]
    pub fn iter(&self) -> Descendants<'_> {
        Descendants { tree: self, ranks: 0..self.nodes.len() as u32 }
    }

    /// How many nodes the tree has; at least one.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a tree has a root")]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The nodes, in preorder.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The nodes, in preorder.
    #[must_use]
    pub fn into_nodes(self) -> Vec<Node> {
        self.nodes
    }

    /// By rank: the parents' ranks and the ends of the subtrees.
    pub(super) fn parents_and_ends(&self) -> (&[u32], &[u32]) {
        (&self.parents, &self.ends)
    }

    pub(super) fn totals(&self) -> &[V8Estimate] {
        &self.totals
    }
}

/// Totals by rank.
pub(super) fn totals(nodes: &[Node], topology: &Topology) -> Result<Vec<V8Estimate>, NodesError> {
    let node = |rank: usize| &nodes[topology.position(rank)];
    let mut totals = Vec::with_capacity(nodes.len());
    for rank in 0..nodes.len() {
        let node = node(rank);
        totals.push(node.v8_estimate().ok_or(NodesError::TotalOverflow { id: node.id })?);
    }
    // Children stand after their parents: from the back, every total is complete when it is added.
    for rank in (1..totals.len()).rev() {
        let parent = topology.parents[rank] as usize;
        totals[parent] = totals[parent]
            .checked_add(totals[rank])
            .ok_or_else(|| NodesError::TotalOverflow { id: node(parent).id })?;
    }
    Ok(totals)
}

/// Moves the node at position `p` to `ranks[p]`, and leaves `ranks` in ascending order.
fn permute(nodes: &mut [Node], ranks: &mut [u32]) {
    for position in 0..nodes.len() {
        // Every swap puts one node in its place.
        while ranks[position] as usize != position {
            let rank = ranks[position] as usize;
            nodes.swap(position, rank);
            ranks.swap(position, rank);
        }
    }
}

impl<'t> IntoIterator for &'t CallTree {
    type Item = TreeNode<'t>;
    type IntoIter = Descendants<'t>;
    fn into_iter(self) -> Descendants<'t> {
        self.iter()
    }
}

impl PartialEq for CallTree {
    /// Whether both have the same nodes in the same order.
    fn eq(&self, other: &Self) -> bool {
        self.nodes == other.nodes
    }
}

impl Eq for CallTree {}

impl fmt::Debug for CallTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallTree").field("nodes", &self.nodes).finish_non_exhaustive()
    }
}

impl Serialize for CallTree {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.nodes.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for CallTree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_nodes(Vec::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// A node in its tree: dereferences to [`Node`], and knows its relatives and totals.
///
/// A copyable reference. Two are equal if they are the same node of the same tree.
///
/// ```
/// # use v8_heap_sampler::{Allocation, CallTree, Node, NodeId};
/// # let mut nodes = vec![Node::new(NodeId(1), "(root)"), Node::new(NodeId(2), "main")];
/// # nodes[0].child_ids.push(NodeId(2));
/// # nodes[1].allocations.push(Allocation { count: 2, size: 40 });
/// let tree = CallTree::from_nodes(nodes)?;
/// for node in &tree {
///     let indent = 2 * node.depth().min(40);
///     println!("{:>8} {:indent$}{}", node.total().bytes, "", node.function);
/// }
/// # Ok::<(), v8_heap_sampler::NodesError>(())
/// ```
#[derive(Clone, Copy)]
pub struct TreeNode<'t> {
    tree: &'t CallTree,
    rank: u32,
}

impl<'t> TreeNode<'t> {
    pub(crate) fn rank(self) -> usize {
        self.rank as usize
    }

    /// The node itself, for as long as the tree lives.
    #[must_use]
    pub fn node(self) -> &'t Node {
        &self.tree.nodes[self.rank()]
    }

    /// The caller's context; `None` for the root.
    #[must_use]
    pub fn parent(self) -> Option<Self> {
        match self.tree.parents[self.rank()] {
            NONE => None,
            rank => Some(Self { rank, ..self }),
        }
    }

    /// The contexts called from here, in V8's order.
    #[must_use]
    pub fn children(self) -> Children<'t> {
        Children { tree: self.tree, next: self.rank + 1, end: self.tree.ends[self.rank()] }
    }

    /// This node and all below it, in preorder.
    #[must_use]
    pub fn descendants(self) -> Descendants<'t> {
        Descendants { tree: self.tree, ranks: self.rank..self.tree.ends[self.rank()] }
    }

    /// How many calls lie between the root, at depth 0, and this node. Linear in the depth.
    #[must_use]
    pub fn depth(self) -> usize {
        std::iter::successors(self.parent(), |node| node.parent()).count()
    }

    /// What this context allocated itself, by V8's rounded counts.
    #[must_use]
    pub fn self_estimate(self) -> V8Estimate {
        self.node().v8_estimate().expect("checked when the tree was built")
    }

    /// What this context and all below it allocated, by V8's rounded counts. Constant time.
    #[must_use]
    pub fn total(self) -> V8Estimate {
        self.tree.totals[self.rank()]
    }
}

impl Deref for TreeNode<'_> {
    type Target = Node;
    fn deref(&self) -> &Node {
        self.node()
    }
}

impl PartialEq for TreeNode<'_> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.tree, other.tree) && self.rank == other.rank
    }
}

impl Eq for TreeNode<'_> {}

impl fmt::Debug for TreeNode<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TreeNode")
            .field("node", self.node())
            .field("total", &self.total())
            .finish_non_exhaustive()
    }
}

/// The children of a [`TreeNode`], in V8's order: see [`TreeNode::children`].
#[derive(Clone, Debug)]
pub struct Children<'t> {
    tree: &'t CallTree,
    next: u32,
    end: u32,
}

impl<'t> Iterator for Children<'t> {
    type Item = TreeNode<'t>;
    fn next(&mut self) -> Option<TreeNode<'t>> {
        (self.next < self.end).then(|| {
            let child = TreeNode { tree: self.tree, rank: self.next };
            self.next = self.tree.ends[child.rank()];
            child
        })
    }
}

impl FusedIterator for Children<'_> {}

/// Nodes of a [`CallTree`] in preorder: see [`CallTree::iter`] and [`TreeNode::descendants`].
#[derive(Clone, Debug)]
pub struct Descendants<'t> {
    tree: &'t CallTree,
    ranks: std::ops::Range<u32>,
}

impl<'t> Iterator for Descendants<'t> {
    type Item = TreeNode<'t>;
    fn next(&mut self) -> Option<TreeNode<'t>> {
        self.ranks.next().map(|rank| TreeNode { tree: self.tree, rank })
    }
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.ranks.size_hint()
    }
}

impl DoubleEndedIterator for Descendants<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.ranks.next_back().map(|rank| TreeNode { tree: self.tree, rank })
    }
}

impl ExactSizeIterator for Descendants<'_> {}
impl FusedIterator for Descendants<'_> {}
