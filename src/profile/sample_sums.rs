//! What single samples stand for.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::sample::OrdinalSample;
use crate::estimate::Sum;
use crate::model::SampleType;

/// What single samples stand for, worked out once for each size.
pub(crate) struct SampleSums {
    interval: f64,
    sample_type: SampleType,
    known: HashMap<u64, Sum, RandomState>,
}

impl SampleSums {
    pub(crate) fn new(interval: f64, sample_type: SampleType) -> Self {
        Self { interval, sample_type, known: HashMap::default() }
    }

    pub(crate) fn of(&mut self, sample: &OrdinalSample) -> Sum {
        let Self { interval, sample_type, known } = self;
        let key = sample.size().map_or_else(|| sample.bytes.to_bits(), |size| size.0);
        *known.entry(key).or_insert_with(|| {
            let told = sample.size().map(|size| size.0 as f64);
            let size = told.unwrap_or_else(|| size_of_object(sample.bytes, *interval));
            let each = if sample_type.is_bytes() { size } else { 1.0 };
            if told.is_some() {
                return Sum::of_samples(1, each, size, *interval);
            }
            Sum::of_value(sample.bytes / size * each, each, size, *interval)
        })
    }
}

/// The size of an object of which a sample stands for so many bytes: `bytes = size / p(size)`.
fn size_of_object(bytes: f64, interval: f64) -> f64 {
    let wanted = bytes / interval;
    let (mut low, mut high) = (0.0, wanted);
    // x / (1 - exp(-x)) lies between 1 and 1 + x, and above x: halving is quick enough.
    for _ in 0..40 {
        let middle = (low + high) / 2.0;
        if middle / -(-middle).exp_m1() < wanted { low = middle } else { high = middle }
    }
    (high * interval).max(Sum::LEAST_SIZE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_found_from_what_their_samples_stand_for() {
        for size in [8.0, 56.0, 700.0, 4096.0, 20_000.0, 1e6] {
            let bytes = Sum::of_value(1.0, size, size, 4096.0).value(); // any
            assert!((bytes - 1.0).abs() < 1e-9);
            let stands_for = size / -(-size / 4096.0_f64).exp_m1();
            let found = size_of_object(stands_for, 4096.0);
            assert!((found / size - 1.0).abs() < 1e-3, "{size}: {found}");
        }
    }
}
