//! Functions with their callers and callees.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use super::evidence::Evidence;
use super::group::{self, Group, GroupBy, Numbers, ROOT};
use super::pattern::Pattern;
use super::share::{percent, share};
use super::table::Table;
use super::totals::{GroupSums, of_groups, walk};
use crate::callgraph::NONE;
use crate::estimate::Estimate;
use crate::estimate::Sum;
use crate::model::Function;
use crate::model::SampleType;
use crate::profile::{NoSuchValues, Profile};

/// Functions with their callers and callees: see [`Profile::peek`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Peek {
    /// Which value.
    pub sample_type: SampleType,
    /// The whole profile.
    pub total: Estimate,
    /// The functions, the one with the largest total first.
    pub functions: Vec<PeekedFunction>,
    #[serde(skip)]
    heading: String,
}

/// A function with its callers and callees.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PeekedFunction {
    /// The function.
    #[serde(serialize_with = "super::place::serialize")]
    pub function: Arc<Function>,
    /// What it allocated itself.
    pub own: Estimate,
    /// What was allocated while it was on the stack: each sample once.
    pub total: Estimate,
    /// Who calls it, the largest first. `None` in place of a function is the root: it stood on the
    /// stack first.
    pub callers: Vec<PeekedCall>,
    /// What it calls, the largest first.
    pub callees: Vec<PeekedCall>,
}

/// A call, as seen from one of its ends.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PeekedCall {
    /// The function at the other end; `None` for the root.
    #[serde(serialize_with = "super::place::serialize_some")]
    pub function: Option<Arc<Function>>,
    /// What was allocated while the call was on the stack: each sample once.
    pub total: Estimate,
}

impl Profile {
    /// The functions that match, each with its callers and callees, as `go tool pprof -peek` has
    /// them.
    ///
    /// Linear in contexts and values, and in the calls of the functions that match.
    ///
    /// ```
    /// # use v8_heap_sampler::{Profile, Node, NodeId, Profile, Sample, SampleId, SampleType,
    /// #     SamplerOptions};
    /// # let mut nodes: Vec<_> = ["(root)", "main", "parse"].into_iter().zip(1..)
    /// #     .map(|(name, id)| Node::new(NodeId(id), name)).collect();
    /// # nodes[0].child_ids.push(NodeId(2));
    /// # nodes[1].child_ids.push(NodeId(3));
    /// # let samples = vec![Sample::new(NodeId(3), 56, SampleId(1), true)];
    /// # let profile = Profile::new(nodes, samples, SamplerOptions::exact());
    /// use v8_heap_sampler::analysis::Pattern;
    ///
    /// let profile = Profile::from_profile(&profile)?;
    /// let peek = profile.peek(SampleType::InuseSpace, &Pattern::text("parse"))?;
    /// let caller = &peek.functions[0].callers[0];
    /// assert_eq!(caller.function.as_ref().unwrap().name, "main");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`NoSuchValues`] if the profile does not have the sample type.
    pub fn peek(&self, sample_type: SampleType, functions: &Pattern) -> Result<Peek, NoSuchValues> {
        let evidence = Evidence::new(self, sample_type)?;
        let (groups, group_of) = group::of_functions(self, &GroupBy::Function);
        let matches = |group: &Group| {
            group.function.as_ref().is_some_and(|function| functions.matches(function))
        };
        let is_peeked: Vec<bool> = groups.iter().map(matches).collect();
        let sums = of_groups(self, &evidence, groups.len(), &group_of);
        let calls = self.calls(&evidence, &group_of, &is_peeked);

        let mut order: Vec<usize> = (0..groups.len()).filter(|&at| is_peeked[at]).collect();
        order.sort_by(|&one, &other| {
            let [a, b] = [one, other].map(|at| sums[at].total.value().abs());
            b.total_cmp(&a).then(one.cmp(&other))
        });
        let mut peeked: Vec<PeekedFunction> = order
            .iter()
            .filter_map(|&at| {
                let GroupSums { own, total, .. } = sums[at];
                Some(PeekedFunction {
                    function: Arc::clone(groups[at].function.as_ref()?),
                    own: evidence.estimate(own),
                    total: evidence.estimate(total),
                    callers: Vec::new(),
                    callees: Vec::new(),
                })
            })
            .collect();
        let mut place_of = vec![usize::MAX; groups.len()];
        for (place, &at) in order.iter().enumerate() {
            place_of[at] = place;
        }
        let function = |group: u32| groups.get(group as usize).and_then(|of| of.function.clone());
        for ((caller, callee), total) in calls {
            let total = evidence.estimate(total);
            let place = |group: u32| place_of.get(group as usize).copied().unwrap_or(usize::MAX);
            if let Some(peeked) = peeked.get_mut(place(callee)) {
                peeked.callers.push(PeekedCall { function: function(caller), total });
            }
            if let Some(peeked) = peeked.get_mut(place(caller)) {
                peeked.callees.push(PeekedCall { function: function(callee), total });
            }
        }
        for function in &mut peeked {
            for calls in [&mut function.callers, &mut function.callees] {
                calls.sort_by(|one, other| {
                    other.total.magnitude().total_cmp(&one.total.magnitude())
                });
            }
        }
        let total = evidence.total();
        let heading = evidence.heading(&total);
        Ok(Peek { sample_type, total, functions: peeked, heading })
    }

    /// The calls from or to groups that are asked for, with what was allocated while each was on
    /// the stack, in the order in which they come.
    fn calls(
        &self,
        evidence: &Evidence<'_>,
        group_of: &[u32],
        wanted: &[bool],
    ) -> Vec<((u32, u32), Sum)> {
        let group = |rank: u32| group_of[self.function_numbers()[rank as usize] as usize];
        let is_wanted = |group: u32| wanted.get(group as usize).is_some_and(|&wanted| wanted);
        let mut numbers = Numbers::default();
        let times = std::cell::RefCell::new(Vec::<u32>::new());
        let mut calls: Vec<((u32, u32), Sum)> = Vec::new();
        let enter = |rank: u32| {
            let parent = self.parents()[rank as usize];
            if parent == NONE {
                return None;
            }
            let call = (group(parent), group(rank));
            if !is_wanted(call.0) && !is_wanted(call.1) {
                return None;
            }
            let number = numbers.of(call) as usize;
            let mut times = times.borrow_mut();
            if number == times.len() {
                times.push(0);
            }
            times[number] += 1;
            Some((call, number, times[number] == 1))
        };
        let leave = |_: u32, call: Option<((u32, u32), usize, bool)>, _: &Sum, total: &Sum| {
            let Some((call, number, is_outermost)) = call else { return };
            if number >= calls.len() {
                calls.resize(number + 1, (call, Sum::default()));
            }
            calls[number].0 = call;
            if is_outermost {
                calls[number].1 += *total;
            }
            times.borrow_mut()[number] -= 1;
        };
        walk(self, evidence, enter, leave);
        calls
    }
}

impl fmt::Display for Peek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.heading)?;
        if self.functions.is_empty() {
            return writeln!(f, "no function matches");
        }
        let all = self.total.value();
        let mut table =
            Table::of(&self.total, ["self", "self%", "total", "total%", "calls%", "function"]);
        for (at, function) in self.functions.iter().enumerate() {
            if at > 0 {
                table.push(["", "", "", "", "", ""].map(str::to_owned));
            }
            let of_calls = |call: &PeekedCall, sign: &str| {
                let part = percent(share(call.total.value(), function.total.value()));
                let name = match &call.function {
                    Some(function) => function.to_string(),
                    None => ROOT.to_owned(),
                };
                let whole = percent(share(call.total.value(), all));
                let none = String::new();
                [none.clone(), none, call.total.short(), whole, part, format!("  {sign} {name}")]
            };
            for caller in &function.callers {
                table.push(of_calls(caller, "<"));
            }
            table.push([
                function.own.short(),
                percent(share(function.own.value(), all)),
                function.total.short(),
                percent(share(function.total.value(), all)),
                String::new(),
                function.function.to_string(),
            ]);
            for callee in &function.callees {
                table.push(of_calls(callee, ">"));
            }
        }
        write!(f, "{table}")
    }
}
