//! Applies source maps to a profile.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use super::comments::{comment_starts, is_without_code};
use super::map::Map;
use super::names::Resolver;
use super::provider::{ByScript, Script, SourceProvider};
use super::report::{MapReport, ScriptReport};
use super::text::LINE_ENDS;
use super::urls::resolve;
use crate::model::{Function, Name, Original};
use crate::profile::Profile;

impl Profile {
    /// Finds the source maps of the profile's scripts, and notes for each function where it stands
    /// in the [original](Function::original) source. All views and formats show that then.
    ///
    /// A script's text, from `provider`, says where its map is: within
    /// (`//# sourceMappingURL=data:...`), or at a URL, for which `provider` is asked next. Without
    /// a text, or if it does not say, `provider` may know better. Maps of version 3 are read,
    /// indexed ones too.
    ///
    /// Places are looked up by line *and column* of the function's start, so that a program
    /// minified to one line is mapped as well. Names come from the map where a minifier has changed
    /// them, and from the original text that the map carries where a function has lost its name.
    ///
    /// A map that is missing or broken is no error, and gives no wrong place: functions that cannot
    /// be mapped stay as they are, and the report says why. Those that have an original place
    /// already keep it.
    ///
    /// Each map is decoded once, for all functions of its script, and let go of. It takes about its
    /// JSON and 28 bytes for each of its segments. A function takes logarithmic time.
    ///
    /// ```
    /// # use std::num::NonZeroU32;
    /// # use v8_heap_sampler::{Counted, Profile, Node, NodeId};
    /// # let mut nodes = vec![Node::new(NodeId(1), "(root)"), Node::new(NodeId(2), "a")];
    /// # nodes[0].child_ids.push(NodeId(2));
    /// # nodes[1].script_name = "/srv/dist/app.js".into();
    /// # nodes[1].line_number = NonZeroU32::new(1);
    /// # nodes[1].column_number = NonZeroU32::new(11);
    /// # let mut profile = Profile::from_nodes(&nodes, Counted::InUse)?;
    /// use v8_heap_sampler::source::MemorySources;
    ///
    /// assert_eq!(profile.functions()[1].to_string(), "a /srv/dist/app.js:1:11");
    /// let mut sources = MemorySources::new();
    /// let text = "function a(){}\n//# sourceMappingURL=app.js.map";
    /// sources.insert_source("/srv/dist/app.js", text);
    /// let map = r#"{"version":3,"sources":["../src/app.ts"],"names":["render"],"mappings":"AAAA,SAASA"}"#;
    /// sources.insert_map("/srv/dist/app.js.map", map);
    ///
    /// let report = profile.map_sources(&mut sources);
    /// assert_eq!(report.to_string(), "/srv/dist/app.js: 1 of 1 functions mapped\n");
    /// assert_eq!(profile.functions()[1].to_string(), "render /srv/src/app.ts:1:10");
    /// assert_eq!(profile.functions()[1].generated_location(), "/srv/dist/app.js:1:11");
    /// # Ok::<(), v8_heap_sampler::ProfileError>(())
    /// ```
    pub fn map_sources(&mut self, provider: &mut dyn SourceProvider) -> MapReport {
        let mut scripts = ByScript::default();
        for (number, function) in self.functions().iter().enumerate() {
            if function.original.is_none() && Script::of(function).is_some() {
                let script = (function.script_id, function.script_name.clone());
                scripts.entry(script).or_insert_with(Vec::new).push(number);
            }
        }
        let mut report = MapReport::default();
        for ((id, name), numbers) in scripts {
            let functions = numbers.len();
            let mut script =
                ScriptReport { id, name, map: None, functions, mapped: 0, problem: None };
            match find_map(&mut script, provider) {
                Ok(Some(found)) => script.mapped = self.apply(&found, &numbers, &mut report),
                Ok(None) => {}
                Err(problem) => script.problem = Some(problem),
            }
            report.scripts.push(script);
        }
        self.merge_equal_functions();
        report
    }

    /// Applies a map to functions of its script; how many could be mapped.
    fn apply(&mut self, found: &FoundMap, numbers: &[usize], report: &mut MapReport) -> usize {
        let resolver = Resolver::new(&found.map, found.text.as_deref());
        // Sections of an indexed map can know a file by one name, and not all of them its text.
        let mut files: HashMap<(&str, Option<*const u8>), Name> = HashMap::new();
        let mut mapped = 0;
        for &number in numbers {
            let function = &self.functions()[number];
            let Some(resolved) = resolver.resolve(function) else { continue };
            let place = resolved.place;
            let source =
                files.entry((place.file, place.text.map(str::as_ptr))).or_insert_with(|| {
                    let name = resolve(&found.base, place.file);
                    if let Some(text) = place.text {
                        report.originals.insert_source(name.as_str(), text);
                    }
                    name.into()
                });
            let from_1 = |from_0: usize| {
                u32::try_from(from_0).ok().and_then(|n| n.checked_add(1)).and_then(NonZeroU32::new)
            };
            let mut original = Original::new(source.clone());
            original.name = resolved.name.map(Name::from);
            original.line_number = from_1(place.line);
            original.column_number = from_1(place.column).filter(|_| resolved.has_column);
            let function =
                Function { original: Some(original.into()), ..Function::clone(function) };
            self.replace_function(number, Arc::new(function));
            mapped += 1;
        }
        mapped
    }
}

/// A script's map.
struct FoundMap {
    map: Map,
    /// What original files are relative to.
    base: String,
    /// The script's text.
    text: Option<String>,
}

/// Finds the map of a script, if it has one, and notes where; or the problem with it.
fn find_map(
    report: &mut ScriptReport,
    provider: &mut dyn SourceProvider,
) -> Result<Option<FoundMap>, String> {
    let name = report.name.clone();
    let script = Script { id: report.id, name: &name };
    let broken = |problem| format!("its source map is broken: {problem}; build it anew");
    let text = provider.source(script);
    let text = text.map_err(|error| format!("its text cannot be read: {error}"))?;
    // Not borrowed, as the provider is asked for the map next.
    let text = text.map(|text| text.into_owned());
    let url = text.as_deref().and_then(mapping_url);
    if let Some(url) = url.filter(|url| url.starts_with("data:")) {
        report.map = Some("inline".to_owned());
        let map = Map::decode_data_url(url).map_err(broken)?;
        return Ok(Some(FoundMap { map, base: name.to_string(), text }));
    }
    let url = url.map(|url| resolve(&name, url));
    report.map.clone_from(&url);
    let json = provider.source_map(script, url.as_deref());
    let Some(json) = json.map_err(|error| format!("its source map cannot be read: {error}"))?
    else {
        let Some(url) = url else { return Ok(None) };
        return Err(format!("the source map {url} is not there: have the provider supply it"));
    };
    report.map.get_or_insert_with(|| "provider".to_owned());
    let map = Map::decode(&json).map_err(broken)?;
    Ok(Some(FoundMap { map, base: url.unwrap_or_else(|| name.to_string()), text }))
}

/// Where a script says that its map is: in the last comment that says so, as V8 reads it. A map
/// within a comment that code follows is of a part of the script, put there by a bundler that did
/// not look.
fn mapping_url(text: &str) -> Option<&str> {
    const KEY: &str = "sourceMappingURL=";
    let (mut starts, mut is_first) = (None, true);
    text.rmatch_indices(KEY).find_map(|(at, _)| {
        let before = text[..at].strip_suffix([' ', '\t'])?.trim_end_matches([' ', '\t']);
        let is_block = ["/*#", "/*@"].iter().any(|start| before.ends_with(start));
        if !is_block && !["//#", "//@"].iter().any(|start| before.ends_with(start)) {
            return None;
        }
        let start = before.len() - "//#".len();
        let rest = &text[at + KEY.len()..];
        let end = rest.find(LINE_ENDS).unwrap_or(rest.len());
        let url = if is_block { rest[..end].split("*/").next()? } else { &rest[..end] };
        let url = url.trim();
        // Within a string of the program it is something else.
        if url.is_empty() || url.contains(|c: char| c.is_whitespace() || "\"'`".contains(c)) {
            return None;
        }
        // At the end of the code, and outside of a template, whose end would follow. What follows
        // one comment follows those before it too.
        let is_last =
            std::mem::take(&mut is_first) && is_without_code(&text[start..]) && !rest.contains('`');
        let mut is_comment =
            || starts.get_or_insert_with(|| comment_starts(text)).binary_search(&start).is_ok();
        let counts = is_last || !url.starts_with("data:") && is_comment();
        counts.then_some(url)
    })
}
