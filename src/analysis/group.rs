//! By what values are added up.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::package::{package_of, without_query};
use crate::model::{AnalysisError, Function, Place, SampleType};
use crate::profile::Profile;
use crate::tree::NONE;

/// The key by which values are aggregated.
///
/// ```
/// use v8_heap_sampler::analysis::GroupBy;
/// assert_eq!("package".parse(), Ok(GroupBy::Package));
/// assert_eq!("label:isolate".parse(), Ok(GroupBy::Label("isolate".to_owned())));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GroupBy {
    /// Functions, by name and place.
    #[default]
    Function,
    /// Functions by name and script, wherever they stand in it: for comparing versions of a script.
    FunctionName,
    /// Scripts, by name. What has none, built-in functions and V8's own work, is `(no script)`.
    Script,
    /// The folders that scripts are in, by path or URL.
    Directory,
    /// Packages, by the names of scripts: `x` of `node_modules/x`, `npm:x@1`, `jsr:@s/x@1`,
    /// `https://deno.land/x/oak@v12`, `node:fs`, `ext:core`; else the origin of a URL, or `(own
    /// code)`.
    Package,
    /// The values of a label with this key. What does not have it is `(none)`.
    Label(String),
}

impl std::str::FromStr for GroupBy {
    type Err = AnalysisError;

    fn from_str(name: &str) -> Result<Self, AnalysisError> {
        Ok(match name {
            "function" => Self::Function,
            "name" => Self::FunctionName,
            "script" => Self::Script,
            "directory" => Self::Directory,
            "package" => Self::Package,
            _ => match name.strip_prefix("label:") {
                Some(key) if !key.is_empty() => Self::Label(key.to_owned()),
                _ => return Err(AnalysisError::UnknownGroup { name: name.to_owned() }),
            },
        })
    }
}

impl GroupBy {
    /// What the column of names is headed by.
    pub(super) fn heading(&self) -> &str {
        match self {
            Self::Function | Self::FunctionName => "function",
            Self::Script => "script",
            Self::Directory => "directory",
            Self::Package => "package",
            Self::Label(key) => key,
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

/// Numbers things by their keys, in the order in which they come.
pub(super) struct Numbers<K>(HashMap<K, u32, RandomState>);

impl<K: Eq + Hash> Default for Numbers<K> {
    fn default() -> Self {
        Self(HashMap::default())
    }
}

impl<K: Eq + Hash> Numbers<K> {
    pub(super) fn of(&mut self, key: K) -> u32 {
        let next = self.0.len() as u32;
        *self.0.entry(key).or_insert(next)
    }
}

/// The groups of a profile's functions, and the group of each, by its number. The root, which is no
/// function, is in none. Not for labels, which are not the functions'.
pub(super) fn of_functions(profile: &Profile, by: &GroupBy) -> (Vec<Group>, Vec<u32>) {
    let functions = profile.functions();
    let mut groups = Vec::new();
    let mut group_of = vec![NONE; functions.len()];
    // No other context has the number of the root.
    let root = profile.function_numbers()[0] as usize;
    let mut add = |number: u32, name: &dyn Fn() -> String, function: Option<&Arc<Function>>| {
        if number as usize == groups.len() {
            groups.push(Group { name: name(), function: function.cloned(), is_root: false });
        }
        number
    };
    match by {
        GroupBy::Function | GroupBy::Label(_) => {
            let (firsts, place_of) = profile.places();
            group_of = place_of;
            for (number, first) in (0..).zip(firsts) {
                let function = &functions[first as usize];
                add(number, &|| function.to_string(), Some(function));
            }
        }
        GroupBy::FunctionName => {
            let mut numbers = Numbers::default();
            for (at, function) in functions.iter().enumerate() {
                if at != root {
                    let name = || format!("{} {}", function.display_name(), script_of(function));
                    let number = numbers.of(Place::of(function).without_position());
                    group_of[at] = add(number, &name, Some(function));
                }
            }
        }
        GroupBy::Script | GroupBy::Directory | GroupBy::Package => {
            let mut numbers = Numbers::default();
            for (at, function) in functions.iter().enumerate() {
                let name = match by {
                    GroupBy::Script => script_of(function),
                    GroupBy::Directory => directory_of(function),
                    _ => package_name_of(function),
                };
                if at != root {
                    group_of[at] = add(numbers.of(name.clone()), &|| name.clone(), None);
                }
            }
        }
    }
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
    let mut numbers = Numbers::default();
    for group in &*groups {
        numbers.of(group.key(by));
    }
    let mut joined = Vec::with_capacity(more.len());
    for group in more {
        let number = numbers.of(group.key(by));
        if number as usize == groups.len() {
            groups.push(group);
        }
        joined.push(number);
    }
    for group in group_of.iter_mut().filter(|group| **group != NONE) {
        *group = joined[*group as usize];
    }
}
