//! What became of each script's source map.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::memory::MemorySources;
use super::provider::Script;
use crate::model::{Name, ScriptId, plain_text};

/// The result of [`Profile::map_sources`](crate::Profile::map_sources), script by script.
///
/// Displayed as a line for each script.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MapReport {
    /// The scripts whose functions had no original place before, in the order in which the
    /// profile's functions name them.
    pub scripts: Vec<ScriptReport>,
    /// The text of the original files that functions were mapped to, as far as the maps carry it: a
    /// provider for [`Profile::listing`](crate::Profile::listing).
    pub originals: MemorySources,
}

impl MapReport {
    /// The number of functions that were mapped.
    pub fn mapped(&self) -> usize {
        self.scripts.iter().map(|script| script.mapped).sum()
    }

    /// The number of functions in scripts that had no original place before.
    pub fn functions(&self) -> usize {
        self.scripts.iter().map(|script| script.functions).sum()
    }
}

impl fmt::Display for MapReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.scripts.iter().try_for_each(|script| writeln!(f, "{script}"))
    }
}

/// The result for one script and its source map.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ScriptReport {
    /// V8's id of the script; `None` where the profile does not tell.
    pub id: Option<ScriptId>,
    /// The script's name.
    pub name: Name,
    /// The place of the map: the URL that the script's text gives, resolved against the script's
    /// name; `inline` for a map in the text, or `provider` for one that the text does not name;
    /// `None` if neither the text nor the provider has one.
    pub map: Option<String>,
    /// The number of the script's functions that had no original place before.
    pub functions: usize,
    /// The number of these that have one now. The others are of no original file (a bundler's own
    /// code, the script as a whole if it is made of several files), the map says nothing about
    /// them, or the profile does not tell their line and column.
    pub mapped: usize,
    /// The reason why the map cannot be used: it is not where the text says, it or the text cannot
    /// be read, or it is broken. `None` if it can be used, or if there is none.
    pub problem: Option<String>,
}

impl fmt::Display for ScriptReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let script = Script { id: self.id, name: &self.name };
        write!(f, "{script}: {} of {} functions mapped", self.mapped, self.functions)?;
        match (&self.problem, &self.map) {
            (Some(problem), _) => write!(f, ": {}", plain_text(problem)),
            (None, None) => f.write_str(
                ": it has no source map: build it with one, or have the provider supply it",
            ),
            (None, Some(map)) if self.mapped == 0 => {
                let map = plain_text(map);
                write!(f, ": its source map was found ({map}), and has no original place for them")
            }
            (None, Some(_)) => Ok(()),
        }
    }
}
