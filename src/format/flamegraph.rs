//! Flame graphs as SVG, drawn by `inferno`.

use std::collections::BTreeMap;
use std::io::{self, Write};

use inferno::flamegraph::color::{BasicPalette, Palette};
use inferno::flamegraph::{Direction, Options, TextTruncateDirection};

use super::write_error::WriteError;
use crate::heap_profile::{HeapProfile, SampleType};

/// How to draw a flame graph.
///
/// ```
/// use v8_heap_sampler::{SampleType, format::FlamegraphOptions};
/// let options = FlamegraphOptions::new(SampleType::AllocSpace)
///     .title("What the first request allocates")
///     .icicle(true);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FlamegraphOptions {
    /// Which values to draw.
    pub sample_type: SampleType,
    /// The text above. Default: the name of the values.
    pub title: Option<String>,
    /// Whether the outermost frames are at the top, which is kinder to deep recursion. Default: no, as
    /// flames burn.
    pub icicle: bool,
}

impl FlamegraphOptions {
    /// The defaults, for one of the values.
    #[must_use]
    pub const fn new(sample_type: SampleType) -> Self {
        Self { sample_type, title: None, icicle: false }
    }

    /// Sets [`title`](#structfield.title).
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// Sets [`icicle`](#structfield.icicle).
    #[must_use]
    pub const fn icicle(mut self, icicle: bool) -> Self {
        self.icicle = icicle;
        self
    }

    fn for_inferno(&self, default_title: String) -> Options<'static> {
        let mut options = Options::default();
        options.title = self.title.clone().unwrap_or(default_title);
        options.count_name = match self.sample_type.unit() {
            "bytes" => "bytes".to_owned(),
            _ => "objects".to_owned(),
        };
        options.colors = Palette::Basic(BasicPalette::Mem);
        if self.icicle {
            options.direction = Direction::Inverted;
        }
        // Names come first, and places can be long.
        options.text_truncate_direction = TextTruncateDirection::Right;
        // It takes lines as they come, the last one first, and sorts them otherwise.
        options.flame_chart = true;
        // The same colour for the same function, in every picture.
        options.hash = true;
        options
    }
}

impl HeapProfile {
    /// Draws a flame graph of one of the values as an SVG, which browsers show, search and zoom.
    ///
    /// Each box is a calling context, as wide as its value; of a
    /// [difference](HeapProfile::is_difference), as wide as all that has changed in it, red where it has grown and blue
    /// where it has shrunk itself. Memory beyond the profile: the folded stacks,
    /// each with all of its frames, and what `inferno` makes of them.
    ///
    /// ```
    /// # use v8_heap_sampler::{HeapProfile, Node, NodeId, Profile, Sample, SampleId, SampleType,
    /// #     SamplerOptions};
    /// # let mut nodes = vec![Node::new(NodeId(1), "(root)"), Node::new(NodeId(2), "main")];
    /// # nodes[0].child_ids.push(NodeId(2));
    /// # let samples = vec![Sample::new(NodeId(2), 64, SampleId(1), true)];
    /// # let profile = Profile::new(nodes, samples, SamplerOptions::exact());
    /// use v8_heap_sampler::format::FlamegraphOptions;
    ///
    /// let profile = HeapProfile::from_profile(&profile)?;
    /// let mut svg = Vec::new();
    /// profile.write_flamegraph(&mut svg, &FlamegraphOptions::new(SampleType::InuseSpace))?;
    /// assert!(String::from_utf8(svg)?.contains("<title>main (64 bytes, 100.00%)</title>"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`WriteError`] if the profile does not have the values, or `writer` fails. A profile without
    /// any bytes is a picture that says so.
    pub fn write_flamegraph(
        &self,
        writer: impl Write,
        options: &FlamegraphOptions,
    ) -> Result<(), WriteError> {
        let mut stacks = Stacks::default();
        stacks.add(self, options.sample_type, 1)?;
        if self.is_difference(options.sample_type) {
            return stacks.draw_changes(options, writer);
        }
        let lines = stacks.lines(|[_, now]| now.to_string());
        draw(&lines, &mut options.for_inferno(options.sample_type.to_string()), writer)
    }

    /// Draws the flame graph of what has changed since `before`: as wide as it is now, red where it has
    /// grown, blue where it has shrunk.
    ///
    /// Contexts are matched by their frames, as they are written. What is gone has no width: swap the
    /// two to see it. If either profile is a [difference](HeapProfile::is_difference), what one has more or
    /// less than the other is drawn as one. Memory as [`write_flamegraph`](Self::write_flamegraph), for both.
    ///
    /// # Errors
    ///
    /// [`WriteError`] if either profile does not have the values, or `writer` fails.
    pub fn write_flamegraph_diff(
        &self,
        writer: impl Write,
        before: &Self,
        options: &FlamegraphOptions,
    ) -> Result<(), WriteError> {
        let mut stacks = Stacks::default();
        stacks.add(before, options.sample_type, 0)?;
        stacks.add(self, options.sample_type, 1)?;
        if [before, self].iter().any(|profile| profile.is_difference(options.sample_type)) {
            return stacks.draw_changes(options, writer);
        }
        let lines = stacks.lines(|[before, now]| format!("{before} {now}"));
        let title = format!("{}, against before", options.sample_type);
        draw(&lines, &mut options.for_inferno(title), writer)
    }
}

/// Folded stacks with their values, in an order in which each context stands right before what is below
/// it. (Lines that are sorted by their bytes have `f1 7` between `f 64` and `f;g 5`, and `f` is drawn
/// as two.)
#[derive(Default)]
struct Stacks(BTreeMap<String, [i64; 2]>);

impl Stacks {
    /// Adds a profile's values, as the first or the second ones.
    fn add(
        &mut self,
        profile: &HeapProfile,
        sample_type: SampleType,
        place: usize,
    ) -> Result<(), WriteError> {
        profile.for_each_folded(sample_type, |stack, whole| {
            // No frame holds a NUL, and nothing sorts before it.
            let key = stack.replace(';', "\0");
            let value = &mut self.0.entry(key).or_default()[place];
            // At most 2^53 in all.
            *value += whole;
            Ok(())
        })
    }

    fn lines(self, values: impl Fn([i64; 2]) -> String) -> Vec<String> {
        let line = |(key, of): (String, _)| format!("{} {}", key.replace('\0', ";"), values(of));
        self.0.into_iter().rev().map(line).collect()
    }

    /// Draws how much more or less the second ones are, as wide as that is.
    fn draw_changes(
        self,
        options: &FlamegraphOptions,
        writer: impl Write,
    ) -> Result<(), WriteError> {
        let lines = self.lines(|[before, now]| {
            let change = now - before;
            // Widths are of the second number, and colours of what it is more than the first.
            format!("{} {}", change.abs() - change, change.abs())
        });
        let title = format!("{}, what has changed", options.sample_type);
        draw(&lines, &mut options.for_inferno(title), writer)
    }
}

fn draw(lines: &[String], options: &mut Options<'_>, writer: impl Write) -> Result<(), WriteError> {
    let mut writer = Noting { writer, failure: None };
    let drawn =
        inferno::flamegraph::from_lines(options, lines.iter().map(String::as_str), &mut writer);
    match (drawn, writer.failure) {
        (Ok(()), _) => Ok(()),
        // It draws a picture that says so, and says so.
        (Err(_), None) if lines.iter().all(|line| line.ends_with(" 0")) => Ok(()),
        (Err(_), Some(failure)) => Err(failure.into()),
        (Err(error), None) => {
            Err(WriteError::Format { format: "flame graph", problem: error.to_string() })
        }
    }
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
