//! Writes `.heapprofile`, for Chrome DevTools, VS Code and others.

use std::io::{self, Write};

use super::nesting::Nesting;
use super::rounding::Rounding;
use super::write_error::WriteError;
use crate::model::{Counted, Function, ScriptId, written_line};
use crate::profile::Profile;

impl Profile {
    /// Writes one of the values as a `.heapprofile`: what Chrome DevTools ("Memory", "Load
    /// profile"), VS Code and others open, and what Node's `--heap-prof` writes.
    ///
    /// The format has one number of bytes for each context, and does not say whether it is of what
    /// is in use or of what was allocated: that is for `counted` to choose. The samples are in it
    /// if the profile has them, those of dead objects only for [`Counted::Allocated`]. Values are
    /// rounded such that the sum is right. The format is `SamplingHeapProfile` in V8's
    /// `js_protocol.pdl`; it carries no objects, start positions, times, interval, labels or
    /// [original](crate::Function::original) places: its viewers apply source maps themselves.
    ///
    /// Pass a buffered writer. Memory beyond the profile: the functions' text, and 8 bytes a level.
    ///
    /// ```
    /// # use v8_heap_sampler::{Counted, Node, NodeId, Profile, Sample, SampleId, SamplerOptions};
    /// # let mut nodes = [Node::new(NodeId(1), "(root)"), Node::new(NodeId(2), "main")];
    /// # nodes[0].child_ids.push(NodeId(2));
    /// # let samples = [Sample::new(NodeId(2), 64, SampleId(1), true)];
    /// let profile = Profile::from_samples(&nodes, samples, &SamplerOptions::exact())?;
    /// let mut json = Vec::new();
    /// profile.write_heapprofile(&mut json, Counted::InUse)?;
    /// let json: serde_json::Value = serde_json::from_slice(&json)?;
    /// assert_eq!(json["head"]["children"][0]["selfSize"], 64);
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
        counted: Counted,
    ) -> Result<(), WriteError> {
        let values = self.unsigned_values(counted.space(), ".heapprofile")?;
        // Up to the size, which comes next.
        let frames: Vec<Vec<u8>> =
            self.functions().iter().map(|function| frame(function)).collect::<Result<_, _>>()?;
        let mut number = itoa::Buffer::new();
        let mut values = values.peekable();
        let mut nesting = Nesting::default();
        writer.write_all(br#"{"head":"#)?;
        for (rank, &function) in (0_u32..).zip(self.function_numbers()) {
            nesting.enter(rank, self.ends()[rank as usize], &mut writer)?;
            writer.write_all(&frames[function as usize])?;
            let value = values.next_if(|&(context, _)| context == rank).map_or(0, |(_, v)| v);
            writer.write_all(number.format(value).as_bytes())?;
            writer.write_all(br#","id":"#)?;
            writer.write_all(number.format(self.id(rank as usize).0).as_bytes())?;
            writer.write_all(br#","children":["#)?;
        }
        nesting.leave_all(&mut writer)?;
        if let Some(samples) = self.samples() {
            let mut separator: &[u8] = br#","samples":["#;
            let mut rounding = Rounding::default();
            let is_alloc = counted == Counted::Allocated;
            for sample in samples.iter().filter(|sample| is_alloc || !sample.is_dead) {
                writer.write_all(separator)?;
                writer.write_all(br#"{"size":"#)?;
                writer.write_all(number.format(rounding.next_unsigned(sample.bytes)).as_bytes())?;
                writer.write_all(br#","nodeId":"#)?;
                let node = self.id(sample.context as usize).0;
                writer.write_all(number.format(node).as_bytes())?;
                writer.write_all(br#","ordinal":"#)?;
                writer.write_all(number.format(sample.ordinal).as_bytes())?;
                writer.write_all(b"}")?;
                separator = b",";
            }
            writer.write_all(if separator == b"," { b"]" } else { br#","samples":[]"# })?;
        } else {
            // DevTools asks for it.
            writer.write_all(br#","samples":[]"#)?;
        }
        writer.write_all(b"}")?;
        Ok(writer.flush()?)
    }
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
