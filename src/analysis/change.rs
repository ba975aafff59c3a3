//! A change of a value, with its uncertainty.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::significance::p_value;
use crate::estimate::{Confidence, ConfidenceInterval, Estimate, Sum};
use crate::profile::Evidence;
use crate::text::shown_change;

/// A change from one profile to another, with its uncertainty.
///
/// Displayed as `+1.2 MB ± 0.3`, with the 95 % interval. Written by serde as an object with
/// `before` and `after` ([`Estimate`]s), `change`, `standard_error`, `lower`, `upper` (95 %) and
/// `p_value`, `null` where unknown, and with `gone` and `new`, the estimates of what is only before
/// or only after, of which the interval is made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    before: Estimate,
    after: Estimate,
    /// Of the samples that are not in both: those that are say nothing about the change.
    gone: Estimate,
    new: Estimate,
    p_value: Option<f64>,
}

impl Change {
    pub(super) fn new(
        (before, of_before): (Sum, &Evidence<'_>),
        (after, of_after): (Sum, &Evidence<'_>),
        shared: &Sum,
    ) -> Self {
        let (gone, new) = (before.minus(shared), after.minus(shared));
        let (before, after) = (of_before.estimate(before), of_after.estimate(after));
        let intervals = of_before.interval.zip(of_after.interval);
        let p_value = intervals
            .filter(|_| before.is_known() && after.is_known())
            .map(|intervals| p_value(&gone, &new, intervals));
        // With what can go unnoticed, where nothing was seen.
        let (gone, new) = (of_before.estimate(gone), of_after.estimate(new));
        Self { before, after, gone, new, p_value }
    }

    /// The value before.
    pub fn before(&self) -> Estimate {
        self.before
    }

    /// The value after.
    pub fn after(&self) -> Estimate {
        self.after
    }

    /// The amount that was added: negative if it has become less.
    pub fn value(&self) -> f64 {
        self.after.value() - self.before.value()
    }

    /// The standard error of the change; `None` if it is unknown.
    ///
    /// Samples that are in both profiles, of objects that were alive all the time, add nothing to
    /// it.
    pub fn standard_error(&self) -> Option<f64> {
        self.is_known().then(|| (self.gone.sum().variance + self.new.sum().variance).sqrt())
    }

    /// The probability of a change by as much or more, up or down, by sampling alone; `None` if it
    /// is unknown. Two-sided, and not corrected for there being many.
    pub fn p_value(&self) -> Option<f64> {
        self.p_value
    }

    /// The interval that holds the true change with a confidence; `None` if it is unknown.
    ///
    /// Made of the intervals of both sides (Donner and Zou, *Statistics in Medicine* 21, 2002;
    /// MOVER), so that few samples are allowed for; of objects so large that most are sampled, the
    /// extremes of both.
    pub fn interval(&self, confidence: Confidence) -> Option<ConfidenceInterval> {
        if !self.is_known() {
            return None;
        }
        let (was, is) = (self.gone.value(), self.new.value());
        let (gone, new) = (self.gone.sum(), self.new.sum());
        // Limits of few large objects are steps, which do not add up like independent errors: there
        // the extremes of both sides are taken together.
        let sampled = gone.plus(new).sampled().unwrap_or(0.0);
        let (gone, new) = (gone.interval(confidence), new.interval(confidence));
        let stepwise = (2.0 * sampled).min(1.0);
        // Limits are sums of floating-point numbers: what is off by their last digits is in.
        let slack = 1e-9 * (was + is);
        let both = |one: f64, other: f64| {
            slack + stepwise * (one + other) + (1.0 - stepwise) * one.hypot(other)
        };
        let below = both(is - new.lower, gone.upper - was);
        let above = both(new.upper - is, was - gone.lower);
        let value = self.value();
        Some(ConfidenceInterval { lower: value - below, upper: value + above, confidence })
    }

    /// Whether there is a sample that is not in both profiles.
    pub(super) fn has_samples(&self) -> bool {
        self.gone.value() > 0.0 || self.new.value() > 0.0
    }

    fn is_known(&self) -> bool {
        self.before.is_known() && self.after.is_known()
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.value();
        let interval = self.interval(Confidence::P95);
        let doubt = interval
            .map(|interval| (interval.upper - value).max(value - interval.lower))
            .unwrap_or_default();
        f.pad(&shown_change(self.after.sample_type(), value, doubt))
    }
}

/// A change as it is written.
#[derive(Serialize, Deserialize)]
#[serde(rename = "Change")]
struct WrittenChange {
    before: Estimate,
    after: Estimate,
    // The next four are for those who read the text; they follow from the others.
    #[serde(skip_deserializing)]
    change: f64,
    #[serde(skip_deserializing)]
    standard_error: Option<f64>,
    #[serde(skip_deserializing)]
    lower: Option<f64>,
    #[serde(skip_deserializing)]
    upper: Option<f64>,
    p_value: Option<f64>,
    gone: Estimate,
    new: Estimate,
}

impl Serialize for Change {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let interval = self.interval(Confidence::P95);
        let written = WrittenChange {
            before: self.before,
            after: self.after,
            change: self.value(),
            standard_error: self.standard_error(),
            lower: interval.map(|interval| interval.lower),
            upper: interval.map(|interval| interval.upper),
            p_value: self.p_value,
            gone: self.gone,
            new: self.new,
        };
        written.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Change {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let WrittenChange { before, after, p_value, gone, new, .. } =
            WrittenChange::deserialize(deserializer)?;
        if !before.is_like([after, gone, new].iter()) {
            return Err(de::Error::custom("the parts of a change count different things"));
        }
        Ok(Self { before, after, gone, new, p_value })
    }
}
