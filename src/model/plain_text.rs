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
