//! Writes the call graph for Graphviz.

use std::io::{self, Write};

use petgraph::graph::{Graph, NodeIndex};
use petgraph::visit::EdgeRef;

use super::write_error::WriteError;
use super::write_options::WriteOptions;
use crate::estimate::Estimate;
use crate::graph::FunctionNode;
use crate::model::{SampleType, plain_text};
use crate::profile::Profile;

impl Profile {
    /// Writes the call graph in Graphviz' language DOT, pruned to what matters: `dot -Tsvg` lays it
    /// out.
    ///
    /// Each function shows what it allocated itself, larger the more it is, and its total; each
    /// call what flows through it. A [difference](Self::is_difference) has signs in place of
    /// shares, which are then of all that has changed, and is red where there is more and blue
    /// where there is less. The root is shown only if it allocated, so that what was called from an
    /// empty stack, or from frames below those that sampling keeps, flows in from nowhere. What was
    /// left out is said in the graph's title. Names and places that are longer than Graphviz reads
    /// are cut, and end in `… (20000 characters)`. Memory beyond the profile: the call graph. Pass
    /// a buffered writer.
    ///
    /// ```
    /// # use v8_heap_sampler::{Node, NodeId, Profile, Sample, SampleId, SampleType, SamplerOptions};
    /// # let nodes = [Node::new(NodeId(1), "main")];
    /// # let samples = [Sample::new(NodeId(1), 64, SampleId(1), true)];
    /// let profile = Profile::from_samples(&nodes, samples, &SamplerOptions::exact())?;
    /// let mut dot = Vec::new();
    /// profile.write_dot(&mut dot, SampleType::InuseSpace)?;
    /// assert!(String::from_utf8(dot)?.contains(r#"label="main\n64 B (100.0 %)""#));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`WriteError`] if the profile does not have the values, or `writer` fails.
    pub fn write_dot(
        &self,
        mut writer: impl Write,
        options: impl Into<WriteOptions>,
    ) -> Result<(), WriteError> {
        let options = &options.into();
        let sample_type = options.values_of(self);
        let callgraph = self.callgraph(sample_type)?;
        let (graph, root) = (callgraph.graph(), callgraph.root());
        let is_difference = self.is_difference(sample_type);
        let whole = match self.magnitudes(sample_type) {
            Some(magnitudes) if is_difference => magnitudes[0],
            _ => graph[root].total.value(),
        };
        let figures = Figures { sample_type, is_difference, whole };
        let shown = shown(graph, root, &figures, options);
        write_graph(&mut writer, graph, root, &shown, &figures, options.min_edge_share)?;
        Ok(writer.flush()?)
    }
}

fn write_graph(
    writer: &mut impl Write,
    graph: &Graph<FunctionNode, Estimate>,
    root: NodeIndex,
    shown: &[NodeIndex],
    figures: &Figures,
    min_edge_share: f64,
) -> io::Result<()> {
    let is_shown = |index: NodeIndex| shown.binary_search(&index).is_ok();
    let sample_type = figures.sample_type;
    let (count, of) = (shown.len(), graph.node_count() - usize::from(!is_shown(root)));
    let total = figures.value(graph[root].total.value());
    let font = "fontname=\"sans-serif\"";
    writeln!(writer, "digraph \"{sample_type}\" {{")?;
    writeln!(writer, "label=\"{sample_type}: {total} in all; {count} of {of} functions shown\";")?;
    writeln!(writer, "{font}; labelloc=t; edge [{font}];")?;
    writeln!(writer, "node [shape=box, style=filled, {font}];")?;
    for &index in shown {
        write_node(writer, index, &graph[index], figures)?;
    }
    for edge in graph.edge_references() {
        let total = edge.weight().value();
        let is_large = total != 0.0 && figures.share(total) >= min_edge_share;
        if is_large && is_shown(edge.source()) && is_shown(edge.target()) {
            write_edge(writer, [edge.source(), edge.target()], total, figures)?;
        }
    }
    writeln!(writer, "}}")
}

/// How values are shown.
struct Figures {
    sample_type: SampleType,
    is_difference: bool,
    /// What shares are of.
    whole: f64,
}

impl Figures {
    fn share(&self, value: f64) -> f64 {
        if self.whole > 0.0 { value.abs() / self.whole } else { 0.0 }
    }

    fn value(&self, value: f64) -> String {
        let sign = if self.is_difference && value > 0.0 { "+" } else { "" };
        format!("{sign}{}", self.sample_type.display(value))
    }

    /// A value, and behind it its share.
    fn value_and_share(&self, value: f64) -> String {
        if self.is_difference {
            // More and less cancel out: there are no shares of a difference.
            return self.value(value);
        }
        format!("{} ({:.1} %)", self.value(value), 100.0 * self.share(value))
    }
}

/// The functions to show, in their order in the graph.
fn shown(
    graph: &Graph<FunctionNode, Estimate>,
    root: NodeIndex,
    figures: &Figures,
    options: &WriteOptions,
) -> Vec<NodeIndex> {
    let mut shown: Vec<NodeIndex> = graph
        .node_indices()
        .filter(|&index| figures.share(graph[index].total.value()) >= options.min_share)
        .filter(|&index| {
            let node = &graph[index];
            node.own.value() != 0.0 || index != root && node.total.value() != 0.0
        })
        .collect();
    shown.sort_by(|&one, &other| {
        let [a, b] = [one, other].map(|index| graph[index].total.magnitude());
        b.total_cmp(&a).then(one.cmp(&other))
    });
    shown.truncate(options.most_functions.unwrap_or(usize::MAX));
    shown.sort();
    shown
}

fn write_node(
    writer: &mut impl Write,
    index: NodeIndex,
    node: &FunctionNode,
    figures: &Figures,
) -> io::Result<()> {
    let (own, total) = (node.own.value(), node.total.value());
    write!(writer, "n{} [label=\"", index.index())?;
    // Name, place and value, each on its line.
    write!(writer, "{}", Escaped(node.function.display_name()))?;
    let location = node.function.display_location();
    if !location.is_empty() {
        write!(writer, "\\n{}", Escaped(&location))?;
    }
    write!(writer, "\\n{}", figures.value_and_share(own))?;
    if total > own || figures.is_difference && total != own {
        write!(writer, "\\nof {}", figures.value_and_share(total))?;
    }
    // Text from 8 to 32 points, and from white to red, or to blue where it is less.
    let share = figures.share(own);
    let (size, colour) = (8.0 + 24.0 * share.sqrt(), 0.6 * share.sqrt());
    let hue = if own < 0.0 { "0.60" } else { "0.02" };
    writeln!(writer, "\", fontsize={size:.1}, fillcolor=\"{hue} {colour:.3} 1.0\"];")
}

fn write_edge(
    writer: &mut impl Write,
    ends: [NodeIndex; 2],
    total: f64,
    figures: &Figures,
) -> io::Result<()> {
    let [caller, callee] = ends.map(NodeIndex::index);
    let flow = figures.share(total);
    let (width, weight) = (1.0 + 5.0 * flow, 1 + (100.0 * flow) as u32);
    let label = figures.value(total);
    writeln!(
        writer,
        "n{caller} -> n{callee} [label=\" {label}\", penwidth={width:.2}, weight={weight}];"
    )
}

/// How many bytes a name or a place may have in a label. Graphviz reads strings of up to 16384
/// bytes, and a label is both, and numbers.
const LONGEST: usize = 8000;

/// Text within quotation marks, where DOT and its labels read `"` and `\` as something else. What
/// is too long ends in a note that says so.
struct Escaped<'t>(&'t str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        use std::fmt::Write as _;
        let mut room = LONGEST;
        for character in plain_text(self.0).chars() {
            let is_escaped = matches!(character, '"' | '\\');
            let Some(rest) = room.checked_sub(usize::from(is_escaped) + character.len_utf8())
            else {
                return write!(f, "… ({} characters)", self.0.chars().count());
            };
            room = rest;
            if is_escaped {
                f.write_char('\\')?;
            }
            f.write_char(character)?;
        }
        Ok(())
    }
}
