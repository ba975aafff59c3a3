//! Sets of labels, numbered.

use super::row::{Label, RowData};

/// The labels of samples, and the interval at which these were taken where a profile is the sum of
/// several with different ones: variances add up by it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct LabelSet {
    pub(crate) labels: Vec<Label>,
    /// `None` where it is that of the profile.
    pub(crate) interval: Option<u64>,
}

/// The label sets that samples have; rows name them by number.
///
/// While a profile is built, the first is the empty one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LabelSets(Vec<LabelSet>);

impl Default for LabelSets {
    fn default() -> Self {
        Self(vec![LabelSet::default()])
    }
}

impl FromIterator<LabelSet> for LabelSets {
    fn from_iter<I: IntoIterator<Item = LabelSet>>(sets: I) -> Self {
        Self(sets.into_iter().collect())
    }
}

impl LabelSets {
    /// The number of the empty set, while a profile is built.
    pub(crate) const NONE: u32 = 0;

    /// Appends a set that is not among them.
    #[cfg(any(feature = "formats", feature = "v8-150", feature = "v8-152"))]
    pub(crate) fn push(&mut self, labels: Vec<Label>) -> u32 {
        self.0.push(LabelSet { labels, interval: None });
        self.0.len() as u32 - 1
    }

    /// The labels of a set.
    pub(crate) fn get(&self, number: u32) -> &[Label] {
        &self.0[number as usize].labels
    }

    /// Brings sets and rows into one order, in which each set is there once, and none that no row
    /// has: profiles that say the same are equal then.
    pub(crate) fn put_in_order(&mut self, rows: &mut [RowData]) {
        let mut is_used = vec![false; self.0.len()];
        rows.iter().for_each(|row| is_used[row.labels as usize] = true);
        self.0.iter_mut().for_each(|set| set.labels.sort());
        let mut order: Vec<u32> =
            (0..).zip(&is_used).filter(|(_, used)| **used).map(|(n, _)| n).collect();
        order.sort_by_key(|&number| &self.0[number as usize]);
        let mut numbers = vec![0; self.0.len()];
        let mut sets: Vec<LabelSet> = Vec::with_capacity(order.len().max(1));
        for old in order {
            let set = std::mem::take(&mut self.0[old as usize]);
            if sets.last() != Some(&set) {
                sets.push(set);
            }
            numbers[old as usize] = sets.len() as u32 - 1;
        }
        if sets.is_empty() {
            sets.push(LabelSet::default());
        }
        rows.iter_mut().for_each(|row| row.labels = numbers[row.labels as usize]);
        self.0 = sets;
    }

    /// Puts a label on all, in place of any with the same key. Says whether the sets are still in
    /// order, each there once, so that rows name them as before.
    pub(crate) fn add_to_all(&mut self, label: &Label) -> bool {
        for LabelSet { labels, .. } in &mut self.0 {
            labels.retain(|old| old.key != label.key);
            let place = labels.partition_point(|old| old < label);
            labels.insert(place, label.clone());
        }
        self.0.is_sorted_by(|one, other| one < other)
    }

    /// The labels by number: the same ones again where only intervals differ.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &[Label]> {
        self.sets().iter().map(|set| &set.labels[..])
    }

    pub(crate) fn sets(&self) -> &[LabelSet] {
        &self.0
    }
}
