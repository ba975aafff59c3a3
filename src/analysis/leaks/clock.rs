//! When the snapshots were taken.

use std::time::{Duration, SystemTime};

use super::report::RateUnit;
use crate::model::AnalysisError;
use crate::profile::Profile;

/// When the snapshots were taken.
pub(super) struct Clock {
    pub(super) per: RateUnit,
    /// In seconds or snapshots since the first.
    pub(super) times: Vec<f64>,
}

impl Clock {
    pub(super) fn of(profiles: &[&Profile]) -> Result<Self, AnalysisError> {
        let taken = |profile: &&Profile| -> Option<SystemTime> {
            profile.metadata.started?.checked_add(profile.metadata.duration?)
        };
        let by_number = || Self {
            per: RateUnit::Snapshot,
            times: (0..profiles.len()).map(|at| at as f64).collect(),
        };
        let Some(taken) = profiles.iter().map(taken).collect::<Option<Vec<_>>>() else {
            return Ok(by_number());
        };
        let mut times = Vec::with_capacity(taken.len());
        for (at, time) in taken.iter().enumerate() {
            match time.duration_since(taken[at.saturating_sub(1)]) {
                Ok(since) => {
                    times.push(times.last().copied().unwrap_or(0.0) + since.as_secs_f64());
                }
                Err(_) => return Err(AnalysisError::SnapshotOrder { at: at + 1 }),
            }
        }
        let all_differ = times.windows(2).all(|pair| pair[0] < pair[1]);
        Ok(if all_differ { Self { per: RateUnit::Second, times } } else { by_number() })
    }

    /// The time of the last snapshot.
    pub(super) fn last(&self) -> f64 {
        self.times.last().copied().unwrap_or_default()
    }

    /// The time from the first snapshot to the last; `None` if it is not known.
    pub(super) fn duration(&self) -> Option<Duration> {
        let seconds = (self.per == RateUnit::Second).then(|| self.last())?;
        Duration::try_from_secs_f64(seconds).ok()
    }
}
