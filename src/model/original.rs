//! Where a function stands in the source that a program was compiled, bundled or minified from.

use std::fmt::Write as _;
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use super::Name;

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
#[serde(from = "WrittenOriginal", into = "WrittenOriginal")]
#[non_exhaustive]
pub struct Original {
    /// The original file: its path or URL.
    pub source: Name,
    /// The function's original name; `None` if it is not known, or if it is the name that the
    /// generated function has.
    pub name: Option<Name>,
    /// The line, 1-based; `None` where unknown.
    pub line_number: Option<NonZeroU32>,
    /// The column, 1-based, in UTF-16 units; `None` where unknown.
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

/// [`Original`] as it is written, in V8's way of saying what is unknown. No field may be left out:
/// formats that do not name fields count them.
#[derive(Serialize, Deserialize)]
#[serde(rename = "Original")]
struct WrittenOriginal {
    #[serde(default)]
    source: Name,
    #[serde(default)]
    name: Name,
    #[serde(default)]
    line_number: u32,
    #[serde(default)]
    column_number: u32,
}

impl From<WrittenOriginal> for Original {
    fn from(written: WrittenOriginal) -> Self {
        Self {
            source: written.source,
            name: Some(written.name).filter(|name| !name.is_empty()),
            line_number: NonZeroU32::new(written.line_number),
            column_number: NonZeroU32::new(written.column_number),
        }
    }
}

impl From<Original> for WrittenOriginal {
    fn from(original: Original) -> Self {
        let [line_number, column_number] =
            [original.line_number, original.column_number].map(super::written_line);
        let name = original.name.unwrap_or_default();
        Self { source: original.source, name, line_number, column_number }
    }
}
