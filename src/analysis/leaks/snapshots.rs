//! Snapshots of one process, in order.

use std::time::{Duration, SystemTime};

use super::options::LeakOptions;
use super::report::Rate;
use crate::analysis::GroupBy;
use crate::model::{AnalysisError, SampleType};
use crate::profile::{Evidence, Profile};
use crate::stats::theil_sen;

pub(super) struct Snapshots<'p> {
    pub(super) profiles: Vec<&'p Profile>,
    pub(super) evidence: Vec<Evidence<'p>>,
    /// In seconds since the first one, or their numbers from 0 where that is not known.
    pub(super) times: Vec<f64>,
    per_second: bool,
    pub(super) same_session: bool,
}

impl<'p> Snapshots<'p> {
    /// Snapshots in which leaks can be looked for.
    pub(super) fn new(
        profiles: Vec<&'p Profile>,
        options: &LeakOptions,
    ) -> Result<Self, AnalysisError> {
        if profiles.len() < 3 {
            return Err(AnalysisError::TooFewSnapshots { snapshots: profiles.len() });
        }
        if matches!(options.by, GroupBy::Label(_) | GroupBy::Stack) {
            return Err(AnalysisError::LeaksBy { by: options.by.to_string() });
        }
        let evidence = (1..).zip(&profiles).map(|(at, profile)| {
            let sample_type = options.sample_type;
            let evidence = if profile.is_difference(sample_type) {
                Err(AnalysisError::Difference { sample_type })
            } else {
                Evidence::new(profile, sample_type)
            };
            evidence.map_err(|error| error.of_snapshot(at))
        });
        let evidence = evidence.collect::<Result<Vec<_>, _>>()?;
        let same_session =
            profiles.windows(2).all(|pair| options.sessions.are_same(pair[0], pair[1]));
        let seconds = seconds(&profiles)?;
        let per_second = seconds.is_some();
        let by_number = || (0..profiles.len()).map(|at| at as f64).collect();
        let times = seconds.unwrap_or_else(by_number);
        Ok(Self { profiles, evidence, times, per_second, same_session })
    }

    /// The time of the last snapshot.
    pub(super) fn last(&self) -> f64 {
        self.times.last().copied().unwrap_or_default()
    }

    /// The time from the first snapshot to the last; `None` if it is not known.
    pub(super) fn duration(&self) -> Option<Duration> {
        self.per_second.then(|| Duration::try_from_secs_f64(self.last()).ok())?
    }

    /// The rate at which V8's used heap grows, without compiled code, if that is known and the
    /// values are bytes that are in use.
    pub(super) fn heap(&self) -> Option<Rate> {
        let is_space = self.evidence[0].sample_type == SampleType::InuseSpace;
        let profiles = self.profiles.iter().filter(|_| is_space && self.same_session);
        let points = profiles.zip(&self.times).map(|(profile, &time)| {
            let growth = profile.collection()?.growth?;
            Some((time, (growth.used - growth.compiled_code) as f64))
        });
        let slope = theil_sen(&points.collect::<Option<Vec<_>>>()?)?;
        Some(self.rate(slope.value, slope.lower, slope.upper))
    }

    pub(super) fn rate(&self, value: f64, lower: f64, upper: f64) -> Rate {
        let (sample_type, per_second) = (self.evidence[0].sample_type, self.per_second);
        Rate { sample_type, per_second, value, lower, upper }
    }
}

/// When the snapshots were taken, in seconds since the first; `None` if that is not known of each,
/// or some were taken at once.
fn seconds(profiles: &[&Profile]) -> Result<Option<Vec<f64>>, AnalysisError> {
    let taken = |profile: &&Profile| -> Option<SystemTime> {
        profile.metadata.started?.checked_add(profile.metadata.duration?)
    };
    let Some(taken) = profiles.iter().map(taken).collect::<Option<Vec<_>>>() else {
        return Ok(None);
    };
    let mut times = vec![0.0];
    for (at, pair) in (2..).zip(taken.windows(2)) {
        let since = pair[1].duration_since(pair[0]);
        let since = since.map_err(|_| AnalysisError::SnapshotOrder { at })?;
        times.push(times[at - 2] + since.as_secs_f64());
    }
    let all_differ = times.windows(2).all(|pair| pair[0] < pair[1]);
    Ok(all_differ.then_some(times))
}
