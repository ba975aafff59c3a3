//! A source map, decoded: from places in a script to places in original files.

use std::borrow::Cow;
use std::mem;

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;
use sourcemap::{DecodedMap, SourceMap, Token};

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
    map: &'m SourceMap,
    token: Token<'m>,
    /// The column at which the token starts in the script, from 0.
    pub(super) column: usize,
    /// How far the place is behind that.
    distance: usize,
}

/// A place in an original file; line and column from 0, in UTF-16 units.
#[derive(Clone, Copy)]
pub(super) struct OriginalPlace<'m> {
    /// The file's name, with the map's `sourceRoot`.
    pub(super) file: &'m str,
    /// The file's text, if the map carries it.
    pub(super) text: Option<&'m str>,
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
        let needed = || serde_json::from_slice::<NeededMap<'_>>(json);
        needed().map_err(|error| error.to_string())?.check()?;
        // The decoder refuses a map for any odd field, one that is not of use here too.
        let decoded = sourcemap::decode_slice(json)
            .or_else(|_| sourcemap::decode_slice(&serde_json::to_vec(&needed()?)?));
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
        let data: Vec<u8> = percent_decode_str(data).collect();
        if !kind.to_ascii_lowercase().ends_with(";base64") {
            return Self::decode(&data);
        }
        // In its usual alphabet or the one for URLs, with padding or without.
        let mut base64 = data_encoding::BASE64_NOPAD.specification();
        base64.check_trailing_bits = false;
        base64.translate.from.push_str("-_");
        base64.translate.to.push_str("+/");
        let base64 = base64.encoding().map_err(|error| error.to_string())?;
        let end = data.iter().rposition(|&byte| byte != b'=').map_or(0, |last| last + 1);
        let json = base64.decode(&data[..end]);
        Self::decode(&json.map_err(|_| "the base64 of its data: URL is damaged")?)
    }

    /// The token at a place of the script, or the last one before it on its line.
    pub(super) fn find(&self, line: usize, column: usize) -> Option<Found<'_>> {
        let (line, column) = (u32::try_from(line).ok()?, u32::try_from(column).ok()?);
        let after = self.sections.partition_point(|section| section.start <= (line, column));
        let Section { start, map } = &self.sections[after.checked_sub(1)?];
        let (map, offset) = (map.as_ref()?, if line == start.0 { start.1 } else { 0 });
        let token = last_token(map, (line - start.0, column - offset))?;
        // One of a line before says nothing about this one.
        (token.get_dst_line() == line - start.0).then(|| {
            let start = token.get_dst_col() + offset;
            Found { map, token, column: start as usize, distance: (column - start) as usize }
        })
    }

    /// The token that starts exactly at a place of the script.
    pub(super) fn find_exactly(&self, line: usize, column: usize) -> Option<Found<'_>> {
        self.find(line, column).filter(|found| found.distance == 0)
    }

    /// Whether a token is the only one of its line, and there are others, as in maps that know
    /// lines only.
    pub(super) fn is_alone(&self, line: usize, found: Found<'_>) -> bool {
        if self.maps().map(|map| map.get_token_count() as usize).sum::<usize>() < 2 {
            return false;
        }
        let is_first = match found.column.checked_sub(1) {
            None => true,
            Some(before) => self.find(line, before).is_none(),
        };
        let last = self.find(line, u32::MAX as usize);
        is_first && last.is_some_and(|last| last.column == found.column)
    }

    fn maps(&self) -> impl Iterator<Item = &SourceMap> {
        self.sections.iter().filter_map(|section| section.map.as_ref())
    }

    /// How many original files there are.
    pub(super) fn file_count(&self) -> usize {
        self.maps().map(|map| map.get_source_count() as usize).sum()
    }

    /// Whether the map knows original names.
    pub(super) fn has_names(&self) -> bool {
        self.maps().any(SourceMap::has_names)
    }
}

impl<'m> Found<'m> {
    /// The original place; `None` for code of no original file.
    pub(super) fn place(self) -> Option<OriginalPlace<'m>> {
        // Damaged maps count below 0, which the decoder has wrap around.
        const MOST: u32 = i32::MAX as u32;
        let (line, column) = self.token.get_src();
        let file = self.token.get_source().filter(|file| !file.is_empty())?;
        (line < MOST && column < MOST).then(|| OriginalPlace {
            file,
            text: self.map.get_source_contents(self.token.get_src_id()),
            line: line as usize,
            column: column as usize + if self.is_range() { self.distance } else { 0 },
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

/// The first token that starts at a line and column, or else the last one before.
fn last_token(map: &SourceMap, place: (u32, u32)) -> Option<Token<'_>> {
    let (mut after, mut end) = (0, map.get_token_count() as usize);
    while after < end {
        let middle = after + (end - after) / 2;
        if map.get_token(middle).is_some_and(|token| token.get_dst() < place) {
            after = middle + 1;
        } else {
            end = middle;
        }
    }
    let exact = map.get_token(after).filter(|token| token.get_dst() == place);
    exact.or_else(|| map.get_token(after.checked_sub(1)?))
}

/// Moves the maps out of `decoded`, which starts at `start`.
fn take_sections(decoded: &mut DecodedMap, start: (u32, u32), sections: &mut Vec<Section>) {
    let map = match decoded {
        DecodedMap::Regular(map) => Some(map),
        DecodedMap::Hermes(map) => Some(&mut **map),
        // What comes before the first section, or after a map that is not there, is not mapped.
        DecodedMap::Index(_) => None,
    };
    let empty = || SourceMap::new(None, Vec::new(), Vec::new(), Vec::new(), None);
    sections.push(Section { start, map: map.map(|map| mem::replace(map, empty())) });
    let DecodedMap::Index(index) = decoded else { return };
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

/// The fields of a map that are of use here; written, as far as they are of their types.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct NeededMap<'j> {
    version: Option<Value>,
    #[serde(borrow)]
    mappings: Option<Cow<'j, str>>,
    sections: Option<Vec<NeededSection<'j>>>,
    #[serde(serialize_with = "text")]
    range_mappings: Option<&'j RawValue>,
    #[serde(serialize_with = "text")]
    source_root: Option<&'j RawValue>,
    #[serde(serialize_with = "texts")]
    sources: Option<&'j RawValue>,
    #[serde(serialize_with = "texts")]
    sources_content: Option<&'j RawValue>,
    #[serde(serialize_with = "list")]
    names: Option<&'j RawValue>,
}

#[derive(Serialize, Deserialize)]
struct NeededSection<'j> {
    offset: Option<&'j RawValue>,
    #[serde(serialize_with = "text")]
    url: Option<&'j RawValue>,
    #[serde(borrow)]
    map: Option<NeededMap<'j>>,
}

fn text<S: Serializer>(value: &Option<&RawValue>, serializer: S) -> Result<S::Ok, S::Error> {
    value.filter(|value| value.get().starts_with('"')).serialize(serializer)
}

fn list<S: Serializer>(value: &Option<&RawValue>, serializer: S) -> Result<S::Ok, S::Error> {
    value.filter(|value| value.get().starts_with('[')).serialize(serializer)
}

fn texts<S: Serializer>(value: &Option<&RawValue>, serializer: S) -> Result<S::Ok, S::Error> {
    let texts = value.and_then(|value| serde_json::from_str::<Vec<Value>>(value.get()).ok());
    let text = |value: Value| if value.is_string() { value } else { Value::Null };
    texts.map(|texts| texts.into_iter().map(text).collect::<Vec<_>>()).serialize(serializer)
}

impl NeededMap<'_> {
    /// Checks what the decoder takes too lightly.
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
