//! What is written: files that appear when they are complete, pipes, devices and standard output.

use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::NamedTempFile;
use v8_heap_sampler::format::WriteError;

use crate::failure::Failure;

/// A place to write to, which has been seen to take something.
///
/// Before anything is read: reading may take minutes.
pub(crate) struct Output {
    name: PathBuf,
    to: To,
}

enum To {
    Standard,
    /// A pipe, or a device.
    AsItIs,
    /// What is complete takes the place of the file at the path.
    Replaced {
        partial: NamedTempFile,
        path: PathBuf,
    },
    /// A file that is there, in a folder in which none can be made.
    Overwritten(File),
}

impl Output {
    /// A path to write to; `-` is standard output. What links lead to is written, not the link.
    pub(crate) fn open(name: &Path) -> Result<Self, Failure> {
        let to = To::open(name).map_err(|error| failed(name, &error))?;
        Ok(Self { name: name.to_owned(), to })
    }

    /// Whether it may be shown as it is written.
    pub(crate) fn is_shown(&self) -> bool {
        matches!(self.to, To::Standard | To::AsItIs)
    }

    /// Writes it. A failure leaves a file that is there alone.
    pub(crate) fn write(
        self,
        write: impl FnOnce(&mut dyn Write) -> Result<(), WriteError>,
    ) -> Result<(), Failure> {
        let Self { name, to } = self;
        to.write(&name, write).map_err(|error| match error {
            WriteError::NoSizes => failed(
                &name,
                &"nodes list objects by their size, which the profile does not know: a \
                  .heapprofile carries none, and pprof only if it was written with --sizes",
            ),
            error => failed(&name, &error),
        })
    }
}

impl To {
    fn open(name: &Path) -> io::Result<Self> {
        // A file that standard output goes to is not to be replaced.
        let standard = ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];
        if standard.iter().any(|standard| name == Path::new(standard)) {
            return Ok(Self::Standard);
        }
        // Of a pipe `canonicalize` would make a path that is none.
        let (there, path) = match fs::metadata(name) {
            Ok(there) if there.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
            Ok(there) if !there.is_file() => return Ok(Self::AsItIs),
            Ok(there) => (Some(there), fs::canonicalize(name)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => (None, end_of_links(name)?),
            Err(error) => return Err(error),
        };
        // One that must not be written must not be replaced either.
        let file = there.as_ref().map(|_| File::options().write(true).open(&path)).transpose()?;
        match (partial(&path), there, file) {
            (Ok(partial), None, _) => Ok(Self::Replaced { partial, path }),
            (Ok(partial), Some(there), _) => {
                partial.as_file().set_permissions(there.permissions())?;
                Ok(Self::Replaced { partial, path })
            }
            (Err(error), _, Some(file)) if is_denied(&error) => Ok(Self::Overwritten(file)),
            (Err(error), ..) => Err(error),
        }
    }

    fn write(
        self,
        name: &Path,
        write: impl FnOnce(&mut dyn Write) -> Result<(), WriteError>,
    ) -> Result<(), WriteError> {
        match self {
            Self::Standard => to_reader(io::stdout().lock(), write),
            Self::AsItIs => to_reader(File::options().write(true).open(name)?, write),
            Self::Replaced { partial, path } => {
                let mut writer = BufWriter::new(partial);
                write(&mut writer)?;
                let partial = writer.into_inner().map_err(io::IntoInnerError::into_error)?;
                // Either complete or gone, if a signal ends the program now.
                let mut known = known();
                partial.persist(path).map_err(|error| error.error)?;
                *known = None;
                Ok(())
            }
            Self::Overwritten(mut file) => {
                let mut bytes = Vec::new();
                write(&mut bytes)?;
                file.set_len(0)?;
                Ok(file.write_all(&bytes)?)
            }
        }
    }
}

/// Writes to what may be a pipe.
fn to_reader(
    writer: impl Write,
    write: impl FnOnce(&mut dyn Write) -> Result<(), WriteError>,
) -> Result<(), WriteError> {
    let mut writer = BufWriter::new(writer);
    match write(&mut writer).and_then(|()| Ok(writer.flush()?)) {
        // A reader that has gone away (`| head`) is no failure.
        Err(WriteError::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

fn failed(name: &Path, error: &dyn Display) -> Failure {
    Failure::Failed(format!("{}: {error}", name.display()))
}

fn is_denied(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

/// The path that symbolic links lead to, where nothing need be yet.
fn end_of_links(path: &Path) -> io::Result<PathBuf> {
    // As many as Linux follows.
    const MOST_LINKS: usize = 40;
    let mut path = path.to_owned();
    for _ in 0..=MOST_LINKS {
        match fs::read_link(&path) {
            Ok(to) => path = path.parent().unwrap_or(Path::new("")).join(to),
            // No link, or nothing.
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::other("too many symbolic links"))
}

/// The file that is not complete yet, for signals to remove.
static PARTIAL: Mutex<Option<PathBuf>> = Mutex::new(None);

fn known() -> MutexGuard<'static, Option<PathBuf>> {
    PARTIAL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A file beside another one. Its name is short, as the other's may be as long as names can be.
fn partial(beside: &Path) -> io::Result<NamedTempFile> {
    #[cfg(unix)]
    signals::watch()?;
    let folder = match beside.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    // Whose error names no file that nobody knows.
    fs::metadata(folder)?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(".heapprof.").suffix(".partial");
    // As others make files: who may read it is for the umask to say.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    // A signal waits until the name is known.
    let mut known = known();
    let file = builder.tempfile_in(folder)?;
    *known = Some(file.path().to_owned());
    Ok(file)
}

/// Signals that end the program.
#[cfg(unix)]
mod signals {
    use std::ffi::c_int;
    use std::{fs, io, thread};

    use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
    use signal_hook::iterator::Signals;
    use signal_hook::low_level::emulate_default_handler;

    /// Removes the file that is not complete when one of them comes, and then lets it end the
    /// program.
    pub(super) fn watch() -> io::Result<()> {
        let mut signals = Signals::new(ending())?;
        thread::Builder::new().name("signals".to_owned()).spawn(move || {
            for signal in &mut signals {
                // Not given back: nothing more is written.
                let partial = super::known();
                if let Some(partial) = &*partial {
                    let _ = fs::remove_file(partial);
                }
                let _ = emulate_default_handler(signal);
            }
        })?;
        Ok(())
    }

    /// All of them but those that the program was started to ignore, as by `nohup`.
    fn ending() -> Vec<c_int> {
        let ignored = ignored().unwrap_or_default();
        let is_ignored = |signal: c_int| (ignored >> (signal - 1)) & 1 == 1;
        let all = [SIGHUP, SIGINT, SIGQUIT, SIGTERM];
        all.into_iter().filter(|&signal| !is_ignored(signal)).collect()
    }

    /// One bit a signal; only Linux tells.
    fn ignored() -> Option<u64> {
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
        u64::from_str_radix(mask.trim(), 16).ok()
    }
}
