//! Checks a profile's nodes against its samples: both must tell the same story.
//!
//! Every sample's node exists, and per node and size the recorded count is V8's formula of the
//! number of samples (`SamplingHeapProfiler::ScaleSample`): `floor(n / p + 0.5)`, with
//! `p = 1 - exp(-size / interval)`.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::layout::RawSample;
use super::{Mismatch, WalkError};
use crate::model::{Allocation, Node};

/// The fast check, for every collection: takes the number of samples back from each count, and
/// compares nodes and samples as multisets of (node, size), by their sums of a 64-bit hash.
pub(super) struct CrossCheck {
    interval_bytes: f64,
    sum: u64,
    /// Whether some count is at the limit of 32 bits, beyond which it says nothing.
    saturated: bool,
    /// 1 / p of the last size of each slot.
    scales: [(u64, f64); Self::SLOTS],
}

impl CrossCheck {
    const SLOTS: usize = 64;

    pub(super) fn new(interval_bytes: u64) -> Self {
        Self {
            interval_bytes: interval_bytes as f64,
            sum: 0,
            saturated: false,
            scales: [(0, f64::INFINITY); Self::SLOTS],
        }
    }

    /// Takes note of a node's allocation.
    #[inline]
    pub(super) fn add(&mut self, node_id: u32, allocation: Allocation) {
        let Allocation { count, size } = allocation;
        let slot = &mut self.scales[(size / 8) as usize % Self::SLOTS];
        if slot.0 != size {
            *slot = (size, scale(size, self.interval_bytes));
        }
        let samples = samples_behind(count, slot.1);
        self.saturated |= count >= u64::from(u32::MAX);
        self.sum = self.sum.wrapping_add(samples.wrapping_mul(hash(node_id, size)));
    }

    /// Whether `samples` are those that the counts speak of.
    pub(super) fn agrees_with(&self, samples: &[RawSample]) -> Result<bool, Mismatch> {
        let mut sum = 0_u64;
        let mut is_live = 0;
        for sample in samples {
            sum = sum.wrapping_add(hash(sample.node_id, sample.size as u64));
            is_live |= sample.is_live;
        }
        if is_live > 1 {
            return Err(Mismatch::new(format_args!("is_live of the samples: {is_live:#b}")));
        }
        Ok(sum == self.sum && !self.saturated)
    }
}

/// Expected objects per sample, 1 / p; computed as V8 does.
fn scale(size: u64, interval_bytes: f64) -> f64 {
    1.0 / (1.0 - (-(size as f64) / interval_bytes).exp())
}

/// The one number of samples that V8's formula makes `count` of.
///
/// `n * scale + 0.5` lies in `count..count + 1`, and as `scale` is at least 1 that holds for one
/// `n` at most. For a count that V8 cannot have made the answer is some number, which will not fit.
#[inline]
fn samples_behind(count: u64, scale: f64) -> u64 {
    let least = (count as f64 - 0.5) / scale;
    (least - least * slack(scale)).ceil() as u64
}

/// What V8 would report of `allocation` had it not taken so many of the samples behind it; `None`
/// if nothing.
pub(super) fn without_samples(
    allocation: Allocation,
    samples: u64,
    interval_bytes: u64,
) -> Option<Allocation> {
    let Allocation { count, size } = allocation;
    let scale = scale(size, interval_bytes as f64);
    let left = samples_behind(count, scale).saturating_sub(samples);
    (left > 0).then_some(Allocation { count: (left as f64 * scale + 0.5) as u64, size })
}

/// How far, relatively, a count of ours may be from V8's before rounding: C++ and Rust may use
/// different `exp`s, which may differ in the last digit, and `1 - exp(-x)` makes much of that digit
/// for a small x.
fn slack(scale: f64) -> f64 {
    1e-9 + 2.0 * f64::EPSILON * scale
}

/// Mixes both numbers into all bits.
#[inline]
fn hash(node_id: u32, size: u64) -> u64 {
    let key = size.rotate_left(32) ^ u64::from(node_id) ^ 0x9E37_79B9_7F4A_7C15;
    let product = u128::from(key) * 0xD6E8_FEB8_6659_FD93_u128;
    let folded = product as u64 ^ (product >> 64) as u64;
    folded.wrapping_mul(0xBF58_476D_1CE4_E5B9) ^ folded >> 29
}

/// The exact check: finds what does not fit, and mends the counts that V8 could not represent.
///
/// V8 keeps 32 bits of a count. The number of samples tells the whole of it.
#[cold]
pub(super) fn in_detail(
    nodes: &mut [Node],
    samples: &[RawSample],
    interval_bytes: u64,
) -> Result<(), WalkError> {
    let mut left: HashMap<(u32, u64), u64, RandomState> = HashMap::default();
    for sample in samples {
        *left.entry((sample.node_id, sample.size as u64)).or_default() += 1;
    }
    for node in nodes {
        for allocation in &mut *node.allocations {
            let Allocation { count, size } = *allocation;
            let n = left.remove(&(node.id.0, size)).unwrap_or(0);
            let scale = scale(size, interval_bytes as f64);
            let expected = n as f64 * scale + 0.5;
            let slack = expected * slack(scale);
            let is_possible = n > 0 && size > 0;
            if is_possible && expected >= f64::from(u32::MAX) {
                allocation.count = expected as u64;
            } else if !is_possible
                || !((expected - slack).floor()..=expected + slack).contains(&(count as f64))
            {
                return Err(WalkError::Disagreement(Mismatch::new(format_args!(
                    "node {}: count {count} for {n} samples of {size} bytes at an interval of \
                     {interval_bytes} bytes",
                    node.id
                ))));
            }
        }
    }
    match left.iter().next() {
        None => Ok(()),
        Some(((id, size), n)) => Err(WalkError::Disagreement(Mismatch::new(format_args!(
            "{n} samples of {size} bytes at node {id}, which has no such allocation"
        )))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::NodeId;

    /// V8's own lines, `SamplingHeapProfiler::ScaleSample`, in Rust.
    fn v8_count(n: u32, size: u64, interval: u64) -> u64 {
        let scale = 1.0 / (1.0 - (-(size as f64) / interval as f64).exp());
        u64::from((f64::from(n) * scale + 0.5) as u32)
    }

    fn samples(of: &[(u32, usize)]) -> Vec<RawSample> {
        of.iter()
            .map(|&(node_id, size)| RawSample { node_id, size, count: 1, sample_id: 1, is_live: 1 })
            .collect()
    }

    fn node(id: u32, allocations: &[Allocation]) -> Node {
        let mut node = Node::new(NodeId(id), "f");
        node.allocations = allocations.into();
        node
    }

    /// Both checks must come to the same verdict; returns the reason of the exact one.
    fn check(nodes: &mut [Node], samples: &[RawSample], interval: u64) -> Result<(), String> {
        let mut fast = CrossCheck::new(interval);
        for node in &*nodes {
            node.allocations.iter().for_each(|&allocation| fast.add(node.id.0, allocation));
        }
        let agrees = fast.agrees_with(samples).map_err(|mismatch| mismatch.to_string())?;
        let exact = in_detail(nodes, samples, interval);
        assert_eq!(agrees, exact.is_ok());
        exact.map_err(|error| match error {
            WalkError::Disagreement(mismatch) => mismatch.to_string(),
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn every_count_leads_back_to_its_samples() {
        for interval in [1, 2, 7, 100, 512, 4096, 524_288, 1 << 30] {
            for size in [8, 16, 24, 56, 96, 1000, 4016, 65_552, 1 << 20, 1 << 28] {
                for n in (1..200).chain([1000, 4321, 65_536, 99_999]) {
                    let count = v8_count(n, size, interval);
                    if count < u64::from(u32::MAX) {
                        let scale = scale(size, interval as f64);
                        assert_eq!(
                            samples_behind(count, scale),
                            u64::from(n),
                            "{n} {size} {interval}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn samples_and_nodes_must_agree() {
        let mut nodes = [node(1, &[]), node(2, &[Allocation { count: 2, size: 64 }])];
        let mut check = |of: &[(u32, usize)]| check(&mut nodes, &samples(of), 1);
        assert_eq!(check(&[(2, 64), (2, 64)]), Ok(()));
        assert!(check(&[(2, 64)]).unwrap_err().contains("count 2 for 1 samples"));
        assert!(check(&[]).unwrap_err().contains("count 2 for 0 samples"));
        assert!(check(&[(2, 64), (2, 72)]).unwrap_err().contains("count 2 for 1 samples"));
        let unknown = check(&[(2, 64), (2, 64), (9, 64)]).unwrap_err();
        assert!(unknown.contains("1 samples of 64 bytes at node 9"), "{unknown}");
    }

    #[test]
    fn a_live_flag_that_is_no_flag_is_an_error() {
        let mut samples = samples(&[(2, 64)]);
        samples[0].is_live = 6;
        let error = CrossCheck::new(1).agrees_with(&samples).unwrap_err();
        assert_eq!(error.to_string(), "is_live of the samples: 0b110");
    }

    #[test]
    fn counts_beyond_32_bits_are_taken_from_the_samples() {
        // 100 samples of 16 bytes at the longest interval stand for 13.4 thousand million objects.
        let interval = u64::try_from(i32::MAX).unwrap();
        let truth = 100 * interval / 16;
        let samples = samples(&[(2, 16); 100]);
        // What C++ makes of it is undefined: x86-64 wraps around, AArch64 stops at the limit.
        for v8_count in [truth % (1 << 32), u64::from(u32::MAX)] {
            let allocation = Allocation { count: v8_count, size: 16 };
            let mut fast = CrossCheck::new(interval);
            fast.add(2, allocation);
            assert!(!fast.agrees_with(&samples).unwrap());
            let mut nodes = [node(2, &[allocation])];
            assert!(in_detail(&mut nodes, &samples, interval).is_ok());
            let count = nodes[0].allocations[0].count;
            assert!(count.abs_diff(truth) < 100, "{count}");
        }
    }

    #[test]
    fn one_digit_of_difference_in_exp_is_forgiven() {
        // 8 bytes at the longest interval: 1 - exp(-x) is about 6e-8, with nine digits at most.
        let (size, interval) = (8_u64, 1_u64 << 27);
        for n in 1..200_u32 {
            let x = size as f64 / interval as f64;
            for exp in [(-x).exp().next_down(), (-x).exp().next_up()] {
                let scale = 1.0 / (1.0 - exp);
                let count = (f64::from(n) * scale + 0.5) as u64;
                if count < u64::from(u32::MAX) {
                    let mut nodes = [node(2, &[Allocation { count, size }])];
                    let samples = samples(&vec![(2, 8); n as usize]);
                    assert_eq!(check(&mut nodes, &samples, interval), Ok(()), "{n}");
                }
            }
        }
    }

    #[test]
    fn objects_of_no_size_are_refused() {
        let mut nodes = [node(2, &[Allocation { count: 1, size: 0 }])];
        assert!(check(&mut nodes, &samples(&[(2, 0)]), 1024).is_err());
    }
}
