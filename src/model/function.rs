//! What makes two nodes the same function.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};

use super::original::push_place;
use super::written::{self, written_line};
use super::{Name, Original, ScriptId, plain_text};

/// The identity of a function: two nodes are the same function if all of this is equal.
///
/// V8 itself tells functions apart by script and start position, or by name where there is no
/// script. Profiles that lack the start position (as DevTools' do) still have name and place, so
/// all of it counts; within one collection that comes to the same.
///
/// Written by serde by name and place, in the names of a [`Node`](crate::Node): 0 stands for what
/// is unknown, and an unknown start position or original is left out.
///
/// Displayed as `name script:line:column`, with `(anonymous)` for an empty name and without the
/// parts that are unknown, as [`plain_text`](crate::format::plain_text). Where the
/// [original](Self::original) place is known, that is what is displayed:
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Function {
    /// The script that the function is in; `None` for built-in functions and pseudo frames.
    #[serde(deserialize_with = "written::script_id")]
    pub script_id: Option<ScriptId>,
    /// The script's name (often its URL or path), cut at 1024 UTF-16 units by V8; empty if it has
    /// none, or if the script was unloaded before a profile of the session
    /// [noted it down](https://docs.rs/v8-heap-sampler/latest/v8_heap_sampler/struct.HeapSampler.html#method.note_scripts).
    pub script_name: Name,
    /// The function's name; empty for anonymous functions and for the top level of a script.
    pub name: Name,
    /// The line where the function *starts*, 1-based; `None` where unknown. (Not the line of the
    /// allocation: V8 does not record that.)
    #[serde(with = "written::line")]
    pub line_number: Option<NonZeroU32>,
    /// The column where the function starts, 1-based, in UTF-16 units; `None` where unknown.
    #[serde(with = "written::line")]
    pub column_number: Option<NonZeroU32>,
    /// The function's start in its script, in UTF-16 units from the script's beginning;
    /// `None` where there is no script or V8 does not know.
    #[serde(deserialize_with = "written::start_position")]
    pub start_position: Option<u32>,
    /// The function's place in the source that its script was made of; `None` as long as no
    /// source map was applied. All other fields are about the generated script, the one that V8
    /// ran.
    ///
    /// Shared, as most functions of a profile have none.
    pub original: Option<Arc<Original>>,
}

impl Function {
    /// A function of which only the name is known.
    #[must_use]
    pub fn named(name: impl Into<Name>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// The pseudo frame of V8's that this is, or `None` for a real function.
    ///
    /// A JavaScript function that is merely named like one, `(GC)` say, has a script and is real.
    pub fn pseudo_frame(&self) -> Option<PseudoFrame> {
        match self.script_id {
            // In files that tell no ids, a function's script has a name.
            None if self.script_name.is_empty() => PseudoFrame::from_name(&self.name),
            _ => None,
        }
    }

    /// Tells whether this is one of V8's pseudo frames, such as `(V8 API)`.
    pub fn is_pseudo_frame(&self) -> bool {
        self.pseudo_frame().is_some()
    }

    /// The name that a person knows the function by: the original one where it is known, else the
    /// one in the script that V8 ran. Empty for anonymous functions.
    pub fn shown_name(&self) -> &Name {
        self.original.as_ref().and_then(|original| original.name.as_ref()).unwrap_or(&self.name)
    }

    /// File, line and column that a person knows the function by: the original ones where they are
    /// known, else those in the script that V8 ran.
    pub fn shown_place(&self) -> (&Name, Option<NonZeroU32>, Option<NonZeroU32>) {
        match &self.original {
            Some(original) => (&original.source, original.line_number, original.column_number),
            None => (&self.script_name, self.line_number, self.column_number),
        }
    }

    /// The [shown name](Self::shown_name), or `(anonymous)` if there is none: for display.
    pub fn display_name(&self) -> &str {
        match self.shown_name().as_str() {
            "" => "(anonymous)",
            name => name,
        }
    }

    /// The place where the function starts, as `file:line:column` without unknown parts; empty
    /// if nothing is known: for display. In the original source where that is known.
    pub fn display_location(&self) -> String {
        let Some(original) = &self.original else { return self.generated_location() };
        let mut location = original.source.to_string();
        push_place(&mut location, original.line_number, original.column_number);
        location
    }

    /// The place where the function starts in the script that V8 ran, `script:line:column` without
    /// the parts that are unknown; empty if nothing is known: for display.
    pub fn generated_location(&self) -> String {
        let mut location = match (self.script_name.as_str(), self.script_id) {
            ("", None) => return String::new(),
            ("", Some(id)) => format!("(script {id})"),
            (name, _) => name.to_owned(),
        };
        push_place(&mut location, self.line_number, self.column_number);
        location
    }
}

impl Function {
    /// Whether the original is written: not in a text if there is none, but always in formats that
    /// do not name fields, which need all of them.
    pub(super) fn writes_original<S: Serializer>(&self, serializer: &S) -> bool {
        self.original.is_some() || !serializer.is_human_readable()
    }

    /// Writes what there is of every function, in V8's numbers.
    pub(super) fn write_fields<S: SerializeStruct>(&self, fields: &mut S) -> Result<(), S::Error> {
        fields.serialize_field("script_id", &self.script_id.map_or(0, ScriptId::get))?;
        fields.serialize_field("script_name", &self.script_name)?;
        fields.serialize_field("name", &self.name)?;
        fields.serialize_field("line_number", &written_line(self.line_number))?;
        fields.serialize_field("column_number", &written_line(self.column_number))?;
        let start_position = self.start_position.map_or(written::no_start_position(), i64::from);
        fields.serialize_field("start_position", &start_position)
    }
}

impl Serialize for Function {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let has_original = self.writes_original(&serializer);
        let fields = 6 + usize::from(has_original);
        let mut function = serializer.serialize_struct("Function", fields)?;
        self.write_fields(&mut function)?;
        if has_original {
            function.serialize_field("original", &self.original)?;
        }
        function.end()
    }
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&plain_text(self.display_name()))?;
        match self.display_location().as_str() {
            "" => Ok(()),
            location => write!(f, " {}", plain_text(location)),
        }
    }
}

/// A frame that stands for no JavaScript function: V8's word for what was going on when an object
/// was allocated with no JavaScript frame on the stack.
///
/// Mirrors the names in `SamplingHeapProfiler::AddStack`,
/// `v8/src/profiler/sampling-heap-profiler.cc`.
///
/// ```
/// use v8_heap_sampler::{Node, NodeId, PseudoFrame};
/// let node = Node::new(NodeId(9), "(V8 API)");
/// assert_eq!(node.pseudo_frame(), Some(PseudoFrame::V8Api));
/// assert_eq!(PseudoFrame::V8Api.name(), "(V8 API)");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PseudoFrame {
    /// `(root)`: the root of the tree, an empty stack.
    Root,
    /// `(V8 API)`: the embedder called into V8, which allocated.
    V8Api,
    /// `(JS)`: JavaScript without a JavaScript frame yet.
    Js,
    /// `(GC)`: the garbage collector.
    Gc,
    /// `(PARSER)`: parsing a script.
    Parser,
    /// `(COMPILER)`: an optimising compiler.
    Compiler,
    /// `(BYTECODE_COMPILER)`: compiling to bytecode.
    BytecodeCompiler,
    /// `(EXTERNAL)`: a callback of the embedder.
    External,
    /// `(LOGGING)`: V8's logging.
    Logging,
    /// `(IDLE)`: the isolate was idle.
    Idle,
    /// `(IDLE_EXTERNAL)`: a callback of the embedder while the isolate was idle.
    IdleExternal,
    /// `(deopt)`: objects that deoptimisation materialised; unlike the others it has the function
    /// that was deoptimised as its parent.
    Deopt,
    /// `(cut)`: callers that are not known, as only the innermost frames were kept. This crate's, not
    /// V8's: it hangs below the root, above [such stacks](crate::Profile::cut_stacks).
    Cut,
}

impl PseudoFrame {
    /// All of them, as they are declared, with their names.
    const NAMES: [(Self, &str); 13] = [
        (Self::Root, "(root)"),
        (Self::V8Api, "(V8 API)"),
        (Self::Js, "(JS)"),
        (Self::Gc, "(GC)"),
        (Self::Parser, "(PARSER)"),
        (Self::Compiler, "(COMPILER)"),
        (Self::BytecodeCompiler, "(BYTECODE_COMPILER)"),
        (Self::External, "(EXTERNAL)"),
        (Self::Logging, "(LOGGING)"),
        (Self::Idle, "(IDLE)"),
        (Self::IdleExternal, "(IDLE_EXTERNAL)"),
        (Self::Deopt, "(deopt)"),
        (Self::Cut, "(cut)"),
    ];

    /// The name of the frame, parentheses included.
    pub const fn name(self) -> &'static str {
        Self::NAMES[self as usize].1
    }

    /// The frame of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        // Nearly every name is a function's: look at one byte before at thirteen strings.
        if !name.starts_with('(') {
            return None;
        }
        Self::NAMES.into_iter().find(|&(_, known)| known == name).map(|(frame, _)| frame)
    }
}
