//! Trees of JSON objects within objects, in preorder and without recursion.

use std::io::Read;

use jiter::Jiter;

use super::json_pull::{JsonPull, Problem, of};
use super::read_error::ReadError;
use crate::profile::{Builder, push};

/// The fields of a node, as a format names them.
///
/// Some are read at a time: those before the children, and those after. They are noted first, as
/// reading them can start anew, and then taken over.
pub(crate) trait NodeFields {
    /// The bit that stands for a key: [`CHILDREN`] for the array of child nodes, 0 for a key that
    /// does not matter.
    fn bit(key: &str) -> u16;

    /// Forgets what was noted.
    fn clear(&mut self);

    /// Notes the value of the key with this bit.
    fn note(&mut self, bit: u16, json: &mut Jiter<'_>) -> Result<(), Problem>;

    /// Takes over what was noted: the fields of the bits in `noted`.
    fn take_over(&mut self, noted: u16, rank: u32, builder: &mut Builder) -> Result<(), ReadError>;

    /// The fields that must stand together, on one side of the children.
    const TOGETHER: u16 = 0;

    /// A field that a node lacks which has those in `has`.
    fn missing(has: u16) -> Option<&'static str>;

    /// The bytes held.
    fn bytes(&self) -> usize {
        0
    }
}

/// The bit of the array of child nodes.
pub(crate) const CHILDREN: u16 = 1 << 15;

/// Where in a node a part of its fields starts.
#[derive(Clone, Copy)]
pub(crate) enum Start {
    Object,
    /// The first key has been read.
    AfterKey(u16),
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
    let mut start = first_key.map_or(Start::Object, |key| Start::AfterKey(F::bit(key)));
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
    start: Start,
    fields: &mut F,
    known: u16,
) -> Result<(End, u16), Problem> {
    fields.clear();
    let mut noted = 0;
    let mut next = match start {
        Start::AfterKey(bit) => Some(bit),
        Start::Object => json.next_object().map_err(|e| of("node", e))?.map(F::bit),
        Start::Middle => json.next_key()?.map(F::bit),
    };
    while let Some(bit) = next {
        if (known | noted) & bit != 0 {
            return Err(Problem::here("node", "the node has the field twice", json));
        }
        if bit & F::TOGETHER != 0 && known & F::TOGETHER != 0 {
            let problem = "what names its function stands on both sides of the children";
            return Err(Problem::here("node", problem, json));
        }
        noted |= bit;
        match bit {
            0 => json.next_skip()?,
            CHILDREN => {
                if json.next_array().map_err(|e| of("children", e))?.is_some() {
                    return Ok((End::Children, noted));
                }
            }
            _ => fields.note(bit, json)?,
        }
        next = json.next_key()?.map(F::bit);
    }
    Ok((End::Node, noted))
}
