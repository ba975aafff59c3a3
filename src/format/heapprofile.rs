//! Writes `.heapprofile`, for Chrome DevTools, VS Code and others.

use std::io::{self, Write};

use super::nesting::Nesting;
use super::rounding::Rounding;
use super::write_error::WriteError;
use super::write_options::WriteOptions;
use crate::model::{Counted, Function, ScriptId, written_line};
use crate::profile::Profile;

impl Profile {
    /// Writes one of the values as a `.heapprofile`: what Chrome DevTools ("Memory", "Load
    /// profile"), VS Code and others open, and what Node's `--heap-prof` writes.
    ///
    /// The format has one number of bytes for each context, and does not say whether it is of what
    /// is in use or of what was allocated: the options do, or a [`Counted`] in their place. The
    /// samples are in it if the profile has them, those of dead objects only for
    /// [`Counted::Allocated`]. Values are rounded such that the sum is right. The format is
    /// `SamplingHeapProfile` in V8's `js_protocol.pdl`; it carries no objects, start positions,
    /// times, interval, labels or [original](crate::Function::original) places: its viewers apply
    /// source maps themselves.
    ///
    /// Pass a buffered writer. Memory beyond the profile: the functions' text, and 8 bytes a level.
    ///
    /// ```
    /// # use v8_heap_sampler::{Counted, Node, NodeId, Profile, Sample, SampleId, SamplerOptions};
    /// # let nodes = [Node::new(NodeId(1), "main")];
    /// # let samples = [Sample::new(NodeId(1), 64, SampleId(1), true)];
    /// let profile = Profile::from_samples(&nodes, samples, &SamplerOptions::exact())?;
    /// let mut json = Vec::new();
    /// profile.write_heapprofile(&mut json, Counted::InUse)?;
    /// let json: serde_json::Value = serde_json::from_slice(&json)?;
    /// assert_eq!(json["head"]["selfSize"], 64);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`WriteError`] if the profile does not have the values, has a difference of them, or
    /// `writer` fails.
    pub fn write_heapprofile(
        &self,
        mut writer: impl Write,
        options: impl Into<WriteOptions>,
    ) -> Result<(), WriteError> {
        let counted = options.into().values_of(self).counted();
        let values = self.unsigned_values(counted.space(), ".heapprofile")?;
        // Up to the size, which comes next.
        let frames: Vec<Vec<u8>> =
            self.functions().iter().map(|function| frame(function)).collect::<Result<_, _>>()?;
        let mut values = values.peekable();
        let mut nesting = Nesting::default();
        writer.write_all(br#"{"head":"#)?;
        for (rank, &function) in (0_u32..).zip(self.function_numbers()) {
            nesting.enter(rank, self.ends()[rank as usize], &mut writer)?;
            let value = values.next_if(|&(context, _)| context == rank).map_or(0, |(_, v)| v);
            write_number(&mut writer, &frames[function as usize], value)?;
            write_number(&mut writer, br#","id":"#, self.id(rank as usize).0)?;
            writer.write_all(br#","children":["#)?;
        }
        nesting.leave_all(&mut writer)?;
        // DevTools asks for the list, even if it is empty.
        writer.write_all(br#","samples":["#)?;
        let mut start: &[u8] = br#"{"size":"#;
        let mut rounding = Rounding::default();
        let is_alloc = counted == Counted::Allocated;
        let samples = self.samples().unwrap_or_default().iter();
        for sample in samples.filter(|sample| is_alloc || !sample.is_dead) {
            write_number(&mut writer, start, rounding.next_unsigned(sample.bytes))?;
            write_number(&mut writer, br#","nodeId":"#, self.id(sample.context as usize).0)?;
            write_number(&mut writer, br#","ordinal":"#, sample.ordinal)?;
            writer.write_all(b"}")?;
            start = br#",{"size":"#;
        }
        writer.write_all(b"]}")?;
        Ok(writer.flush()?)
    }
}

/// A number, and what stands before it.
fn write_number(
    writer: &mut impl Write,
    before: &[u8],
    number: impl itoa::Integer,
) -> io::Result<()> {
    writer.write_all(before)?;
    writer.write_all(itoa::Buffer::new().format(number).as_bytes())
}

/// A node's text up to its size. Lines and columns are from 0 there, and -1 where they are unknown.
fn frame(function: &Function) -> io::Result<Vec<u8>> {
    let mut text = br#"{"callFrame":{"functionName":"#.to_vec();
    serde_json::to_writer(&mut text, function.name.as_str())?;
    write!(text, r#","scriptId":"{}","url":"#, function.script_id.map_or(0, ScriptId::get))?;
    serde_json::to_writer(&mut text, function.script_name.as_str())?;
    let [line, column] = [function.line_number, function.column_number]
        .map(|place| i64::from(written_line(place)) - 1);
    write!(text, r#","lineNumber":{line},"columnNumber":{column}}},"selfSize":"#)?;
    Ok(text)
}
