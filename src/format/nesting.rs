//! Nodes within nodes, as nested JSON has them.

use std::io::{self, Write};

use crate::model::Node;

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
