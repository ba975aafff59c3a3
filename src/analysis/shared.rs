//! Samples that two profiles of one session have in common.

use crate::model::Counted;
use crate::profile::{OrdinalSample, Profile};

/// The relation of two profiles: of one session, in which a sample stays the same sample, or not.
///
/// An object that is alive in both was sampled in both or in neither, so that what is alive in both
/// is no source of doubt about what has changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Sessions {
    /// One session if both started at the same moment, with the same interval, and have samples.
    #[default]
    Detect,
    /// One session: samples are matched by their place in the order of allocation. Differences
    /// need profiles that know the sizes of objects for that, as those of this crate do; others are
    /// compared as if they were independent.
    Same,
    /// Independent profiles.
    Independent,
}

impl Sessions {
    /// Whether samples of the two are to be matched.
    pub(super) fn are_same(self, one: &Profile, other: &Profile) -> bool {
        let have_samples = one.samples().is_some() && other.samples().is_some();
        let (one, other) = (&one.metadata, &other.metadata);
        have_samples
            && match self {
                Self::Same => true,
                Self::Independent => false,
                Self::Detect => {
                    one.started.is_some()
                        && one.started == other.started
                        && one.interval.is_some()
                        && one.interval == other.interval
                }
            }
    }
}

/// The samples of the later profile that the earlier one has too, in the order of allocation.
pub(super) fn shared_samples<'p>(
    before: &'p Profile,
    after: &'p Profile,
    counted: Counted,
) -> impl Iterator<Item = &'p OrdinalSample> {
    let is_counted =
        move |sample: &&OrdinalSample| counted == Counted::Allocated || !sample.is_dead;
    let mut earlier = before.samples().unwrap_or_default().iter().filter(is_counted).peekable();
    let later = after.samples().unwrap_or_default().iter().filter(is_counted);
    later.filter(move |sample| {
        while earlier.next_if(|early| early.ordinal < sample.ordinal).is_some() {}
        earlier
            .next_if(|early| early.ordinal == sample.ordinal && early.bytes == sample.bytes)
            .is_some()
    })
}
