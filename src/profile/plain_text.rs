//! Texts of files on terminals.

use std::borrow::Cow;

/// A text without what moves a terminal's cursor, or turns its direction: names and labels can hold
/// anything. Tabs are spaces.
pub(crate) fn plain_text(text: &str) -> Cow<'_, str> {
    let is_odd = |character: char| {
        character.is_control()
            || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
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
    }
}
