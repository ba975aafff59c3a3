//! Reading files, with progress where it takes long.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use v8_heap_sampler::format::{ReadError, ReadOptions, plain_text};
use v8_heap_sampler::{AnalysisError, Profile, ProfileMerger};

use crate::failure::{Failure, tell};

/// What takes longer shows its progress, on standard error if that is a terminal.
const LONG: Duration = Duration::from_secs(1);

/// Reads a file, or standard input if that is `-`.
pub(crate) fn read(path: &Path, options: &ReadOptions) -> Result<Profile, Failure> {
    let failed =
        |error: &dyn std::fmt::Display| Failure::Failed(format!("{}: {error}", path.display()));
    let unread = |error: ReadError| match error {
        ReadError::MemoryLimit { limit } => failed(&format!(
            "the profile needs more than the limit of {limit}: raise it with --memory MB if the \
             file can be trusted"
        )),
        error => failed(&error),
    };
    if path == Path::new("-") {
        let reader = Watched::new(io::stdin().lock(), None, path);
        return options.read(reader).map_err(unread);
    }
    let file = File::open(path).map_err(|error| failed(&error))?;
    let length = file.metadata().ok().filter(|about| about.is_file()).map(|about| about.len());
    options.read(Watched::new(file, length, path)).map_err(unread)
}

/// Reads files as one profile.
pub(crate) fn read_all(paths: &[PathBuf], options: &ReadOptions) -> Result<Profile, Failure> {
    match paths {
        [path] => read(path, options),
        _ => merge(paths.iter().map(|path| read(path, options))),
    }
}

/// Adds profiles up, of which one is held at a time, and says what that leaves out.
pub(crate) fn merge(
    profiles: impl Iterator<Item = Result<Profile, Failure>>,
) -> Result<Profile, Failure> {
    let failed = |error: AnalysisError| Failure::Failed(error.to_string());
    let mut merger = ProfileMerger::new();
    for profile in profiles {
        merger.add(&profile?).map_err(failed)?;
    }
    for value in merger.left_out() {
        tell(&format!("{value} is left out: not all of the files have it"));
    }
    merger.finish().map_err(failed)
}

/// A reader that shows how far it has come.
struct Watched<R> {
    reader: R,
    bar: ProgressBar,
    start: Instant,
    is_shown: bool,
}

impl<R> Watched<R> {
    fn new(reader: R, length: Option<u64>, path: &Path) -> Self {
        let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::hidden());
        let template = match length {
            Some(_) => "{msg}: {bar:30} {bytes} of {total_bytes}, {eta} left",
            None => "{msg}: {bytes}",
        };
        let style = ProgressStyle::with_template(template).expect("the template is right");
        bar.set_style(style);
        bar.set_message(plain_text(&path.display().to_string()).into_owned());
        Self { reader, bar, start: Instant::now(), is_shown: false }
    }
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.bar.inc(read as u64);
        if !self.is_shown && self.start.elapsed() > LONG {
            // Draws nothing if that is no terminal.
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
            self.is_shown = true;
        }
        Ok(read)
    }
}

impl<R> Drop for Watched<R> {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
