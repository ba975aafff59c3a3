//! Which package a script is of.

/// What a script's functions belong to by its name, as package managers and runtimes name scripts:
/// `x` of `node_modules/x`, with the scope if there is one (the innermost, where they nest),
/// `npm:x@1`, `jsr:@s/x@1`, `https://deno.land/x/oak@v12`, `node:` and `ext:` modules. Other URLs
/// have their origin, other scripts are in no package.
pub(super) fn package_of(script: &str) -> Option<String> {
    let path = without_query(script).replace('\\', "/");
    if let Some(at) = path.rfind("/node_modules/").map(|at| at + 1).or_else(|| {
        // A relative path.
        path.starts_with("node_modules/").then_some(0)
    }) {
        return named(&path[at + "node_modules/".len()..], 1);
    }
    // Deno's cache of npm: registry/name/version/path.
    for registry in ["/npm/registry.npmjs.org/", "/npm/npm.jsr.io/"] {
        if let Some(at) = path.find(registry) {
            return with_version("npm:", &path[at + registry.len()..]);
        }
    }
    for scheme in ["npm:", "jsr:"] {
        if let Some(rest) = path.strip_prefix(scheme) {
            return Some(format!("{scheme}{}", named(rest.trim_start_matches('/'), 1)?));
        }
    }
    for scheme in ["node:", "ext:"] {
        if let Some(rest) = path.strip_prefix(scheme) {
            return Some(format!("{scheme}{}", rest.split('/').next().unwrap_or_default()));
        }
    }
    if let Some(rest) = path.strip_prefix("https://jsr.io/") {
        return with_version("jsr:", rest);
    }
    let scheme = path.find("://")?;
    let rest = &path[scheme + 3..];
    let host = rest.split('/').next().filter(|host| !host.is_empty())?;
    let within = rest[host.len()..].trim_start_matches('/');
    let folder = match host {
        "deno.land" if within.starts_with("x/") => Some("x/"),
        "deno.land" if within.starts_with("std") => Some(""),
        "cdn.jsdelivr.net" if within.starts_with("npm/") => Some("npm/"),
        "esm.sh" | "unpkg.com" | "cdn.skypack.dev" => Some(""),
        _ => None,
    };
    let origin = &path[..scheme + 3 + host.len()];
    match folder {
        Some(folder) => Some(format!("{origin}/{folder}{}", named(&within[folder.len()..], 1)?)),
        None => Some(origin.to_owned()),
    }
}

/// A URL without what asks for something of the file; in a path these are characters like others.
pub(super) fn without_query(script: &str) -> &str {
    if script.contains(':') { script.split(['?', '#']).next().unwrap_or_default() } else { script }
}

/// The name of a package at the beginning of a path, with its scope, and so many segments.
fn named(path: &str, segments: usize) -> Option<String> {
    let segments = segments + usize::from(path.starts_with('@'));
    let name: Vec<&str> = path.split('/').take(segments).collect();
    let is_name = name.iter().all(|segment| !segment.is_empty());
    is_name.then(|| name.join("/"))
}

/// `name@version` of `name/version/...`.
fn with_version(scheme: &str, path: &str) -> Option<String> {
    let with_version = named(path, 2)?;
    let (name, version) = with_version.rsplit_once('/')?;
    Some(format!("{scheme}{name}@{version}"))
}
