//! Texts of files on terminals.

use std::borrow::Cow;

/// A text of a file as a terminal can show it: one line, without what moves the cursor or turns the
/// direction of writing. Each such character, also a tab, is a space.
///
/// ```
/// use v8_heap_sampler::format::plain_text;
/// assert_eq!(plain_text("a\u{1b}[31m\nb\u{202e}c"), "a [31m b c");
/// ```
#[must_use]
pub fn plain_text(text: &str) -> Cow<'_, str> {
    let is_odd = |character: char| {
        character.is_control()
            || matches!(
                character,
                '\u{61c}'
                    | '\u{200e}'
                    | '\u{200f}'
                    | '\u{2028}'..='\u{202e}'
                    | '\u{2066}'..='\u{2069}'
            )
    };
    if text.contains(is_odd) { text.replace(is_odd, " ").into() } else { text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_moves_the_cursor() {
        assert_eq!(plain_text("größe 😀"), "größe 😀");
        assert_eq!(plain_text("a\u{1b}[31m\nb\u{9b}c\u{202e}d"), "a [31m b c d");
        assert_eq!(plain_text("a\u{2028}b\u{2029}c\u{2066}d\u{61c}e\u{200f}f"), "a b c d e f");
    }
}
