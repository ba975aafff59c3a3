//! Columns of text.

use std::fmt;

use crate::profile::plain_text;

/// A table whose columns are aligned to the right, but for the last one.
#[derive(Default)]
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new<const N: usize>(heads: [&str; N]) -> Self {
        let mut table = Self::default();
        table.push(heads.map(str::to_owned));
        table
    }

    /// Leaves out the columns of shares, which of a difference make no sense: more and less cancel
    /// out.
    pub(super) fn without_shares(&mut self) {
        let Some(heads) = self.rows.first() else { return };
        let names = heads.len().saturating_sub(1);
        let is_share =
            |(at, head): (usize, &String)| at < names && (head.ends_with('%') || head == "share");
        let shares: Vec<bool> = heads.iter().enumerate().map(is_share).collect();
        for row in &mut self.rows {
            let mut is_share = shares.iter();
            row.retain(|_| !is_share.next().is_some_and(|&is_share| is_share));
        }
    }

    pub(super) fn push<const N: usize>(&mut self, row: [String; N]) {
        self.rows.push(row.map(|cell| plain_text(&cell).into_owned()).into());
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
