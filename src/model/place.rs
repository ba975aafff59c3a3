//! What makes functions of different sessions the same.

use super::written::written_line;
use super::{Function, Name, ScriptId};

/// The identity of a function across sessions, isolates and loads of its script: its name, the name
/// of its script, and the place in it; the original ones where these are known.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    name: Name,
    script: Name,
    /// Of scripts without a name.
    script_id: u32,
    line: u32,
    column: u32,
}

impl Place {
    pub(crate) fn of(function: &Function) -> Self {
        let (script, line, column) = function.shown_place();
        let script_id = function.script_id.filter(|_| script.is_empty());
        Self {
            name: function.shown_name().clone(),
            script: script.clone(),
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
