//! The call graph of a heap profile.

use super::profile::Profile;
use crate::callgraph::Callgraph;
use crate::model::SampleType;

impl Profile {
    /// The graph of functions, weighed in one of the profile's values; `None` if it does not have
    /// the sample type. Linear in the contexts.
    ///
    /// ```
    /// # use v8_heap_sampler::{Profile, Node, NodeId, Profile, Sample, SampleId, SampleType,
    /// #     SamplerOptions};
    /// # let mut nodes = vec![Node::new(NodeId(1), "(root)"), Node::new(NodeId(2), "walk"),
    /// #     Node::new(NodeId(3), "walk")];
    /// # nodes[0].child_ids.push(NodeId(2));
    /// # nodes[1].child_ids.push(NodeId(3));
    /// # let samples = (1..=3).map(|id| Sample::new(NodeId(id), 64, SampleId(id as u64), true));
    /// # let profile = Profile::new(nodes, samples.collect(), SamplerOptions::exact());
    /// let profile = Profile::from_profile(&profile)?;
    /// let graph = profile.callgraph(SampleType::InuseSpace).expect("profiles have it");
    /// let walk = graph.find("walk").next().unwrap();
    /// assert_eq!(graph[walk].total, 128.0); // each sample once, though `walk` calls itself
    /// assert_eq!(graph.cycles(), [[walk]]);
    /// # Ok::<(), v8_heap_sampler::Error>(())
    /// ```
    #[must_use]
    pub fn callgraph(&self, sample_type: SampleType) -> Option<Callgraph<f64>> {
        let (own, totals) = (self.values(sample_type)?, self.totals(sample_type)?);
        let functions = self.contexts().map(|context| context.function());
        Some(Callgraph::merge(functions.zip(&own), self.parents(), self.ends(), &totals))
    }
}
