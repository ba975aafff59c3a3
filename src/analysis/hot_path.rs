//! The way of most.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use super::group::ROOT;
use super::share::{percent, share};
use super::table::Table;
use super::tree::{Picking, indented};
use crate::estimate::Estimate;
use crate::model::{AnalysisError, Function, SampleType};
use crate::profile::{Evidence, Profile};

/// The way from the root along the largest callees: see [`Profile::hot_path`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct HotPath {
    /// The values that the answer is about.
    pub sample_type: SampleType,
    /// The whole profile.
    pub total: Estimate,
    /// The amount that was allocated on the empty stack: a part of the total that no function has.
    pub on_empty_stack: Estimate,
    /// The contexts on the way, the outermost function first; none of an empty profile.
    pub steps: Vec<HotStep>,
    #[serde(skip)]
    heading: String,
}

/// A context on a [`HotPath`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct HotStep {
    /// The context, by [`Context::index`](crate::Context::index).
    pub context: usize,
    /// The function.
    pub function: Arc<Function>,
    /// The amount that it allocated itself.
    pub own: Estimate,
    /// The amount that it and all below it allocated.
    pub total: Estimate,
}

impl Profile {
    /// The hot path: from the root to the largest callee, and on, until a context allocated more
    /// itself than its largest callee and all below that. Of a difference, the largest callee is
    /// the one that has changed most, up or down.
    ///
    /// Linear in contexts and values.
    ///
    /// # Errors
    ///
    /// [`AnalysisError::NoSuchValues`] if the profile does not have the sample type.
    pub fn hot_path(&self, sample_type: SampleType) -> Result<HotPath, AnalysisError> {
        let evidence = Evidence::new(self, sample_type)?;
        let own = self.values(sample_type).unwrap_or_default();
        let totals = self.totals(sample_type).unwrap_or_default();
        let mut path: Vec<u32> = Vec::new();
        let mut at = self.root();
        loop {
            let heavier = |one: &_, other: &_| {
                let value = |context: &crate::Context<'_>| totals[context.index()].abs();
                value(one).total_cmp(&value(other)).then(other.index().cmp(&one.index()))
            };
            let Some(callee) = at.children().max_by(heavier) else { break };
            let value = totals[callee.index()].abs();
            if value == 0.0 || (at != self.root() && own[at.index()].abs() > value) {
                break;
            }
            at = callee;
            path.push(at.index() as u32);
        }
        let sums = Picking::of(self, &evidence, path.iter().copied());
        let steps = path.iter().zip(sums).map(|(&rank, (own, total))| HotStep {
            context: rank as usize,
            function: Arc::clone(self.context(rank).function()),
            own: evidence.estimate(own),
            total: evidence.estimate(total),
        });
        let steps = steps.collect();
        let total = evidence.total();
        let on_empty_stack = evidence.on_empty_stack();
        let heading = evidence.heading(&total);
        Ok(HotPath { sample_type, total, on_empty_stack, steps, heading })
    }
}

impl fmt::Display for HotPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.heading)?;
        if self.on_empty_stack.value() != 0.0 {
            writeln!(f, "{ROOT}, on the empty stack: {}", self.on_empty_stack)?;
        }
        let all = self.total.value();
        let mut table = Table::of(&self.total, ["total", "total%", "self", "function"]);
        for (depth, step) in self.steps.iter().enumerate() {
            table.push([
                step.total.short(),
                percent(share(step.total.value(), all)),
                step.own.short(),
                indented(depth, &step.function),
            ]);
        }
        write!(f, "{table}")
    }
}
