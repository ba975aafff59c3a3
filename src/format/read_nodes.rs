//! Reads the JSON of nodes, flat and nested: this crate's, and that of the Node module
//! `sample-heap-allocations`.
//!
//! That module's ids are texts made of a function's place, which all contexts of the function
//! share: the structure of its lists is in their order.

use std::io::Read;
use std::num::NonZeroU32;

use jiter::{Jiter, Peek};

use super::json_pull::{JsonPull, Problem, each_field, integer, of, text};
use super::other_json::CPU_PROFILE;
use super::read_error::ReadError;
use super::read_options::ReadOptions;
use super::read_tree::{CHILDREN, NodeFields, Start, read_fields, read_tree};
use crate::model::{Allocation, Node, NodeId, ScriptId};
use crate::model::{Counted, ProfileError};
use crate::profile::{
    Builder, FunctionParts, Functions, LabelSets, Metadata, OriginalParts, Profile, RowData, push,
};
use crate::tree::{IdIndex, NONE};

const ID: u16 = 1;
const NAME: u16 = 1 << 1;
const SCRIPT_ID: u16 = 1 << 2;
const SCRIPT_NAME: u16 = 1 << 3;
const LINE_NUMBER: u16 = 1 << 4;
const COLUMN_NUMBER: u16 = 1 << 5;
const START_POSITION: u16 = 1 << 6;
const ALLOCATIONS: u16 = 1 << 7;
const CHILD_IDS: u16 = 1 << 8;
/// What the nodes of CPU profiles have.
const OF_CPU: u16 = 1 << 9;
const ORIGINAL: u16 = 1 << 10;

/// Reads the rest of a tree of nodes, of whose root `key` has been read.
pub(crate) fn read_nested<R: Read>(
    json: &mut JsonPull<R>,
    key: &str,
    options: &ReadOptions,
) -> Result<Profile, ReadError> {
    let mut builder = Builder::default();
    let mut fields = CrateFields::new(options);
    // The tree is in the nesting.
    fields.skips_child_ids = true;
    read_tree(json, Some(key), &mut fields, &mut builder)?;
    json.finish()?;
    if fields.numbered == builder.len() {
        json.check(builder.bytes() + 20 * builder.len())?;
        IdIndex::new(builder.ids().iter().copied())?;
    } else {
        // Texts that contexts share, or nothing: no ids.
        builder.forget_ids();
    }
    let types = options.unnamed.sample_types(true);
    Ok(builder.finish(types, LabelSets::default(), false, Metadata::default()))
}

/// As [`read_nested`], of an object whose first key was `name`, and which may be anything.
pub(crate) fn read_named<R: Read>(
    json: &mut JsonPull<R>,
    options: &ReadOptions,
) -> Result<Profile, ReadError> {
    let is_text = json.peek()? == Peek::String;
    let read = read_nested(json, "name", options);
    match read {
        // The root ended, and was no node.
        Err(ReadError::Field { field, .. }) if !is_text || field == NO_NODE => {
            let found = "a JSON object with a \"name\", but without the other fields of a node";
            Err(ReadError::UnknownFormat { found: found.to_owned() })
        }
        read => read,
    }
}

/// Reads a list of nodes.
pub(crate) fn read_flat<R: Read>(
    json: &mut JsonPull<R>,
    options: &ReadOptions,
) -> Result<Profile, ReadError> {
    let List { mut nodes, ids, .. } = read_list(json, "nodes", options, 0, true)?;
    json.finish()?;
    match ids {
        Ids::Numbers => Ok(Profile::from_nodes(&nodes, options.unnamed)?),
        Ids::Texts => {
            number_in_preorder(&mut nodes)?;
            let mut profile = Profile::from_nodes(&nodes, options.unnamed)?;
            profile.forget_ids();
            Ok(profile)
        }
    }
}

/// What the ids of a list of nodes are.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Ids {
    Numbers,
    /// The nodes have numbers of the texts instead.
    Texts,
}

/// A list of nodes as it was read.
pub(crate) struct List {
    pub(crate) nodes: Vec<Node>,
    pub(crate) ids: Ids,
    /// What the nodes hold, and what a profile of them will.
    pub(crate) bytes: usize,
}

/// Reads a list of nodes, for whose profile there must be room as well, beside the bytes `held`.
/// Whether the values of the nodes matter is for `counts` to say.
pub(crate) fn read_list<R: Read>(
    json: &mut JsonPull<R>,
    field: &'static str,
    options: &ReadOptions,
    held: usize,
    counts: bool,
) -> Result<List, ReadError> {
    let mut fields = CrateFields::new(options);
    let (mut functions, mut texts) = (Functions::default(), Functions::default());
    let mut nodes: Vec<Node> = Vec::new();
    let (mut lists, mut bytes) = (0, 0);
    let mut ids = None;
    let mut more = json.enter_array(field)?;
    while more {
        if let Err(error) = json.parse(|json| fields.read(json)) {
            if !fields.is_of_cpu {
                return Err(error);
            }
            return Err(ReadError::UnknownFormat { found: CPU_PROFILE.to_owned() });
        }
        let (Some(id), is) = fields.number(&mut texts) else {
            return Err(json.field_error("id", "the node that ends here lacks it"));
        };
        if is.is_none() || *ids.get_or_insert(is) != is {
            return Err(json.field_error("id", "ids must be all numbers or all texts"));
        }
        if counts {
            fields.add_up()?;
        }
        let function = functions.number(fields.parts());
        let mut node = Node::of(id, functions.get(function));
        node.allocations = fields.allocations[..].into();
        node.child_ids = fields.child_numbers[..].into();
        if node.allocations.len() > 1 {
            lists += node.allocations.len() * (size_of::<Allocation>() + size_of::<RowData>());
        }
        lists += node.child_ids.len().saturating_sub(4) * size_of::<NodeId>();
        push(&mut nodes, node);
        bytes = nodes.capacity() * (size_of::<Node>() + WORK_FOR_A_NODE)
            + lists
            + functions.bytes()
            + texts.bytes();
        json.check(held + bytes + fields.bytes())?;
        more = json.next_element()?;
    }
    Ok(List { nodes, ids: ids.flatten().unwrap_or(Ids::Numbers), bytes })
}

/// What a context takes in a profile, with one row, and in the index that orders the nodes.
const WORK_FOR_A_NODE: usize = 16 + size_of::<RowData>() + 28;

/// Numbers nodes anew that come in preorder with their children's ids, where contexts of one
/// function share an id.
fn number_in_preorder(nodes: &mut [Node]) -> Result<(), ProfileError> {
    // For each open node, which children are still to come.
    let mut open: Vec<(usize, usize)> = Vec::new();
    let count = nodes.len();
    for at in 0..count {
        let expected = loop {
            let Some((parent, next)) = open.last_mut() else { break NONE };
            match nodes[*parent].child_ids.get(*next) {
                Some(&NodeId(expected)) => {
                    nodes[*parent].child_ids[*next] = NodeId(at as u32 + 1);
                    *next += 1;
                    break expected;
                }
                None => {
                    open.pop();
                }
            }
        };
        if at == 0 || nodes[at].id.0 == expected {
            open.push((at, 0));
        } else {
            let id = NodeId(at as u32 + 1);
            return Err(match expected {
                NONE => ProfileError::Unreachable { root: NodeId(1), ids: vec![id] },
                _ => ProfileError::NotInPreorder { position: at },
            });
        }
    }
    for (parent, next) in open {
        if nodes[parent].child_ids.len() > next {
            return Err(ProfileError::NotInPreorder { position: count });
        }
    }
    for (node, id) in nodes.iter_mut().zip(1..) {
        node.id = NodeId(id);
    }
    Ok(())
}

/// An id: a number, or a text, by its place in [`CrateFields::texts`].
#[derive(Clone, Copy)]
enum Id {
    Number(u32),
    Text { start: u32, end: u32 },
}

/// The fields of a node, as those of this crate have them.
#[derive(Default)]
struct CrateFields {
    name: String,
    script_name: String,
    script_id: Option<ScriptId>,
    line_number: Option<NonZeroU32>,
    column_number: Option<NonZeroU32>,
    start_position: Option<u32>,
    has_original: bool,
    original: OriginalFields,
    allocations: Vec<Allocation>,
    id: Option<Id>,
    child_ids: Vec<Id>,
    child_numbers: Vec<NodeId>,
    texts: String,
    counted: Counted,
    /// How many nodes have numbers for ids.
    numbered: usize,
    total: f64,
    skips_child_ids: bool,
    /// Whether a node was one of a CPU profile.
    is_of_cpu: bool,
    /// How many bytes the fields of one node may hold.
    most: usize,
}

/// Where its function stands in the original source; of the texts, an empty one is unknown.
#[derive(Default)]
struct OriginalFields {
    source: String,
    name: String,
    line_number: Option<NonZeroU32>,
    column_number: Option<NonZeroU32>,
}

impl OriginalFields {
    fn clear(&mut self) {
        self.source.clear();
        self.name.clear();
        (self.line_number, self.column_number) = (None, None);
    }

    fn read(&mut self, json: &mut Jiter<'_>) -> Result<(), Problem> {
        #[derive(Clone, Copy, PartialEq)]
        enum OriginalKey {
            Source,
            Name,
            LineNumber,
            ColumnNumber,
        }
        fn key_of(key: &str) -> Option<OriginalKey> {
            match key {
                "source" => Some(OriginalKey::Source),
                "name" => Some(OriginalKey::Name),
                "line_number" => Some(OriginalKey::LineNumber),
                "column_number" => Some(OriginalKey::ColumnNumber),
                _ => None,
            }
        }
        let place = |json: &mut Jiter<'_>, field| {
            Ok::<_, Problem>(NonZeroU32::new(integer(json, field, 0, u32::MAX.into())? as u32))
        };
        each_field(json, "original", key_of, |key, json| {
            match key {
                OriginalKey::Source => text(json, &mut self.source, "original.source")?,
                OriginalKey::Name => text(json, &mut self.name, "original.name")?,
                OriginalKey::LineNumber => self.line_number = place(json, "original.line_number")?,
                OriginalKey::ColumnNumber => {
                    self.column_number = place(json, "original.column_number")?
                }
            }
            Ok(())
        })
    }

    fn parts(&self) -> OriginalParts<'_> {
        OriginalParts {
            source: &self.source,
            name: &self.name,
            line_number: self.line_number,
            column_number: self.column_number,
        }
    }
}

/// What a node lacks that has neither children nor allocations, nor lists of these that are empty.
const NO_NODE: &str = "allocations";

impl CrateFields {
    fn new(options: &ReadOptions) -> Self {
        let most = options.limit().bytes / 4;
        Self { counted: options.unnamed, most, ..Self::default() }
    }

    /// Whether the fields of one node hold too much.
    fn check(&self) -> Result<(), Problem> {
        if Self::bytes(self) <= self.most { Ok(()) } else { Err(Problem::Limit) }
    }

    /// Notes all fields of a node of a list.
    fn read(&mut self, json: &mut Jiter<'_>) -> Result<(), Problem> {
        let (_, noted) = read_fields(json, Start::Object, self, 0)?;
        if noted & CHILDREN != 0 || self.is_of_cpu {
            let problem = "nodes are nested within a list of nodes";
            return Err(Problem::here("children", problem, json));
        }
        match Self::missing(noted) {
            None => Ok(()),
            Some(field) => Err(Problem::here(field, "the node that ends here lacks it", json)),
        }
    }

    fn parts(&self) -> FunctionParts<'_> {
        FunctionParts {
            name: &self.name,
            script_name: &self.script_name,
            script_id: self.script_id,
            line_number: self.line_number,
            column_number: self.column_number,
            start_position: self.start_position,
            original: self.has_original.then(|| self.original.parts()),
        }
    }

    fn read_id(&mut self, json: &mut Jiter<'_>, field: &'static str) -> Result<Id, Problem> {
        if json.peek()? != Peek::String {
            return Ok(Id::Number(integer(json, field, 0, u32::MAX.into())? as u32));
        }
        let start = self.texts.len();
        self.texts.push_str(json.known_str()?);
        match (u32::try_from(start), u32::try_from(self.texts.len())) {
            (Ok(start), Ok(end)) => Ok(Id::Text { start, end }),
            _ => Err(Problem::Limit),
        }
    }

    /// The node's id as a number, and what it was; fills in those of the children. Nothing if they
    /// are of both kinds.
    fn number(&mut self, texts: &mut Functions) -> (Option<NodeId>, Option<Ids>) {
        let Some(id) = self.id else { return (None, None) };
        let mut kind = None;
        let mut is_mixed = false;
        let mut number = |id: Id| {
            let (is, number) = match id {
                Id::Number(number) => (Ids::Numbers, number),
                Id::Text { start, end } => {
                    let name = &self.texts[start as usize..end as usize];
                    (Ids::Texts, texts.number(FunctionParts { name, ..Default::default() }))
                }
            };
            is_mixed |= *kind.get_or_insert(is) != is;
            NodeId(number)
        };
        let node = number(id);
        self.child_numbers.clear();
        self.child_numbers.extend(self.child_ids.iter().map(|&child| number(child)));
        (Some(node), kind.filter(|_| !is_mixed))
    }

    /// Adds up what was allocated, which must fit into numbers.
    fn add_up(&mut self) -> Result<(), ReadError> {
        for Allocation { count, size } in &self.allocations {
            self.total += *count as f64 * (*size).max(1) as f64;
        }
        ReadError::check_total(self.total)
    }

    fn bytes(&self) -> usize {
        self.texts.capacity()
            + self.name.capacity()
            + self.script_name.capacity()
            + self.original.source.capacity()
            + self.original.name.capacity()
            + self.allocations.capacity() * size_of::<Allocation>()
            + self.child_ids.capacity() * (size_of::<Id>() + size_of::<NodeId>())
    }
}

impl NodeFields for CrateFields {
    fn bit(key: &str) -> u16 {
        match key {
            "id" => ID,
            "name" => NAME,
            "script_id" => SCRIPT_ID,
            "script_name" => SCRIPT_NAME,
            "line_number" => LINE_NUMBER,
            "column_number" => COLUMN_NUMBER,
            "start_position" => START_POSITION,
            "original" => ORIGINAL,
            "allocations" => ALLOCATIONS,
            "child_ids" => CHILD_IDS,
            "children" => CHILDREN,
            "callFrame" | "hitCount" => OF_CPU,
            _ => 0,
        }
    }

    fn clear(&mut self) {
        self.is_of_cpu = false;
        self.name.clear();
        self.script_name.clear();
        self.script_id = None;
        (self.line_number, self.column_number, self.start_position) = (None, None, None);
        self.has_original = false;
        self.original.clear();
        self.allocations.clear();
        self.id = None;
        self.child_ids.clear();
        self.texts.clear();
    }

    fn note(&mut self, bit: u16, json: &mut Jiter<'_>) -> Result<(), Problem> {
        const MOST: i64 = u32::MAX as i64;
        let number = |json: &mut Jiter<'_>, field| integer(json, field, 0, MOST).map(|n| n as u32);
        match bit {
            ID => self.id = Some(self.read_id(json, "id")?),
            NAME => text(json, &mut self.name, "name")?,
            SCRIPT_ID => self.script_id = ScriptId::new(number(json, "script_id")?),
            SCRIPT_NAME => text(json, &mut self.script_name, "script_name")?,
            LINE_NUMBER => self.line_number = NonZeroU32::new(number(json, "line_number")?),
            COLUMN_NUMBER => self.column_number = NonZeroU32::new(number(json, "column_number")?),
            START_POSITION => {
                // -1 where it is unknown: 0 is the start of a script.
                let position = integer(json, "start_position", -1, MOST)?;
                self.start_position = u32::try_from(position).ok();
            }
            ORIGINAL if json.peek()? == Peek::Null => json.next_null()?,
            ORIGINAL => {
                self.original.read(json)?;
                self.has_original = true;
            }
            ALLOCATIONS => {
                let mut more = json.next_array().map_err(|e| of("allocations", e))?.is_some();
                while more {
                    self.allocations.push(read_allocation(json)?);
                    self.check()?;
                    more = json.array_step()?.is_some();
                }
            }
            OF_CPU => {
                self.is_of_cpu = true;
                json.next_skip()?;
            }
            _ if self.skips_child_ids => json.next_skip()?,
            _ => {
                let mut more = json.next_array().map_err(|e| of("child_ids", e))?.is_some();
                while more {
                    let id = self.read_id(json, "child_ids")?;
                    self.child_ids.push(id);
                    self.check()?;
                    more = json.array_step()?.is_some();
                }
            }
        }
        Ok(())
    }

    const TOGETHER: u16 =
        NAME | SCRIPT_ID | SCRIPT_NAME | LINE_NUMBER | COLUMN_NUMBER | START_POSITION | ORIGINAL;

    fn take_over(&mut self, noted: u16, rank: u32, builder: &mut Builder) -> Result<(), ReadError> {
        if noted & Self::TOGETHER != 0 {
            builder.set_function(rank, self.parts());
        }
        if let Some(Id::Number(id)) = self.id {
            self.numbered += 1;
            builder.set_id(rank, NodeId(id));
        }
        self.add_up()?;
        for &Allocation { count, size } in &self.allocations {
            let values = self.counted.values(Some(count as f64), count as f64 * size as f64);
            builder.push_row(RowData::of_values(rank, LabelSets::NONE, size, values));
        }
        Ok(())
    }

    fn missing(has: u16) -> Option<&'static str> {
        match has {
            has if has & NAME == 0 => Some("name"),
            has if has & (ALLOCATIONS | CHILD_IDS | CHILDREN) == 0 => Some(NO_NODE),
            _ => None,
        }
    }

    fn bytes(&self) -> usize {
        Self::bytes(self)
    }
}

fn read_allocation(json: &mut Jiter<'_>) -> Result<Allocation, Problem> {
    fn is_size(key: &str) -> Option<bool> {
        match key {
            "size" => Some(true),
            "count" => Some(false),
            _ => None,
        }
    }
    const MOST: i64 = Profile::MOST as i64;
    let (mut count, mut size) = (None, None);
    each_field(json, "allocations", is_size, |is_size, json| {
        if is_size {
            size = Some(integer(json, "allocations.size", 1, MOST)? as u64);
        } else {
            count = Some(integer(json, "allocations.count", 0, MOST)? as u64);
        }
        Ok(())
    })?;
    let missing = |field| Problem::here(field, "the allocation that ends here lacks it", json);
    Ok(Allocation {
        count: count.ok_or_else(|| missing("allocations.count"))?,
        size: size.ok_or_else(|| missing("allocations.size"))?,
    })
}
