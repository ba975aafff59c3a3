//! Names of scripts, which are URLs, paths or anything, and what is relative to them.

/// Where a URL's scheme ends, its `:` included; `None` if it has none. A single letter is a drive.
pub(super) fn scheme_end(name: &str) -> Option<usize> {
    let colon = name.find(':')?;
    let scheme = &name[..colon];
    let is_scheme = scheme.len() > 1
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    is_scheme.then_some(colon + 1)
}

/// Whether a path is one from a drive's root: `C:\` or `C:/`.
#[cfg(feature = "sourcemap")]
fn has_drive(path: &str) -> bool {
    let bytes = path.as_bytes();
    bytes.len() > 2
        && bytes[0].is_ascii_alphabetic()
        && bytes[1] == b':'
        && matches!(bytes[2], b'/' | b'\\')
}

/// Where the part of a name starts that `..` cannot leave: behind the scheme and the host of a URL.
#[cfg(feature = "sourcemap")]
fn root_end(name: &str) -> usize {
    let Some(scheme) = scheme_end(name) else {
        return if has_drive(name) { 2 } else { 0 };
    };
    match name[scheme..].strip_prefix("//") {
        None => scheme,
        Some(host) => scheme + 2 + host.find('/').unwrap_or(host.len()),
    }
}

/// `reference` as seen from the script or map `base`: both may be URLs or paths.
#[cfg(feature = "sourcemap")]
pub(super) fn resolve(base: &str, reference: &str) -> String {
    if scheme_end(reference).is_some() || has_drive(reference) {
        return reference.to_owned();
    }
    let root = root_end(base);
    if reference.starts_with("//") {
        return format!("{}{reference}", &base[..scheme_end(base).unwrap_or(0)]);
    }
    if reference.starts_with('/') {
        return format!("{}{reference}", &base[..root]);
    }
    // What follows `?` or `#` in a URL is no folder.
    let path_end = match scheme_end(base) {
        Some(_) => base[root..].find(['?', '#']).map_or(base.len(), |at| root + at),
        None => base.len(),
    };
    let path = &base[root..path_end];
    let (is_absolute, path) = match path.strip_prefix(['/', '\\']) {
        Some(path) => (true, path),
        // A URL of a host and nothing else.
        None => (root > 0 && path.is_empty(), path),
    };
    let folder = &path[..path.rfind(['/', '\\']).map_or(0, |at| at + 1)];
    let separator = if folder.contains('\\') && !folder.contains('/') { '\\' } else { '/' };
    let mut parts: Vec<&str> = Vec::new();
    let parts_of_folder = folder.split(['/', '\\']).filter(|part| !part.is_empty());
    for part in parts_of_folder.chain(reference.split('/')) {
        match part {
            "." => {}
            ".." if parts.last().is_some_and(|&last| last != "..") => {
                parts.pop();
            }
            // Above the root there is nothing.
            ".." if is_absolute => {}
            part => parts.push(part),
        }
    }
    let mut resolved = base[..root].to_owned();
    for (place, part) in parts.into_iter().enumerate() {
        if place > 0 || is_absolute {
            resolved.push(separator);
        }
        resolved.push_str(part);
    }
    resolved
}
