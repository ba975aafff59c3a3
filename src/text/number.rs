//! Numbers with as many digits as mean something.

use crate::model::SampleType;

/// A number and what it may be off by, in the unit that fits the number: `1.65 MB ± 0.17`.
pub(crate) fn with_doubt(of: SampleType, value: f64, doubt: f64) -> String {
    let (unit, scale) = of.scale(value);
    let doubt = doubt / scale;
    let decimals = decimals(doubt, scale);
    format!("{:.decimals$} {unit} ± {doubt:.decimals$}", value / scale)
}

/// A change and what it may be off by, in the unit that fits the larger: `+1.65 MB ± 0.17`.
pub(crate) fn shown_change(of: SampleType, change: f64, doubt: f64) -> String {
    let (unit, scale) = of.scale(change.abs().max(doubt));
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
pub(crate) fn shown(of: SampleType, value: f64, doubt: f64) -> String {
    let (unit, scale) = of.scale(value);
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

/// A part of a whole: `12.5%`; of nothing, `0.0%`.
pub(crate) fn percent(part: f64, whole: f64) -> String {
    // Not -0.
    let share = if whole == 0.0 { 0.0 } else { part / whole + 0.0 };
    format!("{:.1}%", share * 100.0)
}

/// A probability with four decimals, and none below what these show.
pub(crate) fn p_value(p: f64) -> String {
    if p < 0.0001 { "<0.0001".to_owned() } else { format!("{p:.4}") }
}
