//! Numbers functions.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::model::Function;

/// Numbers functions from 0 in the order in which they are first seen.
///
/// Contexts of one function mostly share it in memory: addresses are compared first.
#[derive(Default)]
pub(crate) struct FunctionNumbers<'n> {
    by_address: HashMap<*const Function, u32, RandomState>,
    by_identity: HashMap<&'n Function, u32, RandomState>,
}

impl<'n> FunctionNumbers<'n> {
    /// The number of a context's function in preorder: 0 is the root's alone. It is the root by its
    /// position, and the name and place of one of a file can be those of a function as well.
    pub(crate) fn of_context(&mut self, rank: usize, function: &'n Arc<Function>) -> u32 {
        if rank == 0 { 0 } else { 1 + self.of(function) }
    }

    pub(crate) fn of(&mut self, function: &'n Arc<Function>) -> u32 {
        *self.by_address.entry(Arc::as_ptr(function)).or_insert_with(|| {
            let next = self.by_identity.len() as u32;
            *self.by_identity.entry(function).or_insert(next)
        })
    }
}
