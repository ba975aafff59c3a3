//! Comments of a script, told from its strings, templates and regular expressions.

use super::text::LINE_ENDS;

/// Whether nothing but space and comments is in a text.
pub(super) fn is_without_code(text: &str) -> bool {
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        match comment_len(rest) {
            Some(len) => rest = rest[len..].trim_start(),
            None => return false,
        }
    }
    true
}

/// Where the comments of a script start, in ascending order. Linear in the text.
///
/// This is no parser: after a `)` or `}`, what may be a regular expression is taken for a division.
pub(super) fn comment_starts(text: &str) -> Vec<usize> {
    let bytes = text.as_bytes();
    let mut starts = Vec::new();
    // For each `${` that is open, the braces that are open within.
    let mut open: Vec<usize> = Vec::new();
    // Where the code before ends, without space and comments.
    let (mut at, mut code_end) = (0, 0);
    while let Some(&byte) = bytes.get(at) {
        if byte.is_ascii_whitespace() {
            at += 1;
            continue;
        }
        if byte == b'/'
            && let Some(len) = comment_len(&text[at..])
        {
            starts.push(at);
            at += len;
            continue;
        }
        at = match (byte, open.last_mut()) {
            (b'"' | b'\'' | b'`', _) => literal_end(bytes, at, byte, &mut open),
            (b'/', _) if can_start_expression(&bytes[..code_end]) => {
                literal_end(bytes, at, byte, &mut open)
            }
            (b'}', Some(0)) => {
                open.pop();
                literal_end(bytes, at, b'`', &mut open)
            }
            (b'{', Some(braces)) => {
                *braces += 1;
                at + 1
            }
            (b'}', Some(braces)) => {
                *braces -= 1;
                at + 1
            }
            _ => at + 1,
        };
        code_end = at;
    }
    starts
}

/// How long the comment at a text's start is, if there is one.
fn comment_len(text: &str) -> Option<usize> {
    if text.starts_with("//") {
        return Some(text.find(LINE_ENDS).unwrap_or(text.len()));
    }
    let rest = text.strip_prefix("/*")?;
    Some(rest.find("*/").map_or(text.len(), |end| end + 4))
}

/// Where the string, regular expression or part of a template ends that starts at a byte and ends
/// with `mark`, or with its line if it is no template; or behind the `${` of an expression, which
/// is open then.
fn literal_end(bytes: &[u8], start: usize, mark: u8, open: &mut Vec<usize>) -> usize {
    let is_template = mark == b'`';
    let mut is_class = false;
    let mut at = start + 1;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 1,
            b'\n' | b'\r' if !is_template => return at,
            b'$' if is_template && bytes.get(at + 1) == Some(&b'{') => {
                open.push(0);
                return at + 2;
            }
            b'[' if mark == b'/' => is_class = true,
            b']' => is_class = false,
            byte if byte == mark && !is_class => return at + 1,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

/// Whether an expression can follow code, so that a `/` is no division.
fn can_start_expression(code: &[u8]) -> bool {
    const WORDS: [&[u8]; 13] = [
        b"return", b"typeof", b"case", b"in", b"of", b"delete", b"void", b"throw", b"new", b"else",
        b"do", b"await", b"yield",
    ];
    let is_part =
        |byte: u8| byte.is_ascii_alphanumeric() || !byte.is_ascii() || b"_$#".contains(&byte);
    match code.last() {
        None => true,
        Some(&last) if is_part(last) => {
            let start = code.iter().rposition(|&byte| !is_part(byte)).map_or(0, |at| at + 1);
            WORDS.contains(&&code[start..]) && code[..start].last() != Some(&b'.')
        }
        Some(last) => !b")]}\"'`/".contains(last),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_told_from_other_text() {
        for (text, comments) in [
            ("", ""),
            ("//a\n/*b*/ //a", "ab a"),
            ("x = '//s'; //a", "a"),
            ("x = \"\\\"//s\" /*b*/", "b"),
            ("x = 'open\n//a", "a"),
            ("`//t ${ { a: `//t` } /*b*/ } //t` //a", "b a"),
            ("`\\` //t` //a", "a"),
            ("`//open", ""),
            ("x = /[/*]`\\//; //a", "a"),
            ("return /`/ //a", "a"),
            ("x.in / 2 //a", "a"),
            ("a / b / c //a\n`//t`", "a"),
            ("é/2//a", "a"),
            ("/*open", "o"),
            ("`\\", ""),
            ("'\\é", ""),
        ] {
            let found = comment_starts(text).into_iter().map(|at| &text[at + 2..at + 3]);
            let found: String = found.collect();
            assert_eq!(found, comments.replace(' ', ""), "{text}");
        }
        assert!(is_without_code(" //a\n/* b */\n"));
        assert!(!is_without_code(" //a\n/* b */\n;"));
    }
}
