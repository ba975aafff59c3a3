//! The test of trend: of what there was in each snapshot.

use super::report::Rate;
use super::snapshots::Snapshots;
use super::thresholds::{ENOUGH_FOR_TREND, LEVELLED_OFF, MOST_FALLEN};
use crate::analysis::change::Change;
use crate::estimate::{Confidence, Sum};
use crate::stats::{p_of_drift, p_of_rise, theil_sen};

impl Snapshots<'_> {
    /// How likely a series rises so if it does not go on, and the rate of its growth.
    pub(super) fn trend(&self, series: &[Sum]) -> (Option<f64>, Rate) {
        let values: Vec<f64> = series.iter().map(Sum::value).collect();
        let points: Vec<(f64, f64)> =
            self.times.iter().copied().zip(values.iter().copied()).collect();
        let count = points.len();
        let (Some(slope), Some(late)) = (theil_sen(&points), theil_sen(&points[(count - 1) / 2..]))
        else {
            return (None, self.rate(0.0, 0.0, 0.0));
        };
        let goes_on = late.value >= LEVELLED_OFF * slope.value && slope.value > 0.0;
        let p_value = if !(goes_on && is_kept(&values)) {
            Some(1.0)
        } else if count >= ENOUGH_FOR_TREND {
            Some(self.p_of_long(series, &values))
        } else {
            self.p_of_short(series, &values)
        };
        // Samples that stay make the points of a session depend on each other, which Sen's interval
        // does not know.
        let (lower, upper) = self.limits_of_slope(series, slope.value);
        (p_value, self.rate(slope.value, slope.lower.min(lower), slope.upper.max(upper)))
    }

    /// How likely a long series, of these `values`, rises so if it does not go on.
    fn p_of_long(&self, series: &[Sum], values: &[f64]) -> f64 {
        let count = values.len();
        let rises = p_of_rise(values).max(p_of_rise(&values[count / 3..]));
        // A level can waver slowly, which may look like a rise: its steps must go up as well, and
        // the rise be more than sampling explains.
        let rises = rises.max(p_of_drift(values));
        self.p_of_growth(series, count / 3, count - 1).map_or(rises, |p| rises.max(p))
    }

    /// How likely sampling makes a short series, of these `values`, rise from third to third;
    /// `None` if that is not known.
    fn p_of_short(&self, series: &[Sum], values: &[f64]) -> Option<f64> {
        // The least of each third, against what sampling explains; garbage is only ever more.
        let count = values.len();
        let parts = count.min(3);
        let least = |part: usize| {
            let places = part * count / parts..(part + 1) * count / parts;
            places.min_by(|&one, &other| values[one].total_cmp(&values[other])).unwrap_or(0)
        };
        let steps = (1..parts).map(|at| self.p_of_growth(series, least(at - 1), least(at)));
        steps.collect::<Option<Vec<f64>>>().map(|p| p.into_iter().fold(0.0, f64::max))
    }

    /// How likely sampling alone makes a series grow by so much from one snapshot to another;
    /// `None` if that is not known.
    fn p_of_growth(&self, series: &[Sum], from: usize, to: usize) -> Option<f64> {
        let [before, after] = [from, to].map(|at| (series[at], &self.evidence[at]));
        let change = Change::new(before, after, &Sum::default());
        let is_growth = change.value() > 0.0;
        change.p_value().map(|p| if is_growth { p / 2.0 } else { 1.0 })
    }

    /// The limits of the slope from the first point to the last; the slope alone where these are
    /// not known.
    fn limits_of_slope(&self, series: &[Sum], slope: f64) -> (f64, f64) {
        let ends = [0, series.len() - 1].map(|at| (series[at], &self.evidence[at]));
        let change = Change::new(ends[0], ends[1], &Sum::default());
        let per = 1.0 / self.last();
        let interval = change.interval(Confidence::P95);
        interval.map_or((slope, slope), |interval| (interval.lower * per, interval.upper * per))
    }
}

/// Whether a series never falls by much of what it has risen.
fn is_kept(values: &[f64]) -> bool {
    let mut highest = f64::NEG_INFINITY;
    let mut fall: f64 = 0.0;
    for &value in values {
        highest = highest.max(value);
        fall = fall.max(highest - value);
    }
    fall <= MOST_FALLEN * (highest - values[0])
}
