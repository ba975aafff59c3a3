//! Why the program ends without an answer, and how it says so.

use std::fmt::Display;
use std::io::{self, Write};

use v8_heap_sampler::SampleType;
use v8_heap_sampler::format::plain_text;

/// Why the program ends without an answer.
pub(crate) enum Failure {
    /// The arguments make no sense.
    Usage(String),
    /// Something cannot be read or written.
    Failed(String),
}

/// Why `--exit-code` cannot say that nothing has grown.
pub(crate) fn not_known(value: SampleType) -> Failure {
    let sizes = match value.unit() {
        "bytes" => String::new(),
        _ => format!(
            "; numbers of objects need their sizes, too: else compare --value {}",
            value.counted().space()
        ),
    };
    Failure::Usage(format!(
        "what has grown cannot be told from chance, as the files do not tell their sampling \
         interval: say it with --interval BYTES, of 1 if all objects were sampled{sizes}"
    ))
}

/// An error that is nobody's fault but the file's.
pub(crate) fn failed(error: impl Display) -> Failure {
    let error = error.to_string();
    let of_allocated = error.contains("has no alloc_");
    let hint =
        if of_allocated { "; if its values are of all objects, say --allocated" } else { "" };
    Failure::Failed(format!("{error}{hint}"))
}

/// Tells something on standard error. If that is full or closed, there is nobody to tell it to.
pub(crate) fn tell(text: &str) {
    let mut out = io::stderr().lock();
    for line in text.lines() {
        if writeln!(out, "{}", plain_text(line)).is_err() {
            return;
        }
    }
}
