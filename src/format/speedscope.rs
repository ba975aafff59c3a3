//! Writes speedscope's JSON.

use std::io::{self, Write};

use super::stack_walk::{Stack, StackWalk};
use super::write_error::WriteError;
use crate::heap_profile::{HeapProfile, SampleType};
use crate::profile::Function;

impl HeapProfile {
    /// Writes speedscope's JSON, with one profile for each value that there is, the one that
    /// [`default_sample_type`](Self::default_sample_type) names in front of the user.
    ///
    /// Frames are functions, by `name script:line:column`, as speedscope's tables show nothing else, and
    /// with file, line and column. Values are rounded such that the totals are right. Pass a buffered writer. The format:
    /// <https://www.speedscope.app/file-format-schema.json>, type `sampled`.
    ///
    /// ```
    /// # use v8_heap_sampler::{HeapProfile, Node, NodeId, Profile, Sample, SampleId, SamplerOptions};
    /// # let mut nodes = vec![Node::new(NodeId(1), "(root)"), Node::new(NodeId(2), "main")];
    /// # nodes[0].child_ids.push(NodeId(2));
    /// # let samples = vec![Sample::new(NodeId(2), 64, SampleId(1), true)];
    /// # let profile = Profile::new(nodes, samples, SamplerOptions::exact());
    /// let profile = HeapProfile::from_profile(&profile)?;
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
    pub fn write_speedscope(&self, mut writer: impl Write, name: &str) -> Result<(), WriteError> {
        let types: Vec<SampleType> = self.sample_types().collect();
        for &sample_type in &types {
            self.require_sums(sample_type, FORMAT)?;
        }
        let shown = self.default_sample_type();
        let active = types.iter().position(|&sample_type| sample_type == shown).unwrap_or(0);
        writer.write_all(
            br#"{"$schema":"https://www.speedscope.app/file-format-schema.json","name":"#,
        )?;
        json(&mut writer, name)?;
        let exporter = concat!("v8-heap-sampler@", env!("CARGO_PKG_VERSION"));
        write!(writer, r#","exporter":"{exporter}","activeProfileIndex":{active},"#)?;
        writer.write_all(br#""shared":{"frames":["#)?;
        for (number, function) in self.functions().iter().enumerate() {
            writer.write_all(if number > 0 { b"," } else { b"" })?;
            frame(&mut writer, function)?;
        }
        writer.write_all(br#"]},"profiles":["#)?;
        for (number, sample_type) in types.into_iter().enumerate() {
            writer.write_all(if number > 0 { b"," } else { b"" })?;
            self.write_values(&mut writer, sample_type)?;
        }
        writer.write_all(b"]}")?;
        Ok(writer.flush()?)
    }

    /// One profile: the stacks, and then the values, each in a list.
    fn write_values(
        &self,
        writer: &mut impl Write,
        sample_type: SampleType,
    ) -> Result<(), WriteError> {
        let values = || self.unsigned_values(sample_type, FORMAT);
        // speedscope has no unit for a number of things but none.
        let unit = if sample_type.is_bytes() { "bytes" } else { "none" };
        let total: u64 = values()?.map(|(_, value)| value).sum();
        write!(
            writer,
            r#"{{"type":"sampled","name":"{sample_type}","unit":"{unit}","startValue":0,"endValue":{total},"samples":["#
        )?;
        let mut walk = StackWalk::new(self, Functions(Vec::new()));
        let mut separator = "[";
        for (context, _) in values()? {
            for function in &walk.go_to(context).0 {
                write!(writer, "{separator}{function}")?;
                separator = ",";
            }
            writer.write_all(b"]")?;
            separator = ",[";
        }
        writer.write_all(br#"],"weights":["#)?;
        let mut separator = "";
        for (_, value) in values()? {
            write!(writer, "{separator}{value}")?;
            separator = ",";
        }
        Ok(writer.write_all(b"]}")?)
    }
}

const FORMAT: &str = "speedscope";

/// Functions by number, the outermost first.
struct Functions(Vec<u32>);

impl Stack for Functions {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
    }

    fn push(&mut self, function: u32) {
        self.0.push(function);
    }
}

fn json(writer: &mut impl Write, text: &str) -> io::Result<()> {
    Ok(serde_json::to_writer(writer, text)?)
}

fn frame(writer: &mut impl Write, function: &Function) -> io::Result<()> {
    writer.write_all(br#"{"name":"#)?;
    json(writer, &function.to_string())?;
    let (file, line_number, column_number) = function.shown_place();
    if !file.is_empty() {
        writer.write_all(br#","file":"#)?;
        json(writer, file)?;
    }
    if let Some(line) = line_number {
        write!(writer, r#","line":{line}"#)?;
        if let Some(column) = column_number {
            write!(writer, r#","col":{column}"#)?;
        }
    }
    writer.write_all(b"}")
}
