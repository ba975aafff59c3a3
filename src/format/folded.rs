//! Folded stacks: one line per context, as flame graph tools read them.

use std::io::Write;

use super::stack_walk::{Stack, StackWalk};
use super::write_error::WriteError;
use crate::heap_profile::{HeapProfile, SampleType};

impl HeapProfile {
    /// Writes folded stacks of one of the values: for each context that has some, a line with its
    /// frames from the outermost, separated by `;`, and the value, rounded such that the sum is right.
    ///
    /// Frames are `name script:line:column`; a `;` within one is written as `:`, a control character as
    /// a space, and the space before a number at its end as `_`. The root is written only where it has
    /// values of its own. Contexts of a script that was compiled twice are two lines with the same
    /// stack. Pass a buffered writer.
    /// The format is that of Brendan Gregg's FlameGraph.
    ///
    /// ```
    /// # use v8_heap_sampler::{HeapProfile, Node, NodeId, Profile, Sample, SampleId, SampleType,
    /// #     SamplerOptions};
    /// # let mut nodes = vec![Node::new(NodeId(1), "(root)"), Node::new(NodeId(2), "main")];
    /// # nodes[0].child_ids.push(NodeId(2));
    /// # let samples = vec![Sample::new(NodeId(2), 64, SampleId(1), true)];
    /// # let profile = Profile::new(nodes, samples, SamplerOptions::exact());
    /// let profile = HeapProfile::from_profile(&profile)?;
    /// let mut folded = Vec::new();
    /// profile.write_folded(&mut folded, SampleType::InuseSpace)?;
    /// assert_eq!(folded, b"main 64\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`WriteError`] if the profile does not have the values, has a difference of them, or `writer`
    /// fails.
    pub fn write_folded(
        &self,
        mut writer: impl Write,
        sample_type: SampleType,
    ) -> Result<(), WriteError> {
        self.require_sums(sample_type, "folded stacks")?;
        self.for_each_folded(sample_type, |stack, value| Ok(writeln!(writer, "{stack} {value}")?))?;
        Ok(writer.flush()?)
    }

    /// Hands out folded stacks and their values.
    pub(super) fn for_each_folded(
        &self,
        sample_type: SampleType,
        mut each: impl FnMut(&str, i64) -> Result<(), WriteError>,
    ) -> Result<(), WriteError> {
        self.require(sample_type)?;
        let frames = self.functions().iter().map(|function| frame(function)).collect();
        let mut walk = StackWalk::new(self, FoldedStack { frames, text: String::new() });
        for (context, value) in self.whole_values(sample_type) {
            each(&walk.go_to(context).text, value)?;
        }
        Ok(())
    }
}

struct FoldedStack {
    /// By the functions' numbers.
    frames: Vec<String>,
    text: String,
}

impl Stack for FoldedStack {
    fn len(&self) -> usize {
        self.text.len()
    }

    fn truncate(&mut self, len: usize) {
        self.text.truncate(len);
    }

    fn push(&mut self, function: u32) {
        if !self.text.is_empty() {
            self.text.push(';');
        }
        self.text.push_str(&self.frames[function as usize]);
    }
}

/// A function as a frame of a folded stack, in which some characters mean something: `;` ends a frame,
/// and a number at the end of a line is its value. What is no character of a text, nor of XML, is a
/// space.
fn frame(function: &crate::Function) -> String {
    let mut frame: String = function
        .to_string()
        .chars()
        .map(|character| match character {
            ';' => ':',
            '\u{fffe}' | '\u{ffff}' => ' ',
            character if character.is_control() => ' ',
            character => character,
        })
        .collect();
    // Readers trim lines.
    frame = match frame.trim() {
        "" => "(anonymous)".to_owned(),
        trimmed => trimmed.to_owned(),
    };
    // A line that begins so is a comment to some readers.
    if frame.starts_with("# ") {
        frame.replace_range(1..2, "_");
    }
    if let Some(space) = frame.rfind(' ')
        && frame[space + 1..].chars().all(|c| c.is_ascii_digit() || c == '.')
    {
        frame.replace_range(space..=space, "_");
    }
    frame
}
