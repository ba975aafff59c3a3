//! Sets of labels, numbered.

use super::row::{Label, RowData};

/// The label sets that samples have; rows name them by number.
///
/// While a profile is built, the first is the empty one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LabelSets(Vec<Vec<Label>>);

impl Default for LabelSets {
    fn default() -> Self {
        Self(vec![Vec::new()])
    }
}

impl LabelSets {
    /// The number of the empty set, while a profile is built.
    pub(crate) const NONE: u32 = 0;

    /// Appends a set that is not among them.
    pub(crate) fn push(&mut self, set: Vec<Label>) -> u32 {
        self.0.push(set);
        self.0.len() as u32 - 1
    }

    pub(crate) fn get(&self, number: u32) -> &[Label] {
        &self.0[number as usize]
    }

    /// Brings sets and rows into one order, in which each set is there once, and none that no row
    /// has: profiles that say the same are equal then.
    pub(crate) fn put_in_order(&mut self, rows: &mut [RowData]) {
        let mut is_used = vec![false; self.0.len()];
        rows.iter().for_each(|row| is_used[row.labels as usize] = true);
        self.0.iter_mut().for_each(|set| set.sort());
        let mut order: Vec<u32> =
            (0..).zip(&is_used).filter(|(_, used)| **used).map(|(n, _)| n).collect();
        order.sort_by_key(|&number| &self.0[number as usize]);
        let mut numbers = vec![0; self.0.len()];
        let mut sets: Vec<Vec<Label>> = Vec::with_capacity(order.len().max(1));
        for old in order {
            let set = std::mem::take(&mut self.0[old as usize]);
            if sets.last() != Some(&set) {
                sets.push(set);
            }
            numbers[old as usize] = sets.len() as u32 - 1;
        }
        if sets.is_empty() {
            sets.push(Vec::new());
        }
        rows.iter_mut().for_each(|row| row.labels = numbers[row.labels as usize]);
        self.0 = sets;
    }

    /// Puts a label on all, in place of any with the same key.
    pub(crate) fn add_to_all(&mut self, label: &Label) {
        for set in &mut self.0 {
            set.retain(|old| old.key != label.key);
            set.push(label.clone());
        }
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &[Label]> {
        self.0.iter().map(Vec::as_slice)
    }
}
