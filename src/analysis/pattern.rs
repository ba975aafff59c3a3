//! Predicates that select functions.

use std::fmt;
use std::sync::Arc;

#[cfg(feature = "regex")]
use crate::model::AnalysisError;
use crate::model::Function;

/// A predicate that selects functions.
///
/// A `&str` or `String` becomes the pattern of the functions with just that
/// [name](Pattern::name).
///
/// ```
/// use v8_heap_sampler::Function;
/// use v8_heap_sampler::analysis::Pattern;
///
/// let mut function = Function::named("parse");
/// function.script_name = "node_modules/acorn/acorn.js".into();
/// assert!(Pattern::text("acorn/").matches(&function));
/// assert!(Pattern::new("one name", |function| function.name == "parse").matches(&function));
/// # #[cfg(feature = "regex")]
/// assert!(Pattern::regex("^(parse|scan)$")?.matches(&function));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Pattern {
    text: Arc<str>,
    /// Whether the text is the functions' name.
    is_name: bool,
    matches: Arc<dyn Fn(&Function) -> bool + Send + Sync>,
}

impl Pattern {
    /// The functions of which `matches` is true; `text` says for people what these are.
    #[must_use]
    pub fn new(
        text: impl Into<Arc<str>>,
        matches: impl Fn(&Function) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self { text: text.into(), is_name: false, matches: Arc::new(matches) }
    }

    /// All functions.
    #[must_use]
    pub fn all() -> Self {
        Self::new("all functions", |_| true)
    }

    /// The functions with a name, as V8 has it: for methods without the class, for functions that
    /// were assigned to something possibly what they were assigned to.
    #[must_use]
    pub fn name(name: impl Into<Arc<str>>) -> Self {
        let name = name.into();
        let is_it = {
            let name = Arc::clone(&name);
            move |function: &Function| function.name == *name
        };
        Self { is_name: true, ..Self::new(name, is_it) }
    }

    /// The functions in whose name or place a text is found, as they are displayed:
    /// `parse app.js:12:7`.
    #[must_use]
    pub fn text(text: impl Into<Arc<str>>) -> Self {
        let text = text.into();
        Self::new(Arc::clone(&text), move |function| function.to_string().contains(&*text))
    }

    /// The functions whose name, script name, or display (`parse app.js:12:7`) matches a regular
    /// expression, anywhere in it, as pprof's `focus` and its kin match. Of a function with an
    /// original place, the original name and source, and the generated ones.
    ///
    /// # Errors
    ///
    /// [`AnalysisError::Pattern`] if it is no regular expression.
    #[cfg(feature = "regex")]
    pub fn regex(expression: &str) -> Result<Self, AnalysisError> {
        let regex = regex::Regex::new(expression)
            .map_err(|error| AnalysisError::Pattern { problem: error.to_string() })?;
        let is_match = move |function: &Function| {
            let (source, ..) = function.shown_place();
            [&function.name, &function.script_name, function.shown_name(), source]
                .into_iter()
                .any(|text| regex.is_match(text))
                || regex.is_match(&function.to_string())
        };
        Ok(Self::new(expression, is_match))
    }

    /// The functions of the runtime itself: those in scripts of Node (`node:`) and Deno (`ext:`),
    /// and of those that name theirs so.
    #[must_use]
    pub fn embedder() -> Self {
        const SCHEMES: [&str; 4] = ["node:", "ext:", "internal/", "deno:"];
        Self::new("the embedder's own", |function| {
            SCHEMES.iter().any(|scheme| function.script_name.starts_with(scheme))
        })
    }

    /// V8's built-in functions, such as `map`, which have no script. V8's pseudo frames are none.
    #[must_use]
    pub fn builtin() -> Self {
        Self::new("built-in functions", |function| {
            function.script_id.is_none()
                && function.script_name.is_empty()
                && !function.is_pseudo_frame()
        })
    }

    /// The functions that either matches.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        let text = format!("{self} or {other}");
        Self::new(text, move |function| self.matches(function) || other.matches(function))
    }

    /// The name, if the pattern is one.
    pub(crate) fn as_name(&self) -> Option<&str> {
        self.is_name.then_some(&*self.text)
    }

    /// Tells whether a function is selected.
    #[must_use]
    pub fn matches(&self, function: &Function) -> bool {
        (self.matches)(function)
    }
}

impl From<&str> for Pattern {
    fn from(name: &str) -> Self {
        Self::name(name)
    }
}

impl From<String> for Pattern {
    fn from(name: String) -> Self {
        Self::name(name)
    }
}

impl From<&Pattern> for Pattern {
    fn from(pattern: &Pattern) -> Self {
        pattern.clone()
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pattern").field(&self.text).finish()
    }
}
