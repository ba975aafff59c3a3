//! Writes speedscope's JSON.

use std::io::{self, Write};
use std::num::NonZeroU32;

use serde::Serialize;

use super::stack_walk::{Extent, Stack, StackWalk};
use super::write_error::WriteError;
use super::write_options::WriteOptions;
use crate::model::{Function, SampleType};
use crate::profile::Profile;

impl Profile {
    /// Writes speedscope's JSON, with one profile for each value that there is, the one that the
    /// options choose in front of the user.
    ///
    /// Frames are functions, by `name script:line:column`, as speedscope's tables show nothing
    /// else, and with file, line and column. Values are rounded such that the totals are right.
    /// Pass a buffered writer. The format: <https://www.speedscope.app/file-format-schema.json>.
    /// Its type is `sampled`, with all of each stack, and `evented` where stacks are so deep that
    /// this is smaller: what is written does not grow with the depth.
    ///
    /// ```
    /// # use v8_heap_sampler::{Node, NodeId, Profile, Sample, SampleId, SamplerOptions};
    /// # let nodes = [Node::new(NodeId(1), "main")];
    /// # let samples = [Sample::new(NodeId(1), 64, SampleId(1), true)];
    /// let profile = Profile::from_samples(&nodes, samples, &SamplerOptions::exact())?;
    /// let mut json = Vec::new();
    /// profile.write_speedscope(&mut json, "request 17")?;
    /// let json: serde_json::Value = serde_json::from_slice(&json)?;
    /// assert_eq!(json["profiles"][1]["name"], "inuse_space");
    /// assert_eq!(json["profiles"][1]["weights"][0], 64);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`WriteError`] if any of the values are a difference, or `writer` fails.
    pub fn write_speedscope(
        &self,
        mut writer: impl Write,
        options: impl Into<WriteOptions>,
    ) -> Result<(), WriteError> {
        let options = options.into();
        let types: Vec<SampleType> = self.sample_types().collect();
        for &sample_type in &types {
            self.require_sums(sample_type, FORMAT)?;
        }
        let shown = options.values_of(self);
        let active = types.iter().position(|&sample_type| sample_type == shown).unwrap_or(0);
        let name = serde_json::to_string(&options.title_or(shown)).map_err(io::Error::from)?;
        write!(
            writer,
            r#"{{"$schema":"https://www.speedscope.app/file-format-schema.json","name":{name},"exporter":"v8-heap-sampler@{}","activeProfileIndex":{active},"shared":{{"frames":["#,
            env!("CARGO_PKG_VERSION")
        )?;
        for (number, function) in self.functions().iter().enumerate() {
            writer.write_all(if number > 0 { b"," } else { b"" })?;
            let frame = Frame::of(function);
            serde_json::to_writer(&mut writer, &frame).map_err(io::Error::from)?;
        }
        writer.write_all(br#"]},"profiles":["#)?;
        for (number, sample_type) in types.into_iter().enumerate() {
            writer.write_all(if number > 0 { b"," } else { b"" })?;
            self.write_values(&mut writer, sample_type)?;
        }
        writer.write_all(b"]}")?;
        Ok(writer.flush()?)
    }

    /// One profile.
    fn write_values(
        &self,
        writer: &mut impl Write,
        sample_type: SampleType,
    ) -> Result<(), WriteError> {
        let values = || self.unsigned_values(sample_type, FORMAT);
        let total: u64 = values()?.map(|(_, value)| value).sum();
        let extent = Extent::of(self, values()?.map(|(context, _)| context), |_| 1);
        let is_sampled = extent.in_full <= extent.contexts.saturating_mul(FRAMES_A_CONTEXT);
        let kind = if is_sampled { "sampled" } else { "evented" };
        // speedscope has no unit for a number of things but none.
        let unit = if sample_type.is_bytes() { "bytes" } else { "none" };
        write!(
            writer,
            r#"{{"type":"{kind}","name":"{sample_type}","unit":"{unit}","startValue":0,"endValue":{total},"#
        )?;
        if is_sampled {
            self.write_samples(writer, values()?, values()?)?;
        } else {
            self.write_events(writer, values()?)?;
        }
        Ok(())
    }

    /// The stacks, and then the values, each in a list.
    fn write_samples(
        &self,
        writer: &mut impl Write,
        stacks: impl Iterator<Item = (u32, u64)>,
        values: impl Iterator<Item = (u32, u64)>,
    ) -> io::Result<()> {
        writer.write_all(br#""samples":["#)?;
        let mut walk = StackWalk::new(self, Vec::new());
        let mut separator = "[";
        for (context, _) in stacks {
            for function in walk.go_to(context) {
                write!(writer, "{separator}{function}")?;
                separator = ",";
            }
            writer.write_all(b"]")?;
            separator = ",[";
        }
        writer.write_all(br#"],"weights":["#)?;
        let mut separator = "";
        for (_, value) in values {
            write!(writer, "{separator}{value}")?;
            separator = ",";
        }
        writer.write_all(b"]}")
    }

    /// Where frames begin and end, if the values are laid side by side.
    fn write_events(
        &self,
        writer: &mut impl Write,
        values: impl Iterator<Item = (u32, u64)>,
    ) -> io::Result<()> {
        writer.write_all(br#""events":["#)?;
        let events = Events { writer, at: 0, open: Vec::new(), separator: "", written: Ok(()) };
        let mut walk = StackWalk::new(self, events);
        for (context, value) in values {
            walk.go_to(context);
            walk.stack().at += value;
            std::mem::replace(&mut walk.stack().written, Ok(()))?;
        }
        let events = walk.stack();
        events.truncate(0);
        std::mem::replace(&mut events.written, Ok(()))?;
        events.writer.write_all(b"]}")
    }
}

const FORMAT: &str = "speedscope";

/// How many frames of stacks take the room of a context in events, which is two of these.
const FRAMES_A_CONTEXT: u64 = 16;

/// The stack that is open, of which each change is written.
struct Events<'w, W> {
    writer: &'w mut W,
    /// The sum of the values up to here.
    at: u64,
    open: Vec<u32>,
    separator: &'static str,
    written: io::Result<()>,
}

impl<W: Write> Events<'_, W> {
    fn write(&mut self, kind: char, function: u32) {
        if self.written.is_ok() {
            let Self { writer, at, separator, .. } = self;
            self.written =
                write!(writer, r#"{separator}{{"type":"{kind}","frame":{function},"at":{at}}}"#);
            self.separator = ",";
        }
    }
}

impl<W: Write> Stack for Events<'_, W> {
    fn len(&self) -> usize {
        self.open.len()
    }

    fn truncate(&mut self, len: usize) {
        while self.open.len() > len
            && let Some(function) = self.open.pop()
        {
            self.write('C', function);
        }
    }

    fn push(&mut self, function: u32) {
        self.open.push(function);
        self.write('O', function);
    }
}

/// A function as speedscope shows it.
#[derive(Serialize)]
struct Frame<'f> {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'f str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<NonZeroU32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    col: Option<NonZeroU32>,
}

impl<'f> Frame<'f> {
    fn of(function: &'f Function) -> Self {
        let (file, line, column) = function.shown_place();
        let file = Some(file.as_str()).filter(|file| !file.is_empty());
        Self { name: function.to_string(), file, line, col: line.and(column) }
    }
}
