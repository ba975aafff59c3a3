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
    pub(crate) fn of(&mut self, function: &'n Arc<Function>) -> u32 {
        *self.by_address.entry(Arc::as_ptr(function)).or_insert_with(|| {
            let next = self.by_identity.len() as u32;
            *self.by_identity.entry(function).or_insert(next)
        })
    }
}
