//! A file that is there whole or not at all.

use std::io::{BufWriter, IntoInnerError, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use crate::format::WriteError;
use crate::profile::Profile;

/// How a profile is written.
type Writer = Box<dyn FnMut(&Profile, &mut dyn Write) -> Result<(), WriteError> + Send>;

/// A file that profiles are written to, each in place of the one before.
pub(super) struct ProfileFile {
    pub(super) path: PathBuf,
    pub(super) writer: Writer,
}

impl ProfileFile {
    /// Writes to another file beside it, which then takes its name.
    pub(super) fn write(&mut self, profile: &Profile) -> Result<(), WriteError> {
        let folder = match self.path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let partial = partial().tempfile_in(folder)?;
        let mut out = BufWriter::new(partial);
        // V8 is what would have to unwind.
        let written = catch_unwind(AssertUnwindSafe(|| (self.writer)(profile, &mut out)));
        written
            .map_err(|_| std::io::Error::other("the function that writes it has panicked"))??;
        let partial = out.into_inner().map_err(IntoInnerError::into_error)?;
        // No `sync`: a process that dies takes nothing with it that was written.
        partial.persist(&self.path).map_err(|error| error.error)?;
        Ok(())
    }
}

/// Files that are removed if they do not take another name, with the permissions of any new file.
fn partial() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".heap-limit-").suffix(".partial");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder
}
