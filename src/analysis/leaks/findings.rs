//! Which groups grow and go on growing.

use super::finding::Finding;
use super::groups::Groups;
use super::snapshots::Snapshots;
use super::survivors::{Cohorts, Survivors};
use super::thresholds::ENOUGH_TO_SURVIVE;
use crate::analysis::significance::q_values;
use crate::estimate::Sum;

/// What is found of a group.
pub(super) struct GroupFinding {
    pub(super) group: usize,
    pub(super) finding: Finding,
    /// The least false discovery rate at which it is a leak; `None` if it cannot be said.
    pub(super) q_value: Option<f64>,
}

/// What is found of the groups that ever have something, and of the whole.
pub(super) struct Findings {
    pub(super) of_groups: Vec<GroupFinding>,
    pub(super) whole: Finding,
}

impl Findings {
    pub(super) fn new(snapshots: &Snapshots<'_>, groups: &Groups) -> Self {
        let survivors = snapshots.same_session.then(|| snapshots.survivors(groups)).flatten();
        let mut of_groups = Vec::new();
        for group in 0..groups.groups.len() {
            let series = groups.series(group);
            if series.iter().any(|sum| sum.value() > 0.0) {
                let survivors = survivors.as_ref().map(|all| (&all.cohorts, &all.of_groups[group]));
                let finding = snapshots.finding(&series, survivors);
                of_groups.push(GroupFinding { group, finding, q_value: None });
            }
        }
        set_q_values(&mut of_groups);
        let whole: Vec<Sum> =
            snapshots.evidence.iter().map(|evidence| *evidence.total().sum()).collect();
        let survivors = survivors.as_ref().map(|all| (&all.cohorts, &all.whole));
        Self { of_groups, whole: snapshots.finding(&whole, survivors) }
    }
}

/// Works out the least false discovery rates, over all groups of which there is a p-value.
fn set_q_values(findings: &mut [GroupFinding]) {
    let p_values: Vec<f64> = findings.iter().filter_map(|found| found.finding.p_value).collect();
    let known = findings.iter_mut().filter(|found| found.finding.p_value.is_some());
    for (found, q_value) in known.zip(q_values(&p_values)) {
        found.q_value = Some(q_value);
    }
}

impl Snapshots<'_> {
    /// How a group grows, and whether it goes on: by its survivors if these are enough, else by the
    /// trend.
    fn finding(&self, series: &[Sum], survivors: Option<(&Cohorts, &Survivors)>) -> Finding {
        match survivors.filter(|(_, survivors)| survivors.alive >= ENOUGH_TO_SURVIVE) {
            None => self.trend(series),
            Some((cohorts, survivors)) => {
                let early = series[..series.len().div_ceil(3)].iter().map(Sum::value);
                let least = early.fold(f64::INFINITY, f64::min);
                let grown = series[cohorts.late].value() - least;
                survivors.finding(cohorts, &self.clock, grown)
            }
        }
    }
}
