//! Folded stacks: one line per context, as flame graph tools read them.

use std::io::Write;

use super::stack_walk::{Extent, Stack, StackWalk};
use super::write_error::WriteError;
use super::write_options::WriteOptions;
use crate::model::{Function, plain_text};
use crate::profile::Profile;

impl Profile {
    /// Writes folded stacks of one of the values: for each context that has some, a line with its
    /// frames from the outermost, separated by `;`, and the value, rounded such that the sum is
    /// right.
    ///
    /// Frames are `name script:line:column`, as [`plain_text`]; a `;` within one is written as `:`,
    /// and the space before a number at its end as `_`. The root is written only where it has
    /// values of its own. Contexts of a script that was compiled twice are two lines with the same
    /// stack. Each line has the whole stack, so that the size grows with the square of the depth,
    /// up to [`WriteOptions::limit`]. Memory beyond the profile: the functions' names, and
    /// one line. Pass a buffered writer. The format is that of Brendan Gregg's FlameGraph.
    ///
    /// ```
    /// # use v8_heap_sampler::{Node, NodeId, Profile, Sample, SampleId, SampleType, SamplerOptions};
    /// # let nodes = [Node::new(NodeId(1), "main")];
    /// # let samples = [Sample::new(NodeId(1), 64, SampleId(1), true)];
    /// let profile = Profile::from_samples(&nodes, samples, &SamplerOptions::exact())?;
    /// let mut folded = Vec::new();
    /// profile.write_folded(&mut folded, SampleType::InuseSpace)?;
    /// assert_eq!(folded, b"main 64\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`WriteError`] if the profile does not have the values, has a difference of them, `writer`
    /// fails, or the limit is met: then nothing is written.
    pub fn write_folded(
        &self,
        mut writer: impl Write,
        options: impl Into<WriteOptions>,
    ) -> Result<(), WriteError> {
        let options = options.into();
        let sample_type = options.values_of(self);
        let frames: Vec<String> = self.functions().iter().map(|function| frame(function)).collect();
        let values = || self.unsigned_values(sample_type, FORMAT);
        // Behind each frame comes a `;` or a space.
        let length = |function: u32| frames[function as usize].len() + 1;
        let stacks = Extent::of(self, values()?.map(|(context, _)| context), length).in_full;
        let rest: u64 = values()?.map(|(_, value)| digits(value) as u64 + 1).sum();
        WriteError::check_limit(FORMAT, stacks.saturating_add(rest), options.limit)?;
        let mut walk = StackWalk::new(self, FoldedStack { frames, text: String::new() });
        for (context, value) in values()? {
            writeln!(writer, "{} {value}", walk.go_to(context).text)?;
        }
        Ok(writer.flush()?)
    }
}

const FORMAT: &str = "folded stacks";

/// How many characters a number has.
pub(super) fn digits(number: u64) -> usize {
    number.checked_ilog10().unwrap_or(0) as usize + 1
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

/// A function as a frame of a folded stack, in which some characters mean something: `;` ends a
/// frame, and a number at the end of a line is its value. What is no character of a text, nor of
/// XML, is a space.
pub(super) fn frame(function: &Function) -> String {
    let function = function.to_string();
    let mut frame = plain_text(&function).replace(';', ":").replace(['\u{fffe}', '\u{ffff}'], " ");
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
