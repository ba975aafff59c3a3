//! pprof's `profile.proto`, compressed by gzip: what `go tool pprof` and most services read.
//!
//! <https://github.com/google/pprof/blob/main/proto/profile.proto>

mod messages;
mod read;
mod write;

pub(super) use read::read;

use std::fmt::Write as _;
use std::num::NonZeroU32;

use crate::model::{Function, SampleType, written_line};
use crate::profile::{FunctionParts, Profile};

/// The name that an anonymous function goes by: pprof's reports tell functions apart by name alone,
/// so its place is in it.
fn anonymous_name(function: &Function) -> Option<String> {
    function.shown_name().is_empty().then(|| function.to_string())
}

/// What a comment begins with that names the sample types of which a profile has differences: in
/// pprof negative values say so, and a part of a difference may have none.
const DIFFERENCES: &str = "difference: ";

/// The comment about a profile's differences; `None` if it has none.
fn differences_comment(profile: &Profile) -> Option<String> {
    let types = profile.sample_types().filter(|&of| profile.is_difference(of));
    let names: Vec<&str> = types.map(SampleType::name).collect();
    (!names.is_empty()).then(|| format!("{DIFFERENCES}{}", names.join(", ")))
}

/// The sample types that [`differences_comment`] names; `None` for any other text.
fn named_differences(comment: &str) -> Option<Vec<SampleType>> {
    let names = comment.strip_prefix(DIFFERENCES)?.split(", ");
    names.map(|name| name.parse().ok()).collect()
}

/// What the `system_name` of a function starts with whose original place is known: such a function
/// has its original name, file and line where pprof looks for them, and here, in `generated
/// "<script>":<line>:<column> <name>`, what V8 calls it. In the script's name `\` and `"` have a
/// `\` before them; 0 is a line or column that is not known; the name, which may be empty, goes to
/// the end.
const GENERATED: &str = "generated \"";

/// The `system_name` of a function whose original place is known.
fn generated_name(function: &Function) -> String {
    let mut text = GENERATED.to_owned();
    for character in function.script_name.chars() {
        if matches!(character, '"' | '\\') {
            text.push('\\');
        }
        text.push(character);
    }
    let [line, column] = [function.line_number, function.column_number].map(written_line);
    // Writing to a string does not fail.
    let _ = write!(text, "\":{line}:{column} {}", function.name);
    text
}

/// What [`generated_name`] says, with the script's name put into `script_name`; `None` for any
/// other text.
fn generated_parts<'t>(text: &'t str, script_name: &'t mut String) -> Option<FunctionParts<'t>> {
    let mut rest = text.strip_prefix(GENERATED)?.chars();
    loop {
        match rest.next()? {
            '"' => break,
            '\\' => script_name.push(rest.next()?),
            character => script_name.push(character),
        }
    }
    let (place, name) = rest.as_str().strip_prefix(':')?.split_once(' ')?;
    let (line, column) = place.split_once(':')?;
    Some(FunctionParts {
        name,
        script_name,
        line_number: NonZeroU32::new(line.parse().ok()?),
        column_number: NonZeroU32::new(column.parse().ok()?),
        ..FunctionParts::default()
    })
}
