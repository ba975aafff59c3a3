//! From context to context in preorder, with the stack of each.

use crate::profile::Profile;

/// A stack in the form that a format wants, which frames are put on and taken off.
pub(crate) trait Stack {
    /// How long it is, in whatever unit.
    fn len(&self) -> usize;

    /// Makes it as long as it was.
    fn truncate(&mut self, len: usize);

    /// Puts a function on it, by its number, as the innermost frame.
    fn push(&mut self, function: u32);
}

/// Functions by number, the outermost first.
impl Stack for Vec<u32> {
    fn len(&self) -> usize {
        self.len()
    }

    fn truncate(&mut self, len: usize) {
        self.truncate(len);
    }

    fn push(&mut self, function: u32) {
        self.push(function);
    }
}

/// Goes from context to context in preorder: most of a stack is that of the one before.
pub(crate) struct StackWalk<'p, S> {
    profile: &'p Profile,
    stack: S,
    /// The open contexts: the end of each's subtree, and how long the stack was without it.
    open: Vec<(u32, usize)>,
    next: u32,
}

impl<'p, S: Stack> StackWalk<'p, S> {
    /// With a stack that is empty.
    pub(crate) fn new(profile: &'p Profile, stack: S) -> Self {
        Self { profile, stack, open: Vec::new(), next: 0 }
    }

    /// The stack of a context that does not stand before the last one asked for. The root, which is
    /// no frame of any other stack, is its own.
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

    /// The stack as it is.
    pub(crate) fn stack(&mut self) -> &mut S {
        &mut self.stack
    }
}

/// How much it takes to write stacks out one by one, each with all of its frames.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Extent {
    /// The sum of the stacks' lengths.
    pub(crate) in_full: u64,
    /// How many contexts the stacks have, those that they share counted once.
    pub(crate) contexts: u64,
}

impl Extent {
    /// The extent of the stacks of some contexts, in preorder, if each function's frame has a
    /// length of its own. Linear in the contexts, however deep they are.
    pub(crate) fn of(
        profile: &Profile,
        contexts: impl Iterator<Item = u32>,
        length: impl Fn(u32) -> usize,
    ) -> Self {
        let mut walk = StackWalk::new(profile, Lengths { length, len: 0, contexts: 0 });
        let mut in_full = 0_u64;
        for context in contexts {
            in_full = in_full.saturating_add(walk.go_to(context).len as u64);
        }
        Self { in_full, contexts: walk.stack().contexts }
    }
}

/// A stack of which only the length is kept.
struct Lengths<F> {
    length: F,
    len: usize,
    contexts: u64,
}

impl<F: Fn(u32) -> usize> Stack for Lengths<F> {
    fn len(&self) -> usize {
        self.len
    }

    fn truncate(&mut self, len: usize) {
        self.len = len;
    }

    fn push(&mut self, function: u32) {
        self.len += (self.length)(function);
        self.contexts += 1;
    }
}
