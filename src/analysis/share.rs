//! Shares of a whole.

/// A share or a rate that was asked for: from 0 to 1, whatever it was.
pub(super) fn fraction(asked: f64) -> f64 {
    if asked.is_nan() { 0.0 } else { asked.clamp(0.0, 1.0) }
}

/// A share of a whole, from 0 to 1; of nothing, 0.
pub(super) fn share(part: f64, whole: f64) -> f64 {
    // Not -0.
    if whole == 0.0 { 0.0 } else { part / whole + 0.0 }
}

/// A share as it is shown.
pub(super) fn percent(share: f64) -> String {
    format!("{:.1}%", share * 100.0)
}
