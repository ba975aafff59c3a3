//! Writes pprof profiles.

use std::collections::HashMap;
use std::io::{self, Write};
use std::time::{Duration, UNIX_EPOCH};

use flate2::Compression;
use flate2::write::GzEncoder;
use foldhash::fast::RandomState;
use prost::Message;

use super::messages::{EncodedSample, Function, Header, Label, Line, Location, ValueType, field};
use super::{anonymous_name, differences_comment, generated_name};
use crate::format::rounding::Rounding;
use crate::format::stack_walk::{Extent, Stack, StackWalk};
use crate::format::write_error::WriteError;
use crate::format::write_options::WriteOptions;
use crate::model::{Bytes, SampleType, written_line};
use crate::profile::{LabelValue, Profile, RowData};

impl WriteOptions {
    /// Whether rows are one sample, which are sorted by context, labels and size.
    fn are_one_sample(&self, one: &RowData, other: &RowData) -> bool {
        (one.context, one.labels) == (other.context, other.labels)
            && (!self.object_sizes || one.raw_size() == other.raw_size())
    }
}

impl Profile {
    /// Writes the profile in pprof's format, compressed by gzip, with all sample types that it has.
    ///
    /// Values are rounded such that the totals are right; those of a
    /// [difference](Self::is_difference) have their signs, and a comment says what they are. Each
    /// function is one location, at the line and column where it starts; an anonymous one has its
    /// place in its name, as pprof tells functions apart by it. (Those of one name are added up in
    /// its reports; `-lines` keeps them apart. That it says "Main binary filename not available"
    /// does no harm.) The root is left out but where it allocated itself. The interval is the
    /// period. Labels with an empty text are left out. The format has no room for contexts without
    /// values of their own and below them, ids, start positions and the order of samples.
    ///
    /// A function whose [original](crate::Function::original) place is known stands there, and has
    /// in its `system_name` what V8 calls it and where: `generated "<script>":<line>:<column>
    /// <name>`, with a `\` before each `\` and `"` in the script's name. Reading gives both back.
    ///
    /// Memory beyond the profile: the table of strings, a buffer, and what gzip takes. Pass a file
    /// or socket as it is: what is written is compressed and in blocks. Each sample has its whole
    /// stack, so that what readers unpack grows with the square of the depth, up to
    /// [`WriteOptions::limit`].
    ///
    /// ```
    /// # use v8_heap_sampler::{Node, NodeId, Profile, Sample, SampleId, SampleType, SamplerOptions};
    /// # let nodes = [Node::new(NodeId(1), "main")];
    /// # let samples = [Sample::new(NodeId(1), 64, SampleId(1), true)];
    /// use v8_heap_sampler::{Label, format::{self, WriteOptions}};
    ///
    /// let mut profile = Profile::from_samples(&nodes, samples, &SamplerOptions::exact())?;
    /// profile.add_label(Label::text("isolate", "worker 3"));
    /// let mut pprof = Vec::new();
    /// profile.write_pprof(&mut pprof, WriteOptions::new())?;
    /// let again = format::read(&pprof[..])?;
    /// assert_eq!(again.total(SampleType::InuseSpace), Some(64.0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`WriteError`] if `writer` fails, or the limit is met: then nothing is written.
    pub fn write_pprof(
        &self,
        writer: impl Write,
        options: impl Into<WriteOptions>,
    ) -> Result<(), WriteError> {
        let options = &options.into();
        let types: Vec<SampleType> = self.sample_types().collect();
        self.check_pprof_size(&types, options)?;
        let gzip = GzEncoder::new(writer, Compression::new(options.compression));
        let mut encoder = Encoder::new(gzip);
        encoder.string("")?;
        encoder.header(self, &types)?;
        encoder.functions(self)?;
        encoder.samples(self, &types, options)?;
        encoder.flush()?;
        Ok(encoder.writer.finish()?.flush()?)
    }

    /// Writes what has changed since `before` as one pprof profile: this one's values, and those of
    /// `before` as negative ones with the label `pprof::base`, which is what `go tool pprof
    /// -diff_base` makes of two files. Its reports then show changes, in per cent of `before`, and
    /// so do the answers here to what is read of it: it is a [difference](Self::is_difference).
    ///
    /// It has the sample types that both have. (To have pprof do it, write both, and pass `before`
    /// by `-diff_base`.) Memory beyond the profiles: as for [`write_pprof`](Self::write_pprof), and
    /// a copy of both.
    ///
    /// ```
    /// # use v8_heap_sampler::{Node, NodeId, Profile, Sample, SampleId, SamplerOptions};
    /// # let nodes = [Node::new(NodeId(1), "(root)")];
    /// # let samples = [Sample::new(NodeId(1), 64, SampleId(1), true)];
    /// # let before = Profile::from_samples(&nodes, samples, &SamplerOptions::exact())?;
    /// # let after = before.clone();
    /// use v8_heap_sampler::format::WriteOptions;
    /// let mut pprof = Vec::new();
    /// after.write_pprof_diff(&mut pprof, &before, WriteOptions::new())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`WriteError`] if the profiles have no sample type in common, `writer` fails, or the limit
    /// is met: then nothing is written.
    pub fn write_pprof_diff(
        &self,
        writer: impl Write,
        before: &Self,
        options: impl Into<WriteOptions>,
    ) -> Result<(), WriteError> {
        let options = &options.into();
        let mut base = before.clone().negated();
        base.add_label(crate::Label::text(BASE, "true"));
        let both = Self::merge([self, &base])
            .map_err(|error| WriteError::Format { format: "pprof", problem: error.to_string() })?;
        drop(base);
        both.write_pprof(writer, options)
    }

    /// Counts the bytes of stacks and labels, which samples repeat.
    fn check_pprof_size(
        &self,
        types: &[SampleType],
        options: &WriteOptions,
    ) -> Result<(), WriteError> {
        let labels: Vec<u64> = self
            .labels()
            .iter()
            .map(|set| set.iter().filter(|label| label.says_something()).count() as u64)
            .collect();
        // Of a label at least key and text are written, within a message of its own.
        const LABEL: u64 = 6;
        let has_value = |rows: &&[RowData]| {
            let value = |of: &SampleType| rows.iter().map(|row| row.value(*of)).sum::<f64>();
            types.iter().any(|of| value(of) != 0.0)
        };
        let samples = || {
            let are_one = |one: &RowData, other: &RowData| options.are_one_sample(one, other);
            self.row_data().chunk_by(are_one).filter(has_value).map(|rows| &rows[0])
        };
        let length = |function: u32| prost::length_delimiter_len(function as usize + 1);
        let stacks = Extent::of(self, samples().map(|row| row.context), length).in_full;
        let labels: u64 = samples().map(|row| LABEL * labels[row.labels as usize]).sum();
        WriteError::check_limit("pprof", stacks.saturating_add(labels), options.limit)
    }
}

/// Encodes fields of `Profile` one by one: what stands one after the other in protobuf is one
/// message.
struct Encoder<W> {
    writer: W,
    buffer: Vec<u8>,
    strings: HashMap<String, i64, RandomState>,
}

/// The label by which pprof knows what differences are shown in per cent of.
const BASE: &str = "pprof::base";

/// Whole fields are collected up to here.
const BLOCK: usize = 64 * 1024;

impl<W: Write> Encoder<W> {
    fn new(writer: W) -> Self {
        Self { writer, buffer: Vec::with_capacity(2 * BLOCK), strings: HashMap::default() }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    /// Appends a field of the whole profile that is a message.
    fn message(&mut self, field: u32, message: &impl Message) -> io::Result<()> {
        // Fields below 16 have a tag of one byte; 2 is the wire type of what has a length.
        self.buffer.push((field << 3 | 2) as u8);
        message.encode_length_delimited(&mut self.buffer).expect("a vector grows as needed");
        if self.buffer.len() >= BLOCK { self.flush() } else { Ok(()) }
    }

    /// The index of a string, which is written if it is new.
    fn string(&mut self, text: &str) -> io::Result<i64> {
        if let Some(&index) = self.strings.get(text) {
            return Ok(index);
        }
        let index = self.strings.len() as i64;
        self.strings.insert(text.to_owned(), index);
        self.buffer.push((field::STRING_TABLE << 3 | 2) as u8);
        prost::encode_length_delimiter(text.len(), &mut self.buffer).expect("as above");
        self.buffer.extend_from_slice(text.as_bytes());
        if self.buffer.len() >= BLOCK {
            self.flush()?;
        }
        Ok(index)
    }

    fn value_type(&mut self, kind: &str, unit: &str) -> io::Result<ValueType> {
        Ok(ValueType { kind: self.string(kind)?, unit: self.string(unit)? })
    }

    fn header(&mut self, profile: &Profile, types: &[SampleType]) -> io::Result<()> {
        let metadata = &profile.metadata;
        let mut header = Header::default();
        for sample_type in types {
            header.sample_type.push(self.value_type(sample_type.name(), sample_type.unit())?);
        }
        // What does not fit into 64 bits of nanoseconds is centuries away.
        let nanos = |duration: Duration| i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
        header.time_nanos =
            metadata.started.map_or(0, |started| match started.duration_since(UNIX_EPOCH) {
                Ok(after) => nanos(after),
                Err(before) => -nanos(before.duration()),
            });
        header.duration_nanos = metadata.duration.map_or(0, nanos);
        // One that was seen in samples is not told, but all that the next reader has to go by.
        let seen = profile.interval().filter(|_| !profile.tells_intervals());
        let seen = seen.map(|interval| Bytes(interval.round() as u64));
        if let Some(interval) = metadata.interval.or(seen) {
            header.period_type = Some(self.value_type("space", "bytes")?);
            header.period = i64::try_from(interval.0).unwrap_or(i64::MAX);
        }
        let seen =
            seen.map(|_| "the sampling interval was not told, but seen in the samples".into());
        let comments = metadata.comments.iter().chain(&seen);
        for comment in comments.chain(&differences_comment(profile)) {
            header.comment.push(self.string(comment)?);
        }
        // Where none is named, pprof shows the last, as `Profile::default_sample_type` does.
        if let Some(default) = metadata.default_sample_type.filter(|&named| profile.has(named)) {
            header.default_sample_type = self.string(default.name())?;
        }
        header.encode(&mut self.buffer).expect("as above");
        Ok(())
    }

    /// The functions, and for each its location, with the function's place in the list, from 1, as
    /// id.
    fn functions(&mut self, profile: &Profile) -> io::Result<()> {
        for (id, function) in (1..).zip(profile.functions()) {
            let (file, line_number, column_number) = function.shown_place();
            let start_line = i64::from(written_line(line_number));
            let (name, is_made_up) = match anonymous_name(function) {
                Some(name) => (self.string(&name)?, true),
                None => (self.string(function.shown_name())?, false),
            };
            // What the runtime calls it: nothing, if the name was made up here.
            let system_name = match &function.original {
                Some(_) => self.string(&generated_name(function))?,
                None if is_made_up => 0,
                None => name,
            };
            let filename = self.string(file)?;
            let message = Function { id, name, system_name, filename, start_line };
            self.message(field::FUNCTION, &message)?;
            let column = i64::from(written_line(column_number));
            let line = vec![Line { function_id: id, line: start_line, column }];
            self.message(field::LOCATION, &Location { id, mapping_id: 0, address: 0, line })?;
        }
        Ok(())
    }

    fn samples(
        &mut self,
        profile: &Profile,
        types: &[SampleType],
        options: &WriteOptions,
    ) -> io::Result<()> {
        let mut label_sets = Vec::new();
        for labels in profile.labels().iter() {
            // An empty text is none there.
            let labels = labels.iter().filter(|label| label.says_something()).map(|label| {
                let key = self.string(&label.key)?;
                Ok(match &label.value {
                    LabelValue::Text(text) => {
                        Label { key, str: self.string(text)?, ..Label::default() }
                    }
                    LabelValue::Number { number, unit } => {
                        Label { key, num: *number, num_unit: self.string(unit)?, str: 0 }
                    }
                })
            });
            label_sets.push(labels.collect::<io::Result<Vec<Label>>>()?);
        }
        let bytes = if options.object_sizes { self.string("bytes")? } else { 0 };

        // What has become more and what has become less, each with its own total.
        let mut roundings = [[Rounding::default(); 2]; SampleType::ALL.len()];
        let mut walk = StackWalk::new(profile, EncodedStack::default());
        let mut sample = EncodedSample::default();
        let are_one = |one: &RowData, other: &RowData| options.are_one_sample(one, other);
        for rows in profile.row_data().chunk_by(are_one) {
            sample.value.clear();
            for (&sample_type, roundings) in types.iter().zip(&mut roundings) {
                let value: f64 = rows.iter().map(|row| row.value(sample_type)).sum();
                sample.value.push(roundings[usize::from(value < 0.0)].next(value));
            }
            if sample.value.iter().all(|&value| value == 0) {
                continue;
            }
            sample.location_id.clear();
            sample.location_id.extend_from_slice(walk.go_to(rows[0].context).encoded());
            sample.label.clear();
            if options.object_sizes
                && let Some(size) = rows[0].size()
            {
                let num = i64::try_from(size.0).unwrap_or(i64::MAX);
                sample.label.push(Label { key: bytes, num, num_unit: bytes, str: 0 });
            }
            sample.label.extend_from_slice(&label_sets[rows[0].labels as usize]);
            self.message(field::SAMPLE, &sample)?;
        }
        Ok(())
    }
}

/// A stack as it stands in a sample: location ids from the innermost frame, as variable-length
/// numbers. It grows at its front.
#[derive(Default)]
struct EncodedStack {
    /// The stack is at the end.
    bytes: Vec<u8>,
    start: usize,
}

impl EncodedStack {
    fn encoded(&self) -> &[u8] {
        &self.bytes[self.start..]
    }
}

impl Stack for EncodedStack {
    fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    fn truncate(&mut self, len: usize) {
        self.start = self.bytes.len() - len;
    }

    /// Puts a function's location in front.
    fn push(&mut self, function: u32) {
        let mut id = [0_u8; 10];
        let mut rest = &mut id[..];
        let room = rest.len();
        prost::encode_length_delimiter(function as usize + 1, &mut rest).expect("it has 10 bytes");
        let len = room - rest.len();
        if self.start < len {
            // Twice the room, with the stack at its end.
            let more = self.bytes.len().max(1024);
            self.bytes.splice(0..0, std::iter::repeat_n(0, more));
            self.start += more;
        }
        self.start -= len;
        self.bytes[self.start..self.start + len].copy_from_slice(&id[..len]);
    }
}
