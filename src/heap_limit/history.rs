//! Profiles of the time before the limit.

use std::collections::VecDeque;

use crate::profile::Profile;

/// The last profiles that were taken while the heap grew, as many as fit.
pub(super) struct History {
    profiles: VecDeque<Profile>,
    most: usize,
    most_bytes: usize,
    /// Bytes in use when the last one was taken, or at the least since.
    used: usize,
}

impl History {
    pub(super) fn new(most: usize, most_bytes: usize) -> Self {
        Self { profiles: VecDeque::new(), most, most_bytes, used: 0 }
    }

    /// Whether a profile is due: the heap has grown by a step since the last one.
    pub(super) fn is_due(&mut self, used: usize, limit: usize) -> bool {
        self.used = self.used.min(used);
        // Growth up to the limit fills the history once.
        let step = limit / (self.most + 1);
        self.most > 0 && used - self.used >= step.max(1)
    }

    /// Keeps a profile, taken at so many bytes in use, in place of the oldest.
    pub(super) fn push(&mut self, profile: Profile, used: usize) {
        self.used = used;
        self.profiles.push_back(profile);
        let mut bytes: usize = self.profiles.iter().map(Profile::memory).sum();
        while self.profiles.len() > self.most || bytes > self.most_bytes {
            let Some(oldest) = self.profiles.pop_front() else { break };
            bytes -= oldest.memory();
        }
    }

    /// Gives away the profiles, the oldest first.
    pub(super) fn take(&mut self) -> Vec<Profile> {
        self.used = 0;
        std::mem::take(&mut self.profiles).into()
    }
}
