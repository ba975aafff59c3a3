//! Which V8 versions the layouts and symbols of this module were checked against.

use crate::model::{Error, Result};
use crate::v8;

/// The minor version of V8 15 that the chosen crate binds.
const MINOR: u32 = if cfg!(feature = "v8-152") { 2 } else { 0 };

/// The supported version, for people.
const SUPPORTED: &str =
    if MINOR == 2 { "15.2 (by its feature v8-152)" } else { "15.0 (by its feature v8-150)" };

/// Whether `AllocationProfile` of V8 `major.minor` has the layout that [`super::layout`] describes,
/// and the chosen crate its bindings.
const fn is_supported(major: u32, minor: u32) -> bool {
    major == 15 && minor == MINOR
}

// The `v8` crate says at compile time which V8 it binds.
const _: () = assert!(
    is_supported(v8::MAJOR_VERSION, v8::MINOR_VERSION),
    "v8-heap-sampler supports V8 15.0 by the crate `v8` 150 and V8 15.2 by 152"
);

/// Checks the V8 that is really linked.
///
/// Its archive can come from anywhere: also from another `v8` in the same build, whose build script
/// puts it into the same file.
pub(super) fn check() -> Result<()> {
    check_version(v8::V8::get_version())
}

fn check_version(found: &str) -> Result<()> {
    let mut parts = found.split('.').map(str::parse::<u32>);
    match (parts.next(), parts.next()) {
        (Some(Ok(major)), Some(Ok(minor))) if is_supported(major, minor) => Ok(()),
        _ => Err(Error::UnsupportedV8 { found: found.to_owned(), supported: SUPPORTED }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_of_the_chosen_crate_is_linked() {
        check().unwrap();
    }

    #[test]
    fn only_checked_versions_pass() {
        let (good, other) = match MINOR {
            2 => (["15.2.124.1-rusty", "15.2"], "15.0.245.2-rusty"),
            _ => (["15.0.245.2-rusty", "15.0"], "15.2.124.1-rusty"),
        };
        for good in good {
            assert!(check_version(good).is_ok(), "{good}");
        }
        for bad in [other, "14.9.207.1", "15.1", "15.3.1", "16.0.0", "8.0", "", "rusty", "15"] {
            let message = check_version(bad).unwrap_err().to_string();
            assert!(message.contains(&format!("supports 15.{MINOR} ")), "{message}");
        }
    }
}
