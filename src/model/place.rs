//! What makes functions of different sessions the same.

use super::node::written_line;
use super::{Function, ScriptId};

/// The identity of a function across sessions, isolates and loads of its script: its name, the name
/// of its script, and the place in it; the original ones where these are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place<'f> {
    name: &'f str,
    script: &'f str,
    /// Of scripts without a name.
    script_id: u32,
    line: u32,
    column: u32,
}

impl<'f> Place<'f> {
    pub(crate) fn of(function: &'f Function) -> Self {
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
    pub(crate) fn without_position(self) -> Self {
        Self { line: 0, column: 0, ..self }
    }
}

/// A [`Place`] that outlives its function.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct OwnedPlace {
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
