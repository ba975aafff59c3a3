//! JSON as a stream of tokens, from a reader, in bounded memory.

use std::io::Read;
use std::num::NonZeroU32;

use jiter::{Jiter, JiterErrorType, JsonErrorType, NumberAny, NumberInt, Peek};
use serde::de::DeserializeOwned;

use super::ReadError;
use super::limit::{Limit, too_long};
use crate::profile::{Profile, push};

/// JSON from a reader, token by token: `jiter` on a window that moves over the text.
///
/// What `jiter` does with a token does not depend on those before, so a token that the window cuts
/// off is simply tried again when there is more. Memory is that of the window, which grows only for
/// a token that is larger, up to a limit.
pub(crate) struct JsonPull<R> {
    reader: R,
    window: Vec<u8>,
    /// Where in the window the next token starts.
    at: usize,
    /// Where in the text the window starts.
    start: u64,
    is_at_end: bool,
    /// How far in the window escapes have been looked at.
    mended: usize,
    limit: Limit,
    /// What those who read hold beside, as they said last.
    held: usize,
    /// Room for strings that have escapes.
    tape: Vec<u8>,
}

const WINDOW: usize = 256 * 1024;
/// How close to the window's end an error can be the window's doing: an identifier, an escape.
const CLOSE: usize = 32;

impl<R: Read> JsonPull<R> {
    pub(crate) fn new(reader: R, limit: Limit) -> Self {
        Self {
            reader,
            window: Vec::new(),
            at: 0,
            start: 0,
            is_at_end: false,
            mended: 0,
            limit,
            held: 0,
            tape: Vec::new(),
        }
    }

    /// Where in the text the next token starts, white space before it included.
    pub(crate) fn offset(&self) -> u64 {
        self.start + self.at as u64
    }

    /// The bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.window.capacity() + self.tape.capacity()
    }

    /// Whether so many bytes may be held beside those of this reader, now and until it is said
    /// again.
    #[inline]
    pub(crate) fn check(&mut self, held: usize) -> Result<(), ReadError> {
        self.held = held;
        self.limit.check(held + self.bytes())
    }

    /// An error about the value that was just read.
    pub(crate) fn field_error(
        &self,
        field: impl Into<String>,
        problem: impl Into<String>,
    ) -> ReadError {
        ReadError::Field { offset: self.offset(), field: field.into(), problem: problem.into() }
    }

    /// Runs `parse` on what comes next: once if the window holds it all, or else again and again
    /// with more. It must start anew each time.
    #[inline]
    pub(crate) fn parse<T>(
        &mut self,
        mut parse: impl FnMut(&mut Jiter<'_>) -> Result<T, Problem>,
    ) -> Result<T, ReadError> {
        loop {
            let rest = &self.window[self.at..];
            let mut jiter = Jiter::with_tape(rest, std::mem::take(&mut self.tape));
            let parsed = parse(&mut jiter);
            let read = jiter.current_index();
            self.tape = jiter.into_tape();
            match parsed {
                // At the window's very end a number may go on.
                Ok(value) if read < rest.len() || self.is_at_end => {
                    self.at += read;
                    return Ok(value);
                }
                Ok(_) => {}
                Err(problem) => {
                    let is_far = problem.index().is_some_and(|at| at + CLOSE < rest.len());
                    if is_far || self.is_at_end || matches!(problem, Problem::Limit) {
                        return Err(problem.at(self.offset(), self.limit));
                    }
                }
            }
            self.refill()?;
        }
    }

    /// Moves the window on, and makes it larger if it is full.
    #[cold]
    fn refill(&mut self) -> Result<(), ReadError> {
        self.window.drain(..self.at);
        self.start += self.at as u64;
        self.mended = self.mended.saturating_sub(self.at);
        self.at = 0;
        let more = WINDOW.max(self.window.len());
        let window = self.window.len() + more;
        // The tape may come to as much.
        if window > 2 * WINDOW {
            self.limit.check(self.held + 2 * window)?;
        }
        self.window.reserve_exact(more);
        let read = self.reader.by_ref().take(more as u64).read_to_end(&mut self.window)?;
        self.is_at_end = read < more;
        // An escape that is cut off waits for its end, as does the string that it is in.
        self.mended += mend_surrogates(&mut self.window[self.mended..], self.is_at_end);
        Ok(())
    }

    /// What kind of value comes next.
    pub(crate) fn peek(&mut self) -> Result<Peek, ReadError> {
        self.parse(|json| Ok(json.peek()?))
    }

    /// Enters an array; whether it has an element.
    pub(crate) fn enter_array(&mut self, field: &'static str) -> Result<bool, ReadError> {
        self.parse(|json| json.next_array().map(|first| first.is_some()).map_err(|e| of(field, e)))
    }

    /// Whether the array has one more element; leaves it if not.
    pub(crate) fn next_element(&mut self) -> Result<bool, ReadError> {
        self.parse(|json| Ok(json.array_step()?.is_some()))
    }

    /// Enters an object and reads its first key into `key`; whether it has one.
    pub(crate) fn enter_object(
        &mut self,
        field: &'static str,
        key: &mut String,
    ) -> Result<bool, ReadError> {
        self.parse(|json| take_key(json.next_object().map_err(|e| of(field, e))?, key))
    }

    /// Reads the next key into `key`; leaves the object if there is none.
    pub(crate) fn next_key(&mut self, key: &mut String) -> Result<bool, ReadError> {
        self.parse(|json| take_key(json.next_key()?, key))
    }

    /// A value that is small, as serde reads it.
    pub(crate) fn value<T: DeserializeOwned>(
        &mut self,
        field: &'static str,
    ) -> Result<T, ReadError> {
        self.parse(|json| small_value(json, field))
    }

    /// An array of small values, each of which comes to so many bytes in the end, where others hold
    /// `held`.
    pub(crate) fn list<T>(
        &mut self,
        field: &'static str,
        held: usize,
        each: usize,
        read: impl Fn(&mut Jiter<'_>) -> Result<T, Problem>,
    ) -> Result<Vec<T>, ReadError> {
        let mut list = Vec::new();
        let mut more = self.enter_array(field)?;
        while more {
            let value = self.parse(&read)?;
            push(&mut list, value);
            self.check(held + list.capacity() * each)?;
            more = self.next_element()?;
        }
        Ok(list)
    }

    /// Skips a value, of any size and depth.
    pub(crate) fn skip(&mut self) -> Result<(), ReadError> {
        // Whether each open value is an object or an array.
        let mut open: Vec<bool> = Vec::new();
        let mut key = String::new();
        loop {
            match self.peek()? {
                Peek::Array => {
                    if self.enter_array("")? {
                        self.open(&mut open, false)?;
                        continue;
                    }
                }
                Peek::Object => {
                    if self.enter_object("", &mut key)? {
                        self.open(&mut open, true)?;
                        continue;
                    }
                }
                _ => self.parse(|json| Ok(json.next_skip()?))?,
            }
            loop {
                let more = match open.last() {
                    None => return Ok(()),
                    Some(true) => self.next_key(&mut key)?,
                    Some(false) => self.next_element()?,
                };
                if more {
                    break;
                }
                open.pop();
            }
        }
    }

    /// Notes that a value is open, unless there are too many.
    #[inline]
    fn open(&self, open: &mut Vec<bool>, is_object: bool) -> Result<(), ReadError> {
        push(open, is_object);
        self.limit.check(self.held + self.bytes() + open.capacity())
    }

    /// The keys of the object that comes next, or of the first one in the array, as far as the text
    /// is held; nothing is read.
    pub(crate) fn keys_ahead(&mut self) -> Result<Vec<String>, ReadError> {
        let mut keys = Vec::new();
        self.peek()?;
        let mut json = Jiter::new(&self.window[self.at..]);
        // What is wrong with the text is for those to say who read it.
        let _ = note_keys(&mut json, &mut keys);
        Ok(keys)
    }

    /// What the first element of the array that comes next is, if it is one; nothing is read.
    pub(crate) fn element_ahead(&mut self) -> Result<Option<Peek>, ReadError> {
        if self.peek()? != Peek::Array {
            return Ok(None);
        }
        if self.window.len() - self.at < CLOSE && !self.is_at_end {
            self.refill()?;
        }
        Ok(Jiter::new(&self.window[self.at..]).next_array().ok().flatten())
    }

    /// Skips the rest of so many objects that are open; nothing but white space may follow.
    pub(crate) fn leave(&mut self, open: usize) -> Result<(), ReadError> {
        let mut key = String::new();
        for _ in 0..open {
            while self.next_key(&mut key)? {
                self.skip()?;
            }
        }
        self.finish()
    }

    /// Nothing but white space may follow.
    pub(crate) fn finish(&mut self) -> Result<(), ReadError> {
        loop {
            self.parse(|json| match json.peek() {
                Err(error) if is_end(&error) => Ok(()),
                _ => Ok(json.finish()?),
            })?;
            if self.is_at_end {
                return Ok(());
            }
            self.at = self.window.len();
            self.refill()?;
        }
    }
}

/// Replaces the escapes of lone surrogates, which JavaScript writes and UTF-8 lacks, by those of
/// U+FFFD, which are as long; returns how far it came. It stops before an escape that is cut off.
fn mend_surrogates(text: &mut [u8], is_all: bool) -> usize {
    let mut at = 0;
    while let Some(found) = memchr::memchr(b'\\', &text[at..]) {
        at += found;
        let rest = &text[at..];
        let is_cut = match rest {
            [_] => true,
            [_, b'u', ..] => rest.len() < 12 && !rest[1..].contains(&b'"'),
            _ => false,
        };
        if is_cut && !is_all {
            return at;
        }
        at += match (surrogate(rest), rest.get(6..).and_then(surrogate)) {
            (Some(0xd800..0xdc00), Some(0xdc00..)) => 12,
            (Some(_), _) => {
                text[at + 2..at + 6].copy_from_slice(b"fffd");
                6
            }
            // An escaped backslash or quote is no start of the next.
            (None, _) => 2.min(rest.len()),
        };
    }
    text.len()
}

/// The surrogate whose escape a text starts with.
fn surrogate(text: &[u8]) -> Option<u16> {
    let digits = text.strip_prefix(b"\\u")?.get(..4)?;
    let unit = u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    (0xd800..0xe000).contains(&unit).then_some(unit)
}

fn is_end(error: &jiter::JiterError) -> bool {
    matches!(error.error_type, JiterErrorType::JsonError(JsonErrorType::EofWhileParsingValue))
}

fn note_keys(json: &mut Jiter<'_>, keys: &mut Vec<String>) -> Result<(), jiter::JiterError> {
    const MOST: usize = 64;
    if json.peek()? == Peek::Array && json.next_array()?.is_none() {
        return Ok(());
    }
    let mut key = json.next_object()?.map(str::to_owned);
    while let Some(next) = key.filter(|_| keys.len() < MOST) {
        keys.push(next);
        json.next_skip()?;
        key = json.next_key()?.map(str::to_owned);
    }
    Ok(())
}

fn take_key(read: Option<&str>, key: &mut String) -> Result<bool, Problem> {
    key.clear();
    read.inspect(|read| key.push_str(read));
    Ok(read.is_some())
}

/// What is wrong with what comes next, at a place relative to it.
pub(crate) enum Problem {
    Json(jiter::JiterError),
    /// What is noted of it would take too much memory.
    Limit,
    /// JSON, but not the value that the field must have.
    Value {
        field: &'static str,
        problem: String,
        index: usize,
    },
}

impl From<jiter::JiterError> for Problem {
    fn from(error: jiter::JiterError) -> Self {
        Self::Json(error)
    }
}

/// A value of the wrong type is the field's problem, anything else the text's.
pub(crate) fn of(field: &'static str, error: jiter::JiterError) -> Problem {
    match error.error_type {
        JiterErrorType::WrongType { .. } => {
            Problem::Value { field, problem: error.error_type.to_string(), index: error.index }
        }
        JiterErrorType::JsonError(JsonErrorType::NumberOutOfRange) => Problem::Value {
            field,
            problem: "the number is out of bounds".to_owned(),
            index: error.index,
        },
        JiterErrorType::JsonError(_) => Problem::Json(error),
    }
}

impl Problem {
    /// With the value that was just read, or is to be read next.
    #[cold]
    pub(crate) fn here(field: &'static str, problem: &str, json: &Jiter<'_>) -> Self {
        Self::Value { field, problem: problem.to_owned(), index: json.current_index() }
    }

    /// Where it is; `None` if the text ended too early.
    fn index(&self) -> Option<usize> {
        match self {
            Self::Json(error) => (!is_end(error)).then_some(error.index),
            Self::Value { index, .. } => Some(*index),
            Self::Limit => None,
        }
    }

    #[cold]
    fn at(self, start: u64, limit: Limit) -> ReadError {
        match self {
            Self::Json(error) => ReadError::Json {
                offset: start + error.index as u64,
                problem: error.error_type.to_string(),
            },
            Self::Limit => limit.met(),
            Self::Value { field, problem, index } => {
                ReadError::Field { offset: start + index as u64, field: field.to_owned(), problem }
            }
        }
    }
}

/// A value that is small, as serde reads it.
pub(crate) fn small_value<T: DeserializeOwned>(
    json: &mut Jiter<'_>,
    field: &'static str,
) -> Result<T, Problem> {
    json.peek()?;
    let index = json.current_index();
    json.next_skip()?;
    serde_json::from_slice(json.slice_to_current(index)).map_err(|error| Problem::Value {
        field,
        problem: error.to_string(),
        index,
    })
}

#[inline]
pub(crate) fn amount(json: &mut Jiter<'_>, field: &'static str) -> Result<f64, Problem> {
    let peek = json.peek()?;
    let index = json.current_index();
    let number = match json.known_number(peek).map_err(|e| of(field, e))? {
        NumberAny::Int(NumberInt::Int(number)) => number as f64,
        NumberAny::Float(number) => number,
    };
    if (0.0..=Profile::MOST as f64).contains(&number) {
        return Ok(number);
    }
    let problem = format!("{number} is not from 0 to 2^53");
    Err(Problem::Value { field, problem, index })
}

#[inline]
pub(crate) fn integer(
    json: &mut Jiter<'_>,
    field: &'static str,
    least: i64,
    most: i64,
) -> Result<i64, Problem> {
    let peek = json.peek()?;
    let index = json.current_index();
    let NumberInt::Int(number) = json.known_int(peek).map_err(|e| of(field, e))?;
    if (least..=most).contains(&number) {
        return Ok(number);
    }
    let problem = format!("{number} is not from {least} to {most}");
    Err(Problem::Value { field, problem, index })
}

/// The name of a function or script, in place of what `into` has.
#[inline]
pub(crate) fn text(
    json: &mut Jiter<'_>,
    into: &mut String,
    field: &'static str,
) -> Result<(), Problem> {
    json.peek()?;
    let index = json.current_index();
    let text = json.next_str().map_err(|e| of(field, e))?;
    if let Some(problem) = too_long(text.len()) {
        return Err(Problem::Value { field, problem, index });
    }
    into.clear();
    into.push_str(text);
    Ok(())
}

/// A whole number of 32 bits.
#[inline]
pub(crate) fn number(json: &mut Jiter<'_>, field: &'static str) -> Result<u32, Problem> {
    Ok(integer(json, field, 0, u32::MAX.into())? as u32)
}

/// A line or column, counted from 1; 0 where it is unknown.
#[inline]
pub(crate) fn place(
    json: &mut Jiter<'_>,
    field: &'static str,
) -> Result<Option<NonZeroU32>, Problem> {
    Ok(NonZeroU32::new(number(json, field)?))
}

/// Reads the value of a field into what holds it.
pub(crate) type ReadField<T> = fn(&mut T, &mut Jiter<'_>) -> Result<(), Problem>;

/// A field that is known by its key: a bit that stands for it, and what reads its value.
pub(crate) type Field<T> = (u16, ReadField<T>);

/// A field, for the functions that look one up by its key.
#[inline]
pub(crate) fn field<T>(bit: u16, read: ReadField<T>) -> Option<Field<T>> {
    Some((bit, read))
}

/// Reads the fields of a small object, each once, and says by their bits which there were: what
/// `field_of` does not know is skipped.
#[inline]
pub(crate) fn each_field<T>(
    json: &mut Jiter<'_>,
    object: &'static str,
    into: &mut T,
    field_of: impl Fn(&str) -> Option<Field<T>>,
) -> Result<u16, Problem> {
    let mut has = 0;
    let mut key = json.next_object().map_err(|e| of(object, e))?.map(&field_of);
    while let Some(found) = key {
        match found {
            None => json.next_skip()?,
            Some((bit, _)) if has & bit != 0 => {
                return Err(Problem::here(object, "the object has a field twice", json));
            }
            Some((bit, read)) => {
                has |= bit;
                read(into, json)?;
            }
        }
        key = json.next_key()?.map(&field_of);
    }
    Ok(has)
}

/// As [`each_field`], of an `element` of a list that has all of `fields`, the first one by the
/// lowest bit.
#[inline]
pub(crate) fn all_fields<T>(
    json: &mut Jiter<'_>,
    list: &'static str,
    fields: &[&'static str],
    element: &str,
    mut into: T,
    field_of: impl Fn(&str) -> Option<Field<T>>,
) -> Result<T, Problem> {
    let has = each_field(json, list, &mut into, field_of)?;
    match fields.get(has.trailing_ones() as usize) {
        None => Ok(into),
        Some(field) => {
            Err(Problem::here(field, &format!("the {element} that ends here lacks it"), json))
        }
    }
}
