//! Providers of source texts, and listings.

use std::borrow::Cow;
use std::io;
use std::num::NonZeroU32;
use std::sync::Arc;

use proptest::prelude::*;
use v8_heap_sampler::analysis::Pattern;
use v8_heap_sampler::source::{
    FileSources, ListOptions, ListedFunction, Listing, MemorySources, Script, SourceProvider,
};
use v8_heap_sampler::{
    Allocation, Counted, Estimate, Function, Node, NodeId, Original, Profile, SampleType, ScriptId,
};

#[cfg(feature = "sourcemap")]
mod maps;

fn function(name: &str, script: &str, line: u32, column: u32) -> Function {
    let mut function = Function::named(name);
    function.script_name = script.into();
    function.line_number = NonZeroU32::new(line);
    function.column_number = NonZeroU32::new(column);
    function
}

fn listed(name: &str, script: &str, line: u32, column: u32) -> ListedFunction<String> {
    ListedFunction::new(function(name, script, line, column), format!("{name}!"), "9 kB".to_owned())
}

/// Number, text and function of each line of the first file.
fn lines<C>(listing: &Listing<C>) -> Vec<(usize, &str, Option<&str>)> {
    let lines = listing.files[0].lines.iter();
    let name = |listed: &ListedFunction<C>| listed.function.name.to_string();
    lines
        .map(|line| {
            let name = line.function.as_ref().map(name);
            (line.number, &*line.text, name.map(|name| &*name.leak()))
        })
        .collect()
}

#[test]
fn lines_around_functions_are_shown_once() {
    let mut sources = MemorySources::new();
    sources.insert_source("a.js", (1..=30).map(|n| format!("line {n}\r")).collect::<String>());
    let functions =
        [listed("f", "a.js", 12, 3), listed("g", "a.js", 4, 1), listed("h", "a.js", 12, 1)];
    let options = ListOptions::new().before(1).after(2);
    let listing = Listing::new(functions.clone(), &mut sources, &options);
    assert_eq!(
        lines(&listing),
        [
            (3, "line 3", None),
            (4, "line 4", Some("g")),
            (5, "line 5", None),
            (6, "line 6", None),
            (11, "line 11", None),
            (12, "line 12", Some("h")),
            (12, "line 12", Some("f")),
            (13, "line 13", None),
            (14, "line 14", None),
        ]
    );
    let shown = "
FILE ======================== a.js
        self       total
           .           .      3:line 3
          g!        9 kB      4:line 4  <- g
           .           .      5:line 5
           .           .      6:line 6
                            ...
           .           .     11:line 11
          h!        9 kB     12:line 12  <- h
          f!        9 kB     12:line 12  <- f
           .           .     13:line 13
           .           .     14:line 14
";
    let text = listing.to_string();
    assert!(text.starts_with("V8 records where a function starts, not the line that allocates"));
    assert!(text.ends_with(shown), "{text}");

    // Whatever overlaps is there once.
    let options = ListOptions::new().before(99).after(usize::MAX);
    let all = Listing::new(functions, &mut sources, options);
    let numbers: Vec<_> = lines(&all).iter().map(|line| line.0).collect();
    let mut expected: Vec<_> = (1..=31).collect();
    expected.insert(12, 12);
    assert_eq!(numbers, expected);

    let json = serde_json::to_value(&listing).unwrap();
    let line = &json["files"][0]["lines"][1];
    assert_eq!((&line["number"], &line["text"]), (&4.into(), &"line 4".into()));
    let function = &line["function"];
    assert_eq!(function["function"], serde_json::to_value(function_of(&listing, 1)).unwrap());
    assert_eq!((&function["own"], &function["total"]), (&"g!".into(), &"9 kB".into()));
}

fn function_of<C>(listing: &Listing<C>, line: usize) -> &Function {
    &listing.files[0].lines[line].function.as_ref().unwrap().function
}

#[test]
fn functions_on_one_long_line_are_each_shown_where_they_start() {
    let minified: String =
        (0..1000).map(|n| format!("function f{n:03}(é){{return\u{1b}[😀]}}")).collect();
    let mut sources = MemorySources::new();
    sources.insert_source("min.js", &*minified);
    let place = |name: &str| {
        let at = minified.find(&format!("{name}(")).unwrap() + name.len();
        minified[..at].encode_utf16().count() as u32 + 1
    };
    let functions = ["f900", "f003", "f450"].map(|name| listed(name, "min.js", 1, place(name)));
    let listing = Listing::new(functions, &mut sources, ListOptions::new().width(24));
    for (line, name) in listing.files[0].lines.iter().zip(["f003", "f450", "f900"]) {
        assert!(line.text.contains(&format!("{name}(é){{return")), "{}", line.text);
        assert_eq!(line.text.chars().count(), 26);
    }
    assert!(!listing.to_string().contains('\u{1b}'));
}

#[test]
fn long_lines_are_cut_around_a_column() {
    let line = "0123456789".repeat(10);
    let wide = "é😀".repeat(50);
    for (text, column, width, expected) in [
        ("0123456789", 4, 10, "0123456789"),
        (&*line, 1, 8, "01234567…"),
        (&line, 51, 8, "…89012345…"),
        (&line, 100, 8, "…23456789"),
        (&line, 101, 8, "…23456789"),
        (&line, 2, 8, "01234567…"),
        (&line, 2, 0, "01234567…"),
        (&wide, 31, 8, "…é😀é😀é😀é😀…"),
    ] {
        let mut sources = MemorySources::new();
        sources.insert_source("a.js", text);
        let options = ListOptions::new().width(width);
        let listing = Listing::new([listed("f", "a.js", 1, column)], &mut sources, options);
        assert_eq!(lines(&listing), [(1, expected, Some("f"))]);
    }
}

#[test]
fn sources_in_memory_come_back_from_json() {
    let mut sources = MemorySources::new();
    sources.insert_source("a.js", "a");
    sources.insert_source_of(ScriptId::new(7).unwrap(), "seven");
    sources.insert_map("a.js.map", b"{}\xFF");
    let json = serde_json::to_string(&sources).unwrap();
    assert_eq!(serde_json::from_str::<MemorySources>(&json).unwrap(), sources, "{json}");
}

struct Failing;

impl SourceProvider for Failing {
    fn source(&mut self, script: Script<'_>) -> io::Result<Option<Cow<'_, str>>> {
        match script.name {
            "denied.js" => Err(io::Error::new(io::ErrorKind::PermissionDenied, "not yours")),
            _ => Ok(None),
        }
    }
}

#[test]
fn functions_without_source_are_listed_with_the_reason() {
    let mut short = MemorySources::new();
    short.insert_source("short.js", "1\n2");
    short.insert_source_of(ScriptId::new(7).unwrap(), "seven");
    let mut of_id = function("seven", "", 1, 1);
    of_id.script_id = ScriptId::new(7);
    let functions = [
        listed("map", "", 0, 0),
        listed("gone", "gone.js", 3, 1),
        listed("denied", "denied.js", 3, 1),
        listed("late", "short.js", 3, 1),
        listed("unplaced", "short.js", 0, 0),
        ListedFunction::new(of_id, "1".to_owned(), "1".to_owned()),
    ];
    let listing = Listing::new(functions, &mut (short, Failing), ListOptions::default());
    let problems: Vec<_> = listing
        .unlisted
        .iter()
        .map(|listed| (listed.function.name.as_str(), listed.problem.as_deref().unwrap()))
        .collect();
    assert_eq!(
        problems,
        [
            ("map", "it is of no script"),
            ("gone", "its source is not at hand"),
            ("denied", "its source cannot be read: not yours"),
            ("late", "the source at hand has 2 lines: it is not the one that ran"),
            ("unplaced", "its line is not known"),
        ]
    );
    assert_eq!(lines(&listing), [(1, "seven", Some("seven"))]);
    let text = listing.to_string();
    assert!(text.contains("FILE ======================== (script 7)"), "{text}");
    assert!(text.contains("late!        9 kB  late short.js:3:1 (the source at hand"), "{text}");
    let json = serde_json::to_string(&listing).unwrap();
    assert_eq!(serde_json::from_str::<Listing<String>>(&json).unwrap(), listing);
}

#[test]
fn a_profile_is_listed_by_its_original_source() {
    let mut nodes = vec![Node::new(NodeId(1), "(root)")];
    for (id, (name, objects)) in (2..).zip([("a", 1), ("b", 3), ("c", 0)]) {
        let mut original = Original::new("src/x.ts");
        original.line_number = NonZeroU32::new(id);
        let mut node = Node::of(NodeId(id), function(name, "x.js", 1, id));
        node.original = Some(Arc::new(original));
        node.allocations.push(Allocation { count: objects, size: 1000 });
        nodes[0].child_ids.push(node.id);
        nodes.push(node);
    }
    let profile = Profile::from_nodes(&nodes, Counted::InUse).unwrap();
    let mut sources = MemorySources::new();
    sources.insert_source("src/x.ts", "1\n2\n3\n4");
    let mut list = |options: &ListOptions| {
        profile.listing(SampleType::InuseSpace, Pattern::all(), &mut sources, options).unwrap()
    };
    let listing = list(&ListOptions::new());
    let json = serde_json::to_string(&listing).unwrap();
    assert_eq!(serde_json::from_str::<Listing<Estimate>>(&json).unwrap(), listing);
    let functions: Vec<_> =
        lines(&listing).iter().filter_map(|line| line.2.map(|name| (line.0, name))).collect();
    assert_eq!(functions, [(2, "a"), (3, "b")]);
    assert!(listing.to_string().contains("     3.0 kB      3.0 kB      3:3  <- b"), "{listing}");
    let callers = list(&ListOptions::new().callers(true));
    assert!(callers.unlisted.is_empty(), "the root is no function: {callers}");
    let mut none = MemorySources::new();
    assert!(
        profile
            .listing(SampleType::AllocSpace, Pattern::all(), &mut none, ListOptions::new())
            .is_err()
    );
}

#[test]
fn files_are_read_within_their_root_only() {
    let scratch = std::env::temp_dir().join(format!("file_sources.{}", std::process::id()));
    let root = scratch.join("root");
    std::fs::create_dir_all(root.join("my app")).unwrap();
    std::fs::write(root.join("my app/a.js"), b"\xEF\xBB\xBFa \xFF").unwrap();
    std::fs::write(root.join("my app/a.js.map"), "{}").unwrap();
    std::fs::write(root.join("100%.js"), "percent").unwrap();
    std::fs::write(scratch.join("secret.js"), "secret").unwrap();
    let mut files = FileSources::new().root(&root).prefix("https://x.test/", &root);
    let mut read = |name: &str| {
        let text = files.source(Script::named(name));
        text.map(|text| text.map(Cow::into_owned)).map_err(|error| error.to_string())
    };
    let app = Ok(Some("a \u{fffd}".to_owned()));
    assert_eq!(read("my app/a.js"), app);
    assert_eq!(read("my%20app/a.js"), app);
    assert_eq!(read("https://x.test/my%20app/a.js?v=1#2"), app);
    assert_eq!(read(&format!("file://{}/my%20app/a.js", root.display())), app);
    assert_eq!(read(&root.join("my app/../my app/a.js").display().to_string()), app);
    assert_eq!(read("100%.js"), Ok(Some("percent".to_owned())));
    for none in ["gone.js", "https://y.test/a.js", "node:internal/a", "(anonymous)", "", "a.js/b"] {
        assert_eq!(read(none), Ok(None), "{none}");
    }
    for outside in
        ["../secret.js", "https://x.test/../secret.js", "https://x.test/%2e%2e/secret.js"]
    {
        assert!(read(outside).unwrap_err().contains("outside of the root"), "{outside}");
    }
    let absolute = scratch.join("secret.js").display().to_string();
    assert!(read(&absolute).unwrap_err().contains("outside of the root"));
    assert!(read("../gone.js").unwrap_err().contains("outside of the root"));
    assert!(read("my app").unwrap_err().contains("not a regular file"));
    assert!(read("a\0b").is_err());
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(scratch.join("secret.js"), root.join("link.js")).unwrap();
        assert!(read("link.js").unwrap_err().contains("outside of the root"));
    }
    let mut map = |url| files.source_map(Script::named("my app/a.js"), url).unwrap().is_some();
    assert!(map(None), "beside the script");
    assert!(map(Some("my%20app/a.js.map")));
    assert!(map(Some("my%20app/a.js.map?v=3")));
    assert!(map(Some("my app/a.js.map#1")));
    assert!(!map(Some("my app/b.js.map")));
    assert!(!map(Some("my app/?v=3")));
    for name in ["my app/a.js?v=3", "https://x.test/my%20app/a.js?v=3"] {
        let beside = files.source_map(Script::named(name), None).unwrap();
        assert_eq!(beside.as_deref(), Some(&b"{}"[..]), "{name}");
    }
    std::fs::remove_dir_all(scratch).unwrap();
}

#[test]
fn a_prefix_leads_into_its_folder_only() {
    let scratch = std::env::temp_dir().join(format!("file_prefix.{}", std::process::id()));
    let folder = scratch.join("x/../static");
    std::fs::create_dir_all(scratch.join("x")).unwrap();
    std::fs::create_dir_all(scratch.join("static")).unwrap();
    std::fs::write(scratch.join("static/in.js"), "in").unwrap();
    std::fs::write(scratch.join("secret.js"), "secret").unwrap();
    let secret = scratch.join("secret.js").display().to_string();
    let mut files = FileSources::new().prefix("https://x.test/static/", &folder);
    let mut read = |rest: &str| {
        let name = format!("https://x.test/static/{rest}");
        let text = files.source(Script::named(&name));
        text.map(|text| text.map(Cow::into_owned)).map_err(|error| error.to_string())
    };
    assert_eq!(read("in.js"), Ok(Some("in".to_owned())));
    assert_eq!(read("gone.js"), Ok(None));
    let absolute = secret.replace('/', "%2f");
    for rest in ["../secret.js", "%2e%2e/secret.js", "..%2fsecret.js", "../gone.js", &absolute] {
        assert!(read(rest).is_err_and(|error| error.contains("outside of the folder")), "{rest}");
    }
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(&secret, scratch.join("static/link.js")).unwrap();
        assert!(read("link.js").is_err_and(|error| error.contains("outside of the folder")));
    }
    // Names without the prefix are as free as before.
    assert!(files.source(Script::named(&secret)).unwrap().is_some());
    std::fs::remove_dir_all(scratch).unwrap();
}

proptest! {
    /// Any text, any place, any options.
    #[test]
    fn listings_hold_for_any_text(
        text in "[a-cé😀\n\r\u{2028}]{0,200}",
        places in prop::collection::vec((0..40_u32, prop_oneof![0..60_u32, Just(u32::MAX)]), 0..8),
        (before, after, width) in (0..5_usize, 0..5_usize, 0..30_usize),
    ) {
        let mut sources = MemorySources::new();
        sources.insert_source("x", &*text);
        let functions: Vec<_> =
            places.iter().map(|&(line, column)| listed("f", "x", line, column)).collect();
        let options = ListOptions::new().before(before).after(after);
        let options = options.width(width);
        let listing = Listing::new(functions, &mut sources, &options);
        let shown = listing.files.iter().flat_map(|file| &file.lines);
        let numbers: Vec<_> = shown.clone().map(|line| line.number).collect();
        prop_assert!(numbers.is_sorted());
        let with_function = shown.filter(|line| line.function.is_some()).count();
        prop_assert_eq!(with_function + listing.unlisted.len(), places.len());
        let _ = listing.to_string();
    }
}

#[test]
fn folders_that_are_missing_are_named() {
    let here = env!("CARGO_MANIFEST_DIR");
    let checked = |files: FileSources| files.check_folders().map_err(|error| error.to_string());
    assert_eq!(checked(FileSources::new()), Ok(()));
    assert_eq!(checked(FileSources::new().root(here).prefix("https://x.test/", here)), Ok(()));
    let file = format!("{here}/Cargo.toml");
    for folder in [&*file, "not there", ""] {
        let start = format!("{folder}: ");
        let error = checked(FileSources::new().root(folder)).unwrap_err();
        assert!(error.starts_with(&start), "{error}");
        let prefix = FileSources::new().root(here).prefix("https://x.test/", folder);
        let error = checked(prefix).unwrap_err();
        assert!(error.starts_with(&start), "{error}");
    }
}
