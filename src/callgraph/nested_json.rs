//! The nested JSON of a call tree: nodes within nodes.

use std::io::{self, Write};

use super::call_tree::CallTree;
use crate::model::Node;

impl CallTree {
    /// Writes the tree as nested JSON: each node with the fields of [`Node`], and its child nodes
    /// in `children`, as the Node module `sample-heap-allocations` builds them.
    ///
    /// Pass a buffered writer: each node is written in a few small pieces. Streams: memory is bounded
    /// by one node and the depth, and no depth overflows the stack (though readers may have limits of
    /// their own).
    ///
    /// ```
    /// use v8_heap_sampler::{CallTree, Node, NodeId};
    ///
    /// let mut root = Node::new(NodeId(1), "(root)");
    /// root.child_ids.push(NodeId(2));
    /// let tree = CallTree::from_nodes(vec![root, Node::new(NodeId(2), "main")])?;
    /// let mut json = Vec::new();
    /// tree.write_nested_json(&mut json)?;
    /// let json: serde_json::Value = serde_json::from_slice(&json)?;
    /// assert_eq!(json["children"][0]["name"], "main");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Whatever `writer` reports.
    pub fn write_nested_json(&self, mut writer: impl Write) -> io::Result<()> {
        let (_, ends) = self.parents_and_ends();
        let mut nesting = Nesting::default();
        let mut text = Vec::new();
        for (rank, node) in (0_u32..).zip(self.nodes()) {
            nesting.enter(rank, ends[rank as usize], &mut writer)?;
            text.clear();
            write_open(node, &mut text)?;
            writer.write_all(&text)?;
        }
        nesting.leave_all(&mut writer)
    }
}

/// What stands between nodes that are written within each other, in preorder, and ends with the `[`
/// of their children.
#[derive(Default)]
pub(crate) struct Nesting {
    /// The ends of the nodes whose children are being written.
    open: Vec<u32>,
}

impl Nesting {
    /// Closes what ends before the node `rank`, whose subtree ends at `end`.
    #[inline]
    pub(crate) fn enter(&mut self, rank: u32, end: u32, writer: &mut impl Write) -> io::Result<()> {
        // A first child follows its parent's `[`; any other a node that ends here.
        let mut is_first = true;
        while self.open.last().is_some_and(|&end| end <= rank) {
            self.open.pop();
            writer.write_all(b"]}")?;
            is_first = false;
        }
        self.open.push(end);
        if is_first { Ok(()) } else { writer.write_all(b",") }
    }

    /// Closes all nodes.
    pub(crate) fn leave_all(self, writer: &mut impl Write) -> io::Result<()> {
        self.open.iter().try_for_each(|_| writer.write_all(b"]}"))
    }
}

/// Appends a node up to and with the `[` of its children.
pub(crate) fn write_open(node: &Node, text: &mut Vec<u8>) -> io::Result<()> {
    serde_json::to_writer(&mut *text, node)?;
    let brace = text.pop();
    debug_assert_eq!(brace, Some(b'}'), "a struct is written as an object");
    text.extend_from_slice(br#","children":["#);
    Ok(())
}
