//! The way of most.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use super::amount::{Amount, percent, share};
use super::evidence::{Evidence, NoSuchValues};
use super::table::Table;
use super::tree::indented;
use crate::heap_profile::{HeapProfile, SampleType};
use crate::profile::Function;

/// The way from the root along the largest callees: see [`HeapProfile::hot_path`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct HotPath {
    /// Which value.
    pub sample_type: SampleType,
    /// The whole profile.
    pub total: Amount,
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
    /// Its function.
    #[serde(serialize_with = "super::place::serialize")]
    pub function: Arc<Function>,
    /// What it allocated itself.
    pub own: Amount,
    /// What it and all below it allocated.
    pub total: Amount,
}

impl HeapProfile {
    /// The hot path: from the root to the largest callee, and on, until a context allocated more itself
    /// than its largest callee and all below that.
    ///
    /// Linear in contexts and values, times the length of the path in what lies on it.
    ///
    /// # Errors
    ///
    /// [`NoSuchValues`] if the profile does not have the sample type.
    pub fn hot_path(&self, sample_type: SampleType) -> Result<HotPath, NoSuchValues> {
        let evidence = Evidence::new(self, sample_type)?;
        let own = self.values(sample_type).unwrap_or_default();
        let totals = self.totals(sample_type).unwrap_or_default();
        let mut steps = Vec::new();
        let mut at = self.root();
        loop {
            let heavier = |one: &_, other: &_| {
                let value = |context: &crate::Context<'_>| totals[context.index()];
                value(one).total_cmp(&value(other)).then(other.index().cmp(&one.index()))
            };
            let Some(callee) = at.children().max_by(heavier) else { break };
            let value = totals[callee.index()];
            if value <= 0.0 || (at != self.root() && own[at.index()] > value) {
                break;
            }
            at = callee;
            let rank = at.index() as u32;
            let rows = evidence.rows_below(rank);
            let own_rows = rows.clone().take_while(|&row| self.row_data()[row].context == rank);
            steps.push(HotStep {
                context: at.index(),
                function: Arc::clone(at.function()),
                own: evidence.amount(evidence.of_rows(own_rows)),
                total: evidence.amount(evidence.of_rows(rows)),
            });
        }
        let total = evidence.total();
        let heading = evidence.heading(&total);
        Ok(HotPath { sample_type, total, steps, heading })
    }
}

impl fmt::Display for HotPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.heading)?;
        let all = self.total.value();
        let mut table = Table::new(["total", "total%", "self", "function"]);
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
