//! Source maps of every kind, good, bad and missing, on profiles from nowhere.

use std::borrow::Cow;
use std::io;
use std::num::NonZeroU32;

use proptest::prelude::*;
use v8_heap_sampler::source::{
    FileSources, MapReport, MemorySources, Script, ScriptReport, SourceProvider,
};
use v8_heap_sampler::{Allocation, Callgraph, Counted, Function, Node, NodeId, Profile, ScriptId};

/// A profile of these functions: name, line and column in `dist/app.js`.
fn profile(functions: &[(&str, u32, u32)]) -> Profile {
    let functions = functions.iter().map(|&(name, line, column)| {
        let mut function = Function::named(name);
        function.script_name = "dist/app.js".into();
        function.line_number = NonZeroU32::new(line);
        function.column_number = NonZeroU32::new(column);
        function
    });
    profile_of(functions)
}

fn profile_of(functions: impl IntoIterator<Item = Function>) -> Profile {
    let mut nodes = vec![Node::new(NodeId(1), "(root)")];
    for (function, id) in functions.into_iter().zip(2..) {
        let mut node = Node::of(NodeId(id), function);
        node.allocations.push(Allocation { count: 1, size: 8 });
        nodes[0].child_ids.push(node.id);
        nodes.push(node);
    }
    Profile::from_nodes(&nodes, Counted::InUse).unwrap()
}

/// What the functions but the root are displayed as.
fn shown(profile: &Profile) -> Vec<String> {
    profile.functions()[1..].iter().map(|function| function.to_string()).collect()
}

/// Segments: line and column in the script, and file, line, column and name in the original, all
/// from 0; no file says that there is none.
type Segment = (u32, u32, Option<(u32, u32, u32, Option<u32>)>);

/// `mappings` of segments in ascending order.
fn mappings(segments: &[Segment]) -> String {
    fn number(text: &mut String, number: i64) {
        let mut rest = if number < 0 { (-number << 1) | 1 } else { number << 1 };
        loop {
            let digit = (rest & 31) as usize;
            rest >>= 5;
            let digit = digit | if rest > 0 { 32 } else { 0 };
            let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
            text.push(char::from(alphabet[digit]));
            if rest == 0 {
                break;
            }
        }
    }
    let (mut text, mut at) = (String::new(), (0, 0));
    let mut before = [0_i64; 4];
    for &(line, column, original) in segments {
        if line > at.0 {
            text.extend(std::iter::repeat_n(';', (line - at.0) as usize));
            at = (line, 0);
        } else if !text.is_empty() {
            text.push(',');
        }
        number(&mut text, i64::from(column) - i64::from(at.1));
        at.1 = column;
        let Some((file, line, column, name)) = original else { continue };
        let values = [Some(file), Some(line), Some(column), name].map(|value| value.map(i64::from));
        for (value, before) in values.into_iter().zip(&mut before) {
            let Some(value) = value else { continue };
            number(&mut text, value - *before);
            *before = value;
        }
    }
    text
}

fn map(
    sources: &[&str],
    contents: Option<&[&str]>,
    names: &[&str],
    segments: &[Segment],
) -> String {
    let mut map = serde_json::json!({
        "version": 3, "sources": sources, "names": names, "mappings": mappings(segments),
    });
    if let Some(contents) = contents {
        map["sourcesContent"] = contents.into();
    }
    map.to_string()
}

/// Maps a profile by a text and a map beside it.
fn apply(profile: &mut Profile, text: &str, map: &str) -> MapReport {
    let mut sources = MemorySources::new();
    sources.insert_source("dist/app.js", format!("{text}\n//# sourceMappingURL=app.js.map"));
    sources.insert_map("dist/app.js.map", map);
    profile.map_sources(&mut sources)
}

/// The column, from 1, right behind a part of a text.
fn behind(text: &str, part: &str) -> u32 {
    let at = text.find(part).expect(part) + part.len();
    text[..at].encode_utf16().count() as u32 + 1
}

fn at(text: &str, part: &str) -> u32 {
    text[..text.find(part).expect(part)].encode_utf16().count() as u32
}

#[test]
fn one_line_is_mapped_by_columns() {
    let text = "function a(n){return[n]}var é=n=>[n],c=class{constructor(e){}};x.y=function(e){}";
    let original = "export function first(count) {\n  return [count];\n}\n\
                    const second = (\n  count) => [count];\nclass Third { constructor(e) {} }\n\
                    object.method = function (e) {};\n";
    let names = ["first", "second", "Third", "count", "object", "method"];
    let segments: Vec<Segment> = vec![
        (0, 0, Some((0, 0, 7, None))),
        (0, at(text, "a("), Some((0, 0, 16, Some(0)))),
        (0, at(text, "n)"), Some((0, 0, 22, Some(3)))),
        (0, at(text, "é"), Some((0, 3, 6, Some(1)))),
        (0, at(text, "n=>"), Some((0, 4, 2, Some(3)))),
        (0, at(text, "c=class"), Some((0, 5, 6, Some(2)))),
        (0, at(text, "constructor"), Some((0, 5, 14, None))),
        (0, at(text, "x.y"), Some((0, 6, 0, Some(4)))),
        (0, at(text, "y="), Some((0, 6, 7, Some(5)))),
        (0, at(text, "function(e)"), Some((0, 6, 16, None))),
    ];
    let map = map(&["../src/x.js"], Some(&[original]), &names, &segments);
    let functions = [
        ("a", 1, behind(text, "function a")),
        ("é", 1, behind(text, "é=")),
        ("c", 1, behind(text, "constructor")),
        ("x.y", 1, behind(text, "y=function")),
        ("<static_initializer>", 1, at(text, "constructor") + 1),
    ];
    let mut mapped = profile(&functions);
    let report = apply(&mut mapped, text, &map);
    assert_eq!(report.to_string(), "dist/app.js: 5 of 5 functions mapped\n");
    assert_eq!(report.scripts[0].map.as_deref(), Some("dist/app.js.map"));
    assert_eq!(
        shown(&mapped),
        [
            "first src/x.js:1:17",
            "second src/x.js:4:16", // the parenthesis that the minifier took away
            "Third src/x.js:6:15",
            "object.method src/x.js:7:17",
            "<static_initializer> src/x.js:6:15",
        ]
    );
    let generated: Vec<_> =
        mapped.functions().iter().map(|f| (f.name.to_string(), f.column_number)).collect();
    for ((name, column), (expected, _, at)) in generated[1..].iter().zip(functions) {
        assert_eq!((&**name, column.unwrap().get()), (expected, at));
    }
    // The original's text is at hand then.
    let mut originals = report.originals.clone();
    let text = originals.source(Script::named("src/x.js")).unwrap();
    assert_eq!(text.as_deref(), Some(original));
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<MapReport>(&json).unwrap(), report);
    // What is mapped stays as it is.
    let before = mapped.clone();
    assert!(apply(&mut mapped, "", "{}").scripts.is_empty());
    assert_eq!(mapped, before);
}

#[test]
fn without_the_script_s_text_places_are_mapped_and_names_kept() {
    let segments: Vec<Segment> =
        vec![(0, 9, Some((0, 4, 9, Some(0)))), (0, 40, Some((0, 9, 0, None))), (0, 50, None)];
    let map = map(&["x.js"], None, &["first"], &segments);
    let mut sources = MemorySources::new();
    sources.insert_map("dist/app.js", &map);
    let mut mapped = profile(&[("a", 1, 11), ("b", 1, 39), ("c", 1, 51), ("d", 2, 1)]);
    let report = mapped.map_sources(&mut sources);
    assert_eq!(report.scripts[0].map.as_deref(), Some("provider"));
    // The second one is far behind its token, the third of no file, the fourth on a line that is
    // not mapped.
    let expected =
        ["a dist/x.js:5:10", "b dist/app.js:1:39", "c dist/app.js:1:51", "d dist/app.js:2:1"];
    assert_eq!(shown(&mapped), expected);
    assert_eq!((report.mapped(), report.functions()), (1, 4));
}

#[test]
fn a_token_of_something_else_is_no_place() {
    // What bundlers write themselves has no tokens of its own.
    let text = "var kept=1;var ns={};e(ns,{a:()=>b});function*g(){}";
    let segments: Vec<Segment> =
        vec![(0, 4, Some((0, 0, 4, None))), (0, at(text, "function*"), Some((0, 5, 0, None)))];
    let map = map(&["x.js"], Some(&["var kept = 1;\n\n\n\n\nfunction* g() {}"]), &[], &segments);
    let mut mapped = profile(&[("a", 1, behind(text, "{a:")), ("g", 1, behind(text, "*g"))]);
    apply(&mut mapped, text, &map);
    assert_eq!(
        shown(&mapped),
        [format!("a dist/app.js:1:{}", behind(text, "{a:")), "g dist/x.js:6:1".into()]
    );
}

#[test]
fn maps_of_lines_only_are_used_as_far_as_they_go() {
    let text = "\"use strict\";\nconst f = wrap((n) => [n]);\nconst g = wrap((n) => [n]);";
    let segments: Vec<Segment> = vec![(1, 0, Some((0, 3, 0, None))), (2, 0, Some((0, 4, 0, None)))];
    let functions = [("f", 2, 16), ("g", 3, 16)];
    // The text is the same there: the column as well.
    let original = "\n\n\nconst f = wrap((n) => [n]);\nconst g = other((n: T) => [n]);\n";
    let mut mapped = profile(&functions);
    apply(&mut mapped, text, &map(&["x.ts"], Some(&[original]), &[], &segments));
    assert_eq!(shown(&mapped), ["f dist/x.ts:4:16", "g dist/x.ts:5"]);
    let mut mapped = profile(&functions);
    apply(&mut mapped, text, &map(&["x.ts"], None, &[], &segments));
    assert_eq!(shown(&mapped), ["f dist/x.ts:4", "g dist/x.ts:5"]);
}

#[test]
fn names_that_a_minifier_took_away_come_from_the_original() {
    let text = "!function(n){}(1),async function*(n){}(),(n=>n)(2),x(function(n){}),x(n=>n)";
    let original = "export default async function declared(n) {}\nfunction* other() {}\n\
                    export const arrow = (n) => n;\ncall(function (n) {});\ncall((n) => n);";
    let place = |part: &str, nth: usize| text.match_indices(part).nth(nth).unwrap().0 as u32;
    let segments: Vec<Segment> = vec![
        (0, place("function", 0), Some((0, 0, 0, None))),
        (0, place("async", 0), Some((0, 1, 0, None))),
        (0, place("n=>", 0), Some((0, 2, 22, None))),
        (0, place("function(n)", 1), Some((0, 3, 5, None))),
        (0, place("n=>", 1), Some((0, 4, 6, None))),
    ];
    let start = |part: &str, nth: usize| place(part, nth) + 1;
    let functions = [
        ("", 1, start("(n)", 0)),
        ("", 1, start("(n)", 1)),
        ("", 1, start("n=>", 0)),
        ("", 1, start("(n)", 2)),
        ("", 1, start("n=>", 1)),
    ];
    let mut mapped = profile(&functions);
    apply(&mut mapped, text, &map(&["x.js"], Some(&[original]), &[], &segments));
    assert_eq!(
        shown(&mapped),
        [
            "declared dist/x.js:1:1",
            "other dist/x.js:2:1",
            "arrow dist/x.js:3:22",
            "(anonymous) dist/x.js:4:6",
            "(anonymous) dist/x.js:5:6",
        ]
    );
}

#[test]
fn a_script_as_a_whole_is_one_file_s_or_no_one_s() {
    let segments: Vec<Segment> = vec![(0, 0, Some((0, 2, 0, None)))];
    let mut mapped = profile(&[("", 1, 1)]);
    apply(&mut mapped, "f()", &map(&["x.js"], None, &[], &segments));
    assert_eq!(shown(&mapped), ["(anonymous) dist/x.js:3:1"]);
    let mut mapped = profile(&[("", 1, 1)]);
    let report = apply(&mut mapped, "f()", &map(&["x.js", "y.js"], None, &[], &segments));
    assert_eq!(shown(&mapped), ["(anonymous) dist/app.js:1:1"]);
    assert_eq!(
        report.to_string(),
        "dist/app.js: 0 of 1 functions mapped: its source map was found (dist/app.js.map), and has \
         no original place for them\n"
    );
}

#[test]
fn indexed_maps_are_read() {
    let section = |line: u32, column: u32, source: &str| {
        let map = map(
            &[source],
            None,
            &[],
            &[(0, 9, Some((0, 1, 9, None))), (1, 9, Some((0, 2, 9, None)))],
        );
        let map: serde_json::Value = serde_json::from_str(&map).unwrap();
        serde_json::json!({ "offset": { "line": line, "column": column }, "map": map })
    };
    let nested = serde_json::json!({
        "offset": { "line": 4, "column": 100 },
        "map": { "version": 3, "sections": [section(0, 0, "c.js"), section(2, 0, "d.js")] },
    });
    let elsewhere = serde_json::json!({ "offset": { "line": 9, "column": 0 }, "url": "e.map" });
    // Out of order, which the decoder puts right.
    let sections = [section(2, 50, "b.js"), section(0, 0, "a.js"), nested, elsewhere];
    let map = serde_json::json!({ "version": 3, "sections": sections }).to_string();
    let mut sources = MemorySources::new();
    sources.insert_map("dist/app.js", map);
    let functions = [
        ("f", 1, 11),
        ("g", 2, 11),
        ("h", 3, 61),
        ("i", 4, 11),
        ("j", 5, 111),
        ("k", 7, 11),
        ("before", 3, 11),
        ("elsewhere", 10, 11),
    ];
    let mut mapped = profile(&functions);
    mapped.map_sources(&mut sources);
    assert_eq!(
        shown(&mapped),
        [
            "f dist/a.js:2:10",
            "g dist/a.js:3:10",
            "h dist/b.js:2:10",
            "i dist/b.js:3:10",
            "j dist/c.js:2:10",
            "k dist/d.js:2:10",
            "before dist/app.js:3:11",
            "elsewhere dist/app.js:10:11",
        ]
    );
}

#[test]
fn maps_within_the_script_are_read() {
    // The text of the file has `+` and `/` in its base64.
    let map = map(&["/x.js"], Some(&["???>>>~~~"]), &[], &[(0, 9, Some((0, 6, 9, None)))]);
    let escaped: String = map.bytes().map(|byte| format!("%{byte:02X}")).collect();
    // Three bytes are four digits.
    let mut base64 = String::new();
    for bytes in map.as_bytes().chunks(3) {
        let bits =
            (0..3).fold(0_u32, |bits, at| bits << 8 | u32::from(*bytes.get(at).unwrap_or(&0)));
        for at in 0..=bytes.len() {
            let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
            base64.push(char::from(alphabet[(bits >> (18 - 6 * at) & 63) as usize]));
        }
    }
    let for_urls = base64.replace('+', "-").replace('/', "_");
    assert_ne!(for_urls, base64);
    for url in [
        format!("data:application/json;base64,{base64}"),
        format!("data:application/json;base64,{for_urls}"),
        format!("data:application/json;charset=utf-8;BASE64,{base64}=="),
        format!("data:,{escaped}"),
    ] {
        let mut mapped = profile(&[("a", 1, 11)]);
        let mut sources = MemorySources::new();
        let text = format!("function a(){{}}\n//# sourceMappingURL={url}\n");
        sources.insert_source("dist/app.js", text);
        let report = mapped.map_sources(&mut sources);
        assert_eq!(report.scripts[0].map.as_deref(), Some("inline"), "{report}");
        assert_eq!(shown(&mapped), ["a /x.js:7:10"]);
    }
}

#[test]
fn escaped_identifiers_are_mapped() {
    let text = r"function gr\u00F6\u{DF}e(){return[1]}var f=\u00E4=>[\u00E4]";
    let original = "function größe() {}\nvar f = ä => [ä];\n";
    let segments: Vec<Segment> = vec![
        (0, 0, Some((0, 0, 0, None))),
        (0, 9, Some((0, 0, 9, None))),
        (0, at(text, r"\u00E4"), Some((0, 1, 8, None))),
    ];
    let map = map(&["x.js"], Some(&[original]), &[], &segments);
    let functions = [("größe", 1, behind(text, r"\u{DF}e")), ("f", 1, at(text, r"\u00E4=>") + 1)];
    let mut mapped = profile(&functions);
    apply(&mut mapped, text, &map);
    assert_eq!(shown(&mapped), ["größe dist/x.js:1:10", "f dist/x.js:2:9"]);
}

#[test]
fn a_map_that_covers_nothing_is_told_from_none() {
    let unknown = r#"{"version":3,"sources":[null],"mappings":"SAAA"}"#;
    for map in [r#"{"version":3,"sources":["x.js"],"mappings":""}"#, unknown] {
        let mut mapped = profile(&[("a", 1, 11)]);
        let report = apply(&mut mapped, "function a(){}", map);
        let script = &report.scripts[0];
        assert!(script.problem.is_none() && script.mapped == 0);
        assert_eq!(
            script.to_string(),
            "dist/app.js: 0 of 1 functions mapped: its source map was found (dist/app.js.map), and \
             has no original place for them"
        );
    }
}

#[test]
fn what_only_looks_like_the_script_s_map_is_not_used() {
    let map = |file: &str| map(&[file], None, &[], &[(0, 9, Some((0, 6, 9, None)))]);
    let stray = format!("//# sourceMappingURL=data:application/json,{}", map("/stray.js"));
    let stray = stray.replace('"', "%22");
    let template = "var s=`\n//# sourceMappingURL=fake.map\n`;";
    let named = "//# sourceMappingURL=app.js.map";
    for (comments, place) in [
        (format!("{named}\n{template}"), "dist/x.js:7:10"),
        (format!("{stray}\nf();\n{named}"), "dist/x.js:7:10"),
        (format!("{stray}\nf();\n"), "dist/app.js:1:11"),
        (template.to_owned(), "dist/app.js:1:11"),
        (stray.clone(), "/stray.js:7:10"),
    ] {
        let mut sources = MemorySources::new();
        sources.insert_source("dist/app.js", format!("function a(){{}}\n{comments}"));
        sources.insert_map("dist/app.js.map", map("x.js"));
        sources.insert_map("dist/fake.map", map("fake.js"));
        let mut mapped = profile(&[("a", 1, 11)]);
        mapped.map_sources(&mut sources);
        assert_eq!(shown(&mapped), [format!("a {place}")], "{comments}");
    }
}

/// Where a script says that its map is.
fn map_of(script: &str, text: &str) -> Option<String> {
    let mut function = Function::named("f");
    function.script_id = ScriptId::new(7);
    function.script_name = script.into();
    let mut sources = MemorySources::new();
    sources.insert_source_of(ScriptId::new(7).unwrap(), text);
    profile_of([function]).map_sources(&mut sources).scripts.remove(0).map
}

#[test]
fn the_last_comment_says_where_the_map_is() {
    for (text, url) in [
        ("", None),
        ("f()\n//# sourceMappingURL=a.map", Some("a.map")),
        ("f()//# sourceMappingURL=a.map\n\n", Some("a.map")),
        ("//@ sourceMappingURL=a.map \r\nf()", Some("a.map")),
        ("/*# sourceMappingURL=a.map */ f()", Some("a.map")),
        ("//# sourceMappingURL=a.map\n//# sourceMappingURL=b.map", Some("b.map")),
        ("//# sourceMappingURL=a.map\nx = \"//# sourceMappingURL=\" + y", Some("a.map")),
        ("//# sourceMappingURL=a.map\nx = `\n//# sourceMappingURL=b.map\n`", Some("a.map")),
        ("//# sourceMappingURL=a.map\nx = `\n//# sourceMappingURL=b.map\n//`", Some("a.map")),
        ("x = `\n//# sourceMappingURL=b.map\n`", None),
        ("//# sourceMappingURL=a.map\n//# sourceMappingURL=data:,b\nf()", Some("a.map")),
        ("//# sourceMappingURL=data:,b\n// end\n/* of it */\n", Some("inline")),
        ("//# sourceMappingURL=a b", None),
        ("//# sourceMappingURL=", None),
        ("//#sourceMappingURL=a.map", None),
        ("sourceMappingURL=a.map", None),
    ] {
        assert_eq!(map_of("a.js", text).as_deref(), url, "{text}");
    }
}

#[test]
fn references_are_resolved_as_urls_are() {
    for (script, reference, resolved) in [
        ("bundle.js", "bundle.js.map", "bundle.js.map"),
        ("bundle.js", "../src/a.ts", "../src/a.ts"),
        ("dist/bundle.js", "../src/./a.ts", "src/a.ts"),
        ("../dist/bundle.js", "../../src/a.ts", "../../src/a.ts"),
        ("/srv/dist/bundle.js", "../src/a.ts", "/srv/src/a.ts"),
        ("/srv/bundle.js", "../../../a.ts", "/a.ts"),
        ("/srv/bundle.js", "/a.ts", "/a.ts"),
        ("file:///srv/dist/b.js", "../src/a.ts", "file:///srv/src/a.ts"),
        ("file:///srv/dist/b.js", "/a.ts", "file:///a.ts"),
        ("https://example.com/js/b.js?v=1/2", "b.map", "https://example.com/js/b.map"),
        ("https://example.com", "b.map", "https://example.com/b.map"),
        ("https://example.com/js/b.js", "//cdn.example/b.map", "https://cdn.example/b.map"),
        ("https://example.com/js/b.js", "webpack:///./a.js", "webpack:///./a.js"),
        ("node:internal/a", "b", "node:internal/b"),
        (r"C:\srv\dist\b.js", "../src/a.ts", r"C:\srv\src\a.ts"),
        (r"C:\srv\dist\b.js", r"D:\a.ts", r"D:\a.ts"),
        ("", "a.ts", "a.ts"),
    ] {
        let text = format!("//# sourceMappingURL={reference}");
        assert_eq!(map_of(script, &text).as_deref(), Some(resolved), "{reference} from {script}");
    }
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
            let mut mapped = profile(&[("f", 1, 1)]);
            let report = apply(&mut mapped, "f=>[f]", &json);
            assert_eq!(shown(&mapped), ["f dist/a:1:1"], "{json}: {report}");
            assert!(report.originals.is_empty(), "{json}");
        }
    }
}

#[test]
fn a_range_ends_with_its_line() {
    // One token, at column 2 of the first line, which is a range.
    let json = r#"{"version":3,"sources":["a"],"mappings":"EAAA","rangeMappings":"B"}"#;
    for (line, column, place) in [
        (1, 1, "dist/app.js:1:1"),
        (1, 3, "dist/a:1:1"),
        (1, 6, "dist/a:1:4"),
        (2, 1, "dist/app.js:2:1"),
        (2, 2, "dist/app.js:2:2"),
        (2, 6, "dist/app.js:2:6"),
    ] {
        let mut mapped = profile(&[("f", line, column)]);
        apply(&mut mapped, "ffffffff\nffffffff", json);
        assert_eq!(shown(&mapped), [format!("f {place}")]);
    }
}

#[test]
fn what_is_no_map_is_refused() {
    for (json, reason) in [
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
        let report = apply(&mut profile(&[("f", 1, 1)]), "f=>[f]", json);
        let problem = report.scripts[0].problem.as_deref().expect(json);
        assert!(problem.contains(reason), "{json}: {problem}");
    }
    let guarded = ")]}'\n{\"version\":3,\"sources\":[],\"mappings\":\"\"}";
    let report = apply(&mut profile(&[("f", 1, 1)]), "f=>[f]", guarded);
    assert_eq!(report.scripts[0].problem, None);
}

struct Failing;

impl SourceProvider for Failing {
    fn source(&mut self, _: Script<'_>) -> io::Result<Option<Cow<'_, str>>> {
        Err(io::Error::new(io::ErrorKind::PermissionDenied, "not yours"))
    }
}

struct FailingMap;

impl SourceProvider for FailingMap {
    fn source(&mut self, _: Script<'_>) -> io::Result<Option<Cow<'_, str>>> {
        Ok(None)
    }

    fn source_map(
        &mut self,
        script: Script<'_>,
        _: Option<&str>,
    ) -> io::Result<Option<Cow<'_, [u8]>>> {
        Failing.source(script).map(|_| None)
    }
}

#[test]
fn what_is_missing_or_broken_changes_nothing() {
    let before = profile(&[("a", 1, 11), ("b", 7, 1)]);
    let report = |provider: &mut dyn SourceProvider| {
        let mut mapped = before.clone();
        let report = mapped.map_sources(provider);
        assert_eq!(mapped, before);
        assert_eq!((report.scripts.len(), report.mapped(), report.functions()), (1, 0, 2));
        report.scripts.into_iter().next().unwrap()
    };
    let problem = |script: &ScriptReport| {
        let problem = script.problem.clone().unwrap_or_else(|| panic!("{script}"));
        assert!(script.to_string().contains(&problem));
        problem
    };
    let text = |comment: &str| {
        let mut sources = MemorySources::new();
        sources.insert_source("dist/app.js", format!("function a(){{}}\n{comment}"));
        sources
    };
    for mut sources in [MemorySources::new(), text("")] {
        let none = report(&mut sources);
        assert_eq!((&none.map, &none.problem), (&None, &None));
        assert!(none.to_string().contains("it has no source map: build it with one"), "{none}");
    }
    let named = report(&mut text("//# sourceMappingURL=maps/a.map"));
    assert_eq!(named.map.as_deref(), Some("dist/maps/a.map"));
    assert!(problem(&named).starts_with("the source map dist/maps/a.map is not there"), "{named}");
    let failed = report(&mut Failing);
    assert_eq!((&failed.map, &*problem(&failed)), (&None, "its text cannot be read: not yours"));
    let failed = report(&mut (text("//# sourceMappingURL=a.map"), FailingMap));
    assert_eq!(failed.map.as_deref(), Some("dist/a.map"));
    assert_eq!(problem(&failed), "its source map cannot be read: not yours");
    for (data, reason) in [
        ("application/json;base64,!!!!", "base64"),
        ("application/json;base64", "no data"),
        ("application/json;base64,", "EOF"),
        ("application/json;base64,Z", "base64"),
        ("application/json;base64,Zm=v", "base64"),
        ("application/json;base64,Zm%209", "base64"),
        (",%7B", "EOF"),
    ] {
        let broken = report(&mut text(&format!("//# sourceMappingURL=data:{data}")));
        assert_eq!(broken.map.as_deref(), Some("inline"));
        let problem = problem(&broken);
        assert!(problem.starts_with("its source map is broken") && problem.contains(reason));
    }
    let good = map(&["x.js"], None, &[], &[(0, 9, Some((0, 6, 9, None)))]);
    for end in 0..good.len() {
        let mut sources = text("");
        sources.insert_map("dist/app.js", &good[..end]);
        let broken = report(&mut sources);
        assert_eq!(broken.map.as_deref(), Some("provider"));
        assert!(problem(&broken).starts_with("its source map is broken"), "{}", &good[..end]);
    }
}

#[test]
fn a_map_of_another_text_is_not_believed() {
    let segments: Vec<Segment> = vec![(0, 9, Some((0, 6, 9, None)))];
    let map = map(&["x.js"], None, &[], &segments);
    // The function starts beyond the end of the text at hand.
    let mut mapped = profile(&[("a", 1, 11)]);
    apply(&mut mapped, "short", &map);
    assert_eq!(shown(&mapped), ["a dist/app.js:1:11"]);
    // Nor can one start at a semicolon.
    apply(&mut mapped, "function a;(){}", &map);
    assert_eq!(shown(&mapped), ["a dist/app.js:1:11"]);
    // One token for a whole program says nothing.
    let single = self::map(&["x.js"], None, &[], &[(0, 0, Some((0, 0, 0, None)))]);
    apply(&mut mapped, "var a=wrap((n)=>n)", &single);
    assert_eq!(shown(&mapped), ["a dist/app.js:1:11"]);
    // A negative line.
    let mut mapped = profile(&[("a", 1, 11)]);
    apply(&mut mapped, "function a(){}", r#"{"version":3,"sources":["x.js"],"mappings":"SADT"}"#);
    assert_eq!(shown(&mapped), ["a dist/app.js:1:11"]);
}

#[test]
fn scripts_are_told_apart_and_functions_stay_distinct() {
    let of = |id, line| {
        let mut function = Function::named("a");
        function.script_id = ScriptId::new(id);
        function.script_name = "dist/app.js".into();
        (function.line_number, function.column_number) =
            (NonZeroU32::new(line), NonZeroU32::new(11));
        function
    };
    let map = map(&["x.js"], None, &[], &[(0, 9, Some((0, 6, 9, None)))]);
    let mut sources = MemorySources::new();
    sources.insert_map("dist/app.js", map);
    let mut mapped = profile_of([of(1, 1), of(2, 1)]);
    assert_eq!(mapped.map_sources(&mut sources).scripts.len(), 2);
    assert_eq!(shown(&mapped), ["a dist/x.js:7:10"; 2]);

    // One of them was mapped elsewhere: both are the same now.
    let mapped_one = mapped.functions()[1].as_ref().clone();
    let mut mixed = profile_of([mapped_one, of(2, 1), of(1, 1), of(1, 2)]);
    mixed.map_sources(&mut sources);
    assert_eq!(shown(&mixed), ["a dist/x.js:7:10", "a dist/x.js:7:10", "a dist/app.js:2:11"]);
    let names: Vec<_> = mixed.contexts().map(|context| context.function().line_number).collect();
    assert_eq!(names.iter().flatten().map(|line| line.get()).collect::<Vec<_>>(), [1, 1, 1, 2]);
}

#[test]
fn views_and_graphs_carry_the_original() {
    let text = "function a(n){}";
    let names = ["first"];
    let segments: Vec<Segment> = vec![(0, 9, Some((0, 4, 9, Some(0))))];
    let mut mapped = profile(&[("a", 1, 11)]);
    apply(&mut mapped, text, &map(&["x.js"], None, &names, &segments));
    let graph = mapped.callgraph(v8_heap_sampler::SampleType::InuseSpace).unwrap();
    assert_eq!((graph.find("first").count(), graph.find("a").count()), (1, 0));
    let mut folded = Vec::new();
    mapped.write_folded(&mut folded, v8_heap_sampler::SampleType::InuseSpace).unwrap();
    assert_eq!(String::from_utf8(folded).unwrap(), "first dist/x.js:5:10 8\n");

    let mut json = Vec::new();
    mapped.write_nodes(&mut json, Counted::InUse).unwrap();
    let nodes: Vec<Node> = serde_json::from_slice(&json).unwrap();
    assert_eq!(nodes[1].function, mapped.functions()[1]);
    let graph = Callgraph::from_nodes(&nodes).unwrap();
    let first = graph.find("first").next().unwrap();
    assert_eq!(graph[first].function, mapped.functions()[1]);
    let json = serde_json::to_string(&graph[first].function).unwrap();
    assert_eq!(serde_json::from_str::<Function>(&json).unwrap(), *mapped.functions()[1]);
}

#[cfg(feature = "formats")]
#[test]
fn files_carry_both_places() {
    use v8_heap_sampler::format::{self, WriteOptions};

    let text = "function a(n){}var b=()=>[];x(()=>[])";
    let segments: Vec<Segment> = vec![
        (0, 9, Some((0, 4, 9, Some(0)))),
        (0, at(text, "()=>"), Some((0, 7, 9, None))),
        (0, text.rfind("()=>").unwrap() as u32, Some((0, 8, 2, None))),
    ];
    let last = text.rfind("()=>").unwrap() as u32 + 1;
    let mut mapped =
        profile(&[("a", 1, 11), ("b", 1, behind(text, "b=")), ("", 1, last), ("c", 3, 1)]);
    apply(&mut mapped, text, &map(&["x.js"], None, &["first"], &segments));
    let expected = [
        "first dist/x.js:5:10",
        "b dist/x.js:8:10",
        "(anonymous) dist/x.js:9:3",
        "c dist/app.js:3:1",
    ];
    assert_eq!(shown(&mapped), expected);
    let functions = &mapped.functions()[1..];

    let mut pprof = Vec::new();
    mapped.write_pprof(&mut pprof, WriteOptions::new()).unwrap();
    assert_eq!(&format::read(&pprof[..]).unwrap().functions()[1..], functions);
    let mut json = Vec::new();
    mapped.write_nodes(&mut json, Counted::InUse).unwrap();
    assert_eq!(format::read(&json[..]).unwrap(), mapped);
    json.clear();
    mapped.write_nested_nodes(&mut json, Counted::InUse).unwrap();
    assert_eq!(format::read(&json[..]).unwrap(), mapped);
    let mut heapprofile = Vec::new();
    mapped.write_heapprofile(&mut heapprofile, Counted::InUse).unwrap();
    let generated = format::read(&heapprofile[..]).unwrap();
    assert_eq!(generated.functions()[1].to_string(), "a dist/app.js:1:11");
    let mut speedscope = Vec::new();
    mapped.write_speedscope(&mut speedscope, "x").unwrap();
    let json: serde_json::Value = serde_json::from_slice(&speedscope).unwrap();
    let frame = serde_json::json!(
        {"name": "first dist/x.js:5:10", "file": "dist/x.js", "line": 5, "col": 10}
    );
    assert_eq!(json["shared"]["frames"][1], frame);
}

#[test]
fn files_beside_the_script_are_found() {
    let folder = std::env::temp_dir().join(format!("source_map_files.{}", std::process::id()));
    std::fs::create_dir_all(folder.join("dist")).unwrap();
    let map = map(&["../src/x.js"], None, &[], &[(0, 9, Some((0, 6, 9, None)))]);
    std::fs::write(folder.join("dist/app.js.map"), &map).unwrap();
    for comment in ["", "//# sourceMappingURL=app.js.map"] {
        std::fs::write(folder.join("dist/app.js"), format!("function a(){{}}\n{comment}")).unwrap();
        let mut mapped = profile(&[("a", 1, 11)]);
        let report = mapped.map_sources(&mut FileSources::new().root(&folder));
        assert_eq!(shown(&mapped), ["a src/x.js:7:10"], "{report}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}

/// A large map of one line, as bundlers make them.
#[test]
fn large_maps_are_mapped_in_time() {
    let count = 300_000;
    let text: String = (0..count).map(|n| format!("function f{n:06}(){{}}")).collect();
    let segments: Vec<Segment> =
        (0..count).map(|n| (0, n * 20 + 9, Some((n % 7, n, n % 80, None)))).collect();
    let files = ["0", "1", "2", "3", "4", "5", "6"];
    let map = map(&files, None, &[], &segments);
    let names: Vec<_> = (0..5000).map(|n| format!("f{:06}", n * 60)).collect();
    let functions: Vec<_> =
        names.iter().zip(0..).map(|(name, n)| (&**name, 1, n * 60 * 20 + 9 + 8)).collect();
    let mut mapped = profile(&functions);
    let report = apply(&mut mapped, &text, &map);
    assert_eq!(report.mapped(), functions.len(), "{report}");
    for (function, n) in mapped.functions()[1..].iter().zip(0_u32..) {
        assert_eq!(function.shown_place().1.unwrap().get(), n * 60 + 1);
    }
}

fn json_text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<Vec<u8>>().prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
        ("[A-Za-z0-9+/,;]{0,60}", "[A-Za-z0-9+/;]{0,20}").prop_map(|(mappings, ranges)| {
            serde_json::json!({
                "version": 3, "sources": ["a.js", null, "b.js"], "names": ["x", 1, null],
                "sourcesContent": ["function f(é) {\n}", null], "mappings": mappings,
                "rangeMappings": ranges, "sourceRoot": "r", "ignoreList": [0, 77],
            })
            .to_string()
        }),
        (any::<(u32, u32)>(), any::<(u32, u32)>(), "[A-E,;]{0,20}").prop_map(|(one, two, mappings)| {
            let map = serde_json::json!({"version": 3, "sources": ["a.js"], "mappings": mappings});
            let section = |(line, column): (u32, u32), map: &serde_json::Value| {
                serde_json::json!({"offset": {"line": line, "column": column}, "map": map})
            };
            let inner = serde_json::json!({"sections": [section(two, &map), section((0, 0), &map)]});
            serde_json::json!({"sections": [section(one, &inner), section((0, 0), &map)]}).to_string()
        }),
    ]
}

proptest! {
    /// Nothing panics, and what is not mapped is as it was.
    #[test]
    fn any_map_and_text_are_survived(
        json in json_text(),
        text in "[(){}=>ab é😀.#*:\n]{0,80}|(async )?function\\*? ?[ab]?\\(n\\)\\{\\}|[ab]=(class\\{constructor\\()?n=>n",
        functions in prop::collection::vec(
            ("|a|b|a\\.b|get a|#a|\\(a\\)|<a>|é", prop_oneof![0..4_u32, any::<u32>()],
             prop_oneof![0..40_u32, any::<u32>()]), 1..6),
    ) {
        let functions: Vec<_> =
            functions.iter().map(|(name, line, column)| (&**name, *line, *column)).collect();
        let before = profile(&functions);
        let mut mapped = before.clone();
        let report = apply(&mut mapped, &text, &json);
        let has_original = mapped.functions().iter().filter(|f| f.original.is_some()).count();
        prop_assert_eq!(report.mapped(), has_original);
        for (was, is) in before.functions().iter().zip(mapped.functions()) {
            prop_assert_eq!((&was.name, was.line_number), (&is.name, is.line_number));
        }
    }
}
