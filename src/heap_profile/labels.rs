//! Sets of labels, numbered.

use super::row::{Label, LabelValue};

/// The label sets that samples have, each once; [`Row`](super::Row)s name them by number.
///
/// The first is the empty one, until labels are put on all samples.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LabelSets(Vec<Vec<Label>>);

impl Default for LabelSets {
    fn default() -> Self {
        Self(vec![Vec::new()])
    }
}

impl LabelSets {
    /// The number of samples without labels, in a profile to which none were added.
    pub(crate) const NONE: u32 = 0;

    /// Appends a set that is not among them.
    pub(crate) fn push(&mut self, set: Vec<Label>) -> u32 {
        self.0.push(set);
        self.0.len() as u32 - 1
    }

    /// Sorts the sets by what they say, the empty one first. The new number of each, if they were not
    /// sorted.
    pub(crate) fn sort(&mut self) -> Option<Vec<u32>> {
        if self.0.is_sorted() {
            return None;
        }
        let mut order: Vec<u32> = (0..self.0.len() as u32).collect();
        order.sort_by_key(|&number| &self.0[number as usize]);
        let mut numbers = vec![0; order.len()];
        for (number, &old) in (0..).zip(&order) {
            numbers[old as usize] = number;
        }
        self.0.sort();
        Some(numbers)
    }

    pub(crate) fn add_to_all(&mut self, label: Label) {
        for set in &mut self.0 {
            match set.iter_mut().find(|old| old.key == label.key && same_kind(old, &label)) {
                Some(old) => old.value = label.value.clone(),
                None => set.push(label.clone()),
            }
        }
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &[Label]> {
        self.0.iter().map(Vec::as_slice)
    }
}

fn same_kind(one: &Label, other: &Label) -> bool {
    matches!(one.value, LabelValue::Text(_)) == matches!(other.value, LabelValue::Text(_))
}
