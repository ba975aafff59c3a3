//! By how much a leak differs from what comes and goes, and how much data tells that.

/// Parts of the time with less of the usual growth than this have levelled off.
pub(super) const LEVELLED_OFF: f64 = 0.4;

/// A snapshot with so many times the least that is alive is still one without much garbage.
pub(super) const NEARLY_LEAST: f64 = 1.15;

/// Of what leaks at least this part lives on from the middle of the time to its end.
pub(super) const LIVES_ON: f64 = 0.75;

/// What has fallen by more than this part of what it had risen by is not kept.
pub(super) const MOST_FALLEN: f64 = 0.5;

/// Of what survives, a leak has grown by at least this part.
pub(super) const LEAST_GROWN: f64 = 0.5;

/// So many samples tell by themselves when what is alive was allocated.
pub(super) const ENOUGH_TO_SURVIVE: u32 = 12;

/// From so many snapshots on a series tells by itself how much it wavers, also among hundreds of
/// functions.
pub(super) const ENOUGH_FOR_TREND: usize = 10;
