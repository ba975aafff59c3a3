//! Reads `.heapprofile`: the sampling heap profile of Chrome DevTools, Node and Deno.

use std::io::Read;
use std::num::NonZeroU32;

use jiter::{Jiter, JsonType, NumberInt, Peek};

use super::json_pull::{JsonPull, Problem, amount, each_field, integer, text};
use super::other_json::{CPU_PROFILE, check_member};
use super::read_error::ReadError;
use super::read_options::ReadOptions;
use super::read_tree::{CHILDREN, NodeFields, read_tree};
use crate::model::{Bytes, Counted, NodeId, ScriptId};
use crate::profile::{
    Builder, FunctionParts, LabelSets, Metadata, OrdinalSample, Profile, RowData, push,
};
use crate::tree::IdIndex;

/// Reads the rest of the object whose first key, `key`, has been read, and of those `around` it.
pub(crate) fn read<R: Read>(
    json: &mut JsonPull<R>,
    mut key: String,
    around: usize,
    options: &ReadOptions,
) -> Result<Profile, ReadError> {
    let mut builder = Builder::default();
    let mut fields = ProtocolFields::new(options.unnamed);
    // With node ids in place of ranks, as they can come before the nodes.
    let mut samples: Option<Vec<OrdinalSample>> = None;
    loop {
        match &*key {
            "head" if builder.len() == 0 => {
                let read = read_tree(json, None, &mut fields, &mut builder);
                if fields.is_of_cpu {
                    return Err(ReadError::UnknownFormat { found: CPU_PROFILE.to_owned() });
                }
                read?;
            }
            "samples" if samples.is_none() => samples = Some(read_samples(json, &builder)?),
            "head" | "samples" => return Err(json.field_error(key, "it is there twice")),
            _ => {
                check_member(json, &key)?;
                json.skip()?;
            }
        }
        if !json.next_key(&mut key)? {
            break;
        }
    }
    json.leave(around)?;
    if builder.len() == 0 {
        return Err(json.field_error("head", "the profile lacks it"));
    }

    let has_ids = fields.ids == builder.len();
    if !has_ids && fields.ids > 0 {
        return Err(json.field_error("id", "some nodes have one and some have not"));
    }
    // An empty list stands for none, as writers put it where they have none.
    let samples = samples.unwrap_or_default();
    let has_samples = !samples.is_empty();
    let mut metadata = Metadata::default();
    if has_ids {
        metadata.unattributed_samples = add_samples(json, samples, &mut builder, fields.total)?;
    } else if has_samples {
        return Err(json.field_error("samples", "they name nodes by id, and the nodes have none"));
    }
    let types = options.unnamed.sample_types(false);
    Ok(builder.finish(types, LabelSets::default(), has_samples, metadata))
}

/// Adds samples, which have node ids in place of ranks, to nodes whose bytes are `total` in all;
/// returns how many are of no node.
fn add_samples<R: Read>(
    json: &mut JsonPull<R>,
    samples: Vec<OrdinalSample>,
    builder: &mut Builder,
    total: f64,
) -> Result<u64, ReadError> {
    // An index takes at most 16 bytes an id, or a hash map a little more.
    json.check(builder.bytes() + 20 * builder.len())?;
    let index = IdIndex::new(builder.ids().iter().copied())?;
    let (mut known, mut unknown) = (0, 0);
    check_ordinals(json, &samples, builder.bytes())?;
    // How many bytes the samples of each context have.
    json.check(builder.bytes() + 28 * builder.len())?;
    let mut sampled = vec![0.0; builder.len()];
    for mut sample in samples {
        match index.get(NodeId(sample.context)) {
            Some(rank) => {
                known += 1;
                sample.context = rank;
                sampled[rank as usize] += sample.bytes;
                builder.push_sample(sample);
            }
            None => unknown += 1,
        }
    }
    // V8 samples what it allocates itself while it writes the tree, at nodes that come too late for
    // it. They are few.
    if unknown > known {
        let problem = format!("{unknown} of {} name nodes that are not there", known + unknown);
        return Err(json.field_error("samples", problem));
    }
    check_sampled(json, &mut sampled, builder, total)?;
    Ok(unknown)
}

/// V8 numbers its samples, each anew.
fn check_ordinals<R: Read>(
    json: &mut JsonPull<R>,
    samples: &[OrdinalSample],
    held: usize,
) -> Result<(), ReadError> {
    // V8's come in order; then no number can be there twice.
    if samples.is_sorted_by(|one, other| one.ordinal < other.ordinal) {
        return Ok(());
    }
    let sorted = size_of::<u64>() * samples.len();
    json.check(held + size_of_val(samples) + sorted)?;
    let mut ordinals: Vec<u64> = samples.iter().map(|sample| sample.ordinal).collect();
    ordinals.sort_unstable();
    match ordinals.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => {
            let twice = pair[0];
            Err(json.field_error("samples.ordinal", format!("{twice} is there twice")))
        }
        None => Ok(()),
    }
}

/// Refuses samples that come to more than their nodes, whose bytes are `total` in all; `sampled` is
/// what the samples of each context come to.
fn check_sampled<R: Read>(
    json: &JsonPull<R>,
    sampled: &mut [f64],
    builder: &Builder,
    total: f64,
) -> Result<(), ReadError> {
    // V8 rounds the number of objects that a sample stands for on its own, and so by up to half;
    // and it takes samples until it has written the nodes.
    let sum: f64 = sampled.iter().sum();
    for row in builder.rows() {
        let sampled = &mut sampled[row.context as usize];
        let of_node: f64 = row.values().into_iter().fold(0.0, f64::max);
        *sampled = (*sampled - 2.0 * of_node).max(0.0);
    }
    let excess: f64 = sampled.iter().sum();
    if excess <= total.max(MOST_LATE) {
        return Ok(());
    }
    let problem = format!(
        "they come to {}, and their nodes to {}: the file is damaged, or was changed",
        Bytes(sum as u64),
        Bytes(total as u64)
    );
    Err(json.field_error("samples", problem))
}

/// How many bytes of samples V8 may take while it writes the nodes.
const MOST_LATE: f64 = 4_194_304.0;

fn read_samples<R: Read>(
    json: &mut JsonPull<R>,
    builder: &Builder,
) -> Result<Vec<OrdinalSample>, ReadError> {
    let mut samples = Vec::new();
    let held = builder.bytes();
    let mut more = json.enter_array("samples")?;
    while more {
        let sample = json.parse(read_sample)?;
        push(&mut samples, sample);
        // Once more for the builder's own.
        json.check(held + 2 * samples.capacity() * size_of::<OrdinalSample>())?;
        more = json.next_element()?;
    }
    Ok(samples)
}

fn read_sample(json: &mut Jiter<'_>) -> Result<OrdinalSample, Problem> {
    #[derive(Clone, Copy, PartialEq)]
    enum SampleKey {
        Size,
        NodeId,
        Ordinal,
    }
    fn key_of(key: &str) -> Option<SampleKey> {
        match key {
            "size" => Some(SampleKey::Size),
            "nodeId" => Some(SampleKey::NodeId),
            "ordinal" => Some(SampleKey::Ordinal),
            _ => None,
        }
    }
    let (mut size, mut node, mut ordinal) = (None, None, None);
    each_field(json, "samples", key_of, |key, json| {
        match key {
            SampleKey::Size => size = Some(amount(json, "samples.size")?),
            SampleKey::NodeId => node = Some(integer(json, "samples.nodeId", 0, u32::MAX.into())?),
            SampleKey::Ordinal => ordinal = Some(integer(json, "samples.ordinal", 0, i64::MAX)?),
        }
        Ok(())
    })?;
    let missing = |field| Problem::here(field, "the sample that ends here lacks it", json);
    let context = node.ok_or_else(|| missing("samples.nodeId"))? as u32;
    let ordinal = ordinal.ok_or_else(|| missing("samples.ordinal"))? as u64;
    // It is what the sample stands for; how large its object was is not in the file.
    let bytes = size.ok_or_else(|| missing("samples.size"))?;
    Ok(OrdinalSample::new(context, false, ordinal, 0, bytes))
}

/// The fields of a node: `SamplingHeapProfileNode` in V8's `js_protocol.pdl`.
///
/// The npm module `heap-profile` writes nodes that have the fields of their call frame themselves.
struct ProtocolFields {
    frame: Frame,
    /// The fields of the call frame that stand in the node.
    flat: Frame,
    self_size: f64,
    id: NodeId,
    /// How many nodes have an id.
    ids: usize,
    /// The sum of all `self_size`s.
    total: f64,
    counted: Counted,
    /// Whether a node was one of a CPU profile.
    is_of_cpu: bool,
}

/// `Runtime.CallFrame`.
#[derive(Default)]
struct Frame {
    function_name: String,
    url: String,
    script_id: Option<ScriptId>,
    line_number: Option<NonZeroU32>,
    column_number: Option<NonZeroU32>,
}

const CALL_FRAME: u16 = 1;
const SELF_SIZE: u16 = 2;
const ID: u16 = 4;
const NAME: u16 = 1 << 3;
const SCRIPT_ID: u16 = 1 << 4;
const URL: u16 = 1 << 5;
const LINE_NUMBER: u16 = 1 << 6;
const COLUMN_NUMBER: u16 = 1 << 7;
/// The fields of a call frame that stand in the node.
const FLAT: u16 = NAME | SCRIPT_ID | URL | LINE_NUMBER | COLUMN_NUMBER;
/// What the nodes of CPU profiles have.
const OF_CPU_NODE: u16 = 1 << 8;

impl ProtocolFields {
    fn new(counted: Counted) -> Self {
        Self {
            frame: Frame::default(),
            flat: Frame::default(),
            self_size: 0.0,
            id: NodeId(0),
            ids: 0,
            total: 0.0,
            counted,
            is_of_cpu: false,
        }
    }
}

impl NodeFields for ProtocolFields {
    #[inline]
    fn bit(key: &str) -> u16 {
        match key {
            "callFrame" => CALL_FRAME,
            "selfSize" => SELF_SIZE,
            "id" => ID,
            "children" => CHILDREN,
            "functionName" => NAME,
            "scriptId" => SCRIPT_ID,
            "url" => URL,
            "lineNumber" => LINE_NUMBER,
            "columnNumber" => COLUMN_NUMBER,
            "hitCount" => OF_CPU_NODE,
            _ => 0,
        }
    }

    #[inline]
    fn clear(&mut self) {
        self.flat.clear();
    }

    #[inline]
    fn note(&mut self, bit: u16, json: &mut Jiter<'_>) -> Result<(), Problem> {
        match bit {
            CALL_FRAME => self.frame.read(json)?,
            SELF_SIZE => self.self_size = amount(json, "selfSize")?,
            ID => self.id = NodeId(integer(json, "id", 0, u32::MAX.into())? as u32),
            NAME => text(json, &mut self.flat.function_name, "functionName")?,
            URL => text(json, &mut self.flat.url, "url")?,
            SCRIPT_ID => self.flat.script_id = script_id(json)?,
            LINE_NUMBER => self.flat.line_number = flat_place(json, "lineNumber")?,
            COLUMN_NUMBER => self.flat.column_number = flat_place(json, "columnNumber")?,
            _ => {
                self.is_of_cpu = true;
                json.next_skip()?;
            }
        }
        Ok(())
    }

    const TOGETHER: u16 = CALL_FRAME | FLAT;

    #[inline]
    fn take_over(&mut self, noted: u16, rank: u32, builder: &mut Builder) -> Result<(), ReadError> {
        if noted & (CALL_FRAME | FLAT) != 0 {
            let frame = if noted & CALL_FRAME != 0 { &self.frame } else { &self.flat };
            let Frame { function_name, url, script_id, line_number, column_number } = frame;
            builder.set_function(
                rank,
                FunctionParts {
                    name: function_name,
                    script_name: url,
                    script_id: *script_id,
                    line_number: *line_number,
                    column_number: *column_number,
                    start_position: None,
                    original: None,
                },
            );
        }
        if noted & SELF_SIZE != 0 {
            self.total += self.self_size;
            ReadError::check_total(self.total)?;
            let values = self.counted.values(None, self.self_size);
            builder.push_row(RowData::of_values(rank, LabelSets::NONE, 0, values));
        }
        if noted & ID != 0 {
            self.ids += 1;
            builder.set_id(rank, self.id);
        }
        Ok(())
    }

    #[inline]
    fn missing(has: u16) -> Option<&'static str> {
        match has {
            has if has & (CALL_FRAME | NAME) == 0 => Some("callFrame"),
            has if has & SELF_SIZE == 0 => Some("selfSize"),
            _ => None,
        }
    }

    fn bytes(&self) -> usize {
        self.frame.bytes() + self.flat.bytes()
    }
}

impl Frame {
    fn bytes(&self) -> usize {
        self.function_name.capacity() + self.url.capacity()
    }

    fn clear(&mut self) {
        self.function_name.clear();
        self.url.clear();
        (self.script_id, self.line_number, self.column_number) = (None, None, None);
    }

    #[inline]
    fn read(&mut self, json: &mut Jiter<'_>) -> Result<(), Problem> {
        #[derive(Clone, Copy, PartialEq)]
        enum FrameKey {
            FunctionName,
            ScriptId,
            Url,
            LineNumber,
            ColumnNumber,
        }
        #[inline]
        fn key_of(key: &str) -> Option<FrameKey> {
            match key {
                "functionName" => Some(FrameKey::FunctionName),
                "scriptId" => Some(FrameKey::ScriptId),
                "url" => Some(FrameKey::Url),
                "lineNumber" => Some(FrameKey::LineNumber),
                "columnNumber" => Some(FrameKey::ColumnNumber),
                _ => None,
            }
        }
        self.clear();
        each_field(json, "callFrame", key_of, |key, json| {
            match key {
                FrameKey::FunctionName => {
                    text(json, &mut self.function_name, "callFrame.functionName")?;
                }
                FrameKey::Url => text(json, &mut self.url, "callFrame.url")?,
                FrameKey::ScriptId => self.script_id = script_id(json)?,
                FrameKey::LineNumber => self.line_number = place(json, "callFrame.lineNumber")?,
                FrameKey::ColumnNumber => {
                    self.column_number = place(json, "callFrame.columnNumber")?
                }
            }
            Ok(())
        })
    }
}

/// A script's id: V8's number, as text. What is no number is another program's id: it does not say
/// which of V8's scripts that was.
fn script_id(json: &mut Jiter<'_>) -> Result<Option<ScriptId>, Problem> {
    let peek = json.peek()?;
    if peek == Peek::String {
        return Ok(json.known_str()?.parse().ok().and_then(ScriptId::new));
    }
    let index = json.current_index();
    match json.known_int(peek) {
        Ok(NumberInt::Int(id)) => Ok(u32::try_from(id).ok().and_then(ScriptId::new)),
        Err(_) => {
            let problem = format!("expected {}", JsonType::String);
            Err(Problem::Value { field: "callFrame.scriptId", problem, index })
        }
    }
}

/// A line or column, which the protocol counts from 0, with -1 where it is unknown.
#[inline]
fn place(json: &mut Jiter<'_>, field: &'static str) -> Result<Option<NonZeroU32>, Problem> {
    let from_0 = integer(json, field, -1, i64::from(u32::MAX) - 1)?;
    Ok(NonZeroU32::new((from_0 + 1) as u32))
}

/// A line or column of a node without a call frame, as V8's C++ interface counts: from 1, with 0
/// where it is unknown.
fn flat_place(json: &mut Jiter<'_>, field: &'static str) -> Result<Option<NonZeroU32>, Problem> {
    Ok(NonZeroU32::new(integer(json, field, -1, u32::MAX.into())?.max(0) as u32))
}
