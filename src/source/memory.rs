//! Texts and maps that are in memory.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::provider::{Script, SourceProvider};
use crate::model::ScriptId;

/// Texts and source maps in memory, by the names of the scripts.
///
/// ```
/// use v8_heap_sampler::source::{MemorySources, Script, SourceProvider};
///
/// let mut sources = MemorySources::new();
/// sources.insert_source("app.js", "function app() {}\n//# sourceMappingURL=app.js.map");
/// sources.insert_map("app.js.map", r#"{"version":3,"sources":[],"mappings":""}"#);
/// assert!(sources.source(Script::named("app.js"))?.is_some());
/// assert!(sources.source(Script::named("other.js"))?.is_none());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MemorySources {
    texts: BTreeMap<String, Arc<str>>,
    texts_by_id: BTreeMap<ScriptId, Arc<str>>,
    maps: BTreeMap<String, Arc<[u8]>>,
}

impl MemorySources {
    /// Sources without any text.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the text of the script, or of the original file, with this name, in place of any
    /// before.
    pub fn insert_source(&mut self, name: impl Into<String>, text: impl Into<Arc<str>>) {
        self.texts.insert(name.into(), text.into());
    }

    /// Adds the text of the script with this id, which may have no name. It goes before that of the
    /// script's name.
    pub fn insert_source_of(&mut self, id: ScriptId, text: impl Into<Arc<str>>) {
        self.texts_by_id.insert(id, text.into());
    }

    /// Adds a source map by its URL as the script's text gives it, resolved against the script's
    /// name, or by the name of the script that it is of.
    pub fn insert_map(&mut self, url_or_script: impl Into<String>, map: impl AsRef<[u8]>) {
        self.maps.insert(url_or_script.into(), map.as_ref().into());
    }

    /// The number of texts.
    pub fn len(&self) -> usize {
        self.texts.len() + self.texts_by_id.len()
    }

    /// Tells whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl SourceProvider for MemorySources {
    fn source(&mut self, script: Script<'_>) -> io::Result<Option<Cow<'_, str>>> {
        let by_id = script.id.and_then(|id| self.texts_by_id.get(&id));
        let text = by_id.or_else(|| self.texts.get(script.name));
        Ok(text.map(|text| Cow::Borrowed(&**text)))
    }

    fn source_map(
        &mut self,
        script: Script<'_>,
        url: Option<&str>,
    ) -> io::Result<Option<Cow<'_, [u8]>>> {
        let by_url = url.and_then(|url| self.maps.get(url));
        let map = by_url.or_else(|| self.maps.get(script.name));
        Ok(map.map(|map| Cow::Borrowed(&**map)))
    }
}
