//! Flame graphs as SVG, drawn by `inferno`.

use std::cmp::Reverse;
use std::io::{self, Write};

use inferno::flamegraph::color::{BasicPalette, Palette};
use inferno::flamegraph::{Direction, Options, TextTruncateDirection};

use super::folded::{digits, frame};
use super::write_error::WriteError;
use super::write_options::WriteOptions;
use crate::model::{AnalysisError, Bytes, Name, SampleType};
use crate::profile::{FunctionParts, Profile, StackBuilder};
use crate::tree::NONE;

const FORMAT: &str = "flame graph";

impl Profile {
    /// Draws a flame graph of one of the values as an SVG, which browsers show, search and zoom.
    ///
    /// Each box is a calling context, as wide as its value; of a
    /// [difference](Profile::is_difference), as wide as all that has changed in it, red where
    /// it has grown and blue where it has shrunk itself. What is too narrow to be seen is part of
    /// its caller. Memory beyond the profile: the tree of frames, and the folded stacks of what is
    /// drawn. Each of these has all of its frames, so that they grow with the square of the depth,
    /// up to [`WriteOptions::limit`].
    ///
    /// ```
    /// # use v8_heap_sampler::{Node, NodeId, Profile, Sample, SampleId, SampleType, SamplerOptions};
    /// # let mut nodes = [Node::new(NodeId(1), "(root)"), Node::new(NodeId(2), "main")];
    /// # nodes[0].child_ids.push(NodeId(2));
    /// # let samples = [Sample::new(NodeId(2), 64, SampleId(1), true)];
    /// let profile = Profile::from_samples(&nodes, samples, &SamplerOptions::exact())?;
    /// let mut svg = Vec::new();
    /// profile.write_flamegraph(&mut svg, SampleType::InuseSpace)?;
    /// assert!(String::from_utf8(svg)?.contains("<title>main (64 bytes, 100.00%)</title>"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`WriteError`] if the profile does not have the values, `writer` fails, or the limit is met:
    /// then nothing is written. A profile without any bytes is a picture that says so.
    pub fn write_flamegraph(
        &self,
        writer: impl Write,
        options: impl Into<WriteOptions>,
    ) -> Result<(), WriteError> {
        let options = &options.into();
        let sample_type = options.values_of(self);
        let mut flames = Flames::new(options.limit, false);
        flames.add(self, sample_type, NOW)?;
        let title = sample_type.to_string();
        flames.draw(options, sample_type, title, self.is_difference(sample_type), writer)
    }

    /// Draws the flame graph of what has changed since `before`: as wide as it is now, red where it
    /// has grown, blue where it has shrunk.
    ///
    /// Contexts are matched by their frames, as they are written. What is gone has no width: swap
    /// the two to see it. If either profile is a [difference](Profile::is_difference), what one
    /// has more or less than the other is drawn as one. Memory as
    /// [`write_flamegraph`](Self::write_flamegraph), for both.
    ///
    /// # Errors
    ///
    /// [`WriteError`] if either profile does not have the values, `writer` fails, or the limit is
    /// met: then nothing is written.
    pub fn write_flamegraph_diff(
        &self,
        writer: impl Write,
        before: &Self,
        options: impl Into<WriteOptions>,
    ) -> Result<(), WriteError> {
        let options = &options.into();
        let sample_type = options.values_of(self);
        let mut flames = Flames::new(options.limit, true);
        flames.add(before, sample_type, BEFORE)?;
        flames.add(self, sample_type, NOW)?;
        let is_change = [before, self].iter().any(|profile| profile.is_difference(sample_type));
        let title = format!("{sample_type}, against before");
        flames.draw(options, sample_type, title, is_change, writer)
    }
}

/// What the options say to `inferno`.
fn for_inferno(options: &WriteOptions, sample_type: SampleType, title: String) -> Options<'static> {
    let mut inferno = Options::default();
    inferno.title = options.title_or(title);
    inferno.count_name = if sample_type.is_bytes() { "bytes" } else { "objects" }.to_owned();
    inferno.colors = Palette::Basic(BasicPalette::Mem);
    if options.icicle {
        inferno.direction = Direction::Inverted;
    }
    // Names come first, and places can be long.
    inferno.text_truncate_direction = TextTruncateDirection::Right;
    // It takes lines as they come, the last one first, and sorts them otherwise.
    inferno.flame_chart = true;
    // The same colour for the same function, in every picture.
    inferno.hash = true;
    inferno
}

/// Where in a context's values which one stands.
const BEFORE: usize = 0;
const NOW: usize = 1;

/// What is drawn: the tree of the frames, contexts with the same frames being one.
///
/// `inferno` takes folded stacks and makes the tree again. It has all of them in memory, so it gets
/// those only that can be seen.
struct Flames {
    tree: StackBuilder,
    /// Each context's own values, by its number.
    values: Vec<[i64; 2]>,
    limit: Bytes,
    is_diff: bool,
}

/// What each stack takes beside its text: its place in a list that grows.
const LINE: usize = 3 * size_of::<&str>();

/// What each box takes: its place in a list that grows, in a table of those that are open, and in
/// the columns here.
const BOX: usize = 400;

impl Flames {
    fn new(limit: Bytes, is_diff: bool) -> Self {
        let root = FunctionParts::default();
        Self { tree: StackBuilder::new(root), values: Vec::new(), limit, is_diff }
    }

    /// Adds a profile's values.
    fn add(
        &mut self,
        profile: &Profile,
        sample_type: SampleType,
        place: usize,
    ) -> Result<(), WriteError> {
        profile.require(sample_type)?;
        let Self { tree, values, limit, .. } = self;
        let (functions, parents) = (profile.function_numbers(), profile.parents());
        let beside = profile.len() * size_of::<u32>();
        check(*limit, held(tree, values) + beside)?;
        let frames = profile.functions().iter().map(|function| {
            let name = &frame(function);
            tree.functions.number(FunctionParts { name, ..FunctionParts::default() })
        });
        let frames: Vec<u32> = frames.collect();
        // The number in the tree of each context on the way to one that has values.
        let mut numbers = vec![NONE; profile.len()];
        let mut path = Vec::new();
        for (context, value) in profile.whole_values(sample_type) {
            let mut rank = context as usize;
            // The root is a frame of no other stack than its own.
            while numbers[rank] == NONE {
                path.push(rank);
                if matches!(parents[rank], 0 | NONE) {
                    break;
                }
                rank = parents[rank] as usize;
            }
            for rank in path.drain(..).rev() {
                let caller = match parents[rank] {
                    0 | NONE => StackBuilder::ROOT,
                    parent => numbers[parent as usize],
                };
                let callee = tree.callee(caller, frames[functions[rank] as usize]);
                numbers[rank] = callee.map_err(|failure| WriteError::Format {
                    format: FORMAT,
                    problem: AnalysisError::from(failure).to_string(),
                })?;
            }
            let at = numbers[context as usize] as usize;
            if values.len() <= at {
                values.resize(at + 1, [0; 2]);
            }
            values[at][place] += value;
            check(*limit, held(tree, values) + beside)?;
        }
        Ok(())
    }

    /// Draws the values; if they are differences, how much more or less the second ones are, as
    /// wide as that is.
    fn draw(
        mut self,
        options: &WriteOptions,
        sample_type: SampleType,
        mut title: String,
        is_difference: bool,
        writer: impl Write,
    ) -> Result<(), WriteError> {
        if is_difference {
            title = format!("{sample_type}, what has changed");
            self.is_diff = true;
            for values in &mut self.values {
                let change = values[NOW] - values[BEFORE];
                // Widths are of the second number, and colours of what it is more than the first.
                *values = [change.abs() - change, change.abs()];
            }
        }
        let mut options = for_inferno(options, sample_type, title);
        let contexts = self.visible(options.min_width);
        let text = self.folded(contexts)?;
        let mut writer = Noting { writer, failure: None };
        // It turns the order round.
        let drawn = inferno::flamegraph::from_lines(&mut options, text.lines().rev(), &mut writer);
        match (drawn, writer.failure) {
            (Ok(()), _) => Ok(()),
            // It draws a picture that says so, and says so.
            (Err(_), None) if text.lines().all(|line| line.ends_with(" 0")) => Ok(()),
            (Err(_), Some(failure)) => Err(failure.into()),
            (Err(error), None) => {
                Err(WriteError::Format { format: FORMAT, problem: error.to_string() })
            }
        }
    }

    /// The contexts that are drawn if the least width is so many per cent. What the others have
    /// becomes their callers' own, as what has not changed.
    fn visible(&mut self, least: f64) -> Vec<u32> {
        let Self { tree, values, .. } = self;
        let parent = |context: usize| tree.context(context as u32).1 as usize;
        let root = StackBuilder::ROOT as usize;
        if values.is_empty() {
            return Vec::new();
        }
        // Callers are numbered before their callees.
        let mut totals: Vec<i64> = values.iter().map(|of| of[NOW]).collect();
        for context in (root + 1..totals.len()).rev() {
            totals[parent(context)] += totals[context];
        }
        // A little less, as it is rounded there.
        let least = 0.99 * least / 100.0 * totals[root] as f64;
        // What is called from the root has no caller to be part of.
        let mut is_visible: Vec<bool> = (0..totals.len())
            .map(|context| {
                totals[context] as f64 >= least || context == root || parent(context) == root
            })
            .collect();
        // Colours are relative to the largest change.
        if self.is_diff {
            let change = |&context: &usize| values[context][NOW].abs_diff(values[context][BEFORE]);
            let mut at = (0..values.len()).max_by_key(change).unwrap_or(root);
            while !is_visible[at] {
                is_visible[at] = true;
                at = parent(at);
            }
        }
        for context in root + 1..totals.len() {
            let caller = parent(context);
            if !is_visible[context] && is_visible[caller] {
                values[caller][BEFORE] += totals[context];
                values[caller][NOW] += totals[context];
            }
        }
        (0..totals.len() as u32).filter(|&context| is_visible[context as usize]).collect()
    }

    /// Folded stacks with their values, in an order in which each context stands right before what
    /// is below it. (Lines that are sorted by their bytes have `f1 7` between `f 64` and `f;g 5`,
    /// and `f` is drawn as two.)
    fn folded(&self, mut contexts: Vec<u32>) -> Result<String, WriteError> {
        let Self { tree, values, limit, is_diff } = self;
        let of = |context: u32| {
            let [before, now] = values[context as usize];
            (context != StackBuilder::ROOT && (before, now) != (0, 0)).then_some([before, now])
        };
        let name =
            |context: u32| -> Name { tree.functions.get(tree.context(context).0).name.clone() };
        let mut needed = held(tree, values) + contexts.len() * BOX;
        let (mut lens, mut room) = (vec![0; values.len()], 0_usize);
        for &context in &contexts {
            if context != StackBuilder::ROOT {
                let caller = tree.context(context).1;
                lens[context as usize] = lens[caller as usize] + name(context).len() + 1;
            }
            if let Some([before, now]) = of(context) {
                let before = if *is_diff { digits(before.unsigned_abs()) + 1 } else { 0 };
                let line = lens[context as usize] + before + digits(now.unsigned_abs()) + 1;
                room = room.saturating_add(line);
                needed = needed.saturating_add(LINE);
            }
        }
        drop(lens);
        check(*limit, needed.saturating_add(room))?;

        // By caller, and each one's from the last to the first.
        contexts.retain(|&context| context != StackBuilder::ROOT);
        contexts.sort_by_cached_key(|&context| (tree.context(context).1, Reverse(name(context))));
        let callees = |caller: u32| {
            let from = contexts.partition_point(|&context| tree.context(context).1 < caller);
            contexts[from..].iter().copied().take_while(move |&at| tree.context(at).1 == caller)
        };
        let (mut text, mut stack) = (String::with_capacity(room), String::new());
        let mut open: Vec<(u32, usize)> = callees(StackBuilder::ROOT).map(|at| (at, 0)).collect();
        while let Some((context, len)) = open.pop() {
            stack.truncate(len);
            if len > 0 {
                stack.push(';');
            }
            stack.push_str(&name(context));
            if let Some([before, now]) = of(context) {
                text.push_str(&stack);
                let values = if *is_diff { format!(" {before} {now}") } else { format!(" {now}") };
                text.push_str(&values);
                text.push('\n');
            }
            open.extend(callees(context).map(|callee| (callee, stack.len())));
        }
        Ok(text)
    }
}

/// The bytes of the tree, its columns included.
fn held(tree: &StackBuilder, values: &Vec<[i64; 2]>) -> usize {
    tree.bytes() + values.capacity() * size_of::<[i64; 2]>()
}

/// Whether so much memory may be taken.
fn check(limit: Bytes, needed: usize) -> Result<(), WriteError> {
    WriteError::check_limit(FORMAT, needed as u64, limit)
}

/// Notes how the writer failed: what comes back through the drawing has lost it.
struct Noting<W> {
    writer: W,
    failure: Option<io::Error>,
}

impl<W: Write> Write for Noting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes).map_err(|error| self.note(error))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush().map_err(|error| self.note(error))
    }
}

impl<W> Noting<W> {
    fn note(&mut self, error: io::Error) -> io::Error {
        let kind = error.kind();
        // One that is tried again is none.
        if kind != io::ErrorKind::Interrupted {
            self.failure = Some(error);
        }
        kind.into()
    }
}
