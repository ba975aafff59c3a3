//! The options of a sampling session.

use serde::{Deserialize, Serialize};

use super::error::{Error, Result};

/// The samples that stay in the profile after their object has been collected.
///
/// Mirrors `v8::HeapProfiler::SamplingFlags`. A kept sample stays in V8's memory until sampling
/// stops, so a long session that keeps dead objects grows without end.
///
/// ```
/// use v8_heap_sampler::KeepDead;
/// assert!(KeepDead::Both.keeps_minor() && KeepDead::Both.keeps_major());
/// assert!(!KeepDead::default().keeps_minor());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeepDead {
    /// No sample: the profile holds live objects only. V8's default, and what Chrome DevTools
    /// shows.
    #[default]
    None,
    /// Those that a minor GC (the scavenger) collected: mostly short-lived garbage.
    MinorGc,
    /// Those that a major GC (mark-compact) collected.
    MajorGc,
    /// All: the profile holds every sample of the session.
    Both,
}

impl KeepDead {
    /// Tells whether samples of objects collected by a minor GC are kept.
    pub const fn keeps_minor(self) -> bool {
        matches!(self, Self::MinorGc | Self::Both)
    }

    /// Tells whether samples of objects collected by a major GC are kept.
    pub const fn keeps_major(self) -> bool {
        matches!(self, Self::MajorGc | Self::Both)
    }
}

/// Options of sampling: the interval, the stack depth, and what to keep.
///
/// The values are checked when sampling starts; [`validate`](Self::validate) checks them earlier.
///
/// ```
/// use v8_heap_sampler::{KeepDead, SamplerOptions};
/// let options = SamplerOptions::default()
///     .interval_bytes(32 * 1024)
///     .stack_depth(128)
///     .keep_dead(KeepDead::Both);
/// assert_eq!(options.interval_bytes, 32 * 1024);
/// assert!(options.validate().is_ok());
/// assert!(options.interval_bytes(0).validate().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct SamplerOptions {
    /// The mean distance between two samples in bytes allocated. Default 512 KiB.
    ///
    /// Sampling is a Poisson process over the bytes: an object of `s` bytes is sampled with
    /// probability `1 - exp(-s / interval)`. A smaller interval is more precise and dearer.
    /// Take 1, or 1024 and more: between, V8's rounding makes estimates too high by up to 2.3 %.
    pub interval_bytes: u64,
    /// The number of topmost JavaScript frames that each sample keeps. Default 1024.
    ///
    /// Frames further down are cut off: the callers that are missing make the remaining stack
    /// hang directly under the root in V8's nodes, and below `(cut)` in a profile
    /// ([`Profile::cut_stacks`](crate::Profile::cut_stacks)). Less is no saving: where V8 keeps 64 frames of
    /// the TypeScript compiler, half of the bytes are on stacks that were cut, in 91,000 contexts; with
    /// 1024 none are, in 28,000, and a sample takes as long (`cargo bench --bench depth`).
    pub stack_depth: u32,
    /// The samples that stay after their object was collected. Default: none.
    pub keep_dead: KeepDead,
    /// Collects garbage before every profile, so that what no GC has found yet is not
    /// reported as live, and before sampling starts, so that V8's counters can be held against the
    /// samples ([`Profile::heap_check`](crate::Profile::heap_check)). Default: no; it costs far more
    /// than taking the profile, as V8 goes through the whole heap twice.
    ///
    /// Collects until nothing more dies, and empties V8's caches, as
    /// `v8::Isolate::low_memory_notification` does. Finalizers run before V8 builds the profile and
    /// not meanwhile, as they would with V8's own flag `kSamplingForceGC`.
    pub force_gc: bool,
}

impl SamplerOptions {
    /// The shortest interval: 1 byte samples practically every object. V8 aborts on 0.
    pub const MIN_INTERVAL_BYTES: u64 = 1;
    /// The longest interval, 128 MiB.
    ///
    /// V8 draws the distance to the next sample from an exponential distribution and cuts every
    /// draw to `INT_MAX` bytes, without accounting for it: it samples more often than the interval
    /// says, and estimates come out too high. At this bound a draw in nine million is cut; at
    /// 512 MiB the bias is 2 %, at 2 GiB 58 %.
    pub const MAX_INTERVAL_BYTES: u64 = 1 << 27;
    /// The least stack depth: V8 keeps no frame at all at 0.
    pub const MIN_STACK_DEPTH: u32 = 1;
    /// The greatest stack depth.
    ///
    /// V8 recurses over the depth of the tree, on the native stack, whenever a profile is taken
    /// and when sampling stops, at under 200 bytes a level; overflowing the stack is fatal. This
    /// bound costs under 410 KB, a fifth of the 2 MiB that a Rust thread has by default.
    /// (JavaScript itself stops recursing near 10,000 frames.)
    pub const MAX_STACK_DEPTH: u32 = 2048;

    /// The defaults: an interval of 512 KiB, 1024 frames, live objects only, no forced GC.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            interval_bytes: 512 * 1024,
            stack_depth: 1024,
            keep_dead: KeepDead::None,
            force_gc: false,
        }
    }

    /// An interval of 1 byte: practically every object is sampled, and estimates are counts.
    ///
    /// An object of 16 bytes, the smallest there is, is missed once in nine million.
    ///
    /// For tests and small runs: every allocation leaves the fast path to have its stack walked, so
    /// that JavaScript which allocates much runs 20 to 50 times slower (`cargo bench --bench
    /// overhead`), and each sampled object costs some hundred bytes outside the heap while it is
    /// kept.
    ///
    /// Objects are what V8 allocates: optimised code allocates neighbouring objects in one go.
    ///
    /// ```
    /// use v8_heap_sampler::SamplerOptions;
    /// assert_eq!(SamplerOptions::exact().interval_bytes, 1);
    /// ```
    #[must_use]
    pub const fn exact() -> Self {
        Self::new().interval_bytes(Self::MIN_INTERVAL_BYTES)
    }

    /// The defaults, with dead objects kept: for a server that asks what is allocated, in
    /// [windows](crate::HeapSampler::take_window).
    ///
    /// The other half of the pair is [`live_heap`](Self::live_heap).
    #[must_use]
    pub const fn allocation_windows() -> Self {
        Self::new().keep_dead(KeepDead::Both)
    }

    /// The defaults, under a name that says what they are for: a server that asks what is alive,
    /// and collects now and then from a session without end.
    ///
    /// The other half of the pair is [`allocation_windows`](Self::allocation_windows).
    #[must_use]
    pub const fn live_heap() -> Self {
        Self::new()
    }

    /// Sets [`interval_bytes`](#structfield.interval_bytes).
    #[must_use]
    pub const fn interval_bytes(mut self, bytes: u64) -> Self {
        self.interval_bytes = bytes;
        self
    }

    /// Sets [`stack_depth`](#structfield.stack_depth).
    #[must_use]
    pub const fn stack_depth(mut self, frames: u32) -> Self {
        self.stack_depth = frames;
        self
    }

    /// Sets [`keep_dead`](#structfield.keep_dead).
    #[must_use]
    pub const fn keep_dead(mut self, keep: KeepDead) -> Self {
        self.keep_dead = keep;
        self
    }

    /// Sets [`force_gc`](#structfield.force_gc).
    #[must_use]
    pub const fn force_gc(mut self, force: bool) -> Self {
        self.force_gc = force;
        self
    }

    /// Checks the values against what V8 can do.
    ///
    /// # Errors
    ///
    /// [`Error::Interval`] and [`Error::StackDepth`] name the value and the bounds.
    pub fn validate(&self) -> Result<()> {
        let Self { interval_bytes, stack_depth, .. } = *self;
        if !(Self::MIN_INTERVAL_BYTES..=Self::MAX_INTERVAL_BYTES).contains(&interval_bytes) {
            return Err(Error::Interval { interval_bytes });
        }
        if !(Self::MIN_STACK_DEPTH..=Self::MAX_STACK_DEPTH).contains(&stack_depth) {
            return Err(Error::StackDepth { stack_depth });
        }
        Ok(())
    }
}

impl Default for SamplerOptions {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_value_and_the_bounds() {
        let error = SamplerOptions::new().stack_depth(9999).validate().unwrap_err();
        assert!(matches!(error, Error::StackDepth { stack_depth: 9999 }));
        assert_eq!(
            error.to_string(),
            "stack depth of 9999 frames: it must be from 1 to 2048 frames"
        );
    }
}
