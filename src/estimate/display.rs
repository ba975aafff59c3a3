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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubt_decides_the_digits() {
        let sum = |n, each: f64, size: f64, interval| Sum::of_samples(n, each, size, interval);
        let shown =
            |n, size: f64, interval| sum(n, size, size, interval).shown(SampleType::InuseSpace);
        assert_eq!(shown(10_000, 56.0, 4096.0), "41.2 MB ± 0.8");
        assert_eq!(shown(400, 56.0, 4096.0), "1.65 MB ± 0.17");
        assert_eq!(shown(40, 56.0, 4096.0), "165 kB ± 59");
        assert_eq!(shown(1_000_000, 56.0, 4096.0), "4.124 GB ± 0.008");
        assert_eq!(shown(1, 16.0, 524_288.0), "524.3 kB (13.3 kB to 2.9 MB)");
        assert_eq!(shown(3, 16.0, 1.0), "48 B");
        assert_eq!(shown(0, 8.0, 524_288.0), "0 B (0 B to 1.9 MB)");
        assert_eq!(shown(60, 8192.0, 4096.0), "568 kB ± 62");
        let objects = sum(400, 1.0, 56.0, 4096.0).shown(SampleType::InuseObjects);
        assert_eq!(objects, "29458 objects ± 3012");
        assert_eq!(sum(1, 1.0, 64.0, 1.0).shown(SampleType::InuseObjects), "1 object");
        assert_eq!(shown(1000, 40_960.0, 4096.0), "40.96 MB (40.96 MB to 41.00 MB)");
    }
}
