//! Where a function stands in the source that a program was compiled, bundled or minified from.

use std::fmt::Write as _;
use std::num::NonZeroU32;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Name, written};

/// A function's place in the source that its script was made of, as a source map tells it.
///
/// In the terms of source maps: the script that V8 ran is *generated*, what a person wrote is
/// *original*. A [`Function`](super::Function) keeps both.
///
/// The place is as precise as the map: it names the function's first word, its name, or its
/// parameters, whichever the map knows.
///
/// # serde
///
/// As `{source, name, line_number, column_number}`, where an empty name and a line or column of 0
/// stand for what is unknown.
///
/// ```
/// use std::num::NonZeroU32;
/// use v8_heap_sampler::{Function, Original};
///
/// let mut original = Original::new("src/render.ts");
/// original.name = Some("render".into());
/// original.line_number = NonZeroU32::new(12);
/// let mut function = Function::named("a");
/// function.script_name = "bundle.js".into();
/// function.original = Some(original.into());
/// assert_eq!(function.to_string(), "render src/render.ts:12");
/// assert_eq!(function.generated_location(), "bundle.js");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Original {
    /// The original file: its path or URL.
    #[serde(default)]
    pub source: Name,
    /// The function's original name; `None` if it is not known, or if it is the name that the
    /// generated function has.
    #[serde(default, serialize_with = "write_name", deserialize_with = "read_name")]
    pub name: Option<Name>,
    /// The line, 1-based; `None` where unknown.
    #[serde(default, with = "written::line")]
    pub line_number: Option<NonZeroU32>,
    /// The column, 1-based, in UTF-16 units; `None` where unknown.
    #[serde(default, with = "written::line")]
    pub column_number: Option<NonZeroU32>,
}

impl Original {
    /// A place in `source`, and nothing more.
    #[must_use]
    pub fn new(source: impl Into<Name>) -> Self {
        Self { source: source.into(), name: None, line_number: None, column_number: None }
    }
}

/// `:line:column`, without the parts that are unknown.
pub(super) fn push_place(
    text: &mut String,
    line_number: Option<NonZeroU32>,
    column_number: Option<NonZeroU32>,
) {
    if let Some(line) = line_number {
        // Writing to a string does not fail.
        let _ = write!(text, ":{line}");
        if let Some(column) = column_number {
            let _ = write!(text, ":{column}");
        }
    }
}

/// The empty name stands for none.
fn write_name<S: Serializer>(name: &Option<Name>, to: S) -> Result<S::Ok, S::Error> {
    name.as_deref().unwrap_or_default().serialize(to)
}

fn read_name<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Name>, D::Error> {
    Ok(Some(Name::deserialize(from)?).filter(|name| !name.is_empty()))
}
