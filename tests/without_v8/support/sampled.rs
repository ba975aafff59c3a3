//! Random profiles of samples, together with the samples, from which every value can be worked out
//! by hand.

use std::ops::Range;

use proptest::prelude::*;
use v8_heap_sampler::{KeepDead, Node, Profile, Sample, SampleId, SampleType, SamplerOptions};

use super::random_nodes::nodes;
use super::stacks::Weight;

/// A profile and what it was made of.
#[derive(Clone, Debug)]
pub(crate) struct Sampled {
    pub(crate) nodes: Vec<Node>,
    pub(crate) samples: Vec<Sample>,
    pub(crate) options: SamplerOptions,
    pub(crate) profile: Profile,
}

impl Sampled {
    pub(crate) fn new(nodes: Vec<Node>, samples: Vec<Sample>, options: SamplerOptions) -> Self {
        let profile = Profile::from_samples(&nodes, samples.iter().copied(), &options).unwrap();
        Self { nodes, samples, options, profile }
    }

    /// What some of the samples stand for, by the formulas for single samples.
    pub(crate) fn sum(&self, of: SampleType, which: impl Fn(&Sample) -> bool) -> Weight {
        let is_alloc = matches!(of, SampleType::AllocObjects | SampleType::AllocSpace);
        let mut sum = Weight::default();
        for sample in self.samples.iter().filter(|s| (s.is_live || is_alloc) && which(s)) {
            sum.add(Weight::of(sample.size, self.options.interval_bytes, of));
        }
        sum
    }

    /// The profile of a part of the samples.
    pub(crate) fn part(&self, which: impl Fn(&Sample) -> bool) -> Profile {
        let samples = self.samples.iter().copied().filter(|sample| which(sample));
        Profile::from_samples(&self.nodes, samples, &self.options).unwrap()
    }
}

/// Random samples of random nodes, of multiples of a size, dead ones among them if they are kept.
pub(crate) fn sampled(
    unit: u64,
    sizes: Range<u64>,
    intervals: Range<u64>,
) -> impl Strategy<Value = Sampled> {
    let sample = (any::<prop::sample::Index>(), sizes, any::<bool>());
    let keep_dead = prop::sample::select(vec![
        KeepDead::None,
        KeepDead::MinorGc,
        KeepDead::MajorGc,
        KeepDead::Both,
        KeepDead::Both,
    ]);
    let samples = prop::collection::vec(sample, 0..80);
    (nodes(), samples, keep_dead, intervals).prop_map(
        move |(mut nodes, samples, keep_dead, interval)| {
            let samples = (1..)
                .zip(samples)
                .map(|(id, (node, size, lives))| {
                    let node = nodes[node.index(nodes.len())].id;
                    let is_live = lives || keep_dead == KeepDead::None;
                    Sample::new(node, unit * size, SampleId(id), is_live)
                })
                .collect();
            for node in &mut nodes {
                node.allocations.clear();
            }
            let options = SamplerOptions::new().interval_bytes(interval).keep_dead(keep_dead);
            Sampled::new(nodes, samples, options)
        },
    )
}
