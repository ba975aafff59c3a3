//! What stands on the path from the root: by this, totals count each sample once.

/// How often each of some numbered things, functions or calls, stands on the path from the root to
/// the node that a preorder walk has come to.
#[derive(Default)]
pub(super) struct OnPath {
    /// By number.
    times: Vec<u32>,
    /// The path: rank and number.
    path: Vec<(usize, u32)>,
}

impl OnPath {
    /// Leaves the nodes whose subtrees end before `rank`; `ends` is by rank.
    #[inline]
    pub(super) fn leave(&mut self, rank: usize, ends: &[u32]) {
        while let Some(&(above, number)) = self.path.last()
            && ends[above] as usize <= rank
        {
            self.path.pop();
            self.times[number as usize] -= 1;
        }
    }

    /// Steps onto the node `rank`, of the thing `number`; says whether that was not on the path.
    #[inline]
    pub(super) fn enter(&mut self, rank: usize, number: u32) -> bool {
        self.path.push((rank, number));
        if number as usize >= self.times.len() {
            self.times.resize(number as usize + 1, 0);
        }
        let times = &mut self.times[number as usize];
        *times += 1;
        *times == 1
    }
}
