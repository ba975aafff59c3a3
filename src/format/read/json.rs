//! Which of the JSON formats a text is in; what it is instead if it is no heap profile.

use std::io::Read;

use jiter::Peek;

use super::json_pull::{JsonPull, integer, text};
use super::{ReadError, ReadOptions, heapprofile, nodes, profile};
use crate::profile::Profile;

pub(crate) fn read(reader: impl Read, options: &ReadOptions) -> Result<Profile, ReadError> {
    let json = &mut JsonPull::new(reader, options.limit());
    let is_list = json.peek()? == Peek::Array;
    let mut ahead = json.keys_ahead()?;
    check_kind(&ahead, is_list)?;
    if is_list {
        return nodes::read_flat(json, options);
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
            "head" | "samples" => return heapprofile::read(json, key, around, options),
            key if is_wrapper(key) && json.peek()? == Peek::Object => {
                ahead = json.keys_ahead()?;
                check_kind(&ahead, false)?;
                is_entered = true;
            }
            _ if is_reply => json.skip()?,
            // In the order in which they are written, or sorted.
            "version" | "options" | "started" | "collected" | "heap_at_start" | "heap"
            | "heap_before_gc" | "growth" | "counted" | "own_work" | "nodes" => {
                return profile::read(json, key, options);
            }
            "id" | "script_id" | "script_name" | "line_number" | "column_number"
            | "start_position" | "original" | "allocations" | "child_ids" | "children" => {
                return nodes::read_nested(json, &key, options);
            }
            // Many an object has a name.
            "name" => return nodes::read_named(json, options),
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

/// Refuses what is known by its keys to be something else, whatever key comes first.
fn check_kind(keys: &[String], is_list: bool) -> Result<(), ReadError> {
    let has = |key: &str| keys.iter().any(|has| has == key);
    let found = if has("snapshot") && !is_list {
        HEAP_SNAPSHOT
    } else if has("traceEvents") || has("ph") && (has("ts") || has("pid")) {
        "trace events: open them in Perfetto or Chrome DevTools, or take a sampling heap profile \
         instead"
    } else if has("nodes") && (has("startTime") || has("timeDeltas")) {
        CPU_PROFILE
    } else if has("mode") && has("gc_samples") {
        "a profile of stackprof, for Ruby: take a profile of V8's heap instead"
    } else {
        return Ok(());
    };
    Err(ReadError::UnknownFormat { found: found.to_owned() })
}

/// As [`check_kind`], by a key of an object whose value comes next: behind a value that is long a
/// key cannot be seen ahead.
pub(super) fn check_member(json: &mut JsonPull<impl Read>, key: &str) -> Result<(), ReadError> {
    let is_of_snapshot = match key {
        "snapshot" => json.peek()? == Peek::Object,
        // All nodes' fields one after the other.
        "nodes" => json.element_ahead()?.is_some_and(Peek::is_num),
        _ => false,
    };
    if is_of_snapshot {
        return Err(ReadError::UnknownFormat { found: HEAP_SNAPSHOT.to_owned() });
    }
    Ok(())
}

/// Whether an object with these keys is a reply that something has failed, of the DevTools protocol
/// or another one of JSON-RPC.
fn is_error(keys: &[String]) -> bool {
    let is_of_reply = |key: &String| matches!(&**key, "error" | "id" | "jsonrpc" | "sessionId");
    keys.iter().any(|key| key == "error") && keys.iter().all(is_of_reply)
}

/// Reads what a reply says that something has failed.
fn error_reply(json: &mut JsonPull<impl Read>) -> Result<ReadError, ReadError> {
    const MOST: usize = 500;
    let mut key = String::new();
    let (mut message, mut code) = (String::new(), None);
    let mut more = json.enter_object("the reply", &mut key)?;
    while more {
        match (&*key, json.peek()?) {
            ("error" | "message", Peek::String) => {
                json.parse(|json| text(json, &mut message, "error.message"))?;
            }
            ("error", Peek::Object) => {
                more = json.enter_object("error", &mut key)?;
                continue;
            }
            ("code", peek) if peek.is_num() => {
                code = Some(json.parse(|json| integer(json, "error.code", i64::MIN, i64::MAX))?);
            }
            _ => json.skip()?,
        }
        more = json.next_key(&mut key)?;
    }
    if let Some((end, _)) = message.char_indices().nth(MOST) {
        message.replace_range(end.., " ...");
    }
    let code = code.map(|code| format!(" {code}")).unwrap_or_default();
    let found = format!("a reply of the DevTools protocol that is an error{code}: {message}");
    Ok(ReadError::UnknownFormat { found })
}

const HEAP_SNAPSHOT: &str = "a heap snapshot (.heapsnapshot), which has all objects and not where \
     they were allocated: open it in Chrome DevTools, or take a sampling heap profile instead";

/// What a profile of the wrong kind is.
pub(super) const CPU_PROFILE: &str =
    "a CPU profile (.cpuprofile), not one of a heap: take a sampling heap profile instead";
