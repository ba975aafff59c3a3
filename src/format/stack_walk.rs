//! From context to context in preorder, with the stack of each.

use crate::heap_profile::HeapProfile;

/// A stack in the form that a format wants, which frames are put on and taken off.
pub(crate) trait Stack {
    /// How long it is, in whatever unit.
    fn len(&self) -> usize;

    /// Makes it as long as it was.
    fn truncate(&mut self, len: usize);

    /// Puts a function on it, by its number, as the innermost frame.
    fn push(&mut self, function: u32);
}

/// Goes from context to context in preorder: most of a stack is that of the one before.
pub(crate) struct StackWalk<'p, S> {
    profile: &'p HeapProfile,
    stack: S,
    /// The open contexts: the end of each's subtree, and how long the stack was without it.
    open: Vec<(u32, usize)>,
    next: u32,
}

impl<'p, S: Stack> StackWalk<'p, S> {
    /// With a stack that is empty.
    pub(crate) fn new(profile: &'p HeapProfile, stack: S) -> Self {
        Self { profile, stack, open: Vec::new(), next: 0 }
    }

    /// The stack of a context that does not stand before the last one asked for. The root, which is no
    /// frame of any other stack, is its own.
    pub(crate) fn go_to(&mut self, context: u32) -> &S {
        while self.next <= context {
            let rank = self.next;
            while let Some(&(end, before)) = self.open.last()
                && end <= rank
            {
                self.stack.truncate(before);
                self.open.pop();
            }
            // The root is left before any other is entered.
            let end = if rank == 0 { 1 } else { self.profile.ends()[rank as usize] };
            if end <= context {
                // The context is not below.
                self.next = end;
                continue;
            }
            self.open.push((end, self.stack.len()));
            self.stack.push(self.profile.function_numbers()[rank as usize]);
            self.next += 1;
        }
        &self.stack
    }
}
