//! Source maps of bundles that esbuild and terser make, against what the sources say themselves.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use v8_heap_sampler::analysis::Pattern;
use v8_heap_sampler::source::{FileSources, ListOptions};
use v8_heap_sampler::{HeapSampler, Profile, SampleType, SamplerOptions};

/// A function that says in its source that it allocates.
#[derive(Clone, Debug, PartialEq)]
struct Marker {
    /// Those that are right; bundlers take some away.
    names: Vec<String>,
    /// How many elements the arrays have.
    count: f64,
}

/// The markers in the sources, by `file:line`.
fn markers() -> BTreeMap<String, Marker> {
    let folder = fixtures::npm::bundle_sources().canonicalize().unwrap();
    let mut markers = BTreeMap::new();
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        for (line, number) in text.lines().zip(1..) {
            let Some((_, marker)) = line.split_once("// allocates \"") else { continue };
            let (names, count) = marker.rsplit_once("\" ").unwrap();
            let names = names.split('|').map(str::to_owned).collect();
            let marker = Marker { names, count: count.parse().unwrap() };
            markers.insert(format!("{}:{number}", path.display()), marker);
        }
    }
    assert!(markers.len() > 25, "{markers:?}");
    markers
}

fn scratch() -> PathBuf {
    let folder = std::env::temp_dir().join(format!("source_maps.{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    folder.canonicalize().unwrap()
}

/// What a bundle allocates, all of it, with the functions mapped.
fn profile_of(bundle: &Path, script_name: &str) -> Profile {
    let text = fs::read_to_string(bundle).unwrap();
    let (mut isolate, realm) = fixtures::realm();
    let mut sampler = HeapSampler::with_options(&mut isolate, SamplerOptions::exact()).unwrap();
    realm.run(&mut sampler, script_name, &text);
    let mut profile = sampler.profile().unwrap();
    let report = profile.map_sources(&mut FileSources::new());
    println!("{report}");
    let script = report.scripts.iter().find(|script| script.name == script_name).unwrap();
    assert!(script.problem.is_none(), "{script}");
    assert!(script.mapped > 20, "{script}");
    profile
}

/// The functions that allocate arrays: what they are displayed as, `file:line`, name, and bytes.
fn allocating(profile: &Profile) -> Vec<(String, String, String, f64)> {
    let graph = profile.callgraph(SampleType::InuseSpace).unwrap();
    let functions = graph.functions().filter(|vertex| vertex.own.value() > 7_900.0);
    let functions = functions.filter(|vertex| !vertex.function.script_name.is_empty());
    functions
        .map(|vertex| {
            let function = &vertex.function;
            let (file, line, _) = function.shown_place();
            let file = file.strip_prefix("file://").unwrap_or(file);
            let place = format!("{file}:{}", line.unwrap());
            let shown =
                format!("{function} ({} at {})", function.name, function.generated_location());
            (shown, place, function.shown_name().to_string(), vertex.own.value())
        })
        .collect()
}

#[test]
#[ignore = "needs esbuild, terser and Node: run `bash .ci/fixtures` first"]
fn minified_bundles_are_mapped_to_their_sources() {
    let folder = scratch();
    fixtures::npm::bundle(&folder).unwrap();
    let markers = markers();
    for bundle in ["plain.js", "esbuild.js", "inline.js", "terser.js"] {
        println!("== {bundle}");
        let path = folder.join(bundle);
        let is_terser = bundle == "terser.js";
        if bundle != "plain.js" {
            let text = fs::read_to_string(&path).unwrap();
            assert_eq!(
                text.lines().filter(|line| !line.is_empty()).count(),
                2,
                "one line, and a comment"
            );
        }
        let name = match bundle {
            "inline.js" => format!("file://{}", path.display()),
            _ => path.display().to_string(),
        };
        let profile = profile_of(&path, &name);
        let mut found = 0;
        for (shown, place, name, bytes) in allocating(&profile) {
            let Some(marker) = markers.get(&place) else {
                // What V8 needs to run it, and what terser has inlined into it.
                let is_run = name == "run" && place.ends_with("/main.ts:7");
                let takes_over = is_run || is_terser && name == "outer";
                assert!(takes_over, "{shown}: {bytes} bytes, at {place}");
                continue;
            };
            assert!(marker.names.contains(&name), "{shown}: {name}, not {:?}", marker.names);
            // `Circle` makes a `Shape` as well.
            let times = if name == "Shape" { 2.0 } else { 1.0 };
            let least = times * 8.0 * marker.count;
            assert!((least..least + 1500.0).contains(&bytes), "{shown}: {bytes} bytes");
            found += 1;
        }
        let wanted = if is_terser { markers.len() - 3 } else { markers.len() };
        assert!(found >= wanted, "{found} of {wanted} functions found");
        // What V8 says is still there.
        let generated = profile.functions().iter().filter(|function| function.original.is_some());
        assert!(generated.into_iter().all(|function| function.script_name == *name));
    }

    // Lines of the originals, from files beside the bundle that the map names.
    let profile =
        profile_of(&folder.join("esbuild.js"), &folder.join("esbuild.js").display().to_string());
    let listing = profile
        .listing(
            SampleType::InuseSpace,
            Pattern::new("shapes", |of| of.display_location().contains("shapes.ts")),
            &mut FileSources::new(),
            ListOptions::new(),
        )
        .unwrap();
    println!("{listing}");
    assert_eq!(listing.files.len(), 1);
    for line in &listing.files[0].lines {
        let Some(listed) = &line.function else { continue };
        let name = listed.function.shown_name();
        let marker = format!("// allocates \"{name}\"");
        assert!(line.text.contains(&marker) || !line.text.contains("// allocates"), "{listed:?}");
    }
    fs::remove_dir_all(folder).unwrap();
}
