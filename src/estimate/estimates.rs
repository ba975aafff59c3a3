//! From a profile's samples to estimates.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::interval::Confidence;
use super::values::{Usage, Values};
use crate::profile::{Bytes, NodeId, Objects, Profile, ProfileError, Sample};

/// What the samples of a profile stand for, by calling context.
///
/// Made by [`Profile::estimates`]. These are *self* values: what a context allocated itself. Sums
/// over subtrees and functions are [`TreeEstimates`](crate::TreeEstimates) and
/// [`FunctionEstimates`](crate::FunctionEstimates).
#[derive(Clone, Debug, PartialEq)]
pub struct Estimates {
    interval_bytes: u64,
    /// Of contexts with samples; the others have `nothing`.
    by_node: HashMap<NodeId, Values, RandomState>,
    nothing: Values,
    total: Values,
}

impl Profile {
    /// What the samples stand for: per calling context and in total.
    ///
    /// `n` samples of one size in one context stand for `n / p` objects, unrounded, where
    /// `p = 1 - exp(-size / interval)`.
    ///
    /// O(s log s) in the number of samples.
    ///
    /// # Errors
    ///
    /// [`ProfileError`] if nodes, samples and options do not fit together, which only those do
    /// that were made or changed by hand.
    pub fn estimates(&self) -> Result<Estimates, ProfileError> {
        self.estimates_where(|_| true)
    }

    /// As [`estimates`](Self::estimates), of those samples only that `which` picks.
    ///
    /// The estimates are unbiased as long as what it decides by could be said of an object that was
    /// not sampled: its size, where and when it was allocated, whether it is alive.
    ///
    /// ```
    /// # #[cfg(any(feature = "v8-150", feature = "v8-152"))] {
    /// # use v8_heap_sampler::HeapSampler;
    /// # let (mut isolate, realm) = fixtures::realm();
    /// let mut sampler = HeapSampler::new(&mut isolate, 4096, 64)?; // keeps no dead objects
    /// # let script = "function grow() { return new Array(9999).fill(0); }
    /// #     globalThis.kept ??= []; kept.push(grow()); ''";
    /// # realm.run(&mut sampler, "a.js", script);
    /// // ... run JavaScript ...
    /// let last = sampler.collect_profile()?.last_sample_id();
    /// # realm.run(&mut sampler, "a.js", script);
    /// // ... run more ...
    /// let profile = sampler.collect_profile()?;
    /// // Of what is alive now, what was there before, and what is new?
    /// let old = profile.estimates_where(|sample| Some(sample.sample_id) <= last)?;
    /// let new = profile.estimates_where(|sample| Some(sample.sample_id) > last)?;
    /// println!("{} old, {} new", old.total().inuse_space(), new.total().inuse_space());
    /// # }
    /// # Ok::<(), v8_heap_sampler::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`estimates`](Self::estimates).
    pub fn estimates_where(
        &self,
        mut which: impl FnMut(&Sample) -> bool,
    ) -> Result<Estimates, ProfileError> {
        self.check()?;
        // In an order of its own, so that sums of floating-point numbers do not depend on V8's.
        let mut samples: Vec<(NodeId, u64, bool)> = self
            .samples
            .iter()
            .filter(|sample| which(sample))
            .map(|sample| (sample.node_id, sample.size, sample.is_live))
            .collect();
        samples.sort_unstable();

        let interval_bytes = self.options.interval_bytes;
        let has_alloc = self.has_all_allocations();
        let none = Usage::none(interval_bytes);
        let nothing = Values { inuse: none, alloc: has_alloc.then_some(none) };
        let mut by_node: HashMap<NodeId, Values, RandomState> = HashMap::default();
        let mut total = nothing;
        for same_node in samples.chunk_by(|one, other| one.0 == other.0) {
            let mut values = nothing;
            for same in same_node.chunk_by(|one, other| one.1 == other.1) {
                let (_, size, _) = same[0];
                let live = same.iter().filter(|sample| sample.2).count() as u64;
                if live > 0 {
                    values.inuse += Usage::of(live, size, interval_bytes);
                }
                if let Some(alloc) = &mut values.alloc {
                    *alloc += Usage::of(same.len() as u64, size, interval_bytes);
                }
            }
            total += values;
            by_node.insert(same_node[0].0, values);
        }
        Ok(Estimates { interval_bytes, by_node, nothing, total })
    }
}

impl Estimates {
    /// Of the whole profile.
    #[must_use]
    pub fn total(&self) -> Values {
        self.total
    }

    /// What a context allocated itself. Constant time.
    ///
    /// A context without samples, also one that the profile does not have, has estimates of 0 with
    /// an upper limit: nothing was seen of it.
    #[must_use]
    pub fn of(&self, node: NodeId) -> Values {
        self.by_node.get(&node).copied().unwrap_or(self.nothing)
    }

    /// The contexts that have samples, with what they allocated themselves, in ascending order of
    /// their ids.
    #[must_use]
    pub fn nodes(&self) -> Vec<(NodeId, Values)> {
        let mut nodes: Vec<_> = self.by_node.iter().map(|(&id, &values)| (id, values)).collect();
        nodes.sort_unstable_by_key(|&(id, _)| id);
        nodes
    }

    /// Estimates of 0: what is said of something that no sample was seen of.
    #[must_use]
    pub fn nothing(&self) -> Values {
        self.nothing
    }

    /// What can go unnoticed: a function, a context or a profile of more bytes than this, of any
    /// sizes, has a sample, with that confidence. (Bytes that are alive; or, if all samples were
    /// kept, that were allocated.)
    ///
    /// `interval * ln(1 / (1 - confidence))`: three times the sampling interval at 95 %. It is also
    /// the most, with that confidence, that is missing from an estimate because objects of some
    /// sizes have no sample; their number can be up to an eighth of it, as no object is smaller than
    /// 8 bytes.
    ///
    /// ```
    /// # use v8_heap_sampler::{Confidence, Node, NodeId, Profile, SamplerOptions};
    /// let nodes = vec![Node::new(NodeId(1), "(root)")];
    /// let profile = Profile::new(nodes, vec![], SamplerOptions::new()); // at 512 KiB
    /// let limit = profile.estimates()?.detection_limit(Confidence::P95);
    /// assert_eq!(limit.space.to_string(), "1.6 MB");
    /// assert_eq!(limit.objects.to_string(), "196329 objects");
    /// # Ok::<(), v8_heap_sampler::ProfileError>(())
    /// ```
    #[must_use]
    pub fn detection_limit(&self, confidence: Confidence) -> DetectionLimit {
        let bytes = self.interval_bytes as f64 * -(-confidence.level()).ln_1p();
        let bytes = bytes.ceil() as u64;
        DetectionLimit { space: Bytes(bytes), objects: Objects(bytes.div_ceil(Usage::LEAST_SIZE)) }
    }
}

/// What can go unnoticed: see [`Estimates::detection_limit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct DetectionLimit {
    /// Bytes, of objects of any sizes.
    pub space: Bytes,
    /// How many objects these are at most.
    pub objects: Objects,
}

#[cfg(test)]
mod tests {
    use super::super::Estimate;
    use super::*;
    use crate::profile::{KeepDead, Node, SampleId, SamplerOptions};

    const INTERVAL: u64 = 1000;

    /// A profile with so many samples of a node, of a size, alive or not.
    fn profile(of: &[(u32, usize, u64, bool)], keep_dead: KeepDead) -> Profile {
        let nodes = (1..5).map(|id| Node::new(NodeId(id), "f")).collect();
        let samples = of
            .iter()
            .flat_map(|&(id, n, size, is_live)| std::iter::repeat_n((id, size, is_live), n))
            .zip(1..)
            .map(|((id, size, live), at)| Sample::new(NodeId(id), size, SampleId(at), live))
            .collect();
        let options = SamplerOptions::new().interval_bytes(INTERVAL).keep_dead(keep_dead);
        Profile::new(nodes, samples, options)
    }

    fn close(one: f64, other: f64) {
        assert!((one - other).abs() <= 1e-12 * one.abs().max(other.abs()), "{one} is not {other}");
    }

    /// The formulas, written down once more.
    fn truth(of: &[(f64, f64)]) -> [f64; 4] {
        let mut sums = [0.0; 4];
        for &(n, size) in of {
            let p = 1.0 - (-size / INTERVAL as f64).exp();
            sums[0] += n / p;
            sums[1] += n * size / p;
            sums[2] += n * (1.0 - p) / (p * p);
            sums[3] += n * size * size * (1.0 - p) / (p * p);
        }
        sums
    }

    fn check(usage: Usage, of: &[(f64, f64)]) {
        let [objects, bytes, objects_variance, bytes_variance] = truth(of);
        close(usage.objects.value(), objects);
        close(usage.space.value(), bytes);
        close(usage.objects.variance(), objects_variance);
        close(usage.space.variance(), bytes_variance);
        close(usage.space.seen(), of.iter().map(|(n, size)| n * size).sum());
        assert_eq!(usage.objects.samples() as f64, of.iter().map(|(n, _)| n).sum::<f64>());
    }

    #[test]
    fn estimates_are_horvitz_and_thompson_s() {
        let profile = profile(
            &[(2, 3, 56, true), (2, 2, 56, false), (2, 1, 1200, true), (3, 4, 8000, false)],
            KeepDead::Both,
        );
        let estimates = profile.estimates().unwrap();
        let node = estimates.of(NodeId(2));
        check(node.inuse, &[(3.0, 56.0), (1.0, 1200.0)]);
        check(node.alloc.unwrap(), &[(5.0, 56.0), (1.0, 1200.0)]);
        assert_eq!(node.samples(), 6);
        let dead = estimates.of(NodeId(3));
        assert_eq!((dead.inuse_space().value(), dead.inuse_space().samples()), (0.0, 0));
        check(dead.alloc.unwrap(), &[(4.0, 8000.0)]);
        check(estimates.total().inuse, &[(3.0, 56.0), (1.0, 1200.0)]);
        check(estimates.total().alloc.unwrap(), &[(5.0, 56.0), (1.0, 1200.0), (4.0, 8000.0)]);
        assert_eq!(estimates.nodes().iter().map(|node| node.0.0).collect::<Vec<_>>(), [2, 3]);
        assert_eq!(estimates.of(NodeId(1)), estimates.nothing());
    }

    #[test]
    fn what_was_allocated_is_unknown_unless_all_samples_were_kept() {
        for keep_dead in [KeepDead::None, KeepDead::MinorGc, KeepDead::MajorGc] {
            let estimates = profile(&[(2, 3, 56, true)], keep_dead).estimates().unwrap();
            assert_eq!(estimates.total().alloc, None);
            assert_eq!(estimates.total().alloc_space(), None);
            assert_eq!(estimates.of(NodeId(2)).alloc_objects(), None);
            assert_eq!(estimates.nothing().alloc, None);
            assert_eq!(estimates.total().samples(), 3);
        }
    }

    #[test]
    fn the_order_of_samples_changes_no_digit() {
        let mut profile = profile(
            &[(2, 30, 56, true), (3, 17, 24, true), (2, 9, 1112, false), (4, 5, 72, true)],
            KeepDead::Both,
        );
        let estimates = profile.estimates().unwrap();
        profile.samples.reverse();
        assert_eq!(profile.estimates().unwrap(), estimates);
    }

    #[test]
    fn large_objects_are_certain() {
        let estimates = profile(&[(2, 7, 50_000, true)], KeepDead::None).estimates().unwrap();
        let bytes = estimates.total().inuse_space();
        assert_eq!(bytes.value(), 350_000.0);
        assert_eq!(bytes.interval(Confidence::P99).width(), 0.0);
        assert_eq!(bytes.to_string(), "350.0 kB");
        assert_eq!(estimates.total().inuse_objects().to_string(), "7 objects");
    }

    #[test]
    fn without_a_sample_the_upper_limit_is_what_goes_unnoticed() {
        let estimates = profile(&[], KeepDead::None).estimates().unwrap();
        let interval = estimates.total().inuse_space().interval(Confidence::P95);
        assert_eq!(interval.lower, 0.0);
        let limit = INTERVAL as f64 * 40_f64.ln(); // 2.5 % above
        assert!((interval.upper - limit).abs() <= 8.0, "{interval:?}");
        let objects = estimates.total().inuse_objects().interval(Confidence::P95);
        assert!((objects.upper * 8.0 - limit).abs() <= 8.0, "{objects:?}");
    }

    #[test]
    fn an_estimate_of_nothing_adds_no_doubt() {
        let estimates = profile(&[(2, 7, 50_000, true)], KeepDead::None).estimates().unwrap();
        let sum = estimates.of(NodeId(2)) + estimates.nothing();
        assert_eq!(sum, estimates.of(NodeId(2)));
        assert_eq!(estimates.nothing() + estimates.of(NodeId(2)), sum);
    }

    /// Limits of Garwood's interval for a count of 1, 5 and 50: chi-squared quantiles.
    #[test]
    fn small_objects_have_garwood_s_interval() {
        for (n, lower, upper) in
            [(1, 0.025318, 5.571643), (5, 1.623486, 11.668332), (50, 37.110879, 65.918418)]
        {
            let profile = Profile {
                options: SamplerOptions::new().interval_bytes(10_000_000),
                ..profile(&[(2, n, 16, true)], KeepDead::None)
            };
            let usage = profile.estimates().unwrap().total().inuse;
            let check = |interval: super::super::ConfidenceInterval, scale: f64| {
                assert!((interval.lower / scale / lower - 1.0).abs() < 1e-4, "{n}: {interval:?}");
                assert!((interval.upper / scale / upper - 1.0).abs() < 1e-4, "{n}: {interval:?}");
            };
            check(usage.space.interval(Confidence::P95), 1e7);
            check(usage.objects.interval(Confidence::P95), 1e7 / 16.0);
        }
    }

    /// Fay and Feuer's interval of a sum of Poisson counts with weights 1e6 times 1, 2 and 5, by
    /// scipy's chi-squared quantiles.
    #[test]
    fn sums_have_fay_and_feuer_s_interval() {
        // Different weights for small objects come from different intervals.
        let of = |n, scale: u64| Usage::of(n, 16, scale * 1_000_000).space;
        let sum: Estimate<Bytes> = of(4, 1) + of(3, 2) + of(1, 5);
        let interval = sum.interval(Confidence::P95);
        assert!((interval.lower / 5_195_569.1 - 1.0).abs() < 1e-4, "{interval:?}");
        assert!((interval.upper / 38_786_762.2 - 1.0).abs() < 1e-4, "{interval:?}");
    }

    /// Few small objects among many large ones: what one more small one would add is of another step
    /// than the sum. Limits by scipy.stats.nbinom, of mean, variance and step added up by hand.
    #[test]
    fn small_objects_among_large_ones_have_their_limit() {
        for (interval_bytes, of, above) in [
            (4096, vec![(1, 16), (100_000, 40_960)], 202_000.0),
            (22, vec![(2, 72), (167_850, 192), (1, 80), (2, 1264)], 2054.0),
        ] {
            let sum = of
                .iter()
                .map(|&(n, size)| Usage::of(n, size, interval_bytes).space)
                .reduce(|sum, one| sum + one)
                .unwrap();
            let interval = sum.interval(Confidence::P95);
            let found = interval.upper - sum.value();
            assert!((found / above - 1.0).abs() < 0.05, "{interval_bytes}: {found}, not {above}");
        }
    }
}
