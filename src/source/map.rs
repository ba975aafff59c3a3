//! A source map, decoded: from places in a script to places in original files.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use serde::Deserialize;
use serde_json::Value;
use sourcemap::{DecodedMap, SourceMap, Token};

use super::text::Text;
use super::urls::percent_decoded;

/// A source map: sections, one in most maps.
pub(super) struct Map {
    /// In ascending order of their starts.
    sections: Vec<Section>,
}

struct Section {
    /// Where it starts in the script; line and column from 0.
    start: (u32, u32),
    /// Nothing where an indexed map says nothing, or refers to a map elsewhere.
    map: Option<SourceMap>,
}

/// A token of a map that stands at or before a place on its line.
#[derive(Clone, Copy)]
pub(super) struct Found<'m> {
    section: usize,
    /// The column at which the token starts in the script, from 0.
    pub(super) column: usize,
    token: Token<'m>,
}

/// The number of an original file: section, and file within.
pub(super) type FileNumber = (usize, u32);

/// A place in an original file; line and column from 0, in UTF-16 units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OriginalPlace {
    pub(super) file: FileNumber,
    pub(super) line: usize,
    pub(super) column: usize,
}

impl Map {
    /// Decodes the JSON of a map, which may start with a line against its execution as a script.
    pub(super) fn decode(json: &[u8]) -> Result<Self, String> {
        // Some servers' byte order mark.
        let json = json.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(json);
        let start = match json.first() {
            Some(b')' | b']' | b'}' | b'\'') => {
                json.iter().position(|&byte| byte == b'\n').ok_or("it is no JSON")?
            }
            _ => 0,
        };
        let json = &json[start..];
        let checked: CheckedMap<'_> =
            serde_json::from_slice(json).map_err(|error| error.to_string())?;
        checked.check()?;
        drop(checked);
        // The decoder refuses a map for any odd field, one that is not of use here too.
        let decoded = sourcemap::decode_slice(json).or_else(|_| {
            let needed = needed_fields(serde_json::from_slice(json)?, MOST_NESTED);
            sourcemap::decode_slice(&serde_json::to_vec(&needed)?)
        });
        let mut decoded = decoded.map_err(|error| error.to_string())?;
        let mut sections = Vec::new();
        take_sections(&mut decoded, (0, 0), &mut sections);
        // Stable: of sections that start at one place, the last one counts.
        sections.sort_by_key(|section| section.start);
        Ok(Self { sections })
    }

    /// Decodes a map within a `data:` URL.
    pub(super) fn decode_data_url(url: &str) -> Result<Self, String> {
        let rest = url.strip_prefix("data:").ok_or("it is no data: URL")?;
        let (kind, data) = rest.split_once(',').ok_or("its data: URL has no data")?;
        if !kind.to_ascii_lowercase().ends_with(";base64") {
            return Self::decode(&percent_decoded(data));
        }
        let bytes = percent_decoded(data);
        let bytes = base64(&bytes).ok_or("the base64 of its data: URL is damaged")?;
        Self::decode(&bytes)
    }

    /// The token at a place of the script, or the last one before it on its line.
    pub(super) fn find(&self, line: usize, column: usize) -> Option<Found<'_>> {
        let (line, column) = (u32::try_from(line).ok()?, u32::try_from(column).ok()?);
        let after = self.sections.partition_point(|section| section.start <= (line, column));
        let number = after.checked_sub(1)?;
        let section = &self.sections[number];
        let line_within = line - section.start.0;
        let offset = if line_within == 0 { section.start.1 } else { 0 };
        let (map, place) = (section.map.as_ref()?, (line_within, column - offset));
        // One of a line before says nothing about this one, and the decoder subtracts its column
        // from one that can be less.
        if last_token(map, place)?.get_dst_line() != line_within {
            return None;
        }
        let token = map.lookup_token(place.0, place.1)?;
        let column = (token.get_dst_col() + offset) as usize;
        Some(Found { section: number, column, token })
    }

    /// The token that starts exactly at a place of the script.
    pub(super) fn find_exactly(&self, line: usize, column: usize) -> Option<Found<'_>> {
        self.find(line, column).filter(|found| found.column == column)
    }

    /// Whether a token is the only one of its line, and there are others, as in maps that know
    /// lines only.
    pub(super) fn is_alone(&self, line: usize, found: Found<'_>) -> bool {
        let maps = self.sections.iter().filter_map(|section| section.map.as_ref());
        if maps.map(|map| map.get_token_count() as usize).sum::<usize>() < 2 {
            return false;
        }
        let is_first = match found.column.checked_sub(1) {
            None => true,
            Some(before) => self.find(line, before).is_none(),
        };
        let last = self.find(line, u32::MAX as usize);
        is_first && last.is_some_and(|last| last.column == found.column)
    }

    /// How many original files there are.
    pub(super) fn file_count(&self) -> usize {
        let maps = self.sections.iter().filter_map(|section| section.map.as_ref());
        maps.map(|map| map.get_source_count() as usize).sum()
    }

    /// Whether the map knows original names.
    pub(super) fn has_names(&self) -> bool {
        self.sections.iter().filter_map(|section| section.map.as_ref()).any(SourceMap::has_names)
    }

    /// The name of an original file, with the map's `sourceRoot`.
    pub(super) fn file_name(&self, (section, file): FileNumber) -> Option<&str> {
        self.sections.get(section)?.map.as_ref()?.get_source(file)
    }

    /// The text of an original file, if the map carries it.
    pub(super) fn file_text(&self, (section, file): FileNumber) -> Option<&str> {
        self.sections.get(section)?.map.as_ref()?.get_source_contents(file)
    }
}

impl<'m> Found<'m> {
    /// The original place; `None` for code of no original file.
    pub(super) fn place(self) -> Option<OriginalPlace> {
        // Damaged maps count below 0, which the decoder has wrap around.
        const MOST: u32 = i32::MAX as u32;
        let (line, column) = self.token.get_src();
        let is_known = self.token.has_source()
            && line < MOST
            && column < MOST
            && self.token.get_source().is_some_and(|source| !source.is_empty());
        is_known.then(|| OriginalPlace {
            file: (self.section, self.token.get_src_id()),
            line: line as usize,
            column: column as usize,
        })
    }

    /// What is called otherwise in the original.
    pub(super) fn name(self) -> Option<&'m str> {
        self.token.get_name().filter(|name| !name.is_empty())
    }

    /// Whether the text from here on is that of the original, as it is.
    pub(super) fn is_range(self) -> bool {
        self.token.is_range()
    }
}

/// The texts of original files, each cut into lines once.
pub(super) struct Originals<'m> {
    map: &'m Map,
    texts: RefCell<HashMap<FileNumber, Option<Rc<Text<'m>>>>>,
}

impl<'m> Originals<'m> {
    pub(super) fn new(map: &'m Map) -> Self {
        Self { map, texts: RefCell::default() }
    }

    pub(super) fn text(&self, file: FileNumber) -> Option<Rc<Text<'m>>> {
        let text = || self.map.file_text(file).map(Text::new).map(Rc::new);
        self.texts.borrow_mut().entry(file).or_insert_with(text).clone()
    }
}

/// The last token that starts at a line and column, or before it.
fn last_token(map: &SourceMap, place: (u32, u32)) -> Option<Token<'_>> {
    let (mut after, mut end) = (0, map.get_token_count() as usize);
    while after < end {
        let middle = after + (end - after) / 2;
        if map.get_token(middle).is_some_and(|token| token.get_dst() <= place) {
            after = middle + 1;
        } else {
            end = middle;
        }
    }
    map.get_token(after.checked_sub(1)?)
}

/// Moves the maps out of `decoded`, which starts at `start`.
fn take_sections(decoded: &mut DecodedMap, start: (u32, u32), sections: &mut Vec<Section>) {
    let empty = || SourceMap::new(None, Vec::new(), Vec::new(), Vec::new(), None);
    let index = match decoded {
        DecodedMap::Regular(map) => {
            let map = Some(std::mem::replace(map, empty()));
            return sections.push(Section { start, map });
        }
        DecodedMap::Hermes(map) => {
            let map = Some(std::mem::replace(&mut **map, empty()));
            return sections.push(Section { start, map });
        }
        DecodedMap::Index(index) => index,
    };
    // What comes before the first section, or after a map that is not there, is not mapped.
    sections.push(Section { start, map: None });
    for number in 0..index.get_section_count() {
        let Some(section) = index.get_section_mut(number) else { continue };
        let (line, column) = section.get_offset();
        let within = if line == 0 { start.1 } else { 0 };
        let (Some(line), Some(column)) = (start.0.checked_add(line), within.checked_add(column))
        else {
            continue;
        };
        match section.get_sourcemap_mut() {
            Some(map) => take_sections(map, (line, column), sections),
            None => sections.push(Section { start: (line, column), map: None }),
        }
    }
}

/// The parts of a map that the decoder takes too lightly.
#[derive(Deserialize)]
struct CheckedMap<'j> {
    version: Option<Value>,
    #[serde(borrow)]
    mappings: Option<Cow<'j, str>>,
    sections: Option<Vec<CheckedSection<'j>>>,
}

#[derive(Deserialize)]
struct CheckedSection<'j> {
    #[serde(borrow)]
    map: Option<CheckedMap<'j>>,
}

impl CheckedMap<'_> {
    /// No deeper than the parser of its JSON recurses.
    fn check(&self) -> Result<(), String> {
        match &self.version {
            None => {}
            Some(version) if version.as_u64() == Some(3) => {}
            Some(version) => return Err(format!("it is of version {version}, and 3 is supported")),
        }
        if self.mappings.is_none() && self.sections.is_none() {
            return Err("it has neither mappings nor sections".to_owned());
        }
        // The decoder reads any other character as a digit, and would be wrong from there on.
        let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"+/,;".contains(&byte);
        if let Some(mappings) = &self.mappings
            && let Some(at) = mappings.bytes().position(|byte| !is_known(byte))
        {
            return Err(format!("character {at} of its mappings is none of theirs"));
        }
        let mut maps = self.sections.iter().flatten().filter_map(|section| section.map.as_ref());
        maps.try_for_each(Self::check)
    }
}

/// How deep sections of sections are looked into: no deeper than the parser of JSON recurses.
const MOST_NESTED: usize = 128;

/// The fields of a map that are of use here, as far as they are of their types.
fn needed_fields(map: Value, depth: usize) -> Value {
    let Value::Object(fields) = map else { return map };
    let is_text = |value: &Value| value.is_string() || value.is_null();
    let texts = |values: Value| match values {
        Value::Array(values) => Value::Array(
            values.into_iter().map(|v| if is_text(&v) { v } else { Value::Null }).collect(),
        ),
        _ => Value::Null,
    };
    let field = |(name, value): (String, Value)| {
        let value = match &*name {
            "version" | "mappings" | "offset" => value,
            "sourceRoot" | "url" | "rangeMappings" if is_text(&value) => value,
            "sources" | "sourcesContent" => texts(value),
            "names" if value.is_array() => value,
            "map" if depth > 0 => needed_fields(value, depth - 1),
            "sections" if depth > 0 => match value {
                Value::Array(sections) => {
                    sections.into_iter().map(|section| needed_fields(section, depth - 1)).collect()
                }
                value => value,
            },
            _ => return None,
        };
        Some((name, value))
    };
    Value::Object(fields.into_iter().filter_map(field).collect())
}

/// Decodes base64, in its usual alphabet or the one for URLs, with padding or without.
fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let end = text.iter().rposition(|&byte| byte != b'=').map_or(0, |last| last + 1);
    let mut bytes = Vec::with_capacity(end / 4 * 3 + 2);
    let (mut bits, mut count) = (0_u32, 0);
    for &byte in &text[..end] {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(digit);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    // A digit alone is less than a byte.
    (count < 6).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_decoded() {
        for (text, bytes) in [
            ("", Some("")),
            ("Zg==", Some("f")),
            ("Zm8", Some("fo")),
            ("Zm9v", Some("foo")),
            ("Zm9vYmE=", Some("fooba")),
            ("Z", None),
            ("Zm 9", None),
            ("Zm=v", None),
        ] {
            assert_eq!(base64(text.as_bytes()).as_deref(), bytes.map(str::as_bytes), "{text}");
        }
        assert_eq!(base64(b"-_+/"), base64(b"+/-_"));
    }

    #[test]
    fn odd_fields_that_are_not_needed_are_passed_over() {
        for field in [
            r#""debugId":"main-20260101""#,
            r#""debug_id":1"#,
            r#""ignoreList":["a"]"#,
            r#""sourceRoot":1"#,
            r#""sourcesContent":[1]"#,
            r#""sourcesContent":"text""#,
            r#""x_facebook_sources":1"#,
        ] {
            let map = format!(r#"{{"version":3,"sources":["a"],"mappings":"AAAA",{field}}}"#);
            let index = format!(
                r#"{{"version":3,"sections":[{{"offset":{{"line":0,"column":0}},"map":{map}}}]}}"#
            );
            for json in [map, index] {
                let map = Map::decode(json.as_bytes()).unwrap_or_else(|e| panic!("{json}: {e}"));
                let place = map.find(0, 0).and_then(Found::place).unwrap();
                assert_eq!(map.file_name(place.file), Some("a"), "{json}");
                assert_eq!(map.file_text(place.file), None, "{json}");
            }
        }
    }

    #[test]
    fn a_range_ends_with_its_line() {
        // One token, at column 2 of the first line, which is a range.
        let json = br#"{"version":3,"sources":["a"],"mappings":"EAAA","rangeMappings":"B"}"#;
        let map = Map::decode(json).unwrap();
        let column = |line, column| Some(map.find(line, column)?.place()?.column);
        assert_eq!([0, 2, 5].map(|at| column(0, at)), [None, Some(0), Some(3)]);
        assert_eq!([0, 1, 5].map(|at| column(1, at)), [None; 3]);
    }

    #[test]
    fn what_is_no_map_is_refused() {
        for (json, problem) in [
            ("", "EOF"),
            ("{", "EOF"),
            ("[]", "invalid length"),
            ("{}", "neither mappings nor sections"),
            (r#"{"version":2,"mappings":""}"#, "version 2"),
            (r#"{"version":"3","mappings":""}"#, "version"),
            (r#"{"version":3,"mappings":"AAAA!"}"#, "character 4"),
            (r#"{"version":3,"sources":["a"],"mappings":"ACAA"}"#, "reference"),
            (r#"{"version":3,"sources":["a"],"names":[],"mappings":"AAAAA"}"#, "reference"),
            (r#"{"version":3,"sources":["a"],"mappings":"AA"}"#, "segment"),
            (r#"{"version":3,"sources":["a"],"mappings":"AAAAAAAA"}"#, "segment"),
            (r#"{"version":3,"sources":["a"],"mappings":"gggggggggggggggggggggggg"}"#, ""),
            (r#"{"version":3,"sections":[{"offset":{"line":0,"column":0},"map":{}}]}"#, "neither"),
        ] {
            let error = Map::decode(json.as_bytes()).err().expect(json);
            assert!(error.contains(problem), "{json}: {error}");
        }
        assert!(Map::decode(b")]}'\n{\"version\":3,\"sources\":[],\"mappings\":\"\"}").is_ok());
    }
}
