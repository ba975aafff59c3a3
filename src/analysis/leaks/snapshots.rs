//! Snapshots of one process, in order.

use super::clock::Clock;
use super::options::LeakOptions;
use crate::analysis::GroupBy;
use crate::model::AnalysisError;
use crate::profile::{Evidence, Profile};

pub(super) struct Snapshots<'p> {
    pub(super) profiles: Vec<&'p Profile>,
    pub(super) evidence: Vec<Evidence<'p>>,
    pub(super) clock: Clock,
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
        if matches!(options.by, GroupBy::Label(_)) {
            return Err(AnalysisError::LeaksByLabel);
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
        Ok(Self { clock: Clock::of(&profiles)?, profiles, evidence, same_session })
    }
}
