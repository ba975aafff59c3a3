//! Where the text of scripts and their source maps come from.

use std::borrow::Cow;
use std::fmt;
use std::io;

use foldhash::fast::RandomState;
use indexmap::IndexMap;

use crate::model::{Function, Name, ScriptId, plain_text};

/// A script, or an original file, whose text or source map is asked for.
///
/// Displayed as its name, or as `(script 7)` if it has none, as
/// [`plain_text`](crate::format::plain_text).
///
/// ```
/// use v8_heap_sampler::source::Script;
/// let script = Script::named("file:///srv/app/bundle.js");
/// assert_eq!((script.id, script.name), (None, "file:///srv/app/bundle.js"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Script<'s> {
    /// V8's id of the script; `None` for original files, and where the profile does not tell.
    pub id: Option<ScriptId>,
    /// The script's name, often its URL or path, or the path or URL of an original file. V8 cuts
    /// names at 1024 UTF-16 units.
    pub name: &'s str,
}

impl<'s> Script<'s> {
    /// A script of which only the name is known.
    #[must_use]
    pub const fn named(name: &'s str) -> Self {
        Self { id: None, name }
    }

    /// The script that V8 ran a function of; `None` for built-in functions and pseudo frames.
    #[must_use]
    pub fn of(function: &'s Function) -> Option<Self> {
        Self::with(function.script_id, &function.script_name)
    }

    /// A script by what is known of it, if that is anything.
    pub(super) fn with(id: Option<ScriptId>, name: &'s str) -> Option<Self> {
        (id.is_some() || !name.is_empty()).then_some(Self { id, name })
    }
}

impl fmt::Display for Script<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self { id: Some(id), name: "" } => write!(f, "(script {id})"),
            Self { name, .. } => f.write_str(&plain_text(name)),
        }
    }
}

/// What belongs to each script, by its id and name, in the order in which they came first.
pub(super) type ByScript<T> = IndexMap<(Option<ScriptId>, Name), Vec<T>, RandomState>;

/// Supplies the text of scripts and original files, and source maps.
///
/// Each is asked for at most once for each script in a call of the crate, and let go of before the
/// next one is asked for. A pair of providers is a provider: the second is asked for what the first
/// does not have.
///
/// ```
/// use std::borrow::Cow;
/// use std::io;
/// use v8_heap_sampler::source::{Script, SourceProvider};
///
/// /// Scripts that the embedder has compiled in.
/// struct Embedded;
///
/// impl SourceProvider for Embedded {
///     fn source(&mut self, script: Script<'_>) -> io::Result<Option<Cow<'_, str>>> {
///         Ok(match script.name {
///             "ext:core/main.js" => Some("function main() {}".into()),
///             _ => None,
///         })
///     }
/// }
/// let mut scripts = Embedded;
/// let text = scripts.source(Script::named("ext:core/main.js"))?;
/// assert_eq!(text.as_deref(), Some("function main() {}"));
/// # Ok::<(), io::Error>(())
/// ```
pub trait SourceProvider {
    /// The text of a script or of an original file, as V8 compiled it; `None` if there is none.
    ///
    /// # Errors
    ///
    /// Whatever keeps the text from being read. It ends up in reports, and nothing else fails for
    /// it.
    fn source(&mut self, script: Script<'_>) -> io::Result<Option<Cow<'_, str>>>;

    /// The source map of a script, as JSON; `None`, as by default, if there is none.
    ///
    /// `url` is where the script's text says that the map is, resolved against the script's name;
    /// `None` if it does not say, or there is no text. Maps within the text (`data:` URLs) are not
    /// asked for.
    ///
    /// # Errors
    ///
    /// As for [`source`](Self::source).
    fn source_map(
        &mut self,
        script: Script<'_>,
        url: Option<&str>,
    ) -> io::Result<Option<Cow<'_, [u8]>>> {
        let _ = (script, url);
        Ok(None)
    }
}

impl<P: SourceProvider + ?Sized> SourceProvider for &mut P {
    fn source(&mut self, script: Script<'_>) -> io::Result<Option<Cow<'_, str>>> {
        (**self).source(script)
    }

    fn source_map(
        &mut self,
        script: Script<'_>,
        url: Option<&str>,
    ) -> io::Result<Option<Cow<'_, [u8]>>> {
        (**self).source_map(script, url)
    }
}

impl<A: SourceProvider, B: SourceProvider> SourceProvider for (A, B) {
    fn source(&mut self, script: Script<'_>) -> io::Result<Option<Cow<'_, str>>> {
        match self.0.source(script)? {
            Some(text) => Ok(Some(text)),
            None => self.1.source(script),
        }
    }

    fn source_map(
        &mut self,
        script: Script<'_>,
        url: Option<&str>,
    ) -> io::Result<Option<Cow<'_, [u8]>>> {
        match self.0.source_map(script, url)? {
            Some(map) => Ok(Some(map)),
            None => self.1.source_map(script, url),
        }
    }
}
