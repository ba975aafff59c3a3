//! Trees of JSON objects within objects, in preorder and without recursion.

use std::io::Read;
use std::num::NonZeroU32;

use jiter::Jiter;

use super::ReadError;
use super::json_pull::{Field, JsonPull, Problem, field, of};
use crate::model::ScriptId;
use crate::profile::{Builder, FunctionParts, push};

/// The fields of a node, as a format names them.
///
/// Some are read at a time: those before the children, and those after. They are noted first, as
/// reading them can start anew, and then taken over.
pub(crate) trait NodeFields: Sized {
    /// The fields that must stand together, on one side of the children.
    const TOGETHER: u16;

    /// Forgets what was noted.
    fn clear(&mut self);

    /// The field of a key, if it matters, which notes its value. The array of child nodes is none.
    fn field(key: &str) -> Option<Field<Self>>;

    /// Takes over what was noted: the fields of the bits in `noted`.
    fn take_over(&mut self, noted: u16, rank: u32, builder: &mut Builder) -> Result<(), ReadError>;

    /// A field that a node lacks which has those in `has`.
    fn missing(has: u16) -> Option<&'static str>;

    /// The bytes held.
    fn bytes(&self) -> usize;
}

/// The fields that name a function.
#[derive(Default)]
pub(crate) struct FunctionFields {
    pub(crate) name: String,
    pub(crate) script_name: String,
    pub(crate) script_id: Option<ScriptId>,
    pub(crate) line_number: Option<NonZeroU32>,
    pub(crate) column_number: Option<NonZeroU32>,
    pub(crate) start_position: Option<u32>,
}

impl FunctionFields {
    #[inline]
    pub(crate) fn clear(&mut self) {
        self.name.clear();
        self.script_name.clear();
        (self.script_id, self.start_position) = (None, None);
        (self.line_number, self.column_number) = (None, None);
    }

    #[inline]
    pub(crate) fn parts(&self) -> FunctionParts<'_> {
        FunctionParts {
            name: &self.name,
            script_name: &self.script_name,
            script_id: self.script_id,
            line_number: self.line_number,
            column_number: self.column_number,
            start_position: self.start_position,
            original: None,
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.name.capacity() + self.script_name.capacity()
    }
}

/// The bit of the array of child nodes.
pub(crate) const CHILDREN: u16 = 1 << 15;

/// As [`NodeFields::field`], with the array of child nodes, which is not read as a field is.
#[inline]
fn field_of<F: NodeFields>(key: &str) -> Option<Field<F>> {
    if key == "children" { field(CHILDREN, |_, _| Ok(())) } else { F::field(key) }
}

/// Where in a node a part of its fields starts.
#[derive(Clone, Copy)]
pub(crate) enum Start<'k> {
    Object,
    /// The first key has been read.
    AfterKey(&'k str),
    Middle,
}

/// What a part of a node's fields ends with.
#[derive(Clone, Copy)]
pub(crate) enum End {
    /// An array of children that are to be read.
    Children,
    Node,
}

/// Reads a tree into `builder`. The first key of the root has been read already if `first_key` is
/// given.
pub(crate) fn read_tree<R: Read, F: NodeFields>(
    json: &mut JsonPull<R>,
    first_key: Option<&str>,
    fields: &mut F,
    builder: &mut Builder,
) -> Result<(), ReadError> {
    // The fields that the open nodes have, the innermost last.
    let mut has: Vec<u16> = Vec::new();
    let mut start = first_key.map_or(Start::Object, Start::AfterKey);
    loop {
        let mut rank = builder.enter()?;
        push(&mut has, 0);
        json.check(builder.bytes() + fields.bytes() + 2 * has.capacity())?;
        loop {
            let known = has.last_mut().expect("a node is open");
            let (end, noted) = json.parse(|json| read_fields(json, start, fields, *known))?;
            fields.take_over(noted, rank, builder)?;
            *known |= noted;
            start = Start::Object;
            if let End::Children = end {
                break;
            }
            if let Some(field) = F::missing(*known) {
                return Err(json.field_error(field, "the node that ends here lacks it"));
            }
            json.check(builder.bytes() + fields.bytes() + 2 * has.capacity())?;
            has.pop();
            builder.leave();
            let Some(parent) = builder.current() else {
                return Ok(());
            };
            if json.next_element()? {
                break;
            }
            // After the children, other fields can come.
            rank = parent;
            start = Start::Middle;
        }
    }
}

/// Reads fields of a node up to its children, or to its end; says which. It has those in `known`
/// already.
#[inline]
pub(crate) fn read_fields<F: NodeFields>(
    json: &mut Jiter<'_>,
    start: Start<'_>,
    fields: &mut F,
    known: u16,
) -> Result<(End, u16), Problem> {
    fields.clear();
    let mut noted = 0;
    let mut next = match start {
        Start::AfterKey(key) => Some(field_of(key)),
        Start::Object => json.next_object().map_err(|e| of("node", e))?.map(field_of),
        Start::Middle => json.next_key()?.map(field_of),
    };
    while let Some(field) = next {
        let bit = field.map_or(0, |(bit, _)| bit);
        if (known | noted) & bit != 0 {
            return Err(Problem::here("node", "the node has the field twice", json));
        }
        if bit & F::TOGETHER != 0 && known & F::TOGETHER != 0 {
            let problem = "what names its function stands on both sides of the children";
            return Err(Problem::here("node", problem, json));
        }
        noted |= bit;
        match field {
            None => json.next_skip()?,
            Some((CHILDREN, _)) => {
                if json.next_array().map_err(|e| of("children", e))?.is_some() {
                    return Ok((End::Children, noted));
                }
            }
            Some((_, read)) => read(fields, json)?,
        }
        next = json.next_key()?.map(field_of);
    }
    Ok((End::Node, noted))
}
