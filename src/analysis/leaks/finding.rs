//! What a test says.

use super::report::{Rate, RateUnit};
use crate::model::SampleType;

/// A p-value and the rate that goes with it.
pub(super) struct Finding {
    pub(super) p_value: Option<f64>,
    pub(super) value: f64,
    pub(super) lower: f64,
    pub(super) upper: f64,
}

impl Finding {
    pub(super) fn rate(&self, sample_type: SampleType, per: RateUnit) -> Rate {
        Rate { sample_type, per, value: self.value, lower: self.lower, upper: self.upper }
    }
}
