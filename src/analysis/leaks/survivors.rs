//! The test of survivors: of what is alive in a late snapshot, by the time of its allocation.

use std::ops::Range;

use super::groups::Groups;
use super::report::Rate;
use super::snapshots::Snapshots;
use super::thresholds::{LEAST_GROWN, LEVELLED_OFF, LIVES_ON, NEARLY_LEAST};
use crate::analysis::shared::shared_samples;
use crate::estimate::{Confidence, Sum};
use crate::model::Counted;
use crate::profile::OrdinalSample;
use crate::stats::poisson_tail;
use crate::tree::NONE;

impl Snapshots<'_> {
    /// What is alive in a late snapshot, by group, and by the snapshots between which it was
    /// allocated. `None` if nothing is known of samples, or they are not of one session.
    pub(super) fn survivors(&self, groups: &Groups) -> Option<AllSurvivors> {
        if !self.same_session {
            return None;
        }
        let count = self.profiles.len();
        let late = self.collected(count - count.div_ceil(3)..count)?;
        let middle = self.collected(count / 3..count - count.div_ceil(3));
        let mut sums = self.evidence[late].sample_sums()?;
        let ends = self.last_ordinals(late);
        let mut all = AllSurvivors::new(&ends, groups.groups.len());
        for sample in self.profiles[late].samples()?.iter().filter(|sample| !sample.is_dead) {
            let cohort = ends.partition_point(|&end| end < sample.ordinal);
            let sum = sums.of(sample);
            let group = groups.of_contexts[late][sample.context as usize];
            all.note(group, |survivors| survivors.add(cohort, sum));
        }
        if let Some(middle) = middle.filter(|&middle| middle >= 3) {
            self.note_lived_on(&mut all, groups, middle, ends[0]..ends[middle - 2]);
        }
        Some(all)
    }

    /// The last snapshot of a part of the time that has hardly more alive than the least of it: it
    /// is soon after a garbage collection.
    fn collected(&self, part: Range<usize>) -> Option<usize> {
        let alive = self.evidence[part.clone()].iter().map(|of| of.total().value());
        let alive: Vec<f64> = alive.collect();
        let least = alive.iter().copied().fold(f64::INFINITY, f64::min);
        let last = alive.iter().rposition(|&alive| alive <= NEARLY_LEAST * least);
        last.map(|at| part.start + at)
    }

    /// The ordinal of the newest sample in each snapshot up to a late one.
    fn last_ordinals(&self, late: usize) -> Vec<u64> {
        // The newest sample of a snapshot may have died by the next.
        let mut newest = 0;
        let ends = self.profiles[..=late].iter().map(|profile| {
            let last = profile.samples().and_then(<[_]>::last).map_or(0, |last| last.ordinal);
            newest = newest.max(last);
            newest
        });
        ends.collect()
    }

    /// Notes what was old in the middle of the time, with ordinals behind the start of `old` and up
    /// to its end, and how much of that lives on.
    fn note_lived_on(
        &self,
        all: &mut AllSurvivors,
        groups: &Groups,
        middle: usize,
        old: Range<u64>,
    ) {
        let late = all.cohorts.late;
        let is_old = |sample: &&OrdinalSample| {
            !sample.is_dead && old.start < sample.ordinal && sample.ordinal <= old.end
        };
        let group_at =
            |at: usize, sample: &OrdinalSample| groups.of_contexts[at][sample.context as usize];
        let (middle_one, late_one) = (self.profiles[middle], self.profiles[late]);
        for sample in middle_one.samples().unwrap_or_default().iter().filter(is_old) {
            all.note(group_at(middle, sample), |survivors| survivors.old += 1);
        }
        for sample in shared_samples(middle_one, late_one, Counted::InUse).filter(is_old) {
            all.note(group_at(late, sample), |survivors| survivors.lived_on += 1);
        }
    }
}

/// What is alive in a late snapshot, of each group and of the whole.
pub(super) struct AllSurvivors {
    pub(super) cohorts: Cohorts,
    pub(super) of_groups: Vec<Survivors>,
    pub(super) whole: Survivors,
}

impl AllSurvivors {
    /// Nothing yet, of cohorts that end at these ordinals.
    fn new(ends: &[u64], groups: usize) -> Self {
        let cohorts = Cohorts::new(ends);
        let whole = Survivors { samples: vec![0; cohorts.parts.len()], ..Survivors::default() };
        Self { cohorts, of_groups: vec![whole.clone(); groups], whole }
    }

    /// Notes a sample, which is one of its group, and one of the whole.
    fn note(&mut self, group: u32, note: impl Fn(&mut Survivors)) {
        note(&mut self.whole);
        if group != NONE {
            note(&mut self.of_groups[group as usize]);
        }
    }
}

/// What was allocated between one snapshot and the next, up to a late one.
pub(super) struct Cohorts {
    /// Of all that was allocated, the part of each, by the numbers of samples.
    parts: Vec<f64>,
    /// Which snapshot the survivors are those of.
    pub(super) late: usize,
}

impl Cohorts {
    /// Of cohorts that end at these ordinals; the first one is what was there already.
    fn new(ends: &[u64]) -> Self {
        // What is newest has not had its garbage collection yet.
        let until = if ends.len() >= 5 { ends.len() - 2 } else { ends.len() - 1 };
        let all = ends[until].saturating_sub(ends[0]) as f64;
        let part = |pair: &[u64]| pair[1].saturating_sub(pair[0]) as f64 / all;
        Self { parts: ends[..=until].windows(2).map(part).collect(), late: ends.len() - 1 }
    }

    /// The cohorts of each third of the time.
    fn blocks(&self) -> impl Iterator<Item = Range<usize>> {
        let until = self.parts.len();
        let count = until.min(3);
        // The first cohort of a block is the first whose number times the count reaches it.
        let start = move |block: usize| (block * until).div_ceil(count);
        (0..count).map(move |block| start(block)..start(block + 1))
    }
}

/// What is alive at the end, of one group.
#[derive(Clone, Default)]
pub(super) struct Survivors {
    /// How many samples of each cohort are alive.
    samples: Vec<u32>,
    /// What these stand for.
    sum: Sum,
    /// How many samples are alive in all, older and newer ones included.
    pub(super) alive: u32,
    /// How many samples were old in the middle of the time, and how many of these are alive.
    old: u32,
    lived_on: u32,
}

impl Survivors {
    fn add(&mut self, cohort: usize, sum: Sum) {
        self.alive += 1;
        // What was there before the first snapshot, and what is newest, is left out.
        if let Some(samples) = cohort.checked_sub(1).and_then(|at| self.samples.get_mut(at)) {
            *samples += 1;
            self.sum += sum;
        }
    }

    /// How likely a group that has grown by so much leaves such survivors if it does not leak, and
    /// the rate of its growth.
    pub(super) fn growth(
        &self,
        cohorts: &Cohorts,
        snapshots: &Snapshots<'_>,
        grown: f64,
    ) -> (Option<f64>, Rate) {
        // Samples are what is random: a single large object must not drown the others.
        let rates = cohorts.parts.iter().zip(&self.samples).filter(|(part, _)| **part > 0.0);
        let mut rates: Vec<f64> = rates.map(|(part, &samples)| f64::from(samples) / part).collect();
        rates.sort_by(f64::total_cmp);
        // The lower one of two in the middle.
        let usual = rates.get(rates.len().saturating_sub(1) / 2).copied().unwrap_or_default();
        let p_value = cohorts.blocks().map(|block| {
            if usual <= 0.0 {
                return 1.0;
            }
            let part: f64 = cohorts.parts[block.clone()].iter().sum();
            let samples: u32 = self.samples[block].iter().sum();
            poisson_tail(f64::from(samples), LEVELLED_OFF * usual * part)
        });
        // What takes the place of other things does not grow.
        let is_kept = f64::from(self.lived_on) >= LIVES_ON * f64::from(self.old);
        let is_growth = is_kept && grown >= LEAST_GROWN * self.sum.value();
        let p_value = Some(if is_growth { p_value.fold(0.0, f64::max) } else { 1.0 });
        let per = 1.0 / snapshots.times[cohorts.parts.len()];
        let interval = self.sum.interval(Confidence::P95);
        let [value, lower, upper] =
            [self.sum.value(), interval.lower, interval.upper].map(|growth| growth * per);
        (p_value, snapshots.rate(value, lower, upper))
    }
}
