//! What the functions and calls of a graph are weighed in.

use std::cmp::Ordering;
use std::fmt::Debug;
use std::ops::AddAssign;

use crate::model::{Allocation, Allocations, Node, V8Estimate};

/// What functions and calls of a [`Callgraph`](crate::Callgraph) are weighed in.
///
/// [`V8Estimate`] for a graph of [`Node`]s; `f64` for one of any heap profile, in the unit of the
/// sample type that was asked for: see [`Profile::callgraph`](crate::Profile::callgraph).
pub trait Weight: sealed::Sealed + Copy + Debug + Default + PartialEq + AddAssign {
    /// What is known of the sizes of a function's objects: [`Allocations`], or nothing, `()`.
    type Sizes: Clone + Debug + Default + PartialEq;
}

impl Weight for V8Estimate {
    type Sizes = Allocations;
}

impl Weight for f64 {
    type Sizes = ();
}

pub(crate) mod sealed {
    use super::*;

    pub trait Sealed {
        /// Lighter first.
        fn compare(&self, other: &Self) -> Ordering;
    }

    impl Sealed for V8Estimate {
        fn compare(&self, other: &Self) -> Ordering {
            (self.bytes, self.objects).cmp(&(other.bytes, other.objects))
        }
    }

    impl Sealed for f64 {
        fn compare(&self, other: &Self) -> Ordering {
            self.total_cmp(other)
        }
    }
}

/// Adds up the counts of equal sizes; ascending.
pub(crate) fn merge_sizes(mut allocations: Vec<Allocation>) -> Allocations {
    allocations.sort_unstable_by_key(|allocation| allocation.size);
    allocations.dedup_by(|from, into| {
        let same = from.size == into.size;
        if same {
            into.count += from.count;
        }
        same
    });
    allocations.into()
}

/// What a context allocated itself, as a graph takes it in.
pub(crate) trait Own<W: Weight> {
    fn add_to(&self, sizes: &mut W::Sizes, own: &mut W);
}

impl Own<V8Estimate> for Node {
    fn add_to(&self, sizes: &mut Allocations, own: &mut V8Estimate) {
        sizes.extend(self.allocations.iter().copied());
        // Part of the root's total, which fits into 64 bits.
        *own += self.v8_estimate().unwrap_or_default();
    }
}

impl Own<f64> for f64 {
    fn add_to(&self, (): &mut (), own: &mut f64) {
        *own += self;
    }
}
