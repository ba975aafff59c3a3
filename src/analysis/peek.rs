//! Functions with their callers and callees.

use std::fmt;
use std::sync::Arc;

use petgraph::graph::NodeIndex;
use serde::{Deserialize, Serialize};

use super::answer::{read_checked, write_heading};
use super::group::ROOT;
use super::pattern::Pattern;
use crate::estimate::Estimate;
use crate::model::{AnalysisError, Function, SampleType};
use crate::profile::{Evidence, Profile};
use crate::text::{Table, percent};

/// Functions with their callers and callees: see [`Profile::peek`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Peek {
    /// The whole profile.
    pub total: Estimate,
    /// The functions, the one with the largest total first.
    pub functions: Vec<PeekedFunction>,
    heading: String,
}

read_checked!(Peek { total: Estimate, functions: Vec<PeekedFunction>, heading: String });

/// A function with its callers and callees.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PeekedFunction {
    /// The function.
    pub function: Arc<Function>,
    /// The amount that it allocated itself.
    pub own: Estimate,
    /// The amount that was allocated while it was on the stack: each sample once.
    pub total: Estimate,
    /// Who calls it, the largest first. `None` in place of a function is the root: it stood on the
    /// stack first.
    pub callers: Vec<PeekedCall>,
    /// The calls from it, the largest first.
    pub callees: Vec<PeekedCall>,
}

/// A call, as seen from one of its ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PeekedCall {
    /// The function at the other end; `None` for the root.
    pub function: Option<Arc<Function>>,
    /// The amount that was allocated while the call was on the stack: each sample once.
    pub total: Estimate,
}

impl Profile {
    /// The functions that match, each with its callers and callees, as `go tool pprof -peek` has
    /// them.
    ///
    /// Linear in contexts and values, and in the calls of the functions that match.
    ///
    /// ```
    /// # use v8_heap_sampler::{Node, NodeId, Profile, Sample, SampleId, SampleType,
    /// #     SamplerOptions};
    /// # let mut nodes: Vec<_> = ["(root)", "main", "parse"].into_iter().zip(1..)
    /// #     .map(|(name, id)| Node::new(NodeId(id), name)).collect();
    /// # nodes[0].child_ids.push(NodeId(2));
    /// # nodes[1].child_ids.push(NodeId(3));
    /// # let samples = [Sample::new(NodeId(3), 56, SampleId(1), true)];
    /// use v8_heap_sampler::analysis::Pattern;
    ///
    /// let profile = Profile::from_samples(&nodes, samples, &SamplerOptions::exact())?;
    /// let peek = profile.peek(SampleType::InuseSpace, &Pattern::text("parse"))?;
    /// let caller = &peek.functions[0].callers[0];
    /// assert_eq!(caller.function.as_ref().unwrap().name, "main");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`AnalysisError::NoSuchValues`] if the profile does not have the sample type.
    pub fn peek(
        &self,
        sample_type: SampleType,
        functions: impl Into<Pattern>,
    ) -> Result<Peek, AnalysisError> {
        let functions = functions.into();
        let evidence = Evidence::new(self, sample_type)?;
        let graph = self.callgraph(sample_type)?;
        let root = graph.root();
        let is_peeked =
            |&vertex: &NodeIndex| vertex != root && functions.matches(&graph[vertex].function);
        let mut peeked: Vec<NodeIndex> = graph.graph().node_indices().filter(is_peeked).collect();
        peeked.sort_by(|&one, &other| {
            let [a, b] = [one, other].map(|vertex| graph[vertex].total.magnitude());
            b.total_cmp(&a).then(one.cmp(&other))
        });
        let call = |(vertex, total)| PeekedCall {
            function: (vertex != root).then(|| Arc::clone(&graph[vertex].function)),
            total,
        };
        let functions = peeked.into_iter().map(|vertex| PeekedFunction {
            function: Arc::clone(&graph[vertex].function),
            own: graph[vertex].own,
            total: graph[vertex].total,
            callers: graph.callers(vertex).into_iter().map(call).collect(),
            callees: graph.callees(vertex).into_iter().map(call).collect(),
        });
        let functions = functions.collect();
        let total = evidence.total();
        let heading = evidence.heading(&total);
        Ok(Peek { total, functions, heading })
    }
}

impl Peek {
    fn check(&self) -> bool {
        let is_like = |of: &PeekedFunction| {
            let calls = of.callers.iter().chain(&of.callees).map(|call| &call.total);
            self.total.is_like(calls.chain([&of.own, &of.total]))
        };
        self.functions.iter().all(is_like)
    }
}

impl fmt::Display for Peek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_heading(f, &self.heading)?;
        if self.functions.is_empty() {
            return writeln!(f, "no function matches");
        }
        let all = self.total.value();
        let heads = ["self", "self%", "total", "total%", "calls%", "function"];
        let mut table = Table::of_parts(self.total.is_difference(), heads);
        for (at, function) in self.functions.iter().enumerate() {
            if at > 0 {
                table.push(["", "", "", "", "", ""].map(str::to_owned));
            }
            let of_calls = |call: &PeekedCall, sign: &str| {
                let part = percent(call.total.value(), function.total.value());
                let name = match &call.function {
                    Some(function) => function.to_string(),
                    None => ROOT.to_owned(),
                };
                let whole = percent(call.total.value(), all);
                let none = String::new();
                [none.clone(), none, call.total.short(), whole, part, format!("  {sign} {name}")]
            };
            for caller in &function.callers {
                table.push(of_calls(caller, "<"));
            }
            table.push([
                function.own.short(),
                percent(function.own.value(), all),
                function.total.short(),
                percent(function.total.value(), all),
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
