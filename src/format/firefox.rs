//! Writes the Firefox Profiler's processed format, by its own crate.

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use fxprof_processed_profile::{
    CategoryColor, Frame, FrameFlags, FrameInfo, ReferenceTimestamp, SamplingInterval, StackHandle,
    ThreadHandle, Timestamp,
};

use super::rounding::Rounding;
use super::write_error::WriteError;
use super::write_options::WriteOptions;
use crate::model::{Bytes, SampleType};
use crate::profile::Profile;

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
    /// as much as the profile; up to [`WriteOptions::limit`]. Pass a buffered writer.
    ///
    /// ```
    /// # use v8_heap_sampler::{Node, NodeId, Profile, Sample, SampleId, SamplerOptions};
    /// # let nodes = [Node::new(NodeId(1), "main")];
    /// # let samples = [Sample::new(NodeId(1), 64, SampleId(1), true)];
    /// let profile = Profile::from_samples(&nodes, samples, &SamplerOptions::exact())?;
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
        options: impl Into<WriteOptions>,
    ) -> Result<(), WriteError> {
        let options = options.into();
        let (alloc, inuse) = (SampleType::AllocSpace, SampleType::InuseSpace);
        let allocated = if self.has(alloc) { alloc } else { inuse };
        let kept = if self.has(inuse) { inuse } else { allocated };
        for sample_type in [allocated, kept] {
            self.require_sums(sample_type, FORMAT)?;
        }
        self.check_firefox_memory(allocated != kept, options.limit)?;
        let title = options.title_or(options.values_of(self));
        let started = self.metadata.started.unwrap_or(UNIX_EPOCH);
        let mut document = Document::new(&title, started);
        let stacks = document.stacks_of(self);
        document.add_allocations(self, &stacks, allocated, kept);
        serde_json::to_writer(&mut writer, &document.profile).map_err(std::io::Error::from)?;
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
        WriteError::check_limit(FORMAT, needed as u64, limit)
    }
}

/// A document of one thread, with all that happens in it at one time.
struct Document {
    profile: fxprof_processed_profile::Profile,
    thread: ThreadHandle,
    at: Timestamp,
    address: u64,
}

impl Document {
    fn new(title: &str, started: SystemTime) -> Self {
        let reference = ReferenceTimestamp::from_system_time(started);
        // There is no time between samples; the format wants one.
        let interval = SamplingInterval::from_millis(1);
        let mut profile = fxprof_processed_profile::Profile::new(title, reference, interval);
        // Or it asks a symbol server about names.
        profile.set_symbolicated(true);
        let at = Timestamp::from_nanos_since_reference(0);
        let process = profile.add_process(title, 1, at);
        let thread = profile.add_thread(process, 1, at, true);
        Self { profile, thread, at, address: 0 }
    }

    /// The stack of each context.
    fn stacks_of(&mut self, profile: &Profile) -> Vec<Option<StackHandle>> {
        let Self { profile: document, thread, .. } = self;
        let category_pair = document.add_category("JavaScript", CategoryColor::Yellow).into();
        let frames = profile.functions().iter().map(|function| {
            let frame = Frame::Label(document.intern_string(&function.to_string()));
            let frame = FrameInfo { frame, category_pair, flags: FrameFlags::IS_JS };
            document.intern_frame(*thread, frame)
        });
        let frames: Vec<_> = frames.collect();
        let mut stacks: Vec<Option<StackHandle>> = Vec::with_capacity(profile.len());
        // The root is no frame.
        stacks.push(None);
        for (&parent, &function) in profile.parents().iter().zip(profile.function_numbers()).skip(1)
        {
            let (parent, frame) = (stacks[parent as usize], frames[function as usize]);
            stacks.push(Some(document.intern_stack(*thread, parent, frame)));
        }
        stacks
    }

    /// Adds what each context has allocated, and frees what it has not kept of it.
    fn add_allocations(
        &mut self,
        profile: &Profile,
        stacks: &[Option<StackHandle>],
        allocated: SampleType,
        kept: SampleType,
    ) {
        let mut roundings = [Rounding::default(); 2];
        // What is freed is what is left over.
        let (mut owed, mut last_freeing) = (0_i64, None);
        for rows in profile.row_data().chunk_by(|one, other| one.context == other.context) {
            let stack = stacks[rows[0].context as usize];
            let [all, in_use] =
                [allocated, kept].map(|of| rows.iter().map(|row| row.value(of)).sum());
            if in_use < all {
                last_freeing = Some(stack);
            }
            // At most 2^53 in all.
            let [all, in_use] = [roundings[0].next(all), roundings[1].next(in_use)];
            owed += all - in_use;
            // Two roundings are off by less than a byte together: one is held back, as it may have
            // to be taken back.
            let freed = (owed - 1).max(0);
            owed -= freed;
            // What stays, and what goes: an address each.
            self.add(stack, in_use, false);
            self.add(stack, freed, true);
        }
        if let Some(stack) = last_freeing {
            self.add(stack, owed, true);
        }
    }

    fn add(&mut self, stack: Option<StackHandle>, bytes: i64, is_freed: bool) {
        if bytes <= 0 {
            return;
        }
        self.address += 16;
        let Self { ref mut profile, thread, at, address } = *self;
        profile.add_allocation_sample(thread, at, stack, address, bytes);
        if is_freed {
            profile.add_allocation_sample(thread, at, stack, address, -bytes);
        }
    }
}
