//! Columns of text.

use std::fmt;

use crate::model::plain_text;

/// A table whose columns are aligned to the right, but for the last one.
pub(crate) struct Table {
    /// Whether a column is left out.
    is_hidden: Vec<bool>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new<const N: usize>(heads: [&str; N]) -> Self {
        Self::with_hidden(heads, [false; N])
    }

    /// A table about parts of a whole. The columns of shares are left out if that is a difference,
    /// of which they make no sense: more and less cancel out.
    pub(crate) fn of_parts<const N: usize>(is_difference: bool, heads: [&str; N]) -> Self {
        let mut is_hidden = heads.map(|head| is_difference && head.ends_with('%'));
        // The name of a row is no share.
        is_hidden[N - 1] = false;
        Self::with_hidden(heads, is_hidden)
    }

    fn with_hidden<const N: usize>(heads: [&str; N], is_hidden: [bool; N]) -> Self {
        let mut table = Self { is_hidden: is_hidden.into(), rows: Vec::new() };
        table.push(heads.map(str::to_owned));
        table
    }

    pub(crate) fn push<const N: usize>(&mut self, row: [String; N]) {
        let shown = row.iter().zip(&self.is_hidden).filter(|(_, is_hidden)| !**is_hidden);
        self.rows.push(shown.map(|(cell, _)| plain_text(cell).into_owned()).collect());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let width = |column| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell: &String| cell.chars().count()).max().unwrap_or_default()
        };
        let widths: Vec<usize> = (0..columns.saturating_sub(1)).map(width).collect();
        for row in &self.rows {
            for (cell, width) in row.iter().zip(&widths) {
                write!(f, "{cell:>width$}  ")?;
            }
            writeln!(f, "{}", row.get(widths.len()).map_or("", String::as_str))?;
        }
        Ok(())
    }
}
