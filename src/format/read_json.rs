//! Which of the JSON formats a text is in.

use std::io::Read;

use jiter::Peek;

use super::json_pull::JsonPull;
use super::other_json::{check_kind, check_member, error_reply, is_error};
use super::read_error::ReadError;
use super::read_options::ReadOptions;
use super::{read_heapprofile, read_nodes, read_profile};
use crate::profile::Profile;

pub(crate) fn read(reader: impl Read, options: &ReadOptions) -> Result<Profile, ReadError> {
    let json = &mut JsonPull::new(reader, options.limit());
    let is_list = json.peek()? == Peek::Array;
    let mut ahead = json.keys_ahead()?;
    check_kind(&ahead, is_list)?;
    if is_list {
        return read_nodes::read_flat(json, options);
    }
    if is_error(&ahead) {
        return Err(error_reply(json)?);
    }
    let mut key = String::new();
    let mut more = json.enter_object("the profile", &mut key)?;
    let mut keys = Vec::new();
    // How many objects are around the one that is read.
    let mut around = 0;
    while more {
        let mut is_entered = false;
        if around == 0 {
            check_member(json, &key)?;
        }
        let is_reply = around > 0 || ahead.iter().any(|key| is_wrapper(key));
        match &*key {
            "head" | "samples" => return read_heapprofile::read(json, key, around, options),
            key if is_wrapper(key) && json.peek()? == Peek::Object => {
                ahead = json.keys_ahead()?;
                check_kind(&ahead, false)?;
                is_entered = true;
            }
            _ if is_reply => json.skip()?,
            // In the order in which they are written, or sorted.
            "version" | "options" | "started" | "collected" | "heap_at_start" | "heap"
            | "own_work" | "nodes" => return read_profile::read(json, key, options),
            "id" | "script_id" | "script_name" | "line_number" | "column_number"
            | "start_position" | "original" | "allocations" | "child_ids" | "children" => {
                return read_nodes::read_nested(json, &key, options);
            }
            // Many an object has a name.
            "name" => return read_nodes::read_named(json, options),
            _ => json.skip()?,
        }
        if keys.len() < 5 {
            keys.push(format!("{key:?}"));
        }
        around += usize::from(is_entered);
        more = if is_entered {
            json.enter_object("the profile", &mut key)?
        } else {
            json.next_key(&mut key)?
        };
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

/// Whether the key is one under which a reply of the DevTools protocol holds a profile.
fn is_wrapper(key: &str) -> bool {
    matches!(key, "result" | "profile")
}
