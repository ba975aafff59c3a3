//! Estimates as people read them.

use super::interval::Confidence;
use super::sum::Sum;
use crate::model::SampleType;
use crate::text::{shown, with_doubt};

/// Up to this ratio of its two sides an interval is shown as one `±`.
const LOPSIDED: f64 = 1.5;

impl Sum {
    /// As an estimate of bytes or of objects is shown.
    pub(super) fn shown(&self, of: SampleType) -> String {
        let value = self.value();
        let interval = self.interval(Confidence::default());
        let (below, above) = (value - interval.lower, interval.upper - value);
        // Less than the last digit of a byte or of an object is no doubt.
        if below.max(above) < 0.5 {
            return shown(of, value, 0.0);
        }
        if above <= LOPSIDED * below && below <= LOPSIDED * above {
            return with_doubt(of, value, above.max(below));
        }
        let [value, lower, upper] =
            [value, interval.lower, interval.upper].map(|limit| shown(of, limit, interval.width()));
        format!("{value} ({lower} to {upper})")
    }
}
