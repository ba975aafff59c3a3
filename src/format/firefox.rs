//! Writes the Firefox Profiler's processed format, by its own crate.

use std::io::Write;
use std::time::UNIX_EPOCH;

use fxprof_processed_profile::{
    CategoryColor, Frame, FrameFlags, FrameInfo, Profile as Document, ReferenceTimestamp,
    SamplingInterval, StackHandle, Timestamp,
};

use super::rounding::Rounding;
use super::write_error::{DEFAULT_LIMIT, WriteError};
use crate::model::Bytes;
use crate::model::SampleType;
use crate::profile::Profile;

/// Options of the Firefox Profiler's format: see [`Profile::write_firefox`].
///
/// ```
/// use v8_heap_sampler::{Bytes, format::FirefoxOptions};
/// let options = FirefoxOptions::new("my server").memory_limit(Bytes(100_000_000));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirefoxOptions {
    pub(crate) product: String,
    pub(crate) memory_limit: Bytes,
}

impl FirefoxOptions {
    /// The defaults, with the name of what was profiled.
    #[must_use]
    pub fn new(product: impl Into<String>) -> Self {
        Self { product: product.into(), memory_limit: DEFAULT_LIMIT }
    }

    /// Sets the most memory that writing may take. Default: 1 GiB.
    #[must_use]
    pub const fn memory_limit(mut self, limit: Bytes) -> Self {
        self.memory_limit = limit;
        self
    }
}

impl From<&FirefoxOptions> for FirefoxOptions {
    fn from(options: &FirefoxOptions) -> Self {
        options.clone()
    }
}

impl From<&str> for FirefoxOptions {
    fn from(product: &str) -> Self {
        Self::new(product)
    }
}

/// What the format's crate takes for each context: a row of its table of stacks, an entry in the
/// map beside it, and both once more while they grow.
const CONTEXT: usize = 200;

/// What it takes for each allocation that is told, while its table grows.
const ALLOCATION: usize = 100;

/// What it takes for each function, beside its text.
const FUNCTION: usize = 500;

const FORMAT: &str = "Firefox Profiler";

impl Profile {
    /// Writes the bytes in the Firefox Profiler's processed format, as its native allocations.
    ///
    /// If the profile has both, "Allocated memory" is `alloc_space` and "Retained memory" is
    /// `inuse_space`: what is no longer in use is freed again, by the context that allocated it. If
    /// it has one of them, that is what is allocated. The format has no room for numbers of
    /// objects: they are not in it. Frames are `name script:line:column`.
    ///
    /// Memory beyond the profile: the whole document, which the format's crate holds, several times
    /// as much as the profile; up to [`FirefoxOptions::memory_limit`]. Pass a buffered writer.
    ///
    /// ```
    /// # use v8_heap_sampler::{Profile, Node, NodeId, Profile, Sample, SampleId, SamplerOptions};
    /// # let mut nodes = vec![Node::new(NodeId(1), "(root)"), Node::new(NodeId(2), "main")];
    /// # nodes[0].child_ids.push(NodeId(2));
    /// # let samples = vec![Sample::new(NodeId(2), 64, SampleId(1), true)];
    /// # let profile = Profile::new(nodes, samples, SamplerOptions::exact());
    /// let profile = Profile::from_profile(&profile)?;
    /// let mut json = Vec::new();
    /// profile.write_firefox(&mut json, "my server")?;
    /// let json: serde_json::Value = serde_json::from_slice(&json)?;
    /// assert_eq!(json["threads"][0]["nativeAllocations"]["weight"][0], 64);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`WriteError`] if the profile has no bytes or a difference of them, `writer` fails, or the
    /// limit is met: then nothing is written.
    pub fn write_firefox(
        &self,
        mut writer: impl Write,
        options: impl Into<FirefoxOptions>,
    ) -> Result<(), WriteError> {
        let FirefoxOptions { product, memory_limit } = options.into();
        let (alloc, inuse) = (SampleType::AllocSpace, SampleType::InuseSpace);
        let allocated = if self.has(alloc) { alloc } else { inuse };
        let frees = self.has(alloc) && self.has(inuse);
        for sample_type in [allocated, if frees { inuse } else { allocated }] {
            self.require_sums(sample_type, FORMAT)?;
        }
        self.check_firefox_memory(frees, memory_limit)?;

        let start = self.metadata.started.unwrap_or(UNIX_EPOCH);
        let reference = ReferenceTimestamp::from_system_time(start);
        // There is no time between samples; the format wants one.
        let mut profile = Document::new(&product, reference, SamplingInterval::from_millis(1));
        // Or it asks a symbol server about names.
        profile.set_symbolicated(true);
        let at = Timestamp::from_nanos_since_reference(0);
        let process = profile.add_process(&product, 1, at);
        let thread = profile.add_thread(process, 1, at, true);
        let javascript = profile.add_category("JavaScript", CategoryColor::Yellow).into();
        let frames: Vec<_> = self
            .functions()
            .iter()
            .map(|function| {
                let label = profile.intern_string(&function.to_string());
                let frame = Frame::Label(label);
                let flags = FrameFlags::IS_JS;
                let frame = FrameInfo { frame, category_pair: javascript, flags };
                profile.intern_frame(thread, frame)
            })
            .collect();
        let mut stacks: Vec<Option<StackHandle>> = Vec::with_capacity(self.len());
        for (rank, &function) in self.function_numbers().iter().enumerate() {
            let stack = match rank {
                0 => None,
                _ => {
                    let parent = stacks[self.parents()[rank] as usize];
                    Some(profile.intern_stack(thread, parent, frames[function as usize]))
                }
            };
            stacks.push(stack);
        }

        let (mut allocated_rounding, mut kept_rounding) =
            (Rounding::default(), Rounding::default());
        let mut address = 0;
        let mut add = |stack, bytes: i64, is_freed: bool| {
            if bytes > 0 {
                address += 16;
                profile.add_allocation_sample(thread, at, stack, address, bytes);
                if is_freed {
                    profile.add_allocation_sample(thread, at, stack, address, -bytes);
                }
            }
        };
        // What is freed is what is left over.
        let (mut owed, mut last_freeing) = (0_i64, None);
        for rows in self.row_data().chunk_by(|one, other| one.context == other.context) {
            let sum = |sample_type| rows.iter().map(|row| row.value(sample_type)).sum::<f64>();
            let (stack, bytes) = (stacks[rows[0].context as usize], sum(allocated));
            // At most 2^53 in all.
            let whole = allocated_rounding.next(bytes);
            let kept = if frees {
                let in_use = sum(inuse);
                if in_use < bytes {
                    last_freeing = Some(stack);
                }
                kept_rounding.next(in_use)
            } else {
                whole
            };
            owed += whole - kept;
            // Two roundings are off by less than a byte together: one is held back, as it may have
            // to be taken back.
            let freed = (owed - 1).max(0);
            owed -= freed;
            // What stays, and what goes: an address each.
            add(stack, kept, false);
            add(stack, freed, true);
        }
        if let Some(stack) = last_freeing {
            add(stack, owed, true);
        }
        serde_json::to_writer(&mut writer, &profile).map_err(std::io::Error::from)?;
        Ok(writer.flush()?)
    }

    fn check_firefox_memory(&self, frees: bool, limit: Bytes) -> Result<(), WriteError> {
        // What stays; and what goes, twice.
        let allocations = if frees { 3 } else { 1 } * self.row_data().len();
        let texts: usize = self.functions().iter().map(|function| function.to_string().len()).sum();
        let needed = self
            .len()
            .saturating_mul(CONTEXT)
            .saturating_add(allocations.saturating_mul(ALLOCATION))
            .saturating_add(self.functions().len() * FUNCTION)
            .saturating_add(texts.saturating_mul(3));
        let option = "FirefoxOptions::memory_limit";
        WriteError::check_limit(FORMAT, needed as u64, limit, option)
    }
}
