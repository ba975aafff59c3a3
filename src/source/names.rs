//! The original name and place of a function, of a map and of both texts.
//!
//! V8 says that a function starts where its parameters do: at the `(`, or at the first word of an
//! arrow function. Its name stands before that, if anywhere, and so does the token of the map that
//! knows the original name. A token *at* the start is of no use for names: for `n=>n` it is the
//! parameter's.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::map::{Found, Map, OriginalPlace};
use super::text::Text;
use crate::model::Function;

/// The original place and name of functions of one script.
pub(super) struct Resolver<'m> {
    map: &'m Map,
    /// The script's.
    text: Option<Rc<Text<'m>>>,
    /// The texts of original files, by where they are in memory: each is cut into lines once.
    originals: RefCell<HashMap<*const u8, Rc<Text<'m>>>>,
}

/// Where a function stands in the original.
pub(super) struct Resolved<'m> {
    pub(super) place: OriginalPlace<'m>,
    /// Whether the column is known too.
    pub(super) has_column: bool,
    /// If it is not the one in the script.
    pub(super) name: Option<String>,
}

impl<'m> Resolver<'m> {
    pub(super) fn new(map: &'m Map, text: Option<&'m str>) -> Self {
        let text = text.map(|text| Rc::new(Text::new(text)));
        Self { map, text, originals: RefCell::default() }
    }

    /// Where a function stands in the original; `None` if the map does not say, or says nothing
    /// that can be relied on.
    pub(super) fn resolve(&self, function: &Function) -> Option<Resolved<'m>> {
        let line = function.line_number?.get() as usize - 1;
        let column = function.column_number?.get() as usize - 1;
        // A script as a whole is one original file's, or no one's.
        let is_script = (line, column) == (0, 0) && function.name.is_empty();
        if is_script && self.map.file_count() != 1 {
            return None;
        }
        let found = self.map.find(line, column)?;
        let place = found.place()?;
        let Some(text) = &self.text else {
            let is_head = found.is_range() || can_be_head(column - found.column, function);
            let is_known = is_head || self.map.is_alone(line, found);
            return is_known.then_some(Resolved { place, has_column: is_head, name: None });
        };
        // A place that the text does not have, or at which no function can start: it is not the
        // text that ran.
        let is_any = is_script || function.name.starts_with('<');
        let head = Spot::new(text, line, column).filter(|head| is_any || head.is_start())?;
        let (mut place, has_column) = self.checked_place(&head, found, place)?;
        if found.column == column && is_bare_arrow(head.after) {
            place = self.parenthesis_before(place).unwrap_or(place);
        }
        let name = self.renamed(&head, function, place).or_else(|| {
            let is_anonymous = function.name.is_empty() && !is_script;
            let exact = matches!(head.since(found.column), Some("" | "("));
            (is_anonymous && has_column).then(|| self.declared(&head, place, exact))?
        });
        let name = name.filter(|name| !name.is_empty() && *name != *function.name);
        Some(Resolved { place, has_column, name })
    }

    /// A place in the text of its original file, if the map carries that.
    fn original(&self, place: OriginalPlace<'m>) -> Option<Spot<'m>> {
        let text = place.text?;
        let mut originals = self.originals.borrow_mut();
        let text = originals.entry(text.as_ptr()).or_insert_with(|| Rc::new(Text::new(text)));
        Spot::new(text, place.line, place.column)
    }

    /// The place of a function whose token was found, and whether its column can be relied on. What
    /// stands between the token and the function's start decides: a token of something else that
    /// merely comes before says nothing.
    fn checked_place(
        &self,
        head: &Spot<'_>,
        found: Found<'_>,
        place: OriginalPlace<'m>,
    ) -> Option<(OriginalPlace<'m>, bool)> {
        let between = head.since(found.column)?;
        if found.is_range() || between.is_empty() || is_head(between) {
            return Some((place, true));
        }
        if let Some(original) = self.original(place) {
            // Terser has the token of a function in parentheses at these.
            if between == "(" && is_function_start(original.after) {
                return Some((place, true));
            }
            // A map that knows little more than lines, of text that was taken over as it was.
            if original.after.starts_with(between) {
                let column = place.column + between.encode_utf16().count();
                return Some((OriginalPlace { column, ..place }, true));
            }
        }
        self.map.is_alone(head.line, found).then_some((place, false))
    }

    /// For an arrow function that has lost the parentheses of its parameter, at which `place` is:
    /// where they start in the original.
    fn parenthesis_before(&self, place: OriginalPlace<'m>) -> Option<OriginalPlace<'m>> {
        let original = self.original(place)?;
        let after = original.after.trim_start_matches(is_identifier_part);
        if after.len() == original.after.len() || after.trim_start().starts_with("=>") {
            return None;
        }
        let (mut line, mut before) = (place.line, without_comment(original.before));
        while before.is_empty() {
            line = line.checked_sub(1)?;
            before = without_comment(original.text.line(line)?);
        }
        let before = before.strip_suffix('(')?;
        Some(OriginalPlace { line, column: original.text.column_of(line, before.len()), ..place })
    }

    /// The original of the name that V8 tells, found where that name stands in the script.
    fn renamed(
        &self,
        head: &Spot<'_>,
        function: &Function,
        place: OriginalPlace<'m>,
    ) -> Option<String> {
        let (accessor, bare) = without_accessor(&function.name);
        if bare.is_empty() || bare.starts_with('<') {
            return None;
        }
        let before = head.before.trim_end();
        // `name(`, of a declaration or a method.
        if let Some(rest) = before.strip_suffix(bare)
            && !rest.ends_with(is_identifier_part)
        {
            let original = self.renamed_in_place(head, head.column_of(rest.len()))?;
            let sharp = if bare.starts_with('#') && !original.starts_with('#') { "#" } else { "" };
            return Some(format!("{accessor}{sharp}{original}"));
        }
        if before.ends_with("constructor") && head.after.starts_with('(') {
            return self.class_name(head, bare, place);
        }
        self.renamed_assignment(before, head, bare)
    }

    /// The original of a name that stands in the script at a column, right before the function's
    /// start.
    fn renamed_in_place(&self, head: &Spot<'_>, column: usize) -> Option<String> {
        let named = self.map.find_exactly(head.line, column);
        // Terser has the token of a method's name at the `(`.
        let at_start = || {
            let found = self.map.find_exactly(head.line, head.column)?;
            found.name().filter(|_| head.after.starts_with('('))
        };
        let original = named.and_then(Found::name).or_else(at_start).map(str::to_owned);
        original.or_else(|| {
            let place = named.and_then(Found::place).filter(|_| !self.map.has_names())?;
            self.identifier_at(place)
        })
    }

    /// The original of a name to which the function is assigned by what stands `before` it.
    fn renamed_assignment(&self, before: &str, head: &Spot<'_>, name: &str) -> Option<String> {
        // `name=(`, `name:function(`, `object.name=async function*(`.
        let before = before.strip_suffix('*').map_or(before, str::trim_end);
        let before = without_word(without_word(before, "function"), "async");
        let before = before.strip_suffix(['=', ':'])?.trim_end();
        let mut start = before.trim_end_matches(|c| c == '.' || is_identifier_part(c)).len();
        let (mut bare, mut original) = (Vec::new(), Vec::new());
        for part in before[start..].split('.') {
            // As V8 makes names up: `A.f` for `A.prototype.f`.
            if part != "prototype" {
                let found = self.map.find_exactly(head.line, head.column_of(start));
                bare.push(part);
                original.push(found.and_then(Found::name).unwrap_or(part));
            }
            start += part.len() + ".".len();
        }
        let is_path = !bare.contains(&"") && bare.join(".") == name;
        is_path.then(|| original.join("."))
    }

    /// The original name of the class whose constructor the function is, found before it.
    fn class_name(&self, head: &Spot<'_>, name: &str, place: OriginalPlace<'m>) -> Option<String> {
        /// Classes start close to their constructors.
        const FAR: usize = 256 << 10;
        let (start, before) = head.text.up_to(head.line, head.before.len(), FAR)?;
        // `class name` and `name=class`, the last of which counts.
        let declared = last_match(before, &format!("class {name}")).map(|at| at + "class ".len());
        let assigned = last_match(before, &format!("{name}=class"));
        let assigned_spaced = last_match(before, &format!("{name} = class"));
        let at = declared.max(assigned).max(assigned_spaced)?;
        let (line, column) = head.text.place_of_byte(start + at)?;
        let found = self.map.find_exactly(line, column)?;
        let class = found.place()?;
        // A class of the same name elsewhere is another one.
        let is_it = class.file == place.file && class.line <= place.line;
        found.name().filter(|_| is_it).map(str::to_owned)
    }

    /// The name that the original gives a function that has none in the script: minifiers take it
    /// away where nothing refers to it.
    fn declared(&self, head: &Spot<'_>, place: OriginalPlace<'m>, exact: bool) -> Option<String> {
        let Spot { before, after, .. } = self.original(place)?;
        if head.is_function() {
            let mut rest = after;
            for word in ["export", "default", "async"] {
                rest = after_word(rest, word).unwrap_or(rest);
            }
            let rest = after_word(rest, "function")?;
            let identifier = identifier(rest.strip_prefix('*').unwrap_or(rest).trim_start());
            if !identifier.is_empty() {
                return Some(identifier.to_owned());
            }
        }
        // Of something else than an arrow function, the name may be another one's.
        let is_arrow = exact && head.is_arrow() && !after.starts_with("function");
        let is_expression = head.is_function() && after_word(after, "function").is_some();
        if is_arrow || is_expression { assigned_name(before) } else { None }
    }

    /// The identifier at a place of the original.
    fn identifier_at(&self, place: OriginalPlace<'m>) -> Option<String> {
        let rest = self.original(place)?.after;
        let identifier = identifier(rest);
        // What follows the name of a function.
        let follows = rest[identifier.len()..].trim_start();
        let is_name = !identifier.is_empty() && follows.starts_with(['(', '<', '=', ':', '?']);
        let is_word = ["function", "async", "get", "set", "static", "export"].contains(&identifier);
        (is_name && !is_word).then(|| identifier.to_owned())
    }
}

/// A place in a text, and its line: where a function starts in the script, or in the original.
struct Spot<'t> {
    text: Rc<Text<'t>>,
    line: usize,
    /// In UTF-16 units.
    column: usize,
    before: &'t str,
    after: &'t str,
}

impl<'t> Spot<'t> {
    fn new(text: &Rc<Text<'t>>, line: usize, column: usize) -> Option<Self> {
        let at = text.byte_of(line, column)?;
        let (before, after) = text.line(line)?.split_at(at);
        Some(Self { text: text.clone(), line, column, before, after })
    }

    fn column_of(&self, byte: usize) -> usize {
        self.text.column_of(self.line, byte)
    }

    /// What stands between a column and this place.
    fn since(&self, column: usize) -> Option<&'t str> {
        let from = self.text.byte_of(self.line, column)?;
        self.before.get(from..)
    }

    /// Whether a function can start here.
    fn is_start(&self) -> bool {
        self.after.starts_with(|c| c == '(' || c == '\\' || is_identifier_part(c))
    }

    /// Whether it is a function by that word.
    fn is_function(&self) -> bool {
        let before = self.before.trim_end();
        let before = before.strip_suffix('*').map_or(before, str::trim_end);
        self.after.starts_with('(') && without_word(before, "function").len() < before.len()
    }

    /// Whether it can be an arrow function.
    fn is_arrow(&self) -> bool {
        let is_method = self.before.trim_end().ends_with(|c| is_identifier_part(c) || c == '"');
        is_bare_arrow(self.after)
            || after_word(self.after, "async").is_some()
            || (self.after.starts_with('(') && !self.is_function() && !is_method)
    }
}

/// Whether a text can stand between the token of a function and its parameters: words, a `*`, or a
/// property's name in quotation marks or brackets.
fn is_head(between: &str) -> bool {
    let between = between.trim_end();
    for quote in ['"', '\'', '`'] {
        if let Some(name) = between.strip_prefix(quote)
            && let Some(name) = name.strip_suffix(quote)
        {
            return !name.contains(quote);
        }
    }
    let mut rest = between.strip_suffix(']').unwrap_or(between);
    while let Some(plain) = rest.chars().next() {
        let (c, after) = escaped(rest).unwrap_or((plain, &rest[plain.len_utf8()..]));
        if !is_identifier_part(c) && !c.is_whitespace() && !matches!(c, '*' | '[') {
            return false;
        }
        rest = after;
    }
    true
}

/// The character that an escape at a text's start stands for, and the rest: `\u00F6` or `\u{F6}`,
/// as bundlers write what is not ASCII in identifiers.
fn escaped(text: &str) -> Option<(char, &str)> {
    let text = text.strip_prefix("\\u")?;
    let (digits, rest) = match text.strip_prefix('{') {
        Some(text) => text.split_once('}')?,
        None => text.split_at_checked(4)?,
    };
    Some((char::from_u32(u32::from_str_radix(digits, 16).ok()?)?, rest))
}

/// `get ` or `set `, if a name starts with that, and the rest.
fn without_accessor(name: &str) -> (&str, &str) {
    let is_accessor = name.starts_with("get ") || name.starts_with("set ");
    name.split_at(if is_accessor { "get ".len() } else { 0 })
}

/// Whether what is between a token and a function's start can be the function's head, of which only
/// the length is known: nothing, its name, or a word.
fn can_be_head(len: usize, function: &Function) -> bool {
    let (_, bare) = without_accessor(&function.name);
    let heads = ["", bare, "function", "function*", "async function", "constructor"];
    heads.iter().any(|head| head.encode_utf16().count() == len)
}

/// Whether a text starts with a function, and certainly so.
fn is_function_start(text: &str) -> bool {
    after_word(text, "function").is_some()
        || after_word(text, "async")
            .is_some_and(|rest| after_word(rest, "function").is_some() || rest.starts_with('('))
        || is_bare_arrow(text)
}

/// Whether a text starts with `parameter =>`.
fn is_bare_arrow(text: &str) -> bool {
    let parameter = identifier(text);
    !parameter.is_empty() && text[parameter.len()..].trim_start().starts_with("=>")
}

fn is_identifier_part(character: char) -> bool {
    // Close enough to ECMAScript's, with the `#` of private names, and joiners.
    character.is_alphanumeric() || matches!(character, '_' | '$' | '#' | '\u{200c}' | '\u{200d}')
}

/// The identifier that a text starts with; empty if there is none.
fn identifier(text: &str) -> &str {
    let end = text.find(|c| !is_identifier_part(c)).unwrap_or(text.len());
    if text.starts_with(|c: char| c.is_numeric()) { "" } else { &text[..end] }
}

/// A text without a word at its end, and without the space before that.
fn without_word<'t>(text: &'t str, word: &str) -> &'t str {
    match text.strip_suffix(word) {
        Some(rest) if !rest.ends_with(is_identifier_part) => rest.trim_end(),
        _ => text,
    }
}

/// A line of code without a comment and space at its end, as far as that is plain.
fn without_comment(line: &str) -> &str {
    let line = line.trim_end();
    if let Some((code, _)) = line.strip_suffix("*/").and_then(|line| line.rsplit_once("/*")) {
        return code.trim_end();
    }
    line.split_once("//").map_or(line, |(code, _)| code.trim_end())
}

/// What follows a word at a text's start.
fn after_word<'t>(text: &'t str, word: &str) -> Option<&'t str> {
    let rest = text.strip_prefix(word)?;
    (!rest.starts_with(is_identifier_part)).then(|| rest.trim_start())
}

/// The variable or field to which what follows is assigned, if that is plain: `const name = `.
fn assigned_name(before: &str) -> Option<String> {
    let before = before.trim_end().strip_suffix('=')?.trim_end();
    let rest = before.trim_end_matches(is_identifier_part);
    let name = identifier(&before[rest.len()..]);
    // Anything else may be the type of what is assigned to, or the object that it is of.
    let words = ["const", "let", "var", "static", "readonly", "private", "protected", "public"];
    let rest = rest.trim_end();
    let is_plain = rest.is_empty()
        || rest.ends_with([';', '{', '}', ',', '('])
        || words.into_iter().any(|word| without_word(rest, word).len() < rest.len());
    (is_plain && !name.is_empty()).then(|| name.to_owned())
}

/// Where the last whole occurrence of `pattern` starts in a text.
fn last_match(text: &str, pattern: &str) -> Option<usize> {
    let is_whole = |&(at, found): &(usize, &str)| {
        !text[..at].ends_with(is_identifier_part)
            && !text[at + found.len()..].starts_with(is_identifier_part)
    };
    text.rmatch_indices(pattern).find(is_whole).map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_of_functions_are_told_from_other_text() {
        for head in ["a", "function", "async function* ", "get x", "#a", "\"a.b\"", "['a'", "x]"] {
            let expected = !head.contains("['");
            assert_eq!(is_head(head), expected, "{head}");
        }
        for head in [r"gr\u00F6\u{DF}e", r"function \u{6F22}"] {
            assert!(is_head(head), "{head}");
        }
        for other in [r"\u002C", r"\u00", r"\u{}", r"\u{110000}", r"a\u00é0"] {
            assert!(!is_head(other), "{other}");
        }
        for other in ["a,", "a=", "a;b", "x(", "}", "\"a\",\"b\"", "a=>"] {
            assert!(!is_head(other), "{other}");
        }
    }

    #[test]
    fn names_are_taken_from_plain_assignments_only() {
        for (before, name) in [
            ("export const block = ", Some("block")),
            ("a = ", Some("a")),
            ("  static bound=", Some("bound")),
            ("(x, y = ", Some("y")),
            ("const f: Handler = ", None),
            ("exports.f = ", None),
            ("a == ", None),
            ("call(", None),
            ("", None),
        ] {
            assert_eq!(assigned_name(before).as_deref(), name, "{before}");
        }
    }
}
