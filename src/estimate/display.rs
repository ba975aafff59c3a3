//! Estimates as people read them.

use super::interval::Confidence;
use super::sum::Sum;
use crate::model::Unit;

/// Up to this ratio of its two sides an interval is shown as one `±`.
const LOPSIDED: f64 = 1.5;

impl Sum {
    /// As an estimate of a unit is shown.
    pub(crate) fn shown<U: Unit>(&self) -> String {
        let value = self.value();
        let interval = self.interval(Confidence::default());
        let (below, above) = (value - interval.lower, interval.upper - value);
        // Less than the last digit of a byte or of an object is no doubt.
        if below.max(above) < 0.5 {
            return shown::<U>(value, 0.0);
        }
        if above <= LOPSIDED * below && below <= LOPSIDED * above {
            return with_doubt::<U>(value, above.max(below));
        }
        let [value, lower, upper] = [value, interval.lower, interval.upper]
            .map(|limit| shown::<U>(limit, interval.width()));
        format!("{value} ({lower} to {upper})")
    }
}

/// A number and what it may be off by, in the unit that fits the number: `1.65 MB ± 0.17`.
fn with_doubt<U: Unit>(value: f64, doubt: f64) -> String {
    let (unit, scale) = U::scale(value);
    let doubt = doubt / scale;
    let decimals = decimals(doubt, scale);
    format!("{:.decimals$} {unit} ± {doubt:.decimals$}", value / scale)
}

/// A change and what it may be off by, in the unit that fits the larger: `+1.65 MB ± 0.17`.
pub(crate) fn shown_change<U: Unit>(change: f64, doubt: f64) -> String {
    let (unit, scale) = U::scale(change.abs().max(doubt));
    if doubt < 0.5 {
        let decimals = usize::from(scale > 1.0);
        let sign = if change > 0.0 { "+" } else { "" };
        // Not -0.
        return format!("{sign}{:.decimals$} {unit}", change / scale + 0.0);
    }
    let (change, doubt) = (change / scale, doubt / scale);
    let decimals = decimals(doubt, scale);
    format!("{change:+.decimals$} {unit} ± {doubt:.decimals$}")
}

/// A number in the unit that fits it, with one decimal, or more if a doubt is smaller than that.
pub(crate) fn shown<U: Unit>(value: f64, doubt: f64) -> String {
    let (unit, scale) = U::scale(value);
    let least = usize::from(scale > 1.0);
    let decimals = if doubt > 0.0 { decimals(doubt / scale, scale).max(least) } else { least };
    format!("{:.decimals$} {unit}", value / scale)
}

/// As many decimals as show the doubt with one digit, or two if the first is a 1.
fn decimals(doubt: f64, scale: f64) -> usize {
    let digits = scale.log10().round() as i32; // whole bytes and objects have none
    let leading = doubt.log10().floor() as i32;
    let first = doubt / 10_f64.powi(leading);
    let wanted = if first < 1.95 { 1 - leading } else { -leading };
    wanted.clamp(0, digits) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Bytes, Objects};

    #[test]
    fn doubt_decides_the_digits() {
        let sum = |n, each: f64, size: f64, interval| Sum::of_samples(n, each, size, interval);
        let shown = |n, size: f64, interval| sum(n, size, size, interval).shown::<Bytes>();
        assert_eq!(shown(10_000, 56.0, 4096.0), "41.2 MB ± 0.8");
        assert_eq!(shown(400, 56.0, 4096.0), "1.65 MB ± 0.17");
        assert_eq!(shown(40, 56.0, 4096.0), "165 kB ± 59");
        assert_eq!(shown(1_000_000, 56.0, 4096.0), "4.124 GB ± 0.008");
        assert_eq!(shown(1, 16.0, 524_288.0), "524.3 kB (13.3 kB to 2.9 MB)");
        assert_eq!(shown(3, 16.0, 1.0), "48 B");
        assert_eq!(shown(0, 8.0, 524_288.0), "0 B (0 B to 1.9 MB)");
        assert_eq!(shown(60, 8192.0, 4096.0), "568 kB ± 62");
        let objects = sum(400, 1.0, 56.0, 4096.0).shown::<Objects>();
        assert_eq!(objects, "29458 objects ± 3012");
        assert_eq!(sum(1, 1.0, 64.0, 1.0).shown::<Objects>(), "1 object");
        assert_eq!(shown(1000, 40_960.0, 4096.0), "40.96 MB (40.96 MB to 41.00 MB)");
    }
}
