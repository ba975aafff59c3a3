//! By what values are added up.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use foldhash::fast::RandomState;
use serde::{Deserialize, Serialize};

use super::package::{package_of, without_query};
use crate::model::{AnalysisError, Function, Place, SampleType, ScriptId};
use crate::profile::Profile;
use crate::tree::NONE;

/// The key by which values are aggregated.
///
/// ```
/// use v8_heap_sampler::analysis::GroupBy;
/// assert_eq!("package".parse(), Ok(GroupBy::Package));
/// assert_eq!("label:isolate".parse(), Ok(GroupBy::Label("isolate".to_owned())));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GroupBy {
    /// Functions, by name and place.
    #[default]
    Function,
    /// Functions by name and script, wherever they stand in it: for comparing versions of a script.
    FunctionName,
    /// Scripts, by name. What has none, built-in functions and V8's own work, is `(no script)`.
    ///
    /// Built-in functions count for their callers, here and by folder and package, if they are
    /// [hidden](super::Query::hide): `profile.query(&Query::new().hide(Pattern::builtin()))`.
    Script,
    /// The folders that scripts are in, by path or URL.
    Directory,
    /// Packages, by the names of scripts: `x` of `node_modules/x`, `npm:x@1`, `jsr:@s/x@1`,
    /// `https://deno.land/x/oak@v12`, `node:fs`, `ext:core`; else the origin of a URL, or `(own
    /// code)`.
    Package,
    /// Stacks, each with what was allocated right on top of it: its total is the same.
    Stack,
    /// The values of a label with this key. What does not have it is `(none)`.
    Label(String),
}

impl std::str::FromStr for GroupBy {
    type Err = AnalysisError;

    fn from_str(name: &str) -> Result<Self, AnalysisError> {
        use GroupBy::{Directory, Function, FunctionName, Package, Script, Stack};
        if let Some(key) = name.strip_prefix("label:").filter(|key| !key.is_empty()) {
            return Ok(Self::Label(key.to_owned()));
        }
        [Function, FunctionName, Script, Directory, Package, Stack]
            .into_iter()
            .find(|by| by.name() == name)
            .ok_or_else(|| AnalysisError::UnknownGroup { name: name.to_owned() })
    }
}

impl fmt::Display for GroupBy {
    /// The name that is parsed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Label(key) => f.pad(&format!("label:{key}")),
            _ => f.pad(self.name()),
        }
    }
}

impl GroupBy {
    fn name(&self) -> &str {
        match self {
            Self::Function => "function",
            Self::FunctionName => "name",
            Self::Script => "script",
            Self::Directory => "directory",
            Self::Package => "package",
            Self::Stack => "stack",
            Self::Label(key) => key,
        }
    }

    /// What the column of names is headed by.
    pub(super) fn heading(&self) -> &str {
        match self {
            Self::FunctionName => "function",
            Self::Stack => "stack, the innermost function first",
            _ => self.name(),
        }
    }
}

/// What the root is called, whatever its function is.
pub(super) const ROOT: &str = "(root)";

/// A group of functions or of label sets.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) name: String,
    /// The function, or one of them, if it is a group of functions.
    pub(super) function: Option<Arc<Function>>,
    /// Whether it is the root's own.
    pub(super) is_root: bool,
}

/// What makes groups of different profiles the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum GroupKey {
    Root,
    Name(String),
    Function(Place),
}

impl Group {
    pub(super) fn of(name: String, function: Option<&Arc<Function>>) -> Self {
        Self { name, function: function.cloned(), is_root: false }
    }

    pub(super) fn key(&self, by: &GroupBy) -> GroupKey {
        match &self.function {
            _ if self.is_root => GroupKey::Root,
            Some(function) => {
                let place = Place::of(function);
                let is_by_name = *by == GroupBy::FunctionName;
                let place = if is_by_name { place.without_position() } else { place };
                GroupKey::Function(place)
            }
            None => GroupKey::Name(self.name.clone()),
        }
    }
}

/// The different ones of some groups, in the order in which they come, and which of them each is.
pub(super) fn distinct(
    groups: impl Iterator<Item = Group>,
    by: &GroupBy,
) -> (Vec<Group>, Vec<u32>) {
    let mut numbers: HashMap<GroupKey, u32, RandomState> = HashMap::default();
    let mut distinct = Vec::new();
    let number_of = groups.map(|group| {
        *numbers.entry(group.key(by)).or_insert_with(|| {
            distinct.push(group);
            distinct.len() as u32 - 1
        })
    });
    let number_of = number_of.collect();
    (distinct, number_of)
}

/// The groups of a profile's functions, and the group of each, by its number. The root, which is no
/// function, is in none. By stack and label, which are not the functions', they are by function.
pub(super) fn of_functions(profile: &Profile, by: &GroupBy) -> (Vec<Group>, Vec<u32>) {
    let functions = profile.functions();
    let name_of: fn(&Function) -> String = match by {
        GroupBy::Function | GroupBy::Stack | GroupBy::Label(_) => {
            let (firsts, place_of) = profile.places();
            let firsts = firsts.into_iter().map(|first| &functions[first as usize]);
            return (
                firsts.map(|first| Group::of(first.to_string(), Some(first))).collect(),
                place_of,
            );
        }
        GroupBy::FunctionName => {
            |function| format!("{} {}", function.display_name(), script_of(function))
        }
        GroupBy::Script => script_of,
        GroupBy::Directory => directory_of,
        GroupBy::Package => package_name_of,
    };
    // No other context has the number of the root.
    let root = profile.function_numbers()[0] as usize;
    let others = functions.iter().enumerate().filter(|&(at, _)| at != root);
    let groups = others.map(|(_, function)| {
        Group::of(name_of(function), Some(function).filter(|_| *by == GroupBy::FunctionName))
    });
    let (groups, mut group_of) = distinct(groups, by);
    group_of.insert(root, NONE);
    (groups, group_of)
}

/// The groups of functions, and behind them one of the root if it is asked for: then all values of
/// the profile are in a group.
pub(super) fn of_contexts(
    profile: &Profile,
    by: &GroupBy,
    with_root: bool,
) -> (Vec<Group>, Vec<u32>) {
    let (mut groups, mut group_of) = of_functions(profile, by);
    if with_root {
        let is_function = matches!(by, GroupBy::Function | GroupBy::FunctionName);
        let function = is_function.then(|| Arc::clone(profile.root().function()));
        group_of[profile.function_numbers()[0] as usize] = groups.len() as u32;
        groups.push(Group { name: ROOT.to_owned(), function, is_root: true });
    }
    (groups, group_of)
}

/// The number of scripts, by their ids, that the functions of each group are of.
pub(super) fn scripts(profile: &Profile, groups: usize, group_of: &[u32]) -> Vec<u32> {
    let functions = profile.functions().iter().zip(group_of);
    let mut ids: Vec<(u32, ScriptId)> = functions
        .filter(|&(_, &group)| group != NONE)
        .filter_map(|(function, &group)| Some((group, function.script_id?)))
        .collect();
    ids.sort_unstable();
    ids.dedup();
    let mut scripts = vec![0; groups];
    for (group, _) in ids {
        scripts[group as usize] += 1;
    }
    scripts
}

/// Whether the root of any of the profiles has values of its own, which no function has.
pub(super) fn has_root_values<'p>(
    profiles: impl IntoIterator<Item = &'p Profile>,
    sample_type: SampleType,
) -> bool {
    profiles.into_iter().any(|profile| {
        let mut rows = profile.row_data().iter().take_while(|row| row.context == 0);
        rows.any(|row| row.value(sample_type) != 0.0)
    })
}

const NO_SCRIPT: &str = "(no script)";

/// The name of a function's script or original source, or what is said if it has none.
fn script_of(function: &Function) -> String {
    match (function.shown_place().0.as_str(), function.script_id) {
        ("", None) => NO_SCRIPT.to_owned(),
        ("", Some(id)) => format!("(script {id})"),
        (name, _) => name.to_owned(),
    }
}

fn directory_of(function: &Function) -> String {
    let name = without_query(function.shown_place().0);
    match (name.rfind(['/', '\\']), name.is_empty()) {
        (_, true) => script_of(function),
        (Some(0), _) => "/".to_owned(),
        (Some(at), _) => name[..at].to_owned(),
        (None, _) => ".".to_owned(),
    }
}

fn package_name_of(function: &Function) -> String {
    match function.shown_place().0.as_str() {
        "" => script_of(function),
        name => package_of(name).unwrap_or_else(|| "(own code)".to_owned()),
    }
}

/// Adds the groups of another profile to those of one, and renumbers which group each of its things
/// is in.
pub(super) fn join(groups: &mut Vec<Group>, more: Vec<Group>, group_of: &mut [u32], by: &GroupBy) {
    let known = groups.len();
    let (all, number_of) = distinct(groups.drain(..).chain(more), by);
    *groups = all;
    for group in group_of.iter_mut().filter(|group| **group != NONE) {
        *group = number_of[known + *group as usize];
    }
}
