//! Source lines with the cost of the functions that start there, as `pprof -list` shows them.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use super::provider::{Script, SourceProvider};
use super::text::Text;
use crate::analysis::{Pattern, TopRow};
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
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ListedFunction<C> {
    /// The function.
    pub function: Arc<Function>,
    /// The amount that it allocated itself. Written as `self`.
    pub own: C,
    /// The amount that it and all that it called allocated.
    pub total: C,
}

impl<C> ListedFunction<C> {
    /// A function and its costs.
    #[must_use]
    pub fn new(function: impl Into<Arc<Function>>, own: C, total: C) -> Self {
        Self { function: function.into(), own, total }
    }
}

/// Written as `name`, `location`, `generated_location`, `self` and `total`.
impl<C: Serialize> Serialize for ListedFunction<C> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut function = serializer.serialize_struct("ListedFunction", 5)?;
        function.serialize_field("name", self.function.shown_name())?;
        function.serialize_field("location", &self.function.display_location())?;
        let generated = self.function.generated_location();
        function.serialize_field("generated_location", &generated)?;
        function.serialize_field("self", &self.own)?;
        function.serialize_field("total", &self.total)?;
        function.end()
    }
}

/// Source lines with the cost of the functions that start there.
///
/// V8 records where a function *starts*, not the line that allocates: a cost stands at its
/// function's first line, and the line to blame is somewhere below.
///
/// Made by [`Profile::listing`] or [`list`]; displayed as a text with aligned columns, like
/// that of `go tool pprof -list`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Listing<C> {
    /// The files, in the order in which the functions named them first.
    pub files: Vec<ListedFile<C>>,
    /// Functions whose source is not at hand.
    pub unlisted: Vec<Unlisted<C>>,
}

/// A file of a [`Listing`].
#[derive(Clone, Debug, PartialEq, Serialize)]
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
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ListedLine<C> {
    /// The line's number, from 1.
    pub number: usize,
    /// The line without its terminator; `…` stands for what was cut off.
    pub text: String,
    /// The function that starts here, if one does that is listed.
    pub function: Option<ListedFunction<C>>,
}

/// A function whose source is not at hand.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Unlisted<C> {
    /// The function and its cost.
    pub function: ListedFunction<C>,
    /// The reason why there is no line to show.
    pub reason: String,
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
        let (pattern, options) = (functions.into(), &options.into());
        let functions = self.top(sample_type)?.rows.into_iter();
        let has_value =
            |row: &TopRow| row.own.value() != 0.0 || options.callers && row.total.value() != 0.0;
        let listed = functions.filter(has_value).filter_map(|row| {
            let function = row.function.filter(|function| pattern.matches(function))?;
            Some(ListedFunction::new(function, row.own, row.total))
        });
        Ok(list(listed.collect::<Vec<_>>(), provider, options))
    }
}

/// Shows the source around the first lines of functions, with their costs, whatever these are.
///
/// [`Profile::listing`] does so with a profile's values. [`ListOptions::callers`] does not
/// matter here: all functions are listed. Linear in the functions and in the length of the texts.
///
/// ```
/// use std::num::NonZeroU32;
/// use v8_heap_sampler::Function;
/// use v8_heap_sampler::source::{ListOptions, ListedFunction, MemorySources, list};
///
/// let mut function = Function::named("b");
/// function.script_name = "min.js".into();
/// function.line_number = NonZeroU32::new(1);
/// function.column_number = NonZeroU32::new(35);
/// let mut sources = MemorySources::new();
/// let code = "var a=1;".repeat(3) + "function b(){return[a]}" + &";".repeat(99);
/// sources.insert_source("min.js", code);
///
/// let options = ListOptions::new().width(20);
/// let listing = list([ListedFunction::new(function, "3 kB", "4 kB")], &mut sources, &options);
/// assert_eq!(listing.files[0].lines[0].text, "…ion b(){return[a]};;…");
/// ```
#[must_use]
pub fn list<C>(
    functions: impl IntoIterator<Item = ListedFunction<C>>,
    provider: &mut dyn SourceProvider,
    options: &ListOptions,
) -> Listing<C> {
    let mut unlisted = Vec::new();
    let by_script = by_script(functions, &mut unlisted);
    let files = by_script
        .into_iter()
        .filter_map(|functions| functions.list(provider, options, &mut unlisted))
        .collect();
    Listing { files, unlisted }
}

/// The functions of one script or original file.
struct OfScript<C> {
    id: Option<ScriptId>,
    name: Name,
    functions: Vec<ListedFunction<C>>,
}

/// The functions of each script, in the order in which they named it first.
fn by_script<C>(
    functions: impl IntoIterator<Item = ListedFunction<C>>,
    unlisted: &mut Vec<Unlisted<C>>,
) -> Vec<OfScript<C>> {
    let mut places: HashMap<(Option<ScriptId>, Name), usize> = HashMap::new();
    let mut scripts: Vec<OfScript<C>> = Vec::new();
    for function in functions {
        let Some(Script { id, name }) = Script::shown(&function.function) else {
            let reason = "it is of no script".to_owned();
            unlisted.push(Unlisted { function, reason });
            continue;
        };
        let name = Name::from(name);
        let place = *places.entry((id, name.clone())).or_insert(scripts.len());
        if place == scripts.len() {
            scripts.push(OfScript { id, name, functions: Vec::new() });
        }
        scripts[place].functions.push(function);
    }
    scripts
}

impl<C> OfScript<C> {
    /// The file with the lines of its functions, if there are any.
    fn list(
        self,
        provider: &mut dyn SourceProvider,
        options: &ListOptions,
        unlisted: &mut Vec<Unlisted<C>>,
    ) -> Option<ListedFile<C>> {
        let Self { id: script_id, name, functions } = self;
        let reason = match provider.source(Script { id: script_id, name: &name }) {
            Ok(Some(text)) => {
                let text = Text::new(&text);
                let starts = starts(&text, functions, unlisted);
                let lines = lines(&text, starts, options);
                return (!lines.is_empty()).then_some(ListedFile { name, script_id, lines });
            }
            Ok(None) => "its source is not at hand".to_owned(),
            Err(error) => format!("its source cannot be read: {error}"),
        };
        let unlist = |function| Unlisted { function, reason: reason.clone() };
        unlisted.extend(functions.into_iter().map(unlist));
        None
    }
}

/// A function with the line and column where it starts in the text.
type Start<C> = (usize, usize, ListedFunction<C>);

/// Where functions start in their text, in ascending order.
fn starts<C>(
    text: &Text<'_>,
    functions: Vec<ListedFunction<C>>,
    unlisted: &mut Vec<Unlisted<C>>,
) -> Vec<Start<C>> {
    let mut starts = Vec::new();
    for function in functions {
        let (_, line, column) = function.function.shown_place();
        let line = written_line(line) as usize;
        let reason = if line == 0 {
            "its line is not known".to_owned()
        } else if line > text.line_count() {
            let count = text.line_count();
            format!("the source at hand has {count} lines: it is not the one that ran")
        } else {
            starts.push((line, written_line(column) as usize, function));
            continue;
        };
        unlisted.push(Unlisted { function, reason });
    }
    // Stable: those at one place stay in the order in which they came.
    starts.sort_by_key(|&(line, column, _)| (line, column));
    starts
}

/// The lines around the places where functions start, which are in ascending order.
fn lines<C>(text: &Text<'_>, starts: Vec<Start<C>>, options: &ListOptions) -> Vec<ListedLine<C>> {
    let mut lines: Vec<ListedLine<C>> = Vec::new();
    let plain = |number: usize| {
        let line = text.line(number - 1).unwrap_or_default();
        ListedLine { number, text: cut(line, 0, options.width), function: None }
    };
    // The first line that is not shown, and up to which lines follow the last function.
    let (mut next, mut until) = (1, 0);
    for (number, column, listed) in starts {
        let first = number.saturating_sub(options.before).max(1);
        // What follows the one before goes up to here.
        while next <= until && next < number {
            lines.push(plain(next));
            next += 1;
        }
        next = next.max(first);
        while next < number {
            lines.push(plain(next));
            next += 1;
        }
        let line = text.line(number - 1).unwrap_or_default();
        let at = text.byte_of(number - 1, column.saturating_sub(1)).unwrap_or(0);
        let cut = cut(line, at, options.width);
        lines.push(ListedLine { number, text: cut, function: Some(listed) });
        next = number + 1;
        until = number.saturating_add(options.after).min(text.line_count());
    }
    while next <= until {
        lines.push(plain(next));
        next += 1;
    }
    lines
}

/// What is around the byte `at` of a line, in about so many characters.
fn cut(line: &str, at: usize, width: usize) -> String {
    let width = width.max(8);
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

impl<C: fmt::Display> fmt::Display for Listing<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "V8 records where a function starts, not the line that allocates: costs stand at \
             first lines."
        )?;
        let widths = self.widths();
        for file in &self.files {
            file.show(widths, f)?;
        }
        if self.unlisted.is_empty() {
            return Ok(());
        }
        writeln!(f, "\nWITHOUT SOURCE ==============")?;
        for Unlisted { function: listed, reason } in &self.unlisted {
            let [own, total] = widths.pad(listed);
            let function = listed.function.to_string();
            writeln!(f, "  {own}  {total}  {} ({})", plain_text(&function), plain_text(reason))?;
        }
        Ok(())
    }
}

/// How many characters the columns of costs are wide.
#[derive(Clone, Copy)]
struct Widths {
    own: usize,
    total: usize,
}

impl Widths {
    /// The costs of a function, in the width of their columns.
    fn pad<C: fmt::Display>(self, listed: &ListedFunction<C>) -> [String; 2] {
        let pad = |cost: &C, width: usize| format!("{:>width$}", format!("{cost:#}"));
        [pad(&listed.own, self.own), pad(&listed.total, self.total)]
    }
}

impl<C: fmt::Display> Listing<C> {
    fn widths(&self) -> Widths {
        let lines = self.files.iter().flat_map(|file| &file.lines);
        let listed = lines.filter_map(|line| line.function.as_ref());
        let all = listed.chain(self.unlisted.iter().map(|unlisted| &unlisted.function));
        let width_of = |cost: &C| format!("{cost:#}").chars().count();
        all.fold(Widths { own: 10, total: 10 }, |widths, listed| Widths {
            own: widths.own.max(width_of(&listed.own)),
            total: widths.total.max(width_of(&listed.total)),
        })
    }
}

impl<C: fmt::Display> ListedFile<C> {
    fn show(&self, widths: Widths, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.name.as_str(), self.script_id) {
            ("", Some(id)) => writeln!(f, "\nFILE ======================== (script {id})")?,
            (name, _) => writeln!(f, "\nFILE ======================== {}", plain_text(name))?,
        }
        let Widths { own, total } = widths;
        writeln!(f, "{:>own$} {:>total$}", "self", "total", own = own + 2, total = total + 1)?;
        let mut last = None;
        for line in &self.lines {
            if last.is_some_and(|last| last + 1 < line.number) {
                writeln!(f, "{:>1$}", "...", own + total + 11)?;
            }
            last = Some(line.number);
            line.show(widths, f)?;
        }
        Ok(())
    }
}

impl<C: fmt::Display> ListedLine<C> {
    fn show(&self, widths: Widths, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = plain_text(&self.text);
        let Some(listed) = &self.function else {
            let Widths { own, total } = widths;
            return writeln!(f, "  {:>own$}  {:>total$} {:>6}:{text}", ".", ".", self.number);
        };
        let [own, total] = widths.pad(listed);
        write!(f, "  {own}  {total} {:>6}:{text}", self.number)?;
        // Compiled names, and those that V8 makes up, are not in the text.
        let name = listed.function.shown_name();
        if self.text.contains(name.as_str()) {
            writeln!(f)
        } else {
            writeln!(f, "  <- {}", plain_text(name))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_cut_around_a_column() {
        assert_eq!(cut("0123456789", 3, 10), "0123456789");
        let line = "0123456789".repeat(10);
        assert_eq!(cut(&line, 0, 8), "01234567…");
        assert_eq!(cut(&line, 50, 8), "…89012345…");
        assert_eq!(cut(&line, 99, 8), "…23456789");
        assert_eq!(cut(&line, 100, 8), "…23456789");
        assert_eq!(cut(&line, 1, 8), "01234567…");
        let wide = "é😀".repeat(50);
        assert_eq!(cut(&wide, 60, 8), "…é😀é😀é😀é😀…");
    }
}
