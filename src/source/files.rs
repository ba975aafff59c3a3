//! Texts and maps in files.

use std::borrow::Cow;
use std::fs;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use percent_encoding::percent_decode_str;

use super::provider::{Script, SourceProvider};
use super::urls::scheme_end;

/// Texts and source maps in files: names of scripts are paths, or `file:` URLs, or URLs for which a
/// folder is [named](Self::prefix).
///
/// A profile says which files are read. If it comes from somebody else, name a [root](Self::root):
/// nothing outside of it is read then, neither by `..` nor through links. Only regular files are
/// read, of up to 512 MiB.
///
/// ```
/// use v8_heap_sampler::source::{FileSources, Script, SourceProvider};
///
/// let root = env!("CARGO_MANIFEST_DIR");
/// let mut files = FileSources::new().root(root).prefix("https://example.com/static/", root);
/// let text = files.source(Script::named("https://example.com/static/src/lib.rs"))?;
/// assert!(text.is_some_and(|text| text.contains("V8")));
/// assert!(files.source(Script::named("src/missing.js"))?.is_none());
/// assert!(files.source(Script::named("/etc/passwd")).is_err());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct FileSources {
    root: Option<PathBuf>,
    prefixes: Vec<(String, PathBuf)>,
}

/// The largest file that is read, in bytes.
const MOST: u64 = 512 << 20;

const OUTSIDE_OF_ROOT: &str =
    "outside of the root folder of FileSources: set another root if this is wanted";
const OUTSIDE_OF_PREFIX: &str =
    "outside of the folder of its prefix in FileSources: name another folder if this is wanted";

impl FileSources {
    /// Any file; relative names are relative to the current folder.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Restricts sources to what is in this folder; relative names are relative to it.
    #[must_use]
    pub fn root(mut self, folder: impl Into<PathBuf>) -> Self {
        self.root = Some(folder.into());
        self
    }

    /// Maps script names starting with `prefix` to `folder`; the first matching prefix wins.
    /// Nothing outside of the folder is read for such a name, nor what is outside of the root.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>, folder: impl Into<PathBuf>) -> Self {
        self.prefixes.push((prefix.into(), folder.into()));
        self
    }

    /// Checks that the root and the folders of prefixes are there: without them all scripts lack
    /// their sources.
    ///
    /// # Errors
    ///
    /// Names the first one that is missing, no folder, or not to be entered.
    pub fn check_folders(&self) -> io::Result<()> {
        let folders = self.prefixes.iter().map(|(_, folder)| folder);
        for folder in self.root.iter().chain(folders) {
            // Its own entry is found only by those who may enter it.
            let entered = folder.canonicalize().and_then(|path| fs::metadata(path.join(".")));
            let checked = entered.and_then(|about| {
                if about.is_dir() { Ok(()) } else { Err(io::ErrorKind::NotADirectory.into()) }
            });
            checked.map_err(|error| {
                io::Error::new(error.kind(), format!("{}: {error}", folder.display()))
            })?;
        }
        Ok(())
    }

    /// The paths that a name can mean, with `ending` behind them, none if it means no file; and the
    /// folder of its prefix.
    fn paths(&self, name: &str, ending: &str) -> (Option<&Path>, Vec<PathBuf>) {
        let prefix = self.prefixes.iter().find_map(|(prefix, folder)| {
            let rest = name.strip_prefix(prefix.as_str())?;
            Some((folder, rest.trim_start_matches('/')))
        });
        let (folder, rest, is_url) = match (prefix, scheme_end(name)) {
            (Some((folder, rest)), _) => (Some(folder), rest, true),
            (None, None) => (None, name, false),
            (None, Some(_)) => match name.strip_prefix("file://") {
                // Of a host, if there is one, nothing is known.
                Some(path) if cfg!(windows) => (None, path.trim_start_matches('/'), true),
                Some(path) => (None, path, true),
                None => return (None, Vec::new()),
            },
        };
        let prefix_folder = folder.map(PathBuf::as_path);
        let rest = if is_url { rest.split(['?', '#']).next().unwrap_or_default() } else { rest };
        if rest.is_empty() {
            return (prefix_folder, Vec::new());
        }
        let decoded = percent_decode_str(rest).decode_utf8().ok();
        let decoded = decoded.filter(|decoded| decoded != rest);
        let mut names = Vec::from_iter(decoded.as_deref());
        // In a path a `%` is most likely itself, in a URL it is not; but a map's URL is relative to
        // either.
        names.insert(if is_url { names.len() } else { 0 }, rest);
        let folder = folder.or(self.root.as_ref());
        let path = |name: &str| {
            let name = format!("{name}{ending}");
            folder.map_or_else(|| PathBuf::from(&name), |folder| folder.join(&name))
        };
        // In a path, `?` and `#` are most likely of a file's name as well; if there is none, of a
        // URL.
        let meanings = names.into_iter().flat_map(|name| {
            let bare = without_query(name).filter(|_| !is_url);
            std::iter::once(name).chain(bare)
        });
        (prefix_folder, meanings.map(path).collect())
    }

    /// The file that a name means, with `ending` behind it; `None` if there is none.
    fn read(&self, name: &str, ending: &str) -> io::Result<Option<Vec<u8>>> {
        let (folder, paths) = self.paths(name, ending);
        for path in paths {
            match self.read_path(&path, folder) {
                Ok(content) => return Ok(Some(content)),
                Err(error) if is_absent(&error) => {}
                Err(error) => {
                    let problem = format!("{}: {error}", path.display());
                    return Err(io::Error::new(error.kind(), problem));
                }
            }
        }
        Ok(None)
    }

    /// Reads a file that is in the root, and in the folder of its prefix, if there are any.
    fn read_path(&self, path: &Path, prefix_folder: Option<&Path>) -> io::Result<Vec<u8>> {
        let root = self.root.as_deref().map(|root| (root, OUTSIDE_OF_ROOT));
        let prefix_folder = prefix_folder.map(|folder| (folder, OUTSIDE_OF_PREFIX));
        let mut path = path.to_owned();
        for (folder, problem) in root.into_iter().chain(prefix_folder) {
            path = within(&path, folder, problem)?;
        }
        let metadata = fs::metadata(&path)?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        let mut content = Vec::new();
        fs::File::open(&path)?.take(MOST + 1).read_to_end(&mut content)?;
        if content.len() as u64 > MOST {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "larger than 512 MiB"));
        }
        Ok(content)
    }
}

/// A path without the query or fragment at its last name, if there is one.
fn without_query(path: &str) -> Option<&str> {
    let name = path.rfind('/').map_or(0, |at| at + 1);
    let at = path[name..].find(['?', '#']).filter(|&at| at > 0)?;
    Some(&path[..name + at])
}

/// The path without links, if that is in a folder; `problem` if it is not.
fn within(path: &Path, folder: &Path, problem: &'static str) -> io::Result<PathBuf> {
    let canonical = folder.canonicalize()?;
    let outside = io::Error::new(io::ErrorKind::PermissionDenied, problem);
    match path.canonicalize() {
        Ok(path) if path.starts_with(&canonical) => Ok(path),
        Ok(_) => Err(outside),
        Err(error) if is_lexically_within(path, [&canonical, folder]) => Err(error),
        // Whether there is a file outside is nobody's business either.
        Err(_) => Err(outside),
    }
}

/// Whether a path that does not exist would be in one of the folders.
fn is_lexically_within(path: &Path, folders: [&Path; 2]) -> bool {
    let climbs = |rest: &Path| rest.components().any(|part| part == Component::ParentDir);
    folders.iter().any(|folder| path.strip_prefix(folder).is_ok_and(|rest| !climbs(rest)))
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

impl SourceProvider for FileSources {
    fn source(&mut self, script: Script<'_>) -> io::Result<Option<Cow<'_, str>>> {
        let Some(content) = self.read(script.name, "")? else { return Ok(None) };
        // As V8's embedders decode it, without the mark that no script's position counts.
        let content = match content.strip_prefix(b"\xEF\xBB\xBF") {
            Some(content) => content.to_owned(),
            None => content,
        };
        let text = String::from_utf8(content)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        Ok(Some(text.into()))
    }

    /// The file that `url` names; without a URL, the script's name with `.map` behind it.
    fn source_map(
        &mut self,
        script: Script<'_>,
        url: Option<&str>,
    ) -> io::Result<Option<Cow<'_, [u8]>>> {
        let found = match url {
            Some(url) => self.read(url, "")?,
            None => self.read(script.name, ".map")?,
        };
        Ok(found.map(Cow::Owned))
    }
}
