//! What became of each script's source map.

use std::fmt;
use std::io;

use super::memory::MemorySources;
use crate::model::{Name, ScriptId, plain_text};

/// The result of [`Profile::map_sources`](crate::Profile::map_sources), script by script.
///
/// Displayed as a line for each script.
#[derive(Debug, Default)]
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
#[derive(Debug)]
#[non_exhaustive]
pub struct ScriptReport {
    /// V8's id of the script; `None` where the profile does not tell.
    pub id: Option<ScriptId>,
    /// The script's name.
    pub name: Name,
    /// The place where the map was found: its URL, `inline` for one in the script, or `provider`
    /// for one that the script's text does not name.
    pub map: Option<String>,
    /// The number of the script's functions that had no original place before.
    pub functions: usize,
    /// The number of these that have one now. The others are of no original file (a bundler's own
    /// code, the script as a whole if it is made of several files), the map says nothing about
    /// them, or the profile does not tell their line and column.
    pub mapped: usize,
    /// The reason why there is no map that can be used; `None` if there is one.
    pub problem: Option<MapProblem>,
}

impl fmt::Display for ScriptReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.name.as_str(), self.id) {
            ("", Some(id)) => write!(f, "(script {id})")?,
            (name, _) => f.write_str(&plain_text(name))?,
        }
        write!(f, ": {} of {} functions mapped", self.mapped, self.functions)?;
        match (&self.problem, &self.map) {
            (Some(problem), _) => write!(f, ": {problem}"),
            (None, Some(map)) if self.mapped == 0 => {
                write!(f, ": its source map was found ({map}), and has no original place for them")
            }
            (None, _) => Ok(()),
        }
    }
}

/// A reason why a script has no source map that can be used.
///
/// ```
/// use v8_heap_sampler::source::MapProblem;
/// let problem = MapProblem::NotFound { url: "dist/app.js.map".to_owned() };
/// assert!(problem.to_string().starts_with("the source map dist/app.js.map is not there"));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MapProblem {
    /// Neither the script's text nor the provider has one.
    #[error("it has no source map: build it with one, or have the provider supply it")]
    NoMap,

    /// The script's text names a map that the provider does not have.
    #[error("the source map {} is not there: have the provider supply it", plain_text(url))]
    NotFound {
        /// The map's URL, resolved against the script's name.
        url: String,
    },

    /// The provider failed.
    #[error("{what} cannot be read: {}", plain_text(&error.to_string()))]
    Unreadable {
        /// What was to be read: the script's text, or its map.
        what: &'static str,
        /// What the provider says.
        error: io::Error,
    },

    /// The text is no source map of version 3, or a damaged one.
    #[error("its source map is broken: {}; build it anew", plain_text(problem))]
    Broken {
        /// What is wrong.
        problem: String,
    },
}
