//! Source lines with the cost of the functions that start there, as `pprof -list` shows them.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::provider::{ByScript, Script, SourceProvider};
use super::text::Text;
use crate::analysis::Pattern;
use crate::estimate::Estimate;
use crate::model::{AnalysisError, Function, Name, SampleType, ScriptId, plain_text, written_line};
use crate::profile::Profile;

/// Options of [`Profile::listing`].
///
/// ```
/// use v8_heap_sampler::source::ListOptions;
/// let options = ListOptions::new().before(0).after(10).width(80);
/// assert_ne!(options, ListOptions::new());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListOptions {
    pub(crate) before: usize,
    pub(crate) after: usize,
    pub(crate) width: usize,
    pub(crate) callers: bool,
}

impl ListOptions {
    /// The defaults.
    #[must_use]
    pub const fn new() -> Self {
        Self { before: 2, after: 5, width: 100, callers: false }
    }

    /// Sets the number of lines to show before a function's first line. Default: 2.
    #[must_use]
    pub const fn before(mut self, lines: usize) -> Self {
        self.before = lines;
        self
    }

    /// Sets the number of lines to show after a function's first line. Default: 5.
    #[must_use]
    pub const fn after(mut self, lines: usize) -> Self {
        self.after = lines;
        self
    }

    /// Sets the number of characters of a line to show, at least 8: of a longer line, which may be
    /// a whole minified program, the surroundings of the function's start. Default: 100.
    #[must_use]
    pub const fn width(mut self, characters: usize) -> Self {
        self.width = if characters < 8 { 8 } else { characters };
        self
    }

    /// Sets whether functions are listed that allocated nothing themselves, but called one that
    /// did. Default: no.
    #[must_use]
    pub const fn callers(mut self, wanted: bool) -> Self {
        self.callers = wanted;
        self
    }
}

impl From<&ListOptions> for ListOptions {
    fn from(options: &ListOptions) -> Self {
        options.clone()
    }
}

impl Default for ListOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// A function with what it cost: what a listing is made of.
///
/// The cost is anything that can be shown: an [`Estimate`](crate::Estimate), or a
/// number of the caller's own.
///
/// ```
/// use v8_heap_sampler::{Function, source::ListedFunction};
/// let listed = ListedFunction::new(Function::named("render"), "1.65 MB ± 0.17", "2 MB ± 0.2");
/// assert_eq!(listed.own, "1.65 MB ± 0.17");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ListedFunction<C> {
    /// The function.
    pub function: Arc<Function>,
    /// The amount that it allocated itself.
    pub own: C,
    /// The amount that it and all that it called allocated.
    pub total: C,
    /// The reason why the line where it starts cannot be shown; `None` if it is.
    pub problem: Option<String>,
}

impl<C> ListedFunction<C> {
    /// A function and its costs.
    #[must_use]
    pub fn new(function: impl Into<Arc<Function>>, own: C, total: C) -> Self {
        Self { function: function.into(), own, total, problem: None }
    }

    /// The line and column where the function starts in a text, from 1.
    fn start(&self, text: &Result<Text<'_>, String>) -> Result<(usize, usize), String> {
        let count = text.as_ref().map_err(String::clone)?.line_count();
        let (_, line, column) = self.function.shown_place();
        match written_line(line) as usize {
            0 => Err("its line is not known".to_owned()),
            line if line > count => {
                Err(format!("the source at hand has {count} lines: it is not the one that ran"))
            }
            line => Ok((line, written_line(column) as usize)),
        }
    }
}

/// Source lines with the cost of the functions that start there.
///
/// V8 records where a function *starts*, not the line that allocates: a cost stands at its
/// function's first line, and the line to blame is somewhere below.
///
/// Made by [`Profile::listing`], or by [`new`](Self::new) of costs of any type; displayed as a text
/// with aligned columns, like that of `go tool pprof -list`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Listing<C> {
    /// The files, in the order in which the functions named them first.
    pub files: Vec<ListedFile<C>>,
    /// The functions whose source is not at hand, each with its
    /// [`problem`](ListedFunction::problem).
    pub unlisted: Vec<ListedFunction<C>>,
}

/// A file of a [`Listing`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ListedFile<C> {
    /// The path or URL of the original file, or the script's name.
    pub name: Name,
    /// V8's id of the script; `None` for original files, and where the profile does not tell.
    pub script_id: Option<ScriptId>,
    /// Lines in ascending order, with gaps. One at which several functions start is there once for
    /// each, in the order of their columns.
    pub lines: Vec<ListedLine<C>>,
}

/// A line of a [`ListedFile`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ListedLine<C> {
    /// The line's number, from 1.
    pub number: usize,
    /// The line without its terminator; `…` stands for what was cut off.
    pub text: String,
    /// The function that starts here, if one does that is listed.
    pub function: Option<ListedFunction<C>>,
}

impl Profile {
    /// Shows the source around the first lines of functions, with one of the profile's values for
    /// each, those that allocated most first.
    ///
    /// Functions stand in their [original](Function::original) source where that is known: see
    /// [`map_sources`](Self::map_sources). Linear in the contexts and in the length of the texts.
    ///
    /// ```
    /// # use std::num::NonZeroU32;
    /// # use v8_heap_sampler::{Allocation, Counted, Function, Node, NodeId, Profile, SampleType};
    /// # let mut nodes = vec![Node::new(NodeId(1), "(root)"), Node::new(NodeId(2), "rows")];
    /// # nodes[0].child_ids.push(NodeId(2));
    /// # nodes[1].allocations.push(Allocation { count: 100, size: 8016 });
    /// # nodes[1].script_name = "app.js".into();
    /// # nodes[1].line_number = NonZeroU32::new(2);
    /// # let profile = Profile::from_nodes(&nodes, Counted::InUse)?;
    /// use v8_heap_sampler::source::{ListOptions, MemorySources};
    ///
    /// let mut sources = MemorySources::new();
    /// let code = "\"use strict\";\nfunction rows(n) {\n  return Array(n);\n}\n";
    /// sources.insert_source("app.js", code);
    /// let options = ListOptions::new().before(1).after(1);
    /// let listing = profile
    ///     .listing(SampleType::InuseSpace, "rows", &mut sources, &options)?;
    /// let shown = "\
    /// FILE ======================== app.js
    ///         self       total
    ///            .           .      1:\"use strict\";
    ///     801.6 kB    801.6 kB      2:function rows(n) {
    ///            .           .      3:  return Array(n);
    /// ";
    /// assert!(listing.to_string().ends_with(shown), "{listing}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`AnalysisError::NoSuchValues`] if the profile does not have the sample type.
    pub fn listing(
        &self,
        sample_type: SampleType,
        functions: impl Into<Pattern>,
        provider: &mut dyn SourceProvider,
        options: impl Into<ListOptions>,
    ) -> Result<Listing<Estimate>, AnalysisError> {
        let (pattern, options) = (functions.into(), options.into());
        let mut rows = self.top(sample_type)?.rows;
        rows.retain(|row| row.own.value() != 0.0 || options.callers && row.total.value() != 0.0);
        let listed = rows.into_iter().filter_map(|row| {
            let function = row.function.filter(|function| pattern.matches(function))?;
            Some(ListedFunction::new(function, row.own, row.total))
        });
        Ok(Listing::new(listed, provider, options))
    }
}

impl<C> Listing<C> {
    /// The source around the first lines of functions, with their costs, whatever these are.
    ///
    /// [`Profile::listing`] is that of a profile's values. [`ListOptions::callers`] does not
    /// matter here: all functions are listed. Linear in the functions and in the length of the
    /// texts.
    ///
    /// ```
    /// use std::num::NonZeroU32;
    /// use v8_heap_sampler::Function;
    /// use v8_heap_sampler::source::{ListOptions, ListedFunction, Listing, MemorySources};
    ///
    /// let mut function = Function::named("b");
    /// function.script_name = "min.js".into();
    /// function.line_number = NonZeroU32::new(1);
    /// function.column_number = NonZeroU32::new(35);
    /// let mut sources = MemorySources::new();
    /// let code = "var a=1;".repeat(3) + "function b(){return[a]}" + &";".repeat(99);
    /// sources.insert_source("min.js", code);
    ///
    /// let function = ListedFunction::new(function, "3 kB", "4 kB");
    /// let listing = Listing::new([function], &mut sources, ListOptions::new().width(20));
    /// assert_eq!(listing.files[0].lines[0].text, "…ion b(){return[a]};;…");
    /// ```
    #[must_use]
    pub fn new(
        functions: impl IntoIterator<Item = ListedFunction<C>>,
        provider: &mut dyn SourceProvider,
        options: impl Into<ListOptions>,
    ) -> Self {
        let options = options.into();
        let mut scripts = ByScript::default();
        for listed in functions {
            let function = &listed.function;
            let (name, ..) = function.shown_place();
            // Of the script that was made of it, not of an original file.
            let id = function.script_id.filter(|_| function.original.is_none());
            scripts.entry((id, name.clone())).or_insert_with(Vec::new).push(listed);
        }
        let mut listing = Self { files: Vec::new(), unlisted: Vec::new() };
        for ((script_id, name), functions) in scripts {
            let source = match Script::with(script_id, &name).map(|script| provider.source(script))
            {
                None => Err("it is of no script".to_owned()),
                Some(Ok(None)) => Err("its source is not at hand".to_owned()),
                Some(Err(error)) => Err(format!("its source cannot be read: {error}")),
                Some(Ok(Some(text))) => Ok(text),
            };
            let text = source.as_deref().map(Text::new).map_err(String::clone);
            let mut starts = Vec::new();
            for mut listed in functions {
                match listed.start(&text) {
                    Ok(place) => starts.push((place, listed)),
                    Err(problem) => {
                        listed.problem = Some(problem);
                        listing.unlisted.push(listed);
                    }
                }
            }
            if let Ok(text) = text
                && !starts.is_empty()
            {
                // Stable: those at one place stay in the order in which they came.
                starts.sort_by_key(|(place, _)| *place);
                let lines = lines(&text, starts, &options);
                listing.files.push(ListedFile { name, script_id, lines });
            }
        }
        listing
    }
}

/// The lines around the places where functions start, which are in ascending order.
fn lines<C>(
    text: &Text<'_>,
    starts: Vec<((usize, usize), ListedFunction<C>)>,
    options: &ListOptions,
) -> Vec<ListedLine<C>> {
    let line = |number: usize, at: usize, function| {
        let line = text.line(number - 1).unwrap_or_default();
        ListedLine { number, text: cut(line, at, options.width), function }
    };
    let mut lines = Vec::new();
    // The line that comes next, and the first one that does not follow the last function.
    let (mut next, mut end) = (1, 1);
    for ((number, column), listed) in starts {
        let first = number.saturating_sub(options.before);
        let between = (next..number).filter(|&number| number < end || number >= first);
        lines.extend(between.map(|number| line(number, 0, None)));
        let at = text.byte_of(number - 1, column.saturating_sub(1)).unwrap_or(0);
        lines.push(line(number, at, Some(listed)));
        next = number + 1;
        end = next.saturating_add(options.after).min(text.line_count() + 1);
    }
    lines.extend((next..end).map(|number| line(number, 0, None)));
    lines
}

/// What is around the byte `at` of a line, in about so many characters.
fn cut(line: &str, at: usize, width: usize) -> String {
    if line.chars().nth(width).is_none() {
        return line.to_owned();
    }
    // A quarter of it before the place; more if the line ends soon.
    let after = line[at..].chars().take(width).count();
    let before = (width / 4).max(width - after);
    let start = match before.checked_sub(1) {
        None => at,
        Some(last) => line[..at].char_indices().rev().nth(last).map_or(0, |(start, _)| start),
    };
    let end = line[start..].char_indices().nth(width).map_or(line.len(), |(end, _)| start + end);
    let (left, right) = (start > 0, end < line.len());
    let mark = |cut: bool| if cut { "…" } else { "" };
    format!("{}{}{}", mark(left), &line[start..end], mark(right))
}

/// The costs of a function, as they are shown.
fn costs<C: fmt::Display>(listed: Option<&ListedFunction<C>>) -> [String; 2] {
    match listed {
        Some(ListedFunction { own, total, .. }) => [own, total].map(|cost| format!("{cost:#}")),
        None => [".", "."].map(str::to_owned),
    }
}

impl<C: fmt::Display> fmt::Display for Listing<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "V8 records where a function starts, not the line that allocates: costs stand at \
             first lines."
        )?;
        let listed = self.files.iter().flat_map(|file| &file.lines);
        let listed = listed.filter_map(|line| line.function.as_ref()).chain(&self.unlisted);
        let widths = listed.fold([10, 10], |widths: [usize; 2], listed| {
            let [own, total] = costs(Some(listed)).map(|cost| cost.chars().count());
            [widths[0].max(own), widths[1].max(total)]
        });
        let [left, right] = widths;
        for ListedFile { name, script_id, lines } in &self.files {
            let script = Script { id: *script_id, name };
            writeln!(f, "\nFILE ======================== {script}")?;
            writeln!(f, "  {:>left$}  {:>right$}", "self", "total")?;
            let mut last = None;
            for ListedLine { number, text, function } in lines {
                if last.is_some_and(|last| last + 1 < *number) {
                    writeln!(f, "{:>1$}", "...", left + right + 11)?;
                }
                last = Some(number);
                let [own, total] = costs(function.as_ref());
                let shown = plain_text(text);
                write!(f, "  {own:>left$}  {total:>right$} {number:>6}:{shown}")?;
                // Compiled names, and those that V8 makes up, are not in the text.
                let name = function.as_ref().map(|listed| listed.function.shown_name());
                match name.filter(|name| !text.contains(name.as_str())) {
                    Some(name) => writeln!(f, "  <- {}", plain_text(name))?,
                    None => writeln!(f)?,
                }
            }
        }
        if !self.unlisted.is_empty() {
            writeln!(f, "\nWITHOUT SOURCE ==============")?;
        }
        for listed in &self.unlisted {
            let [own, total] = costs(Some(listed));
            let problem = plain_text(listed.problem.as_deref().unwrap_or_default());
            writeln!(f, "  {own:>left$}  {total:>right$}  {} ({problem})", listed.function)?;
        }
        Ok(())
    }
}
