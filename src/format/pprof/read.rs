//! Reads pprof profiles.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, BufRead, Read};
use std::num::NonZeroU32;
use std::ops::Range;
use std::time::{Duration, UNIX_EPOCH};

use foldhash::fast::RandomState;
use prost::Message;
use prost::encoding::decode_varint;

use super::messages::{self, Header, Location, Sample, field};
use super::{anonymous_name, generated_parts, named_differences};
use crate::format::read::{Limit, MOST_TO_CHECK, ReadError, ReadOptions, too_long};
use crate::model::{Bytes, Function, SampleType, SampleTypes, ScriptId};
use crate::profile::{
    FunctionParts, Label, LabelSets, Metadata, OriginalParts, Profile, RowData, StackBuilder, push,
};

/// Reads a profile that is not compressed.
pub(crate) fn read(reader: impl Read, options: &ReadOptions) -> Result<Profile, ReadError> {
    let mut parts = Parts::read(reader, options.limit())?;
    let types = parts.sample_types()?;
    let (metadata, mut differences) = parts.metadata(&types)?;
    let mut samples = Samples::new(&parts, options.call_lines);
    for (number, sample) in parts.samples().enumerate() {
        samples.add(number, sample, &types, &mut differences)?;
    }
    let present = SampleTypes::of(types.into_iter().flatten())
        .with_differences(|sample_type| differences.contains(&sample_type));
    Ok(samples.builder.finish(present, samples.label_sets, None, metadata)?)
}

/// The values of a sample, by sample type; notes in `differences` of which types one is negative.
fn values(
    values: &[i64],
    sample: usize,
    types: &[Option<SampleType>],
    differences: &mut Vec<SampleType>,
) -> Result<[f64; 4], ReadError> {
    if values.len() != types.len() {
        let (has, of) = (values.len(), types.len());
        let problem = format!("there are {has} values for {of} sample types");
        return Err(wrong(format!("sample[{sample}].value"), problem));
    }
    let mut by_type = [0.0; 4];
    for (place, (&value, sample_type)) in values.iter().zip(types).enumerate() {
        let Some(sample_type) = sample_type else { continue };
        // A negative one is a difference.
        if value.unsigned_abs() > Profile::MOST {
            let problem = format!("{value} is not from -2^53 to 2^53");
            return Err(wrong(format!("sample[{sample}].value[{place}]"), problem));
        }
        by_type[sample_type.index()] += value as f64;
        if value < 0 && !differences.contains(sample_type) {
            differences.push(*sample_type);
        }
    }
    Ok(by_type)
}

/// What goes wrong at once is most likely no pprof profile.
fn unknown(error: ReadError, seen: usize) -> ReadError {
    match error {
        ReadError::Pprof { field, problem } if seen < 3 => ReadError::UnknownFormat {
            found: format!("neither JSON nor a pprof profile ({field}: {problem})"),
        },
        error => error,
    }
}

fn wrong(field: impl Into<String>, problem: impl fmt::Display) -> ReadError {
    ReadError::Pprof { field: field.into(), problem: problem.to_string() }
}

/// A message of a list, which errors name by its place there.
fn decode<M: Message + Default>(content: &[u8], list: &str, number: usize) -> Result<M, ReadError> {
    M::decode(content).map_err(|error| wrong(format!("{list}[{number}]"), error))
}

/// Adds a message to those of its kind, by id.
fn insert<M>(
    messages: &mut HashMap<u64, M, RandomState>,
    list: &str,
    id: u64,
    message: M,
) -> Result<(), ReadError> {
    let number = messages.len();
    match messages.insert(id, message) {
        None => Ok(()),
        Some(_) => Err(wrong(format!("{list}[{number}].id"), format!("{id} is used twice"))),
    }
}

/// A profile in its parts, which refer to each other and can come in any order.
#[derive(Default)]
struct Parts {
    header: Header,
    /// The messages of the samples one after the other, and where each starts.
    samples: Vec<u8>,
    sample_starts: Vec<usize>,
    locations: HashMap<u64, Location, RandomState>,
    functions: HashMap<u64, messages::Function, RandomState>,
    /// The strings one after the other, and where each ends.
    strings: String,
    string_ends: Vec<usize>,
    /// What locations, functions, header and comments take.
    tables: usize,
    limit: Limit,
}

impl Parts {
    fn read(reader: impl Read, limit: Limit) -> Result<Self, ReadError> {
        let mut parts = Self { limit, ..Self::default() };
        let mut fields = MessageFields::new(reader);
        // The fields that are no lists of any length, with their tags.
        let mut header = Vec::new();
        for seen in 0.. {
            let next = match fields.next(limit) {
                Ok(None) => break,
                Ok(Some(field)) => parts.take(&field, &mut header),
                Err(error) => Err(error),
            };
            next.map_err(|error| unknown(error, seen))?;
            let held = fields.message.capacity() + DECODED * header.capacity();
            limit.check(parts.bytes() + held)?;
        }
        parts.header = Header::decode(&header[..])
            .map_err(|error| wrong("the profile's own fields", error))?;
        parts.tables += parts.header.comment.capacity() * size_of::<i64>()
            + parts.header.sample_type.capacity() * size_of::<messages::ValueType>();
        Ok(parts)
    }

    /// Takes over a field; `header` is for those that are no lists of any length.
    fn take(&mut self, field: &Field<'_>, header: &mut Vec<u8>) -> Result<(), ReadError> {
        let &Field { number, wire_type, message, content, end } = field;
        let is_list = (field::SAMPLE..=field::STRING_TABLE).contains(&number);
        if is_list && wire_type != LENGTH_DELIMITED {
            let problem = format!("field {number} has wire type {wire_type}");
            return Err(wrong(format!("byte {end}"), problem));
        }
        match number {
            field::SAMPLE => {
                push(&mut self.sample_starts, self.samples.len());
                append(&mut self.samples, content);
            }
            field::LOCATION => {
                self.limit.check(self.bytes() + DECODED * content.len())?;
                let location: Location = decode(content, "location", self.locations.len())?;
                self.tables += 2 * size_of::<(u64, Location)>()
                    + location.line.capacity() * size_of::<messages::Line>();
                insert(&mut self.locations, "location", location.id, location)?;
            }
            field::FUNCTION => {
                let function: messages::Function =
                    decode(content, "function", self.functions.len())?;
                self.tables += 2 * size_of::<(u64, messages::Function)>();
                insert(&mut self.functions, "function", function.id, function)?;
            }
            field::STRING_TABLE => {
                let text = std::str::from_utf8(content).map_err(|error| {
                    wrong(format!("string_table[{}]", self.string_ends.len()), error)
                })?;
                if self.strings.capacity() - self.strings.len() < text.len() {
                    self.strings.reserve_exact(text.len().max(self.strings.len() / 4));
                }
                self.strings.push_str(text);
                push(&mut self.string_ends, self.strings.len());
            }
            field::MAPPING => {}
            _ => append(header, message),
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.samples.capacity()
            + self.sample_starts.capacity() * size_of::<usize>()
            + self.strings.capacity()
            + self.string_ends.capacity() * size_of::<usize>()
            + self.tables
    }

    fn samples(&self) -> impl Iterator<Item = &[u8]> {
        let ends = self.sample_starts.iter().skip(1).copied().chain([self.samples.len()]);
        self.sample_starts.iter().zip(ends).map(|(&start, end)| &self.samples[start..end])
    }

    /// A string by its index in the table.
    fn string(&self, index: i64, field: impl FnOnce() -> String) -> Result<&str, ReadError> {
        let found = usize::try_from(index).ok().and_then(|index| {
            let end = *self.string_ends.get(index)?;
            let start = index.checked_sub(1).map_or(0, |before| self.string_ends[before]);
            Some(&self.strings[start..end])
        });
        found.ok_or_else(|| {
            let problem = format!("string {index}, but the table has {}", self.string_ends.len());
            wrong(field(), problem)
        })
    }

    /// As [`string`](Self::string), where 0 says that there is none.
    fn text(&self, index: i64, field: impl FnOnce() -> String) -> Result<&str, ReadError> {
        if index == 0 { Ok("") } else { self.string(index, field) }
    }

    /// What each value of a sample is; `None` for what is not about heaps.
    fn sample_types(&self) -> Result<Vec<Option<SampleType>>, ReadError> {
        let mut types = Vec::new();
        let mut names = Vec::new();
        for (number, value_type) in self.header.sample_type.iter().enumerate() {
            let name = self.string(value_type.kind, || format!("sample_type[{number}].type"))?;
            let unit = self.string(value_type.unit, || format!("sample_type[{number}].unit"))?;
            let sample_type = sample_type(name);
            if let Some(known) = sample_type {
                if known.unit() != unit {
                    let problem =
                        format!("{name} is in \"{unit}\", where \"{}\" is supported", known.unit());
                    return Err(wrong(format!("sample_type[{number}].unit"), problem));
                }
                if types.contains(&sample_type) {
                    let problem = format!("{known} is there twice");
                    return Err(wrong(format!("sample_type[{number}].type"), problem));
                }
            }
            types.push(sample_type);
            if names.len() < 8 {
                names.push(format!("{name}/{unit}"));
            }
        }
        if types.iter().any(Option::is_some) {
            return Ok(types);
        }
        let found = match names[..] {
            [] => "neither JSON nor a pprof profile (it has no sample types)".to_owned(),
            _ => format!("a pprof profile of {}, not of a heap", names.join(", ")),
        };
        Err(ReadError::UnknownFormat { found })
    }

    /// What is said of the whole, and of which types it is said that they are differences.
    fn metadata(
        &mut self,
        types: &[Option<SampleType>],
    ) -> Result<(Metadata, Vec<SampleType>), ReadError> {
        let header = &self.header;
        let (mut metadata, mut differences) = (Metadata::default(), Vec::new());
        let nanos = Duration::from_nanos(header.time_nanos.unsigned_abs());
        metadata.started = match header.time_nanos {
            0 => None,
            1.. => UNIX_EPOCH.checked_add(nanos),
            _ => UNIX_EPOCH.checked_sub(nanos),
        };
        let unsigned = |number: i64, field: &str| {
            u64::try_from(number).map_err(|_| wrong(field, format!("{number} is negative")))
        };
        // 0 says that it is not known.
        let duration = unsigned(header.duration_nanos, "duration_nanos")?;
        metadata.duration = (duration > 0).then(|| Duration::from_nanos(duration));
        if let Some(period_type) = &header.period_type
            && is_space(self.string(period_type.kind, || "period_type.type".to_owned())?)
            && self.string(period_type.unit, || "period_type.unit".to_owned())? == "bytes"
        {
            let period = unsigned(header.period, "period")?;
            metadata.interval = (period > 0).then_some(Bytes(period));
        }
        let mut bytes = 0;
        for (number, &comment) in header.comment.iter().enumerate() {
            let comment = self.string(comment, || format!("comment[{number}]"))?;
            if let Some(named) = named_differences(comment) {
                differences.extend(named);
                continue;
            }
            // The list may be twice as long while it grows.
            bytes += comment.len() + 3 * size_of::<String>();
            self.limit.check(self.bytes() + bytes)?;
            metadata.comments.push(comment.to_owned());
        }
        let default = self.text(header.default_sample_type, || "default_sample_type".to_owned())?;
        let named = sample_type(default).filter(|named| types.contains(&Some(*named)));
        // As pprof does: where none is named, it is the last in the file. That is in no metadata if it
        // is the last of this crate's as well.
        let last = types.iter().rev().find_map(|&of_file| of_file);
        let last_here = SampleTypes::of(types.iter().flatten().copied()).iter().last();
        metadata.default_sample_type = named.or(last.filter(|_| last != last_here));
        self.tables += bytes;
        Ok((metadata, differences))
    }
}

/// Whether a period of this type is one of bytes allocated. Go and this crate say `space`,
/// `@datadog/pprof` the name of the sample type.
fn is_space(period_type: &str) -> bool {
    matches!(period_type, "space" | "inuse_space" | "alloc_space")
}

/// Go's names, and those of `@datadog/pprof`.
fn sample_type(name: &str) -> Option<SampleType> {
    match name {
        "objects" => Some(SampleType::InuseObjects),
        "space" => Some(SampleType::InuseSpace),
        _ => SampleType::ALL.into_iter().find(|sample_type| sample_type.name() == name),
    }
}

fn append(bytes: &mut Vec<u8>, more: &[u8]) {
    if bytes.capacity() - bytes.len() < more.len() {
        bytes.reserve_exact(more.len().max(bytes.len() / 4));
    }
    bytes.extend_from_slice(more);
}

/// Builds a profile of samples: contexts of stacks of locations, and sets of labels.
struct Samples<'p> {
    parts: &'p Parts,
    call_lines: bool,
    builder: StackBuilder,
    /// The frames of each location: functions by number, the innermost first.
    frames: HashMap<u64, Range<usize>, RandomState>,
    functions: Vec<u32>,
    /// Where a location with several frames leads from a context.
    steps: HashMap<(u32, u64), u32, RandomState>,
    /// The number of `(root)`, which is no frame.
    root: u32,
    /// The bytes of the names of all functions so far.
    name_bytes: u64,
    label_sets: LabelSets,
    /// By the labels as they stand in the file.
    label_numbers: HashMap<Vec<messages::Label>, u32, RandomState>,
    label_bytes: usize,
    /// The bytes of the sample that is being added.
    decoded: usize,
    totals: [f64; 4],
}

impl<'p> Samples<'p> {
    fn new(parts: &'p Parts, call_lines: bool) -> Self {
        let root = FunctionParts { name: "(root)", ..FunctionParts::default() };
        let mut builder = StackBuilder::new(root);
        let root = builder.functions.number(root);
        Self {
            parts,
            call_lines,
            builder,
            frames: HashMap::default(),
            functions: Vec::new(),
            steps: HashMap::default(),
            root,
            name_bytes: 0,
            label_sets: LabelSets::default(),
            label_numbers: HashMap::default(),
            label_bytes: 0,
            decoded: 0,
            totals: [0.0; 4],
        }
    }

    /// Whether so many bytes more may be held.
    fn check(&self, more: usize) -> Result<(), ReadError> {
        let held = self.parts.bytes()
            + self.builder.bytes()
            + self.frames.capacity() * 2 * size_of::<(u64, Range<usize>)>()
            + self.functions.capacity() * size_of::<u32>()
            + self.steps.capacity() * 2 * size_of::<((u32, u64), u32)>()
            + self.label_bytes
            + self.decoded;
        self.parts.limit.check(held + more)
    }

    /// Adds a sample, by its number.
    fn add(
        &mut self,
        number: usize,
        sample: &[u8],
        types: &[Option<SampleType>],
        differences: &mut Vec<SampleType>,
    ) -> Result<(), ReadError> {
        self.decoded = 0;
        self.check(DECODED * sample.len())?;
        let sample: Sample = decode(sample, "sample", number)?;
        self.decoded = sample.location_id.capacity() * size_of::<u64>()
            + sample.value.capacity() * size_of::<i64>()
            + sample.label.capacity() * size_of::<messages::Label>();
        let values = values(&sample.value, number, types, differences)?;
        for (total, value) in self.totals.iter_mut().zip(values) {
            // More and less do not cancel out here, so that no part of the sum can be more.
            *total += value.abs();
            ReadError::check_total(*total)?;
        }
        if values == [0.0; 4] {
            return Ok(());
        }
        let context = self.context(&sample.location_id, number)?;
        let (labels, size) = self.labels(&sample.label, number)?;
        self.builder.push_row(RowData::of_values(context, labels, size, values));
        self.check(0)
    }

    /// The context of a sample's stack, whose innermost location comes first.
    fn context(&mut self, locations: &[u64], sample: usize) -> Result<u32, ReadError> {
        let mut context = StackBuilder::ROOT;
        for (place, &id) in locations.iter().enumerate().rev() {
            let frames = match self.frames.get(&id) {
                Some(frames) => frames.clone(),
                None => self.resolve(id, || format!("sample[{sample}].location_id[{place}]"))?,
            };
            // A location of many frames in stack after stack must cost no more than one of one.
            let is_step = frames.len() > 1;
            if is_step && let Some(&known) = self.steps.get(&(context, id)) {
                context = known;
                continue;
            }
            let from = context;
            for at in frames.rev() {
                let function = self.functions[at];
                if function != self.root || context != StackBuilder::ROOT {
                    context = self.builder.callee(context, function)?;
                    self.check(0)?;
                }
            }
            if is_step {
                self.steps.insert((from, id), context);
                self.check(0)?;
            }
        }
        Ok(context)
    }

    /// The frames of a location.
    #[cold]
    fn resolve(
        &mut self,
        id: u64,
        field: impl FnOnce() -> String,
    ) -> Result<Range<usize>, ReadError> {
        let Some(location) = self.parts.locations.get(&id) else {
            return Err(wrong(field(), format!("location {id} is not there")));
        };
        let start = self.functions.len();
        for line in &location.line {
            let Some(function) = self.parts.functions.get(&line.function_id) else {
                let problem = format!("function {} is not there", line.function_id);
                return Err(wrong(format!("location with id {id}, line.function_id"), problem));
            };
            let number = self.function(function, line, location)?;
            push(&mut self.functions, number);
            self.check(0)?;
        }
        if location.line.is_empty() {
            // Not symbolised: there is an address, and no name.
            let name = format!("0x{:x}", location.address);
            let parts = FunctionParts { name: &name, ..FunctionParts::default() };
            let number = self.builder.functions.number(parts);
            push(&mut self.functions, number);
        }
        let frames = start..self.functions.len();
        self.frames.insert(id, frames.clone());
        Ok(frames)
    }

    /// The label set of a sample, without the size of its objects, and that size, or 0.
    fn labels(
        &mut self,
        labels: &[messages::Label],
        sample: usize,
    ) -> Result<(u32, u64), ReadError> {
        let parts = self.parts;
        let field = |place: usize, name: &str| format!("sample[{sample}].label[{place}].{name}");
        self.check(size_of_val(labels))?;
        let (mut size, mut set, mut texts) = (0, Vec::new(), 0);
        for (place, label) in labels.iter().enumerate() {
            let key = parts.string(label.key, || field(place, "key"))?;
            let text = parts.text(label.str, || field(place, "str"))?;
            let unit = parts.text(label.num_unit, || field(place, "num_unit"))?;
            // Without a text the label is a number.
            let is_size = label.str == 0 && key == "bytes" && matches!(unit, "" | "bytes");
            if is_size && label.num > 0 && size == 0 {
                size = label.num.unsigned_abs();
            } else {
                texts += key.len() + text.len() + unit.len();
                if set.is_empty() {
                    set.reserve_exact(labels.len());
                }
                set.push(*label);
            }
        }
        if set.is_empty() {
            return Ok((LabelSets::NONE, size));
        }
        if let Some(&number) = self.label_numbers.get(&set) {
            return Ok((number, size));
        }
        let each = size_of::<Label>() + size_of::<messages::Label>();
        self.label_bytes += texts + set.capacity() * each + 16 * size_of::<usize>();
        self.check(0)?;
        let text = |index| parts.text(index, String::new).map(str::to_owned);
        let read = |label: &messages::Label| -> Result<Label, ReadError> {
            let key = text(label.key)?;
            Ok(match label.str {
                0 => Label::number(key, label.num, text(label.num_unit)?),
                index => Label::text(key, text(index)?),
            })
        };
        let mut texts = Vec::with_capacity(set.len());
        for label in &set {
            texts.push(read(label)?);
        }
        let number = self.label_sets.push(texts);
        self.label_numbers.insert(set, number);
        Ok((number, size))
    }

    /// The number of a function, at the line where it starts; where it calls from is kept only if
    /// that is asked for.
    fn function(
        &mut self,
        function: &messages::Function,
        line: &messages::Line,
        location: &Location,
    ) -> Result<u32, ReadError> {
        let name = self.name(function, function.name, "name")?;
        let script_name = self.name(function, function.filename, "filename")?;
        // Each is gone through again where functions share it, and a small file can share much.
        self.name_bytes += (name.len() + script_name.len()) as u64;
        if self.name_bytes > MOST_NAME_BYTES {
            let so_far = format!("the names so far come to {} bytes", self.name_bytes);
            let problem = format!("{so_far}, and {MOST_NAME_BYTES} are supported");
            return Err(wrong(field_of(function, "name"), problem));
        }
        let (line_number, column_number) = self.place(function, line, location)?;
        let mut parts = FunctionParts {
            name,
            script_name,
            line_number: NonZeroU32::new(line_number),
            column_number: NonZeroU32::new(column_number),
            ..FunctionParts::default()
        };
        // A script without a name goes by its id there, which tells its functions from others'.
        parts.script_id = unnamed_script(&parts);
        if is_anonymous(&parts) {
            parts.name = "";
        } else {
            parts.script_id = None;
        }
        // It is there in nearly all profiles, and mostly says the same as the name.
        let system_name = match function.system_name {
            0 => "",
            index if index == function.name => "",
            index => self.parts.string(index, || field_of(function, "system_name"))?,
        };
        let mut script_name = String::new();
        if let Some(generated) = generated_parts(system_name, &mut script_name) {
            let len = generated.name.len().max(generated.script_name.len());
            check_len(len, function, "system_name")?;
            let original = OriginalParts {
                source: parts.script_name,
                // One that both have is the generated one.
                name: if parts.name == generated.name { "" } else { parts.name },
                line_number: parts.line_number,
                column_number: parts.column_number,
            };
            parts = FunctionParts { original: Some(original), ..generated };
        }
        Ok(self.builder.functions.number(parts))
    }

    /// A string that names a function or its script, in a field of the function.
    fn name(
        &self,
        function: &messages::Function,
        index: i64,
        field: &str,
    ) -> Result<&'p str, ReadError> {
        let name = self.parts.string(index, || field_of(function, field))?;
        check_len(name.len(), function, field)?;
        Ok(name)
    }

    /// The line and column that a function is at, each 0 where it is not known.
    fn place(
        &self,
        function: &messages::Function,
        line: &messages::Line,
        location: &Location,
    ) -> Result<(u32, u32), ReadError> {
        let number = |number: i64, field: &str| {
            u32::try_from(number).map_err(|_| {
                let problem = format!("{number} is not from 0 to {}", u32::MAX);
                wrong(field_of(function, field), problem)
            })
        };
        let start_line = number(function.start_line, "start_line")?;
        // V8 knows where functions start, and nothing of calls: who gives no start line for its
        // functions, as `@datadog/pprof`, has that as the line. The line of a location in a binary
        // is the one that calls; there Go before 1.20 gives no start line, and that is not known.
        let is_in_binary = location.address != 0 || location.mapping_id != 0;
        let line = if is_in_binary { *line } else { unpacked(line) };
        let is_place = match start_line {
            0 => self.call_lines || !is_in_binary,
            _ => self.call_lines && line.line != 0 || i64::from(start_line) == line.line,
        };
        if !is_place {
            return Ok((start_line, 0));
        }
        Ok((number(line.line, "line.line")?, number(line.column, "line.column")?))
    }
}

/// A field of a function, as errors name it.
fn field_of(function: &messages::Function, field: &str) -> String {
    format!("function with id {}, {field}", function.id)
}

/// Refuses names that are too long.
fn check_len(len: usize, function: &messages::Function, field: &str) -> Result<(), ReadError> {
    match too_long(len) {
        Some(problem) => Err(wrong(field_of(function, field), problem)),
        None => Ok(()),
    }
}

/// A line without its column, if that is packed into its upper half, as `@datadog/pprof` does where
/// a source map is missing: it is asked to by its option `columnNumbers`.
fn unpacked(line: &messages::Line) -> messages::Line {
    const HALF: i64 = 1 << 32;
    if line.column != 0 || line.line < HALF {
        return *line;
    }
    messages::Line { line: line.line % HALF, column: line.line / HALF, ..*line }
}

/// How many bytes the names of all functions may have, shared ones again and again.
const MOST_NAME_BYTES: u64 = 1 << 31;

/// The script that the name of an anonymous function tells, as [`anonymous_name`] writes it.
fn unnamed_script(parts: &FunctionParts<'_>) -> Option<ScriptId> {
    let script = parts.name.strip_prefix("(anonymous) (script ")?;
    let (id, _) = script.split_once(')')?;
    id.parse().ok().and_then(ScriptId::new).filter(|_| parts.script_name.is_empty())
}

/// Whether the name is one that was made up for an anonymous function: by this crate, or by
/// `@datadog/pprof`.
fn is_anonymous(parts: &FunctionParts<'_>) -> bool {
    if !parts.name.starts_with("(anonymous") {
        return false;
    }
    if parts.name == "(anonymous)" {
        return true;
    }
    let function = Function {
        script_id: parts.script_id,
        script_name: parts.script_name.into(),
        line_number: parts.line_number,
        column_number: parts.column_number,
        ..Function::default()
    };
    let [line, column] =
        [parts.line_number, parts.column_number].map(|place| place.map_or(0, NonZeroU32::get));
    anonymous_name(&function).is_some_and(|name| name == parts.name)
        || format!("(anonymous:L#{line}:C#{column})") == parts.name
}

/// How many bytes one byte of a message is decoded into, at most. An empty label has two, and 32 in
/// a list, whose capacity may be twice as much; a number has one, and 8 there.
const DECODED: usize = 32;

/// The wire type of strings and messages.
const LENGTH_DELIMITED: u8 = 2;

/// A field of a message.
struct Field<'m> {
    number: u32,
    wire_type: u8,
    /// The field as a whole, and what is in it.
    message: &'m [u8],
    content: &'m [u8],
    /// Where it ends in the file.
    end: u64,
}

/// The fields of a message, one after the other.
struct MessageFields<R> {
    reader: io::BufReader<R>,
    message: Vec<u8>,
    /// Where the next field starts.
    offset: u64,
}

impl<R: Read> MessageFields<R> {
    fn new(reader: R) -> Self {
        let reader = io::BufReader::with_capacity(64 * 1024, reader);
        Self { reader, message: Vec::new(), offset: 0 }
    }

    fn next(&mut self, limit: Limit) -> Result<Option<Field<'_>>, ReadError> {
        self.message.clear();
        let Some(key) = self.varint()? else { return Ok(None) };
        let (number, wire_type) = (u32::try_from(key >> 3).unwrap_or(u32::MAX), (key & 7) as u8);
        let mut start = self.message.len();
        let len = match wire_type {
            0 => {
                self.varint()?.ok_or_else(|| self.cut())?;
                0
            }
            1 => 8,
            LENGTH_DELIMITED => {
                let len = self.varint()?.ok_or_else(|| self.cut())?;
                start = self.message.len();
                len
            }
            5 => 4,
            other => return Err(self.wrong(format!("wire type {other}"))),
        };
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        // The message, and what it becomes.
        let times = if number == field::STRING_TABLE { 4 } else { DECODED };
        let cut = |fields: &Self| {
            fields.wrong(format!("the profile is cut off here, in field {number} of {len} bytes"))
        };
        if let Err(error) = limit.check(len.saturating_mul(times)) {
            // The length may be wrong, and then more memory does not help.
            let most = MOST_TO_CHECK.min(len as u64);
            let read = io::copy(&mut self.reader.by_ref().take(most), &mut io::sink())?;
            self.offset += read;
            return Err(if read < most { cut(self) } else { error });
        }
        let read = self.reader.by_ref().take(len as u64).read_to_end(&mut self.message)?;
        self.offset += read as u64;
        if read < len {
            return Err(cut(self));
        }
        let (message, end) = (&self.message[..], self.offset);
        Ok(Some(Field { number, wire_type, message, content: &message[start..], end }))
    }

    /// An error about what was just read.
    fn wrong(&self, problem: impl fmt::Display) -> ReadError {
        wrong(format!("byte {}", self.offset), problem)
    }

    fn cut(&self) -> ReadError {
        self.wrong("the profile is cut off here")
    }

    /// A number of variable length, also appended to the message; `None` at the end.
    fn varint(&mut self) -> Result<Option<u64>, ReadError> {
        let start = self.message.len();
        loop {
            let Some(&byte) = self.reader.fill_buf()?.first() else {
                return if self.message.len() == start { Ok(None) } else { Err(self.cut()) };
            };
            self.reader.consume(1);
            self.offset += 1;
            self.message.push(byte);
            if byte < 0x80 || self.message.len() - start == 10 {
                let number = decode_varint(&mut &self.message[start..]);
                return number.map(Some).map_err(|error| self.wrong(error));
            }
        }
    }
}
