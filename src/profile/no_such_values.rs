//! What is said if a profile does not have the values that are asked for.

use super::profile::Profile;
use crate::model::SampleType;

/// A profile does not have the values that are asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the profile has no {wanted}: it has {}", listed(has))]
#[non_exhaustive]
pub struct NoSuchValues {
    /// What was asked for.
    pub wanted: SampleType,
    /// What there is.
    pub has: Vec<SampleType>,
}

/// Sample types as a text.
pub(crate) fn listed(types: &[SampleType]) -> String {
    match types {
        [] => "no values at all".to_owned(),
        _ => types.iter().map(|sample_type| sample_type.name()).collect::<Vec<_>>().join(", "),
    }
}

impl Profile {
    /// Checks that the profile has a sample type.
    pub(crate) fn require(&self, wanted: SampleType) -> Result<(), NoSuchValues> {
        if self.has(wanted) {
            return Ok(());
        }
        Err(NoSuchValues { wanted, has: self.sample_types().collect() })
    }
}
