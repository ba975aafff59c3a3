//! Writes nodes as JSON, flat and nested, as the core and `sample-heap-allocations` have them.

use std::collections::HashMap;
use std::io::Write;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::nesting::{Nesting, write_open};
use super::rounding::Rounding;
use super::write_error::WriteError;
use super::write_options::WriteOptions;
use crate::model::{Allocation, Node};
use crate::profile::{Profile, RowData};

impl Profile {
    /// Writes the contexts as a flat list of [`Node`]s, which spell the tree out by ids.
    ///
    /// Nodes list objects by size and number, and numbers are rounded such that the sum over all
    /// objects of a size is right; bytes are then their products with the sizes. Pass a buffered
    /// writer. Memory beyond the profile: one node, and 32 bytes for each distinct size.
    ///
    /// ```
    /// # use v8_heap_sampler::{Counted, Node, NodeId, Profile, Sample, SampleId, SamplerOptions};
    /// # let nodes = [Node::new(NodeId(1), "main")];
    /// # let samples = [Sample::new(NodeId(1), 64, SampleId(1), true)];
    /// let profile = Profile::from_samples(&nodes, samples, &SamplerOptions::exact())?;
    /// let mut json = Vec::new();
    /// profile.write_nodes(&mut json, Counted::InUse)?;
    /// let nodes: Vec<Node> = serde_json::from_slice(&json)?;
    /// assert_eq!((nodes[0].allocations[0].count, nodes[0].allocations[0].size), (1, 64));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`WriteError`] if the profile does not have the values, has a difference of them, or does
    /// not know how large single objects are, or if `writer` fails.
    pub fn write_nodes(
        &self,
        mut writer: impl Write,
        options: impl Into<WriteOptions>,
    ) -> Result<(), WriteError> {
        let mut separator: &[u8] = b"[";
        self.for_each_node(&options.into(), |_, node| {
            writer.write_all(separator)?;
            separator = b",";
            Ok(serde_json::to_writer(&mut writer, node).map_err(std::io::Error::from)?)
        })?;
        writer.write_all(b"]")?;
        Ok(writer.flush()?)
    }

    /// Writes the contexts as nested nodes: each with the fields of [`Node`], and its child nodes
    /// in `children`.
    ///
    /// As [`write_nodes`](Self::write_nodes) otherwise, errors included.
    ///
    /// # Errors
    ///
    /// As [`write_nodes`](Self::write_nodes).
    pub fn write_nested_nodes(
        &self,
        mut writer: impl Write,
        options: impl Into<WriteOptions>,
    ) -> Result<(), WriteError> {
        let mut nesting = Nesting::default();
        let mut text = Vec::new();
        self.for_each_node(&options.into(), |rank, node| {
            nesting.enter(rank, self.ends()[rank as usize], &mut writer)?;
            text.clear();
            write_open(node, &mut text)?;
            Ok(writer.write_all(&text)?)
        })?;
        nesting.leave_all(&mut writer)?;
        Ok(writer.flush()?)
    }

    /// Makes the contexts nodes, one after the other.
    fn for_each_node(
        &self,
        options: &WriteOptions,
        mut each: impl FnMut(u32, &Node) -> Result<(), WriteError>,
    ) -> Result<(), WriteError> {
        let counted = options.values_of(self).counted();
        let (objects, space) = (counted.objects(), counted.space());
        self.require_sums(space, "nodes")?;
        if !self.has(objects) {
            return Err(WriteError::NoSizes);
        }
        let has_none = |row: &RowData| row.value(objects) == 0.0 && row.value(space) == 0.0;
        if self.row_data().iter().any(|row| row.size().is_none() && !has_none(row)) {
            return Err(WriteError::NoSizes);
        }
        // One for each size: an object of a megabyte must not become one of 16 bytes.
        let mut roundings: HashMap<u64, Rounding, RandomState> = HashMap::default();
        let mut rows = self.row_data().iter().peekable();
        let mut node = Node::new(crate::NodeId(0), "");
        for context in self.contexts() {
            let rank = context.index();
            node.id = self.id(rank);
            node.function = Arc::clone(context.function());
            node.child_ids = context.children().map(|child| self.id(child.index())).collect();
            let mut allocations: Vec<Allocation> = Vec::new();
            while let Some(row) = rows.next_if(|row| row.context as usize == rank) {
                let rounding = roundings.entry(row.raw_size()).or_default();
                let count = rounding.next_unsigned(row.value(objects));
                if count > 0 {
                    allocations.push(Allocation { count, size: row.raw_size() });
                }
            }
            // Rows with other labels can be of the same sizes.
            node.allocations = merge_sizes(allocations);
            each(rank as u32, &node)?;
        }
        Ok(())
    }
}

/// Adds up the counts of equal sizes; ascending.
fn merge_sizes(mut allocations: Vec<Allocation>) -> Vec<Allocation> {
    allocations.sort_unstable_by_key(|allocation| allocation.size);
    allocations.dedup_by(|from, into| {
        let same = from.size == into.size;
        if same {
            into.count += from.count;
        }
        same
    });
    allocations
}
