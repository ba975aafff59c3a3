//! Which of the JSON formats a text is in.

use std::io::Read;

use jiter::Peek;

use super::json_pull::JsonPull;
use super::read::ReadOptions;
use super::read_error::ReadError;
use super::{read_heapprofile, read_nodes, read_profile};
use crate::heap_profile::HeapProfile;

pub(crate) fn read(reader: impl Read, options: &ReadOptions) -> Result<HeapProfile, ReadError> {
    let json = &mut JsonPull::new(reader, options.limit());
    if json.peek()? == Peek::Array {
        return read_nodes::read_flat(json, options);
    }
    let mut key = String::new();
    let mut more = json.enter_object("the profile", &mut key)?;
    let mut keys = Vec::new();
    while more {
        match &*key {
            "head" | "samples" => return read_heapprofile::read(json, key, options),
            // In the order in which they are written, or sorted.
            "version" | "options" | "started" | "collected" | "heap_at_start" | "heap"
            | "own_work" | "nodes" => return read_profile::read(json, key, options),
            "id" | "script_id" | "script_name" | "line_number" | "column_number"
            | "start_position" | "original" | "allocations" | "child_ids" | "children" => {
                return read_nodes::read_nested(json, &key, options);
            }
            // Many an object has a name.
            "name" => return read_nodes::read_named(json, options),
            _ => {}
        }
        if keys.len() < 5 {
            keys.push(format!("{key:?}"));
        }
        json.skip()?;
        more = json.next_key(&mut key)?;
    }
    let found = match keys.len() {
        0 => "an empty JSON object".to_owned(),
        _ => format!(
            "a JSON object with {}, but neither \"head\" (.heapprofile), \"version\" (this crate's \
             Profile) nor the fields of a node",
            keys.join(", ")
        ),
    };
    Err(ReadError::UnknownFormat { found })
}
