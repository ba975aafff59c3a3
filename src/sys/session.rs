//! A running sampler, and what ties it to its isolate.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::gc_watch::{EnteredForGc, GcWatch};
use super::isolate::{Entered, RawIsolate, allows_javascript};
use super::layout::RawSample;
use super::own_work::{HandleSize, OwnCounts, OwnSamples, remove_empty, reset_dropped_handles};
use super::profile::OwnedProfile;
use super::symbols;
use super::version;
use super::walk::{Expected, walk_nodes, walk_tree};
use super::{Mismatch, WalkError};
use crate::model::{Error, Node, NodeId, Result, SampleId, SamplerOptions};
use crate::profile::{ContextTree, OwnWork, SampledObject};
use crate::tree::IdIndex;
use crate::v8;

/// Lives in a slot of the isolate for as long as a sampler of ours runs there.
///
/// V8 aborts the process if an isolate is disposed while its sampler runs, and safe code can leak
/// the guard that would have stopped it. The isolate drops its slots first, however it is disposed.
///
/// An isolate that is shared between threads wants its slots to be `Send`: all that is touched here
/// besides atomics is the isolate itself, by whoever has exclusive access to it at that moment.
struct StopAtDisposal {
    isolate: RawIsolate,
    /// Whose session it is; `None` once it turned out that the session is somebody else's, which a
    /// guard must leave alone. At disposal it is stopped all the same.
    owner: Option<SessionId>,
    /// Set by a session that went away without the isolate, so that it could not stop the sampler.
    abandoned: Arc<AtomicBool>,
    /// Cleared when V8's sampler is known to have been stopped by someone else.
    running: bool,
}

impl StopAtDisposal {
    /// Forgets the sampler: it is not ours to stop any more.
    fn disarm(mut self) {
        self.running = false;
    }
}

impl Drop for StopAtDisposal {
    fn drop(&mut self) {
        if self.running {
            // SAFETY: the value never leaves the isolate's own slots but to be dropped: by the
            // isolate when it is disposed, before V8 disposes of its own part, or by `start` and
            // `stop`, which have a reference to the isolate. So it is alive, and whoever drops the
            // value has exclusive access to it.
            unsafe { self.isolate.stop_sampling() };
        }
    }
}

/// Tells one session from every other of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct SessionId(u64);

impl SessionId {
    fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// How often a profile is taken anew when V8's own work for it was sampled meanwhile.
const ATTEMPTS: usize = 3;

/// A sampler that runs in an isolate, as long as nobody else stops it.
#[derive(Debug)]
pub(crate) struct Session {
    isolate: RawIsolate,
    id: SessionId,
    abandoned: Arc<AtomicBool>,
    expected: Expected,
    /// Whether garbage is collected before each profile.
    force_gc: bool,
    handle_size: HandleSize,
    own_samples: OwnSamples,
}

/// A profile, without what V8 sampled of its own work for it.
pub(crate) struct Collected {
    pub(crate) tree: ContextTree,
    /// In the order of allocation.
    pub(crate) samples: Vec<SampledObject>,
    pub(crate) own_work: OwnWork,
    /// Before V8 built the profile.
    pub(crate) heap: v8::HeapStatistics,
}

impl Session {
    /// Starts V8's sampler.
    pub(crate) fn start(isolate: &mut v8::Isolate, options: &SamplerOptions) -> Result<Self> {
        options.validate()?;
        version::check()?;
        let raw = RawIsolate::of(isolate);
        if GcWatch::sees_gc(isolate) {
            return Err(Error::InGarbageCollection);
        }
        stop_abandoned(isolate)?;

        let handle_size = {
            // SAFETY: the isolate is alive and this thread's, since we hold a reference to it.
            let _entered = unsafe { Entered::new(raw) };
            HandleSize::measure(isolate)?
        };
        // SAFETY: the isolate is alive and this thread's, since we hold a reference to it.
        if !unsafe { start_sampling(raw, options) }? {
            return Err(Error::AlreadySampling);
        }

        let (id, abandoned) = (SessionId::next(), Arc::new(AtomicBool::new(false)));
        if let Some(stale) = isolate.remove_slot::<StopAtDisposal>() {
            // V8 could start, so somebody else had stopped that session.
            stale.disarm();
        }
        // Else V8 may be going through its list of callbacks: the first profile has the watch made.
        if allows_javascript(isolate) {
            GcWatch::of(isolate);
        }
        isolate.set_slot(StopAtDisposal {
            isolate: raw,
            owner: Some(id),
            abandoned: Arc::clone(&abandoned),
            running: true,
        });
        Ok(Self {
            isolate: raw,
            id,
            abandoned,
            expected: Expected::new(options),
            force_gc: options.force_gc,
            handle_size,
            own_samples: OwnSamples::default(),
        })
    }

    /// Whether `isolate` is the one that this session runs in, and has not been told to stop.
    fn check(&self, isolate: &mut v8::Isolate) -> Result<()> {
        if RawIsolate::of(isolate) != self.isolate {
            return Err(Error::OtherIsolate);
        }
        let slot = isolate.get_slot::<StopAtDisposal>();
        if slot.is_none_or(|slot| slot.owner != Some(self.id)) {
            // Another session's: if it cannot be stopped now, it is when the isolate comes next.
            let _ = stop_abandoned(isolate);
            return Err(Error::NotSampling);
        }
        if GcWatch::is_in_gc(isolate) { Err(Error::InGarbageCollection) } else { Ok(()) }
    }

    /// Whether the sampler can be stopped now.
    pub(crate) fn check_stop(&self, isolate: &mut v8::Isolate) -> Result<()> {
        self.check(isolate)?;
        refuse_in_callbacks(isolate)
    }

    /// The contexts and samples that the sampler holds now.
    pub(crate) fn collect(&mut self, isolate: &mut v8::Isolate) -> Result<Collected> {
        self.read_profile(isolate, |session, scope, heap| {
            let (profile, (mut tree, with_own), own_work) =
                session.take_profile(scope, walk_tree)?;
            let mut samples = session.program_samples(profile.samples()?, &tree)?;
            remove_empty(&mut tree, &mut samples, &with_own);
            Ok(Collected { tree, samples, own_work, heap })
        })
    }

    /// The nodes that the sampler holds now, with V8's counts.
    pub(crate) fn collect_nodes(&mut self, isolate: &mut v8::Isolate) -> Result<Vec<Node>> {
        self.read_profile(isolate, |session, scope, _| {
            let (_profile, nodes, _) = session.take_profile(scope, walk_nodes)?;
            Ok(nodes)
        })
    }

    /// Reads a profile, unless that cannot be done now.
    fn read_profile<T>(
        &mut self,
        isolate: &mut v8::Isolate,
        read: impl FnOnce(&mut Self, &mut v8::PinScope<'_, '_, ()>, v8::HeapStatistics) -> Result<T>,
    ) -> Result<T> {
        self.check(isolate)?;
        if self.force_gc {
            // V8 would do so while it builds the profile if it was told to, and run finalizers
            // there. They may stop the sampler that V8 is reading, and make handles.
            collect_garbage(isolate)?;
            self.check(isolate)?;
        }
        let collected = self.read_unchecked(isolate, read);
        if let Err(Error::NotSampling | Error::ForeignSession { .. }) = collected
            && let Some(slot) = isolate.get_slot_mut::<StopAtDisposal>()
        {
            slot.owner = None;
        }
        collected
    }

    fn read_unchecked<T>(
        &mut self,
        isolate: &mut v8::Isolate,
        read: impl FnOnce(&mut Self, &mut v8::PinScope<'_, '_, ()>, v8::HeapStatistics) -> Result<T>,
    ) -> Result<T> {
        // SAFETY: our reference to the isolate outlives the value.
        let _entered = unsafe { EnteredForGc::new(isolate) };
        let heap = isolate.get_heap_statistics();
        GcWatch::of(isolate).begin(&heap);
        let collected = {
            v8::scope!(let scope, isolate);
            read(self, scope, heap)
        };
        GcWatch::of(isolate).end();
        collected
    }

    /// A profile, and what `walk` makes of it, which agrees with its samples.
    ///
    /// V8 interns strings on the JavaScript heap while it builds the profile. That can be sampled,
    /// or collect sampled objects, after the nodes concerned were built, and then nodes and samples
    /// differ. The strings stay alive in the scope, so the next try allocates nothing and finds
    /// them equal.
    fn take_profile<T>(
        &mut self,
        scope: &mut v8::PinScope<'_, '_, ()>,
        walk: impl Fn(&OwnedProfile, &OwnCounts, &v8::Isolate, &mut Expected) -> Result<T, WalkError>,
    ) -> Result<(OwnedProfile, T, OwnWork)> {
        let mut attempt = 1;
        loop {
            // SAFETY: the isolate is alive and this thread's, as the reference shows, and entered;
            // `scope` is open on it and outlives the profile, which the caller drops before it.
            let profile = unsafe { OwnedProfile::take(self.isolate) }?.ok_or(Error::NotSampling)?;
            let (heap, interval) = (scope.get_heap_statistics(), self.expected.interval_bytes());
            let taken = GcWatch::of(scope).take(&heap, self.handle_size, interval);
            let samples = profile.samples()?;
            self.own_samples.update(samples, taken);
            let own = self.own_samples.among(samples);
            match walk(&profile, &own, scope, &mut self.expected) {
                Ok(walked) => return Ok((profile, walked, own.total)),
                Err(WalkError::Disagreement(_)) if attempt < ATTEMPTS => attempt += 1,
                Err(WalkError::Disagreement(mismatch)) => {
                    return Err(Error::ForeignSession { check: mismatch.to_string() });
                }
                Err(WalkError::OtherSession) => {
                    let check = "node ids mean other functions than before".to_owned();
                    return Err(Error::ForeignSession { check });
                }
                Err(WalkError::Mismatch(mismatch)) => return Err(mismatch.into()),
            }
        }
    }

    /// The program's samples at their contexts, in the order of allocation.
    fn program_samples(
        &self,
        samples: &[RawSample],
        tree: &ContextTree,
    ) -> Result<Vec<SampledObject>, Mismatch> {
        let ranks = IdIndex::new(tree.ids.iter().copied())
            .map_err(|error| Mismatch::new(format_args!("ids of the nodes: {error}")))?;
        let of_program =
            samples.iter().filter(|sample| !self.own_samples.contains(sample.sample_id));
        let at_contexts = of_program.map(|sample| {
            let context = ranks.get(NodeId(sample.node_id)).ok_or_else(|| {
                Mismatch::new(format_args!("node of a sample: {}", sample.node_id))
            })?;
            Ok(SampledObject {
                context,
                size: sample.size as u64,
                sample_id: SampleId(sample.sample_id),
                is_live: sample.is_live == 1,
            })
        });
        let mut sampled: Vec<_> = at_contexts.collect::<Result<_, Mismatch>>()?;
        sampled.sort_unstable_by_key(|sample| sample.sample_id);
        Ok(sampled)
    }

    /// Stops V8's sampler, which forgets all samples, and starts it again.
    ///
    /// # Errors
    ///
    /// The session is over then.
    pub(crate) fn restart(
        &mut self,
        isolate: &mut v8::Isolate,
        options: &SamplerOptions,
    ) -> Result<()> {
        self.check_stop(isolate)?;
        // SAFETY: the isolate is alive and this thread's, since we hold a reference to it.
        unsafe { self.isolate.stop_sampling() };
        self.expected = Expected::new(options);
        self.own_samples = OwnSamples::default();
        // SAFETY: as above.
        let started = unsafe { start_sampling(self.isolate, options) };
        if !matches!(started, Ok(true))
            && let Some(slot) = isolate.remove_slot::<StopAtDisposal>()
        {
            slot.disarm();
        }
        if started? { Ok(()) } else { Err(Error::AlreadySampling) }
    }

    /// Stops the sampler; says if somebody else had done so already.
    pub(crate) fn stop(&mut self, isolate: &mut v8::Isolate) -> Result<()> {
        self.check_stop(isolate)?;
        // V8 does not tell whether a sampler runs, but starts none where one does.
        // SAFETY: the isolate is alive and this thread's, since we hold a reference to it.
        let had_stopped =
            unsafe { self.isolate.start_sampling(SamplerOptions::MAX_INTERVAL_BYTES, 1, 0) }?;
        drop(isolate.remove_slot::<StopAtDisposal>());
        if had_stopped { Err(Error::NotSampling) } else { Ok(()) }
    }

    /// Stops the sampler silently, and leaves word for the next start where that is not possible:
    /// if `isolate` is not the one that it runs in, or may be in a garbage collection.
    pub(crate) fn stop_or_abandon(&mut self, isolate: &mut v8::Isolate) {
        match self.check_stop(isolate) {
            Ok(()) => drop(isolate.remove_slot::<StopAtDisposal>()),
            Err(Error::OtherIsolate | Error::InGarbageCollection) => self.abandon(),
            Err(_) => {}
        }
    }

    /// Leaves word that nobody will stop the sampler.
    fn abandon(&self) {
        self.abandoned.store(true, Ordering::Relaxed);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.abandon();
    }
}

/// Stops the sampler of a session that has gone away.
///
/// # Errors
///
/// V8 may be collecting garbage, where it cannot be stopped.
pub(crate) fn stop_abandoned(isolate: &mut v8::Isolate) -> Result<()> {
    let is_abandoned = |session: &StopAtDisposal| {
        session.owner.is_some() && session.abandoned.load(Ordering::Relaxed)
    };
    if isolate.get_slot::<StopAtDisposal>().is_some_and(is_abandoned) {
        refuse_in_callbacks(isolate)?;
        drop(isolate.remove_slot::<StopAtDisposal>());
    }
    Ok(())
}

/// Refuses what ends a session where V8 calls the embedder while it collects garbage: it may do
/// that while it builds a profile, from what stopping frees.
pub(crate) fn refuse_in_callbacks(isolate: &mut v8::Isolate) -> Result<()> {
    if GcWatch::sees_gc(isolate) || !allows_javascript(isolate) {
        return Err(Error::InGarbageCollection);
    }
    Ok(())
}

/// Collects garbage until nothing more dies, in an isolate that need not be the current one.
///
/// What other threads let go of is garbage too: handles that they dropped wait in the isolate until
/// it makes the next one.
pub(crate) fn collect_garbage(isolate: &mut v8::Isolate) -> Result<()> {
    if GcWatch::is_in_gc(isolate) {
        return Err(Error::InGarbageCollection);
    }
    // SAFETY: our reference to the isolate outlives the value.
    let _entered = unsafe { EnteredForGc::new(isolate) };
    reset_dropped_handles(isolate);
    isolate.low_memory_notification();
    Ok(())
}

/// Starts V8's sampler unless one runs; says whether it did.
///
/// # Safety
///
/// The isolate is alive and used by this thread alone.
unsafe fn start_sampling(isolate: RawIsolate, options: &SamplerOptions) -> Result<bool, Mismatch> {
    let mut flags = 0;
    if options.keep_dead.keeps_major() {
        flags |= symbols::SAMPLING_INCLUDE_MAJOR_GC;
    }
    if options.keep_dead.keeps_minor() {
        flags |= symbols::SAMPLING_INCLUDE_MINOR_GC;
    }
    let depth = i32::try_from(options.stack_depth).expect("validated: at most 2048");
    // SAFETY: as the caller vouches.
    unsafe { isolate.start_sampling(options.interval_bytes, depth, flags) }
}
