//! Reads the JSON of nodes, flat and nested: this crate's, and that of the Node module
//! `sample-heap-allocations`.
//!
//! That module's ids are texts made of a function's place, which all contexts of the function
//! share: the structure of its lists is in their order.

use std::io::Read;

use jiter::{Jiter, Peek};

use super::json::CPU_PROFILE;
use super::json_pull::{
    Field, JsonPull, Problem, all_fields, each_field, field, integer, number, of, place, text,
};
use super::tree::{CHILDREN, FunctionFields, NodeFields, Start, read_fields, read_tree};
use super::{ReadError, ReadOptions};
use crate::model::{Allocation, Counted, Node, NodeId, ProfileError, ScriptId};
use crate::profile::{
    Builder, FunctionParts, Functions, LabelSets, Metadata, OriginalParts, Profile, RowData, push,
};
use crate::tree::{IdIndex, NONE};

/// Reads the rest of a tree of nodes, of whose root `key` has been read.
pub(crate) fn read_nested<R: Read>(
    json: &mut JsonPull<R>,
    key: &str,
    options: &ReadOptions,
) -> Result<Profile, ReadError> {
    let mut builder = Builder::default();
    let mut fields = CrateFields { is_nested: true, ..CrateFields::new(options) };
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
    let most = fields.most;
    let mut functions = Functions::default();
    let mut nodes: Vec<Node> = Vec::new();
    let (mut lists, mut bytes) = (0, 0);
    let mut more = json.enter_array(field)?;
    while more {
        fields.most = most + fields.texts.bytes();
        if let Err(error) = json.parse(|json| fields.read(json)) {
            if !fields.is_of_cpu {
                return Err(error);
            }
            return Err(ReadError::UnknownFormat { found: CPU_PROFILE.to_owned() });
        }
        let Some(id) = fields.id else {
            return Err(json.field_error("id", "the node that ends here lacks it"));
        };
        if counts {
            fields.add_up()?;
        }
        let function = functions.number(fields.parts());
        let mut node = Node::of(id, functions.get(function));
        node.allocations = fields.allocations[..].into();
        node.child_ids = fields.child_ids[..].into();
        if node.allocations.len() > 1 {
            lists += node.allocations.len() * (size_of::<Allocation>() + size_of::<RowData>());
        }
        lists += node.child_ids.len().saturating_sub(4) * size_of::<NodeId>();
        push(&mut nodes, node);
        bytes = nodes.capacity() * (size_of::<Node>() + WORK_FOR_A_NODE)
            + lists
            + functions.bytes()
            + fields.texts.bytes();
        json.check(held + bytes + fields.bytes())?;
        more = json.next_element()?;
    }
    Ok(List { nodes, ids: fields.ids.unwrap_or(Ids::Numbers), bytes })
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

/// The fields of a node, as those of this crate have them.
#[derive(Default)]
struct CrateFields {
    function: FunctionFields,
    has_original: bool,
    /// Where its function stands in the original source; of the texts, an empty one is unknown.
    original: FunctionFields,
    allocations: Vec<Allocation>,
    /// `None` too if it is a text in a tree, where no other node names it.
    id: Option<NodeId>,
    child_ids: Vec<NodeId>,
    /// Ids that are texts, by number.
    texts: Functions,
    /// What the ids of a list are, once there is one.
    ids: Option<Ids>,
    counted: Counted,
    /// How many nodes of a tree have numbers for ids.
    numbered: usize,
    total: f64,
    /// Whether nodes are within each other, which tells the children.
    is_nested: bool,
    /// Whether a node was one of a CPU profile.
    is_of_cpu: bool,
    /// How many bytes the fields may hold.
    most: usize,
}

const ID: u16 = 1;
const NAME: u16 = 1 << 1;
const SCRIPT_ID: u16 = 1 << 2;
const SCRIPT_NAME: u16 = 1 << 3;
const LINE_NUMBER: u16 = 1 << 4;
const COLUMN_NUMBER: u16 = 1 << 5;
const START_POSITION: u16 = 1 << 6;
const ORIGINAL: u16 = 1 << 7;
const ALLOCATIONS: u16 = 1 << 8;
const CHILD_IDS: u16 = 1 << 9;
/// What the nodes of CPU profiles have.
const OF_CPU: u16 = 1 << 10;

/// What a node lacks that has neither children nor allocations, nor lists of these that are empty.
const NO_NODE: &str = "allocations";

impl CrateFields {
    fn new(options: &ReadOptions) -> Self {
        let most = options.limit().bytes / 4;
        Self { counted: options.unnamed, most, ..Self::default() }
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
        let original = OriginalParts {
            source: &self.original.script_name,
            name: &self.original.name,
            line_number: self.original.line_number,
            column_number: self.original.column_number,
        };
        FunctionParts { original: self.has_original.then_some(original), ..self.function.parts() }
    }

    /// An id of a list: a number, or that of a text.
    fn read_id(&mut self, json: &mut Jiter<'_>, field: &'static str) -> Result<NodeId, Problem> {
        let (kind, id) = if json.peek()? == Peek::String {
            let name = json.known_str()?;
            (Ids::Texts, self.texts.number(FunctionParts { name, ..FunctionParts::default() }))
        } else {
            (Ids::Numbers, number(json, field)?)
        };
        if *self.ids.get_or_insert(kind) != kind {
            return Err(Problem::here("id", "ids must be all numbers or all texts", json));
        }
        Ok(NodeId(id))
    }

    /// Notes the elements of an array, as far as there is room for them.
    fn read_array(
        &mut self,
        json: &mut Jiter<'_>,
        field: &'static str,
        each: impl Fn(&mut Self, &mut Jiter<'_>) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        let mut more = json.next_array().map_err(|e| of(field, e))?.is_some();
        while more {
            each(self, json)?;
            if self.bytes() + self.texts.bytes() > self.most {
                return Err(Problem::Limit);
            }
            more = json.array_step()?.is_some();
        }
        Ok(())
    }

    /// Adds up what was allocated, which must fit into numbers.
    fn add_up(&mut self) -> Result<(), ReadError> {
        for Allocation { count, size } in &self.allocations {
            self.total += *count as f64 * (*size).max(1) as f64;
        }
        ReadError::check_total(self.total)
    }
}

impl NodeFields for CrateFields {
    const TOGETHER: u16 =
        NAME | SCRIPT_ID | SCRIPT_NAME | LINE_NUMBER | COLUMN_NUMBER | START_POSITION | ORIGINAL;

    fn clear(&mut self) {
        self.is_of_cpu = false;
        self.function.clear();
        self.has_original = false;
        self.original.clear();
        self.allocations.clear();
        self.id = None;
        self.child_ids.clear();
    }

    fn field(key: &str) -> Option<Field<Self>> {
        match key {
            "id" => field(ID, |node, json| {
                if node.is_nested && json.peek()? == Peek::String {
                    return Ok(json.next_skip()?);
                }
                node.id = Some(node.read_id(json, "id")?);
                Ok(())
            }),
            "name" => field(NAME, |node, json| text(json, &mut node.function.name, "name")),
            "script_id" => field(SCRIPT_ID, |node, json| {
                number(json, "script_id").map(|id| node.function.script_id = ScriptId::new(id))
            }),
            "script_name" => field(SCRIPT_NAME, |node, json| {
                text(json, &mut node.function.script_name, "script_name")
            }),
            "line_number" => field(LINE_NUMBER, |node, json| {
                place(json, "line_number").map(|line| node.function.line_number = line)
            }),
            "column_number" => field(COLUMN_NUMBER, |node, json| {
                place(json, "column_number").map(|column| node.function.column_number = column)
            }),
            "start_position" => field(START_POSITION, |node, json| {
                // -1 where it is unknown: 0 is the start of a script.
                let position = integer(json, "start_position", -1, u32::MAX.into())?;
                node.function.start_position = u32::try_from(position).ok();
                Ok(())
            }),
            "original" => field(ORIGINAL, |node, json| {
                node.has_original = json.peek()? != Peek::Null;
                if !node.has_original {
                    return Ok(json.next_null()?);
                }
                each_field(json, "original", &mut node.original, original_field).map(drop)
            }),
            "allocations" => field(ALLOCATIONS, |node, json| {
                node.read_array(json, "allocations", |node, json| {
                    node.allocations.push(read_allocation(json)?);
                    Ok(())
                })
            }),
            "child_ids" => field(CHILD_IDS, |node, json| {
                if node.is_nested {
                    return Ok(json.next_skip()?);
                }
                node.read_array(json, "child_ids", |node, json| {
                    let id = node.read_id(json, "child_ids")?;
                    node.child_ids.push(id);
                    Ok(())
                })
            }),
            "callFrame" | "hitCount" => field(OF_CPU, |node, json| {
                node.is_of_cpu = true;
                Ok(json.next_skip()?)
            }),
            _ => None,
        }
    }

    fn take_over(&mut self, noted: u16, rank: u32, builder: &mut Builder) -> Result<(), ReadError> {
        if noted & Self::TOGETHER != 0 {
            builder.set_function(rank, self.parts());
        }
        if let Some(id) = self.id {
            self.numbered += 1;
            builder.set_id(rank, id);
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
        self.function.bytes()
            + self.original.bytes()
            + self.allocations.capacity() * size_of::<Allocation>()
            + self.child_ids.capacity() * size_of::<NodeId>()
    }
}

fn original_field(key: &str) -> Option<Field<FunctionFields>> {
    match key {
        "source" => {
            field(SCRIPT_NAME, |of, json| text(json, &mut of.script_name, "original.source"))
        }
        "name" => field(NAME, |of, json| text(json, &mut of.name, "original.name")),
        "line_number" => field(LINE_NUMBER, |of, json| {
            place(json, "original.line_number").map(|line| of.line_number = line)
        }),
        "column_number" => field(COLUMN_NUMBER, |of, json| {
            place(json, "original.column_number").map(|column| of.column_number = column)
        }),
        _ => None,
    }
}

fn read_allocation(json: &mut Jiter<'_>) -> Result<Allocation, Problem> {
    const MOST: i64 = Profile::MOST as i64;
    const FIELDS: [&str; 2] = ["allocations.count", "allocations.size"];
    let allocation = Allocation { count: 0, size: 0 };
    all_fields(json, "allocations", &FIELDS, "allocation", allocation, |key| match key {
        "count" => field(1, |of, json| {
            integer(json, FIELDS[0], 0, MOST).map(|count| of.count = count as u64)
        }),
        "size" => {
            field(2, |of, json| integer(json, FIELDS[1], 1, MOST).map(|size| of.size = size as u64))
        }
        _ => None,
    })
}
