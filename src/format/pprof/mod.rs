//! pprof's `profile.proto`, compressed by gzip: what `go tool pprof` and most services read.
//!
//! <https://github.com/google/pprof/blob/main/proto/profile.proto>

mod messages;
mod read;
mod write;

pub(super) use read::read;
pub use write::PprofOptions;

use crate::profile::Function;

/// The name that an anonymous function goes by: pprof's reports tell functions apart by name alone, so
/// its place is in it.
fn anonymous_name(function: &Function) -> Option<String> {
    function.name.is_empty().then(|| function.to_string())
}
