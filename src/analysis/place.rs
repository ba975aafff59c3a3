//! What makes functions of different sessions the same.

use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::model::{Function, Original, ScriptId, written_line};

/// The identity of a function across sessions, isolates and loads of its script: its name, the name of
/// its script, and the place in it; the original ones where these are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place<'f> {
    name: &'f str,
    script: &'f str,
    /// Of scripts without a name.
    script_id: u32,
    line: u32,
    column: u32,
}

impl<'f> Place<'f> {
    pub(super) fn of(function: &'f Function) -> Self {
        let (script, line, column) = function.shown_place();
        let script_id = function.script_id.filter(|_| script.is_empty());
        Self {
            name: function.shown_name(),
            script,
            script_id: script_id.map_or(0, ScriptId::get),
            line: written_line(line),
            column: written_line(column),
        }
    }

    /// Without the place in the script: scripts change from one version to the next.
    pub(super) fn without_position(self) -> Self {
        Self { line: 0, column: 0, ..self }
    }
}

/// A [`Place`] that outlives its function.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct OwnedPlace {
    name: Box<str>,
    script: Box<str>,
    script_id: u32,
    line: u32,
    column: u32,
}

impl From<Place<'_>> for OwnedPlace {
    fn from(place: Place<'_>) -> Self {
        let Place { name, script, script_id, line, column } = place;
        Self { name: name.into(), script: script.into(), script_id, line, column }
    }
}

/// A function as answers write it: its name and place, in the names of a [`Node`](crate::Node).
#[derive(Serialize)]
struct WrittenPlace<'f> {
    name: &'f str,
    script_name: &'f str,
    script_id: u32,
    line_number: u32,
    column_number: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    original: Option<&'f Original>,
}

impl<'f> WrittenPlace<'f> {
    fn of(function: &'f Function) -> Self {
        Self {
            name: &function.name,
            script_name: &function.script_name,
            script_id: function.script_id.map_or(0, ScriptId::get),
            line_number: written_line(function.line_number),
            column_number: written_line(function.column_number),
            original: function.original.as_deref(),
        }
    }
}

/// Writes a function, for serde's `serialize_with`.
pub(super) fn serialize<S: Serializer>(
    function: &Arc<Function>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    WrittenPlace::of(function).serialize(serializer)
}

/// Writes a function, if there is one.
pub(super) fn serialize_some<S: Serializer>(
    function: &Option<Arc<Function>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    function.as_deref().map(WrittenPlace::of).serialize(serializer)
}

/// Writes functions.
pub(super) fn serialize_all<S: Serializer>(
    functions: &[Arc<Function>],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(functions.iter().map(|function| WrittenPlace::of(function)))
}
