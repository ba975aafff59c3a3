//! Folded stacks: one line per context, as flame graph tools read them.

use std::io::Write;

use super::stack_walk::{Extent, Stack, StackWalk};
use super::write_error::{DEFAULT_LIMIT, WriteError};
use crate::model::SampleType;
use crate::model::{Bytes, Function, plain_text};
use crate::profile::Profile;

/// Options of folded stacks: see [`Profile::write_folded`].
///
/// ```
/// use v8_heap_sampler::{Bytes, SampleType, format::FoldedOptions};
/// let options = FoldedOptions::new(SampleType::InuseSpace).size_limit(Bytes(10_000_000));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoldedOptions {
    pub(crate) sample_type: SampleType,
    pub(crate) size_limit: Bytes,
}

impl FoldedOptions {
    /// The defaults, for one of the values.
    #[must_use]
    pub const fn new(sample_type: SampleType) -> Self {
        Self { sample_type, size_limit: DEFAULT_LIMIT }
    }

    /// Sets the most bytes that may be written. Default: 1 GiB.
    #[must_use]
    pub const fn size_limit(mut self, limit: Bytes) -> Self {
        self.size_limit = limit;
        self
    }
}

impl From<&FoldedOptions> for FoldedOptions {
    fn from(options: &FoldedOptions) -> Self {
        options.clone()
    }
}

impl From<SampleType> for FoldedOptions {
    fn from(sample_type: SampleType) -> Self {
        Self::new(sample_type)
    }
}

impl Profile {
    /// Writes folded stacks of one of the values: for each context that has some, a line with its
    /// frames from the outermost, separated by `;`, and the value, rounded such that the sum is
    /// right.
    ///
    /// Frames are `name script:line:column`, as [`plain_text`]; a `;` within one is written as `:`,
    /// and the space before a number at its end as `_`. The root is written only where it has
    /// values of its own. Contexts of a script that was compiled twice are two lines with the same
    /// stack. Each line has the whole stack, so that the size grows with the square of the depth,
    /// up to [`FoldedOptions::size_limit`]. Memory beyond the profile: the functions' names, and
    /// one line. Pass a buffered writer. The format is that of Brendan Gregg's FlameGraph.
    ///
    /// ```
    /// # use v8_heap_sampler::{Profile, Node, NodeId, Profile, Sample, SampleId, SampleType,
    /// #     SamplerOptions};
    /// # let mut nodes = vec![Node::new(NodeId(1), "(root)"), Node::new(NodeId(2), "main")];
    /// # nodes[0].child_ids.push(NodeId(2));
    /// # let samples = vec![Sample::new(NodeId(2), 64, SampleId(1), true)];
    /// # let profile = Profile::new(nodes, samples, SamplerOptions::exact());
    /// let profile = Profile::from_profile(&profile)?;
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
        options: impl Into<FoldedOptions>,
    ) -> Result<(), WriteError> {
        let FoldedOptions { sample_type, size_limit } = options.into();
        let frames: Vec<String> = self.functions().iter().map(|function| frame(function)).collect();
        self.check_folded_size(sample_type, &frames, size_limit)?;
        let mut walk = StackWalk::new(self, FoldedStack { frames, text: String::new() });
        for (context, value) in self.unsigned_values(sample_type, FORMAT)? {
            writeln!(writer, "{} {value}", walk.go_to(context).text)?;
        }
        Ok(writer.flush()?)
    }

    fn check_folded_size(
        &self,
        sample_type: SampleType,
        frames: &[String],
        limit: Bytes,
    ) -> Result<(), WriteError> {
        let values = || self.unsigned_values(sample_type, FORMAT);
        // Behind each frame comes a `;` or a space.
        let length = |function: u32| frames[function as usize].len() + 1;
        let stacks = Extent::of(self, values()?.map(|(context, _)| context), length).in_full;
        let rest: u64 = values()?.map(|(_, value)| digits(value) as u64 + 1).sum();
        let (needed, option) = (stacks.saturating_add(rest), "FoldedOptions::size_limit");
        WriteError::check_limit(FORMAT, needed, limit, option)
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
