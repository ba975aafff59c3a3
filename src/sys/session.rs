//! A running sampler, and what ties it to its isolate.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, TryLockError, Weak};

use super::gc_watch::{EnteredForGc, GcWatch};
use super::heap::{SettledHeap, heap_statistics};
use super::isolate::{Entered, RawIsolate, allows_javascript};
use super::layout::RawSample;
use super::own_work::{HandleSize, OwnCounts, OwnSamples, remove_empty, reset_dropped_handles};
use super::profile::OwnedProfile;
use super::seen_places::SeenPlaces;
use super::symbols;
use super::tracking;
use super::version;
use super::walk::{Expected, walk_nodes, walk_tree};
use super::{Mismatch, WalkError};
use crate::model::{
    Bytes, Error, HeapGrowth, HeapStatistics, Node, NodeId, Result, SampleId, SamplerOptions,
    Timestamp,
};
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
    /// The session's state, as long as a handle to the session is left to stop the sampler.
    state: Weak<Mutex<State>>,
    /// Cleared when V8's sampler is known to have been stopped by someone else.
    running: bool,
}

impl StopAtDisposal {
    /// Whether all handles of its session have gone without having stopped it.
    fn is_abandoned(&self) -> bool {
        self.owner.is_some() && self.state.strong_count() == 0
    }

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

/// A handle to a sampler that runs in an isolate, as long as nobody else stops it.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    isolate: RawIsolate,
    id: SessionId,
    /// Locked while a profile is read, and so by one who has the isolate.
    state: Arc<Mutex<State>>,
}

/// What is known of a sampler, by whichever handle profiles are taken.
#[derive(Debug)]
struct State {
    options: SamplerOptions,
    /// When sampling, or this window of it, started.
    started: Timestamp,
    heap_at_start: HeapStatistics,
    /// Bytes that the isolate's watch had counted then, if there was one.
    allocated_at_start: Option<u64>,
    /// If there was a full garbage collection before.
    settled_at_start: Option<SettledHeap>,
    /// As of the profile that was taken last, if there was a full garbage collection before it.
    settled: Option<SettledHeap>,
    expected: Expected,
    handle_size: HandleSize,
    own_samples: OwnSamples,
    seen_places: SeenPlaces,
}

/// The heap before a profile is built, and the bytes that were allocated since sampling started, or
/// this window of it, if that was watched.
type HeapNow = (HeapStatistics, Option<Bytes>);

/// A profile, without what V8 sampled of its own work for it.
pub(crate) struct Collected {
    pub(crate) tree: ContextTree,
    /// In the order of allocation.
    pub(crate) samples: Vec<SampledObject>,
    pub(crate) own_work: OwnWork,
    /// When sampling, or this window of it, started.
    pub(crate) started: Timestamp,
    pub(crate) heap_at_start: HeapStatistics,
    /// Before V8 built the profile.
    pub(crate) heap: HeapStatistics,
    pub(crate) growth: Option<HeapGrowth>,
    /// Bytes that were allocated on the heap meanwhile, if that was watched.
    pub(crate) allocated: Option<Bytes>,
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

        // Where V8 calls the embedder it collects none, and there the growth is not known.
        let settles = options.force_gc && allows_javascript(isolate);
        if settles {
            collect_garbage(isolate)?;
        }
        let (handle_size, settled_at_start) = {
            // SAFETY: the isolate is alive and this thread's, since we hold a reference to it.
            let _entered = unsafe { Entered::new(raw) };
            let settled = if settles { SettledHeap::of(isolate) } else { None };
            (HandleSize::measure(isolate)?, settled)
        };
        // SAFETY: the isolate is alive and this thread's, since we hold a reference to it.
        if !unsafe { start_sampling(raw, options) }? {
            return Err(Error::AlreadySampling);
        }

        if let Some(stale) = isolate.remove_slot::<StopAtDisposal>() {
            // V8 could start, so somebody else had stopped that session.
            stale.disarm();
        }
        // Else V8 may be going through its list of callbacks: the first profile has the watch made.
        let allocated_at_start = allows_javascript(isolate).then(|| allocated_so_far(isolate));
        let state = State {
            options: options.clone(),
            started: Timestamp::now(),
            heap_at_start: heap_statistics(&isolate.get_heap_statistics()),
            allocated_at_start,
            settled_at_start,
            settled: None,
            expected: Expected::new(options),
            handle_size,
            own_samples: OwnSamples::default(),
            seen_places: SeenPlaces::default(),
        };
        let session =
            Self { isolate: raw, id: SessionId::next(), state: Arc::new(Mutex::new(state)) };
        isolate.set_slot(StopAtDisposal {
            isolate: raw,
            owner: Some(session.id),
            state: Arc::downgrade(&session.state),
            running: true,
        });
        Ok(session)
    }

    /// One more handle to the session that runs in the isolate, as far as is known, and the options
    /// that it was started with; `None` if none does, or if it is not of this crate.
    pub(crate) fn current(isolate: &mut v8::Isolate) -> Option<(Self, SamplerOptions)> {
        // If it cannot be stopped now, it is when the isolate comes next.
        let _ = stop_abandoned(isolate);
        let slot = isolate.get_slot::<StopAtDisposal>()?;
        let session = Self { isolate: slot.isolate, id: slot.owner?, state: slot.state.upgrade()? };
        let options = session.state().ok()?.options.clone();
        Some((session, options))
    }

    /// The state, unless a profile is being read: V8 has called the embedder in a garbage
    /// collection then.
    fn state(&self) -> Result<MutexGuard<'_, State>> {
        match self.state.try_lock() {
            Ok(state) => Ok(state),
            // What is noted down is so step by step, and checked against V8's next profile.
            Err(TryLockError::Poisoned(state)) => Ok(state.into_inner()),
            Err(TryLockError::WouldBlock) => Err(Error::InGarbageCollection),
        }
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

    /// The contexts and samples that the sampler holds now; `settles` if garbage has just been
    /// collected.
    pub(crate) fn collect(&self, isolate: &mut v8::Isolate, settles: bool) -> Result<Collected> {
        self.read_profile(isolate, |state, scope, (heap, allocated)| {
            state.settled = if settles { SettledHeap::of(scope) } else { None };
            let growth = state.settled.zip(state.settled_at_start);
            let growth = growth.map(|(now, before)| now.growth_since(&before));
            let (profile, (mut tree, with_own), own_work) = state.take_profile(scope, walk_tree)?;
            let mut samples = state.program_samples(profile.samples()?, &tree)?;
            remove_empty(&mut tree, &mut samples, &with_own);
            state.seen_places.complete(&mut tree.functions);
            let (started, heap_at_start) = (state.started, state.heap_at_start);
            Ok(Collected {
                tree,
                samples,
                own_work,
                started,
                heap_at_start,
                heap,
                growth,
                allocated,
            })
        })
    }

    /// The nodes that the sampler holds now, with V8's counts.
    pub(crate) fn collect_nodes(&self, isolate: &mut v8::Isolate) -> Result<Vec<Node>> {
        self.read_profile(isolate, |state, scope, _| {
            let (_profile, mut nodes, _) = state.take_profile(scope, walk_nodes)?;
            state.seen_places.complete_nodes(&mut nodes);
            Ok(nodes)
        })
    }

    /// Notes where the functions stand that the sampler holds now.
    pub(crate) fn note_scripts(&self, isolate: &mut v8::Isolate) -> Result<()> {
        self.read_profile(isolate, |state, scope, _| {
            let (_profile, (mut tree, _), _) = state.take_profile(scope, walk_tree)?;
            state.seen_places.complete(&mut tree.functions);
            Ok(())
        })
    }

    /// Collects garbage if the options say that it is done before each profile.
    ///
    /// V8 would do so while it builds the profile if it was told to, and run finalizers there. They
    /// may stop the sampler that V8 is reading, and make handles. Says how the heap was before, if
    /// it was done.
    pub(crate) fn collect_garbage_if_asked(
        &self,
        isolate: &mut v8::Isolate,
    ) -> Result<Option<HeapStatistics>> {
        self.check(isolate)?;
        if !self.state()?.options.force_gc {
            return Ok(None);
        }
        let before = heap_statistics(&isolate.get_heap_statistics());
        collect_garbage(isolate)?;
        Ok(Some(before))
    }

    /// Reads a profile, unless that cannot be done now.
    fn read_profile<T>(
        &self,
        isolate: &mut v8::Isolate,
        read: impl FnOnce(&mut State, &mut v8::PinScope<'_, '_, ()>, HeapNow) -> Result<T>,
    ) -> Result<T> {
        self.check(isolate)?;
        let collected = self.state()?.read(isolate, read);
        if let Err(Error::NotSampling | Error::ForeignSession { .. }) = collected
            && let Some(slot) = isolate.get_slot_mut::<StopAtDisposal>()
        {
            slot.owner = None;
        }
        collected
    }

    /// Stops V8's sampler, which forgets all samples, and starts it again.
    ///
    /// # Errors
    ///
    /// The session is over then.
    pub(crate) fn restart(&self, isolate: &mut v8::Isolate) -> Result<()> {
        self.check_stop(isolate)?;
        let mut state = self.state()?;
        state.heap_at_start = heap_statistics(&isolate.get_heap_statistics());
        state.allocated_at_start = Some(allocated_so_far(isolate));
        // The window before has just been taken.
        state.settled_at_start = state.settled.take();
        // SAFETY: the isolate is alive and this thread's, since we hold a reference to it.
        unsafe { self.isolate.stop_sampling() };
        state.expected = Expected::new(&state.options);
        state.own_samples = OwnSamples::default();
        // SAFETY: as above.
        let started = unsafe { start_sampling(self.isolate, &state.options) };
        state.started = Timestamp::now();
        if !matches!(started, Ok(true))
            && let Some(slot) = isolate.remove_slot::<StopAtDisposal>()
        {
            slot.disarm();
        }
        if started? { Ok(()) } else { Err(Error::AlreadySampling) }
    }

    /// Stops the sampler; says if somebody else had done so already.
    pub(crate) fn stop(&self, isolate: &mut v8::Isolate) -> Result<()> {
        self.check_stop(isolate)?;
        // V8 does not tell whether a sampler runs, but starts none where one does.
        // SAFETY: the isolate is alive and this thread's, since we hold a reference to it.
        let had_stopped =
            unsafe { self.isolate.start_sampling(SamplerOptions::MAX_INTERVAL_BYTES, 1, 0) }?;
        drop(isolate.remove_slot::<StopAtDisposal>());
        if had_stopped { Err(Error::NotSampling) } else { Ok(()) }
    }

    /// Stops the sampler silently, if that is possible now; else, once all handles have gone, when
    /// the isolate comes next.
    pub(crate) fn stop_if_possible(&self, isolate: &mut v8::Isolate) {
        if self.check_stop(isolate).is_ok() {
            drop(isolate.remove_slot::<StopAtDisposal>());
        }
    }
}

impl State {
    fn read<T>(
        &mut self,
        isolate: &mut v8::Isolate,
        read: impl FnOnce(&mut Self, &mut v8::PinScope<'_, '_, ()>, HeapNow) -> Result<T>,
    ) -> Result<T> {
        // SAFETY: our reference to the isolate outlives the value.
        let _entered = unsafe { EnteredForGc::new(isolate) };
        let heap = isolate.get_heap_statistics();
        let watch = GcWatch::of(isolate);
        watch.begin(&heap);
        let so_far = watch.allocated(&heap);
        let allocated = self.allocated_at_start.map(|start| Bytes(so_far.saturating_sub(start)));
        let collected = {
            v8::scope!(let scope, isolate);
            read(self, scope, (heap_statistics(&heap), allocated))
        };
        GcWatch::of(isolate).end();
        // What was allocated for the profile is no work of the program's.
        let for_profile = allocated_so_far(isolate).saturating_sub(so_far);
        self.allocated_at_start = self.allocated_at_start.map(|start| start + for_profile);
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
            let profile =
                unsafe { OwnedProfile::take(RawIsolate::of(scope)) }?.ok_or(Error::NotSampling)?;
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
}

/// Stops the sampler of a session that has gone away, and the tracker of one.
///
/// # Errors
///
/// V8 may be collecting garbage, where it cannot be stopped.
pub(crate) fn stop_abandoned(isolate: &mut v8::Isolate) -> Result<()> {
    tracking::stop_abandoned(isolate);
    if isolate.get_slot::<StopAtDisposal>().is_some_and(StopAtDisposal::is_abandoned) {
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

/// Runs `work`, and says how many bytes it allocated on the heap: by how much that grows between
/// garbage collections, so without a sampler. What background threads allocate counts as well.
pub(crate) fn allocated_by<R>(
    isolate: &mut v8::Isolate,
    work: impl FnOnce(&mut v8::Isolate) -> R,
) -> (R, Bytes) {
    let before = allocated_so_far(isolate);
    let result = work(isolate);
    (result, Bytes(allocated_so_far(isolate).saturating_sub(before)))
}

/// Bytes that were allocated on the heap since the isolate is watched.
fn allocated_so_far(isolate: &mut v8::Isolate) -> u64 {
    let heap = isolate.get_heap_statistics();
    GcWatch::of(isolate).allocated(&heap)
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
