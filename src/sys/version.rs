//! Which V8 versions the layouts and symbols of this module were checked against.

use crate::error::{Error, Result};
use crate::v8;

/// The supported versions, for people.
const SUPPORTED: &str = "15.0 to 15.2 (crate `v8` 150 or 152)";

/// Whether `AllocationProfile` of V8 `major.minor` has the layout that [`super::layout`] describes.
const fn is_supported(major: u32, minor: u32) -> bool {
    major == 15 && minor <= 2
}

// The `v8` crate says at compile time which V8 it binds.
const _: () = assert!(
    is_supported(v8::MAJOR_VERSION, v8::MINOR_VERSION),
    "this version of v8-heap-sampler supports V8 15.0 to 15.2, crate `v8` 150 or 152"
);

/// Checks the V8 that is really linked: its archive can come from anywhere.
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
        let minor = if cfg!(feature = "v8-152") { 2 } else { 0 };
        assert_eq!((v8::MAJOR_VERSION, v8::MINOR_VERSION), (15, minor));
        assert!(v8::V8::get_version().starts_with(&format!("15.{minor}.")));
    }

    #[test]
    fn only_checked_versions_pass() {
        for good in ["15.2.124.1-rusty", "15.0.245.2-rusty", "15.1"] {
            assert!(check_version(good).is_ok(), "{good}");
        }
        for bad in ["14.9.207.1", "15.3.1", "16.0.0", "8.0", "", "rusty", "15"] {
            let message = check_version(bad).unwrap_err().to_string();
            assert!(message.contains("supports 15.0 to 15.2"), "{message}");
        }
    }
}
