//! What makes two nodes the same function.

use std::fmt;
use std::num::NonZeroU32;

use crate::profile::{Name, Node, PseudoFrame, ScriptId};

/// The identity of a function: two nodes are the same function if all of this is equal.
///
/// V8 itself tells functions apart by script and start position, or by name where there is no
/// script. Profiles that lack the start position (as DevTools' do) still have name and place, so
/// all of it counts; within one collection that comes to the same.
///
/// Displayed as `name script:line:column`, with `(anonymous)` for an empty name and without the
/// parts that are unknown:
///
/// ```
/// use std::num::NonZeroU32;
/// use v8_heap_sampler::Function;
///
/// let mut function = Function::named("render");
/// assert_eq!(function.to_string(), "render");
/// function.script_name = "app.js".into();
/// function.line_number = NonZeroU32::new(12);
/// function.column_number = NonZeroU32::new(7);
/// assert_eq!(function.to_string(), "render app.js:12:7");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Function {
    /// The script that the function is in; `None` for built-in functions and pseudo frames.
    pub script_id: Option<ScriptId>,
    /// The script's name; empty if it has none.
    pub script_name: Name,
    /// The function's name; empty for anonymous functions and for the top level of a script.
    pub name: Name,
    /// The line where the function starts, 1-based.
    pub line_number: Option<NonZeroU32>,
    /// The column where the function starts, 1-based, in UTF-16 units.
    pub column_number: Option<NonZeroU32>,
    /// Where the function starts in its script, in UTF-16 units.
    pub start_position: Option<u32>,
}

impl Function {
    /// A function of which only the name is known.
    #[must_use]
    pub fn named(name: impl Into<Name>) -> Self {
        Self {
            script_id: None,
            script_name: Name::default(),
            name: name.into(),
            line_number: None,
            column_number: None,
            start_position: None,
        }
    }

    /// The function that `node` is a context of.
    #[must_use]
    pub fn of(node: &Node) -> Self {
        Self {
            script_id: node.script_id,
            script_name: node.script_name.clone(),
            name: node.name.clone(),
            line_number: node.line_number,
            column_number: node.column_number,
            start_position: node.start_position,
        }
    }

    /// Which of V8's pseudo frames this is, or `None` for a real function.
    #[must_use]
    pub fn pseudo_frame(&self) -> Option<PseudoFrame> {
        match self.script_id {
            None => PseudoFrame::from_name(&self.name),
            Some(_) => None,
        }
    }

    /// The name, or `(anonymous)` if there is none: for display.
    #[must_use]
    pub fn display_name(&self) -> &str {
        match self.name.as_str() {
            "" => "(anonymous)",
            name => name,
        }
    }

    /// Where the function starts, as `script:line:column` without the parts that are unknown;
    /// empty if nothing is known: for display.
    #[must_use]
    pub fn display_location(&self) -> String {
        let mut location = match (self.script_name.as_str(), self.script_id) {
            ("", None) => return String::new(),
            ("", Some(id)) => format!("(script {id})"),
            (name, _) => name.to_owned(),
        };
        if let Some(line) = self.line_number {
            location += &format!(":{line}");
            if let Some(column) = self.column_number {
                location += &format!(":{column}");
            }
        }
        location
    }
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.display_name())?;
        match self.display_location().as_str() {
            "" => Ok(()),
            location => write!(f, " {location}"),
        }
    }
}
