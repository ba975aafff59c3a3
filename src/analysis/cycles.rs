//! Recursion, and what it holds.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::answer::{read_checked, write_heading};
use crate::estimate::Estimate;
use crate::model::{AnalysisError, Function, SampleType};
use crate::profile::{Evidence, Profile, of_groups};
use crate::text::{Table, percent};
use crate::tree::NONE;

/// The cycles of the call graph: see [`Profile::cycles`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Cycles {
    /// The whole profile.
    pub total: Estimate,
    /// The cycles, the one that holds most first.
    pub cycles: Vec<Cycle>,
    heading: String,
}

read_checked!(Cycles { total: Estimate, cycles: Vec<Cycle>, heading: String });

/// Functions that can all reach each other by calls, or one that calls itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Cycle {
    /// The functions, in the order in which the profile shows them first.
    pub functions: Vec<Arc<Function>>,
    /// The amount that they allocated themselves.
    pub own: Estimate,
    /// The amount that was allocated while any of them was on the stack: each sample once.
    pub total: Estimate,
}

impl Profile {
    /// The cycles of the call graph, direct and indirect recursion, and what they hold.
    ///
    /// Linear in contexts, calls and values.
    ///
    /// # Errors
    ///
    /// [`AnalysisError::NoSuchValues`] if the profile does not have the sample type.
    pub fn cycles(&self, sample_type: SampleType) -> Result<Cycles, AnalysisError> {
        let evidence = Evidence::new(self, sample_type)?;
        let graph = self.callgraph(sample_type)?;
        let found = graph.cycles();
        let (firsts, place_of) = self.places();
        let mut cycle_of = vec![NONE; firsts.len()];
        for (number, cycle) in (0..).zip(&found) {
            for vertex in cycle {
                // The root, which is no function, is in none.
                cycle_of[vertex.index() - 1] = number;
            }
        }
        let in_cycle = |place: u32| cycle_of.get(place as usize).copied().unwrap_or(NONE);
        let cycle_of: Vec<u32> = place_of.into_iter().map(in_cycle).collect();
        let sums = of_groups(self, &evidence, found.len(), &cycle_of);
        let mut cycles: Vec<Cycle> = found
            .iter()
            .zip(sums)
            .map(|(cycle, sums)| Cycle {
                functions: cycle
                    .iter()
                    .map(|&vertex| Arc::clone(&graph[vertex].function))
                    .collect(),
                own: evidence.estimate(sums.own),
                total: evidence.estimate(sums.total),
            })
            .collect();
        cycles.sort_by(|one, other| other.total.magnitude().total_cmp(&one.total.magnitude()));
        let total = evidence.total();
        let heading = evidence.heading(&total);
        Ok(Cycles { total, cycles, heading })
    }
}

impl Cycles {
    fn check(&self) -> bool {
        self.total.is_like(self.cycles.iter().flat_map(|cycle| [&cycle.own, &cycle.total]))
    }
}

impl fmt::Display for Cycles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_heading(f, &self.heading)?;
        if self.cycles.is_empty() {
            return writeln!(f, "no recursion");
        }
        let heads = ["self", "total", "total%", "functions"];
        let mut table = Table::of_parts(self.total.is_difference(), heads);
        for cycle in &self.cycles {
            let names: Vec<_> = cycle.functions.iter().map(ToString::to_string).collect();
            table.push([
                cycle.own.short(),
                cycle.total.short(),
                percent(cycle.total.value(), self.total.value()),
                names.join(", "),
            ]);
        }
        write!(f, "{table}")
    }
}
