//! Lines and columns of a source text, as JavaScript counts them.

use std::ops::Range;

/// A text whose lines are known, and places in it by line and column, from 0, in UTF-16 units.
///
/// Made in one pass; a line is found in constant time, a column in logarithmic time, in a line of
/// ten megabytes as well.
pub(super) struct Text<'t> {
    text: &'t str,
    /// Where each line starts, and where it ends without its terminator.
    lines: Vec<Range<usize>>,
    /// UTF-16 units before each step of bytes; nothing for a text of ASCII, where both are the
    /// same.
    steps: Option<Vec<usize>>,
}

/// The distance of steps, in bytes.
const STEP: usize = 4096;

/// Ends of lines in JavaScript.
pub(super) const LINE_ENDS: [char; 4] = ['\n', '\r', '\u{2028}', '\u{2029}'];

impl<'t> Text<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let mut lines = Vec::new();
        let mut start = 0;
        while let Some(at) = text[start..].find(LINE_ENDS) {
            let end = start + at;
            lines.push(start..end);
            start = end
                + match text.as_bytes()[end..] {
                    [b'\r', b'\n', ..] => 2,
                    [b'\r' | b'\n', ..] => 1,
                    _ => '\u{2028}'.len_utf8(),
                };
        }
        lines.push(start..text.len());
        let steps = (!text.is_ascii()).then(|| steps(text));
        Self { text, lines, steps }
    }

    /// Without its terminator.
    pub(super) fn line(&self, line: usize) -> Option<&'t str> {
        self.lines.get(line).map(|range| &self.text[range.clone()])
    }

    pub(super) fn line_count(&self) -> usize {
        self.lines.len()
    }

    /// The text up to a byte of a line, of at most about `most` bytes, and where it starts.
    #[cfg(feature = "sourcemap")]
    pub(super) fn up_to(&self, line: usize, byte: usize, most: usize) -> Option<(usize, &'t str)> {
        let end = self.lines.get(line)?.start + byte;
        let start = floor_boundary(self.text, end.saturating_sub(most));
        Some((start, self.text.get(start..end)?))
    }

    /// Line and column of a byte of the text.
    #[cfg(feature = "sourcemap")]
    pub(super) fn place_of_byte(&self, at: usize) -> Option<(usize, usize)> {
        let line = self.lines.partition_point(|range| range.start <= at).checked_sub(1)?;
        Some((line, self.column_of(line, at - self.lines[line].start)))
    }

    /// Where in a line, in bytes from its start, a column is; `None` beyond the line's end.
    pub(super) fn byte_of(&self, line: usize, column: usize) -> Option<usize> {
        let range = self.lines.get(line)?;
        let Some(steps) = &self.steps else {
            return (column <= range.len()).then_some(column);
        };
        let wanted = units_before(self.text, steps, range.start).checked_add(column)?;
        let step = steps.partition_point(|&units| units <= wanted).saturating_sub(1);
        let mut at = floor_boundary(self.text, step * STEP);
        let mut units = steps[step];
        for character in self.text[at..].chars() {
            if units >= wanted {
                break;
            }
            units += character.len_utf16();
            at += character.len_utf8();
        }
        (units >= wanted && at <= range.end).then(|| at.saturating_sub(range.start))
    }

    /// The column at a byte of a line.
    #[cfg(feature = "sourcemap")]
    pub(super) fn column_of(&self, line: usize, byte: usize) -> usize {
        let Some(range) = self.lines.get(line) else { return 0 };
        let Some(steps) = &self.steps else { return byte };
        units_before(self.text, steps, range.start + byte)
            - units_before(self.text, steps, range.start)
    }
}

/// The units before a byte of a text that is at a character's boundary.
fn units_before(text: &str, steps: &[usize], byte: usize) -> usize {
    let step = byte / STEP;
    let from = floor_boundary(text, step * STEP);
    steps[step] + text[from..byte].encode_utf16().count()
}

fn steps(text: &str) -> Vec<usize> {
    let mut steps = vec![0];
    let (mut from, mut units) = (0, 0);
    while from < text.len() {
        let to = floor_boundary(text, steps.len() * STEP);
        units += text[from..to].encode_utf16().count();
        steps.push(units);
        from = to;
    }
    steps
}

/// The start of the character that a byte is of; the text's end if it is shorter.
fn floor_boundary(text: &str, byte: usize) -> usize {
    let at = byte.min(text.len());
    (0..=at).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_as_in_javascript() {
        let text = Text::new("a\nb\rc\r\nd\u{2028}e\u{2029}\n");
        let lines: Vec<_> = (0..text.line_count()).map(|line| text.line(line).unwrap()).collect();
        assert_eq!(lines, ["a", "b", "c", "d", "e", "", ""]);
        assert_eq!(Text::new("").line_count(), 1);
    }

    #[test]
    fn columns_are_utf_16_units() {
        let text = Text::new("é😀x\nab");
        for (column, byte) in [(0, Some(0)), (1, Some(2)), (3, Some(6)), (4, Some(7)), (5, None)] {
            assert_eq!(text.byte_of(0, column), byte, "column {column}");
        }
        assert_eq!(text.byte_of(1, 2), Some(2));
        assert_eq!(text.byte_of(1, 3), None);
        assert_eq!(text.byte_of(2, 0), None);
        assert_eq!(text.byte_of(0, usize::MAX), None);
    }

    #[test]
    fn long_lines_are_found_in_as_short_ones() {
        for unit in ["a", "é", "😀", "a😀é\u{ffff}"] {
            let long = format!("\n{}", unit.repeat(9000));
            let text = Text::new(&long);
            let line = text.line(1).unwrap();
            let mut column = 0;
            for (at, character) in line.char_indices() {
                if at % 97 < 4 {
                    assert_eq!(text.byte_of(1, column), Some(at));
                    #[cfg(feature = "sourcemap")]
                    assert_eq!(text.column_of(1, at), column);
                }
                column += character.len_utf16();
            }
            assert_eq!(text.byte_of(1, column), Some(line.len()));
            assert_eq!(text.byte_of(1, column + 1), None);
        }
    }
}
